/**
 * Assignments of stake as a flow from voters to targets, from which redundant edges are taken. Ids are numbered from 0,
 * those of voters and of targets in one range.
 */
import { GatekeeperError } from "../errors.ts";
import type { Assignment } from "./assignment.ts";
import type { Id } from "./id.ts";
import { saturatingAdd, saturatingSub } from "./u128.ts";

/** One edge. */
export interface FlowEdge {
  readonly target: number;
  stake: bigint;
}

/** A voter, and what it gives. */
export interface FlowVoter {
  readonly id: number;
  readonly edges: FlowEdge[];
}

/** A flow; it is changed in place. */
export interface Flow<I extends Id> {
  readonly voters: readonly FlowVoter[];
  /** By their numbers. */
  readonly ids: readonly I[];
  /** How many ids are targets'; they have the first numbers. */
  readonly targets: number;
}

/**
 * @param apart - whether a voter and a target with the same id have different numbers.
 * @throws GatekeeperError ELECTION_INVALID when a voter is there twice.
 */
export function flowOf<I extends Id>(assignments: readonly Assignment<I>[], apart: boolean): Flow<I> {
  const ids: I[] = [];
  const numbering = (): ((id: I) => number) => {
    const numbers = new Map<I, number>();
    return (id) => {
      const known = numbers.get(id);
      if (known !== undefined) return known;
      numbers.set(id, ids.length);
      return ids.push(id) - 1;
    };
  };
  const targetNumber = numbering();
  const voterNumber = apart ? numbering() : targetNumber;
  // Targets are few, and pairs of small numbers make small keys.
  for (const { distribution } of assignments) for (const [target] of distribution) targetNumber(target);
  const targets = ids.length;
  const seen = new Set<I>();
  const voters = assignments.map(({ voter, distribution }) => {
    if (seen.has(voter)) throw new GatekeeperError("ELECTION_INVALID", `voter ${voter} is there twice`, { voter });
    seen.add(voter);
    const edges = distribution.map(([target, stake]) => ({ target: targetNumber(target), stake }));
    return { id: voterNumber(voter), edges };
  });
  return { voters, ids, targets };
}

/** What is left of the assignments. */
export function assignmentsOf<I extends Id>({ voters, ids }: Flow<I>): Assignment<I>[] {
  return voters.map(({ id, edges }) => ({
    voter: ids[id]!,
    distribution: edges.map(({ target, stake }) => [ids[target]!, stake]),
  }));
}

/** A voter's first edge to a target. */
export function edgeTo({ edges }: FlowVoter, target: number): FlowEdge | undefined {
  for (let at = 0; at < edges.length; at++) if (edges[at]!.target === target) return edges[at];
  return undefined;
}

/** Adds stake to the first edge to a target, if there is one. */
export function addStake(voter: FlowVoter, target: number, stake: bigint): void {
  const edge = edgeTo(voter, target);
  if (edge !== undefined) edge.stake = saturatingAdd(edge.stake, stake);
}

/**
 * Takes stake off the first edge to a target, if there is one; an edge that has nothing left is removed.
 * @returns whether it was removed.
 */
export function takeStake(voter: FlowVoter, target: number, stake: bigint): boolean {
  const edge = edgeTo(voter, target);
  if (edge === undefined) return false;
  edge.stake = saturatingSub(edge.stake, stake);
  if (edge.stake > 0n) return false;
  voter.edges.splice(voter.edges.indexOf(edge), 1);
  return true;
}
