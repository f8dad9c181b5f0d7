/** Fractions as whole billionths, as sp_arithmetic's `Perbill` has them; what is multiplied is rounded down. */

/** All of something. */
export const PERBILL = 1_000_000_000;

const WHOLE = BigInt(PERBILL);

/** A fraction of an amount, rounded down. */
export function partOf(perbill: number, amount: bigint): bigint {
  return (BigInt(perbill) * amount) / WHOLE;
}
