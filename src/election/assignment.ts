/**
 * Who gives how much to whom, from the voters' side: as ratios of a voter's stake, and as stake. Each conversion rounds
 * as its namesake in `sp-npos-elections` does.
 */
import type { Elector } from "./graph.ts";
import { overflow } from "./graph.ts";
import type { Id } from "./id.ts";
import { normalize } from "./normalize.ts";
import { type Accuracy, ratioOf, timesNearest } from "./ratio.ts";
import { saturatingAdd } from "./u128.ts";

/** A voter's stake among targets, or ratios of it in parts of one. */
export interface Assignment<I extends Id> {
  readonly voter: I;
  /** Targets with what they get. */
  readonly distribution: readonly (readonly [target: I, amount: bigint])[];
}

/** Ratios of what voters give, rounded down, without those that come to nothing (`Voter::into_assignment`). */
export function toRatios<I extends Id>(electors: readonly Elector<I>[], accuracy: Accuracy): Assignment<I>[] {
  return electors
    .map(({ id, stake, edges }): Assignment<I> => {
      const given = edges.map(({ candidate, weight }): readonly [I, bigint] => [candidate.id, weight]);
      return { voter: id, distribution: ratiosOf(given, stake, accuracy) };
    })
    .filter(({ distribution }) => distribution.length > 0);
}

/** Ratios of one voter's stake, of which all is assigned, rounded down (`StakedAssignment::into_assignment`). */
export function stakeToRatio<I extends Id>({ voter, distribution }: Assignment<I>, accuracy: Accuracy): Assignment<I> {
  const total = distribution.reduce((sum, [, stake]) => saturatingAdd(sum, stake), 0n);
  return { voter, distribution: ratiosOf(distribution, total, accuracy) };
}

function ratiosOf<I extends Id>(
  distribution: Assignment<I>["distribution"],
  total: bigint,
  accuracy: Accuracy,
): (readonly [I, bigint])[] {
  return distribution
    .map(([target, stake]): readonly [I, bigint] => [target, ratioOf(stake, total, accuracy)])
    .filter(([, ratio]) => ratio > 0n);
}

/** Stake of one voter to the nearest unit, so the sum may miss the whole by some (`Assignment::into_staked`). */
export function ratioToStake<I extends Id>(
  { voter, distribution }: Assignment<I>,
  stake: bigint,
  accuracy: Accuracy,
): Assignment<I> {
  return { voter, distribution: distribution.map(([target, ratio]) => [target, timesNearest(ratio, stake, accuracy)]) };
}

/**
 * The same with all of the voter's stake, or of one where it is ratios, distributed (`try_normalize`).
 * @throws GatekeeperError ELECTION_INVALID when what is distributed has more than 128 bits.
 */
export function normalizeAssignment<I extends Id>(
  { voter, distribution }: Assignment<I>,
  whole: bigint,
): Assignment<I> {
  const amounts = normalize(
    distribution.map(([, amount]) => amount),
    whole,
  );
  if (amounts === null) throw overflow(voter);
  return { voter, distribution: distribution.map(([target], index) => [target, amounts[index]!]) };
}
