/**
 * Whether two classes of timings differ: Welch's t-test over cropped measurements, as Reparaz, Balasch and
 * Verbauwhede, "dude, is my code constant time?" (2017), §III, do it.
 *
 * Timings have a long upper tail (interrupts, collections, another process), which buries a small difference. So the
 * test is made over all measurements and, besides, over those below each of twenty percentiles of both classes
 * together; the strongest of the results counts. A percentile of both together crops neither class on purpose, and
 * since a coin decided which class was measured when, no load of the machine favours one: without a leak each t is
 * about normal, however the times are distributed. Only first moments are compared.
 */

/** Percentiles run from 1 − 2^(−1/2) to 1 − 2^−10, denser towards the top, as in dudect. */
const CROPS = 20;

/** What one of the two classes' measurements came to, sums of squares about the mean. */
interface Moments {
  count: number;
  mean: number;
  squares: number;
}

/** How the classes differ over some share of the measurements. */
export interface Difference {
  /** Welch's t; positive where class 1 took longer. */
  readonly t: number;
  /** Mean of class 1 less mean of class 0, in the unit of the times. */
  readonly means: number;
  /** Standard error of that: a difference of so many times more gives that t. */
  readonly error: number;
  /** The share of the measurements that were not cropped. */
  readonly kept: number;
}

/**
 * The difference with the largest |t| over all crops.
 * @param times - one a measurement; at least two of each class.
 * @param classes - 0 or 1 for each.
 */
export function strongestDifference(times: Float64Array, classes: Uint8Array): Difference {
  const sorted = times.toSorted();
  let strongest = differenceBelow(Infinity, times, classes);
  for (let crop = 1; crop <= CROPS; crop++) {
    const limit = sorted[Math.floor(sorted.length * (1 - 2 ** (-crop / 2)))]!;
    const difference = differenceBelow(limit, times, classes);
    if (Math.abs(difference.t) > Math.abs(strongest.t)) strongest = difference;
  }
  return strongest;
}

/** Over the measurements up to `limit`; no difference where that leaves less than two of a class. */
function differenceBelow(limit: number, times: Float64Array, classes: Uint8Array): Difference {
  const moments: Moments[] = [0, 1].map(() => ({ count: 0, mean: 0, squares: 0 }));
  times.forEach((time, i) => {
    if (time > limit) return;
    // Welford's recurrence, which keeps its digits where the mean is large against the deviations.
    const of = moments[classes[i]!]!;
    const deviation = time - of.mean;
    of.count++;
    of.mean += deviation / of.count;
    of.squares += deviation * (time - of.mean);
  });
  const [first, second] = moments as [Moments, Moments];
  const kept = (first.count + second.count) / times.length;
  if (first.count < 2 || second.count < 2) return { t: 0, means: 0, error: 0, kept };
  const means = second.mean - first.mean;
  const error = Math.sqrt(squaredError(first) + squaredError(second));
  return { t: means === 0 ? 0 : means / error, means, error, kept };
}

/** Of a class's mean. */
function squaredError({ count, squares }: Moments): number {
  return squares / (count - 1) / count;
}
