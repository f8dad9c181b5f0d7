/**
 * The public half of proofs of possession (possession.ts): what is hashed, and whether a proof holds. It computes with
 * public values only.
 */
import { CONTEXT } from "../context.ts";
import { GatekeeperError } from "../errors.ts";
import type { Group } from "./group.ts";
import { SCALAR_BYTES } from "./scalars.ts";

/** Bytes of a proof: the scalars c ‖ s. */
export const POSSESSION_BYTES = 2 * SCALAR_BYTES;
/** Bytes of what a proof is bound to: a SHA-256. */
const CONTEXT_BYTES = 32;

const CHALLENGE_DST = Buffer.from(CONTEXT.possessionChallenge, "ascii");

/**
 * c = hash_to_scalar(key suite 1 ‖ context 32 ‖ public key ‖ R).
 * @throws GatekeeperError INVALID_ARGUMENT when the context is no hash.
 */
export function possessionChallenge(
  group: Group,
  context: Uint8Array,
  publicKey: Uint8Array,
  commitment: Uint8Array,
): bigint {
  if (context.length !== CONTEXT_BYTES) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a proof of possession is bound to ${CONTEXT_BYTES} bytes`);
  }
  const message = Buffer.concat([Uint8Array.of(group.keySuite), context, publicKey, commitment]);
  return group.hashToScalar(message, CHALLENGE_DST);
}

/**
 * Whether these bytes prove that whoever made them, for this context, knew the secret of a public key. Malformed bytes
 * don't, nor does anything for a key that is no element.
 * @param context - a hash of all that the proof is bound to, 32 bytes.
 * @param publicKey, proof - outside bytes.
 * @throws GatekeeperError INVALID_ARGUMENT when the context is no hash.
 */
export function verifyPossession(group: Group, context: Uint8Array, publicKey: Uint8Array, proof: Uint8Array): boolean {
  if (publicKey.length !== group.elementBytes || group.invalid(publicKey).length > 0) return false;
  // Only POSSESSION_BYTES are two scalars.
  const c = group.scalars.decode(proof.subarray(0, SCALAR_BYTES));
  const s = group.scalars.decode(proof.subarray(SCALAR_BYTES));
  if (c === null || s === null) return false;
  const { elements, identities } = group.linearCombinations([group.generator, publicKey], [s, c]);
  // R is the identity for no proof that was made with r ≠ 0.
  return identities.length === 0 && possessionChallenge(group, context, publicKey, elements) === c;
}
