/**
 * Moves a list of values to a wanted sum, changing them as evenly as it goes (`normalize` of `sp-arithmetic`). Which
 * value takes the odd units is part of the result, so the steps are upstream's; only its loop of single units, which may
 * be as long as a stake is large, is done in whole laps.
 */
import { U128_MAX } from "./u128.ts";

/**
 * Values with the sum `target`, in the order of the old ones; nothing for no values, whatever the target.
 * @param values - not negative.
 * @param target - not negative.
 * @returns null when the values' own sum has more than 128 bits.
 */
export function normalize(values: readonly bigint[], target: bigint): bigint[] | null {
  let sum = 0n;
  for (const value of values) sum += value;
  if (sum > U128_MAX) return null;
  if (sum === target || values.length === 0) return [...values];
  // Stable: among equal values the first comes first.
  const order = [...values.keys()].sort((a, b) => compare(values[a]!, values[b]!));
  const sorted = order.map((index) => values[index]!);
  if (sum < target) raise(sorted, target, target - sum);
  else lower(sorted, sum - target);
  const normalized = [...values];
  order.forEach((index, rank) => {
    normalized[index] = sorted[rank]!;
  });
  return normalized;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Adds `missing`, from the smallest on; goes on to the next where a value has reached its share of the target. */
function raise(sorted: bigint[], target: bigint, missing: bigint): void {
  const count = BigInt(sorted.length);
  const enough = target / count;
  const share = missing / count;
  let at = 0;
  const give = (amount: bigint): void => {
    sorted[at]! += amount;
    if (sorted[at]! >= enough) at = (at + 1) % sorted.length;
  };
  if (share > 0n) for (let times = 0n; times < count; times++) give(share);
  for (let left = missing % count; left > 0n; left--) give(1n);
}

/** Takes `excess` away, from the largest on; goes on to the next where a value has come down to the smallest. */
function lower(sorted: bigint[], excess: bigint): void {
  const count = sorted.length;
  const floor = sorted[0]!;
  const share = excess / BigInt(count);
  let left = excess % BigInt(count);
  let at = count - 1;
  const next = (): void => {
    at = at === 0 ? count - 1 : at - 1;
  };
  for (let times = 0; times < count && share > 0n; times++) {
    const taken = smaller(share, sorted[at]!);
    left += share - taken;
    sorted[at]! -= taken;
    if (sorted[at]! <= floor) next();
  }
  for (let visits = 1; left > 0n; visits++) {
    // Above the floor a value gives until it is there; then one unit each time it is visited, as long as it has any.
    const value = sorted[at]!;
    const taken = smaller(left, value > floor ? value - floor : smaller(value, 1n));
    sorted[at] = value - taken;
    left -= taken;
    if (sorted[at]! <= floor) next();
    // Once round, no value is above the floor any more, and none will be.
    if (left > 0n && visits % count === 0) left -= takeLaps(sorted, left);
  }
}

/**
 * Takes one unit of every value that is not zero, as often as all of them have it and `left` allows.
 * @returns what was taken, a whole number of laps.
 */
function takeLaps(values: bigint[], left: bigint): bigint {
  const positive = values.filter((value) => value > 0n);
  const width = BigInt(positive.length);
  const laps = positive.reduce(smaller, left / width);
  values.forEach((value, index) => {
    if (value > 0n) values[index] = value - laps;
  });
  return laps * width;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
