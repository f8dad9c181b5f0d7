/** Key sessions in simulated networks, each from a seed: `SEED=n` runs that one alone. */
import { describe, expect, test } from "vitest";
import { runSeeds } from "./run-seeds.ts";
import { simulate } from "./simulation.ts";

const SEED = process.env["SEED"];
/** Other seeds than test/slow/simulation-*.slow.ts has. */
const FIRST = 1;
const COUNT = 240;

const all = (): void => {
  test("keep the key, blame nobody honest, and go on when they can", { timeout: 10 * 60_000 }, () => {
    const { runs, progressed, told, missing } = runSeeds(FIRST, COUNT);
    // Of what is tried, nothing is left out by chance.
    expect(missing).toEqual([]);
    expect(progressed).toBeGreaterThan(runs / 2);
    for (const what of ["generation", "resharing", "refresh", "Convicted", "KeySessionAborted", "ShareConfirmed"]) {
      expect(told.get(what), what).toBeGreaterThan(0);
    }
  });

  test("are the same again from the same seed, to the last bit", () => {
    const seed = 3;
    expect(simulate(seed)).toEqual(simulate(seed));
  });
};

if (SEED === undefined) describe("key sessions, whatever fails and whoever cheats", all);
else test(`seed ${SEED}`, () => void simulate(Number(SEED)));
