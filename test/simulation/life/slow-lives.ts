/** Ten thousand lives, in two halves that run beside each other. */
import { describe, expect, test } from "vitest";
import { runLives } from "./run-lives.ts";

/** Other seeds than life.test.ts has. */
const FIRST = 1_000_000;
const SEEDS = 10_000;
/** Seeds of a test, each of which has its own time. */
const PART = 250;

/** @param half - 0 or 1. */
export function slowLives(half: number): void {
  const firsts = Array.from({ length: SEEDS / 2 / PART }, (_, at) => FIRST + (half * SEEDS) / 2 + at * PART);
  describe("the life of a network, whatever fails and whoever cheats", () => {
    test.each(firsts)(`keeps its promises for ${PART} seeds from %i on`, async (first) => {
      const { runs, told, missing, proved } = await runLives(first, PART);
      expect(runs).toBe(PART);
      // Of what is tried, nothing is left out by chance.
      expect(missing).toEqual([]);
      expect(proved).toBeGreaterThan(0);
      for (const what of ["power failure", "commits lost", "killed at work", "RotationLate", "RotationAborted"]) {
        expect(told.get(what), what).toBeGreaterThan(0);
      }
    });
  });
}
