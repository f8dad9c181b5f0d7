/** Numbers modulo the order n of secp256k1's group as bigints, and as the kernels have them in memory. */
import { createHash } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";

/** n. */
export const ORDER = secp256k1.Point.Fn.ORDER;
/** c = 2^256 − n. */
export const COMPLEMENT = 2n ** 256n - ORDER;
export const SCALAR_BYTES = 32;

/** x modulo n, from 0 to n − 1. */
export function modulo(x: bigint): bigint {
  const rest = x % ORDER;
  return rest < 0n ? rest + ORDER : rest;
}

/** A number of `length` bytes, big-endian. */
export function bigEndian(x: bigint, length = SCALAR_BYTES): Buffer {
  const hex = x.toString(16).padStart(2 * length, "0");
  if (hex.length !== 2 * length) throw new Error(`${hex} does not fit ${length} bytes`);
  return Buffer.from(hex, "hex");
}

/** A number as limbs, the least significant first. */
export function limbs(x: bigint, length = SCALAR_BYTES): Buffer {
  return bigEndian(x, length).reverse();
}

export function fromBigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

export function fromLimbs(bytes: Uint8Array): bigint {
  return fromBigEndian(bytes.toReversed());
}

/** A scalar other than zero, reproducible, that differs for every label. */
export function scalarOf(label: string): bigint {
  const bytes = createHash("shake256", { outputLength: 48 }).update(label).digest();
  return (fromBigEndian(bytes) % (ORDER - 1n)) + 1n;
}

/** Any number below 2^256. */
export const anyNumber = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });

/** Numbers below 2^256 where something may go wrong: near 0, n and 2^256, and limbs that are all zeros or all ones. */
export const EDGE_NUMBERS: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n].flatMap((small) => [small, ORDER + small, 2n ** 256n - 1n - small]),
  ...[1n, 2n, 3n].map((small) => ORDER - small),
  ...[COMPLEMENT - 1n, COMPLEMENT, COMPLEMENT + 1n, (ORDER - 1n) / 2n, (ORDER + 1n) / 2n],
  ...Array.from({ length: 256 }, (_, pattern) => limbPattern(pattern)),
];

/** The number whose limb i is all ones where bit i of the pattern is set. */
function limbPattern(pattern: number): bigint {
  let x = 0n;
  for (let i = 0n; i < 8n; i++) if ((BigInt(pattern) >> i) & 1n) x |= 0xffffffffn << (32n * i);
  return x;
}
