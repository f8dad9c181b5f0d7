/**
 * Takes redundant edges out of assignments of stake without changing what any voter gives or any target gets, so that
 * what is left is a forest (`reduce` of `sp-npos-elections`).
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
 * Reduces assignments of stake. Where a voter names a target twice, only the first edge takes part.
 * @throws GatekeeperError ELECTION_INVALID when a voter is there twice.
 */
export function reduce<I extends Id>(assignments: readonly Assignment<I>[]): Reduction<I> {
  const flow = flowOf(assignments);
  // Cycles of four first: they are the most, and are found without walking the forest.
  const removed = removeSquares(flow) + removeCycles(flow);
  return { assignments: assignmentsOf(flow), removed };
}
