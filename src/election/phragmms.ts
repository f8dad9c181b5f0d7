/**
 * PhragMMS (Cevallos, Stewart: A verifiably secure and proportional committee election rule, 2021, section 4), as
 * `phragmms` of `sp-npos-elections` computes it: each round elects the candidate to which its voters could give the most
 * stake without another elected one falling below what it gets, and gives it that.
 */
import { GatekeeperError } from "../errors.ts";
import { balance } from "./balancing.ts";
import type { Candidate, Elector, Graph } from "./graph.ts";
import type { Id } from "./id.ts";
import { type Accuracy, ratioAsNumber } from "./ratio.ts";
import { U128_MAX, saturatingAdd, saturatingMul, saturatingSub } from "./u128.ts";

/** How a round's winner was found. */
export interface Choice<I extends Id> {
  readonly candidate: Candidate<I>;
  /** The stake to which it may be backed: its score to the nearest whole number, down where it lies in the middle. */
  readonly cutoff: bigint;
}

/** Sums of shares, of which an edge has a billion parts at most, are kept as whole numbers below 2^53. */
const EDGES_MAX = 9_000_000;

/**
 * Elects `seats` candidates, or as many as have voters with stake, and distributes the voters' stakes among them.
 * @param iterations - of balancing after every round.
 * @param accuracy - to which shares of a candidate's backing are taken.
 * @throws GatekeeperError ELECTION_INVALID when there are more than nine million edges.
 */
export function phragmms<I extends Id>(
  { candidates, electors }: Graph<I>,
  seats: number,
  iterations: number,
  accuracy: Accuracy,
): void {
  if (electors.reduce((sum, { edges }) => sum + edges.length, 0) > EDGES_MAX) {
    throw new GatekeeperError("ELECTION_INVALID", `PhragMMS takes at most ${EDGES_MAX} edges`, { limit: EDGES_MAX });
  }
  for (let round = 0; round < seats; round++) {
    const choice = highestScore({ candidates, electors }, accuracy);
    if (choice === null) return;
    giveSeat(electors, choice);
    choice.candidate.round = round;
    choice.candidate.elected = true;
    balance(electors, iterations);
  }
}

/**
 * The candidate with the highest score, the first on a tie: the stake of its voters, divided by one plus the shares that
 * those voters have in the backing of the elected.
 * @returns null when all that are left have no stake behind them.
 */
export function highestScore<I extends Id>({ candidates, electors }: Graph<I>, accuracy: Accuracy): Choice<I> | null {
  const divisors = divisorsOf({ candidates, electors }, accuracy);
  let best: Candidate<I> | null = null;
  let [bestStake, bestDivisor] = [0n, 1n];
  for (const candidate of candidates) {
    if (candidate.elected) continue;
    const stake = saturatingMul(candidate.approvalStake, accuracy);
    const divisor = BigInt(divisors[candidate.index]!);
    if (stake * bestDivisor > bestStake * divisor) [best, bestStake, bestDivisor] = [candidate, stake, divisor];
  }
  return best === null ? null : { candidate: best, cutoff: nearest(bestStake, bestDivisor) };
}

/** By candidate, one and the shares of its voters in the backing of the elected, in parts of one. */
function divisorsOf<I extends Id>({ candidates, electors }: Graph<I>, accuracy: Accuracy): Float64Array {
  const divisors = new Float64Array(candidates.length).fill(Number(accuracy));
  const backings = Float64Array.from(candidates, ({ backedStake }) => Number(backedStake));
  for (const { edges } of electors) {
    let shares = 0;
    for (const { candidate, weight } of edges) {
      const { elected, backedStake, index } = candidate;
      if (elected) shares += ratioAsNumber(weight, backedStake, backings[index]!, accuracy);
    }
    if (shares > 0) for (const { candidate } of edges) divisors[candidate.index]! += shares;
  }
  return divisors;
}

/** p / q, at most U128_MAX; down where it lies in the middle of two whole numbers. */
function nearest(p: bigint, q: bigint): bigint {
  const quotient = p / q + (p % q > q / 2n ? 1n : 0n);
  return quotient > U128_MAX ? U128_MAX : quotient;
}

/** Gives a candidate what its voters have left, and what they can take from those that are backed above the cutoff. */
export function giveSeat<I extends Id>(electors: readonly Elector<I>[], { candidate, cutoff }: Choice<I>): void {
  let backing = candidate.backedStake;
  for (const { stake, edges } of electors) {
    const own = edges.find((edge) => edge.candidate === candidate);
    if (own === undefined) continue;
    const used = edges.reduce((sum, { weight }) => sum + weight, 0n);
    let given = saturatingSub(stake, used);
    backing = saturatingAdd(backing, given);
    for (const edge of edges) {
      const other = edge.candidate;
      if (edge === own || edge.weight === 0n || other.backedStake <= cutoff) continue;
      const taken = saturatingMul(edge.weight, cutoff) / other.backedStake;
      edge.weight = saturatingSub(edge.weight, taken);
      other.backedStake = saturatingSub(other.backedStake, taken);
      backing = saturatingAdd(backing, taken);
      given = saturatingAdd(given, taken);
    }
    own.weight = given;
  }
  candidate.backedStake = backing;
}
