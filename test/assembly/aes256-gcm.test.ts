import { createCipheriv, createDecipheriv } from "node:crypto";
import { gcm } from "@noble/ciphers/aes.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileTraced } from "./compile.ts";
import {
  bytesOf,
  DONE,
  GcmBatch,
  type GcmRecord,
  nodeSeal,
  PENDING,
  resealed,
  SKIPPED,
  sealedRecord,
  TAG_MISMATCH,
} from "./aes256-gcm-batch.ts";
import { KernelInstance } from "./instance.ts";

const KERNELS = new KernelInstance();
/** The two areas of keystream are alike and lie side by side. */
const SCRATCH_BYTES = KERNELS.constant("aes256GcmNewKeystream") - KERNELS.constant("aes256GcmKeystream");
const SCRATCH_BLOCKS = SCRATCH_BYTES / 16;

/** A plaintext record with everything that a re-encryption needs, all of it drawn from the label. */
function plainRecord(label: string, length: number, aadLength: number, keys = label): Required<GcmRecord> {
  return {
    key: bytesOf(`${keys} key`, 32),
    nonce: bytesOf(`${label} nonce`, 12),
    text: bytesOf(`${label} text`, length),
    tag: new Uint8Array(16),
    aad: bytesOf(`${label} aad`, aadLength),
    newKey: bytesOf(`${keys} new key`, 32),
    newNonce: bytesOf(`${label} new nonce`, 12),
    newAad: bytesOf(`${label} new aad`, (aadLength * 7 + 3) % 90),
    status: PENDING,
  };
}

/** Seals, opens, verifies and re-encrypts the records in one batch each, against node:crypto and @noble/ciphers. */
function expectAgreement(plain: readonly GcmRecord[], noble = true): void {
  const done = plain.map(() => DONE);
  const sealing = new GcmBatch(plain);
  expect(sealing.run("Seal")).toEqual(done);
  plain.forEach((record, i) => {
    expect(sealing.sealed(i).equals(nodeSeal(record)), `seal of ${record.text.length} bytes`).toBe(true);
    if (!noble) return;
    const other = gcm(record.key, record.nonce, record.aad).encrypt(record.text);
    expect(sealing.sealed(i).subarray(12).equals(other), "seal as @noble/ciphers").toBe(true);
  });

  const sealed = plain.map(sealedRecord);
  const opening = new GcmBatch(sealed);
  expect(opening.run("Open")).toEqual(done);
  plain.forEach((record, i) => {
    const expected = Buffer.concat([record.nonce, record.text, sealed[i]!.tag]);
    expect(opening.sealed(i).equals(expected), `open of ${record.text.length} bytes`).toBe(true);
  });

  const verifying = new GcmBatch(sealed);
  expect(verifying.run("Verify")).toEqual(done);
  sealed.forEach((record, i) => {
    expect(verifying.sealed(i).equals(Buffer.concat([record.nonce, record.text, record.tag]))).toBe(true);
  });

  const moving = new GcmBatch(sealed);
  expect(moving.run("Reencrypt")).toEqual(done);
  plain.forEach((record, i) => {
    expect(moving.sealed(i).equals(resealed(record)), `re-encryption of ${record.text.length} bytes`).toBe(true);
  });
}

describe("the GCM specification's cases for 256-bit keys", () => {
  const key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
  const text =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
  const ciphertext =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
  const zeros = "00".repeat(32);
  const aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
  const cases = [
    ["13", zeros, "00".repeat(12), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"],
    [
      "14",
      zeros,
      "00".repeat(12),
      "",
      "00".repeat(16),
      "cea7403d4d606b6e074ec5d3baf39d18",
      "d0d1c8a799996bf0265b98b5d48ab919",
    ],
    ["15", key, "cafebabefacedbaddecaf888", "", text, ciphertext, "b094dac5d93471bdec1a502270e3cc6c"],
    [
      "16",
      key,
      "cafebabefacedbaddecaf888",
      aad,
      text.slice(0, 120),
      ciphertext.slice(0, 120),
      "76fc6ece0f4e1768cddf8853bb2d551b",
    ],
  ] as const;

  test.each(cases)("case %s", (_, key, nonce, aad, text, ciphertext, tag) => {
    const hex = (digits: string) => Buffer.from(digits, "hex");
    const record = { key: hex(key), nonce: hex(nonce), aad: hex(aad) };
    const sealing = new GcmBatch([{ ...record, text: hex(text) }]);
    expect(sealing.run("Seal")).toEqual([DONE]);
    expect(sealing.sealed(0).toString("hex")).toBe(nonce + ciphertext + tag);
    const opening = new GcmBatch([{ ...record, text: hex(ciphertext), tag: hex(tag) }]);
    expect(opening.run("Open")).toEqual([DONE]);
    expect(opening.sealed(0).toString("hex")).toBe(nonce + text + tag);
  });
});

test("one to 33 keys at once give the contexts that each gives alone, and nothing beside them is written", () => {
  const kernels = new KernelInstance();
  const size = kernels.constant("aes256GcmKeyBytes");
  for (const count of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 32, 33]) {
    const keys = Array.from({ length: count }, (_, i) => bytesOf(`key ${i} of ${count}`, 32));
    const expected = Buffer.alloc(count * size + 64, 0xa5);
    keys.forEach((key, i) => {
      const context = kernels.alloc(size);
      kernels.call("aes256GcmExpandKeys", kernels.put(key), 1, context);
      expected.set(kernels.get(context, size), 32 + i * size);
    });
    const around = kernels.alloc(expected.length);
    kernels.bytes.fill(0xa5, around, around + expected.length);
    kernels.alloc(1, 1);
    kernels.call("aes256GcmExpandKeys", kernels.put(Buffer.concat(keys)), count, around + 32);
    expect(expected.equals(kernels.get(around, expected.length)), `${count} keys`).toBe(true);
  }
});

test("a hash key alone fills in the table of its context, and nothing else", () => {
  const kernels = new KernelInstance();
  const key = bytesOf("hash key alone", 32);
  const size = kernels.constant("aes256GcmKeyBytes");
  // Before it lie 15 round keys.
  const tableBytes = size - 15 * 16;
  const whole = kernels.alloc(size);
  kernels.call("aes256GcmExpandKeys", kernels.put(key), 1, whole);
  const around = kernels.alloc(size + 64);
  kernels.bytes.fill(0xa5, around, around + size + 64);
  const h = kernels.put(createCipheriv("aes-256-ecb", key, null).update(new Uint8Array(16)));
  kernels.call("aes256GcmHashKey", h, around + 32);
  const expected = Buffer.alloc(size + 64, 0xa5);
  expected.set(kernels.get(whole + size - tableBytes, tableBytes), 32 + size - tableBytes);
  expect(expected.equals(kernels.get(around, size + 64))).toBe(true);
});

describe("agreement with node:crypto and @noble/ciphers", () => {
  test("every length from 0 to 300, one key pair, AADs of all sizes", () => {
    expectAgreement(Array.from({ length: 301 }, (_, n) => plainRecord(`length ${n}`, n, (n * 37) % 130, "one pair")));
  });

  test("a key pair of its own in every row, then two in turn", () => {
    expectAgreement(Array.from({ length: 40 }, (_, n) => plainRecord(`own ${n}`, (n * 29) % 200, 78)));
    expectAgreement(Array.from({ length: 20 }, (_, n) => plainRecord(`turn ${n}`, n * 9, 78, `pair ${n % 2}`)));
  });

  test("one old key and several new ones, and the other way round", () => {
    const records = Array.from({ length: 12 }, (_, n) => plainRecord(`mixed ${n}`, 50 + n, 20, "mixed"));
    expectAgreement(records.map((record, n) => ({ ...record, newKey: bytesOf(`new ${n >> 1}`, 32) })));
    expectAgreement(records.map((record, n) => ({ ...record, key: bytesOf(`old ${n >> 1}`, 32) })));
  });

  test("records of one to five blocks, each number of them under each key, across all borders of groups", () => {
    for (let perKey = 1; perKey <= 9; perKey++) {
      const records = Array.from({ length: 36 }, (_, n) =>
        plainRecord(`border ${perKey} ${n}`, (n * 13 + perKey) % 70, 78, `border ${Math.floor(n / perKey)}`),
      );
      expectAgreement(records, false);
    }
  });

  test("records under one key between records under others", () => {
    const lengths = Array.from({ length: 24 }, (_, n) => (n < 4 || n >= 20 ? 20 : 100));
    expectAgreement(
      lengths.map((length, n) => plainRecord(`between ${n}`, length, 30, n < 4 || n >= 20 ? `own ${n}` : "shared")),
    );
    // A record that fills the scratch alone, and one in pieces, with others before and after.
    const long = [30, SCRATCH_BYTES - 36, 30, SCRATCH_BYTES + 14_464, 30, 30];
    expectAgreement(
      long.map((length, n) => plainRecord(`long between ${n}`, length, 30, `long ${n % 4}`)),
      false,
    );
  });

  test("lengths around the size of the scratch, alone and among small records", { timeout: 120_000 }, () => {
    for (const blocks of [SCRATCH_BLOCKS - 1, SCRATCH_BLOCKS, 2 * SCRATCH_BLOCKS]) {
      const lengths = [-17, -16, -1, 0, 1, 16].map((more) => blocks * 16 + more);
      expectAgreement(
        lengths.map((n) => plainRecord(`around ${n}`, n, 78, "around")),
        blocks < SCRATCH_BLOCKS,
      );
    }
    const full = SCRATCH_BYTES - 16;
    const lengths = [40, full - 1, 0, full, full + 1, 33, full + 5_000, 60_000, full - 60_200, 7];
    expectAgreement(
      lengths.map((n, i) => plainRecord(`among ${i}`, n, 13, "among")),
      false,
    );
  });

  test("a chunk that fills the scratch, of one record and of many, writes nothing beside it", () => {
    const chunks = [[SCRATCH_BYTES - 16], Array.from({ length: SCRATCH_BLOCKS / 2 }, (_, n) => 1 + (n % 16))];
    for (const lengths of chunks) {
      const plain = lengths.map((n, i) => plainRecord(`full ${i}`, n, 20, `full ${i % 3}`));
      for (const operation of ["Seal", "Reencrypt"] as const) {
        const batch = new GcmBatch(operation === "Seal" ? plain : plain.map(sealedRecord));
        const { kernels } = batch;
        const stream = kernels.constant("aes256GcmStream");
        // The other kernels' scratch: this one's lies below it.
        const others = Buffer.alloc(512 << 10, 0xa5);
        kernels.bytes.set(others, stream);
        expect(batch.run(operation)).toEqual(plain.map(() => DONE));
        expect(others.equals(kernels.get(stream, others.length))).toBe(true);
      }
    }
  });

  test("a record of 1 MiB and AADs of 8 KiB and more", { timeout: 120_000 }, () => {
    expectAgreement([plainRecord("1 MiB", 1 << 20, 8192), plainRecord("AAD", 100, 8193), plainRecord("a", 0, 40_001)]);
  });

  test("a record of 16 MiB", { timeout: 120_000 }, () => {
    const plain = { ...plainRecord("16 MiB", 0, 78), text: Buffer.alloc(1 << 24, bytesOf("16 MiB", 4099)) };
    const moving = new GcmBatch([sealedRecord(plain)]);
    expect(moving.run("Reencrypt")).toEqual([DONE]);
    expect(moving.sealed(0).equals(resealed(plain))).toBe(true);
  });

  test("random batches", () => {
    const row = fc.record({
      length: fc.integer({ min: 0, max: 300 }),
      aadLength: fc.integer({ min: 0, max: 200 }),
      keys: fc.integer({ min: 0, max: 2 }),
      seed: fc.nat(),
    });
    const batch = fc.array(row, { maxLength: 24 });
    fc.assert(
      fc.property(batch, (rows) => {
        expectAgreement(
          rows.map(({ length, aadLength, keys, seed }) => plainRecord(`${seed}`, length, aadLength, `keys ${keys}`)),
          false,
        );
      }),
      { numRuns: 30 },
    );
  });

  test("an empty batch", () => {
    const batch = new GcmBatch([]);
    for (const operation of ["Seal", "Open", "Verify", "Reencrypt"] as const) expect(batch.run(operation)).toEqual([]);
  });
});

describe("re-encryption", () => {
  test("is open, then seal under the new key", () => {
    const lengths = [0, 1, 15, 16, 17, 63, 64, 65, 128, 256, 1000];
    const plain = lengths.map((n) => plainRecord(`open, seal ${n}`, n, 78, "open, seal"));
    const sealed = plain.map(sealedRecord);
    const moving = new GcmBatch(sealed);
    moving.run("Reencrypt");
    const opening = new GcmBatch(sealed);
    opening.run("Open");
    const sealing = new GcmBatch(
      plain.map((record, i) => ({
        key: record.newKey,
        nonce: record.newNonce,
        aad: record.newAad,
        text: opening.sealed(i).subarray(12, 12 + record.text.length),
      })),
    );
    sealing.run("Seal");
    plain.forEach((_, i) => {
      expect(moving.sealed(i).equals(sealing.sealed(i))).toBe(true);
    });
  });

  test("to the same key under another nonce, and there and back again", () => {
    const plain = plainRecord("same key", 77, 14);
    const same = { ...plain, newKey: plain.key };
    const moving = new GcmBatch([sealedRecord(same)]);
    expect(moving.run("Reencrypt")).toEqual([DONE]);
    expect(moving.sealed(0).equals(resealed(same))).toBe(true);
    const there = sealedRecord({ ...plain, key: plain.newKey, nonce: plain.newNonce, aad: plain.newAad });
    const back = new GcmBatch([{ ...there, newKey: plain.key, newNonce: plain.nonce, newAad: plain.aad }]);
    expect(back.run("Reencrypt")).toEqual([DONE]);
    expect(back.sealed(0).equals(nodeSeal(plain))).toBe(true);
  });
});

describe("what is refused", () => {
  /** Every way to flip one bit of nonce, text, tag or AAD. */
  function flips(record: GcmRecord & { readonly tag: Uint8Array }): GcmRecord[] {
    return (["nonce", "text", "tag", "aad"] as const).flatMap((part) =>
      Array.from({ length: record[part].length * 8 }, (_, bit) => {
        const bytes = Buffer.from(record[part]);
        bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
        return { ...record, [part]: bytes };
      }),
    );
  }

  test.each(["Open", "Verify", "Reencrypt"] as const)(
    "%s: every single flipped bit, each beside good records",
    (operation) => {
      for (const length of [0, 5, 16, 37]) {
        const plain = plainRecord(`flip ${length}`, length, 21, "flip");
        const neighbour = plainRecord(`neighbour ${length}`, 40, 21, "flip");
        // A good record after each bad one, of the same keys: they share chunks and groups.
        const records = flips(sealedRecord(plain)).flatMap((bad) => [bad, sealedRecord(neighbour)]);
        const batch = new GcmBatch(records);
        const statuses = batch.run(operation);
        const opened = Buffer.concat([neighbour.nonce, neighbour.text, sealedRecord(neighbour).tag]);
        const good = { Open: opened, Verify: nodeSeal(neighbour), Reencrypt: resealed(neighbour) }[operation];
        records.forEach((record, i) => {
          const asItWas = Buffer.concat([record.nonce, record.text, record.tag!]);
          expect(statuses[i]).toBe(i % 2 === 0 ? TAG_MISMATCH : DONE);
          expect(batch.sealed(i).equals(i % 2 === 0 ? asItWas : good)).toBe(true);
        });
      }
    },
  );

  test("the wrong key, a moved record, swapped AADs, a shortened text", () => {
    const [a, b] = [sealedRecord(plainRecord("a", 50, 30)), sealedRecord(plainRecord("b", 50, 30))];
    const records = [
      { ...a, key: b.key },
      { ...a, aad: b.aad },
      { ...a, text: b.text, tag: b.tag },
      { ...a, text: a.text.subarray(1) },
      { ...a, text: a.text.subarray(0, 48) },
      { ...a, text: Buffer.concat([a.text, Buffer.alloc(1)]) },
      { ...a, aad: Buffer.concat([a.aad, Buffer.alloc(1)]) },
      // The border between AAD and text is authentic too.
      { ...a, aad: Buffer.concat([a.aad, a.text.subarray(0, 2)]), text: a.text.subarray(2) },
    ];
    for (const operation of ["Open", "Verify", "Reencrypt"] as const) {
      const batch = new GcmBatch(records);
      expect(batch.run(operation)).toEqual(records.map(() => TAG_MISMATCH));
      records.forEach((record, i) => {
        expect(batch.sealed(i).equals(Buffer.concat([record.nonce, record.text, record.tag]))).toBe(true);
      });
    }
  });

  test("a long record with one wrong bit at its end stays as it was", { timeout: 120_000 }, () => {
    const record = sealedRecord(plainRecord("long", 200_000, 78));
    const text = Buffer.from(record.text);
    text[199_999] = text[199_999]! ^ 1;
    for (const operation of ["Open", "Verify", "Reencrypt"] as const) {
      const batch = new GcmBatch([{ ...record, text }]);
      expect(batch.run(operation)).toEqual([TAG_MISMATCH]);
      expect(batch.sealed(0).equals(Buffer.concat([record.nonce, text, record.tag]))).toBe(true);
    }
  });

  test("rows that are not pending are left, whatever they hold, and cost their neighbours nothing", () => {
    const plain = Array.from({ length: 30 }, (_, n) => plainRecord(`row ${n}`, 20 + n, 14, "rows"));
    const left = [SKIPPED, DONE, TAG_MISMATCH];
    for (const operation of ["Seal", "Open", "Reencrypt"] as const) {
      const from = plain.map((record) => (operation === "Seal" ? record : { ...record, ...sealedRecord(record) }));
      const batch = new GcmBatch(
        from.map((record, i) => (i % 3 === 0 ? { ...record, status: left[(i / 3) % 3]! } : record)),
      );
      for (let i = 0; i < 30; i += 3) {
        // Not even addresses need to be right in such a row.
        for (let word = 0; word < 9; word++) batch.setWord(i, word, 0xffff_fff0);
      }
      const statuses = batch.run(operation);
      plain.forEach((record, i) => {
        const asItWas = Buffer.concat([from[i]!.nonce, from[i]!.text, from[i]!.tag!]);
        const opened = Buffer.concat([record.nonce, record.text, sealedRecord(record).tag]);
        const good = { Seal: nodeSeal(record), Open: opened, Reencrypt: resealed(record) }[operation];
        expect(statuses[i]).toBe(i % 3 === 0 ? left[(i / 3) % 3] : DONE);
        expect(batch.sealed(i).equals(i % 3 === 0 ? asItWas : good)).toBe(true);
      });
    }
  });
});

describe("what is left in memory", () => {
  const AT_END = 0xffff_fff0;
  const AAD = 2;
  const NEW_AAD = 5;
  const NEW_NONCE = 8;

  /** Blocks of a record's keystream (J0's first) under a key, as node:crypto makes them. */
  function keystreamBlocks(key: Uint8Array, nonce: Uint8Array, length: number): Buffer[] {
    const first = Buffer.alloc(16 + Math.ceil(length / 16) * 16);
    const counter = Buffer.concat([nonce, Buffer.from([0, 0, 0, 1])]);
    const stream = createDecipheriv("aes-256-ctr", key, counter).update(first);
    return Array.from({ length: stream.length / 16 }, (_, i) => stream.subarray(i * 16, i * 16 + 16));
  }

  /** Of a long record the beginning, the border of its two pieces and the end. */
  function isSearched(_: Buffer, i: number, blocks: readonly Buffer[]): boolean {
    return i < 20 || Math.abs(i - SCRATCH_BLOCKS) < 3 || i > blocks.length - 3;
  }

  function expectNoKeystream(batch: GcmBatch, records: readonly Required<GcmRecord>[]): void {
    for (const { key, nonce, newKey, newNonce, text } of records) {
      const old = keystreamBlocks(key, nonce, text.length).filter(isSearched);
      const other = keystreamBlocks(newKey, newNonce, text.length).filter(isSearched);
      for (const block of [...old, ...other]) expect(batch.holds(block), "keystream").toBe(false);
      old.forEach((block, i) => {
        const both = Buffer.from(block.map((byte, at) => byte ^ other[i]![at]!));
        expect(batch.holds(both), "sum of keystreams").toBe(false);
      });
    }
  }

  function expectNoPlaintext(batch: GcmBatch, records: readonly GcmRecord[]): void {
    for (const { text } of records) {
      for (let at = 0; at + 8 <= text.length; at += 8) {
        expect(batch.holds(text.subarray(at, at + 8)), "plaintext").toBe(false);
      }
    }
  }

  const small = Array.from({ length: 10 }, (_, n) => plainRecord(`left ${n}`, 100 + n, 78, `left ${n >> 3}`));
  const long = plainRecord("left, long", SCRATCH_BYTES + 5_000, 78);

  test.each(["Seal", "Open", "Verify", "Reencrypt"] as const)("%s leaves no keystream", (operation) => {
    for (const records of [small, [long]]) {
      const batch = new GcmBatch(records.map((record) => (operation === "Seal" ? record : sealedRecord(record))));
      batch.run(operation);
      expectNoKeystream(batch, records);
      const begun = records.map((record) => ({ ...record, text: record.text.subarray(0, 128) }));
      if (operation === "Seal" || operation === "Reencrypt") expectNoPlaintext(batch, begun);
    }
  });

  test.each(["Seal", "Open", "Verify", "Reencrypt"] as const)(
    "%s of many keys leaves the scratch as it was",
    (operation) => {
      const many = Array.from({ length: 40 }, (_, n) => plainRecord(`many ${n}`, 10 + 9 * n, 78, `many ${n >> 1}`));
      const batch = new GcmBatch(many.map((record) => (operation === "Seal" ? record : sealedRecord(record))));
      expect(batch.run(operation)).toEqual(many.map(() => DONE));
      const heap = batch.kernels.constant("HEAP_BASE");
      const fresh = new KernelInstance().get(0, heap);
      const changed = batch.kernels.get(0, heap).filter((byte, at) => byte !== fresh[at]);
      // What is gathered or staged to be hashed is public: aes256-gcm-record.ts and ghash.ts say so.
      expect(changed.length).toBeLessThanOrEqual(operation === "Reencrypt" ? 64 + 1024 : 64);
    },
  );

  test("expanding many keys leaves the scratch as it was", () => {
    const kernels = new KernelInstance();
    const contexts = kernels.alloc(20 * kernels.constant("aes256GcmKeyBytes"));
    kernels.call("aes256GcmExpandKeys", kernels.put(bytesOf("many keys", 20 * 32)), 20, contexts);
    const heap = kernels.constant("HEAP_BASE");
    expect(Buffer.from(kernels.get(0, heap)).equals(new KernelInstance().get(0, heap))).toBe(true);
  });

  test("when a tag is wrong, too", () => {
    const bad = small.map((record) => ({ ...sealedRecord(record), aad: bytesOf("other", 78) }));
    for (const operation of ["Open", "Verify", "Reencrypt"] as const) {
      const batch = new GcmBatch(bad);
      expect(batch.run(operation)).toEqual(bad.map(() => TAG_MISMATCH));
      expectNoKeystream(batch, small);
      expectNoPlaintext(batch, small);
    }
  });

  test("no key, raw or expanded, outside the contexts", () => {
    const batch = new GcmBatch(small.map(sealedRecord));
    batch.run("Reencrypt");
    // A sliced round key repeats one byte at most 16 times by a chance of 2^-15; such a vector would prove nothing.
    const vectors = batch.contextVectors().filter((vector) => new Set(vector).size > 1);
    const keys = small.flatMap(({ key, newKey }) => [key, newKey]);
    expect(batch.holds(vectors[0]!)).toBe(true);
    batch.wipeContexts();
    for (const secret of vectors) expect(batch.holds(secret), "part of a context").toBe(false);
    for (const key of keys) {
      for (let at = 0; at < 32; at += 8) expect(batch.holds(key.subarray(at, at + 8)), "key").toBe(false);
    }
  });

  /**
   * The calls below trap in the middle of the kernel at a bad address: what memory holds is then what it held between
   * two of its steps.
   */
  test.each([
    ["before the old tags are checked", AAD, 0],
    ["between two records' checks", AAD, 5],
    ["between the change of a text and its new tag", NEW_AAD, 5],
    ["between the old keystream and the new one", NEW_NONCE, 5],
  ] as const)("re-encryption stopped %s holds no plaintext, and can be wiped", (_, word, index) => {
    const records = small.slice(0, 8);
    const batch = new GcmBatch(records.map(sealedRecord));
    batch.setWord(index, word, AT_END);
    expect(() => batch.run("Reencrypt")).toThrow("out of bounds");
    // Some of it is under way: a keystream is there.
    const first = keystreamBlocks(records[0]!.key, records[0]!.nonce, 0)[0]!;
    expect(batch.holds(first)).toBe(true);
    expectNoPlaintext(batch, records);
    batch.kernels.call("aes256GcmWipe");
    expectNoKeystream(batch, records);
  });

  test("at no store does re-encryption put a plaintext byte into memory", async () => {
    const module = await compileTraced("aes256-gcm");
    // Whole blocks and every size of partial store; pieces of eight bytes or the whole text are looked for.
    const records = [16, 31, 40, 15, 100].map((n) => plainRecord(`at no store ${n}`, n, 30, "at no store"));
    const needles = records.flatMap(({ text }) =>
      Array.from({ length: text.length >> 3 }, (_, i) => text.subarray(i * 8, i * 8 + 8)),
    );
    let stores = 0;
    let found = 0;
    let watching: GcmBatch | undefined;
    const stored = (): void => {
      if (watching === undefined) return;
      stores++;
      if (needles.some((needle) => watching?.holds(needle))) found++;
    };
    const run = (operation: "Open" | "Reencrypt"): GcmBatch => {
      const batch = new GcmBatch(records.map(sealedRecord), new KernelInstance(module, { traced: { stored } }));
      [stores, found, watching] = [0, 0, batch];
      expect(batch.run(operation)).toEqual(records.map(() => DONE));
      watching = undefined;
      return batch;
    };
    const moved = run("Reencrypt");
    records.forEach((record, i) => {
      expect(moved.sealed(i).equals(resealed(record))).toBe(true);
    });
    expect(stores).toBeGreaterThan(500);
    expect(found).toBe(0);
    // The control: opening does store plaintexts, and the search sees it.
    run("Open");
    expect(found).toBeGreaterThan(0);
  });

  test("the search finds a plaintext where there is one", () => {
    const batch = new GcmBatch(small.map(sealedRecord));
    batch.run("Open");
    expect(small.every(({ text }) => batch.holds(text))).toBe(true);
    expect(() => expectNoPlaintext(batch, small)).toThrow();
  });
});
