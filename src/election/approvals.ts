/**
 * Who approves whom, as flat arrays: an election of a chain's size has hundreds of thousands of approvals, and as objects
 * they would keep the garbage collector busier than the election does its processor.
 */
import type { Graph } from "./graph.ts";
import type { Id } from "./id.ts";

/** Approvals are numbered voter by voter, in the order of each one's targets. */
export interface Approvals {
  /** By voter, the number of its first approval; one more at the end. */
  readonly firstOfVoter: Uint32Array;
  /** By approval, its voter's and its candidate's place. */
  readonly voter: Uint32Array;
  readonly candidate: Uint32Array;
  /** By approval, the part that the voter has of its candidate's approval stake; 0 where there is none. */
  readonly share: Float64Array;
  /** Approvals candidate by candidate, in the order of voters; and by candidate, where its own begin in it. */
  readonly approval: Uint32Array;
  readonly from: Uint32Array;
}

/** The approvals of an election. */
export function approvalsOf<I extends Id>({ candidates, electors }: Graph<I>): Approvals {
  const count = electors.reduce((sum, { edges }) => sum + edges.length, 0);
  const firstOfVoter = new Uint32Array(electors.length + 1);
  const [voter, candidate, approval] = [new Uint32Array(count), new Uint32Array(count), new Uint32Array(count)];
  const share = new Float64Array(count);
  const from = new Uint32Array(candidates.length + 1);
  const wholes = candidates.map(({ approvalStake }) => Number(approvalStake));
  let next = 0;
  for (const [place, { stake, edges }] of electors.entries()) {
    firstOfVoter[place] = next;
    for (const { candidate: chosen } of edges) {
      const whole = wholes[chosen.index]!;
      voter[next] = place;
      candidate[next] = chosen.index;
      share[next++] = whole === 0 ? 0 : Number(stake) / whole;
      from[chosen.index + 1]!++;
    }
  }
  firstOfVoter[electors.length] = next;
  for (let index = 0; index < candidates.length; index++) from[index + 1]! += from[index]!;
  const at = from.slice();
  for (let number = 0; number < count; number++) approval[at[candidate[number]!]!++] = number;
  return { firstOfVoter, voter, candidate, share, approval, from };
}
