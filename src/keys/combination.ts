/**
 * From verified partials to the PRF: P = Σ_i λ_i·s_i·H = s·H over a quorum, for a batch of contracts.
 *
 * Partials that were scaled for a fixed quorum (partial.ts) are added if all of it answered. If not, the ones that are
 * there are kept: whoever is asked in their place is asked under another quorum, and what was scaled by λ_i is
 * multiplied by λ'_i / λ_i, which is public.
 */
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { reweighting } from "./lagrange.ts";
import type { SortedReplies, VerifiedPartials } from "./partial.ts";
import type { PartialRequest } from "./partial-request.ts";
import { isShareIndex } from "./shamir.ts";

/**
 * Combines t verified partials of a batch.
 * @param minShares - the threshold t of the sharing.
 * @param replies - those of `sortReplies`, of one request, or of several joined: for the same contracts in the same
 * object, genesis, rotation id and session. They stay the caller's.
 * @returns P of every contract, encoded, concatenated: key material. The caller owns it.
 * @throws GatekeeperError QUORUM_TOO_SMALL when less than t gatekeepers' are there: detail.needed, detail.verified, and
 * detail.failed, the indices to blame, rising, separated by commas. INVALID_ARGUMENT when requests do not fit together;
 * ELEMENT_INVALID when a sum is the identity, which none of shares of one secret is.
 */
export function combinePartials(minShares: number, { verified, blamed }: SortedReplies): Secret {
  if (!isShareIndex(minShares)) throw new GatekeeperError("INVALID_ARGUMENT", `${minShares} is no threshold`);
  const byIndex = new Map(verified.map((one) => [one.index, one]));
  const quorum = quorumOf(minShares, verified, byIndex);
  const chosen = quorum.map((index) => byIndex.get(index)!);
  const [first] = chosen;
  if (first === undefined || chosen.length < minShares) throw tooSmall(minShares, chosen.length, blamed);
  if (verified.some(({ request }) => !fits(request, first.request))) {
    throw new GatekeeperError("INVALID_ARGUMENT", "partials of different contracts, generations or sessions");
  }
  const { group } = first.request.contracts;
  const factors = chosen.map(({ request, index }) => reweighting(group.scalars.order, request.quorum, quorum, index));
  const sums = group.linearCombinations(
    chosen.map(({ partials }) => partials),
    factors,
  );
  const result = new Secret(sums.elements);
  const [identity] = sums.identities;
  if (identity === undefined) return result;
  result[Symbol.dispose]();
  throw new GatekeeperError("ELEMENT_INVALID", `the PRF of contract ${identity} is the identity`, { index: identity });
}

/**
 * Who is combined, rising: a quorum that was fixed and of which all are there, since most of its factors are 1; or the
 * lowest t indices, less if less are there.
 */
function quorumOf(
  minShares: number,
  verified: readonly VerifiedPartials[],
  byIndex: ReadonlyMap<number, VerifiedPartials>,
): readonly number[] {
  const isWhole = (quorum: readonly number[]): boolean =>
    quorum.length >= minShares && quorum.every((index) => byIndex.has(index));
  const fixed = verified.map(({ request }) => request.quorum).find((quorum) => quorum !== null && isWhole(quorum));
  return fixed ?? [...byIndex.keys()].sort((a, b) => a - b).slice(0, minShares);
}

function tooSmall(needed: number, verified: number, blamed: SortedReplies["blamed"]): GatekeeperError {
  const failed = [...new Set(blamed.map(({ index }) => index))].sort((a, b) => a - b).join(", ");
  return new GatekeeperError(
    "QUORUM_TOO_SMALL",
    `${verified} gatekeepers gave partials that are proved to be right, ${needed} are needed`,
    { needed, verified, failed },
  );
}

/** Whether partials of two requests belong together. */
function fits(a: PartialRequest, b: PartialRequest): boolean {
  return (
    a.contracts === b.contracts &&
    a.rotationId === b.rotationId &&
    Buffer.compare(a.session, b.session) === 0 &&
    Buffer.compare(a.genesis, b.genesis) === 0
  );
}
