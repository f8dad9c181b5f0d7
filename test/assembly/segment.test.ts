import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KernelInstance } from "./instance.ts";

const ROW_BYTES = 40;

interface Row {
  readonly length: number;
  readonly key: number;
  readonly newKey: number;
  readonly pending: boolean;
}

interface Segment {
  readonly end: number;
  readonly first: number;
  readonly blocks: number;
}

/** All segments of rows, up to where none is pending. */
function segments(rows: readonly Row[], longBytes: number, bothKeys: boolean): Segment[] {
  const kernels = new KernelInstance();
  const words = rows.flatMap(({ length, key, newKey, pending }) => [
    ...[0, length, 0, 0, key, 0, 0, newKey, 0],
    pending ? 0 : 3,
  ]);
  const at = kernels.put(new Uint8Array(Uint32Array.from(words).buffer), 4);
  const end = at + rows.length * ROW_BYTES;
  const found: Segment[] = [];
  for (let row = at; row < end;) {
    row = kernels.call("segmentEnd", row, end, longBytes, Number(bothKeys));
    const blocks = kernels.constant("segmentBlocks");
    const first = blocks === 0 ? -1 : (kernels.constant("segmentRow") - at) / ROW_BYTES;
    found.push({ end: (row - at) / ROW_BYTES, first, blocks });
  }
  return found;
}

/** The same by the words of segment.ts. */
function expected(rows: readonly Row[], longBytes: number, bothKeys: boolean): Segment[] {
  const found: Segment[] = [];
  let open: { first: number; blocks: number } | undefined;
  const close = (end: number): void => {
    if (open !== undefined) found.push({ end, ...open });
    open = undefined;
  };
  rows.forEach((row, index) => {
    if (!row.pending) return;
    const before = open === undefined ? undefined : rows[open.first]!;
    const together = before?.key === row.key && (!bothKeys || before.newKey === row.newKey);
    if (!together || row.length >= longBytes) close(index);
    open ??= { first: index, blocks: 0 };
    open.blocks += 1 + Math.ceil(row.length / 16);
    if (row.length >= longBytes) close(index + 1);
  });
  close(rows.length);
  const last = found.at(-1)?.end ?? 0;
  if (last < rows.length) found.push({ end: rows.length, first: -1, blocks: 0 });
  return found;
}

describe("segments", () => {
  const row = (length: number, key: number, newKey = 0, pending = true): Row => ({ length, key, newKey, pending });

  it("end where the key changes, and the new key where both count", () => {
    const rows = [row(5, 1, 1), row(16, 1, 2), row(17, 2, 2), row(0, 2, 2)];
    expect(segments(rows, 1_000, false)).toEqual([
      { end: 2, first: 0, blocks: 4 },
      { end: 4, first: 2, blocks: 4 },
    ]);
    expect(segments(rows, 1_000, true)).toEqual([
      { end: 1, first: 0, blocks: 2 },
      { end: 2, first: 1, blocks: 2 },
      { end: 4, first: 2, blocks: 4 },
    ]);
  });

  it("leave a long text by itself, from exactly the given length on", () => {
    const rows = [row(99, 1), row(100, 1), row(99, 1), row(100, 1), row(100, 1)];
    expect(segments(rows, 100, true).map(({ end }) => end)).toEqual([1, 2, 3, 4, 5]);
    expect(segments(rows, 101, true).map(({ end }) => end)).toEqual([5]);
    expect(segments(rows, 0, true).map(({ end }) => end)).toEqual([1, 2, 3, 4, 5]);
  });

  it("take rows that are not pending along, and name the first that is", () => {
    const rows = [row(5, 9, 9, false), row(5, 1), row(5, 8, 8, false), row(5, 1), row(900, 7, 7, false)];
    expect(segments(rows, 100, true)).toEqual([{ end: 5, first: 1, blocks: 4 }]);
    expect(
      segments(
        rows.filter(({ pending }) => !pending),
        100,
        true,
      ),
    ).toEqual([{ end: 3, first: -1, blocks: 0 }]);
    expect(segments([], 100, true)).toEqual([]);
  });

  it("are what their description says, for any rows", () => {
    const any = fc.record({ length: fc.nat(120), key: fc.nat(2), newKey: fc.nat(2), pending: fc.boolean() });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 30 }), fc.nat(130), fc.boolean(), (rows, longBytes, bothKeys) => {
        expect(segments(rows, longBytes, bothKeys)).toEqual(expected(rows, longBytes, bothKeys));
      }),
      { numRuns: 200 },
    );
  });
});
