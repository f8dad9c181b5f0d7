/** Runs of many seeds, and what came about in them. */
import { ATTACKS_AFTERWARDS, ATTACK_NAMES } from "./attacks.ts";
import { simulate } from "./simulation.ts";

export interface Totals {
  readonly runs: number;
  /** In which somebody had to come to have a share after the faults. */
  readonly progressed: number;
  readonly told: ReadonlyMap<string, number>;
  /** Attacks that nobody made. */
  readonly missing: readonly string[];
}

/** Runs so many seeds from a first one on. @throws Error of the first that fails. */
export function runSeeds(first: number, count: number): Totals {
  const told = new Map<string, number>();
  const attacks = new Set<string>();
  let progressed = 0;
  for (let seed = first; seed < first + count; seed++) {
    const report = simulate(seed);
    for (const [what, times] of report.told) told.set(what, (told.get(what) ?? 0) + times);
    for (const attack of report.attacks) attacks.add(attack);
    if (report.progressed) progressed++;
  }
  const missing = [...ATTACK_NAMES, ...ATTACKS_AFTERWARDS].filter((name) => !attacks.has(name));
  return { runs: count, progressed, told, missing };
}
