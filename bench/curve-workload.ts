/**
 * What the operations of secp256k1 are measured on, made by OpenSSL, with the answers that are known without any of
 * those who are measured: each point is made as a·G with a known a, so its product with a scalar k is the public key
 * of a·k mod n, which OpenSSL computes; signatures are OpenSSL's, and what is spoiled is spoiled on purpose. OpenSSL
 * has no hash to the curve: what `@noble/curves` says of an id is right if it knows RFC 9380's vector, and what becomes
 * of it times a scalar is what the other library says, `@noble/secp256k1`.
 */
import { createECDH, createHash, ECDH, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { Point } from "@noble/secp256k1";
import { POINT_BYTES, SCALAR_BYTES } from "../src/engine/secp256k1.ts";
import { CONTEXT } from "../src/context.ts";

/** What OpenSSL calls it. */
export const CURVE = "secp256k1";
/** The order n of the group and the prime p of the field (SEC 2 §2.4.1). */
export const ORDER = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;
const FIELD = 2n ** 256n - 2n ** 32n - 977n;

export const ID_BYTES = 32;

/** The operations that are measured, and the rows of the table that they are. */
export const OPERATIONS = {
  multiplyAll: "points × one secret scalar",
  multiplyEach: "ECDH, a scalar each",
  publicKeys: "public keys",
  hashToCurve: "hash-to-curve",
  decompress: "decompress and validate",
  partials: "contract partial",
  verifyEcdsa: "ECDSA verify",
} as const;

export type Operation = keyof typeof OPERATIONS;

/** What an operation says of one item: a point, whether a signature is good, or false of a point that it refuses. */
export type Answer = Uint8Array | boolean;

interface SignedHash {
  readonly hash: Uint8Array;
  /** r ‖ s, 32 bytes each, big-endian; s is at most n/2, as libsecp256k1 wants it. */
  readonly signature: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Whether the signature is to verify. */
  readonly valid: boolean;
}

/** Inputs, one of each kind an item. */
export interface CurveWorkload {
  /** The scalar of all items. */
  readonly scalar: Uint8Array;
  readonly scalars: readonly Uint8Array[];
  readonly points: readonly Uint8Array[];
  /** Discrete logarithms of the points. */
  readonly logs: readonly bigint[];
  readonly ids: readonly Uint8Array[];
  readonly signed: readonly SignedHash[];
}

/**
 * A random workload in which everything is good.
 * @throws Error when noble's hash to the curve misses the vector of RFC 9380.
 */
export function makeCurveWorkload(items: number): CurveWorkload {
  checkHash();
  const each = <T>(make: () => T): T[] => Array.from({ length: items }, make);
  return {
    scalar: randomScalar(),
    scalars: each(randomScalar),
    ...randomPoints(items),
    ids: each(() => randomBytes(ID_BYTES)),
    signed: each(signRandom),
  };
}

/** Points with their discrete logarithms. */
export function randomPoints(count: number): Pick<CurveWorkload, "points" | "logs"> {
  const logs = Array.from({ length: count }, () => numberOf(randomScalar()));
  return { points: logs.map(publicKeyOf), logs };
}

/** The first items of a workload, at most `count`. */
export function firstItems(workload: CurveWorkload, count: number): CurveWorkload {
  const { scalar, scalars, points, logs, ids, signed } = workload;
  return {
    scalar,
    scalars: scalars.slice(0, count),
    points: points.slice(0, count),
    logs: logs.slice(0, count),
    ids: ids.slice(0, count),
    signed: signed.slice(0, count),
  };
}

/**
 * A workload for the operations that judge, `decompress` and `verifyEcdsa`: about half of its points and few of its
 * signatures are good. The points' logarithms are not known.
 */
export function makeHostileWorkload(): CurveWorkload {
  const prefixed = (prefix: number, x: bigint): Uint8Array => Uint8Array.of(prefix, ...bytesOf(x));
  const one = prefixed(2, 1n);
  const points = [
    one,
    prefixed(3, 1n),
    // Equal to the one above modulo p, but not below p.
    prefixed(2, FIELD + 1n),
    prefixed(2, FIELD),
    prefixed(2, FIELD - 1n),
    prefixed(2, 2n ** 256n - 1n),
    prefixed(2, 0n),
    ...[0, 1, 4, 6, 0x82, 0xff].map((prefix) => prefixed(prefix, 1n)),
    ...Array.from({ length: 19 }, () => Uint8Array.of(2 + (randomBytes(1)[0]! & 1), ...randomBytes(32))),
  ];
  const good = makeCurveWorkload(points.length);
  return { ...good, points, signed: good.signed.map(spoiled) };
}

/** What the right answer to an operation is for one item. */
export function expectedAnswer(operation: Operation, workload: CurveWorkload, index: number): Answer {
  const { scalar, scalars, points, logs, ids, signed } = workload;
  switch (operation) {
    case "multiplyAll":
      return publicKeyOf(logs[index]! * numberOf(scalar));
    case "multiplyEach":
      return publicKeyOf(logs[index]! * numberOf(scalars[index]!));
    case "publicKeys":
      return publicKeyOf(numberOf(scalars[index]!));
    case "hashToCurve":
      return hashedPoint(ids[index]!);
    case "decompress":
      return decompressed(points[index]!);
    case "partials":
      return Point.fromBytes(hashedPoint(ids[index]!)).multiply(numberOf(scalar)).toBytes();
    case "verifyEcdsa":
      return signed[index]!.valid;
  }
}

/** A scalar from 1 to n − 1. */
export function randomScalar(): Uint8Array {
  for (;;) {
    const scalar = randomBytes(SCALAR_BYTES);
    const value = numberOf(scalar);
    if (value > 0n && value < ORDER) return scalar;
  }
}

/** The number that bytes are, big-endian. */
export function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** 32 bytes, big-endian. */
export function bytesOf(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(2 * SCALAR_BYTES, "0"), "hex");
}

/** log·G by OpenSSL, compressed. @param log - not a multiple of n. */
export function publicKeyOf(log: bigint): Uint8Array {
  const ecdh = createECDH(CURVE);
  ecdh.setPrivateKey(bytesOf(log % ORDER));
  return ecdh.getPublicKey(null, "compressed");
}

/** By OpenSSL; false of what is no point. */
function decompressed(bytes: Uint8Array): Uint8Array | false {
  try {
    return uncompressed(bytes);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_CRYPTO_OPERATION_FAILED") return false;
    throw error;
  }
}

/** A point in its longer form, by OpenSSL. */
export function uncompressed(point: Uint8Array): Uint8Array {
  return ECDH.convertKey(point, CURVE, undefined, undefined, "uncompressed") as Buffer;
}

function compressed(point: Uint8Array): Uint8Array {
  return Uint8Array.of(2 + (point.at(-1)! & 1), ...point.subarray(1, POINT_BYTES.compressed));
}

/** The contract point of an id, by noble. */
function hashedPoint(id: Uint8Array): Uint8Array {
  return secp256k1_hasher.hashToCurve(id, { DST: CONTEXT.contractPoint }).toBytes();
}

/** RFC 9380 appendix J.8.1, the message "abc". */
function checkHash(): void {
  const DST = "QUUX-V01-CS02-with-secp256k1_XMD:SHA-256_SSWU_RO_";
  const point = secp256k1_hasher.hashToCurve(Buffer.from("abc"), { DST });
  if (point.toHex() !== "023377e01eab42db296b512293120c6cee72b6ecf9f9205760bd9ff11fb3cb2c4b") {
    throw new Error("@noble/curves misses the vector of RFC 9380 J.8.1");
  }
}

/** A random message under a new key. */
function signRandom(): SignedHash {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: CURVE });
  const { x, y } = publicKey.export({ format: "jwk" });
  const point = Buffer.concat([Uint8Array.of(4), Buffer.from(x!, "base64url"), Buffer.from(y!, "base64url")]);
  const message = randomBytes(32);
  const signature = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const s = numberOf(signature.subarray(32));
  if (s > ORDER / 2n) signature.set(bytesOf(ORDER - s), 32);
  return { hash: createHash("sha256").update(message).digest(), signature, publicKey: compressed(point), valid: true };
}

/** Every part of a signed hash spoiled in turn by one bit; every fifth stays good. */
function spoiled(good: SignedHash, index: number): SignedHash {
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, bytes[at]! ^ 1);
  const { hash, signature, publicKey } = good;
  switch (index % 5) {
    case 0:
      return good;
    case 1:
      return { ...good, hash: flipped(hash, 31), valid: false };
    case 2:
      return { ...good, signature: flipped(signature, 31), valid: false };
    case 3:
      return { ...good, signature: flipped(signature, 63), valid: false };
    default:
      return { ...good, publicKey: flipped(publicKey, 0), valid: false };
  }
}
