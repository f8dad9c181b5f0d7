/** How good an election's result is (`ElectionScore` of `sp-npos-elections`). */
import { ACCURACY, timesUp } from "./ratio.ts";
import type { Support } from "./support.ts";
import type { Id } from "./id.ts";
import { U128_MAX, saturatingAdd, saturatingMul, saturatingSub } from "./u128.ts";

/** In the order of significance. All of them saturate at 2^128 − 1. */
export interface ElectionScore {
  /** The least support of a target: the more the better. 2^128 − 1 when there are no supports. */
  readonly minimalStake: bigint;
  /** The sum of all supports: the more the better. */
  readonly sumStake: bigint;
  /** The sum of their squares: the less the better. */
  readonly sumStakeSquared: bigint;
}

/** The score of supports. Winners without any count for nothing, also not as a minimum of 0. */
export function scoreOf<I extends Id>(supports: readonly Support<I>[]): ElectionScore {
  let [minimalStake, sumStake, sumStakeSquared] = [U128_MAX, 0n, 0n];
  for (const { total } of supports) {
    if (total < minimalStake) minimalStake = total;
    sumStake = saturatingAdd(sumStake, total);
    sumStakeSquared = saturatingAdd(sumStakeSquared, saturatingMul(total, total));
  }
  return { minimalStake, sumStake, sumStakeSquared };
}

/** Negative where a is worse than b, positive where it is better, 0 where they are the same (`Ord`). */
export function compareScores(a: ElectionScore, b: ElectionScore): number {
  return (
    sign(a.minimalStake, b.minimalStake) || sign(a.sumStake, b.sumStake) || sign(b.sumStakeSquared, a.sumStakeSquared)
  );
}

/**
 * Whether a score is better than another by more than `epsilon` of the other's, in the first component that differs by
 * that much, and not worse at all in those before (`strict_threshold_better`).
 * @param epsilon - in parts of a billion.
 */
export function isBetterBy(score: ElectionScore, other: ElectionScore, epsilon: bigint): boolean {
  for (const component of ["minimalStake", "sumStake"] as const) {
    const difference = compareWithin(score[component], other[component], epsilon);
    if (difference > 0) return true;
    if (difference < 0 || score[component] < other[component]) return false;
  }
  return compareWithin(score.sumStakeSquared, other.sumStakeSquared, epsilon) < 0;
}

/** The sign of a − b, and 0 where they lie within `epsilon` of b (`ThresholdOrd::tcmp`). */
function compareWithin(a: bigint, b: bigint, epsilon: bigint): number {
  const margin = timesUp(epsilon, b, ACCURACY.perbill);
  const [low, high] = [saturatingSub(b, margin), saturatingAdd(b, margin)];
  return a > high ? 1 : a < low ? -1 : 0;
}

function sign(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
