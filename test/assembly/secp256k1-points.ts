/** Points of secp256k1 by @noble/curves, and the bytes that the kernels take for them. */
import { normalizeZ } from "@noble/curves/abstract/curve.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bigEndian, modulo, scalarOf } from "./secp256k1-numbers.ts";

export const Point = secp256k1.Point;
export type Point = InstanceType<typeof Point>;
export const POINT_BYTES = 33;
/** p. */
export const PRIME = Point.Fp.ORDER;
/** A root of λ² + λ + 1 modulo n. */
export const LAMBDA = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n;

/** k·P for any k, faster than noble's constant time. */
export function times(k: bigint, point: Point = Point.BASE): Point {
  return point.multiplyUnsafe(modulo(k));
}

/** first + i·step for i = 0 … count − 1: by additions, of which one costs a hundredth of a multiplication. */
export function progression(count: number, first: Point, step: Point): Point[] {
  const points: Point[] = [];
  for (let point = first; points.length < count; point = point.add(step)) points.push(point);
  return normalizeZ(Point, points);
}

/** first + i·step + i(i − 1)/2·bend, as `progression`. */
export function bentProgression(count: number, first: Point, step: Point, bend: Point): Point[] {
  const points: Point[] = [];
  for (let point = first, by = step; points.length < count; point = point.add(by), by = by.add(bend)) {
    points.push(point);
  }
  return normalizeZ(Point, points);
}

/** first + i·step modulo n. */
export function scalarProgression(count: number, first: bigint, step: bigint): bigint[] {
  return Array.from({ length: count }, (_, i) => modulo(first + BigInt(i) * step));
}

/** Points that differ for every label and index. */
export function pointsOf(label: string, count: number): Point[] {
  return progression(count, times(scalarOf(`${label}, first`)), times(scalarOf(`${label}, step`)));
}

/** As the kernels have them in a row. */
export function pointBytes(points: readonly Point[]): Buffer {
  return Buffer.concat(points.map((point) => point.toBytes(true)));
}

export function scalarBytes(scalars: readonly bigint[]): Buffer {
  return Buffer.concat(scalars.map((scalar) => bigEndian(scalar)));
}

/** A prefix, and any number below 2^256 as x: what need not be a point. */
export function rawPoint(prefix: number, x: bigint): Buffer {
  return Buffer.concat([Buffer.of(prefix), bigEndian(x)]);
}

/** A row of points in hex, as `hexOf` gives what a kernel wrote. */
export function hexesOf(points: readonly Point[]): string[] {
  return points.map((point) => point.toHex(true));
}
