/**
 * Star balancing (Cevallos, Stewart: A verifiably secure and proportional committee election rule, 2021, appendix;
 * `balance` of `sp-npos-elections` with tolerance 0): one voter after the other spreads its stake anew over its elected
 * candidates, so that the least backed of them come level. The order of voters is the order of the input.
 */
import { type Edge, type Elector, normalizeEdges } from "./graph.ts";
import type { Id } from "./id.ts";
import { risingOrder } from "./rising-order.ts";
import { saturatingAdd, saturatingMul, saturatingSub } from "./u128.ts";

/**
 * Balances at most `iterations` times, and stops once nobody has anything to gain. Edges may be left without stake.
 * @returns how many iterations there were.
 */
export function balance<I extends Id>(electors: readonly Elector<I>[], iterations: number): number {
  if (iterations === 0) return 0;
  const choices = electors
    .map(({ stake, edges }) => ({ stake, edges: edges.filter(({ candidate }) => candidate.elected) }))
    .filter(({ edges }) => edges.length > 1);
  for (let iteration = 1; iteration <= iterations; iteration++) {
    let moved = false;
    for (const { stake, edges } of choices) {
      // That somebody gains is all that is asked.
      if (!moved) moved = imbalance(stake, edges) > 0n;
      balanceVoter(stake, edges);
    }
    if (!moved) return iteration;
  }
  return iterations;
}

/**
 * How far a voter is from balance: the most backed candidate that it gives stake, above the least backed that it could
 * give some, and the stake that it gives nobody.
 */
function imbalance<I extends Id>(stake: bigint, edges: readonly Edge<I>[]): bigint {
  let used = 0n;
  let most: bigint | null = null;
  let least = edges[0]!.candidate.backedStake;
  for (const { candidate, weight } of edges) {
    used += weight;
    const { backedStake } = candidate;
    if (backedStake < least) least = backedStake;
    if (weight > 0n && (most === null || backedStake > most)) most = backedStake;
  }
  return most === null ? stake : saturatingSub(most, least) + saturatingSub(stake, used);
}

/** Takes all stake of a voter back, and raises the least backed candidates to one level with it. */
function balanceVoter<I extends Id>(stake: bigint, edges: readonly Edge<I>[]): void {
  const backings = edges.map(({ candidate, weight }) => saturatingSub(candidate.backedStake, weight));
  const order = risingOrder(backings);
  let total = 0n;
  let ways = 0;
  for (const place of order) {
    const backing = backings[place]!;
    // Lifting all before it to its level would take more than there is.
    if (ways > 0 && saturatingSub(saturatingMul(backing, BigInt(ways)), total) > stake) break;
    total = saturatingAdd(total, backing);
    ways++;
  }
  const level = backings[order[ways - 1]!]!;
  const excess = saturatingSub(saturatingAdd(stake, total), saturatingMul(level, BigInt(ways)));
  const top = saturatingAdd(excess / BigInt(ways), level);
  for (let rank = 0; rank < order.length; rank++) {
    const place = order[rank]!;
    const edge = edges[place]!;
    edge.weight = rank < ways ? saturatingSub(top, backings[place]!) : 0n;
    edge.candidate.backedStake = saturatingAdd(backings[place]!, edge.weight);
  }
  // The division leaves a few units over. Weights that can't be normalised stay: they are still weights.
  normalizeEdges(edges, stake);
}
