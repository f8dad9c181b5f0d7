/** Both groups, with an oracle each that computes one element at a time, and the numbers of secrets. */
import { createHash } from "node:crypto";
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { Point } from "@noble/secp256k1";
import type { Group } from "../../src/keys/group.ts";
import { Secp256k1Group } from "../../src/keys/secp256k1-group.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { Secret } from "../../src/secret.ts";

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** One element at a time; the identity is zeros, in and out. */
export interface GroupOracle {
  add(a: Uint8Array, b: Uint8Array): Uint8Array;
  negate(a: Uint8Array): Uint8Array;
  /** @param k - from 0 to n − 1. */
  multiply(a: Uint8Array, k: bigint): Uint8Array;
  hashToGroup(message: Uint8Array, dst: Uint8Array): Uint8Array;
  hashToScalar(message: Uint8Array, dst: Uint8Array): bigint;
}

interface OraclePoint<P> {
  add(other: P): P;
  negate(): P;
  multiplyUnsafe(k: bigint): P;
  is0(): boolean;
  toBytes(compressed?: boolean): Uint8Array;
}

interface OraclePoints<P> {
  readonly BASE: P;
  readonly ZERO: P;
  fromBytes(bytes: Uint8Array): P;
}

interface OracleHasher {
  hashToCurve(message: Uint8Array, options: { DST: Uint8Array }): { toBytes(compressed?: boolean): Uint8Array };
}

/** expand_message_xmd of RFC 9380 §5.3.1 for tags up to 255 bytes, on node:crypto. */
function expandMessageXmd(hash: "sha256" | "sha512", message: Uint8Array, dst: Uint8Array, length: number): Buffer {
  const blockBytes = hash === "sha256" ? 64 : 128;
  const tag = Buffer.concat([dst, Buffer.of(dst.length)]);
  const digest = (...parts: Uint8Array[]): Buffer => createHash(hash).update(Buffer.concat(parts)).digest();
  const b0 = digest(Buffer.alloc(blockBytes), message, Buffer.of(length >>> 8, length & 255, 0), tag);
  const blocks = [digest(b0, Buffer.of(1), tag)];
  while (Buffer.concat(blocks).length < length) {
    const mixed = blocks.at(-1)!.map((byte, i) => byte ^ b0[i]!);
    blocks.push(digest(mixed, Buffer.of(blocks.length + 1), tag));
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function pointOracle<P extends OraclePoint<P>>(
  Points: OraclePoints<P>,
  hasher: OracleHasher,
  hashToScalar: GroupOracle["hashToScalar"],
  compressed?: boolean,
): GroupOracle {
  const size = Points.BASE.toBytes(compressed).length;
  const decode = (bytes: Uint8Array): P => (bytes.every((byte) => byte === 0) ? Points.ZERO : Points.fromBytes(bytes));
  const encode = (point: P): Uint8Array =>
    point.is0() ? new Uint8Array(size) : Uint8Array.from(point.toBytes(compressed));
  return {
    add: (a, b) => encode(decode(a).add(decode(b))),
    negate: (a) => encode(decode(a).negate()),
    multiply: (a, k) => encode(k === 0n ? Points.ZERO : decode(a).multiplyUnsafe(k)),
    hashToGroup: (message, dst) => Uint8Array.from(hasher.hashToCurve(message, { DST: dst }).toBytes(compressed)),
    hashToScalar,
  };
}

function hashToSecp256k1Scalar(message: Uint8Array, dst: Uint8Array): bigint {
  const uniform = expandMessageXmd("sha256", message, dst, 48);
  return BigInt(`0x${hex(uniform)}`) % Point.CURVE().n;
}

const COMPRESSED_ORACLE = pointOracle(Point, secp256k1_hasher, hashToSecp256k1Scalar, true);
const UNCOMPRESSED_ORACLE = pointOracle(Point, secp256k1_hasher, hashToSecp256k1Scalar, false);
export const RISTRETTO255_ORACLE = pointOracle(ristretto255.Point, ristretto255_hasher, (message, dst) => {
  const uniform = expandMessageXmd("sha512", message, dst, 64);
  return BigInt(`0x${hex(uniform.reverse())}`) % ristretto255.Point.Fn.ORDER;
});

export const SECP256K1_GROUP: Group = new Secp256k1Group("uncompressed");
export const COMPRESSED_SECP256K1_GROUP: Group = new Secp256k1Group("compressed");

/** What a test of anything written against groups runs over: `describe.each(GROUPS)`. */
export const GROUPS: readonly { name: string; group: Group; oracle: GroupOracle }[] = [
  { name: "secp256k1", group: SECP256K1_GROUP, oracle: UNCOMPRESSED_ORACLE },
  { name: "secp256k1, compressed", group: COMPRESSED_SECP256K1_GROUP, oracle: COMPRESSED_ORACLE },
  { name: "ristretto255", group: RISTRETTO255_GROUP, oracle: RISTRETTO255_ORACLE },
];

/** A secret scalar with this value, from 0 to n − 1. */
export function secretOf(group: Group, value: bigint): Secret {
  return new Secret(group.scalars.encode(value));
}

/** A secret scalar's value. */
export function numberOf(group: Group, secret: Secret): bigint {
  return secret.use((bytes) => group.scalars.decode(bytes))!;
}

/** The elements of a batch, one by one. */
export function split(group: Group, elements: Uint8Array): Uint8Array[] {
  const count = elements.length / group.elementBytes;
  return Array.from({ length: count }, (_, i) => elements.slice(i * group.elementBytes, (i + 1) * group.elementBytes));
}
