import { describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { ELEMENT_EXPORTS, ElementInstance, PAIR_BYTES, type Pair } from "./secp256k1-elements.ts";
import { scalarOf } from "./secp256k1-numbers.ts";
import { Point, pointsOf, PRIME } from "./secp256k1-points.ts";

const { Fp } = Point;
const COUNTS = [0, 1, 2, 3, 7, 40];
/** A stride that is none of the others', as a table's is. */
const WIDE = 3 * PAIR_BYTES;

const kernels = new ElementInstance(
  await compileEntry(`
    export * from "./secp256k1-affine";
    export { JACOBIAN_BYTES } from "./secp256k1-jacobian";
    ${ELEMENT_EXPORTS}
    import { isOnCurve } from "./secp256k1-affine";
    export function onCurve(out: usize, x: usize, y: usize): void { v128.store(out, isOnCurve(x, y)); }`),
);

/** Coordinates of points, two a pair; where they lie. */
interface Coordinates {
  readonly x: number;
  readonly y: number;
  readonly stride: number;
}

function put(points: readonly Point[], stride = PAIR_BYTES): Coordinates {
  const pairs = (of: (point: Point) => bigint): Pair[] =>
    Array.from({ length: points.length / 2 }, (_, i) => [of(points[2 * i]!), of(points[2 * i + 1]!)]);
  return {
    x: kernels.putPairs(
      pairs((p) => p.x),
      stride,
    ),
    y: kernels.putPairs(
      pairs((p) => p.y),
      stride,
    ),
    stride,
  };
}

/** Room of `pairs` elements that holds what no function may rely on. */
function dirty(pairs: number): number {
  const at = kernels.alloc(pairs * PAIR_BYTES);
  kernels.bytes.fill(0xff, at, at + pairs * PAIR_BYTES);
  return at;
}

function dirtyCoordinates(pairs: number, stride = PAIR_BYTES): Coordinates {
  const elements = (pairs * stride) / PAIR_BYTES;
  return { x: dirty(elements), y: dirty(elements), stride };
}

function read({ x, y, stride }: Coordinates, pairs: number): string[] {
  const [xs, ys] = [kernels.pairsAt(x, pairs, stride).flat(), kernels.pairsAt(y, pairs, stride).flat()];
  return xs.map((each, i) => Point.fromAffine({ x: each, y: ys[i]! }).toHex(true));
}

function addAll(out: Coordinates, a: Coordinates, b: Coordinates, pairs: number): void {
  const operands = [out, a, b].flatMap(({ x, y, stride }) => [x, y, stride]);
  kernels.call("addAll", ...operands, pairs, dirty(2 * pairs));
}

function doubleAll(out: Coordinates, a: Coordinates, pairs: number): void {
  const operands = [out, a].flatMap(({ x, y, stride }) => [x, y, stride]);
  kernels.call("doubleAll", ...operands, pairs, dirty(2 * pairs));
}

function hexes(points: readonly Point[]): string[] {
  return points.map((point) => point.toHex(true));
}

describe("batches of affine points", () => {
  test.each(COUNTS)("sums of %i pairs", (pairs) => {
    const a = pointsOf("affine, a", 2 * pairs);
    const b = pointsOf("affine, b", 2 * pairs);
    const expected = hexes(a.map((point, i) => point.add(b[i]!)));
    for (const [outStride, aStride, bStride] of [
      [PAIR_BYTES, PAIR_BYTES, PAIR_BYTES],
      [PAIR_BYTES, WIDE, 2 * PAIR_BYTES],
      [WIDE, PAIR_BYTES, WIDE],
    ] as const) {
      const out = dirtyCoordinates(pairs, outStride);
      const [inA, inB] = [put(a, aStride), put(b, bStride)];
      addAll(out, inA, inB, pairs);
      expect(read(out, pairs)).toEqual(expected);
      // Operands are left alone, unless they are the result.
      expect([read(inA, pairs), read(inB, pairs)]).toEqual([hexes(a), hexes(b)]);
      addAll(inA, inA, inB, pairs);
      expect(read(inA, pairs)).toEqual(expected);
      const againA = put(a, aStride);
      addAll(inB, againA, inB, pairs);
      expect(read(inB, pairs)).toEqual(expected);
    }
  });

  test("sums with the same point for all", () => {
    const a = pointsOf("affine, with one", 10);
    const [p, q] = pointsOf("affine, the one", 2);
    const out = dirtyCoordinates(5);
    addAll(out, put(a), { ...put([p!, q!]), stride: 0 }, 5);
    expect(read(out, 5)).toEqual(hexes(a.map((point, i) => point.add(i % 2 === 0 ? p! : q!))));
  });

  test.each(COUNTS)("doubles of %i pairs", (pairs) => {
    const a = pointsOf("affine, doubled", 2 * pairs);
    const expected = hexes(a.map((point) => point.double()));
    for (const [outStride, aStride] of [
      [PAIR_BYTES, PAIR_BYTES],
      [WIDE, PAIR_BYTES],
      [PAIR_BYTES, WIDE],
    ] as const) {
      const out = dirtyCoordinates(pairs, outStride);
      const input = put(a, aStride);
      doubleAll(out, input, pairs);
      expect(read(out, pairs)).toEqual(expected);
      expect(read(input, pairs)).toEqual(hexes(a));
      doubleAll(input, input, pairs);
      expect(read(input, pairs)).toEqual(expected);
    }
  });

  test("complete sums: ordinary, equal and opposite points in one batch, all nine of them in two lanes", () => {
    const kinds = ["ordinary", "equal", "opposite"] as const;
    const lanes = kinds.flatMap((first) => kinds.flatMap((second) => [first, second]));
    const a = pointsOf("affine, complete a", lanes.length);
    const others = pointsOf("affine, complete b", lanes.length);
    const b = a.map((point, i) => ({ ordinary: others[i]!, equal: point, opposite: point.negate() })[lanes[i]!]);
    const pairs = lanes.length / 2;
    const [inA, inB, masks] = [put(a), put(b), dirty(pairs)];
    kernels.call("addAllComplete", inA.x, inA.y, inB.x, inB.y, pairs, masks, dirty(3 * pairs));
    const expected = a.map((point, i) => (lanes[i] === "opposite" ? point : point.add(b[i]!)));
    expect(read(inA, pairs)).toEqual(hexes(expected));
    expect(read(inB, pairs)).toEqual(hexes(b));
    const masked = new BigInt64Array(kernels.get(masks, 16 * pairs).buffer);
    expect([...masked]).toEqual(lanes.map((kind) => (kind === "opposite" ? -1n : 0n)));
  });

  test.each(COUNTS)("complete sums of %i ordinary pairs", (pairs) => {
    const a = pointsOf("affine, complete", 2 * pairs);
    const b = pointsOf("affine, complete, b", 2 * pairs);
    const [inA, inB] = [put(a), put(b)];
    kernels.call("addAllComplete", inA.x, inA.y, inB.x, inB.y, pairs, dirty(pairs), dirty(3 * pairs));
    expect(read(inA, pairs)).toEqual(hexes(a.map((point, i) => point.add(b[i]!))));
  });

  test.each(COUNTS)("%i pairs from Jacobian coordinates", (pairs) => {
    const points = pointsOf("affine, from Jacobian", 2 * pairs);
    const zs = points.map((_, i) => (i % 5 === 4 ? PRIME - 1n : Fp.create(scalarOf(`affine, Z ${i}`))));
    const stride = kernels.constant("JACOBIAN_BYTES");
    const jacobian = dirty(3 * pairs);
    const pairOf = (i: number, of: (point: Point, z: bigint) => bigint): Pair =>
      [2 * i, 2 * i + 1].map((at) => of(points[at]!, zs[at]!)) as unknown as Pair;
    for (let i = 0; i < pairs; i++) {
      const at = jacobian + i * stride;
      kernels.setPair(
        at,
        pairOf(i, (point, z) => Fp.mul(point.x, Fp.pow(z, 2n))),
      );
      kernels.setPair(
        at + PAIR_BYTES,
        pairOf(i, (point, z) => Fp.mul(point.y, Fp.pow(z, 3n))),
      );
      kernels.setPair(
        at + 2 * PAIR_BYTES,
        pairOf(i, (_, z) => z),
      );
    }
    const out = dirtyCoordinates(pairs);
    kernels.call("toAffineAll", out.x, out.y, jacobian, pairs, dirty(2 * pairs));
    expect(read(out, pairs)).toEqual(hexes(points));
  });

  test("which lanes are on the curve", () => {
    const [p, q] = pointsOf("affine, on the curve", 2) as [Point, Point];
    const off = [
      { x: p.x, y: Fp.create(p.y + 1n) },
      { x: Fp.create(p.x + 1n), y: p.y },
      { x: 0n, y: 0n },
      { x: 0n, y: 7n },
      // On y² = x³ + b with another b, as a fault may have it.
      { x: q.x, y: p.y },
    ];
    const on = [p, q, Point.BASE, p.negate(), q.negate()].map(({ x, y }) => ({ x, y }));
    const out = kernels.alloc(16);
    const ask = (lane0: { x: bigint; y: bigint }, lane1: { x: bigint; y: bigint }): bigint[] => {
      const [x, y] = [kernels.putPairs([[lane0.x, lane1.x]]), kernels.putPairs([[lane0.y, lane1.y]])];
      kernels.call("onCurve", out, x, y);
      return [...new BigInt64Array(kernels.get(out, 16).buffer)];
    };
    on.forEach((point, i) => {
      expect(ask(point, off[i]!)).toEqual([-1n, 0n]);
      expect(ask(off[i]!, point)).toEqual([0n, -1n]);
    });
    expect(ask(on[0]!, on[1]!)).toEqual([-1n, -1n]);
  });
});
