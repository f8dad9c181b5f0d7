/** Ratios of fixed accuracy, and how they round (`PerThing` of `sp-arithmetic`): a ratio is a number of parts of one. */

/** How many parts make one. */
export const ACCURACY = Object.freeze({
  percent: 100n,
  peru16: 65_535n,
  permill: 1_000_000n,
  perbill: 1_000_000_000n,
});

/** One of the accuracies, in parts. */
export type Accuracy = (typeof ACCURACY)[keyof typeof ACCURACY];

/** ⌊p / q⌋ in parts; one where p > q, and where q is 0 (`from_rational`). */
export function ratioOf(p: bigint, q: bigint, accuracy: Accuracy): bigint {
  return q === 0n || p > q ? accuracy : (accuracy * p) / q;
}

/**
 * The same as a number: estimated, and computed where an integer is too close to tell.
 * @param estimate - q, as a number.
 */
export function ratioAsNumber(p: bigint, q: bigint, estimate: number, accuracy: Accuracy): number {
  // Off by 2^-51 of a billion at most, which is less than a millionth.
  const ratio = (Number(p) / estimate) * Number(accuracy);
  const whole = Math.floor(ratio);
  const rest = ratio - whole;
  if (whole < accuracy && rest > 1e-6 && rest < 1 - 1e-6) return whole;
  return Number(ratioOf(p, q, accuracy));
}

/** ratio · value, to the nearest; down where it lies in the middle (`Mul`). */
export function timesNearest(ratio: bigint, value: bigint, accuracy: Accuracy): bigint {
  const product = ratio * value;
  const rest = product % accuracy;
  return product / accuracy + (rest > accuracy / 2n ? 1n : 0n);
}

/** ⌈ratio · value⌉ (`mul_ceil`). */
export function timesUp(ratio: bigint, value: bigint, accuracy: Accuracy): bigint {
  return (ratio * value + accuracy - 1n) / accuracy;
}
