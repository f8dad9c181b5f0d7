/** A few of what test/slow/boundary.slow.ts does by the hundred thousand. */
import { mkdirSync } from "node:fs";
import { expect, it } from "vitest";
import { type Target, answersStill, fuzzAtOnce, fuzzInStep, localTarget, networkTarget } from "./boundary-fuzz.ts";
import { useFolder } from "./folder.ts";

const inFolder = useFolder();

it.each<[string, () => Promise<Target>]>([
  ["a local home", () => localTarget(inFolder("home"))],
  [
    "a network",
    () => {
      mkdirSync(inFolder("work"));
      return networkTarget(inFolder("work"));
    },
  ],
])("frames of all kinds do a pRuntime of %s no harm", async (_, made) => {
  const target = await made();
  const { taken, refused } = await fuzzInStep(target, 120, 1);
  expect(Math.min(taken, refused)).toBeGreaterThan(15);
  await fuzzAtOnce(target, 80, 2);
  await answersStill(target);
});
