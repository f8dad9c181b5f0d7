import { describe, expect, test } from "vitest";
import { BAD_UNCOMPRESSED_SECP256K1 } from "../keys/bad-elements.ts";
import { compileEntry } from "./compile.ts";
import { convert, multiplyAll } from "./secp256k1-batch.ts";
import { ELEMENT_EXPORTS, ElementInstance, PAIR_BYTES } from "./secp256k1-elements.ts";
import { bigEndian } from "./secp256k1-numbers.ts";
import { hexesOf, Point, POINT_BYTES, pointBytes, pointsOf, PRIME, rawPoint } from "./secp256k1-points.ts";

/** Bytes of an uncompressed point. */
const UNCOMPRESSED_BYTES = 65;

const { Fp } = Point;
const kernels = new ElementInstance(await compileEntry(`export * from "./secp256k1-point-bytes"; ${ELEMENT_EXPORTS}`));

/** Points whose x, or whose y, is as near 0 or p as any point's is. */
function extremePoints(): Point[] {
  const found: Point[] = [];
  for (const [from, by] of [
    [0n, 1n],
    [PRIME - 1n, -1n],
  ] as const) {
    for (let x = from, left = 3; left > 0; x += by) {
      const square = Fp.create(x ** 3n + 7n);
      if (Fp.pow(square, (PRIME - 1n) / 2n) !== 1n) continue;
      found.push(Point.fromBytes(rawPoint(2, x)), Point.fromBytes(rawPoint(3, x)));
      left--;
    }
    for (let y = from, left = 3; left > 0; y += by) {
      const cube = Fp.create(y ** 2n - 7n);
      // p is 7 modulo 9, so that this power of a cube is a cube root of it.
      const x = Fp.pow(cube, (PRIME + 2n) / 9n);
      if (Fp.pow(x, 3n) !== cube) continue;
      found.push(Point.fromAffine({ x, y }));
      left--;
    }
  }
  return found;
}

const GOOD = [...pointsOf("point bytes", 8), Point.BASE, Point.BASE.negate(), ...extremePoints()];
const X = GOOD[0]!.x;

/** What is no point. */
const BAD: readonly (readonly [string, Buffer])[] = [
  ...[0, 1, 4, 5, 6, 7, 0x22, 0x82, 0xff].map((prefix) => [`prefix ${prefix}`, rawPoint(prefix, X)] as const),
  ...[2, 3].flatMap((prefix) => [
    [`x = p, prefix ${prefix}`, rawPoint(prefix, PRIME)] as const,
    [`x = p + 1, prefix ${prefix}`, rawPoint(prefix, PRIME + 1n)] as const,
    [`x = 2^256 − 1, prefix ${prefix}`, rawPoint(prefix, 2n ** 256n - 1n)] as const,
    ...extremePoints()
      .map(({ x }) => x)
      .filter((x) => x + PRIME < 2n ** 256n)
      .map((x) => [`x = p + ${x}, prefix ${prefix}`, rawPoint(prefix, x + PRIME)] as const),
    [`x = 0, prefix ${prefix}`, rawPoint(prefix, 0n)] as const,
    [`x = 5, prefix ${prefix}`, rawPoint(prefix, 5n)] as const,
  ]),
  ["zeros", Buffer.alloc(POINT_BYTES)],
  ["ones", Buffer.alloc(POINT_BYTES, 0xff)],
  ["an x turned round", Buffer.concat([Buffer.of(2), bigEndian(Point.BASE.x).reverse()])],
];

/** Reads and writes points, those at the very end of memory; what was read, in hex. */
function roundTrip(points: Uint8Array, size = POINT_BYTES): { statuses: number[]; read: string[]; written: string[] } {
  const count = points.length / size;
  const pairs = Math.ceil(count / 2);
  const room = (pairs + 1) * PAIR_BYTES;
  const [xs, ys, valid] = [kernels.alloc(room), kernels.alloc(room), kernels.alloc(count + 1)];
  kernels.alloc(points.length);
  const end = kernels.bytes.length;
  kernels.bytes.fill(0xa5, xs, end);
  kernels.bytes.set(points, end - points.length);
  kernels.call("readPoints", xs, ys, end - points.length, size, count, valid);
  const read = [0, 1].map((lane) =>
    Array.from({ length: pairs }, (_, i) =>
      [xs, ys].map((at) => kernels.pairAt(at + i * PAIR_BYTES)[lane as 0 | 1]),
    ).map(([x, y]) => Point.fromAffine({ x: x!, y: y! }).toHex(true)),
  );
  const lane = (i: number): string => read[i % 2]![i >> 1]!;
  const statuses = [...kernels.get(valid, count)];
  // One byte, and one pair, behind the last belongs to somebody else.
  expect([...kernels.get(valid + count, 1)]).toEqual([0xa5]);
  for (const at of [xs, ys]) {
    expect(new Set(kernels.get(at + pairs * PAIR_BYTES, PAIR_BYTES))).toEqual(new Set([0xa5]));
  }
  if (count % 2 === 1) expect(read[1]![pairs - 1]).toBe(read[0]![pairs - 1]);
  const before = end - points.length - 1;
  const byte = kernels.bytes[before];
  kernels.bytes.fill(0, before + 1, end);
  kernels.call("writePoints", before + 1, size, xs, ys, count);
  expect(kernels.bytes[before]).toBe(byte);
  const hex = Buffer.from(kernels.get(before + 1, points.length)).toString("hex");
  return {
    statuses,
    read: Array.from({ length: count }, (_, i) => lane(i)),
    written: hex.match(new RegExp(`.{${2 * size}}`, "g")) ?? [],
  };
}

describe("points as bytes", () => {
  test.each([0, 1, 2, 3, 7, 8, 9, 10, 15, 16, 17, GOOD.length])("%i points there and back", (count) => {
    const points = GOOD.slice(0, count);
    const expected = hexesOf(points);
    expect(roundTrip(pointBytes(points))).toEqual({
      statuses: points.map(() => 1),
      read: expected,
      written: expected,
    });
  });

  test("both signs of y, in either lane", () => {
    const points = GOOD.flatMap((point) => [point, point.negate(), point.negate(), point]);
    expect(roundTrip(pointBytes(points)).read).toEqual(hexesOf(points));
  });

  test.each(BAD)("%s is no point: the generator takes its place, good neighbours keep theirs", (_, bad) => {
    const [p, q, r] = [GOOD[0]!, GOOD[1]!, GOOD[2]!];
    expect(() => Point.fromBytes(bad)).toThrow();
    const G = Point.BASE;
    const ends = [bad, pointBytes([p, q]), bad, pointBytes([r])];
    for (const [batch, expected, statuses] of [
      [[bad], [G], [0]],
      [
        [bad, pointBytes([p])],
        [G, p],
        [0, 1],
      ],
      [
        [pointBytes([p]), bad],
        [p, G],
        [1, 0],
      ],
      [
        [pointBytes([p, q]), bad, pointBytes([r])],
        [p, q, G, r],
        [1, 1, 0, 1],
      ],
      [ends, [G, p, q, G, r], [0, 1, 1, 0, 1]],
      [
        [...ends, bad, bad],
        [G, p, q, G, r, G, G],
        [0, 1, 1, 0, 1, 0, 0],
      ],
    ] as const) {
      const found = roundTrip(Buffer.concat(batch));
      expect(found).toEqual({ statuses, read: hexesOf(expected), written: hexesOf(expected) });
    }
  });

  test("the product's kernels say so too, of all of them in one batch", () => {
    const batch = BAD.flatMap(([, bad], i) => [bad, pointBytes([GOOD[i % GOOD.length]!])]);
    const statuses = [...BAD.flatMap(() => [0, 1])];
    expect(convert(Buffer.concat(batch)).statuses).toEqual(statuses);
    expect(convert(Buffer.concat(batch.slice(1))).statuses).toEqual(statuses.slice(1));
    const { statuses: multiplied, points } = multiplyAll(Buffer.concat(batch), bigEndian(1n));
    expect(multiplied).toEqual(statuses);
    const odd = points.filter((_, i) => i % 2 === 1);
    expect(odd).toEqual(BAD.map((_, i) => GOOD[i % GOOD.length]!.toHex(true)));
  });

  test.each([0, 1, 2, 255, 256, 257, 511, 512, 513, 1_000])("%i statuses", (count) => {
    const batch = pointBytes(Array.from({ length: count }, (_, i) => GOOD[i % GOOD.length]!));
    const bad = (i: number): boolean => i % 5 === 3 || i % 256 === 255 || i === count - 1;
    for (let i = 0; i < count; i++) if (bad(i)) batch[POINT_BYTES * i] = 7;
    expect(convert(batch).statuses).toEqual(Array.from({ length: count }, (_, i) => (bad(i) ? 0 : 1)));
  });

  test.each([1, 2, 3, 8, 9, GOOD.length])("%i uncompressed points there and back", (count) => {
    const points = GOOD.slice(0, count);
    const bytes = Buffer.concat(points.map((point) => point.toBytes(false)));
    expect(roundTrip(bytes, UNCOMPRESSED_BYTES)).toEqual({
      statuses: points.map(() => 1),
      read: hexesOf(points),
      written: points.map((point) => point.toHex(false)),
    });
  });

  test.each(Object.entries(BAD_UNCOMPRESSED_SECP256K1))(
    "uncompressed, %s: the generator takes its place in either lane, good neighbours keep theirs",
    (_, bad) => {
      const [p, q] = [GOOD[0]!, GOOD[1]!];
      expect(() => Point.fromBytes(bad)).toThrow();
      const batch = Buffer.concat([bad, p.toBytes(false), q.toBytes(false), bad, bad]);
      const expected = [Point.BASE, p, q, Point.BASE, Point.BASE];
      expect(roundTrip(batch, UNCOMPRESSED_BYTES)).toEqual({
        statuses: [0, 1, 1, 0, 0],
        read: hexesOf(expected),
        written: expected.map((point) => point.toHex(false)),
      });
    },
  );

  test("leave no scratch behind a wipe", () => {
    const end = kernels.constant("HEAP_BASE");
    roundTrip(pointBytes(GOOD.slice(0, 3)));
    const before = kernels.get(0, end);
    kernels.call("wipePointBytes");
    // Scratch of other files is not wiped by this: what is, is in one piece.
    const wiped = changedRange(before, kernels.get(0, end));
    expect(wiped.length).toBeGreaterThan(8 * PAIR_BYTES);
    expect(new Set(wiped)).toEqual(new Set([0]));
  });
});

/** What the second of two memories has from the first to the last address at which they differ. */
function changedRange(before: Uint8Array, after: Uint8Array): Uint8Array {
  const differs = (byte: number, at: number): boolean => byte !== after[at];
  return after.subarray(before.findIndex(differs), before.findLastIndex(differs) + 1);
}
