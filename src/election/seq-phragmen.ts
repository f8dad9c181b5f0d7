/**
 * Sequential Phragmén (Brill, Freeman, Janson, Lackner: Phragmén's voting methods and justified representation, 2017),
 * bit for bit as `seq_phragmen_core` of `sp-npos-elections` computes it.
 *
 * Electing candidate c costs one unit of load, spread over its voters so that they end with the same load, its score:
 * s_c = 1 / a_c + Σ_v l_v · b_v / a_c, over its voters v with stakes b_v, loads l_v and a_c = Σ_v b_v. Each round the
 * lowest score wins, the first candidate on a tie. Loads and scores are whole numbers of 1 / (2^128 − 1), every term of
 * a score is rounded down, and sums saturate.
 *
 * A sum of terms that are not negative, saturated at each step, is its exact sum saturated. A round changes the loads of
 * the winner's voters alone, and of the scores that this changes only those must be known exactly that are as low as any:
 * so all are estimated in floating point, and computed where their estimates are too close to tell.
 */
import { type Approvals, approvalsOf } from "./approvals.ts";
import { type Candidate, type Graph, normalizeEdges, overflow } from "./graph.ts";
import type { Id } from "./id.ts";
import { U128_MAX, mulDivDown, saturatingAdd, saturatingSub } from "./u128.ts";

/** What loads and scores are whole numbers of. */
const UNIT = 2 ** -128;

/**
 * Elects `seats` candidates, or all where there are fewer, and distributes the voters' stakes among them. Edges that
 * are left without stake are removed.
 * @throws GatekeeperError ELECTION_INVALID when what a voter gives has more than 128 bits.
 */
export function seqPhragmen<I extends Id>(graph: Graph<I>, seats: number): void {
  const election = new Loads(graph);
  const rounds = Math.min(seats, graph.candidates.length);
  for (let round = 0; round < rounds; round++) election.elect(round);
  election.distribute();
}

/** An election by loads: of voters, and of the edges by which they came to them. */
class Loads<I extends Id> {
  readonly #graph: Graph<I>;
  readonly #approvals: Approvals;
  readonly #errorBound: number;
  /** By voter, in units. */
  readonly #loads: bigint[];
  /** By approval, how much of its voter's load came when its candidate was elected. */
  readonly #parts: bigint[];
  /** By candidate, what its score is, in units; null where it is not known since a load changed. */
  readonly #scores: (bigint | null)[];
  /** Loads and scores as fractions; infinite is the score of a candidate that nobody approves. */
  readonly #loadEstimates: Float64Array;
  readonly #estimates: Float64Array;

  constructor(graph: Graph<I>) {
    const { candidates, electors } = graph;
    this.#graph = graph;
    this.#approvals = approvalsOf(graph);
    this.#errorBound = errorBound(graph);
    this.#loads = electors.map(() => 0n);
    this.#parts = Array<bigint>(this.#approvals.candidate.length).fill(0n);
    this.#scores = candidates.map(() => null);
    this.#loadEstimates = new Float64Array(electors.length);
    this.#estimates = Float64Array.from(candidates, ({ approvalStake }) => 1 / Number(approvalStake));
  }

  /** Elects the next candidate. One must be left. */
  elect(round: number): void {
    const winner = this.#lowest();
    winner.elected = true;
    winner.round = round;
    const { from, approval, voter, candidate, share, firstOfVoter } = this.#approvals;
    const load = this.#score(winner);
    const estimate = Number(load) * UNIT;
    for (let place = from[winner.index]!; place < from[winner.index + 1]!; place++) {
      const elector = voter[approval[place]!]!;
      this.#parts[approval[place]!] = saturatingSub(load, this.#loads[elector]!);
      const growth = estimate - this.#loadEstimates[elector]!;
      this.#loads[elector] = load;
      this.#loadEstimates[elector] = estimate;
      for (let other = firstOfVoter[elector]!; other < firstOfVoter[elector + 1]!; other++) {
        this.#estimates[candidate[other]!]! += growth * share[other]!;
        this.#scores[candidate[other]!] = null;
      }
    }
  }

  /** Gives each elected candidate the part of the voter's stake that it has of the voter's load. */
  distribute(): void {
    const { firstOfVoter } = this.#approvals;
    for (const [voter, elector] of this.#graph.electors.entries()) {
      for (const [place, edge] of elector.edges.entries()) {
        const { candidate } = edge;
        if (!candidate.elected) continue;
        edge.weight = mulDivDown(elector.stake, this.#parts[firstOfVoter[voter]! + place]!, this.#loads[voter]!);
        candidate.backedStake = saturatingAdd(candidate.backedStake, edge.weight);
      }
      elector.edges = elector.edges.filter(({ weight }) => weight > 0n);
      if (!normalizeEdges(elector.edges, elector.stake)) throw overflow(elector.id);
    }
  }

  /** The candidate with the lowest score, the first on a tie. */
  #lowest(): Candidate<I> {
    const left = this.#graph.candidates.filter(({ elected }) => !elected);
    const least = left.reduce((low, { index }) => Math.min(low, this.#estimates[index]!), Number.POSITIVE_INFINITY);
    // From one on scores saturate, whatever they are estimated to be.
    const limit = least < 0.5 && this.#errorBound < 0.1 ? least * (1 + 4 * this.#errorBound) : Number.POSITIVE_INFINITY;
    let [best, bestScore]: [Candidate<I> | null, bigint] = [null, 0n];
    for (const candidate of left) {
      // Whom nobody approves is elected when nobody else is left.
      if (candidate.approvalStake === 0n || this.#estimates[candidate.index]! > limit) continue;
      const score = this.#score(candidate);
      if (best === null || score < bestScore) [best, bestScore] = [candidate, score];
    }
    return best ?? left[0]!;
  }

  #score({ index, approvalStake }: Candidate<I>): bigint {
    const known = this.#scores[index] ?? null;
    if (known !== null) return known;
    if (approvalStake === 0n) return U128_MAX;
    const { from, approval, voter } = this.#approvals;
    let score = U128_MAX / approvalStake;
    for (let place = from[index]!; place < from[index + 1]!; place++) {
      const elector = voter[approval[place]!]!;
      const load = this.#loads[elector]!;
      if (load === 0n) continue;
      score = saturatingAdd(score, mulDivDown(load, this.#graph.electors[elector]!.stake, approvalStake));
    }
    this.#scores[index] = score;
    return score;
  }
}

/**
 * How far an estimate may be from the exact score, as a part of it, where the score is below one.
 *
 * In units an exact score is below the sum of its unrounded terms by one at most for each voter and one more, and the
 * score is (2^128 − 1) / a_c at least. Each time a voter's load changes, an estimate gains the difference of two
 * estimated loads times a share. A load is off by 2^-53 of itself, a share by three times that, and the difference, the
 * product and the sum add as much each; a load times a share is a part of the score, so all of it is less than 13 times
 * 2^-53 of that, and less than 2^-49. A voter's loads change as often as it has targets, and then concern all of them.
 * Where approval stakes saturate, the bound is above one.
 */
function errorBound<I extends Id>({ candidates, electors }: Graph<I>): number {
  let changes = 16;
  for (const { edges } of electors) changes += edges.length ** 2;
  const approval = candidates.reduce((most, { approvalStake }) => Math.max(most, Number(approvalStake)), 0);
  return changes * 2 ** -49 + (electors.length + 2) * approval * UNIT;
}
