import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "../../src/engine/rows.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { type PageBody, RecordCursor } from "../../src/store/page.ts";
import { bytesOf, numberOf } from "../engine/deterministic-bytes.ts";
import { KernelInstance } from "./instance.ts";
import { headerOf, pageOf, type RawRecord } from "./page-bytes.ts";

const SUITE = 1;
const FROM = 5;
const LEAVE = 9;
const KEY = 0x1230;
const GUARD_BYTES = 64;
const GUARD = 0xe7;
const contract = bytesOf(1, 32);

interface Described {
  /** What pageDescribe returned: rows, or -1. */
  readonly count: number;
  /** The words of the rows, TEXT and AAD as offsets into the body and the AADs. */
  readonly rows: number[][];
  readonly aads: Buffer[];
}

interface Ids {
  readonly suite: number;
  readonly from: number;
  /** 0: any. */
  readonly leaveSuite?: number;
  readonly leave: number;
}

const instance = new KernelInstance();
instance.memory.grow(1);

/**
 * Describes a page that ends where the memory ends (or where `behind` begins, which ends there), with rows and AADs in
 * exactly as much memory as they may take, and checks that nothing but those two areas was written.
 */
function describePage(
  body: Uint8Array,
  ids: Ids = { suite: SUITE, from: FROM, leave: LEAVE },
  behind: Uint8Array = new Uint8Array(0),
): Described {
  const claimed = body.length < 16 ? 0 : Buffer.from(body.buffer, body.byteOffset, 16).readUInt32LE(4);
  const rowsBytes = Math.min(claimed, Math.floor(body.length / 48)) * ROW_BYTES;
  const { bytes } = instance;
  const heap = Math.ceil(instance.constant("HEAP_BASE") / 16) * 16;
  const at = { contract: heap + GUARD_BYTES, rows: heap + 2 * GUARD_BYTES, aads: 0, body: 0 };
  at.aads = at.rows + rowsBytes + GUARD_BYTES;
  at.body = bytes.length - behind.length - body.length;
  expect(at.aads + body.length + GUARD_BYTES).toBeLessThanOrEqual(at.body);
  bytes.fill(GUARD, heap);
  bytes.set(contract, at.contract);
  bytes.set(body, at.body);
  bytes.set(behind, at.body + body.length);
  const before = bytes.slice();

  const { suite, from, leaveSuite = 0, leave } = ids;
  const { rows: rowsAt, aads: aadsAt } = at;
  const count = instance.call(
    "pageDescribe",
    at.body,
    body.length,
    at.contract,
    suite,
    from,
    leaveSuite,
    leave,
    KEY,
    rowsAt,
    aadsAt,
  );

  const rows: number[][] = [];
  const aads: Buffer[] = [];
  for (let row = 0; row < count; row++) {
    const words = [...new Uint32Array(bytes.buffer, rowsAt + row * ROW_BYTES, ROW_WORDS)];
    const aad = words[ROW.aad]!;
    aads.push(Buffer.from(bytes.slice(aad, aad + words[ROW.aadLength]!)));
    words[ROW.text]! -= at.body;
    words[ROW.aad]! -= aadsAt;
    rows.push(words);
  }
  bytes.copyWithin(rowsAt, heap, 0);
  bytes.set(before.subarray(rowsAt, rowsAt + rowsBytes), rowsAt);
  bytes.set(before.subarray(aadsAt, aadsAt + body.length), aadsAt);
  expect(Buffer.compare(bytes, before), "nothing outside rows and AADs was written").toBe(0);
  return { count, rows, aads };
}

/** What the cursor of the store says of the same bytes: the records, or why it refuses them. */
function cursorVerdict(body: Uint8Array): { key: Uint8Array; sealedAt: number; sealed: Uint8Array }[] | string {
  const page: PageBody = { contract, lowerBound: new Uint8Array(0), body };
  try {
    const records = [];
    for (const cursor = new RecordCursor(page); cursor.next();) {
      records.push({ ...cursor.record(), sealedAt: cursor.sealedAt });
    }
    return records;
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return error.message;
    throw error;
  }
}

/** Rows and AADs as they must be for records that the cursor found. */
function expectRows(described: Described, body: Uint8Array, ids: Ids = { suite: SUITE, from: FROM, leave: LEAVE }) {
  const records = cursorVerdict(body);
  if (typeof records === "string") throw new Error(records);
  expect(described.count).toBe(records.length);
  let aadsBytes = 0;
  records.forEach(({ key, sealed, sealedAt }, index) => {
    const row = described.rows[index]!;
    const aad = Buffer.concat([sealed.subarray(0, 14), contract, key]);
    expect(row[ROW.text]).toBe(sealedAt + 26);
    expect(row[ROW.length]).toBe(sealed.length - 42);
    expect(row[ROW.aad]).toBe(aadsBytes);
    expect(row[ROW.aadLength]).toBe(aad.length);
    expect(row[ROW.key]).toBe(KEY);
    expect(row[ROW.status]).toBe(statusOf(sealed, ids));
    expect(described.aads[index]).toEqual(aad);
    aadsBytes += aad.length;
  });
}

function statusOf(sealed: Uint8Array, { suite, from, leaveSuite = 0, leave }: Ids): number {
  const rotationId = Buffer.from(sealed).readUInt32LE(2);
  if (rotationId === from && sealed[1] === suite) {
    return sealed[0] === 1 ? RecordStatus.pending : RecordStatus.tagMismatch;
  }
  // Of whichever suite, none is left under the id that others are pending under.
  const left = leaveSuite === 0 ? rotationId !== from : sealed[1] === leaveSuite;
  return rotationId === leave && left ? RecordStatus.skipped : RecordStatus.tagMismatch;
}

function record(seed: number, keyBytes: number, textBytes: number, rotationId = FROM): RawRecord {
  const sealed = Buffer.concat([headerOf(SUITE, rotationId, BigInt(seed)), bytesOf(seed + 1, 28 + textBytes)]);
  // In ascending order of seeds, whatever their lengths; the empty key only ever comes first.
  const key = bytesOf(seed + 2, keyBytes);
  if (keyBytes > 0) key[0] = seed & 0xff;
  return { key, sealed };
}

const records = [record(0, 0, 0), record(10, 1, 33), record(20, 40, 1, LEAVE), record(30, 7, 100), record(40, 300, 16)];
const page = pageOf(records);

describe("pageDescribe", () => {
  test("describes each record of a page, with its AAD", () => {
    expectRows(describePage(page), page);
    for (const one of records) expectRows(describePage(pageOf([one])), pageOf([one]));
    expect(describePage(pageOf([])).count).toBe(0);
  });

  test("refuses every truncation, even where the rest of the page lies behind it", () => {
    for (let length = 0; length < page.length; length++) {
      expect(describePage(page.subarray(0, length)).count, `${length} bytes`).toBe(-1);
      const behind = page.subarray(length);
      expect(describePage(page.subarray(0, length), undefined, behind).count, `${length} bytes`).toBe(-1);
    }
    expect(describePage(Buffer.concat([page, Buffer.alloc(1)])).count).toBe(-1);
    expect(describePage(Buffer.concat([page, page.subarray(16)])).count).toBe(-1);
  });

  test("refuses every other value of each header byte, but for those of the write version", () => {
    for (let at = 0; at < 16; at++) {
      for (let change = 1; change < 256; change++) {
        const altered = Buffer.from(page);
        altered[at]! ^= change;
        const described = describePage(altered);
        if (at < 8) expect(described.count, `byte ${at} ^ ${change}`).toBe(-1);
        else expectRows(described, altered);
      }
    }
  });

  test("refuses counts that the bytes do not bear out", () => {
    for (const count of [0, 4, 6, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]) {
      expect(describePage(pageOf(records, count)).count, `${count}`).toBe(-1);
    }
  });

  test("takes keys up to 4,096 bytes and sealed states from 42 bytes, and refuses what is beyond", () => {
    const sealed = (bytes: number): Buffer => Buffer.concat([headerOf(SUITE, FROM, 1n), bytesOf(1, bytes - 14)]);
    const longest = pageOf([{ key: bytesOf(2, 4096), sealed: sealed(42) }]);
    expectRows(describePage(longest), longest);
    expect(describePage(pageOf([{ key: bytesOf(2, 4097), sealed: sealed(42) }])).count).toBe(-1);
    expect(describePage(pageOf([{ key: bytesOf(2, 6), sealed: sealed(41) }])).count).toBe(-1);
    expect(describePage(pageOf([{ key: bytesOf(2, 20), sealed: sealed(28) }])).count).toBe(-1);
  });

  test("refuses lengths that reach beyond the page or around 2^32", () => {
    const { key, sealed } = record(50, 30, 60);
    const reaching = [-1, 1, 2, 2 ** 16, 2 ** 24, 2 ** 31, 2 ** 32].map((over) => (sealed.length + over) % 2 ** 32);
    const wrapping = [0, 1, 29, 30, 31, 36, 41, 46, 52].map((under) => 2 ** 32 - 1 - under);
    for (const sealedLength of [0, 1, 13, 41, ...reaching.slice(0, -1), ...wrapping]) {
      expect(describePage(pageOf([{ key, sealed, sealedLength }])).count, `sealed length ${sealedLength}`).toBe(-1);
    }
    for (const keyLength of [31, 4096, 4097, 0x7fff, 0xffff]) {
      expect(describePage(pageOf([{ key, sealed, keyLength }])).count, `key length ${keyLength}`).toBe(-1);
    }
    // Other divisions of the same bytes are other pages, as long as they add up.
    const shifted = pageOf([{ key, sealed, keyLength: 29, sealedLength: sealed.length + 1 }]);
    expectRows(describePage(shifted), shifted);
  });

  test("takes the longest record there is, and refuses one byte more", () => {
    const large = new KernelInstance();
    const describeLarge = (textBytes: number): number => {
      const body = pageOf([{ key: bytesOf(1, 4096), sealed: Buffer.alloc(42 + textBytes) }]);
      const rows = large.alloc(ROW_BYTES);
      const aads = large.alloc(5000);
      return large.call("pageDescribe", large.put(body), body.length, rows, SUITE, FROM, SUITE, LEAVE, KEY, rows, aads);
    };
    expect(describeLarge(2 ** 24)).toBe(1);
    expect(describeLarge(2 ** 24 + 1)).toBe(-1);
  });

  test("tells apart what is to be done, what is left alone and what no key at hand opens", () => {
    const all: RawRecord[] = [];
    for (const version of [0, 1, 2, 255]) {
      for (const suite of [0, 1, 2, 255]) {
        for (const rotationId of [0, FROM, FROM + 1, LEAVE, 2 ** 32 - 1]) {
          const sealed = Buffer.concat([headerOf(suite, rotationId, 3n, version), bytesOf(1, 28)]);
          all.push({ key: Uint8Array.of(all.length), sealed });
        }
      }
    }
    const body = pageOf(all);
    for (const suite of [1, 2]) {
      for (const [from, leave] of [
        [FROM, LEAVE],
        [LEAVE, FROM],
        [FROM, FROM],
        [2 ** 32 - 1, 0],
      ] as const) {
        for (const leaveSuite of [0, 1, 2]) {
          const ids = { suite, from, leaveSuite, leave };
          expectRows(describePage(body, ids), body, ids);
        }
      }
    }
  });

  test("agrees with the store's cursor on mutated pages", () => {
    const extremes = [
      0,
      1,
      2,
      15,
      16,
      41,
      42,
      43,
      4096,
      4097,
      65_535,
      2 ** 24 + 42,
      2 ** 24 + 43,
      2 ** 31,
      2 ** 32 - 1,
    ];
    const mutation = fc.oneof(
      fc.record({ at: fc.nat(), cut: fc.nat() }),
      fc.record({ at: fc.nat(), byte: fc.nat(255) }),
      fc.record({ at: fc.nat(), u32: fc.constantFrom(...extremes) }),
      fc.record({ at: fc.nat(), u16: fc.constantFrom(...extremes.filter((value) => value < 65_536)) }),
      fc.record({ record: fc.nat(), by: fc.constantFrom(-7, -1, 1, 6, 48) }),
      fc.record({ repeated: fc.nat() }),
    );
    const verdicts = { both: 0, neither: 0, kernelOnly: 0 };
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(6), fc.array(mutation, { maxLength: 3 }), (seed, count, mutations) => {
        const base = Array.from({ length: count }, (_, i) =>
          record(
            (seed % 40) + 30 * i,
            i === 0 ? 0 : 1 + numberOf(seed + i, 60),
            numberOf(seed * 7 + i, 200),
            FROM + (i % 2),
          ),
        );
        let body = pageOf(base);
        const starts = [16];
        for (const { key, sealed } of base) starts.push(starts.at(-1)! + 6 + key.length + sealed.length);
        for (const change of mutations) {
          if ("repeated" in change && body.length >= 16) {
            const index = change.repeated % starts.length;
            body = Buffer.concat([body, body.subarray(starts[index], starts[index + 1])]);
            body.writeUInt32LE((body.readUInt32LE(4) + 1) >>> 0, 4);
          } else if ("cut" in change) {
            const at = change.at % (body.length + 1);
            body = Buffer.concat([body.subarray(0, at), body.subarray(at + (change.cut % 100))]);
          } else if ("record" in change) {
            // A record's lengths, changed in ways that may still add up.
            const start = starts[change.record % starts.length]!;
            if (start + 6 <= body.length) {
              body.writeUInt16LE((body.readUInt16LE(start) + change.by) & 0xffff, start);
              body.writeUInt32LE((body.readUInt32LE(start + 2) - change.by) >>> 0, start + 2);
            }
          } else if ("at" in change && body.length >= 4) {
            const at = change.at % (body.length - 3);
            if ("byte" in change) body[at] = change.byte;
            else if ("u32" in change) body.writeUInt32LE(change.u32, at);
            else body.writeUInt16LE(change.u16, at);
          }
        }
        const described = describePage(body);
        const verdict = cursorVerdict(body);
        if (typeof verdict !== "string") {
          expectRows(described, body);
          verdicts.both++;
        } else if (described.count >= 0) {
          // The kernel leaves these two rules to the store: they are no question of memory.
          expect(verdict).toMatch(/out of order|bytes are too many for/);
          verdicts.kernelOnly++;
        } else {
          verdicts.neither++;
        }
      }),
      { numRuns: 1500 },
    );
    expect(Math.min(verdicts.both, verdicts.neither, verdicts.kernelOnly)).toBeGreaterThan(20);
  });
});

/** Rows of a described page in an instance of their own, and the memory as it was before the next call. */
function describedIn(kernels: KernelInstance): { rows: number; body: number } {
  const body = kernels.put(page);
  const at = kernels.put(contract);
  const rows = kernels.alloc(records.length * ROW_BYTES);
  const aads = kernels.alloc(page.length);
  const count = kernels.call("pageDescribe", body, page.length, at, SUITE, FROM, SUITE, LEAVE, KEY, rows, aads);
  expect(count).toBe(records.length);
  return { rows, body };
}

describe("pageRetarget", () => {
  test("gives every row its new key, nonce and AAD, and writes nothing else", () => {
    const kernels = new KernelInstance();
    const { rows } = describedIn(kernels);
    const nonces = kernels.put(bytesOf(3, 12 * records.length), 16);
    const aadsBytes = records.reduce((sum, { key }) => sum + 46 + key.length, 0);
    // Behind the new AADs and the 16 bytes that may be written over, the memory ends: one byte more would trap.
    kernels.alloc(aadsBytes + 16);
    const newAads = kernels.bytes.length - aadsBytes - 16;
    const before = kernels.get(0, kernels.bytes.length);

    kernels.call("pageRetarget", rows, records.length, 2, 0xfedc_ba98, 0x5550, nonces, newAads);

    let aad = newAads;
    records.forEach(({ key, sealed }, index) => {
      const words = new Uint32Array(kernels.memory.buffer, rows + index * ROW_BYTES, ROW_WORDS);
      const old = new Uint32Array(before.slice(rows + index * ROW_BYTES, rows + (index + 1) * ROW_BYTES).buffer);
      const length = 46 + key.length;
      for (const word of [ROW.text, ROW.length, ROW.aad, ROW.aadLength, ROW.key, ROW.status]) {
        expect(words[word]).toBe(old[word]);
      }
      expect(words[ROW.newKey]).toBe(0x5550);
      expect(words[ROW.newNonce]).toBe(nonces + 12 * index);
      expect(words[ROW.newAad]).toBe(aad);
      expect(words[ROW.newAadLength]).toBe(length);
      const header = Buffer.from(sealed.subarray(0, 14));
      header[1] = 2;
      header.writeUInt32LE(0xfedc_ba98, 2);
      expect(Buffer.from(kernels.get(aad, length))).toEqual(Buffer.concat([header, contract, key]));
      aad += length;
    });
    expect(aad + 16).toBe(kernels.bytes.length);
    const after = kernels.get(0, kernels.bytes.length);
    after.set(before.subarray(rows, rows + records.length * ROW_BYTES), rows);
    after.set(before.subarray(newAads), newAads);
    expect(Buffer.compare(after, before)).toBe(0);
  });
});

describe("pageRelabel", () => {
  test("writes suite and rotation id into the headers of the records that are done, and nothing else", () => {
    for (let done = 0; done < 2 ** records.length; done++) {
      const kernels = new KernelInstance();
      const { rows, body } = describedIn(kernels);
      const isDone = (index: number): boolean => ((done >> index) & 1) === 1;
      const others = [RecordStatus.pending, RecordStatus.tagMismatch, RecordStatus.skipped];
      records.forEach((_, index) => {
        const status = new Uint32Array(kernels.memory.buffer, rows + index * ROW_BYTES + 4 * ROW.status, 1);
        status[0] = isDone(index) ? RecordStatus.done : others[(index + done) % 3]!;
      });
      const before = kernels.get(0, kernels.bytes.length);
      const expected = pageOf(
        records.map(({ key, sealed }, index) => {
          const relabelled = Buffer.from(sealed);
          if (isDone(index)) {
            relabelled[1] = 2;
            relabelled.writeUInt32LE(0xfedc_ba98, 2);
          }
          return { key, sealed: relabelled };
        }),
      );

      const relabelled = kernels.call("pageRelabel", rows, records.length, 2, 0xfedc_ba98);

      expect(relabelled).toBe(records.filter((_, index) => isDone(index)).length);
      before.set(expected, body);
      expect(Buffer.compare(kernels.bytes, before)).toBe(0);
    }
  });
});
