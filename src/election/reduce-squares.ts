/**
 * Takes cycles of four edges out of a flow: two voters that both give to the same two targets (`reduce_4` of
 * `sp-npos-elections`). Stake is moved round the cycle until its lightest edge is gone; targets get what they got.
 */
import { GatekeeperError } from "../errors.ts";
import { type Flow, type FlowEdge, type FlowVoter, addStake, takeStake } from "./flow.ts";
import type { Id } from "./id.ts";

/** What became of two voters' edges to a pair of targets. */
interface Outcome {
  /** How many edges the voter at hand has lost, and the other one. */
  readonly lost: number;
  readonly lostByOther: number;
}

/**
 * @returns how many edges were removed.
 * @throws GatekeeperError ELECTION_INVALID when a voter has two edges to one target that make a cycle of their own.
 */
export function removeSquares<I extends Id>({ voters, targets }: Flow<I>): number {
  /** By pair of targets, the voter whose edges to both the next one's may make a cycle with. */
  const holders = new Map<number, FlowVoter>();
  let removed = 0;
  for (const voter of voters) {
    // Edges go on the way; the pairs are those that there were.
    const chosen = voter.edges.map(({ target }) => target);
    for (let i = 0; i < chosen.length; i++) {
      for (let j = i + 1; j < chosen.length; j++) {
        removed += removeSquare(holders, chosen[i]! * targets + chosen[j]!, voter, [chosen[i]!, chosen[j]!]);
      }
    }
  }
  return removed;
}

/** Cancels the cycle that a voter makes over a pair of targets with the holder of that pair, if it does. */
function removeSquare(
  holders: Map<number, FlowVoter>,
  pair: number,
  voter: FlowVoter,
  [a, b]: readonly [number, number],
): number {
  const holder = holders.get(pair);
  if (holder === undefined) {
    holders.set(pair, voter);
    return 0;
  }
  // Twice the same target makes more than two edges.
  const own = edgesTo(voter, a, b);
  if (own.length !== 2) return 0;
  const others = edgesTo(holder, a, b);
  if (others.length < 2) holders.set(pair, voter);
  if (others.length !== 2) return 0;
  const { lost, lostByOther } = cancel([voter, own], [holder, others]);
  if (lost === 0) holders.set(pair, voter);
  else if (lostByOther > 0) holders.delete(pair);
  return lost + lostByOther;
}

function edgesTo({ edges }: FlowVoter, a: number, b: number): FlowEdge[] {
  const found: FlowEdge[] = [];
  for (let at = 0; at < edges.length; at++) {
    const { target } = edges[at]!;
    if (target === a || target === b) found.push(edges[at]!);
  }
  return found;
}

/** Moves the stake of the lightest edge, the last of those that are alike, round the cycle. */
function cancel(
  [voter, own]: readonly [FlowVoter, readonly FlowEdge[]],
  [other, others]: readonly [FlowVoter, readonly FlowEdge[]],
): Outcome {
  const aligned = others[0]!.target === own[0]!.target ? others : others.toReversed();
  // Bit 0 of an index tells the targets apart, bit 1 the voters: i ^ 3 is the edge that shares neither with edge i.
  const cycle = [...own, ...aligned];
  let lightest = 0;
  cycle.forEach(({ stake }, index) => {
    if (stake <= cycle[lightest]!.stake) lightest = index;
  });
  const { stake } = cycle[lightest]!;
  const targets = cycle.map(({ target }) => target);
  const holderOf = (index: number): FlowVoter => (index < 2 ? voter : other);
  for (const index of [lightest ^ 1, lightest ^ 2]) addStake(holderOf(index), targets[index]!, stake);
  const gone = [lightest, lightest ^ 3].filter((index) => takeStake(holderOf(index), targets[index]!, stake));
  if (gone.length === 0) {
    throw new GatekeeperError("ELECTION_INVALID", "a voter gives to the same target twice", {});
  }
  const lost = gone.filter((index) => index < 2).length;
  return { lost, lostByOther: gone.length - lost };
}
