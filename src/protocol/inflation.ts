/**
 * How much an era pays: Polkadot's curve, which wants a certain part of all tokens to be staked.
 *
 * Yearly inflation is min + (max − min)·a(x), where x is the staked part of the issuance: a rises from 0 to 1 at the
 * ideal x, in a line, and from there falls by half with each `falloff` (pallet-staking-reward-fn's compute_inflation;
 * "Token Economics", W3F Research). All of it in whole numbers, so that every replica gets the same.
 */
import { PERBILL } from "./perbill.ts";

/** The parameters, in billionths. */
export interface InflationCurve {
  readonly minimum: number;
  readonly maximum: number;
  readonly idealStake: number;
  readonly falloff: number;
}

/** 365.25 days. */
const YEAR_MILLISECONDS = 31_557_600_000n;
/** Fixed point: 36 decimal places. */
const ONE = 10n ** 36n;
/** ln 2 in fixed point, rounded down. */
const LN2 = 693147180559945309417232121458176568n;
/** 2^-128 is nothing, in fixed point. */
const HALVINGS_MAX = 128n;
const WHOLE = BigInt(PERBILL);

/**
 * What stakers get for a time, rounded down.
 * @param staked - what gatekeepers and nominators had at stake, of `issuance`.
 */
export function eraPayout(curve: InflationCurve, staked: bigint, issuance: bigint, milliseconds: number): bigint {
  if (issuance === 0n) return 0n;
  const span = BigInt(curve.maximum - curve.minimum);
  const inflation = BigInt(curve.minimum) * ONE + span * adjustment(curve, staked, issuance);
  return (inflation * issuance * BigInt(milliseconds)) / (ONE * WHOLE * YEAR_MILLISECONDS);
}

/** a(x) in fixed point, from 0 to 1. */
function adjustment({ idealStake, falloff }: InflationCurve, staked: bigint, issuance: bigint): bigint {
  const [stake, ideal] = [staked * WHOLE, BigInt(idealStake) * issuance];
  if (stake <= ideal) return (stake * ONE) / ideal;
  return halved(((stake - ideal) * ONE) / (BigInt(falloff) * issuance));
}

/** 2^-x in fixed point, for x ≥ 0 in fixed point: 2^-⌊x⌋ · e^(−ln 2·frac x), by the exponential's series. */
function halved(x: bigint): bigint {
  const halvings = x / ONE;
  if (halvings > HALVINGS_MAX) return 0n;
  const exponent = ((x % ONE) * LN2) / ONE;
  let sum = 0n;
  let term = ONE;
  for (let n = 1n; term !== 0n; n++) {
    sum += term;
    term = -((term * exponent) / (ONE * n));
  }
  return sum >> halvings;
}
