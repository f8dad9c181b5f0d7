/** A network of real processes on this machine, of which some are killed now and then. */
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { runNetwork } from "../../src/cli/network-command.ts";
import { createLocalNetwork } from "../../src/gatekeeper/local-network.ts";
import { Seeded } from "../slow/seeded.ts";

/** Blocks of a tenth of a second; refreshed every four seconds. */
const SIZE = {
  gatekeepers: 4,
  threshold: 2,
  candidates: 0,
  workers: 1,
  keySuite: 1,
  blockMilliseconds: 100,
  refreshBlocks: 40,
  rotationBlocks: 0,
};
const PATIENCE_MILLISECONDS = 120_000;

interface Told {
  readonly kind: string;
  readonly height?: number;
  readonly [name: string]: unknown;
}

/** Processes that have this among their arguments, but for this one: chain, nodes and pRuntimes of the network. */
export function processesOf(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(folder);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/**
 * Runs a network, kills -9 processes of it at random, and has it come to a MasterKey, or a refreshed one, all the same.
 * @param folder - where it is made.
 * @param port - its nodes listen at this one and those behind it.
 * @param milliseconds - for how long there are kills; 0: none.
 */
export async function killNetwork(folder: string, port: number, seed: number, milliseconds: number): Promise<void> {
  await createLocalNetwork(folder, { ...SIZE, port }, Date.now());
  const told: Told[] = [];
  const stop = new AbortController();
  const running = runNetwork(
    folder,
    async ({ document }) => {
      told.push(document as Told);
    },
    stop.signal,
  );
  try {
    await kills(folder, new Seeded(seed), milliseconds);
    const calm = told.length;
    await until(
      () => told.slice(calm).some(isWhole),
      () => JSON.stringify(told.slice(-20)),
    );
    expect(told.filter(({ kind }) => kind === "Convicted")).toEqual([]);
    const keys = new Set(told.filter(({ kind }) => kind === "SharingAdopted").map(({ publicKey }) => publicKey));
    expect(keys.size).toBe(1);
  } catch (error) {
    throw new Error(`with seed ${seed}`, { cause: error });
  } finally {
    stop.abort();
    await running;
  }
  expect(processesOf(folder)).toEqual([]);
}

/** Whether all gatekeepers hold shares that have just come into force. */
function isWhole({ kind, holders }: Told): boolean {
  return kind === "SharingAdopted" && (holders as readonly string[]).length === SIZE.gatekeepers;
}

async function kills(folder: string, choice: Seeded, milliseconds: number): Promise<void> {
  const end = Date.now() + milliseconds;
  while (Date.now() < end) {
    await sleep(200 + choice.below(1_500));
    const pids = processesOf(folder);
    if (pids.length === 0) continue;
    try {
      process.kill(choice.of(pids), "SIGKILL");
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}

async function until(holds: () => boolean, describe: () => string): Promise<void> {
  const end = Date.now() + PATIENCE_MILLISECONDS;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`it did not come to that: ${describe()}`);
    await sleep(100);
  }
}
