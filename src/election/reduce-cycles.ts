/**
 * Takes cycles of any length out of a flow (`reduce_all` of `sp-npos-elections`): edges are added to a forest one by one;
 * the one that closes a cycle has stake moved round it until the cycle's lightest edge is gone. What is left is a forest.
 */
import { type Flow, type FlowVoter, addStake, edgeTo, takeStake } from "./flow.ts";
import { Forest, idOf, isVoter, targetNode, voterNode } from "./forest.ts";
import type { Id } from "./id.ts";
import { U128_MAX } from "./u128.ts";

/** A cycle and the tree paths that it was made of. */
interface Cycle {
  /** From the new edge's target up to where the paths meet, and down to its voter. */
  readonly nodes: readonly number[];
  /** How many nodes of the target's path are not on the voter's. */
  readonly targetPart: number;
  readonly voterPath: readonly number[];
  readonly targetPath: readonly number[];
}

/** The lightest edge of a cycle: from the voter at this place to the node after it, or to the one before it. */
interface Lightest {
  readonly stake: bigint;
  readonly at: number;
  readonly forward: boolean;
}

/** @returns how many edges were removed. */
export function removeCycles<I extends Id>({ voters, ids }: Flow<I>): number {
  const forest = new Forest(ids.length);
  const byId: FlowVoter[] = [];
  for (const voter of voters) byId[voter.id] = voter;
  let removed = 0;
  for (const voter of voters) {
    for (let at = 0; at < voter.edges.length;) {
      const cycle = grow(forest, voter.id, voter.edges[at]!.target);
      if (cycle === null) {
        at++;
        continue;
      }
      const lightest = lightestOf(cycle, byId);
      // All edges have the largest stake that there is. Upstream, too, gives this voter up.
      if (lightest === null) break;
      const gone = shift(cycle, lightest, byId);
      removed += gone.length;
      regrow(forest, cycle, lightest);
      for (const { at: place, forward } of gone) {
        if (place !== lightest.at || forward !== lightest.forward) {
          forest.cut(cycle.nodes[place]!, neighbour(cycle, place, forward));
        }
      }
      if (!gone.some(({ at: place }) => idOf(cycle.nodes[place]!) === voter.id)) at++;
    }
  }
  return removed;
}

/** Adds an edge to the forest. @returns the cycle that it closes, if it does; it is not added then. */
function grow(forest: Forest, voterId: number, targetId: number): Cycle | null {
  const [voter, target] = [voterNode(voterId), targetNode(targetId)];
  if (forest.plant(voter, target)) return null;
  const [voterPath, targetPath] = [forest.pathToRoot(voter), forest.pathToRoot(target)];
  let shared = 0;
  while (shared < voterPath.length && voterPath.at(-1 - shared) === targetPath.at(-1 - shared)) shared++;
  if (shared === 0) {
    forest.merge(voterPath, targetPath);
    return null;
  }
  const targetPart = targetPath.length - shared;
  const voterPart = voterPath.slice(0, voterPath.length - shared);
  return { nodes: [...targetPath.slice(0, targetPart + 1), ...voterPart.reverse()], targetPart, voterPath, targetPath };
}

function neighbour({ nodes }: Cycle, at: number, forward: boolean): number {
  return nodes[(at + (forward ? 1 : nodes.length - 1)) % nodes.length]!;
}

/** The first of the lightest edges; at each voter the one after it is looked at first. */
function lightestOf(cycle: Cycle, byId: readonly FlowVoter[]): Lightest | null {
  let lightest: Lightest | null = null;
  for (const [at, node] of cycle.nodes.entries()) {
    if (!isVoter(node)) continue;
    for (const forward of [true, false]) {
      const target = idOf(neighbour(cycle, at, forward));
      const edge = edgeTo(byId[idOf(node)]!, target);
      const least = lightest?.stake ?? U128_MAX;
      if (edge !== undefined && edge.stake < least) lightest = { stake: edge.stake, at, forward };
    }
  }
  return lightest;
}

/**
 * Takes the lightest edge's stake off every second edge, and adds it to the others. Going round, the edges that leave a
 * voter and those that come to one alternate, so it is taken from all that go the same way as the lightest.
 * @returns the edges that are gone.
 */
function shift(
  cycle: Cycle,
  { stake, forward: taken }: Lightest,
  byId: readonly FlowVoter[],
): Omit<Lightest, "stake">[] {
  const gone: Omit<Lightest, "stake">[] = [];
  for (const [at, node] of cycle.nodes.entries()) {
    if (!isVoter(node)) continue;
    const voter = byId[idOf(node)]!;
    for (const forward of [false, true]) {
      const target = idOf(neighbour(cycle, at, forward));
      if (forward !== taken) addStake(voter, target, stake);
      // An edge that had nothing and gets nothing goes, too.
      if (takeStake(voter, target, forward === taken ? stake : 0n)) gone.push({ at, forward });
    }
  }
  return gone;
}

/** Puts the new edge in the place of the lightest, unless it is that itself. */
function regrow(forest: Forest, cycle: Cycle, { at, forward }: Lightest): void {
  const { nodes, targetPart, voterPath, targetPath } = cycle;
  if (at === nodes.length - 1 && forward) return;
  const voter = idOf(nodes[at]!);
  const target = idOf(neighbour(cycle, at, forward));
  const onVoterPath = at + (forward ? 1 : 0) > targetPart;
  const path = onVoterPath ? voterPath : targetPath;
  // Upstream compares ids alone, so that an edge between a voter and a target that are the other end's namesakes counts.
  const isLightest = (a: number, b: number): boolean =>
    (idOf(a) === voter || idOf(a) === target) && (idOf(b) === voter || idOf(b) === target);
  let edges = 0;
  while (edges < path.length - 1 && !isLightest(path[edges]!, path[edges + 1]!)) edges++;
  forest.turn(path, edges);
  if (onVoterPath) forest.attach(voterPath[0]!, targetPath[0]!);
  else forest.attach(targetPath[0]!, voterPath[0]!);
}
