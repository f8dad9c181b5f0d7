/** Lives of many seeds, and what came about in them. */
import { ATTACKS } from "./byzantine.ts";
import { live } from "./life.ts";

export interface LivesTotals {
  readonly runs: number;
  readonly told: ReadonlyMap<string, number>;
  /** Attacks that nobody made. */
  readonly missing: readonly string[];
  /** Lies that had to be punished, and were. */
  readonly proved: number;
}

/** Runs so many seeds from a first one on. @throws Error of the first that fails. */
export async function runLives(first: number, count: number): Promise<LivesTotals> {
  const told = new Map<string, number>();
  const attacks = new Set<string>();
  let proved = 0;
  for (let seed = first; seed < first + count; seed++) {
    const report = await live(seed);
    for (const [what, times] of report.told) told.set(what, (told.get(what) ?? 0) + times);
    for (const attack of report.attacks) attacks.add(attack);
    proved += report.proved;
  }
  return { runs: count, told, missing: ATTACKS.filter((name) => !attacks.has(name)), proved };
}
