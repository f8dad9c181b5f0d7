/**
 * Takes cycles of four edges out of a flow: two voters that both give to the same two targets (`reduce_4` of
 * `sp-npos-elections`). Stake is moved round the cycle until its lightest edge is gone; targets get what they got.
 */
import { GatekeeperError } from "../errors.ts";
import { type Flow, type FlowEdge, type FlowVoter, addStake, takeStake } from "./flow.ts";
import type { Id } from "./id.ts";

/**
 * @returns how many edges were removed.
 * @throws GatekeeperError ELECTION_INVALID when a voter has two edges to one target that make a cycle of their own.
 */
export function removeSquares<I extends Id>({ voters, targets }: Flow<I>): number {
  /** By pair of targets, the voter whose edges to both the next one's may make a cycle with. */
  const holders = new Map<number, FlowVoter>();
  /** By target, how many edges the voter at hand still has to it. */
  const left = new Uint32Array(targets);
  let removed = 0;
  for (const voter of voters) {
    // Edges go on the way; the pairs are those that there were.
    const chosen = voter.edges.map(({ target }) => target);
    for (const target of chosen) left[target]!++;
    for (let i = 0; i < chosen.length; i++) {
      const a = chosen[i]!;
      for (let j = i + 1; j < chosen.length; j++) {
        const b = chosen[j]!;
        const pair = a * targets + b;
        const holder = holders.get(pair);
        if (holder === undefined) holders.set(pair, voter);
        else if ((a === b ? left[a]! : left[a]! + left[b]!) === 2) {
          removed += removeSquare(holders, pair, [voter, holder], [a, b], left);
        }
      }
    }
    for (const target of chosen) left[target] = 0;
  }
  return removed;
}

/** Cancels the cycle that a voter makes over a pair of targets with the holder of that pair, if it does. */
function removeSquare(
  holders: Map<number, FlowVoter>,
  pair: number,
  [voter, holder]: readonly [FlowVoter, FlowVoter],
  [a, b]: readonly [number, number],
  left: Uint32Array,
): number {
  const others = edgesTo(holder, a, b);
  if (others.length < 2) holders.set(pair, voter);
  // Where the holder names a target twice, there are more than two.
  if (others.length !== 2) return 0;
  const gone = cancel([voter, edgesTo(voter, a, b)], [holder, others]);
  const lost = gone.filter(({ giver }) => giver === voter);
  for (const { target } of lost) left[target]!--;
  // Else the holder stays; if it has lost an edge, too, the next voter over the pair sees that.
  if (lost.length === 0) holders.set(pair, voter);
  return gone.length;
}

function edgesTo({ edges }: FlowVoter, a: number, b: number): FlowEdge[] {
  const found: FlowEdge[] = [];
  for (let at = 0; at < edges.length; at++) {
    const { target } = edges[at]!;
    if (target === a || target === b) found.push(edges[at]!);
  }
  return found;
}

/**
 * Moves the stake of the lightest edge, the last of those that are alike, round the cycle.
 * @returns the edges that are gone.
 */
function cancel(
  [voter, own]: readonly [FlowVoter, readonly FlowEdge[]],
  [holder, others]: readonly [FlowVoter, readonly FlowEdge[]],
): { giver: FlowVoter; target: number }[] {
  const aligned = others[0]!.target === own[0]!.target ? others : others.toReversed();
  // Bit 0 of an index tells the targets apart, bit 1 the voters: i ^ 3 is the edge that shares neither with edge i.
  const cycle = [...own, ...aligned];
  let lightest = 0;
  for (let at = 1; at < cycle.length; at++) if (cycle[at]!.stake <= cycle[lightest]!.stake) lightest = at;
  const { stake } = cycle[lightest]!;
  const giver = (at: number): FlowVoter => (at < 2 ? voter : holder);
  for (const at of [lightest ^ 1, lightest ^ 2]) addStake(giver(at), cycle[at]!.target, stake);
  const gone: { giver: FlowVoter; target: number }[] = [];
  for (const at of [lightest, lightest ^ 3]) {
    const { target } = cycle[at]!;
    if (takeStake(giver(at), target, stake)) gone.push({ giver: giver(at), target });
  }
  if (gone.length > 0) return gone;
  throw new GatekeeperError("ELECTION_INVALID", "a voter gives to the same target twice");
}
