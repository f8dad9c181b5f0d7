/** What fails in a network's whole life, and how often. */
import type { Seeded } from "../../slow/seeded.ts";
import { type FaultRates, NO_FAULTS, drawRates } from "../faults.ts";

/** Probabilities: of a block, but for `lose`. */
export interface LifeRates extends FaultRates {
  /** Of a message from pRuntime to pRuntime. */
  readonly lose: number;
  /** The power of the machine that has the store. */
  readonly power: number;
}

export const CALM: LifeRates = { ...NO_FAULTS, lose: 0, power: 0 };

/** Of each kind, none, few or many. */
export function drawLifeRates(random: Seeded): LifeRates {
  return {
    ...drawRates(random),
    kill: random.of([0, 0.03, 0.1]),
    down: random.of([0, 0, 0.01, 0.03]),
    lose: random.of([0, 0.1, 0.4]),
    power: random.of([0, 0, 0.02, 0.06]),
  };
}
