/** pRuntimes in this process that work on one store, and rotate it on the word of their chain. */
import { setTimeout as sleep } from "node:timers/promises";
import { Engine } from "../../src/engine/engine.ts";
import type { Action } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import type { ContractWorker } from "../../src/pruntime/contract-worker.ts";
import { type NetworkStore, openNetworkStore } from "../../src/store/network-store.ts";
import type { EnclaveHome } from "./enclave-home.ts";
import { ProvisionedNetwork } from "./provisioned-network.ts";

/** What is given up and told by those who were too late for a lease that others had: nothing is wrong. */
const HARMLESS = ["done", "NothingToDo", "AlreadySent", "WrongPhase", "NoRotation"];

const ENGINE = new Engine();

/** Gatekeepers come first. Dispose ends all. */
export class RotatingNetwork implements AsyncDisposable {
  readonly network: ProvisionedNetwork;
  /** Files of its stores: the first is the network's at first. */
  readonly paths: readonly string[];
  readonly #opened = new Map<EnclaveHome, { readonly begun: unknown; readonly stores: readonly NetworkStore[] }>();
  /** What the chain has told since the network began to work on a store. */
  readonly told: Effect[] = [];
  /** Whether hosts ask once more before each block; then what was said at first is here. */
  asksAgain = false;
  readonly saidAtFirst: Uint8Array[] = [];

  private constructor(network: ProvisionedNetwork, paths: readonly string[]) {
    this.network = network;
    this.paths = paths;
  }

  /** A network in which a MasterKey is shared, and the store is announced. @param files - names of its stores' files. */
  static async create(
    at: (name: string) => string,
    size: Parameters<typeof ProvisionedNetwork.create>[1] = {},
    files: readonly string[] = ["states.sqlite"],
  ): Promise<RotatingNetwork> {
    const paths = files.map((file) => at(file));
    const rotating = new RotatingNetwork(await ProvisionedNetwork.create(at, size), paths);
    await rotating.until(() => rotating.network.chain.ledger.state.stateStore !== null);
    return rotating;
  }

  get state() {
    return this.network.chain.ledger.state;
  }

  /** Whether a pRuntime has its stores: not while another process takes its place. */
  isUp(home: EnclaveHome): boolean {
    return this.#opened.has(home);
  }

  /** What runs the contracts of a pRuntime. */
  worker(home: EnclaveHome): ContractWorker {
    const inForce = this.#opened.get(home)!.stores.find(({ id }) => id === this.state.stateStore)!;
    return home.enclave.contractWorker(inForce, ENGINE);
  }

  /** The store that is in force, or another by its place. */
  store(at?: number): NetworkStore {
    const { stores } = this.#opened.get(this.network.homes[0]!)!;
    return at === undefined ? stores.find(({ id }) => id === this.state.stateStore)! : stores[at]!;
  }

  /** Governance orders something. */
  async order(action: Action): Promise<void> {
    const { chain } = this.network;
    const round = this.state.governanceRound;
    await this.step(["g1", "g2"].map((member) => chain.message(member, { tag: "govern", value: { round, action } })));
  }

  /** A block of these messages and of what pRuntimes have to say, and what they ask each other meanwhile. */
  async step(messages: readonly Uint8Array[] = []): Promise<void> {
    const { homes, chain, crossed } = this.network;
    const said: Uint8Array[] = [];
    for (const home of homes) {
      await this.#attach(home);
      const first = home.follow(chain);
      if (home.enclave.mustBeReplaced) await this.#replace(home);
      if (this.asksAgain) this.saidAtFirst.push(...first);
      else said.push(...first);
    }
    if (this.asksAgain) {
      await sleep(2);
      for (const home of homes) said.push(...home.follow(chain));
    }
    crossed.push(...said);
    chain.block([...messages, ...said]);
    this.told.push(...chain.effects);
    const wrong = chain.outcomes.filter((outcome) => !HARMLESS.includes(outcome));
    if (wrong.length > 0) throw new Error(`a message failed: ${wrong.join(", ")}`);
    for (let round = 0; round < 4; round++) {
      for (const home of homes) if (this.#opened.has(home)) this.network.provide(home);
      await sleep(2);
    }
  }

  /** Blocks until something is so. */
  async until(isSo: () => boolean, most = 400): Promise<void> {
    for (let block = 0; !isSo(); block++) {
      if (block > most) throw new Error(`it is not so after ${most} blocks`);
      await this.step();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const home of this.network.homes) await this.#detach(home);
    this.network[Symbol.dispose]();
  }

  async #attach(home: EnclaveHome): Promise<void> {
    if (this.#opened.get(home)?.begun === home.enclave) return;
    await this.#detach(home);
    home.catchUp(this.network.chain, true);
    const { genesisHash } = this.network.chain.ledger;
    const stores: NetworkStore[] = [];
    for (const path of this.paths) stores.push(await openNetworkStore(path, genesisHash));
    await home.enclave.attachStores(stores, { threads: 1, bytesPerSecond: null });
    this.#opened.set(home, { begun: home.enclave, stores });
  }

  async #detach(home: EnclaveHome): Promise<void> {
    const opened = this.#opened.get(home);
    this.#opened.delete(home);
    if (opened === undefined) return;
    if (opened.begun === home.enclave) await home.enclave.detachStores();
    for (const { store } of opened.stores) await store.close();
  }

  /** Another process takes its place. */
  async #replace(home: EnclaveHome): Promise<void> {
    await this.#detach(home);
    await home.shutDown();
    await this.#attach(home);
  }
}
