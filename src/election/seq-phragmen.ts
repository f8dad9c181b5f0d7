/**
 * Sequential Phragmén (Brill, Freeman, Janson, Lackner: Phragmén's voting methods and justified representation, 2017),
 * bit for bit as `seq_phragmen_core` of `sp-npos-elections` computes it.
 *
 * Electing candidate c costs one unit of load, spread over its voters so that they end with the same load, its score:
 * s_c = 1 / a_c + Σ_v l_v · b_v / a_c, over its voters v with stakes b_v, loads l_v and a_c = Σ_v b_v. Each round the
 * lowest score wins, the first candidate on a tie. Loads and scores are whole numbers of 1 / (2^128 − 1), every term of
 * a score is rounded down, and sums saturate.
 *
 * A round changes the loads of the winner's voters alone, so only the terms of those voters are computed anew. Scores
 * are kept unsaturated: a sum of terms that are not negative, saturated at each step, is its exact sum saturated.
 */
import { type Candidate, type Edge, type Elector, type Graph, normalizeEdges, overflow } from "./graph.ts";
import type { Id } from "./id.ts";
import { U128_MAX, mulDivDown, saturated, saturatingAdd, saturatingSub } from "./u128.ts";

/** A candidate's score: Σ of the terms of its approvals and of 1 / a_c. */
interface Tally<I extends Id> {
  readonly candidate: Candidate<I>;
  /** In the order of the voters. */
  readonly approvals: Approval<I>[];
  score: bigint;
}

/** A voter and its load. */
interface Ballot<I extends Id> {
  readonly elector: Elector<I>;
  readonly approvals: Approval<I>[];
  load: bigint;
}

/** What joins a voter and a candidate. */
interface Approval<I extends Id> {
  readonly ballot: Ballot<I>;
  readonly tally: Tally<I>;
  readonly edge: Edge<I>;
  /** By how much the voter's load grew when the candidate was elected. */
  load: bigint;
  /** ⌊l_v · b_v / a_c⌋, saturated. */
  term: bigint;
}

/**
 * Elects `seats` candidates, or all where there are fewer, and distributes the voters' stakes among them. Edges that
 * are left without stake are removed.
 * @throws GatekeeperError ELECTION_INVALID when what a voter gives has more than 128 bits.
 */
export function seqPhragmen<I extends Id>(graph: Graph<I>, seats: number): void {
  const { tallies, ballots } = register(graph);
  const rounds = Math.min(seats, tallies.length);
  for (let round = 0; round < rounds; round++) {
    const winner = lowest(tallies);
    winner.candidate.elected = true;
    winner.candidate.round = round;
    spreadLoad(winner);
  }
  ballots.forEach(distribute);
}

function register<I extends Id>({ candidates, electors }: Graph<I>): { tallies: Tally<I>[]; ballots: Ballot<I>[] } {
  const byCandidate = new Map<Candidate<I>, Tally<I>>();
  for (const candidate of candidates) {
    const { approvalStake } = candidate;
    // Whom nobody approves is elected last: its score is above all others, which are one at most.
    const score = approvalStake === 0n ? U128_MAX : U128_MAX / approvalStake;
    byCandidate.set(candidate, { candidate, approvals: [], score });
  }
  const ballots = electors.map((elector) => {
    const ballot: Ballot<I> = { elector, approvals: [], load: 0n };
    for (const edge of elector.edges) {
      const tally = byCandidate.get(edge.candidate)!;
      const approval = { ballot, tally, edge, load: 0n, term: 0n };
      ballot.approvals.push(approval);
      tally.approvals.push(approval);
    }
    return ballot;
  });
  return { tallies: [...byCandidate.values()], ballots };
}

/** The tally to be elected next. One must be left. */
function lowest<I extends Id>(tallies: readonly Tally<I>[]): Tally<I> {
  let best: Tally<I> | null = null;
  let bestScore = 0n;
  let unapproved: Tally<I> | null = null;
  for (const tally of tallies) {
    const { elected, approvalStake } = tally.candidate;
    if (elected) continue;
    if (approvalStake === 0n) unapproved ??= tally;
    else {
      const score = saturated(tally.score);
      if (best === null || score < bestScore) [best, bestScore] = [tally, score];
    }
  }
  return best ?? unapproved!;
}

/** Gives the winner's voters its score as their load, and the candidates that they also approve new terms. */
function spreadLoad<I extends Id>({ score, approvals }: Tally<I>): void {
  const load = saturated(score);
  for (const approval of approvals) {
    const { ballot } = approval;
    approval.load = saturatingSub(load, ballot.load);
    ballot.load = load;
    const product = load * ballot.elector.stake;
    for (const other of ballot.approvals) {
      const { elected, approvalStake } = other.tally.candidate;
      if (elected || approvalStake === 0n) continue;
      const term = saturated(product / approvalStake);
      other.tally.score += term - other.term;
      other.term = term;
    }
  }
}

/** Gives each elected candidate the part of the voter's stake that it has of the voter's load. */
function distribute<I extends Id>({ elector, approvals, load }: Ballot<I>): void {
  for (const { edge, load: part } of approvals) {
    const { candidate } = edge;
    if (!candidate.elected) continue;
    edge.weight = mulDivDown(elector.stake, part, load);
    candidate.backedStake = saturatingAdd(candidate.backedStake, edge.weight);
  }
  elector.edges = elector.edges.filter(({ weight }) => weight > 0n);
  if (!normalizeEdges(elector.edges, elector.stake)) throw overflow(elector.id);
}
