/**
 * Proofs of possession: that whoever publishes K = k·G knows k, and has not copied or composed K from somebody else's
 * keys. They are Schnorr's (1991), made non-interactive as in RFC 8235, with names and signs as in dleq.ts:
 *
 *   R = r·G, c = hash_to_scalar(key suite ‖ context ‖ K ‖ R), s = r − c·k; the proof is c ‖ s
 *   it holds when c is the challenge of R = s·G + c·K
 *
 * The context is a hash of all that the proof is bound to: a proof that was seen elsewhere, for another chain, session,
 * party or use, is none here.
 */
import { CONTEXT } from "../context.ts";
import { createHash } from "node:crypto";
import type { Secret } from "../secret.ts";
import type { Group } from "./group.ts";
import { hedgedNonce } from "./hedged-nonce.ts";
import { POSSESSION_BYTES, possessionChallenge } from "./possession-check.ts";
import { SCALAR_BYTES } from "./scalars.ts";

const NONCE_LABEL = Buffer.from(CONTEXT.possessionNonce, "ascii");

/**
 * Proves that the caller knows a public key's secret.
 * @param context - a hash of all that the proof is bound to, 32 bytes.
 * @param secret - k, from 1 to n − 1; stays the caller's.
 * @param publicKey - k·G: the caller has made, or checked, it.
 * @returns POSSESSION_BYTES.
 * @throws GatekeeperError INVALID_ARGUMENT when the context is no hash, or the secret no scalar.
 */
export function provePossession(
  group: Group,
  context: Uint8Array,
  secret: Secret,
  publicKey: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const statement = createHash("sha256").update(context).update(publicKey).digest();
  using nonce = hedgedNonce(group, secret, statement, NONCE_LABEL);
  const c = possessionChallenge(group, context, publicKey, group.multiplyBase([nonce]));
  const proof = new Uint8Array(POSSESSION_BYTES);
  proof.set(group.scalars.encode(c));
  using s = group.multiplyAdd(secret, (group.scalars.order - c) % group.scalars.order, nonce);
  s.use((bytes) => proof.set(bytes, SCALAR_BYTES));
  return proof;
}
