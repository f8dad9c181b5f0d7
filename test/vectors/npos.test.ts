/**
 * Elections against `sp-npos-elections` of polkadot-v1.7.0: its own test cases with what its unmodified functions print
 * for them, the election of Westend at block 1,097,836, and committees of abcvoting, an independent implementation.
 */
import { expect, test } from "vitest";
import {
  type Assignment,
  normalizeAssignment,
  ratioToStake,
  stakeToRatio,
  toRatios,
} from "../../src/election/assignment.ts";
import { balance } from "../../src/election/balancing.ts";
import { elect } from "../../src/election/election.ts";
import { assignmentsOf, flowOf } from "../../src/election/flow.ts";
import { type Edge, type Graph, type Voter, makeGraph, normalizeEdges } from "../../src/election/graph.ts";
import { giveSeat, highestScore, phragmms } from "../../src/election/phragmms.ts";
import { pjrCounterExample, slack, standardThreshold } from "../../src/election/pjr.ts";
import { ACCURACY, type Accuracy } from "../../src/election/ratio.ts";
import { removeCycles } from "../../src/election/reduce-cycles.ts";
import { removeSquares } from "../../src/election/reduce-squares.ts";
import { reduce } from "../../src/election/reduce.ts";
import { type ElectionScore, compareScores, isBetterBy, scoreOf } from "../../src/election/score.ts";
import { seqPhragmen } from "../../src/election/seq-phragmen.ts";
import { type Support, toSupports } from "../../src/election/support.ts";
import { electFloat, equalizeFloat, stakesOf, totalsOf } from "../election/float-reference.ts";
import { describeVectors, readVectors } from "./read.ts";

type Amounts = readonly (readonly [number, string])[];
type Assigned = readonly (readonly [number, Amounts])[];
type VoterRow = readonly [number, string, readonly number[]];

interface Balancing {
  readonly iterations: number;
  readonly tolerance: string;
}

interface Output {
  readonly winners: Amounts;
  readonly assignments: Assigned;
  readonly staked: Assigned;
  readonly staked_normalized: Assigned;
  readonly supports: readonly (readonly [number, string, Amounts])[];
  readonly score: readonly [string, string, string];
  readonly pjr: { readonly standard_threshold: string; readonly ok: boolean };
  readonly reduce: { readonly edges_before: number; readonly removed: number; readonly staked: Assigned };
}

interface Election {
  readonly algorithm: string;
  readonly to_elect: number;
  readonly candidates: readonly number[];
  readonly voters: readonly VoterRow[];
  readonly balancing: Balancing | null;
}

interface VectorCase extends Election {
  readonly name: string;
  readonly kind: string;
  // biome-ignore lint/suspicious/noExplicitAny: what is expected has another shape for every kind of case.
  readonly [field: string]: any;
}

const FILE = "fixtures/npos/upstream-vectors.json";
const WESTEND = "data/npos/westend-1097836-election.json";

function votersOf(rows: readonly VoterRow[]): Voter<number>[] {
  return rows.map(([id, stake, targets]) => ({ id, stake: BigInt(stake), targets }));
}

function assignmentOf([voter, distribution]: Assigned[number]): Assignment<number> {
  return { voter, distribution: amountsOf(distribution) };
}

function amountsOf(amounts: Amounts): [number, bigint][] {
  return amounts.map(([id, amount]) => [id, BigInt(amount)]);
}

function written(assignments: readonly Assignment<number>[]): [number, [number, string][]][] {
  return assignments.map(({ voter, distribution }) => [voter, distribution.map(([id, n]) => [id, String(n)])]);
}

function scoreFrom([minimal, sum, squares]: readonly (string | number)[]): ElectionScore {
  return { minimalStake: BigInt(minimal!), sumStake: BigInt(sum!), sumStakeSquared: BigInt(squares!) };
}

function writtenScore({ minimalStake, sumStake, sumStakeSquared }: ElectionScore): string[] {
  return [minimalStake, sumStake, sumStakeSquared].map(String);
}

function run({ algorithm, to_elect, candidates, voters, balancing }: Election, accuracy: Accuracy): Graph<number> {
  if (balancing !== null) expect(balancing.tolerance).toBe("0");
  const graph = makeGraph(candidates, votersOf(voters));
  const iterations = balancing?.iterations ?? 0;
  if (algorithm === "phragmms") phragmms(graph, to_elect, iterations, accuracy);
  else {
    seqPhragmen(graph, to_elect);
    balance(graph.electors, iterations);
  }
  return graph;
}

/** Every step that upstream printed, at one accuracy. */
function expectOutput(election: Election, accuracy: Accuracy, output: Output): void {
  const { candidates } = election;
  const voters = votersOf(election.voters);
  const stakes = new Map(voters.map(({ id, stake }) => [id, stake]));
  const graph = run(election, accuracy);
  const winners = graph.candidates.filter(({ elected }) => elected).sort((a, b) => a.round - b.round);
  expect(winners.map(({ id, backedStake }) => [id, String(backedStake)])).toEqual(output.winners);
  const ratios = toRatios(graph.electors, accuracy).map((each) => normalizeAssignment(each, accuracy));
  expect(written(ratios)).toEqual(output.assignments);
  const staked = ratios.map((each) => ratioToStake(each, stakes.get(each.voter)!, accuracy));
  expect(written(staked)).toEqual(output.staked);
  const whole = staked.map((each) => normalizeAssignment(each, stakes.get(each.voter)!));
  expect(written(whole)).toEqual(output.staked_normalized);
  const supports = toSupports(whole);
  expect(
    supports.map((each) => [each.target, String(each.total), each.voters.map(([id, stake]) => [id, String(stake)])]),
  ).toEqual(output.supports);
  expect(writtenScore(scoreOf(supports))).toEqual(output.score);
  const threshold = standardThreshold(supports.length, voters);
  expect(String(threshold)).toBe(output.pjr.standard_threshold);
  expect(pjrCounterExample(supports, candidates, voters, threshold) === null).toBe(output.pjr.ok);
  const { assignments, removed } = reduce(whole);
  expect(whole.reduce((sum, { distribution }) => sum + distribution.length, 0)).toBe(output.reduce.edges_before);
  expect(removed).toBe(output.reduce.removed);
  expect(written(assignments)).toEqual(output.reduce.staked);
}

/** The same by the way that everybody takes. */
function expectElected(election: Election, output: Output): void {
  const result = elect({
    seats: election.to_elect,
    candidates: election.candidates,
    voters: votersOf(election.voters),
    algorithm: election.algorithm === "phragmms" ? "phragmms" : "seq-phragmen",
    balance: election.balancing?.iterations ?? 0,
  });
  expect(result.winners.map(([id, stake]) => [id, String(stake)])).toEqual(output.winners);
  expect(written(result.assignments)).toEqual(output.reduce.staked);
  expect(writtenScore(result.score)).toEqual(output.score);
  expect(result.pjrCounterExample === null).toBe(output.pjr.ok);
}

/** What upstream's own test expects, beside what its functions print. */
function expectExpected(vector: VectorCase): void {
  const { expected } = vector;
  const graph = run(vector, ACCURACY.perbill);
  const winners = graph.candidates.filter(({ elected }) => elected).sort((a, b) => a.round - b.round);
  const ids = winners.map(({ id }) => id);
  const ratios = toRatios(graph.electors, ACCURACY.perbill).map((each) => normalizeAssignment(each, ACCURACY.perbill));
  if (expected.winners !== undefined) expect(ids).toEqual(expected.winners.map(([id]: [number]) => id));
  if (expected.winner_ids !== undefined) expect(ids).toEqual(expected.winner_ids);
  if (expected.assignments_sum_is_one) {
    for (const { distribution } of ratios) {
      expect(distribution.reduce((sum, [, ratio]) => sum + ratio, 0n)).toBe(ACCURACY.perbill);
    }
  }
  if (expected.compare_with_float) {
    const voters = vector.voters.map(([id, stake, targets]) => [id, Number(stake), targets] as const);
    const float = electFloat(vector.to_elect, vector.candidates, voters);
    expect(ids).toEqual(float.winners);
    for (const { voter, distribution } of ratios) {
      for (const [target, ratio] of distribution) {
        const difference = Number(ratio) - float.ratios.get(voter)!.get(target)! * 1e9;
        expect(Math.abs(difference)).toBeLessThanOrEqual(1);
      }
    }
  }
}

function accuraciesOf(vector: VectorCase): (keyof typeof ACCURACY)[] {
  return Object.keys(vector["reference_output"]) as (keyof typeof ACCURACY)[];
}

const CHECKS: Record<string, (vector: VectorCase) => void> = {
  election: (vector) => {
    expect(accuraciesOf(vector)).toEqual(vector["accuracies"]);
    for (const name of accuraciesOf(vector)) {
      expectOutput(vector, ACCURACY[name], vector["reference_output"][name]);
      if (name === "perbill") expectElected(vector, vector["reference_output"][name]);
    }
    expectExpected(vector);
  },

  float_reference: ({ to_elect, candidates, voters, expected }) => {
    const rows = voters.map(([id, stake, targets]) => [id, Number(stake), targets] as const);
    const { winners, ratios } = electFloat(to_elect, candidates, rows);
    expect(winners.sort()).toEqual(expected.winners_approval_stake.map(([id]: [number]) => id));
    expect([...ratios].map(([id, given]) => [id, [...given].sort()])).toEqual(expected.ratios);
    const stakes = stakesOf(ratios, rows);
    const totals = (supports: Record<string, { total: number }>): [number, number][] =>
      Object.entries(supports).map(([id, { total }]) => [Number(id), total]);
    expect([...totalsOf(stakes)].sort()).toEqual(totals(expected.support_before_equalize));
    equalizeFloat(stakes, expected.equalize.iterations);
    expect([...totalsOf(stakes)].sort()).toEqual(totals(expected.support_after_equalize));
  },

  setup_inputs: ({ candidates, voters, expected }) => {
    expectGraph(makeGraph(candidates, votersOf(voters)), expected);
  },

  seq_phragmen_core: ({ to_elect, candidates, voters, expected }) => {
    const graph = makeGraph(candidates, votersOf(voters));
    seqPhragmen(graph, to_elect);
    expectGraph(graph, expected);
  },

  voter_normalize: ({ budget, edges, expected }) => {
    const make = (): Edge<number>[] =>
      edges.map(([id, weight]: [string, string]) => {
        const candidate = { id: Number(id), index: 0, approvalStake: 0n, backedStake: 0n, elected: true, round: 0 };
        return { candidate, weight: BigInt(weight) };
      });
    const all = make();
    expect(normalizeEdges(all, BigInt(budget))).toBe(true);
    expect(all.map(({ weight }) => String(weight))).toEqual(expected.try_normalize);
    const some = make();
    normalizeEdges(some.slice(1), BigInt(budget));
    expect(some.map(({ weight }) => String(weight))).toEqual(expected.try_normalize_elected_when_20_and_30_elected);
  },

  assignment_convert: ({ staked, expected }) => {
    const ratio = stakeToRatio(assignmentOf(staked), ACCURACY.perbill);
    expect(ratio.distribution).toEqual(amountsOf(expected.ratio_perbill));
    const back = ratioToStake(ratio, 125n, ACCURACY.perbill);
    expect(back.distribution).toEqual(amountsOf(expected.back_to_staked_with_125));
  },

  assignment_normalize: ({ ratio_perbill, expected }) => {
    const normalized = normalizeAssignment({ voter: 1, distribution: amountsOf(ratio_perbill) }, ACCURACY.perbill);
    expect(normalized.distribution).toEqual(amountsOf(expected));
  },

  staked_normalize: ({ staked, to, expected }) => {
    const normalized = normalizeAssignment({ voter: 1, distribution: amountsOf(staked) }, BigInt(to));
    expect(normalized.distribution).toEqual(amountsOf(expected));
  },

  ratio_to_staked: ({ stake, ratio_perbill, expected }) => {
    const staked = (ratio_perbill as Assigned).map((each) =>
      ratioToStake(assignmentOf(each), BigInt(stake), ACCURACY.perbill),
    );
    expect(written(staked)).toEqual(expected);
  },

  score: ({ cases }) => {
    for (const { this: score, that, epsilon_perbill, better } of cases) {
      expect(isBetterBy(scoreFrom(score), scoreFrom(that), BigInt(epsilon_perbill))).toBe(better);
    }
  },

  score_ord: ({ eq, gt }) => {
    for (const [a, b, same] of eq) expect(compareScores(scoreFrom(a), scoreFrom(b)) === 0).toBe(same);
    for (const [a, b] of gt) {
      expect(compareScores(scoreFrom(a), scoreFrom(b))).toBeGreaterThan(0);
      expect(compareScores(scoreFrom(b), scoreFrom(a))).toBeLessThan(0);
    }
  },

  reduce_4: ({ input, expected }) => {
    const flow = flowOf((input as Assigned).map(assignmentOf), false);
    expect(removeSquares(flow)).toBe(expected.removed);
    expect(written(assignmentsOf(flow))).toEqual(expected.output);
  },

  reduce_all: ({ input, expected }) => {
    const flow = flowOf((input as Assigned).map(assignmentOf), false);
    expect(removeCycles(flow)).toBe(expected.removed);
    expect(written(assignmentsOf(flow))).toEqual(expected.output);
  },

  reduce: ({ input, expected }) => {
    const assignments = (input as Assigned).map(assignmentOf);
    if (expected.panics) {
      expect(() => reduce(assignments)).toThrow(expect.objectContaining({ code: "ELECTION_INVALID" }));
      return;
    }
    const { assignments: left, removed } = reduce(assignments);
    expect(removed).toBe(expected.removed);
    expect(written(left)).toEqual(expected.output);
  },

  pjr_slack: ({ voter, expected }) => {
    const edges = voter[1].map(([, weight]: [number, string]) => ({
      weight: BigInt(weight),
      backedStake: BigInt(weight),
    }));
    const stake = edges.reduce((sum: bigint, { weight }: { weight: bigint }) => sum + weight, 0n);
    for (const [threshold, spare] of expected) expect(slack(stake, edges, BigInt(threshold))).toBe(BigInt(spare));
  },

  pjr_check: (vector) => {
    const threshold = (t: string): number | null => counterExampleOf(vector, BigInt(t));
    for (const t of vector["expected"].fails_for_t) expect(threshold(t)).not.toBe(null);
  },

  pjr_threshold_phase_change: (vector) => {
    let least = 0n;
    while (counterExampleOf(vector, least) !== null) least++;
    expect(least).toBeGreaterThan(1n);
    for (let t = least; t < 2n * least; t++) expect(counterExampleOf(vector, t)).toBe(null);
  },

  phragmms_steps: ({ accuracy, candidates, voters, steps }) => {
    const parts = ACCURACY[accuracy as keyof typeof ACCURACY];
    const graph = makeGraph(candidates, votersOf(voters));
    const expectEdges = (wanted: Record<string, Amounts>): void => {
      for (const [id, edges] of Object.entries(wanted)) {
        const found = graph.electors.find((each) => each.id === Number(id))!;
        expect(found.edges.map(({ candidate, weight }) => [candidate.id, String(weight)])).toEqual(edges);
      }
    };
    for (const [round, step] of steps.entries()) {
      const choice = highestScore(graph, parts)!;
      expect([choice.candidate.id, String(choice.cutoff)]).toEqual([step.winner, step.score]);
      giveSeat(graph.electors, choice);
      expectEdges(step.edges_after_apply);
      Object.assign(choice.candidate, { elected: true, round });
      balance(graph.electors, step.balance?.iterations ?? 10);
      if (step.edges_after_balance !== undefined) expectEdges(step.edges_after_balance);
    }
  },
};

function counterExampleOf({ supports, candidates, voters }: VectorCase, threshold: bigint): number | null {
  const given = supports.map(
    ([target, { total, voters: backers }]: [number, { total: string; voters: Amounts }]): Support<number> => ({
      target,
      total: BigInt(total),
      voters: amountsOf(backers),
    }),
  );
  return pjrCounterExample(given, candidates, votersOf(voters), threshold);
}

function expectGraph({ candidates, electors }: Graph<number>, expected: VectorCase["expected"]): void {
  const rows = electors.map(({ id, stake, edges }) => [
    id,
    String(stake),
    edges.map(({ candidate, weight }) => [candidate.id, String(weight)]),
  ]);
  expect(rows).toEqual(expected.voters);
  const states = candidates.map(({ id, elected, round, backedStake }) => [id, elected, round, String(backedStake)]);
  expect(states).toEqual(expected.candidates);
}

describeVectors("sp-npos-elections", () => {
  const { cases } = JSON.parse(readVectors(FILE).toString()) as { cases: VectorCase[] };

  test("has 33 cases", () => {
    expect(cases.length).toBe(33);
  });

  test.each(cases.map((vector) => [vector.kind, vector.name, vector] as const))("%s: %s", (kind, _name, vector) => {
    CHECKS[kind]!(vector);
  });
});

describeVectors("the election of Westend at block 1,097,836", () => {
  const { candidates, voters, runs, recorded_on_chain: recorded } = JSON.parse(readVectors(WESTEND).toString());
  const elections = (runs as (Election & { readonly result: Output })[]).map((each) => ({
    ...each,
    candidates,
    voters,
  }));
  const titled = elections.map(
    (each) => [each.algorithm, each.to_elect, each.balancing?.iterations ?? 0, each] as const,
  );

  test.each(titled)("%s, %i seats, balanced %i times", (_algorithm, _seats, _iterations, election) => {
    expect(elections.length).toBe(12);
    expectOutput(election, ACCURACY.perbill, election.result);
    expectElected(election, election.result);
  });

  test("is as good as the one that the chain accepted", () => {
    const { winners, score } = elect({
      seats: 50,
      candidates,
      voters: votersOf(voters),
      algorithm: "seq-phragmen",
      balance: 10,
    });
    const [minimal, sum, squares] = recorded.score;
    expect(writtenScore(score).slice(0, 2)).toEqual([minimal, sum]);
    expect(score.sumStakeSquared).toBeLessThanOrEqual(BigInt(squares));
    expect(winners.map(([id]) => id).sort()).toEqual(recorded.elected.toSorted());
  });
});

describeVectors("committees of abcvoting", () => {
  interface Instance {
    readonly id: string;
    readonly num_cand: number;
    readonly committeesize: number;
    readonly profile: readonly (readonly number[])[];
    readonly seqphragmen: readonly (readonly number[])[];
    readonly substrate_seq_phragmen_reference: readonly number[];
  }
  const { instances } = JSON.parse(readVectors("fixtures/npos/abcvoting.json.gz").toString()) as {
    instances: Instance[];
  };

  test("are elected, and of those that a tie allows, upstream's", () => {
    expect(instances.length).toBe(222);
    for (const instance of instances) {
      const { winners, pjrCounterExample: contradiction } = elect<number | string>({
        seats: instance.committeesize,
        candidates: [...Array(instance.num_cand).keys()],
        voters: instance.profile.map((targets, index) => ({ id: `voter ${index}`, stake: 1_000_000n, targets })),
        algorithm: "seq-phragmen",
        balance: 0,
      });
      const committee = winners.map(([id]) => Number(id)).sort();
      expect(
        instance.seqphragmen.map((each) => each.toSorted()),
        instance.id,
      ).toContainEqual(committee);
      expect(committee, instance.id).toEqual(instance.substrate_seq_phragmen_reference.toSorted());
      expect(contradiction, instance.id).toBe(null);
    }
  });
});
