import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { POSSESSION_BYTES, verifyPossession } from "../../src/keys/possession-check.ts";
import { provePossession } from "../../src/keys/possession.ts";
import { Secret } from "../../src/secret.ts";
import { BAD_RISTRETTO255, BAD_SECP256K1, BAD_UNCOMPRESSED_SECP256K1 } from "./bad-elements.ts";
import { named } from "./committee.ts";
import { GROUPS, hex, numberOf, secretOf } from "./groups.ts";

const BAD = [BAD_UNCOMPRESSED_SECP256K1, BAD_SECP256K1, BAD_RISTRETTO255];

describe.each(GROUPS.map((each, i) => ({ ...each, bad: BAD[i]! })))(
  "a proof of possession in $name",
  ({ group, oracle, bad }) => {
    const n = group.scalars.order;
    const context = named("context");
    const secret = group.scalars.random();
    const publicKey = group.multiplyBase([secret]);
    const proof = provePossession(group, context, secret, publicKey);

    test("holds for whoever knows the secret, which stays", () => {
      expect(proof.length).toBe(POSSESSION_BYTES);
      expect(verifyPossession(group, context, publicKey, proof)).toBe(true);
      const secrets = fc.oneof(fc.bigInt({ min: 1n, max: n - 1n }), fc.constantFrom(1n, 2n, n - 1n));
      const holds = (k: bigint): void => {
        using known = secretOf(group, k);
        const key = group.multiplyBase([known]);
        expect(verifyPossession(group, context, key, provePossession(group, context, known, key))).toBe(true);
        expect(numberOf(group, known)).toBe(k);
      };
      fc.assert(fc.property(secrets, holds), { numRuns: 8 });
    });

    test("has the documented equation and challenge", () => {
      const [c, s] = [proof.subarray(0, 32), proof.subarray(32)].map((scalar) => group.scalars.decode(scalar)!);
      const r = oracle.add(oracle.multiply(group.generator, s!), oracle.multiply(publicKey, c!));
      const hashed = Buffer.concat([Buffer.of(group.keySuite), context, publicKey, r]);
      expect(oracle.hashToScalar(hashed, Buffer.from("gatekeeper/v1 possession challenge"))).toBe(c);
    });

    test("is about this context and this key, and no other", () => {
      const other = group.multiplyBase([group.scalars.random()]);
      expect(verifyPossession(group, named("other"), publicKey, proof)).toBe(false);
      expect(verifyPossession(group, context, other, proof)).toBe(false);
      expect(verifyPossession(group, context, oracle.negate(publicKey), proof)).toBe(false);
      // Who knows another secret proves nothing about this key.
      expect(verifyPossession(group, context, publicKey, provePossession(group, context, secret, other))).toBe(false);
      expect(verifyPossession(group, context, other, provePossession(group, context, secret, other))).toBe(false);
    });

    test("has another nonce each time", () => {
      const proofs = Array.from({ length: 8 }, () => hex(provePossession(group, context, secret, publicKey)));
      expect(new Set(proofs).size).toBe(8);
    });

    test("does not hold with a bit changed, or with bytes that are no proof", () => {
      for (const bit of [0, 7, 130, 255, 256, 300, 511]) {
        const changed = Uint8Array.from(proof);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(verifyPossession(group, context, publicKey, changed)).toBe(false);
      }
      const c = group.scalars.decode(proof.subarray(0, 32))!;
      const unreduced = Uint8Array.from(proof);
      // c + n is the same number modulo n, and no scalar. Where it has no 32 bytes, the largest number is none either.
      const wide = c + n < 2n ** 256n ? c + n : 2n ** 256n - 1n;
      const bytes = Buffer.from(wide.toString(16).padStart(64, "0"), "hex");
      unreduced.set(group.scalars.byteOrder === "big" ? bytes : bytes.toReversed());
      for (const wrong of [
        unreduced,
        proof.subarray(0, 63),
        proof.subarray(1),
        Buffer.concat([proof, Buffer.of(0)]),
        new Uint8Array(0),
        new Uint8Array(POSSESSION_BYTES),
        new Uint8Array(POSSESSION_BYTES).fill(255),
      ]) {
        expect(verifyPossession(group, context, publicKey, wrong)).toBe(false);
      }
      const anything = (bytes: Uint8Array): void => {
        expect(verifyPossession(group, context, publicKey, bytes)).toBe(false);
      };
      fc.assert(fc.property(fc.uint8Array({ minLength: 0, maxLength: 66 }), anything), { numRuns: 30 });
    });

    test.each(Object.entries(bad))("does not hold for a key that is none: %s", (_, key) => {
      expect(verifyPossession(group, context, key, proof)).toBe(false);
    });

    test("does not hold for a key of another length", () => {
      for (const key of [
        new Uint8Array(0),
        publicKey.subarray(1),
        Buffer.concat([publicKey, publicKey]),
        Buffer.concat([publicKey, Buffer.of(0)]),
      ]) {
        expect(verifyPossession(group, context, key, proof)).toBe(false);
      }
    });

    test("does not hold with a nonce of zero, from which the secret would follow", () => {
      const none = new Uint8Array(group.elementBytes);
      const hashed = Buffer.concat([Buffer.of(group.keySuite), context, publicKey, none]);
      const c = oracle.hashToScalar(hashed, Buffer.from("gatekeeper/v1 possession challenge"));
      const s = (n - ((c * numberOf(group, secret)) % n)) % n;
      const forged = Buffer.concat([group.scalars.encode(c), group.scalars.encode(s)]);
      expect(verifyPossession(group, context, publicKey, forged)).toBe(false);
    });

    test("is bound to a hash, and made with a scalar", () => {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      for (const wrong of [context.subarray(1), Buffer.concat([context, context]), new Uint8Array(0)]) {
        expect(() => provePossession(group, wrong, secret, publicKey)).toThrow(refused);
        expect(() => verifyPossession(group, wrong, publicKey, proof)).toThrow(refused);
      }
      const none = new Secret(new Uint8Array(32).fill(255));
      expect(() => provePossession(group, context, none, publicKey)).toThrow(refused);
    });
  },
);

test("a context that is a hash of one party's is none of another's", () => {
  const { group } = GROUPS[0]!;
  const of = (party: number): Uint8Array => createHash("sha256").update(Uint8Array.of(party)).digest();
  using secret = group.scalars.random();
  const key = group.multiplyBase([secret]);
  const proof = provePossession(group, of(1), secret, key);
  expect([1, 2].map((party) => verifyPossession(group, of(party), key, proof))).toEqual([true, false]);
});
