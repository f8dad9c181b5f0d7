/**
 * A whole election as a chain holds one (`sp-npos-elections`, polkadot-v1.7.0): the algorithm; what it assigns as ratios
 * of a billionth; those as stake, of which every voter's is used up; that without redundant edges; supports and score.
 * Whoever runs it on the same input gets the same result to the bit.
 */
import { GatekeeperError } from "../errors.ts";
import { type Assignment, normalizeAssignment, ratioToStake, toRatios } from "./assignment.ts";
import { balance } from "./balancing.ts";
import { type Voter, makeGraph } from "./graph.ts";
import type { Id } from "./id.ts";
import { phragmms } from "./phragmms.ts";
import { pjrCounterExample, standardThreshold } from "./pjr.ts";
import { ACCURACY } from "./ratio.ts";
import { reduceKeepingStake } from "./reduce.ts";
import { type ElectionScore, scoreOf } from "./score.ts";
import { seqPhragmen } from "./seq-phragmen.ts";
import { type Support, toSupports } from "./support.ts";
import { U128_MAX } from "./u128.ts";

/** How winners are found. */
export const ALGORITHMS = ["seq-phragmen", "phragmms"] as const;

/** One of them. */
export type Algorithm = (typeof ALGORITHMS)[number];

/** What is to be decided. The order of candidates and of voters decides ties. */
export interface ElectionInput<I extends Id> {
  /** How many to elect, at least 1; with fewer candidates all are elected. */
  readonly seats: number;
  /** Each once. */
  readonly candidates: readonly I[];
  /** Each once. */
  readonly voters: readonly Voter<I>[];
  readonly algorithm: Algorithm;
  /** Iterations of balancing: after sequential Phragmén, and after every round of PhragMMS. */
  readonly balance: number;
}

/** What came out. */
export interface ElectionResult<I extends Id> {
  /**
   * In the order in which they were elected, each with its `backed_stake` as the algorithm leaves it: before ratios are
   * rounded and made whole again, after which its support's total may be some units more or less.
   */
  readonly winners: readonly (readonly [winner: I, backedStake: bigint])[];
  /** Of stake, in the order of the voters, without those that back no winner; each adds up to its voter's stake. */
  readonly assignments: readonly Assignment<I>[];
  /** In the order of the winners' ids, without those that have none. */
  readonly supports: readonly Support<I>[];
  readonly score: ElectionScore;
  /** Null when the result is shown to have PJR, else what contradicts it; see `pjrCounterExample`. */
  readonly pjrCounterExample: I | null;
}

/**
 * Holds an election. Voters without stake are passed over: they decide nothing, and PhragMMS as it stands upstream would
 * assign each to all of its targets, elected or not.
 * @throws GatekeeperError ELECTION_INVALID when a candidate or a voter is there twice, a stake is not from 0 to
 * 2^128 − 1, seats or iterations are out of range, or stakes have more than 128 bits together and nothing sensible can
 * be assigned.
 */
export function elect<I extends Id>({ seats, candidates, voters, ...how }: ElectionInput<I>): ElectionResult<I> {
  checkCount("seats", seats, 1);
  checkCount("balance", how.balance, 0);
  checkDistinct("candidate", candidates);
  const ids = voters.map(({ id }) => id);
  checkDistinct("voter", ids);
  for (const { id, stake } of voters) checkStake(id, stake);
  const staked = voters.filter(({ stake }) => stake > 0n);
  const graph = makeGraph(candidates, staked);
  if (how.algorithm === "phragmms") phragmms(graph, seats, how.balance, ACCURACY.perbill);
  else {
    seqPhragmen(graph, seats);
    balance(graph.electors, how.balance);
  }
  const stakes = new Map(staked.map(({ id, stake }) => [id, stake]));
  const whole = toRatios(graph.electors, ACCURACY.perbill).map((ratios) => {
    const stake = stakes.get(ratios.voter)!;
    const normalized = normalizeAssignment(ratios, ACCURACY.perbill);
    return normalizeAssignment(ratioToStake(normalized, stake, ACCURACY.perbill), stake);
  });
  // Moving stake round cycles leaves supports as they are, but what a voter could spare is seen before.
  const before = toSupports(whole);
  const threshold = standardThreshold(before.length, staked);
  const { assignments } = reduceKeepingStake(whole);
  const supports = toSupports(assignments);
  const winners = graph.candidates
    .filter(({ elected }) => elected)
    .sort((a, b) => a.round - b.round)
    .map(({ id, backedStake }): readonly [I, bigint] => [id, backedStake]);
  return {
    winners,
    assignments,
    supports,
    score: scoreOf(supports),
    pjrCounterExample: pjrCounterExample(before, candidates, staked, threshold),
  };
}

function checkCount(name: string, count: number, least: number): void {
  if (Number.isSafeInteger(count) && count >= least) return;
  throw new GatekeeperError("ELECTION_INVALID", `${name} must be a whole number from ${least} on`, { [name]: count });
}

function checkDistinct(what: "candidate" | "voter", ids: readonly Id[]): void {
  const seen = new Set<Id>();
  for (const id of ids) {
    if (seen.has(id)) throw new GatekeeperError("ELECTION_INVALID", `${what} ${id} is there twice`, { [what]: id });
    seen.add(id);
  }
}

function checkStake(voter: Id, stake: bigint): void {
  if (stake >= 0n && stake <= U128_MAX) return;
  throw new GatekeeperError("ELECTION_INVALID", `the stake of voter ${voter} is not from 0 to 2^128 − 1`, { voter });
}
