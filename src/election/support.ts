/** Who gets how much from whom, from the targets' side (`to_supports` of `sp-npos-elections`). */
import type { Assignment } from "./assignment.ts";
import { type Id, compareIds } from "./id.ts";
import { saturatingAdd } from "./u128.ts";

/** What one target gets. */
export interface Support<I extends Id> {
  readonly target: I;
  /** The sum of what its voters give, saturated. */
  readonly total: bigint;
  /** In the order of the assignments. */
  readonly voters: readonly (readonly [voter: I, stake: bigint])[];
}

/** The supports of all targets that assignments of stake name, in the order of their ids. */
export function toSupports<I extends Id>(assignments: readonly Assignment<I>[]): Support<I>[] {
  const voters = new Map<I, [voter: I, stake: bigint][]>();
  for (const { voter, distribution } of assignments) {
    for (const [target, stake] of distribution) {
      const known = voters.get(target);
      if (known === undefined) voters.set(target, [[voter, stake]]);
      else known.push([voter, stake]);
    }
  }
  return [...voters]
    .sort(([a], [b]) => compareIds(a, b))
    .map(([target, backers]) => ({
      target,
      total: backers.reduce((sum, [, stake]) => saturatingAdd(sum, stake), 0n),
      voters: backers,
    }));
}
