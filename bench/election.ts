/**
 * Whole elections, from voters and candidates to supports and score: of Polkadot's size, how that grows, and beside the
 * definition told as plainly as can be (test/election/dense.ts), which checks the small one.
 */
import { type ElectionInput, type ElectionResult, elect } from "../src/election/election.ts";
import { Dense } from "../test/election/dense.ts";
import { type TableHead, type TableResult, resultOf } from "./table.ts";

/** The numbers that an election's time depends on. */
export interface ElectionSize {
  readonly voters: number;
  /** Of each voter. */
  readonly targets: number;
  readonly candidates: number;
  readonly seats: number;
  /** Iterations. */
  readonly balancing: number;
}

/** What is measured, and how often. */
export interface ElectionScale {
  readonly whole: ElectionSize;
  /** Where the definition is run, too. */
  readonly small: ElectionSize;
  readonly rounds: number;
}

/** As many voters as Polkadot takes into an election, with what they may name, and as many seats. */
export const POLKADOT: ElectionSize = { voters: 22_500, targets: 16, candidates: 1_000, seats: 600, balancing: 10 };
/** What the definition holds in a few seconds. */
export const SMALL_ELECTION: ElectionSize = { voters: 2_000, targets: 16, candidates: 400, seats: 200, balancing: 10 };

export const GATEKEEPER = "Gatekeeper";
export const DEFINITION = "definition";
const QUARTER = "a quarter";
const HALF = "half";
const WHOLE = "whole";
const NUMBERS = ["voters", "targets", "candidates", "seats", "balancing"] as const;
const UNBALANCED = "not balanced";

/** Times by row and column, in nanoseconds. */
class Times {
  readonly cases: { row: string; column: string; times: number[] }[] = [];

  add(row: string, column: string, nanoseconds: number): void {
    const known = this.cases.find((each) => each.row === row && each.column === column);
    if (known === undefined) this.cases.push({ row, column, times: [nanoseconds] });
    else known.times.push(nanoseconds);
  }
}

/**
 * Holds each election once a round.
 * @returns elections beside the definition, and how the whole one's time grows with each of its numbers.
 * @throws Error when a result is wrong.
 */
export function electionResults({ whole, small, rounds }: ElectionScale): TableResult[] {
  const times = new Times();
  const growth = new Times();
  const unbalanced = { ...whole, balancing: 0 };
  // What is not compiled yet would be timed as slow.
  timeElection(small);
  for (let round = 0; round < rounds; round++) {
    times.add(sizeOf(small), GATEKEEPER, timeElection(small));
    times.add(sizeOf(small), DEFINITION, timeDefinition(small));
    times.add(sizeOf(unbalanced), GATEKEEPER, timeElection(unbalanced));
    const time = timeElection(whole);
    times.add(sizeOf(whole), GATEKEEPER, time);
    for (const number of NUMBERS) {
      for (const [column, part] of [
        [QUARTER, 4],
        [HALF, 2],
      ] as const) {
        growth.add(number, column, timeElection({ ...whole, [number]: Math.ceil(whole[number] / part) }));
      }
      growth.add(number, WHOLE, time);
    }
  }
  return [resultOf(electionHead(), times.cases), resultOf(growthHead(whole), growth.cases)];
}

function electionHead(): TableHead {
  return {
    name: "election",
    title: "Elections by sequential Phragmén",
    item: "election",
    ours: [GATEKEEPER],
    unordered: true,
    notes: [
      "voters × targets each, candidates, seats, iterations of balancing; reduce, supports, score and PJR included",
      `${DEFINITION}: the same in matrices of BigInt, nothing kept between rounds; without reduce, supports, score and PJR`,
    ],
  };
}

function growthHead(whole: ElectionSize): TableHead {
  return {
    name: "election growth",
    title: `How an election's time grows: ${sizeOf(whole)}, and with one number at a time a quarter of it, or half`,
    item: "election",
    ours: [QUARTER, HALF, WHOLE],
    unordered: true,
    notes: ["fewer candidates are elected than there are seats where candidates are a quarter, or half"],
  };
}

/** An election's size as its table has it. */
export function sizeOf({ voters, targets, candidates, seats, balancing }: ElectionSize): string {
  const count = (n: number): string => n.toLocaleString("en");
  const balanced = balancing === 0 ? UNBALANCED : `balanced ${balancing} times`;
  return `${count(voters)} × ${targets}, ${count(candidates)}, ${count(seats)}, ${balanced}`;
}

function timeElection(size: ElectionSize): number {
  const input = makeElection(size);
  const started = performance.now();
  const result = elect(input);
  const time = (performance.now() - started) * 1e6;
  check(input, result);
  return time;
}

function timeDefinition(size: ElectionSize): number {
  const input = makeElection(size);
  const { seats, candidates, voters, balance } = input;
  const started = performance.now();
  const dense = new Dense(candidates, voters).seqPhragmen(seats)?.balance(balance).result();
  const time = (performance.now() - started) * 1e6;
  const winners = elect(input).winners.map(([id, stake]) => `${id} ${stake}`);
  if (dense?.winners.some(([id, stake], round) => `${id} ${stake}` !== winners[round]) !== false) {
    throw new Error("others were elected, or with other stakes");
  }
  return time;
}

/** Voters with stakes over four orders of magnitude; one candidate in four has half of the votes. */
export function makeElection({ voters, targets, candidates, seats, balancing }: ElectionSize): ElectionInput<number> {
  const draw = draws();
  const choices = (): number[] => {
    const chosen = new Set<number>();
    while (chosen.size < Math.min(targets, candidates)) chosen.add(Math.floor(candidates * draw() ** 2));
    return [...chosen];
  };
  return {
    seats,
    candidates: [...Array(candidates).keys()],
    voters: Array.from({ length: voters }, (_, index) => ({
      id: candidates + index,
      stake: BigInt(Math.floor(10 ** (10 + 4 * draw()))),
      targets: choices(),
    })),
    algorithm: "seq-phragmen",
    balance: balancing,
  };
}

/** Numbers from 0 to 1, the same in each run (a linear congruential generator, Knuth's MMIX constants). */
function draws(): () => number {
  let state = 1n;
  return () => {
    state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
    return Number(state >> 11n) / 2 ** 53;
  };
}

/** @throws Error unless seats are filled, stakes are given whole to winners, and the result has PJR. */
function check({ seats, candidates, voters }: ElectionInput<number>, result: ElectionResult<number>): void {
  const { winners, assignments, supports, score, pjrCounterExample } = result;
  if (winners.length !== Math.min(seats, candidates.length)) throw new Error("a seat is empty");
  if (pjrCounterExample !== null) throw new Error("the election does not represent its voters");
  const stakes = new Map(voters.map(({ id, stake }) => [id, stake]));
  const backing = new Map(winners.map(([id]) => [id, 0n]));
  for (const { voter, distribution } of assignments) {
    let left = stakes.get(voter)!;
    for (const [target, stake] of distribution) {
      left -= stake;
      backing.set(target, backing.get(target)! + stake);
    }
    if (left !== 0n) throw new Error(`voter ${voter} does not give its stake`);
  }
  if (supports.some(({ target, total }) => backing.get(target) !== total)) throw new Error("a support is wrong");
  const total = [...backing.values()].reduce((sum, stake) => sum + stake, 0n);
  if (score.sumStake !== total) throw new Error("the score is wrong");
}
