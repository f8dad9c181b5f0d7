/** Signatures of simulations are right ones: the curve says so, which knows nothing of how they came about. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { PooledNonces } from "./pooled-nonces.ts";

test("what is signed under a nonce of a few is verified by who knows none of them", () => {
  const key = secp256k1.utils.randomSecretKey();
  for (let first = 0; first < 256; first++) {
    const hash = Uint8Array.of(first, ...createHash("sha256").update(randomBytes(8)).digest().subarray(1));
    const signature = PooledNonces.shared().sign(key, hash);
    expect(secp256k1.verify(signature, hash, secp256k1.getPublicKey(key), { prehash: false, lowS: true })).toBe(true);
  }
});
