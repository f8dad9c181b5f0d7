/** Identifiers of voters and targets, which share one name space: a voter may be a target, too. */

/** A whole number or a string; 1 and "1" are different. */
export type Id = number | string;

/**
 * `Ord` of upstream's account ids: numbers by value, strings by their UTF-8 bytes, every number before every string.
 * @returns negative, zero or positive.
 */
export function compareIds(a: Id, b: Id): number {
  if (typeof a === "number") return typeof b === "number" ? a - b : -1;
  if (typeof b === "number") return 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
