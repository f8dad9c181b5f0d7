/** The whole life of simulated networks, each from a seed: `LIFE=n` runs that one alone. */
import { describe, expect, test } from "vitest";
import { live } from "./life.ts";
import { noLives, runLives } from "./run-lives.ts";

const SEED = process.env["LIFE"];
/** Other seeds than test/slow/life-*.slow.ts has. */
const FIRST = 1;
const COUNT = 12;

const all = (): void => {
  test("keeps every state, blames nobody honest, and rotates to the end", { timeout: 5 * 60_000 }, async () => {
    const totals = noLives();
    await runLives(totals, FIRST, COUNT);
    const { told } = totals;
    for (const what of [
      "MasterKeyAbandoned",
      "StoreSet",
      "GatekeeperChange",
      "SharingAdopted",
      "written",
      "removed",
      "read",
    ]) {
      expect(told.get(what), what).toBeGreaterThan(0);
    }
    expect(told.get("MasterKeyAbandoned")).toBeGreaterThanOrEqual(COUNT);
  });

  test("is the same again from the same seed, to the last bit", async () => {
    const seed = 3;
    expect(await live(seed)).toEqual(await live(seed));
  });
};

if (SEED === undefined) describe("the life of a network, whatever fails and whoever cheats", all);
else test(`seed ${SEED}`, async () => void (await live(Number(SEED))));
