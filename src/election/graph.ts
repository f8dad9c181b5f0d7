/**
 * An election while it goes on: voters, candidates, and between them edges with the stake that a voter gives a
 * candidate. Whoever works on it changes it in place. After `setup_inputs` of `sp-npos-elections`.
 */
import { GatekeeperError } from "../errors.ts";
import type { Id } from "./id.ts";
import { normalize } from "./normalize.ts";
import { saturatingAdd, saturatingSub } from "./u128.ts";

/** Who may be elected. */
export interface Candidate<I extends Id> {
  readonly id: I;
  /** Its place among the candidates. */
  readonly index: number;
  /** The stake of all its voters, saturated. */
  readonly approvalStake: bigint;
  /** What its voters give it, saturated. */
  backedStake: bigint;
  elected: boolean;
  /** The round in which it was elected, from 0. */
  round: number;
}

/** What a voter gives a candidate. */
export interface Edge<I extends Id> {
  readonly candidate: Candidate<I>;
  weight: bigint;
}

/** Who distributes its stake. */
export interface Elector<I extends Id> {
  readonly id: I;
  readonly stake: bigint;
  /** In the order of its targets. */
  edges: Edge<I>[];
}

/** An election. Both lists are in the order of the input, which decides ties. */
export interface Graph<I extends Id> {
  readonly candidates: readonly Candidate<I>[];
  readonly electors: readonly Elector<I>[];
}

/** A voter as it comes from outside. */
export interface Voter<I extends Id> {
  readonly id: I;
  /** 0 to 2^128 − 1. */
  readonly stake: bigint;
  /** Targets that are no candidates, and those named again, do not count. */
  readonly targets: readonly I[];
}

/** Nobody elected yet. Voters without a target that is a candidate are left out. */
export function makeGraph<I extends Id>(candidates: readonly I[], voters: readonly Voter<I>[]): Graph<I> {
  const made = candidates.map((id, index) => ({
    id,
    index,
    approvalStake: 0n,
    backedStake: 0n,
    elected: false,
    round: 0,
  }));
  const byId = new Map(made.map((candidate) => [candidate.id, candidate]));
  const electors: Elector<I>[] = [];
  for (const { id, stake, targets } of voters) {
    const edges: Edge<I>[] = [];
    for (const target of new Set(targets)) {
      const candidate = byId.get(target);
      if (candidate === undefined) continue;
      candidate.approvalStake = saturatingAdd(candidate.approvalStake, stake);
      edges.push({ candidate, weight: 0n });
    }
    if (edges.length > 0) electors.push({ id, stake, edges });
  }
  return { candidates: made, electors };
}

/**
 * Makes edges give the whole of a stake, and their candidates' backing follow.
 * @param edges - of one voter, to elected candidates, in the order of its targets.
 * @returns false, and nothing is changed, when their weights' sum has more than 128 bits.
 */
export function normalizeEdges<I extends Id>(edges: readonly Edge<I>[], stake: bigint): boolean {
  const weights = normalize(
    edges.map(({ weight }) => weight),
    stake,
  );
  if (weights === null) return false;
  edges.forEach((edge, index) => {
    const { candidate, weight } = edge;
    if (weights[index] === weight && candidate.backedStake >= weight) return;
    edge.weight = weights[index]!;
    candidate.backedStake = saturatingAdd(saturatingSub(candidate.backedStake, weight), edge.weight);
  });
  return true;
}

/** The error for what `normalize` can't do: no stakes whose total has 128 bits come to that. */
export function overflow(voter: Id): GatekeeperError {
  return new GatekeeperError("ELECTION_INVALID", `what voter ${voter} gives has more than 128 bits`, { voter });
}
