import { describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { ELEMENT_EXPORTS, ElementInstance, PAIR_BYTES, type Pair } from "./secp256k1-elements.ts";
import { scalarOf } from "./secp256k1-numbers.ts";
import { Point, pointsOf, times } from "./secp256k1-points.ts";

const { Fp } = Point;
/** What Y's place holds: Y, or W = 2Y. */
type Form = "Y" | "W";
/** A point a lane. */
type Points = readonly [Point, Point];

const kernels = new ElementInstance(await compileEntry(`export * from "./secp256k1-jacobian"; ${ELEMENT_EXPORTS}`));
const Y = kernels.constant("Y");
const Z = kernels.constant("Z");

function lanes(of: (lane: 0 | 1) => bigint): Pair {
  return [of(0), of(1)];
}

/** Address of points with these Z. */
function putJacobian(points: Points, zs: Pair, form: Form): number {
  const at = kernels.alloc(kernels.constant("JACOBIAN_BYTES"));
  kernels.setPair(
    at,
    lanes((lane) => Fp.mul(points[lane].x, Fp.pow(zs[lane], 2n))),
  );
  const twice = form === "W" ? 2n : 1n;
  kernels.setPair(
    at + Y,
    lanes((lane) => Fp.mul(Fp.mul(twice, points[lane].y), Fp.pow(zs[lane], 3n))),
  );
  kernels.setPair(at + Z, zs);
  return at;
}

/** The points at an address; where Z is 0, there is none. */
function jacobianAt(at: number, form: Form): readonly (Point | undefined)[] {
  const [xs, ys, zs] = [kernels.pairAt(at), kernels.pairAt(at + Y), kernels.pairAt(at + Z)];
  return [0, 1].map((lane) => {
    const z = zs[lane as 0 | 1];
    if (z === 0n) return undefined;
    const y = Fp.div(ys[lane as 0 | 1], Fp.pow(z, 3n));
    return Point.fromAffine({
      x: Fp.div(xs[lane as 0 | 1], Fp.pow(z, 2n)),
      y: form === "W" ? Fp.div(y, 2n) : y,
    });
  });
}

function hexes(points: readonly (Point | undefined)[]): (string | undefined)[] {
  return points.map((point) => point?.toHex(true));
}

/** Adds points in affine form to those at an address. */
function add(at: number, addends: Points, form: Form): void {
  const x = kernels.putPairs([lanes((lane) => addends[lane].x)]);
  const twice = form === "W" ? 2n : 1n;
  const y = kernels.putPairs([lanes((lane) => Fp.mul(twice, addends[lane].y))]);
  kernels.call(form === "W" ? "addPointToW" : "addPoint", at, x, y);
}

const POINTS = pointsOf("Jacobian points", 24);
/** Z of any size, and 1 and p − 1. */
const ZS = [
  ...POINTS.slice(2).map((_, i) => Fp.create(scalarOf(`Jacobian, Z ${i}`))),
  ...[1n, Fp.ORDER - 1n, 2n, Fp.ORDER - 2n],
];
/** Two points and two Z, all of them others in every case. */
const CASES = Array.from({ length: 12 }, (_, i) => ({
  points: [POINTS[2 * i]!, POINTS[2 * i + 1]!] as const,
  addends: [POINTS[(2 * i + 5) % 24]!, POINTS[(2 * i + 8) % 24]!.negate()] as const,
  zs: [ZS[2 * i + 2]!, ZS[2 * i + 3]!] as const,
}));

describe("Jacobian points", () => {
  test("doubling", () => {
    for (const { points, zs } of CASES) {
      const at = putJacobian(points, zs, "W");
      let expected: readonly Point[] = points;
      for (let times = 0; times < 3; times++) {
        kernels.call("doublePoint", at);
        expected = expected.map((point) => point.double());
        expect(hexes(jacobianAt(at, "W"))).toEqual(hexes(expected));
      }
    }
  });

  test.each(["W", "Y"] as const)("mixed addition from %s", (form) => {
    for (const { points, addends, zs } of CASES) {
      const at = putJacobian(points, zs, form);
      add(at, addends, form);
      const expected = points.map((point, lane) => point.add(addends[lane]!));
      expect(hexes(jacobianAt(at, "Y"))).toEqual(hexes(expected));
    }
  });

  test("a window of the ladder: four doublings, an addition from W, one from Y, and back to W", () => {
    for (const { points, addends, zs } of CASES) {
      const at = putJacobian(points, zs, "Y");
      let expected: readonly Point[] = points;
      for (let window = 0; window < 3; window++) {
        kernels.call("yToW", at);
        for (let i = 0; i < 4; i++) kernels.call("doublePoint", at);
        add(at, addends, "W");
        add(at, points, "Y");
        expected = expected.map((point, lane) => times(16n, point).add(addends[lane]!).add(points[lane]!));
        expect(hexes(jacobianAt(at, "Y"))).toEqual(hexes(expected));
      }
    }
  });

  test.each(["W", "Y"] as const)("Z is 0 where an addend from %s is equal or opposite, in that lane alone", (form) => {
    for (const { points, addends, zs } of CASES) {
      for (const exceptional of [points[0], points[0].negate()]) {
        const at = putJacobian(points, zs, form);
        add(at, [exceptional, addends[1]], form);
        expect(hexes(jacobianAt(at, "Y"))).toEqual([undefined, points[1].add(addends[1]).toHex(true)]);
        const other = putJacobian([points[1], points[0]], [zs[1], zs[0]], form);
        add(other, [addends[1], exceptional], form);
        expect(hexes(jacobianAt(other, "Y"))).toEqual([points[1].add(addends[1]).toHex(true), undefined]);
      }
    }
  });

  test("infinity, with Z = 0, stays that", () => {
    const { points, addends } = CASES[0]!;
    for (const form of ["W", "Y"] as const) {
      const at = putJacobian(points, [0n, 5n], form);
      add(at, addends, form);
      expect(hexes(jacobianAt(at, "Y"))).toEqual([undefined, points[1].add(addends[1]).toHex(true)]);
    }
    const at = putJacobian(points, [3n, 0n], "W");
    kernels.call("doublePoint", at);
    expect(hexes(jacobianAt(at, "W"))).toEqual([points[0].double().toHex(true), undefined]);
  });

  test("leave no scratch behind a wipe", () => {
    const end = kernels.constant("HEAP_BASE");
    const { points, addends, zs } = CASES[1]!;
    kernels.call("wipeJacobian");
    kernels.pairAt(kernels.putPairs([[0n, 0n]]));
    const clean = Buffer.from(kernels.get(0, end));
    const at = putJacobian(points, zs, "W");
    kernels.call("doublePoint", at);
    add(at, addends, "W");
    add(at, points, "Y");
    kernels.pairAt(kernels.putPairs([[0n, 0n]]));
    // The control: there was something to wipe.
    expect(clean.equals(kernels.get(0, end))).toBe(false);
    kernels.call("wipeJacobian");
    expect(clean.equals(kernels.get(0, end))).toBe(true);
    expect(kernels.get(at, PAIR_BYTES).some((byte) => byte !== 0)).toBe(true);
  });
});
