/**
 * A network of real processes that rotates its MasterKey again and again, of which some are killed now and then while users
 * write: all that was acknowledged is there in the end, and nobody is blamed.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { execute } from "../../src/cli/contract-commands.ts";
import { runNetwork } from "../../src/cli/network-command.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { createLocalNetwork, storePath } from "../../src/gatekeeper/local-network.ts";
import { hashGenesis } from "../../src/protocol/genesis.ts";
import { openNetworkStore } from "../../src/store/network-store.ts";
import { openStore } from "../../src/store/embedded.ts";
import { Seeded } from "../slow/seeded.ts";
import { processesOf } from "./network-kills.ts";
import { WatchedChain } from "./watched-chain.ts";

const SIZE = {
  gatekeepers: 3,
  threshold: 2,
  candidates: 0,
  workers: 1,
  keySuite: 1,
  blockMilliseconds: 100,
  refreshBlocks: 100_000,
  rotationBlocks: 20,
};
const KEYS = 12;
const PATIENCE_MILLISECONDS = 180_000;
/** A command that takes longer than this is given up: it may have been executed or not. */
const COMMAND_MILLISECONDS = 30_000;

/** How it is done. */
export interface RotationKills {
  /** The network's nodes listen at this port and those behind it. */
  readonly port: number;
  readonly seed: number;
  /** For how long there are kills. */
  readonly milliseconds: number;
  /** From one kill to the next, at most. */
  readonly pauseMilliseconds: number;
  /** Whether the states go to another store, and to another cipher, meanwhile. */
  readonly migrates: boolean;
}

/** What came of it. */
export interface KilledRotations {
  readonly kills: number;
  readonly rotations: number;
  readonly acknowledged: number;
  readonly unanswered: number;
}

/** A user of one contract, and what he may read of each key: the last acknowledged value, and those that nobody answered since. */
class Writer {
  readonly #folder: string;
  readonly #contract: string;
  readonly #possible = new Map<string, readonly (string | null)[]>();
  acknowledged = 0;
  unanswered = 0;

  constructor(folder: string, contract: string) {
    this.#folder = folder;
    this.#contract = contract;
  }

  /** Writes until the signal fires; what he reads now and then has to be what may be there. */
  async write(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn++) {
      const key = `key ${turn % KEYS}`;
      if (turn % 5 === 4) await this.#check(key).catch(passIfUnanswered);
      else if (turn % 11 === 10) await this.#change(key, null);
      else await this.#change(key, `value ${turn} of ${this.#contract}`);
    }
  }

  /** Reads all keys, each as often as it takes. @throws Error for a value that is not the last. */
  async checkAll(): Promise<void> {
    const end = Date.now() + PATIENCE_MILLISECONDS;
    for (const key of this.#possible.keys()) {
      for (;;) {
        try {
          await this.#check(key);
          break;
        } catch (error) {
          passIfUnanswered(error);
          if (Date.now() > end) throw new Error(`${key} can't be read`, { cause: error });
          await sleep(200);
        }
      }
    }
  }

  async #change(key: string, value: string | null): Promise<void> {
    const before = this.#possible.get(key) ?? [null];
    // Until it is answered both may be read.
    this.#possible.set(key, [...before, value]);
    try {
      const bytes = Buffer.from(key);
      if (value === null) await this.#execute({ tag: "delete", value: bytes });
      else await this.#execute({ tag: "put", value: { key: bytes, value: Buffer.from(value) } });
      this.#possible.set(key, [value]);
      this.acknowledged++;
    } catch (error) {
      passIfUnanswered(error);
      this.unanswered++;
      await sleep(100);
    }
  }

  async #check(key: string): Promise<void> {
    const answer = await this.#execute({ tag: "get", value: Buffer.from(key) });
    const found = answer.tag === "value" ? Buffer.from(answer.value).toString() : null;
    const possible = this.#possible.get(key) ?? [null];
    if (!possible.includes(found)) {
      throw new Error(`${key} of ${this.#contract} is ${found}, and may be ${possible.join(" or ")}`);
    }
  }

  #execute(command: Parameters<typeof execute>[2]): ReturnType<typeof execute> {
    return execute({ home: this.#folder }, this.#contract, command, AbortSignal.timeout(COMMAND_MILLISECONDS));
  }
}

/** What a killed process, or one that is not there yet, answers with. @throws what is nothing of that. */
function passIfUnanswered(error: unknown): void {
  const passing = ["PEER_FAILED", "ABORTED", "KEY_NOT_PROVISIONED", "COMMAND_FAILED"];
  if (!(error instanceof GatekeeperError) || !passing.includes(error.code)) throw error;
}

/**
 * Runs a network in which two contracts are written to, kills -9 processes of it at random, and has it come to rest.
 * @param folder - where it is made.
 * @throws Error, which names the seed, when something is lost, somebody is blamed, or it does not go on.
 */
export async function killRotatingNetwork(folder: string, kills: RotationKills): Promise<KilledRotations> {
  const { port, seed, milliseconds, migrates } = kills;
  await createLocalNetwork(folder, { ...SIZE, port }, Date.now());
  const target = migrates ? await newStore(folder) : null;
  const stop = new AbortController();
  const failed = new AbortController();
  const running = runNetwork(folder, () => Promise.resolve(), stop.signal);
  running.catch(() => failed.abort());
  let came: KilledRotations;
  try {
    using chain = new WatchedChain(folder);
    await chain.until(() => chain.all("SharingAdopted").length > 0, PATIENCE_MILLISECONDS);
    const writers: Writer[] = [];
    for (const name of ["shop", "bank"])
      writers.push(new Writer(folder, await chain.deploy(name, PATIENCE_MILLISECONDS)));
    const calm = new AbortController();
    const writing = Promise.all(writers.map((writer) => writer.write(AbortSignal.any([calm.signal, failed.signal]))));
    writing.catch(() => failed.abort());
    if (target !== null) {
      chain.follow();
      const stays = { measurement: null, envelopeVersion: 1, keySuite: 1 } as const;
      const migration = {
        ...stays,
        cipherSuite: "chacha20-poly1305",
        store: target,
        height: chain.state.height + 10,
      } as const;
      const action = { tag: "migrate", value: migration } as const;
      await chain.send("governance.key", { tag: "govern", value: { round: chain.state.governanceRound, action } });
    }
    const killed = await killSome(folder, new Seeded(seed), milliseconds, kills.pauseMilliseconds, failed.signal);
    // One rotation that is whole from its beginning to its end comes behind the last kill.
    chain.follow();
    const begun = chain.all("RotationStarted").length;
    const isWhole = (): boolean =>
      failed.signal.aborted ||
      chain.all("MasterKeyAbandoned").some(({ rotationId }) => {
        const started = chain.all("RotationStarted").findIndex((each) => each.rotationId === rotationId + 1);
        return started >= begun;
      });
    await chain.until(isWhole, PATIENCE_MILLISECONDS);
    if (target !== null) await chain.until(() => chain.state.stateStore === target, PATIENCE_MILLISECONDS);
    calm.abort();
    await writing;
    for (const writer of writers) await writer.checkAll();
    expect(chain.all("Convicted")).toEqual([]);
    const abandoned = chain.all("MasterKeyAbandoned");
    expect(abandoned.filter(({ outstanding }) => outstanding.length > 0)).toEqual([]);
    expect(abandoned.map(({ rotationId }) => rotationId)).toEqual(abandoned.map((_, at) => at));
    came = {
      kills: killed,
      rotations: abandoned.length,
      acknowledged: writers.reduce((sum, writer) => sum + writer.acknowledged, 0),
      unanswered: writers.reduce((sum, writer) => sum + writer.unanswered, 0),
    };
  } catch (error) {
    throw new Error(`with seed ${seed}`, { cause: error });
  } finally {
    stop.abort();
    await running;
  }
  expect(processesOf(folder)).toEqual([]);
  await expectWhole(target === null ? storePath(folder) : nextStorePath(folder), came.rotations);
  return came;
}

function nextStorePath(folder: string): string {
  return join(folder, "states-2.sqlite");
}

/** Makes a store that the states of a network can go to. @returns its id. */
async function newStore(folder: string): Promise<string> {
  using chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
  const { store, id } = await openNetworkStore(nextStorePath(folder), hashGenesis(chain.genesis));
  await store.close();
  return id;
}

/** @returns how many were killed. */
async function killSome(
  folder: string,
  choice: Seeded,
  milliseconds: number,
  pauseMilliseconds: number,
  signal: AbortSignal,
): Promise<number> {
  const end = Date.now() + milliseconds;
  let killed = 0;
  while (Date.now() < end && !signal.aborted) {
    await sleep(200 + choice.below(pauseMilliseconds), undefined, { signal }).catch(() => undefined);
    const pids = processesOf(folder);
    if (pids.length === 0) continue;
    // Now and then all at once, as when the power fails.
    for (const pid of choice.below(8) === 0 ? pids : [choice.of(pids)]) {
      try {
        process.kill(pid, "SIGKILL");
        killed++;
      } catch {
        // It has ended by itself meanwhile.
      }
    }
  }
  return killed;
}

/** The store of a network that has stopped, perhaps in the midst of the next rotation: nothing is under a MasterKey that is abandoned. */
async function expectWhole(path: string, rotations: number): Promise<void> {
  const store = await openStore({ path });
  try {
    const rotationIds = [...(await store.countByRotationId()).keys()];
    expect(rotationIds.filter((rotationId) => rotationId < rotations)).toEqual([]);
    expect(await store.minimumRotationId()).toBeGreaterThanOrEqual(rotations);
  } finally {
    await store.close();
  }
}
