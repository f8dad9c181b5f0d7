/** What is missing of the proof that a MasterKey is destroyed whose abandonment governance has closed, in words. */
import type { PublicKey } from "../protocol/account.ts";
import type { UnprovedAbandonment } from "../protocol/retirement.ts";

/**
 * What it is that nobody knows of it.
 * @param nameOf - what a pRuntime is called.
 */
export function describeUnproved(
  { shares, compacted }: Pick<UnprovedAbandonment, "shares" | "compacted">,
  nameOf: (identityKey: PublicKey) => string,
): string {
  const owed = shares.map(({ epoch, threshold, owing }) => {
    const enough = owing.length >= threshold ? "enough for it" : "too few for it";
    const owers = owing.map(nameOf).join(", ");
    return `shares of key session ${epoch} not declared destroyed, ${owing.length} where ${threshold} stand for it, ${enough}: ${owers}`;
  });
  const store = compacted ? [] : ["the store that had states under it not declared compacted"];
  return ["its forward secrecy is not proved", ...owed, ...store].join("; ");
}
