/** Lives of many seeds, and what came about in them. */
import { live } from "./life.ts";

/** Of all runs together, so far. */
export interface LivesTotals {
  runs: number;
  readonly told: Map<string, number>;
  /** That were made. */
  readonly attacks: Set<string>;
  /** Lies that had to be punished, and were. */
  proved: number;
}

/** Before the first. */
export function noLives(): LivesTotals {
  return { runs: 0, told: new Map(), attacks: new Set(), proved: 0 };
}

/** Runs so many seeds from a first one on, and adds them. @throws Error of the first that fails. */
export async function runLives(totals: LivesTotals, first: number, count: number): Promise<void> {
  for (let seed = first; seed < first + count; seed++) {
    const report = await live(seed);
    totals.runs++;
    for (const [what, times] of report.told) totals.told.set(what, (totals.told.get(what) ?? 0) + times);
    for (const attack of report.attacks) totals.attacks.add(attack);
    totals.proved += report.proved;
  }
}
