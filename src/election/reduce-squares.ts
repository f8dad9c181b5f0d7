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
export function removeSquares<I extends Id>({ voters, ids }: Flow<I>): number {
  /** By pair of targets, the voter whose edges to both the next one's may make a cycle with. */
  const holders = new Map<number, FlowVoter>();
  let removed = 0;
  for (const voter of voters) {
    for (const [a, b] of pairsOf(voter)) {
      const pair = a * ids.length + b;
      const holder = holders.get(pair);
      if (holder === undefined) {
        holders.set(pair, voter);
        continue;
      }
      // The pairs were listed before edges were removed. Twice the same target makes more than two edges.
      const own = edgesTo(voter, a, b);
      if (own.length !== 2) continue;
      const others = edgesTo(holder, a, b);
      if (others.length < 2) holders.set(pair, voter);
      if (others.length !== 2) continue;
      const { lost, lostByOther } = cancel([voter, own], [holder, others]);
      removed += lost + lostByOther;
      if (lost === 0) holders.set(pair, voter);
      else if (lostByOther > 0) holders.delete(pair);
    }
  }
  return removed;
}

/** All pairs of a voter's targets, in its order. */
function pairsOf({ edges }: FlowVoter): [number, number][] {
  return edges.flatMap(({ target: a }, index) =>
    edges.slice(index + 1).map(({ target: b }): [number, number] => [a, b]),
  );
}

function edgesTo({ edges }: FlowVoter, a: number, b: number): FlowEdge[] {
  return edges.filter(({ target }) => target === a || target === b);
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
