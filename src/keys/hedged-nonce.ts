/**
 * Nonces of proofs that are made with a secret k: r = HKDF-SHA256(ikm = k ‖ 32 random bytes, salt = the statement,
 * info = label), 48 bytes reduced modulo the order.
 *
 * They do not depend on randomness alone: a generator that repeats itself would give two proofs with one r, and with them
 * k. Here r repeats only if the whole statement does, and then the proof is the same.
 */
import { hkdfSync, randomFillSync } from "node:crypto";
import type { Secret } from "../secret.ts";
import { type Group, reduceWide, WIDE_BYTES } from "./group.ts";
import { SCALAR_BYTES } from "./scalars.ts";

const RANDOM_BYTES = 32;

/**
 * A nonce for one proof. The caller owns it.
 * @param k - the secret that the proof is about, SCALAR_BYTES; stays the caller's.
 * @param statement - a hash of all that is proved.
 * @param label - what kind of proof it is, ASCII.
 */
export function hedgedNonce(group: Group, k: Secret, statement: Uint8Array, label: Uint8Array): Secret {
  const ikm = new Uint8Array(new ArrayBuffer(SCALAR_BYTES + RANDOM_BYTES));
  k.use((bytes) => ikm.set(bytes));
  randomFillSync(ikm, SCALAR_BYTES);
  const wide = new Uint8Array(hkdfSync("sha256", ikm, statement, label, WIDE_BYTES));
  const nonce = reduceWide(group, wide);
  ikm.fill(0);
  wide.fill(0);
  return nonce;
}
