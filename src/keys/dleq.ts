/**
 * One proof that a batch of elements was multiplied by one secret k: discrete logarithm equality, D_i = k·C_i for all i
 * and B = k·G, batched and made non-interactive as RFC 9497 §2.2 does it. The names A, B, C, D, M, Z, t2, t3, c, s are
 * the RFC's; A is the generator G.
 *
 * The batch is folded into one statement by weights d_i that are hashes of everything: M = Σ d_i·C_i, Z = Σ d_i·D_i.
 * Were one D_i wrong, Z = k·M would hold for one weight in 2^(bits of a weight), so a prover must find it by trying
 * batches. Then c = H(B, M, Z, t2 = r·G, t3 = r·M) and s = r − c·k.
 *
 * What is hashed, and how wide the weights are, is the statement's: RFC 9497's own suites hash what §2.2.1 says and have
 * weights as wide as the order (test/keys/rfc9497-statement.ts, which gives the RFC's vectors); ours is
 * partial-proof.ts.
 */
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import type { Group } from "./group.ts";
import { SCALAR_BYTES } from "./scalars.ts";

/** Bytes of a proof: the scalars c ‖ s. */
export const PROOF_BYTES = 2 * SCALAR_BYTES;
/** Elements that one proof may be about; RFC 9497 counts them in two bytes. */
export const PROOF_ELEMENTS_MAX = 0xffff;

/** What is proved, and how it is hashed. All of it is public; elements are concatenated. */
export interface DleqStatement {
  readonly group: Group;
  /** B = k·G. */
  readonly publicKey: Uint8Array;
  /** C. */
  readonly inputs: Uint8Array;
  /** D = k·C, as many. */
  readonly outputs: Uint8Array;
  /**
   * Σ d_i·E_i of as many elements, null when it is the identity. The weights are bound to all of the statement.
   * @throws GatekeeperError ELEMENT_INVALID.
   */
  fold(elements: Uint8Array): Uint8Array | null;
  /** c, bound to all of the statement and to these elements. */
  challenge(m: Uint8Array, z: Uint8Array, t2: Uint8Array, t3: Uint8Array): bigint;
}

/**
 * GenerateProof with ComputeCompositesFast: Z = k·M.
 * @param k - from 1 to n − 1; the caller has checked, or made, B and D with it.
 * @param r - the nonce: uniform from 1 to n − 1, for this proof alone. Two proofs with one nonce give k away.
 * @returns c ‖ s, PROOF_BYTES.
 * @throws GatekeeperError ELEMENT_INVALID when an input is no element, or their fold is the identity.
 */
export function generateProof(statement: DleqStatement, k: Secret, r: Secret): Uint8Array<ArrayBuffer> {
  const { group } = statement;
  const m = statement.fold(statement.inputs);
  if (m === null) throw new GatekeeperError("ELEMENT_INVALID", "the weighted sum of a proof's inputs is the identity");
  const z = group.multiplyAll(m, k);
  const t2 = group.multiplyBase([r]);
  const t3 = group.multiplyAll(m, r);
  const c = statement.challenge(m, z, t2, t3);
  const proof = new Uint8Array(PROOF_BYTES);
  proof.set(group.scalars.encode(c));
  using s = group.multiplyAdd(k, (group.scalars.order - c) % group.scalars.order, r);
  s.use((bytes) => proof.set(bytes, SCALAR_BYTES));
  return proof;
}

/**
 * VerifyProof: whether these bytes prove the statement. Malformed ones do not.
 * @param proof - outside bytes.
 * @throws GatekeeperError ELEMENT_INVALID when B, an input or an output is no element.
 */
export function verifyProof(statement: DleqStatement, proof: Uint8Array): boolean {
  const { group, publicKey } = statement;
  // Only PROOF_BYTES are two scalars.
  const c = group.scalars.decode(proof.subarray(0, SCALAR_BYTES));
  const s = group.scalars.decode(proof.subarray(SCALAR_BYTES));
  if (c === null || s === null) return false;
  const m = statement.fold(statement.inputs);
  const z = statement.fold(statement.outputs);
  if (m === null || z === null) return false;
  // t2 = s·G + c·B and t3 = s·M + c·Z in one batch. Neither is the identity for a proof that was made with r ≠ 0.
  const rows = [Buffer.concat([group.generator, m]), Buffer.concat([publicKey, z])];
  const { elements, identities } = group.linearCombinations(rows, [s, c]);
  if (identities.length > 0) return false;
  const t2 = elements.subarray(0, group.elementBytes);
  const t3 = elements.subarray(group.elementBytes);
  return statement.challenge(m, z, t2, t3) === c;
}
