/**
 * Elections straight from their definition, with a matrix of weights and every sum saturated at every step: slow, and
 * nothing is kept from one round to the next. Only `normalize` is shared with what it is compared to; that has a slow
 * twin of its own.
 */
import type { ElectionInput } from "../../src/election/election.ts";
import { normalize } from "../../src/election/normalize.ts";

const MAX = 2n ** 128n - 1n;
const BILLION = 1_000_000_000n;

/** What is compared. */
export interface DenseResult {
  /** In the order of election, with what they are backed by. */
  readonly winners: [id: number, backing: bigint][];
  /** By voter, the weights of its edges. */
  readonly weights: [id: number, [id: number, weight: bigint][]][];
}

/** An election's state: rows are voters, columns candidates. */
export class Dense {
  readonly candidates: readonly number[];
  readonly ids: number[] = [];
  readonly stakes: bigint[] = [];
  /** By voter, the columns of its targets, in their order. */
  columns: number[][] = [];
  readonly weights: bigint[][] = [];
  readonly approval: bigint[];
  readonly backing: bigint[];
  /** Columns, in the order of election. */
  readonly elected: number[] = [];

  constructor(candidates: readonly number[], voters: ElectionInput<number>["voters"]) {
    this.candidates = candidates;
    for (const { id, stake, targets } of voters) {
      const columns = [...new Set(targets)].map((target) => candidates.indexOf(target)).filter((column) => column >= 0);
      if (columns.length === 0) continue;
      this.ids.push(id);
      this.stakes.push(stake);
      this.columns.push(columns);
      this.weights.push(candidates.map(() => 0n));
    }
    this.backing = candidates.map(() => 0n);
    this.approval = candidates.map((_, column) =>
      this.stakes.reduce((sum, stake, row) => (this.columns[row]!.includes(column) ? cap(sum + stake) : sum), 0n),
    );
  }

  /** Null where a voter's weights have too many bits to be normalised. */
  seqPhragmen(seats: number): this | null {
    const loads = this.stakes.map(() => 0n);
    const parts = this.weights.map((row) => row.map(() => 0n));
    while (this.elected.length < Math.min(seats, this.candidates.length)) {
      let [best, bestScore, bestIsInfinite] = [-1, 0n, false];
      for (const column of this.#left()) {
        const approval = this.approval[column]!;
        const infinite = approval === 0n;
        let score = infinite ? MAX : MAX / approval;
        this.stakes.forEach((stake, row) => {
          if (infinite || !this.columns[row]!.includes(column)) return;
          score = cap(score + cap((loads[row]! * stake) / approval));
        });
        const better = best < 0 || (infinite === bestIsInfinite ? score < bestScore : !infinite);
        if (better) [best, bestScore, bestIsInfinite] = [column, score, infinite];
      }
      this.elected.push(best);
      this.columns.forEach((columns, row) => {
        if (!columns.includes(best)) return;
        parts[row]![best] = floorZero(bestScore - loads[row]!);
        loads[row] = bestScore;
      });
    }
    for (const [row, stake] of this.stakes.entries()) {
      const columns = this.columns[row]!.filter((column) => this.elected.includes(column));
      for (const column of columns) this.weights[row]![column] = cap((stake * parts[row]![column]!) / loads[row]!);
      for (const column of columns) this.backing[column] = cap(this.backing[column]! + this.weights[row]![column]!);
      this.columns[row] = columns.filter((column) => this.weights[row]![column]! > 0n);
      if (!this.#normalize(row)) return null;
    }
    return this;
  }

  phragmms(seats: number, iterations: number): this {
    while (this.elected.length < seats) {
      let [best, bestP, bestQ] = [-1, 0n, 1n];
      for (const column of this.#left()) {
        const p = cap(this.approval[column]! * BILLION);
        let q = BILLION;
        this.columns.forEach((columns, row) => {
          if (!columns.includes(column)) return;
          for (const other of columns) if (this.elected.includes(other)) q += this.#share(row, other);
        });
        if (p * bestQ > bestP * q) [best, bestP, bestQ] = [column, p, q];
      }
      if (best < 0) break;
      // To the nearest: ⌈x − 1/2⌉.
      const cutoff = (2n * bestP - bestQ + 2n * bestQ - 1n) / (2n * bestQ);
      let backing = this.backing[best]!;
      this.columns.forEach((columns, row) => {
        if (!columns.includes(best)) return;
        const weights = this.weights[row]!;
        let gain = floorZero(this.stakes[row]! - weights.reduce((sum, weight) => sum + weight));
        backing = cap(backing + gain);
        for (const column of columns) {
          const had = this.backing[column]!;
          if (column === best || weights[column] === 0n || had <= cutoff) continue;
          const taken = cap(weights[column]! * cutoff) / had;
          weights[column] = floorZero(weights[column]! - taken);
          this.backing[column] = floorZero(had - taken);
          backing = cap(backing + taken);
          gain = cap(gain + taken);
        }
        weights[best] = gain;
      });
      this.backing[best] = backing;
      this.elected.push(best);
      this.balance(iterations);
    }
    return this;
  }

  balance(iterations: number): this {
    for (let iteration = 0; iteration < iterations; iteration++) {
      let biggest = 0n;
      for (const row of this.stakes.keys()) {
        const difference = this.#balanceVoter(row);
        if (difference > biggest) biggest = difference;
      }
      if (biggest === 0n) break;
    }
    return this;
  }

  result(): DenseResult {
    const winners = this.elected.map((column): [number, bigint] => [this.candidates[column]!, this.backing[column]!]);
    const weights = this.ids.map((id, row): DenseResult["weights"][number] => [
      id,
      this.columns[row]!.map((column) => [this.candidates[column]!, this.weights[row]![column]!]),
    ]);
    return { winners, weights };
  }

  #left(): number[] {
    return [...this.candidates.keys()].filter((column) => !this.elected.includes(column));
  }

  #share(row: number, column: number): bigint {
    const [weight, backing] = [this.weights[row]![column]!, this.backing[column]!];
    return backing === 0n || weight > backing ? BILLION : (BILLION * weight) / backing;
  }

  #balanceVoter(row: number): bigint {
    const weights = this.weights[row]!;
    const stake = this.stakes[row]!;
    const columns = this.columns[row]!.filter((column) => this.elected.includes(column));
    if (columns.length < 2) return 0n;
    const backings = columns.map((column) => this.backing[column]!);
    const backed = columns.filter((column) => weights[column]! > 0n).map((column) => this.backing[column]!);
    const used = columns.reduce((sum, column) => cap(sum + weights[column]!), 0n);
    const spread = floorZero(largest(backed) - smallest(backings)) + floorZero(stake - used);
    const difference = backed.length === 0 ? stake : cap(spread);
    for (const column of columns) {
      this.backing[column] = floorZero(this.backing[column]! - weights[column]!);
      weights[column] = 0n;
    }
    const rising = columns.toSorted(
      (a, b) => Number(this.backing[a]! > this.backing[b]!) - Number(this.backing[a]! < this.backing[b]!),
    );
    const levels = rising.map((column) => this.backing[column]!);
    const below = (count: number): bigint => levels.slice(0, count).reduce((sum, level) => cap(sum + level), 0n);
    let ways = levels.findIndex((level, index) => floorZero(cap(level * BigInt(index)) - below(index)) > stake);
    if (ways < 0) ways = levels.length;
    const level = levels[ways - 1]!;
    const excess = floorZero(cap(stake + below(ways)) - cap(level * BigInt(ways)));
    for (const column of rising.slice(0, ways)) {
      weights[column] = floorZero(cap(excess / BigInt(ways) + level) - this.backing[column]!);
      this.backing[column] = cap(this.backing[column]! + weights[column]!);
    }
    this.#normalize(row, columns);
    return difference;
  }

  #normalize(row: number, columns: readonly number[] = this.columns[row]!): boolean {
    const weights = this.weights[row]!;
    const wanted = normalize(
      columns.map((column) => weights[column]!),
      this.stakes[row]!,
    );
    columns.forEach((column, index) => {
      if (wanted === null) return;
      this.backing[column] = cap(floorZero(this.backing[column]! - weights[column]!) + wanted[index]!);
      weights[column] = wanted[index]!;
    });
    return wanted !== null;
  }
}

/** What a Perbill of each weight makes of the whole stake, all of it distributed; null where that has too many bits. */
export function denseStakes(
  stake: bigint,
  weights: DenseResult["weights"][number][1],
): [id: number, stake: bigint][] | null {
  const ratios = weights
    .map(([id, weight]): [number, bigint] => [id, weight > stake ? BILLION : (weight * BILLION) / stake])
    .filter(([, ratio]) => ratio > 0n);
  const one = normalize(
    ratios.map(([, ratio]) => ratio),
    BILLION,
  )!;
  // ⌈x − 1/2⌉ again.
  const stakes = one.map((ratio) => (2n * ratio * stake + BILLION - 1n) / (2n * BILLION));
  const whole = normalize(stakes, stake);
  if (whole === null) return null;
  return ratios.map(([id], index) => [id, whole[index]!]);
}

function cap(value: bigint): bigint {
  return value > MAX ? MAX : value;
}

function floorZero(value: bigint): bigint {
  return value < 0n ? 0n : value;
}

function largest(values: readonly bigint[]): bigint {
  return values.reduce((a, b) => (a > b ? a : b), 0n);
}

function smallest(values: readonly bigint[]): bigint {
  return values.reduce((a, b) => (a < b ? a : b), MAX);
}
