/**
 * Lagrange coefficients at 0: f(0) = Σ_i λ_i·f(i) over a quorum Q of at least t indices, with
 * λ_i = Π_{j ∈ Q, j ≠ i} j / (j − i) modulo the group's order. All of it is public.
 */
import { invert } from "@noble/curves/abstract/modular.js";
import { GatekeeperError } from "../errors.ts";
import { isShareIndex } from "./shamir.ts";

/**
 * A quorum has one form, since it is hashed: share indices, strictly rising, so that none is there twice.
 * @throws GatekeeperError INVALID_ARGUMENT when it has another, or is empty.
 */
export function checkQuorum(quorum: readonly number[]): void {
  const rises = quorum.every((index, at) => isShareIndex(index) && (at === 0 || quorum[at - 1]! < index));
  if (rises && quorum.length > 0) return;
  throw new GatekeeperError("INVALID_ARGUMENT", "a quorum is a strictly rising list of share indices");
}

/**
 * λ_i of one member.
 * @param order - prime, above every index, so that no coefficient is zero.
 * @throws GatekeeperError INVALID_ARGUMENT when the quorum is none, or does not have the index.
 */
export function lagrangeCoefficient(order: bigint, quorum: readonly number[], index: number): bigint {
  checkQuorum(quorum);
  if (!quorum.includes(index)) {
    throw new GatekeeperError("INVALID_ARGUMENT", `${index} is not in the quorum ${quorum.join(", ")}`);
  }
  let numerator = 1n;
  let denominator = 1n;
  for (const other of quorum) {
    if (other === index) continue;
    numerator = (numerator * BigInt(other)) % order;
    // A remainder has the sign of the dividend; `invert` takes both.
    denominator = (denominator * BigInt(other - index)) % order;
  }
  return (numerator * invert(denominator, order)) % order;
}

/**
 * What a value that was multiplied by the λ_i of one quorum is multiplied by to have that of another: λ'_i / λ_i.
 * @param from - the quorum whose coefficient the value has; null when it has none.
 * @throws GatekeeperError INVALID_ARGUMENT as `lagrangeCoefficient` does, for either quorum.
 */
export function reweighting(
  order: bigint,
  from: readonly number[] | null,
  to: readonly number[],
  index: number,
): bigint {
  const wanted = lagrangeCoefficient(order, to, index);
  if (from === null) return wanted;
  return (wanted * invert(lagrangeCoefficient(order, from, index), order)) % order;
}
