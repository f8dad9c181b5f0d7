/**
 * Proportional justified representation (Cevallos, Stewart 2021, section 5): voters with r candidates in common and r
 * times the stake t between them are represented by at least r of those. It holds if no candidate that was not elected
 * could be given t without another falling below t. After `pjr.rs` of `sp-npos-elections`.
 */
import type { Voter } from "./graph.ts";
import { type Id, compareIds } from "./id.ts";
import { ACCURACY, ratioOf, timesNearest } from "./ratio.ts";
import type { Support } from "./support.ts";
import { saturatingAdd, saturatingSub } from "./u128.ts";

/** An edge to a candidate that was elected: what the voter gives it, and what all give it. */
export interface BackedEdge {
  readonly weight: bigint;
  readonly backedStake: bigint;
}

/** The t of the standard property: all stake, saturated, divided by the number of winners. */
export function standardThreshold<I extends Id>(winners: number, voters: readonly Voter<I>[]): bigint {
  return voters.reduce((sum, { stake }) => saturatingAdd(sum, stake), 0n) / BigInt(Math.max(winners, 1));
}

/**
 * Looks for a candidate that shows that a result lacks the property. Whoever has a support was elected.
 * @param threshold - t; the smaller, the stronger the property.
 * @returns null when the property holds, else the candidate that could be given the most, the one with the highest id on
 * a tie.
 */
export function pjrCounterExample<I extends Id>(
  supports: readonly Support<I>[],
  candidates: readonly I[],
  voters: readonly Voter<I>[],
  threshold: bigint,
): I | null {
  const edges = edgesByVoter(supports);
  const elected = new Set(supports.map(({ target }) => target));
  const attainable = new Map(candidates.filter((id) => !elected.has(id)).map((id) => [id, 0n]));
  for (const { id, stake, targets } of voters) {
    const chosen = new Set(targets);
    const spare = slack(stake, edges.get(id)?.filter(({ target }) => chosen.has(target)) ?? [], threshold);
    for (const target of chosen) {
      const known = attainable.get(target);
      if (known !== undefined) attainable.set(target, saturatingAdd(known, spare));
    }
  }
  let [counterExample, most]: [I | null, bigint] = [null, 0n];
  for (const [id, stake] of attainable) {
    const beats = counterExample === null || stake > most || (stake === most && compareIds(id, counterExample) > 0);
    if (beats) [counterExample, most] = [id, stake];
  }
  return most >= threshold ? counterExample : null;
}

/** Of two edges of a voter to one target the first counts. */
function edgesByVoter<I extends Id>(supports: readonly Support<I>[]): Map<I, (BackedEdge & { readonly target: I })[]> {
  const edges = new Map<I, (BackedEdge & { readonly target: I })[]>();
  for (const { target, total, voters } of supports) {
    for (const [voter, weight] of voters) {
      const known = edges.get(voter);
      if (known === undefined) edges.set(voter, [{ target, weight, backedStake: total }]);
      else if (known.at(-1)!.target !== target) known.push({ target, weight, backedStake: total });
    }
  }
  return edges;
}

/** What a voter could give to somebody else, if it left each elected candidate what keeps that one at the threshold. */
export function slack(stake: bigint, edges: readonly BackedEdge[], threshold: bigint): bigint {
  const kept = edges.reduce((sum, { weight, backedStake }) => {
    const ratio = ratioOf(threshold, backedStake, ACCURACY.perbill);
    return saturatingAdd(sum, timesNearest(ratio, weight, ACCURACY.perbill));
  }, 0n);
  return saturatingSub(stake, kept);
}
