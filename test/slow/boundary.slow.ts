/** 100,000 frames, random and altered, against pRuntimes of both kinds of home. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import {
  type Target,
  answersStill,
  fuzzAtOnce,
  fuzzInStep,
  localTarget,
  networkTarget,
} from "../pruntime/boundary-fuzz.ts";

const folder = mkdtempSync(join(tmpdir(), "gatekeeper-fuzz-"));
const SEED = 20_260_101;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each<[string, () => Promise<Target>]>([
  ["a local home", () => localTarget(join(folder, "home"))],
  [
    "a network",
    () => {
      mkdirSync(join(folder, "work"));
      return networkTarget(join(folder, "work"));
    },
  ],
])("50,000 frames of all kinds do a pRuntime of %s no harm", async (_, made) => {
  const target = await made();
  const { taken, refused } = await fuzzInStep(target, 40_000, SEED);
  expect(Math.min(taken, refused)).toBeGreaterThan(5_000);
  await fuzzAtOnce(target, 10_000, SEED + 1);
  await answersStill(target);
  process.stdout.write(`${taken} requests were done or failed, ${refused} refused\n`);
});
