/** Ten thousand lives, in two halves that run beside each other. */
import { describe, expect, test } from "vitest";
import { ATTACKS } from "./byzantine.ts";
import { noLives, runLives } from "./run-lives.ts";

/** Other seeds than life.test.ts has. */
const FIRST = 1_000_000;
const SEEDS = 10_000;
/** Seeds of a test, each of which has its own time. */
const PART = 250;
/** What must have come about somewhere. */
const TOLD = [
  "power failure",
  "commits lost",
  "killed at work",
  "RotationLate",
  "RotationAborted",
  "PartitionReopened",
  "MigrationCancelled",
  "StoreSet",
  "MeasurementAllowed",
  "target lost",
];

/** @param half - 0 or 1. */
export function slowLives(half: number): void {
  const firsts = Array.from({ length: SEEDS / 2 / PART }, (_, at) => FIRST + (half * SEEDS) / 2 + at * PART);
  const totals = noLives();
  describe("the life of a network, whatever fails and whoever cheats", () => {
    test.each(firsts)(`keeps its promises for ${PART} seeds from %i on`, async (first) => {
      await runLives(totals, first, PART);
    });

    test("has had all of it", () => {
      expect(totals.runs).toBe(SEEDS / 2);
      expect(ATTACKS.filter((name) => !totals.attacks.has(name))).toEqual([]);
      expect(TOLD.filter((what) => !totals.told.has(what))).toEqual([]);
      expect(totals.proved).toBeGreaterThan(0);
    });
  });
}
