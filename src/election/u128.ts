/** Unsigned integers of 128 bits that saturate: `ExtendedBalance` of `sp-npos-elections`, over BigInt. */

/** The largest: 2^128 − 1. */
export const U128_MAX = (1n << 128n) - 1n;

/** a + b, at most U128_MAX. */
export function saturatingAdd(a: bigint, b: bigint): bigint {
  return saturated(a + b);
}

/** a − b, at least 0. */
export function saturatingSub(a: bigint, b: bigint): bigint {
  return a > b ? a - b : 0n;
}

/** a · b, at most U128_MAX. */
export function saturatingMul(a: bigint, b: bigint): bigint {
  return saturated(a * b);
}

/** A value that is not negative, at most U128_MAX. */
function saturated(value: bigint): bigint {
  return value > U128_MAX ? U128_MAX : value;
}

/**
 * ⌊a · b / c⌋, and U128_MAX where that has more than 128 bits or c is 0: what upstream makes of
 * `multiply_by_rational_with_rounding(a, b, c, Down)`, whose product has 256 bits.
 */
export function mulDivDown(a: bigint, b: bigint, c: bigint): bigint {
  return c === 0n ? U128_MAX : saturated((a * b) / c);
}
