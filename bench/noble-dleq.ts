/**
 * Chaum–Pedersen proofs (CRYPTO '92) on `@noble/curves`, one a point: that D = k·C and Y = k·G have the same k, made
 * non-interactive by SHA-256.
 *
 *   A = r·G, B = r·C, c = SHA-256(label ‖ Y ‖ C ‖ D ‖ A ‖ B) mod n, s = r − c·k; the proof is c ‖ s
 *   verified by A = s·G + c·Y, B = s·C + c·D
 *
 * It is what a careful program does without batches: secrets are multiplied in constant time, as far as noble has it,
 * and what is public in variable time. Points are bytes, and are checked.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { createHash } from "node:crypto";
import { SCALAR_BYTES } from "../src/engine/secp256k1.ts";
import { bytesOf, numberOf, randomScalar } from "./curve-workload.ts";

const { Point } = secp256k1;
const { Fn } = Point;
type Point = InstanceType<typeof Point>;

const LABEL = Buffer.from("gatekeeper bench: proof of one point", "ascii");
/** A public key, decoded once for all proofs under it. */
export interface DecodedKey {
  readonly bytes: Uint8Array;
  readonly point: Point;
}

/** @throws Error when the bytes are no point. */
export function decodeKey(bytes: Uint8Array): DecodedKey {
  return { bytes, point: Point.fromBytes(bytes) };
}

/**
 * @param secret - k.
 * @param publicKey - Y; @param input - C; @param output - D = k·C.
 * @returns c ‖ s, 64 bytes.
 */
export function proveDleq(
  secret: Uint8Array,
  publicKey: Uint8Array,
  input: Uint8Array,
  output: Uint8Array,
): Uint8Array {
  const r = Fn.fromBytes(randomScalar());
  const a = Point.BASE.multiply(r).toBytes();
  const b = Point.fromBytes(input).multiply(r).toBytes();
  const c = dleqChallenge([publicKey, input, output, a, b]);
  return Buffer.concat([bytesOf(c), bytesOf(Fn.sub(r, Fn.mul(c, Fn.fromBytes(secret))))]);
}

/** Whether a proof is good. @throws Error when a point or a scalar is none. */
export function verifyDleq(key: DecodedKey, input: Uint8Array, output: Uint8Array, proof: Uint8Array): boolean {
  const c = Fn.fromBytes(proof.subarray(0, SCALAR_BYTES));
  const s = Fn.fromBytes(proof.subarray(SCALAR_BYTES));
  const a = Point.BASE.multiplyUnsafe(s).add(key.point.multiplyUnsafe(c));
  const b = Point.fromBytes(input).mulAddUnsafe(s, Point.fromBytes(output), c);
  return dleqChallenge([key.bytes, input, output, a.toBytes(), b.toBytes()]) === c;
}

/** c of Y, C, D, A, B. */
export function dleqChallenge(points: readonly Uint8Array[]): bigint {
  const hash = createHash("sha256").update(LABEL);
  for (const point of points) hash.update(point);
  return Fn.create(numberOf(hash.digest()));
}
