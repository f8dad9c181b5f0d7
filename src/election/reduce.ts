/**
 * Takes redundant edges out of assignments of stake without changing what any voter gives or any target gets, so that
 * what is left is a forest (`reduce` of `sp-npos-elections`).
 *
 * Upstream takes a voter for the target with the same id in one comparison, and may then leave a cycle, or lose stake.
 * On chains it does not come up, as candidates vote for nobody but themselves.
 */
import type { Assignment } from "./assignment.ts";
import { assignmentsOf, flowOf } from "./flow.ts";
import type { Id } from "./id.ts";
import { removeCycles } from "./reduce-cycles.ts";
import { removeSquares } from "./reduce-squares.ts";

/** What is left, and how many edges are not. */
export interface Reduction<I extends Id> {
  readonly assignments: readonly Assignment<I>[];
  readonly removed: number;
}

/**
 * Reduces assignments of stake as upstream does. Where a voter names a target twice, only the first edge takes part.
 * @throws GatekeeperError ELECTION_INVALID when a voter is there twice.
 */
export function reduce<I extends Id>(assignments: readonly Assignment<I>[]): Reduction<I> {
  return reduceFlow(assignments, false);
}

/**
 * The same, but where upstream loses stake, voters and targets are told apart.
 * @throws GatekeeperError ELECTION_INVALID when a voter is there twice.
 */
export function reduceKeepingStake<I extends Id>(assignments: readonly Assignment<I>[]): Reduction<I> {
  const reduction = reduceFlow(assignments, false);
  return keepsStake(assignments, reduction.assignments) ? reduction : reduceFlow(assignments, true);
}

function reduceFlow<I extends Id>(assignments: readonly Assignment<I>[], apart: boolean): Reduction<I> {
  const flow = flowOf(assignments, apart);
  // Cycles of four first: they are the most, and are found without walking the forest.
  const removed = removeSquares(flow) + removeCycles(flow);
  return { assignments: assignmentsOf(flow), removed };
}

/** Whether voters give and targets get the same. Both have the same voters in the same order. */
function keepsStake<I extends Id>(before: readonly Assignment<I>[], after: readonly Assignment<I>[]): boolean {
  const difference = new Map<I, bigint>();
  for (const [index, { distribution }] of before.entries()) {
    let given = 0n;
    for (const [target, stake] of distribution) {
      given += stake;
      difference.set(target, (difference.get(target) ?? 0n) + stake);
    }
    for (const [target, stake] of after[index]!.distribution) {
      given -= stake;
      difference.set(target, (difference.get(target) ?? 0n) - stake);
    }
    if (given !== 0n) return false;
  }
  return [...difference.values()].every((stake) => stake === 0n);
}
