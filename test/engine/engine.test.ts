import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BATCH_BYTES_MAX, type Batch, BatchTable } from "../../src/engine/batch.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import { MEASURED, WASM_ONLY } from "../../src/engine/paths.ts";
import { ROW, ROW_WORDS, RecordStatus } from "../../src/engine/rows.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";
import { Secret } from "../../src/secret.ts";
import { bytesOf, numberOf } from "./deterministic-bytes.ts";
import { EVERY_WAY } from "./all-paths.ts";
import { foundIn, keyForms, keystream, type Searched } from "./leftovers.ts";
import { nativeOpen, nativeSeal } from "./native-aead.ts";
import { keyBytes, layOut, nativeBox, type TestBatch, type TestRecord, testRecord } from "./record-batch.ts";

const VERBS = ["seal", "open", "verify", "reencrypt"] as const;
const KEYS = 7;
const MIB = 1024 * 1024;
const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });

/** Every size from 0 to 300 in an order of its own, and three large ones among them. */
function records(seed: number): TestRecord[] {
  const sizes = Array.from({ length: 301 }, (_, i) => (i * 151 + seed) % 301);
  sizes.splice(100, 0, 131_072, 1, 131_057);
  return sizes.map((size, index) => testRecord(seed * 1000 + index, size, KEYS));
}

/** Asserts that all statuses are this one; vitest is slow at comparing long arrays. */
function expectAll(statuses: Uint8Array, status: number, count: number): void {
  expect(statuses).toHaveLength(count);
  expect([...new Set(statuses)]).toEqual([status]);
}

/** Asserts that what lies outside the boxes is what lay there before. */
function expectSameAround(batch: TestBatch, before: Uint8Array, count: number): void {
  const now = batch.arena.slice();
  for (let record = 0; record < count; record++) batch.box(record, now).set(batch.box(record, before));
  expect(Buffer.compare(now, before), "only boxes were written").toBe(0);
}

describe.each(EVERY_WAY)("the engine with $suite, $name", ({ suite, paths }) => {
  const engine = new Engine({ paths });

  it("seals what node:crypto opens", () => {
    const all = records(1);
    const batch = layOut(all, KEYS);
    const before = batch.arena.slice();
    expectAll(engine.seal(suite, batch), RecordStatus.done, all.length);
    all.forEach(({ text, aad, key }, index) => {
      expect(nativeOpen(suite, keyBytes(key), aad, batch.box(index))?.equals(text), `record ${index}`).toBe(true);
    });
    expectSameAround(batch, before, all.length);
  });

  it("opens and verifies what node:crypto sealed", () => {
    const all = records(2);
    const batch = layOut(
      all,
      KEYS,
      all.map((record, index) => nativeBox(suite, record, index)),
    );
    const before = batch.arena.slice();
    expectAll(engine.verify(suite, batch), RecordStatus.done, all.length);
    expect(Buffer.compare(batch.arena, before), "verify changes nothing").toBe(0);
    expectAll(engine.open(suite, batch), RecordStatus.done, all.length);
    all.forEach(({ text }, index) => {
      const box = batch.box(index);
      const expected = Buffer.from(batch.box(index, before));
      expected.set(text, 12);
      expect(box.equals(expected), `record ${index}: the text, between nonce and tag as they were`).toBe(true);
    });
    expectSameAround(batch, before, all.length);
  });

  it("re-encrypts what node:crypto sealed into what node:crypto would seal", () => {
    const all = records(3);
    const batch = layOut(
      all,
      KEYS,
      all.map((record, index) => nativeBox(suite, record, index)),
    );
    const before = batch.arena.slice();
    expectAll(engine.reencrypt(suite, batch), RecordStatus.done, all.length);
    all.forEach(({ text, newAad, newKey }, index) => {
      const box = batch.box(index);
      const nonce = box.subarray(0, 12);
      expect(nonce.equals(batch.box(index, before).subarray(0, 12))).toBe(false);
      expect(box.equals(nativeSeal(suite, keyBytes(newKey), nonce, newAad, text)), `record ${index}`).toBe(true);
    });
    expectSameAround(batch, before, all.length);
  });

  it("re-encrypting is opening and sealing, for any records", () => {
    const record = fc.record({
      text: fc.uint8Array({ maxLength: 300 }),
      aad: fc.uint8Array({ maxLength: 100 }),
      key: fc.nat(2),
      newAad: fc.uint8Array({ maxLength: 100 }),
      newKey: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), fc.nat(1_000_000), (all, seed) => {
        const boxes = all.map((one, index) => nativeBox(suite, one, seed + index));
        const moved = layOut(all, 3, boxes);
        const statuses = engine.reencrypt(suite, moved);
        const opened = layOut(all, 3, boxes);
        expect(engine.open(suite, opened)).toEqual(statuses);
        all.forEach(({ newKey, newAad }, index) => {
          expect(statuses[index]).toBe(RecordStatus.done);
          const box = moved.box(index);
          const text = opened.box(index).subarray(12, -16);
          expect(box.equals(nativeSeal(suite, keyBytes(newKey), box.subarray(0, 12), newAad, text))).toBe(true);
        });
      }),
    );
  });

  it("works on records of 1 MiB and of exactly 16 MiB", () => {
    for (const size of [MIB, 16 * MIB]) {
      const record = testRecord(77, size, 2);
      const batch = layOut([record], 2);
      expect([...engine.seal(suite, batch)]).toEqual([RecordStatus.done]);
      expect(nativeOpen(suite, keyBytes(record.key), record.aad, batch.box(0))?.equals(record.text)).toBe(true);
      const moved = { ...batch, arena: batch.arena.slice() };
      expect([...engine.reencrypt(suite, moved)]).toEqual([RecordStatus.done]);
      const box = batch.box(0, moved.arena);
      expect(nativeOpen(suite, keyBytes(record.newKey), record.newAad, box)?.equals(record.text)).toBe(true);
      expect([...engine.verify(suite, batch)]).toEqual([RecordStatus.done]);
      expect([...engine.open(suite, batch)]).toEqual([RecordStatus.done]);
      expect(batch.box(0).subarray(12, -16).equals(record.text)).toBe(true);
    }
  });

  it("refuses a record of one byte more than 16 MiB", () => {
    const batch = layOut([testRecord(78, 100, 2), testRecord(79, 16 * MIB + 1, 2)], 2);
    const before = batch.arena.slice();
    for (const verb of VERBS) {
      expect(() => engine[verb](suite, batch)).toThrow(expect.objectContaining({ detail: { row: 1 } }));
    }
    expect(Buffer.compare(batch.arena, before)).toBe(0);
  });

  it("refuses every single flipped bit of header, contract, storage key, nonce, ciphertext and tag", () => {
    for (const textBytes of [0, 1, 16, 37]) {
      const aadBytes = 14 + 32 + 5;
      const record = { ...testRecord(500 + textBytes, textBytes, 2), aad: bytesOf(9, aadBytes) };
      const box = nativeBox(suite, record, 1);
      const whole = Buffer.concat([record.aad, box]);
      const flipped = Array.from({ length: 8 * whole.length }, (_, bit) => {
        const bytes = Buffer.from(whole);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        return bytes;
      });
      const all = [whole, ...flipped, whole].map((bytes) => ({ ...record, aad: bytes.subarray(0, aadBytes) }));
      const boxes = [whole, ...flipped, whole].map((bytes) => bytes.subarray(aadBytes));
      for (const verb of ["verify", "open", "reencrypt"] as const) {
        const batch = layOut(all, 2, boxes);
        const statuses = engine[verb](suite, batch);
        expect(statuses[0]).toBe(RecordStatus.done);
        expect(statuses.at(-1)).toBe(RecordStatus.done);
        expectAll(statuses.subarray(1, -1), RecordStatus.tagMismatch, flipped.length);
        expect(flipped.every((_, index) => batch.box(index + 1).equals(boxes[index + 1]!))).toBe(true);
      }
    }
  });

  it("refuses a record under another key, AAD or suite", () => {
    const [record, other] = [testRecord(1, 50, 1), testRecord(2, 50, 1)];
    const another = ALL_SUITES.find((candidate) => candidate !== suite)!;
    const [box, foreign] = [nativeBox(suite, record, 3), nativeBox(another, record, 3)];
    const all = [
      record,
      { ...record, key: 1 },
      { ...record, aad: other.aad },
      { ...record, aad: record.aad.subarray(1) },
      record,
    ];
    const statuses = engine.verify(suite, layOut(all, 2, [box, box, box, box, foreign]));
    expect([...statuses]).toEqual([1, 2, 2, 2, 2]);
  });

  it("refuses a batch with one row out of range and leaves the arena as it was", () => {
    const all = Array.from({ length: 20 }, (_, index) => testRecord(index, 10 + index, KEYS));
    const boxes = all.map((record, index) => nativeBox(suite, record, index));
    const good = layOut(all, KEYS, boxes);
    const before = good.arena.slice();
    const changes: [keyof typeof ROW, number][] = [
      ["text", 11],
      ["text", before.length - 16],
      ["text", 2 ** 32 - 1],
      ["length", before.length],
      ["length", 16 * MIB + 1],
      ["length", 2 ** 32 - 1],
      ["aad", before.length + 1],
      ["aadLength", before.length + 1],
      ["aadLength", 2 ** 32 - 1],
      ["key", KEYS],
      ["key", 2 ** 32 - 1],
    ];
    const onlyNew: [keyof typeof ROW, number][] = [
      ["newAad", before.length + 1],
      ["newAadLength", 2 ** 32 - 1],
      ["newKey", KEYS],
    ];
    for (const verb of VERBS) {
      for (const [field, value] of verb === "reencrypt" ? [...changes, ...onlyNew] : changes) {
        for (const row of [0, 7, 19]) {
          const table = good.table.slice();
          table[row * ROW_WORDS + ROW[field]] = value;
          const refused = expect.objectContaining({ code: "INVALID_ARGUMENT", detail: { row } });
          expect(() => engine[verb](suite, { ...good, table }), `${verb} ${field}`).toThrow(refused);
          expect(Buffer.compare(good.arena, before)).toBe(0);
        }
      }
    }
    expectAll(engine.verify(suite, good), RecordStatus.done, all.length);
  });

  it("refuses records that overlap, in whatever order they come, and leaves the arena as it was", () => {
    const arena = bytesOf(1, 400);
    const keys = [new Secret(keyBytes(0))];
    const at = (offset: number, length: number) => ({ offset, length, aadOffset: 390, aadLength: 9, key: 0 });
    const apart = [at(300, 20), at(0, 10), at(38, 0), at(66, 5)];
    const overlapping = [
      [at(0, 64), at(0, 64)],
      [at(0, 10), at(37, 30)],
      [at(37, 30), at(0, 10)],
      [...apart, at(71, 200)],
      [...apart, at(71, 201), at(310, 0)],
      [at(100, 0), at(0, 200), at(300, 0)],
    ];
    const tableOf = (rows: readonly ReturnType<typeof at>[]): Uint32Array<ArrayBuffer> => {
      const table = new BatchTable();
      for (const row of rows) table.add(row);
      return table.rows();
    };
    for (const verb of ["seal", "open", "verify", "reencrypt"] as const) {
      for (const rows of overlapping) {
        const batch = { arena: arena.slice(), table: tableOf(rows), keys };
        expect(() => engine[verb](suite, batch), verb).toThrow(invalid);
        expect(Buffer.compare(batch.arena, arena)).toBe(0);
      }
    }
    expectAll(engine.seal(suite, { arena, table: tableOf(apart), keys }), RecordStatus.done, apart.length);
  });

  it("heeds neither the status nor the addresses that a table comes with", () => {
    const record = testRecord(1, 60, 1);
    const batch = layOut([record, record], 1, [nativeBox(suite, record, 1), nativeBox(suite, record, 2)]);
    batch.table[ROW.status] = RecordStatus.skipped;
    batch.table[ROW_WORDS + ROW.newNonce] = 4;
    expect([...engine.reencrypt(suite, batch)]).toEqual([RecordStatus.done, RecordStatus.done]);
    for (const index of [0, 1]) {
      const opened = nativeOpen(suite, keyBytes(record.newKey), record.newAad, batch.box(index));
      expect(opened?.equals(record.text)).toBe(true);
    }
  });

  it("draws a fresh nonce for every record of every call", () => {
    const all = Array.from({ length: 500 }, (_, index) => testRecord(1, index % 3, 1));
    const seen = new Set<string>();
    const note = (batch: TestBatch): void => {
      for (let index = 0; index < all.length; index++) seen.add(batch.box(index).toString("hex", 0, 12));
    };
    const batch = layOut(all, 1);
    for (let call = 0; call < 2; call++) {
      engine.seal(suite, batch);
      note(batch);
    }
    const sealed = layOut(all, 1);
    engine.seal(suite, sealed);
    note(sealed);
    const back = { ...sealed, arena: sealed.arena.slice() };
    engine.reencrypt(suite, sealed);
    note(sealed);
    sealed.arena.set(back.arena);
    engine.reencrypt(suite, sealed);
    note(sealed);
    expect(seen.size).toBe(5 * all.length);
  });

  it("leaves no key, keystream or plaintext in WebAssembly memory", () => {
    const sizes = [0, 5, 16, 64, 100, 192, 256, 1000, 2100, 3000, 140_000];
    const all = sizes.map((size, index) => ({
      ...testRecord(index, size, 4),
      key: index % 2,
      newKey: 2 + (index % 2),
    }));
    const kernels = new Kernels();
    const own = new Engine({ kernels, paths });
    const boxes = all.map((record, index) => nativeBox(suite, record, index));
    const secrets: Searched[] = [0, 1, 2, 3].flatMap((key) => keyForms(suite, keyBytes(key)));
    const note = (key: number, box: Uint8Array, text: Uint8Array): void => {
      secrets.push(keystream(suite, keyBytes(key), box.subarray(0, 12), text.length), {
        name: "a plaintext",
        bytes: text,
      });
    };
    for (const verb of VERBS) {
      const batch = verb === "seal" ? layOut(all, 4) : layOut(all, 4, boxes);
      all.forEach(({ key, text }, index) => {
        if (verb !== "seal") note(key, boxes[index]!, text);
      });
      if (verb === "open") batch.box(3)[70]! ^= 1;
      own[verb](suite, batch);
      all.forEach(({ key, newKey, text }, index) => {
        if (verb === "seal" || verb === "reencrypt") note(verb === "seal" ? key : newKey, batch.box(index), text);
      });
      expect(foundIn(kernels.bytes, secrets), verb).toEqual([]);
      expect(kernels.bytes.subarray(kernels.constant("HEAP_BASE")).every((byte) => byte === 0)).toBe(true);
    }
    // The control: the last whole piece of each kind, at an odd place.
    for (const name of new Set(secrets.map((secret) => secret.name))) {
      const { bytes } = secrets.findLast((secret) => secret.name === name && secret.bytes.length >= 16)!;
      const end = bytes.length - (bytes.length % 16);
      kernels.bytes.set(bytes.subarray(end - 16, end), kernels.bytes.length - 17);
      expect(foundIn(kernels.bytes, secrets)).toHaveLength(1);
    }
  });

  it("leaves nothing behind when it refuses a batch", () => {
    const kernels = new Kernels();
    const own = new Engine({ kernels, paths });
    const record = testRecord(1, 500, 1);
    const secrets = [...keyForms(suite, keyBytes(0)), { name: "a plaintext", bytes: record.text }];
    const good = layOut([record], 1);
    const wiped = new Secret(keyBytes(1));
    wiped[Symbol.dispose]();
    const table = good.table.slice();
    table[ROW.length] = 501 + good.arena.length;
    const bad: [Batch, string][] = [
      [{ ...good, table }, "INVALID_ARGUMENT"],
      [{ ...good, keys: [good.keys[0]!, new Secret(bytesOf(1, 31))] }, "INVALID_ARGUMENT"],
      [{ ...good, keys: [good.keys[0]!, new Secret(bytesOf(1, 33))] }, "INVALID_ARGUMENT"],
      [{ ...good, keys: [good.keys[0]!, wiped] }, "KEY_UNAVAILABLE"],
    ];
    for (const [batch, code] of bad) {
      expect(() => own.seal(suite, batch)).toThrow(expect.objectContaining({ code }));
      expect(foundIn(kernels.bytes, secrets)).toEqual([]);
      expect(kernels.bytes.subarray(kernels.constant("HEAP_BASE")).every((byte) => byte === 0)).toBe(true);
    }
    expect([...own.seal(suite, good)]).toEqual([RecordStatus.done]);
  });

  it("leaves the keys to the caller", () => {
    const batch = layOut([testRecord(1, 5, 1)], 1);
    engine.seal(suite, batch);
    expect(batch.keys[0]!.use((bytes) => Buffer.from(bytes))).toEqual(Buffer.from(keyBytes(0)));
  });
});

/** What takes long: not on ways that are there for tests only. */
const USUAL = EVERY_WAY.filter(({ paths }) => paths === WASM_ONLY || paths === MEASURED);

describe.each(USUAL)("the engine at its limits with $suite, $name", ({ suite, paths }) => {
  const engine = new Engine({ paths });

  it("takes as many records, bytes and keys as a batch holds, and none at all", () => {
    const none = layOut([], 0);
    for (const verb of VERBS) expect(engine[verb](suite, none)).toHaveLength(0);
    const table = new BatchTable();
    const keys = Array.from({ length: 4096 }, (_, index) => new Secret(keyBytes(index)));
    for (let index = 0; index < 65_536; index++) {
      table.add({
        offset: index * 300,
        length: 200,
        aadOffset: BATCH_BYTES_MAX - 9,
        aadLength: 9,
        key: index % 4096,
        newKey: index % 4095,
      });
    }
    const batch = { arena: bytesOf(5, BATCH_BYTES_MAX), table: table.rows(), keys };
    const texts = batch.arena.slice();
    expectAll(engine.seal(suite, batch), RecordStatus.done, 65_536);
    const sealed = batch.arena.slice();
    expectAll(engine.reencrypt(suite, batch), RecordStatus.done, 65_536);
    for (const index of [0, 1, 4095, 4096, 40_000, 65_535]) {
      const [from, to] = [index * 300, index * 300 + 228];
      const text = texts.subarray(from + 12, to - 16);
      const aad = texts.subarray(-9);
      expect(nativeOpen(suite, keyBytes(index % 4096), aad, sealed.subarray(from, to))?.equals(text)).toBe(true);
      expect(nativeOpen(suite, keyBytes(index % 4095), aad, batch.arena.subarray(from, to))?.equals(text)).toBe(true);
    }
  });

  it("names one bad tag among 10,000 good ones, leaves it byte for byte and does the others", () => {
    const all = Array.from({ length: 10_000 }, (_, index) => testRecord(index, numberOf(index, 90), KEYS));
    const bad = 4321;
    const sealed = layOut(all, KEYS);
    engine.seal(suite, sealed);
    const tag = sealed.box(bad).subarray(-16);
    tag[7]! ^= 0x10;
    for (const verb of ["verify", "open", "reencrypt"] as const) {
      const batch = { ...sealed, arena: sealed.arena.slice() };
      const statuses = engine[verb](suite, batch);
      expect(statuses.indexOf(RecordStatus.tagMismatch)).toBe(bad);
      statuses[bad] = RecordStatus.done;
      expectAll(statuses, RecordStatus.done, all.length);
      expect(sealed.box(bad, batch.arena).equals(sealed.box(bad))).toBe(true);
      let right = 0;
      all.forEach(({ text, newAad, newKey }, index) => {
        const box = sealed.box(index, batch.arena);
        if (index === bad) return;
        if (verb === "verify") right += Number(box.equals(sealed.box(index)));
        if (verb === "open") right += Number(box.subarray(12, -16).equals(text));
        if (verb === "reencrypt") right += Number(nativeOpen(suite, keyBytes(newKey), newAad, box)?.equals(text));
      });
      expect(right, verb).toBe(all.length - 1);
    }
  });
});

const engine = new Engine();

it("refuses a suite that does not exist, and a table that is no table", () => {
  const batch = layOut([testRecord(1, 5, 1)], 1);
  expect(() => engine.seal("aes-128-gcm" as Suite, batch)).toThrow(invalid);
  expect(() => engine.seal("aes-256-gcm", { ...batch, table: batch.table.subarray(1) })).toThrow(invalid);
});

it("reads table and arena where they lie in larger buffers", () => {
  const record = testRecord(1, 40, 1);
  const batch = layOut([record], 1);
  const arena = new Uint8Array(batch.arena.length + 30).fill(0xaa);
  arena.set(batch.arena, 13);
  const table = new Uint32Array(ROW_WORDS + 5);
  table.set(batch.table, 3);
  const inner = arena.subarray(13, 13 + batch.arena.length);
  engine.seal("aes-256-gcm", { arena: inner, table: table.subarray(3, 3 + ROW_WORDS), keys: batch.keys });
  expect(nativeOpen("aes-256-gcm", keyBytes(0), record.aad, batch.box(0, inner))?.equals(record.text)).toBe(true);
  expect([...arena.subarray(0, 13), ...arena.subarray(13 + inner.length)].every((byte) => byte === 0xaa)).toBe(true);
});

it("refuses to start on kernels that fail the known-answer check", () => {
  const kernels = new Kernels();
  const run = kernels.run.bind(kernels);
  kernels.run = (suite, verb, rows, count) => run(suite, verb, rows, verb === "Verify" ? count - 1 : count);
  expect(() => new Engine({ kernels })).toThrow(expect.objectContaining({ code: "KERNEL_SELF_TEST_FAILED" }));
});
