/**
 * A network goes from one release of this program to the next, and its states with it: to another store, another cipher suite and
 * another group. The next release's pRuntimes are elected and are given the shares; a user writes and reads throughout, by a
 * pRuntime of the old one. In the end that one is forgotten, and a new one runs the contract.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { execute } from "../../src/cli/contract-commands.ts";
import { runNetwork } from "../../src/cli/network-command.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { createLocalNetwork, storePath } from "../../src/gatekeeper/local-network.ts";
import { accountOf } from "../../src/protocol/account.ts";
import type { Action } from "../../src/protocol/call.ts";
import { openNetworkStore } from "../../src/store/network-store.ts";
import { openStore } from "../../src/store/embedded.ts";
import { readService } from "../../src/store/service.ts";
import { useFolder } from "../pruntime/folder.ts";
import { secondBuild } from "../second-build.ts";
import { WatchedChain } from "./watched-chain.ts";

const at = useFolder();
const SIZE = {
  gatekeepers: 3,
  threshold: 2,
  candidates: 0,
  workers: 1,
  keySuite: 1,
  blockMilliseconds: 200,
  refreshBlocks: 100_000,
  rotationBlocks: 0,
  port: 7_590,
};
const NEXT_PORT = SIZE.port + 10;
const KEYS = 20;
const PATIENCE_MILLISECONDS = 240_000;

/** Nodes of the next release. Dispose ends them. */
class NextRelease implements AsyncDisposable {
  readonly #program: string;
  readonly #folder: string;
  readonly #nodes: ChildProcess[] = [];

  constructor(program: string, folder: string) {
    this.#program = program;
    this.#folder = folder;
  }

  /** What a command says. */
  async ask(...args: readonly string[]): Promise<{ readonly [name: string]: unknown }> {
    const { stdout } = await promisify(execFile)(process.execPath, [this.#program, ...args, "--json"]);
    return JSON.parse(stdout) as { readonly [name: string]: unknown };
  }

  /** Starts a node, which registers with an operator. */
  run(home: string, operator: string, port: number, stores: readonly string[]): void {
    const args = ["run", "--home", home, "--chain", join(this.#folder, "chain.sqlite"), "--threads", "1"];
    args.push("--listen", `127.0.0.1:${port}`, "--operator", operator, ...stores.flatMap((file) => ["--store", file]));
    this.#nodes.push(spawn(process.execPath, [this.#program, ...args], { stdio: "ignore" }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) {
      if (node.exitCode !== null || node.signalCode !== null) continue;
      const ended = once(node, "exit");
      node.kill("SIGTERM");
      await ended;
    }
  }
}

/** One user of one contract, and what may be read of each key: what was put last, and what nobody answered since. */
class User {
  readonly #folder: string;
  readonly #contract: string;
  readonly #possible = new Map<string, readonly string[]>();
  acknowledged = 0;

  constructor(folder: string, contract: string) {
    this.#folder = folder;
    this.#contract = contract;
  }

  async write(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn++) await this.put(`key ${turn % KEYS}`, `value ${turn}`);
  }

  async put(name: string, value: string): Promise<void> {
    const before = this.#possible.get(name) ?? [];
    this.#possible.set(name, [...before, value]);
    try {
      await this.#execute({ tag: "put", value: { key: Buffer.from(name), value: Buffer.from(value) } });
      this.#possible.set(name, [value]);
      this.acknowledged++;
    } catch (error) {
      if (!(error instanceof GatekeeperError)) throw error;
      await sleep(100);
    }
  }

  /** @throws Error when a value is not the last that was put. */
  async check(): Promise<void> {
    for (const [name, possible] of this.#possible) {
      const read = await this.#read(name);
      expect(possible).toContain(read);
    }
  }

  async #read(name: string): Promise<string> {
    for (const end = Date.now() + PATIENCE_MILLISECONDS; ; await sleep(200)) {
      try {
        const answer = await this.#execute({ tag: "get", value: Buffer.from(name) });
        return answer.tag === "value" ? Buffer.from(answer.value).toString() : answer.tag;
      } catch (error) {
        if (!(error instanceof GatekeeperError) || Date.now() > end) throw error;
      }
    }
  }

  #execute(command: Parameters<typeof execute>[2]): ReturnType<typeof execute> {
    return execute({ home: this.#folder }, this.#contract, command, AbortSignal.timeout(30_000));
  }
}

test("a network and its states go to the next release, another store, and other suites, while a user writes", async () => {
  const folder = at("network");
  await createLocalNetwork(folder, SIZE, Date.now());
  mkdirSync(at("next"));
  const build = secondBuild(at("next"), [1, 2]);
  const stores = [storePath(folder), join(folder, "states-2.sqlite")];
  using chain = new WatchedChain(folder);
  const target = await openNetworkStore(stores[1]!, chain.genesisHash);
  await target.store.close();
  const stop = new AbortController();
  const running = runNetwork(folder, () => Promise.resolve(), stop.signal);
  running.catch(() => undefined);
  const order = async (action: Action): Promise<void> => {
    chain.follow();
    await chain.send("governance.key", { tag: "govern", value: { round: chain.state.governanceRound, action } });
  };
  try {
    await using next = new NextRelease(build.gatekeeper, folder);
    await chain.until(() => chain.all("SharingAdopted").length > 0, PATIENCE_MILLISECONDS);
    const contract = await chain.deploy("shop", PATIENCE_MILLISECONDS);
    const user = new User(folder, contract);
    const calm = new AbortController();
    const writing = user.write(calm.signal);

    // The next release's pRuntimes: who they are, and that they may serve.
    const names = ["gatekeeper-1", "gatekeeper-2", "gatekeeper-3", "worker-1"];
    const made = [];
    for (const name of names) made.push(await next.ask("pruntime", "init", "--home", at(`next ${name}`)));
    const measurement = made[0]!["measurement"] as string;
    const keys = made.map(({ identityKey }) => identityKey as string);
    await order({ tag: "allow", value: measurement });
    const suites = { cipherSuite: "chacha20-poly1305", keySuite: 2, envelopeVersion: 1 } as const;
    const height = chain.state.height + 20;
    await order({ tag: "migrate", value: { measurement, ...suites, store: target.id, height } });
    for (const [index, name] of names.entries()) {
      next.run(at(`next ${name}`), join(folder, name, "operator.key"), NEXT_PORT + index, stores);
    }
    await chain.until(() => keys.every((key) => chain.state.workers.has(accountOf(key))), PATIENCE_MILLISECONDS);
    for (const [index, name] of names.entries()) {
      const endpoint = Buffer.from(`http://127.0.0.1:${NEXT_PORT + index}/`, "latin1");
      const identityKey = keys[index]!;
      await chain.send(`${name}/operator.key`, { tag: "setEndpoint", value: { identityKey, endpoint } });
      if (name !== "worker-1") await chain.send(`${name}/operator.key`, { tag: "setKeys", value: identityKey });
    }

    await chain.until(() => chain.all("RotationStarted").length > 0, PATIENCE_MILLISECONDS);
    const holders = chain.state.sharings[0]!.members.map(({ identityKey }) => identityKey);
    expect([...holders].sort()).toEqual(keys.slice(0, 3).sort());
    expect(chain.state.rotation).toMatchObject({ migration: { measurement, store: target.id } });
    await chain.until(() => chain.all("PartitionSwept").length > 0, PATIENCE_MILLISECONDS);
    const before = user.acknowledged;
    await chain.until(() => chain.all("MasterKeyAbandoned").length > 0, PATIENCE_MILLISECONDS);
    expect(chain.state).toMatchObject({ stateStore: target.id, rotation: null });
    expect(chain.state.sharings).toMatchObject([{ rotationId: 1, keySuite: 2, cipherSuite: "chacha20-poly1305" }]);
    await chain.until(() => user.acknowledged > before + 5, PATIENCE_MILLISECONDS);

    // The contract is given to a pRuntime of the next release, and the old one that ran it is forgotten.
    await chain.send("worker-1/operator.key", { tag: "assignContract", value: { contract, worker: keys[3]! } });
    const { identityKey } = chain.genesis.workers.at(-1)!;
    await chain.send("worker-1/operator.key", { tag: "deregisterWorker", value: identityKey });
    await chain.until(() => user.acknowledged > before + 15, PATIENCE_MILLISECONDS);
    calm.abort();
    await writing;
    await user.check();
    expect(chain.all("Convicted")).toEqual([]);
  } finally {
    stop.abort();
    await running;
  }
  const [source, other] = await Promise.all(stores.map((path) => openStore({ path })));
  expect([...(await other!.countByRotationId()).keys()]).toEqual([1]);
  expect(await source!.countByRotationId()).toEqual(new Map());
  expect((await readService(source!)).state).toBe("closed");
  await Promise.all([source!.close(), other!.close()]);
}, 600_000);
