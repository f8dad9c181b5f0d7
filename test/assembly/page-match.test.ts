import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes } from "../../src/bytes.ts";
import { ROW, RecordStatus } from "../../src/engine/rows.ts";
import { bytesOf } from "../engine/deterministic-bytes.ts";
import { describedPage, LEFT_UNDER, PENDING_UNDER, rowOf } from "./described-page.ts";
import { KernelInstance } from "./instance.ts";
import { headerOf, pageOf, type RawRecord } from "./page-bytes.ts";

const FATES = ["left", "unchanged", "changed", "later", "putBack", "absent", "moved"] as const;
type Fate = (typeof FATES)[number];

/** A record that is pending unless told otherwise. */
function record(
  key: Uint8Array,
  writeVersion: bigint,
  seed: number,
  textBytes = 20,
  under: number = PENDING_UNDER.rotationId,
): RawRecord {
  const header = headerOf(PENDING_UNDER.suite, under, writeVersion);
  return { key, sealed: Buffer.concat([header, bytesOf(seed, 28 + textBytes)]) };
}

interface Matched {
  readonly kernels: KernelInstance;
  readonly rows: number;
  readonly entries: number;
  readonly fates: Fate[];
  readonly statement: Buffer;
}

/** Matches pages; null where pageMatch refuses them. */
function match(before: readonly RawRecord[], after: readonly (readonly RawRecord[])[]): Matched | null {
  const kernels = new KernelInstance();
  const old = describedPage(kernels, pageOf(before));
  const now = describedPage(kernels, ...after.map((records) => pageOf(records)));
  const entries = kernels.alloc(8 * before.length);
  const statement = kernels.alloc(pageOf(before).length + 16);
  const end = kernels.call("pageMatch", old.rows, old.count, now.rows, now.count, entries, statement);
  if (end === 0) return null;
  const stated = Buffer.from(kernels.get(statement, end - statement));
  return { kernels, rows: old.rows, entries, fates: fatesOf(kernels, entries, before.length), statement: stated };
}

function fatesOf(kernels: KernelInstance, entries: number, count: number): Fate[] {
  const words = new Uint32Array(kernels.memory.buffer, entries, 2 * count);
  return Array.from({ length: count }, (_, index) => FATES[words[2 * index]!]!);
}

/** The same by a map of the records that are there now. */
function expectedFate(before: RawRecord, after: readonly (readonly RawRecord[])[]): Fate {
  const sealed = Buffer.from(before.sealed);
  if (sealed.readUInt32LE(2) === LEFT_UNDER.rotationId) return "left";
  const found = after.flat().find(({ key }) => compareBytes(key, before.key) === 0);
  if (found === undefined) return "absent";
  const now = Buffer.from(found.sealed);
  const [old, current] = [sealed.readBigUInt64LE(6), now.readBigUInt64LE(6)];
  if (old !== current) return current > old ? "later" : "putBack";
  return now.equals(sealed) ? "unchanged" : "changed";
}

const anyKey = fc.uint8Array({ maxLength: 20 }).map((bytes) => bytes.map((byte) => [0, 1, 128, 255][byte % 4]!));
const anyRecords = fc.uniqueArray(anyKey, { maxLength: 12, selector: (key) => Buffer.from(key).toString("hex") });

describe("pageMatch", () => {
  test("finds what became of each record, on pages of any records", () => {
    const seen = new Set<Fate>();
    const change = fc.record({
      kind: fc.constantFrom("same", "other bytes", "longer", "later", "older", "gone", "left"),
      cut: fc.boolean(),
    });
    fc.assert(
      fc.property(anyRecords, anyRecords, fc.array(change, { minLength: 12, maxLength: 12 }), (keys, more, changes) => {
        const before: RawRecord[] = keys.toSorted(compareBytes).map((key, index) => {
          const under = changes[index]!.kind === "left" ? LEFT_UNDER.rotationId : PENDING_UNDER.rotationId;
          return record(key, 2n ** 63n, index, index * 3, under);
        });
        const now = before.flatMap(({ key, sealed }, index): RawRecord[] => {
          const { kind } = changes[index]!;
          if (kind === "gone") return [];
          if (kind === "longer") return [record(key, 2n ** 63n, index, index * 3 + 1)];
          if (kind === "later") return [record(key, 2n ** 64n - 1n, index)];
          if (kind === "older") return [record(key, 1n, index)];
          if (kind !== "other bytes") return [{ key, sealed }];
          const other = Buffer.from(sealed);
          other[(index * 7) % 6 === 0 ? other.length - 1 : 14 + ((index * 5) % (other.length - 14))]! ^= 1 + index;
          return [{ key, sealed: other }];
        });
        const known = new Set(before.map(({ key }) => Buffer.from(key).toString("hex")));
        const others = more.filter((key) => !known.has(Buffer.from(key).toString("hex")));
        const all = [...now, ...others.map((key) => record(key, 5n, 99))].sort((a, b) => compareBytes(a.key, b.key));
        const cutAt = all.findIndex((_, index) => changes[index % 12]!.cut);
        const after = cutAt < 0 ? [all] : [all.slice(0, cutAt), [], all.slice(cutAt)];
        const matched = match(before, after)!;
        const expected = before.map((each) => expectedFate(each, after));
        expect(matched.fates).toEqual(expected);
        for (const fate of expected) seen.add(fate);

        const statement: Uint8Array[] = [];
        before.forEach(({ key, sealed }, index) => {
          const nonce = rowOf(matched.kernels, matched.rows, index)[ROW.newNonce]!;
          if (expected[index] !== "changed") {
            expect(nonce).toBe(0);
            return;
          }
          const there = all.find((each) => compareBytes(each.key, key) === 0)!;
          expect(Buffer.from(matched.kernels.get(nonce, 12)).equals(there.sealed.subarray(14, 26))).toBe(true);
          const keyLength = Uint8Array.of(key.length, 0);
          statement.push(keyLength, key, sealed.subarray(6, 14), sealed.subarray(-16), there.sealed.subarray(-16));
        });
        expect(matched.statement.equals(Buffer.concat(statement))).toBe(true);
      }),
      { numRuns: 400 },
    );
    expect([...seen].sort()).toEqual(["absent", "changed", "later", "left", "putBack", "unchanged"]);
  });

  test("refuses keys that are out of order or twice there, in either page and across pages", () => {
    const only = (byte: number): RawRecord => record(Uint8Array.of(byte), 1n, byte);
    const [a, b, c] = [only(1), only(2), only(3)];
    const longer = record(Uint8Array.of(1, 0), 1n, 4);
    expect(match([a, longer, b, c], [[a], [longer, b], [], [c]])).not.toBeNull();
    for (const wrong of [
      [b, a],
      [a, a],
      [longer, a],
      [a, c, b],
      [a, b, b],
    ]) {
      expect(match(wrong, [[a, b, c]])).toBeNull();
      expect(match([a, b, c], [wrong])).toBeNull();
      expect(match([a, b, c], [wrong.slice(0, 1), wrong.slice(1)])).toBeNull();
    }
    expect(match([], [])!.fates).toEqual([]);
    expect(match([a], [])!.fates).toEqual(["absent"]);
  });
});

describe("pageCompare", () => {
  test("finds every byte that is not as it should be, and calls moved only what was done", () => {
    const key = bytesOf(3, 9);
    for (const textBytes of [0, 1, 5, 6, 7, 21, 22, 23, 100]) {
      const before = record(key, 7n, 1, textBytes);
      const there = record(key, 7n, 2, textBytes);
      const { kernels, rows, entries, fates } = match([before], [[there]])!;
      expect(fates).toEqual(["changed"]);
      const row = rowOf(kernels, rows, 0);
      const sealedAt = row[ROW.text]! - 26;
      const compared = (): Fate => {
        const words = new Uint32Array(kernels.memory.buffer, entries, 1);
        words[0] = FATES.indexOf("changed");
        kernels.call("pageCompare", rows, 1, entries);
        return FATES[words[0]]!;
      };
      kernels.bytes.set(there.sealed, sealedAt);
      for (const status of [RecordStatus.pending, RecordStatus.tagMismatch, RecordStatus.skipped]) {
        row[ROW.status] = status;
        expect(compared()).toBe("changed");
      }
      row[ROW.status] = RecordStatus.done;
      expect(compared()).toBe("moved");
      for (let at = 0; at < there.sealed.length; at++) {
        kernels.bytes[sealedAt + at]! ^= 1 << (at % 8);
        expect(compared(), `byte ${at} of ${there.sealed.length}`).toBe("changed");
        kernels.bytes[sealedAt + at]! ^= 1 << (at % 8);
      }
      // What lies next to it is not its business.
      kernels.bytes[sealedAt - 1]! ^= 1;
      kernels.bytes[sealedAt + there.sealed.length]! ^= 1;
      expect(compared()).toBe("moved");
    }
  });

  test("never compares records of different lengths, and leaves every other fate", () => {
    const key = bytesOf(3, 9);
    for (const [mine, theirs] of [
      [20, 21],
      [21, 20],
      [0, 64],
    ] as const) {
      const { kernels, rows, entries } = match([record(key, 7n, 1, mine)], [[record(key, 7n, 1, theirs)]])!;
      rowOf(kernels, rows, 0)[ROW.status] = RecordStatus.done;
      kernels.call("pageCompare", rows, 1, entries);
      expect(fatesOf(kernels, entries, 1)).toEqual(["changed"]);
    }
    const same = record(key, 7n, 1);
    const { kernels, rows, entries } = match([same], [[same]])!;
    rowOf(kernels, rows, 0)[ROW.status] = RecordStatus.done;
    kernels.call("pageCompare", rows, 1, entries);
    expect(fatesOf(kernels, entries, 1)).toEqual(["unchanged"]);
  });
});
