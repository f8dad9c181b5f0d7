/** Ten thousand seeds, in two halves that run beside each other. */
import { describe, expect, test } from "vitest";
import { runSeeds } from "./run-seeds.ts";

/** Other seeds than key-sessions.test.ts has. */
const FIRST = 1_000_000;
const SEEDS = 10_000;
/** Seeds of a test, each of which has its own time. */
const PART = 250;

/** @param half - 0 or 1. */
export function slowSimulation(half: number): void {
  const firsts = Array.from({ length: SEEDS / 2 / PART }, (_, at) => FIRST + (half * SEEDS) / 2 + at * PART);
  describe("key sessions, whatever fails and whoever cheats", () => {
    test.each(firsts)(`keep their promises for ${PART} seeds from %i on`, (first) => {
      expect(runSeeds(first, PART).runs).toBe(PART);
    });
  });
}
