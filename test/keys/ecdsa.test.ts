import { createHmac } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { Ecdsa } from "../../src/keys/ecdsa.ts";
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";
import { Secret } from "../../src/secret.ts";
import { forcingOutput } from "./forced-hmac.ts";

afterEach(() => void vi.restoreAllMocks());

const { order } = SECP256K1_SCALARS;
const { Fn } = secp256k1.Point;
const CURVE = new Secp256k1();
const ecdsa = new Ecdsa(CURVE);
const bytesOf = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The signature under a key that is given as bytes. */
function sign(key: Uint8Array, hash: Uint8Array): Uint8Array {
  using secret = new Secret(key.slice());
  return ecdsa.sign(secret, hash);
}

/** SEC 1 §4.1.3 with bigints: what a nonce makes. */
function withNonce(k: bigint, d: bigint, z: bigint): { readonly r: bigint; readonly s: bigint } {
  const r = secp256k1.Point.BASE.multiply(k).toAffine().x % order;
  return { r, s: Fn.mul(Fn.inv(k), Fn.create(z + r * d)) };
}

const EDGE_KEYS = [1n, 2n, order - 2n, order - 1n, order >> 1n, 1n << 255n];
const EDGE_HASHES = [0n, 1n, order - 1n, order, order + 1n, (1n << 256n) - 1n];
const keys = fc.oneof(fc.constantFrom(...EDGE_KEYS), fc.bigInt(1n, order - 1n));
const hashes = fc.oneof(fc.constantFrom(...EDGE_HASHES), fc.bigInt(0n, (1n << 256n) - 1n));

describe("a signature", () => {
  test("is byte for byte noble's, and verifies", () => {
    const agrees = (keyNumber: bigint, hashNumber: bigint): void => {
      const [key, hash] = [bytesOf(keyNumber), bytesOf(hashNumber)];
      const signature = sign(key, hash);
      expect(hex(signature)).toBe(hex(secp256k1.sign(hash, key, { prehash: false, lowS: true })));
      const publicKey = secp256k1.getPublicKey(key);
      expect(secp256k1.verify(signature, hash, publicKey, { prehash: false, lowS: true })).toBe(true);
      expect(CURVE.invalidSignatures(hash, signature, publicKey)).toEqual([]);
    };
    for (const key of EDGE_KEYS) for (const hash of EDGE_HASHES) agrees(key, hash);
    fc.assert(fc.property(keys, hashes, agrees));
  });

  test("is the same each time, though it is blinded anew", () => {
    const random = vi.spyOn(SECP256K1_SCALARS, "random");
    const [key, hash] = [bytesOf(5n), bytesOf(6n)];
    expect(hex(sign(key, hash))).toBe(hex(sign(key, hash)));
    const [first, second] = random.mock.results.map(({ value }) => value as Secret);
    expect(random).toHaveBeenCalledTimes(2);
    expect(first).not.toBe(second);
    for (const blinding of [first!, second!]) expect(() => blinding.use(() => 0)).toThrow("wiped");
  });

  test("is what a nonce makes, with either s", () => {
    const seen = new Set<boolean>();
    for (let k = 1n; k < 12n; k++) {
      forcingOutput(bytesOf(k));
      const { r, s } = withNonce(k, 77n, 88n);
      const high = 2n * s > order;
      seen.add(high);
      expect(hex(sign(bytesOf(77n), bytesOf(88n)))).toBe(hex(bytesOf(r)) + hex(bytesOf(high ? order - s : s)));
      vi.restoreAllMocks();
    }
    expect(seen).toEqual(new Set([true, false]));
  });

  test("takes the next nonce where s would be 0", () => {
    const [k, d] = [12_345n, 67_890n];
    const { r } = withNonce(k, d, 0n);
    const hash = bytesOf(Fn.neg(Fn.mul(r, d)));
    expect(withNonce(k, d, BigInt(`0x${hex(hash)}`)).s).toBe(0n);
    const forced = forcingOutput(bytesOf(k));
    const signature = sign(bytesOf(d), hash);
    expect(forced()).toBe(1);
    expect(hex(signature)).toBe(secondSignature(k, d, hash));
  });

  test("takes the next nonce where r would be 0", () => {
    const [d, hash] = [67_890n, bytesOf(4n)];
    const { publicKeys } = Secp256k1.prototype;
    // x = n is that of a point, whose nonce nobody knows: the first k·G is said to be it.
    const spy = vi.spyOn(CURVE, "publicKeys").mockImplementationOnce((scalars) => {
      const answer = publicKeys.call(CURVE, scalars);
      answer.points.set(bytesOf(order), 1);
      return answer;
    });
    const k = 12_345n;
    forcingOutput(bytesOf(k));
    const signature = sign(bytesOf(d), hash);
    expect(spy).toHaveBeenCalledTimes(2);
    expect(hex(signature)).toBe(secondSignature(k, d, hash));
  });

  test("is not given out if it came out wrong", () => {
    const { multiplyAddScalars } = Secp256k1.prototype;
    let call = 0;
    vi.spyOn(CURVE, "multiplyAddScalars").mockImplementation((a, b, c) => {
      const result = multiplyAddScalars.call(CURVE, a, b, c);
      if (++call === 3) result[31]! ^= 1;
      return result;
    });
    expect(() => sign(bytesOf(3n), bytesOf(4n))).toThrow(expect.objectContaining({ code: "KERNEL_SELF_TEST_FAILED" }));
  });

  test("needs a key from 1 to n − 1, and 32 bytes", () => {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    for (const key of [bytesOf(0n), bytesOf(order), bytesOf((1n << 256n) - 1n), new Uint8Array(31).fill(1)]) {
      expect(() => sign(key, bytesOf(1n))).toThrow(refused);
    }
    for (const size of [0, 31, 33, 64]) expect(() => sign(bytesOf(1n), new Uint8Array(size))).toThrow(refused);
  });

  test("leaves the key to its owner, and of all else that is secret nothing", () => {
    const made = new Set<Secret>();
    const { clone } = Secret.prototype;
    vi.spyOn(Secret.prototype, "clone").mockImplementation(function (this: Secret) {
      const copy = clone.call(this);
      made.add(copy);
      return copy;
    });
    const results: Uint8Array<ArrayBuffer>[] = [];
    const { multiplyAddScalars } = Secp256k1.prototype;
    vi.spyOn(CURVE, "multiplyAddScalars").mockImplementation((a, b, c) => {
      results.push(multiplyAddScalars.call(CURVE, a, b, c));
      return results.at(-1)!;
    });
    using key = new Secret(bytesOf(9n));
    ecdsa.sign(key, bytesOf(8n));
    expect(key.use((bytes) => bytes[31])).toBe(9);
    expect(made.size).toBe(1);
    for (const nonce of made) expect(() => nonce.use(() => 0)).toThrow("wiped");
    // z and r, the sum, both blinded products, and s.
    expect(results.map((bytes) => bytes.every((byte) => byte === 0))).toEqual([false, false, true, true, true, false]);
  });
});

/** The signature by the second output of a generator whose first one is k. */
function secondSignature(first: bigint, d: bigint, hash: Uint8Array): string {
  const tag = (key: Uint8Array, ...parts: Uint8Array[]): Uint8Array =>
    createHmac("sha256", key).update(Buffer.concat(parts)).digest();
  let k: Uint8Array = new Uint8Array(32);
  let v: Uint8Array = new Uint8Array(32).fill(1);
  for (const round of [0, 1]) {
    k = tag(k, v, Uint8Array.of(round), bytesOf(d), hash);
    v = tag(k, v);
  }
  v = bytesOf(first);
  k = tag(k, v, Uint8Array.of(0));
  v = tag(k, tag(k, v));
  const { r, s } = withNonce(BigInt(`0x${hex(v)}`), d, BigInt(`0x${hex(hash)}`));
  return hex(bytesOf(r)) + hex(bytesOf(2n * s > order ? order - s : s));
}
