import { secp256k1 } from "@noble/curves/secp256k1.js";
import { describe, expect, test } from "vitest";
import { verifyEcdsa } from "./secp256k1-batch.ts";
import { bigEndian, fromBigEndian, modulo, ORDER, scalarOf } from "./secp256k1-numbers.ts";
import { LAMBDA, Point, progression, rawPoint, times } from "./secp256k1-points.ts";

/** A signature over a hash, and whether it is to be valid. */
interface Signature {
  readonly name: string;
  readonly hash: Uint8Array;
  readonly r: bigint;
  readonly s: bigint;
  readonly key: Uint8Array;
  readonly valid: boolean;
}

const { Fn } = Point;

function verify(signatures: readonly Signature[]): boolean[] {
  return verifyEcdsa(
    Buffer.concat(signatures.map(({ hash }) => hash)),
    Buffer.concat(signatures.flatMap(({ r, s }) => [bigEndian(r), bigEndian(s)])),
    Buffer.concat(signatures.map(({ key }) => key)),
  ).map((status) => status === 1);
}

/** Signs z with nonce k and the secret key d, whatever they are, as SEC 1 §4.1.3 has it. */
function sign(name: string, z: bigint, k: bigint, d: bigint, hash: Uint8Array = bigEndian(z)): Signature {
  const r = modulo(times(k).x);
  const s = Fn.mul(Fn.inv(k), modulo(z + r * d));
  return { name, hash, r, s, key: times(d).toBytes(true), valid: true };
}

const D = scalarOf("ECDSA, a secret key");
const K = scalarOf("ECDSA, a nonce");
const Z = scalarOf("ECDSA, a hash");
const GOOD = sign("good", Z, K, D);

/** `count` signatures that are valid, of which no two have anything in common. */
function goodSignatures(count: number): Signature[] {
  const keys = progression(count, times(D), times(5n));
  const nonces = progression(count, times(K), times(7n));
  return keys.map((key, i) => {
    const r = modulo(nonces[i]!.x);
    const z = modulo(Z * BigInt(i + 1));
    const s = Fn.mul(Fn.inv(modulo(K + 7n * BigInt(i))), modulo(z + r * (D + 5n * BigInt(i))));
    return { name: `good ${i}`, hash: bigEndian(z), r, s, key: key.toBytes(true), valid: true };
  });
}

const LARGE_X = largeX("r = x(R) − n");

/** Signatures about which something is peculiar. */
const PECULIAR: readonly Signature[] = [
  { ...GOOD, name: "the larger s", s: ORDER - GOOD.s },
  { ...GOOD, name: "r = 0", r: 0n, valid: false },
  { ...GOOD, name: "r = n", r: ORDER, valid: false },
  { ...GOOD, name: "r = n + 1", r: ORDER + 1n, valid: false },
  { ...GOOD, name: "s = 0", s: 0n, valid: false },
  { ...GOOD, name: "s = n", s: ORDER, valid: false },
  { ...GOOD, name: "s = 2^256 − 1", s: 2n ** 256n - 1n, valid: false },
  { ...GOOD, name: "another key", key: times(D + 1n).toBytes(true), valid: false },
  { ...GOOD, name: "the opposite key", key: times(-D).toBytes(true), valid: false },
  { ...GOOD, name: "no key", key: rawPoint(4, times(D).x), valid: false },
  { ...GOOD, name: "another hash", hash: bigEndian(Z + 1n), valid: false },
  sign("z = 0", 0n, K, D),
  sign("a hash of n", 0n, K, D, bigEndian(ORDER)),
  { ...sign("z = 0, another key", 0n, K, D), key: times(D + 1n).toBytes(true), valid: false },
  sign("a hash above n", 5n, K, D, bigEndian(ORDER + 5n)),
  sign("a hash of 2^256 − 1", 2n ** 256n - 1n, K, D),
  sign("the secret key 1", Z, K, 1n),
  sign("the nonce 1", Z, 1n, D),
  sign("the nonce λ", Z, LAMBDA, D),
  infinite("R infinite: u1·G is −u2·Q", D, K),
  forged("R infinite, r = x(u1·G) = x(u2·Q)"),
  doubled("u1·G is u2·Q", D, K),
  LARGE_X,
  { ...LARGE_X, name: "r = x(R) − n + 1", r: LARGE_X.r + 1n, valid: false },
  ofScalars("u1 = 1, u2 = 1", 1n, 1n, D),
  ofScalars("u1 = n − 1, u2 = 26·λ", ORDER - 1n, modulo(26n * LAMBDA), D),
  ofScalars("u1 = 15·2^253 − n, u2 = n − 1", 15n * 2n ** 253n - ORDER, ORDER - 1n, D),
  ofScalars("u1 = 2^256 − n", 2n ** 256n - ORDER, 2n, D),
];

/** The signature by d whose u1 and u2 are these: r = x(u1·G + u2·Q), or x(u1·G) if that is infinite, s = r/u2, z = u1·s. */
function ofScalars(name: string, u1: bigint, u2: bigint, d: bigint): Signature {
  const key = times(d);
  const R = times(u1).add(times(u2, key));
  const r = modulo((R.is0() ? times(u1) : R).x);
  const s = Fn.mul(r, Fn.inv(u2));
  return { name, hash: bigEndian(Fn.mul(u1, s)), r, s, key: key.toBytes(true), valid: true };
}

/** u2·Q is −u1·G: there is no R, and so no r that fits. */
function infinite(name: string, d: bigint, s: bigint): Signature {
  const r = scalarOf(name);
  return { name, hash: bigEndian(modulo(-r * d)), r, s, key: times(d).toBytes(true), valid: false };
}

/** R is infinite, and r the x of both products. It takes no secret key to make this. */
function forged(name: string): Signature {
  const [u1, u2] = [scalarOf("ECDSA, forged u1"), scalarOf("ECDSA, forged u2")];
  return { ...ofScalars(name, u1, u2, modulo(-Fn.mul(u1, Fn.inv(u2)))), valid: false };
}

/** u2·Q is u1·G: R is twice that, with the r that makes it so. */
function doubled(name: string, d: bigint, u1: bigint): Signature {
  const u2 = Fn.mul(u1, Fn.inv(d));
  return ofScalars(name, u1, u2, d);
}

/** x(R) is n or above, as happens to one R of 2^127: R is chosen first, and Q = (s·R − z·G)/r. */
function largeX(name: string): Signature {
  let x = ORDER;
  let nonce: Point | undefined;
  while (nonce === undefined) {
    x++;
    try {
      nonce = Point.fromBytes(rawPoint(2, x));
    } catch {
      // About every other x is one of a point.
    }
  }
  const r = x - ORDER;
  const s = scalarOf("ECDSA, s for a large x");
  const key = times(Fn.inv(r), times(s, nonce).add(times(-Z)));
  return { name, hash: bigEndian(Z), r, s, key: key.toBytes(true), valid: true };
}

describe("ECDSA verification", () => {
  test.each(PECULIAR)("$name", (peculiar) => {
    expect(verify([peculiar])).toEqual([peculiar.valid]);
    const [good0, good1, good2] = goodSignatures(3) as [Signature, Signature, Signature];
    expect(verify([good0, good1, peculiar, good2])).toEqual([true, true, peculiar.valid, true]);
    expect(verify([good0, peculiar, good1])).toEqual([true, peculiar.valid, true]);
  });

  test("all of these in one batch, in either lane, between good ones", () => {
    const good = goodSignatures(PECULIAR.length);
    const mixed = PECULIAR.flatMap((peculiar, i) => (i % 2 === 0 ? [peculiar, good[i]!] : [good[i]!, peculiar]));
    for (const batch of [mixed, [good[0]!, ...mixed]]) {
      expect(verify(batch)).toEqual(batch.map(({ valid }) => valid));
    }
  });

  test("a valid signature is not, once any bit of it, its hash or its key is flipped", () => {
    const bytes = Buffer.concat([GOOD.hash, bigEndian(GOOD.r), bigEndian(GOOD.s), GOOD.key]);
    const flipped = Array.from({ length: 8 * bytes.length }, (_, bit) => {
      const copy = Buffer.from(bytes);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      return copy;
    });
    const parts = [
      [0, 32],
      [32, 96],
      [96, 129],
    ].map(([from, to]) => Buffer.concat(flipped.map((copy) => copy.subarray(from, to))));
    expect(verifyEcdsa(parts[0]!, parts[1]!, parts[2]!)).toEqual(flipped.map(() => 0));
    expect(verify([GOOD])).toEqual([true]);
  });

  test("chunks: signatures around the 256th and 512th, a bad one in each place", () => {
    const good = goodSignatures(515);
    expect(verify(good)).toEqual(good.map(() => true));
    const bad = [0, 1, 254, 255, 256, 257, 511, 512, 514];
    const batch = good.map((signature, i) => (bad.includes(i) ? { ...signature, s: signature.s + 1n } : signature));
    expect(verify(batch)).toEqual(good.map((_, i) => !bad.includes(i)));
    for (const count of [255, 256, 257]) expect(verify(batch.slice(0, count))).toEqual(verify(batch).slice(0, count));
    expect(verify([])).toEqual([]);
  });

  test("agrees with noble about what noble signed", () => {
    const signed = Array.from({ length: 5 }, (_, i) => {
      const secret = bigEndian(scalarOf(`ECDSA, noble's secret key ${i}`));
      const hash = bigEndian(scalarOf(`ECDSA, noble's hash ${i}`));
      const signature = secp256k1.sign(hash, secret, { prehash: false });
      const [r, s] = [signature.subarray(0, 32), signature.subarray(32)].map(fromBigEndian) as [bigint, bigint];
      return { name: `noble ${i}`, hash, r, s, key: secp256k1.getPublicKey(secret), valid: true };
    });
    expect(verify(signed)).toEqual(signed.map(() => true));
  });
});
