/**
 * kill -9 at random moments of rotations, beside writers that die too, and one that sleeps across the switch: after
 * every round all that was acknowledged must be there, under the new key only.
 *
 * `KILL_ROUNDS` (50) and `KILL_SEED` (1) choose what is done; only the machine's speed is not repeatable.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.ts";
import { LocalHome } from "../../src/pruntime/local-home.ts";
import { ContractStates } from "../../src/pruntime/contract-states.ts";
import { type Phase, readRotation } from "../../src/rotation/control.ts";
import { finishRotation } from "../../src/rotation/rotation.ts";
import { contractOf, Generations, nameOf, plain, readAll, recount, text } from "../rotation/sealed-store.ts";
import { Seeded } from "./seeded.ts";

const ROUNDS = Number(process.env["KILL_ROUNDS"] ?? 50);
const SEED = Number(process.env["KILL_SEED"] ?? 1);
const CONTRACTS = 6;
const RECORDS = 4_000;
const CHILD = fileURLToPath(new URL("kill-child.ts", import.meta.url));

/** A process of kill-child.ts. */
class Child {
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  #output = "";
  #errors = "";
  #killed = false;

  constructor(args: readonly string[]) {
    this.#process = spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#process.stdout!.on("data", (chunk) => (this.#output += chunk));
    this.#process.stderr!.on("data", (chunk) => (this.#errors += chunk));
    this.ended = new Promise((resolve, reject) => {
      this.#process.on("error", reject);
      this.#process.on("close", (code) => {
        if (code === 0 || this.#killed) resolve();
        else reject(new Error(`${args.join(" ")} ended with ${code}: ${this.#errors}`));
      });
    });
    // Whoever waits for it gets the error, at the latest at the end of the round.
    this.ended.catch(() => undefined);
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async says(word: string): Promise<void> {
    while (!this.#output.includes(word)) {
      if (!this.running) await this.ended;
      await sleep(5);
    }
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(name);
  }

  async kill(): Promise<void> {
    this.#killed = this.running;
    this.#process.kill("SIGKILL");
    await this.ended;
  }
}

/** What may be read under a name: the last acknowledged value, and one that was asked for but not acknowledged. */
type Model = Map<string, ReadonlySet<string | null>>;

/** Takes a writer's log into the model. */
function replay(model: Model, log: string): number {
  if (!existsSync(log)) return 0;
  // The last line may be torn: then its write was never begun.
  const lines = readFileSync(log, "utf8").split("\n").slice(0, -1);
  let acknowledged = 0;
  for (const [index, line] of lines.entries()) {
    if (line === "ok") continue;
    const { contract, key, value } = JSON.parse(line) as { contract: number; key: string; value: string | null };
    const name = nameOf(contract, key);
    const durable = lines[index + 1] === "ok";
    if (durable) acknowledged++;
    model.set(name, new Set(durable ? [value] : [value, ...(model.get(name) ?? [null])]));
  }
  return acknowledged;
}

let folder = "";
let home: LocalHome;
const model: Model = new Map();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "gatekeeper-kill-"));
  await LocalHome.init(join(folder, "home"), "aes-256-gcm");
  home = await LocalHome.open(join(folder, "home"));
  const { store, suite } = home;
  using states = new ContractStates({ store, engine: new Engine(), suite, masterKey: (id) => home.masterKey(id) });
  for (let contract = 0; contract < CONTRACTS; contract++) {
    const edits = Array.from({ length: RECORDS }, (_, index) => {
      const key = `record ${String(index).padStart(6, "0")}`;
      const value = `${contract} ${index} ${"r".repeat(180)}`;
      model.set(nameOf(contract, key), new Set([value]));
      return { key: text(key), value: text(value) };
    });
    await states.write([{ contract: contractOf(contract), edits }]);
  }
});

afterAll(async () => {
  await home[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function phase(): Promise<Phase> {
  return (await readRotation(home.store)).value.phase;
}

/** Waits until the rotation is in a phase, or the processes have ended, or for two seconds. */
async function untilPhase(wanted: Phase, children: readonly Child[]): Promise<void> {
  for (let waited = 0; waited < 1_000; waited++) {
    if ((await phase()) === wanted || !children.some(({ running }) => running)) return;
    await sleep(2);
  }
}

/** One wave of processes that rotate, of which some or all die. */
async function wave(choose: Seeded): Promise<void> {
  const children = Array.from(
    { length: 1 + choose.below(3) },
    (_, index) => new Child([index === 0 ? "rotate" : "finish", home.folder]),
  );
  const target = choose.of<Phase | null>(["reencryption", "reencryption", "verification", "abandonment", null]);
  if (target === null) await sleep(choose.below(2_000));
  else await untilPhase(target, children);
  await sleep(choose.below(choose.of([2, 60])));
  const survivors = choose.below(4) === 0 ? 1 : 0;
  await Promise.all(children.slice(survivors).map((child) => child.kill()));
  if (survivors === 0) return;
  await sleep(choose.below(300));
  await children[0]!.kill();
}

async function check(expected: Model): Promise<void> {
  const { store } = home;
  const { rotationId, phase: at } = (await readRotation(store)).value;
  expect(at).toBe("idle");
  expect(readdirSync(join(home.folder, "master-key"))).toEqual([`${rotationId}.sealed`]);
  const generations = new Generations();
  using key = await home.masterKey(rotationId);
  generations.scalars.clear();
  key.use((scalar) => generations.scalars.set(rotationId, scalar.slice()));
  const found = await readAll(store, generations);
  const values = plain(found);
  for (const [name, value] of values) {
    expect(value, name).not.toBeNull();
    if (!expected.get(name)?.has(value)) throw new Error(`${name} reads ${value?.slice(0, 60)}, which is not the last`);
  }
  for (const [name, possible] of expected) {
    if (!values.has(name) && !possible.has(null)) throw new Error(`${name} is gone`);
    expected.set(name, new Set([values.get(name) ?? null]));
  }
  expect(recount(found)).toEqual(new Map([[rotationId, found.size]]));
  expect(await store.countByRotationId()).toEqual(recount(found));
  expect(await store.cells("partition/", null, 1)).toEqual([]);
  const contracts = await store.contracts(null, 1_000);
  expect(contracts.reduce((sum, { records }) => sum + records, 0)).toBe(found.size);
}

async function round(number: number): Promise<void> {
  const seed = SEED * 1_000 + number;
  const choose = new Seeded(seed);
  const logs: string[] = [];
  const log = (): string => {
    logs.push(join(folder, `${number}-${logs.length}.log`));
    return logs.at(-1)!;
  };
  const before = (await readRotation(home.store)).value.rotationId;
  const writers = ["a", "b", "c"].slice(0, 1 + choose.below(3));
  // Each writer's keys are its own, and its next process starts after the last one's end: so "last" has a meaning.
  const start = (name: string): Child =>
    new Child(["write", home.folder, log(), String(seed * 100 + logs.length), name]);
  const running = new Map(writers.map((name) => [name, start(name)]));
  let sleeper: Child | null = null;
  let wokenIn = "";
  if (choose.below(2) === 0) {
    sleeper = new Child(["stale", home.folder, log(), String(number)]);
    await sleeper.says("sealed");
    sleeper.signal("SIGSTOP");
  }
  for (let waves = 1 + choose.below(2); waves > 0; waves--) {
    await wave(choose);
    const victim = choose.of(writers);
    await running.get(victim)!.kill();
    running.set(victim, start(victim));
  }
  const last = new Child([(await phase()) === "idle" ? "rotate" : "finish", home.folder]);
  if (sleeper !== null) {
    await untilPhase("verification", [last]);
    wokenIn = `, one slept across a switch until ${await phase()}`;
    sleeper.signal("SIGCONT");
    await sleeper.ended;
  }
  await last.ended;
  await Promise.all([...running.values()].map((child) => child.kill()));
  await finishRotation({
    store: home.location,
    suite: home.suite,
    threads: 1,
    masterKey: (id) => home.masterKey(id),
    newMasterKey: (id) => home.createMasterKey(id),
    abandon: (id) => home.destroyMasterKey(id),
  });
  const acknowledged = logs.reduce((sum, path) => sum + replay(model, path), 0);
  await check(model);
  const after = (await readRotation(home.store)).value.rotationId;
  process.stdout.write(
    `kill -9, round ${number}: seed ${seed}, ${after - before} rotations, ${acknowledged} acknowledged writes${wokenIn}\n`,
  );
}

describe("kill -9 at random moments of a rotation", () => {
  it.each(Array.from({ length: ROUNDS }, (_, index) => index))("round %i", async (number) => {
    await round(number);
  });
});
