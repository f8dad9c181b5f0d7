/**
 * What the qualified dealings of a session make together, for everybody to compute: the MasterKey's public key, and every
 * receiver's verification share. With weights w_i, which are 1 or, in a resharing, the dealers' Lagrange coefficients:
 *
 *   F_k = Σ_i w_i·C_ik           the commitments of the polynomial that all of them make
 *   Y_j = Σ_k j^k·F_k            and of a refresh: the old Y_j + Σ_{k ≥ 1} j^k·F_k
 *
 * The public key is F_0: of a generation a new one, of a resharing Σ λ_i·Y_i, which is the old one, of a refresh the old
 * one by definition.
 *
 * **How many dealers.** A resharing takes exactly as many as the old threshold t, since the coefficients are those of one
 * quorum. Generation and refresh take all that are qualified, and t at least: of them one is honest, who has told nobody
 * its polynomial; one dishonest dealer less than t could else make, or renew, all shares by themselves.
 */
import { GatekeeperError } from "../errors.ts";
import { checkDealer, checkTerms, type Dealing, type DealingTerms, type PreviousSharing } from "./dealing.ts";
import type { Group } from "./group.ts";
import { lagrangeCoefficient } from "./lagrange.ts";
import { evaluateCommitments } from "./shamir.ts";

/** A dealing that counts. */
export interface QualifiedDealing {
  readonly dealer: number;
  /** One in which `dealingFault` found nothing, and about which no complaint was right. */
  readonly dealing: Dealing;
}

/** The public side of a sharing. */
export interface SharingOutcome {
  readonly publicKey: Uint8Array;
  /** Y_j by the receivers' indices. */
  readonly verificationShares: ReadonlyMap<number, Uint8Array>;
}

/**
 * What a session makes of its qualified dealings. Null where the public key, a verification share, or a commitment of the
 * joint polynomial is the identity, so that it would have a share of zero or a threshold below t: by chance, once in 2^250
 * times. Such a session is repeated.
 * @param qualified - of a resharing the first t, t being the previous threshold; in any order.
 * @throws GatekeeperError INVALID_ARGUMENT when the terms are none, the dealers are too few or not theirs, or dealings do not
 * fit them: that is no dealer's fault, for dealings are checked before they qualify.
 */
export function sharingOutcome(terms: DealingTerms, qualified: readonly QualifiedDealing[]): SharingOutcome | null {
  checkTerms(terms);
  const weights = dealerWeights(
    terms,
    qualified.map(({ dealer }) => dealer),
  );
  const { group } = terms;
  const rows = qualified.map(({ dealing }) => dealing.commitments);
  const { elements: joint, identities } = group.linearCombinations(rows, weights);
  if (identities.length > 0) return null;
  const publicKey = terms.kind === "refresh" ? terms.previous.publicKey : joint.slice(0, group.elementBytes);
  if (terms.kind === "resharing" && Buffer.compare(publicKey, terms.previous.publicKey) !== 0) {
    throw new GatekeeperError("INVALID_ARGUMENT", "these dealings hand on another key than the previous sharing's");
  }
  const verificationShares = new Map<number, Uint8Array>();
  for (const { index } of terms.receivers) {
    const share =
      terms.kind === "refresh"
        ? refreshed(group, terms.previous, joint, index)
        : evaluateCommitments(group, joint, index);
    if (share === null) return null;
    verificationShares.set(index, share);
  }
  return { publicKey, verificationShares };
}

/** The old Y_j + Σ_{k ≥ 1} j^k·F_k, null if it is the identity. */
function refreshed(group: Group, previous: PreviousSharing, joint: Uint8Array, index: number): Uint8Array | null {
  const before = previous.verificationShares.get(index)!;
  const change = evaluateCommitments(group, joint, index, 1);
  // No change is bad luck as well: whoever had the old share has the new one.
  if (change === null) return null;
  const { elements, identities } = group.linearCombinations([before, change], [1n, 1n]);
  return identities.length === 0 ? elements : null;
}

/**
 * w_i of each dealer, in their order: what its dealing is multiplied by.
 * @throws GatekeeperError INVALID_ARGUMENT when one is there twice, can't deal in a session of these terms, or they are not
 * as many as the file's comment says.
 */
export function dealerWeights(terms: DealingTerms, dealers: readonly number[]): bigint[] {
  for (const dealer of dealers) checkDealer(terms, dealer);
  if (new Set(dealers).size < dealers.length) throw invalid("a dealer's dealing counts once");
  if (terms.kind !== "resharing") {
    if (dealers.length >= terms.minShares) return dealers.map(() => 1n);
    throw invalid(
      `${dealers.length} qualified dealers are too few: one of ${terms.minShares} is honest, if not of less`,
    );
  }
  const { minShares } = terms.previous;
  if (dealers.length !== minShares) {
    throw invalid(`${dealers.length} dealers do not hand on a key of which ${minShares} shares stand for it`);
  }
  const quorum = dealers.toSorted((a, b) => a - b);
  return dealers.map((dealer) => lagrangeCoefficient(terms.group.scalars.order, quorum, dealer));
}

function invalid(message: string): GatekeeperError {
  return new GatekeeperError("INVALID_ARGUMENT", message);
}
