/** Runs the kernel of hash_to_curve, and says what noble makes of the same. */
import { type secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { expect } from "vitest";
import { KernelInstance } from "./instance.ts";

export type Point = InstanceType<typeof secp256k1.Point>;
/** Bytes of a point: compressed, and not. */
export const SIZES = [33, 65] as const;
export type Size = (typeof SIZES)[number];

/** A point as the kernel writes it; that at infinity, which noble does not write, has x = y = 0. */
export function written(point: Point, size: Size): string {
  return point.is0() ? (size === 33 ? "02" : "04").padEnd(2 * size, "0") : point.toHex(size === 33);
}

/** noble's hash_to_curve. */
export function hashed(message: Uint8Array, DST: Uint8Array): Point {
  return secp256k1_hasher.hashToCurve(message, { DST });
}

/** noble's map_to_curve of one element; its typing has a list of elements, which it refuses for this curve. */
export const mapped = secp256k1_hasher.mapToCurve as unknown as (u: bigint) => Point;

/**
 * Hashes messages of one length as one batch, after checking that the call left nothing but the points: the rest of the
 * memory, its room to work in included, is byte for byte what it was before.
 * @param kernel - another build than the one in build/.
 */
export function hashToCurve(
  messages: readonly Uint8Array[],
  dst: Uint8Array,
  size: Size,
  kernel = new KernelInstance(),
): string[] {
  const [at, tag] = [kernel.put(Buffer.concat(messages)), kernel.put(dst)];
  const out = kernel.alloc(size * messages.length, 1);
  const work = kernel.alloc(kernel.constant("secp256k1HashToCurveWorkBytes"));
  const before = kernel.get(0, kernel.bytes.length);
  const length = messages[0]?.length ?? 32;
  kernel.call("secp256k1HashToCurve", at, length, tag, dst.length, out, size, messages.length, work);
  const points = messages.map((_, i) => Buffer.from(kernel.get(out + size * i, size)).toString("hex"));
  kernel.bytes.fill(0, out, out + size * messages.length);
  expect(Buffer.compare(kernel.bytes, before), "the memory outside the points is as it was").toBe(0);
  return points;
}
