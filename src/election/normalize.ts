/**
 * Moves a list of values to a wanted sum, changing them as evenly as it goes (`normalize` of `sp-arithmetic`). Which
 * value takes the odd units is part of the result, so the steps are upstream's; only its loop of single units, which may
 * be as long as a stake is large, is done in whole laps.
 */
import { risingOrder } from "./rising-order.ts";
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
  const normalized = values.slice();
  if (sum === target || values.length === 0) return normalized;
  const order = risingOrder(values);
  if (sum < target) raise(normalized, order, target, target - sum);
  else lower(normalized, order, sum - target);
  return normalized;
}

/** Adds `missing`, from the smallest on; goes on to the next where a value has reached its share of the target. */
function raise(values: bigint[], order: readonly number[], target: bigint, missing: bigint): void {
  const count = BigInt(values.length);
  const enough = target / count;
  const share = missing / count;
  let rank = 0;
  const give = (amount: bigint): void => {
    const raised = values[order[rank]!]! + amount;
    values[order[rank]!] = raised;
    if (raised >= enough) rank = (rank + 1) % order.length;
  };
  if (share > 0n) for (let times = 0; times < order.length; times++) give(share);
  for (let left = Number(missing % count); left > 0; left--) give(1n);
}

/** Takes `excess` away, from the largest on; goes on to the next where a value has come down to the smallest. */
function lower(values: bigint[], order: readonly number[], excess: bigint): void {
  const count = order.length;
  const floor = values[order[0]!]!;
  const share = excess / BigInt(count);
  let left = excess % BigInt(count);
  let rank = count - 1;
  const take = (amount: bigint): void => {
    const lowered = values[order[rank]!]! - amount;
    values[order[rank]!] = lowered;
    if (lowered <= floor) rank = rank === 0 ? count - 1 : rank - 1;
  };
  for (let times = 0; times < count && share > 0n; times++) {
    const taken = smaller(share, values[order[rank]!]!);
    left += share - taken;
    take(taken);
  }
  for (let visits = 1; left > 0n; visits++) {
    // Above the floor a value gives until it is there; then one unit each time it is visited, as long as it has any.
    const value = values[order[rank]!]!;
    const taken = smaller(left, value > floor ? value - floor : smaller(value, 1n));
    left -= taken;
    take(taken);
    // Once round, no value is above the floor any more, and none will be.
    if (left > 0n && visits % count === 0) left -= takeLaps(values, left);
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
