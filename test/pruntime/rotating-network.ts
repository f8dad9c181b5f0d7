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

/** Gatekeepers come first. Dispose ends all. */
export class RotatingNetwork implements AsyncDisposable {
  readonly network: ProvisionedNetwork;
  readonly path: string;
  readonly #opened = new Map<EnclaveHome, { readonly begun: unknown; readonly store: NetworkStore }>();
  /** What the chain has told since the network began to work on a store. */
  readonly told: Effect[] = [];

  private constructor(network: ProvisionedNetwork, path: string) {
    this.network = network;
    this.path = path;
  }

  /** A network in which a MasterKey is shared, and the store is announced. */
  static async create(
    at: (name: string) => string,
    size: Parameters<typeof ProvisionedNetwork.create>[1] = {},
  ): Promise<RotatingNetwork> {
    const rotating = new RotatingNetwork(await ProvisionedNetwork.create(at, size), at("states.sqlite"));
    await rotating.until(() => rotating.network.chain.ledger.state.stateStore !== null);
    return rotating;
  }

  get state() {
    return this.network.chain.ledger.state;
  }

  /** What runs the contracts of a pRuntime. */
  worker(home: EnclaveHome): ContractWorker {
    return home.enclave.contractWorker(this.#opened.get(home)!.store.store, new Engine());
  }

  /** The store itself. */
  get store(): NetworkStore["store"] {
    return this.#opened.get(this.network.homes[0]!)!.store.store;
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
      said.push(...home.follow(chain));
      if (home.enclave.mustBeReplaced) await this.#replace(home);
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
    const store = await openNetworkStore(this.path, this.network.chain.ledger.genesisHash);
    await home.enclave.attachStore(store, { threads: 1, bytesPerSecond: null });
    this.#opened.set(home, { begun: home.enclave, store });
  }

  async #detach(home: EnclaveHome): Promise<void> {
    const opened = this.#opened.get(home);
    this.#opened.delete(home);
    if (opened === undefined) return;
    if (opened.begun === home.enclave) await home.enclave.detachStore();
    await opened.store.store.close();
  }

  /** Another process takes its place. */
  async #replace(home: EnclaveHome): Promise<void> {
    await this.#detach(home);
    await home.shutDown();
    await this.#attach(home);
  }
}
