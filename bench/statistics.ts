/**
 * Medians, and how far they can be trusted: distribution-free, as timings have long tails. The interval is the one
 * between two order statistics (Conover, Practical Nonparametric Statistics, 3rd edition, section 3.2; Le Boudec,
 * Performance Evaluation of Computer and Communication Systems, theorem 2.1). It takes rounds to be independent of each
 * other, and nothing else.
 */

/** A median with the interval that holds the true one with 95 % confidence, or all values where they are fewer than six. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** @param values - at least one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The median and the narrowest pair of order statistics x(k), x(n + 1 − k) between which the true median lies with at
 * least 95 % probability, which is 1 − 2·P(Binomial(n, 1/2) < k) whatever the distribution.
 */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  let skip = 0;
  let ways = 1;
  let outside = ways;
  while (outside * 2 <= 0.05 * 2 ** n) {
    skip++;
    ways = (ways * (n - skip + 1)) / skip;
    outside += ways;
  }
  const k = Math.max(skip, 1);
  return { median: median(values), low: sorted[k - 1]!, high: sorted[n - k]! };
}

/** How many times faster `ours` is than `theirs`, from times taken in the same rounds. */
export function timesFaster(ours: readonly number[], theirs: readonly number[]): Estimate {
  return estimate(theirs.map((time, round) => time / ours[round]!));
}
