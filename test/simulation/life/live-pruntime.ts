/**
 * A pRuntime of a network with its host: a real `Enclave` on a disk in memory and on the machine that all share, which is killed
 * between any two of its writes, and started again from what lies there.
 */
import { Engine } from "../../../src/engine/engine.ts";
import { toHex } from "../../../src/bytes.ts";
import { type ErrorCode, GatekeeperError } from "../../../src/errors.ts";
import type { ContractWorker } from "../../../src/pruntime/contract-worker.ts";
import type { Hex } from "../../../src/protocol/scale.ts";
import type { Registration } from "../../../src/protocol/call.ts";
import type { Enclave } from "../../../src/pruntime/enclave.ts";
import type { StartThreads } from "../../../src/rotation/partition-pool.ts";
import type { NetworkStore } from "../../../src/store/network-store.ts";
import type { StateStore, StoreLocation } from "../../../src/store/store.ts";
import type { Authority } from "../../pruntime/authority.ts";
import { readSealed } from "../sealed-secrets.ts";
import { Disk, Killed } from "./disk.ts";
import { InlineThreads } from "./inline-threads.ts";
import type { Machine } from "./machine.ts";
import type { Steps } from "./steps.ts";

/** What contracts' states are sealed and opened with, within one step. */
const ENGINE = new Engine();

/** Why a message is not heard: it is for another, or its pRuntime has not caught up with what it knew. */
const DEAF: readonly ErrorCode[] = ["MESSAGE_INVALID", "NOT_FOUND"];

/** What lives in one process. */
interface Process {
  readonly enclave: Enclave;
  readonly wipe: () => void;
  readonly threads: InlineThreads[];
  /** What contracts are run with, by the store that they are run on. */
  readonly workers: Map<NetworkStore, ContractWorker>;
  /** Height of the chain when it began. */
  readonly since: number;
  /** Key sessions of which it had a share, or the key that opens what was dealt: its memory may remember. */
  readonly met: Set<number>;
  isAttached: boolean;
}

/** What it works with; all of it is lent. */
export interface Surroundings {
  readonly machine: Machine;
  readonly steps: Steps;
  readonly chain: Authority;
}

export class LivePRuntime {
  readonly name: string;
  readonly disk = new Disk();
  /** Whether somebody runs it yet. */
  isDeployed = true;
  /** How the store looks to its threads: another, where they do not do what they should. */
  through: (store: StateStore) => StateStore = (store) => store;
  readonly #around: () => Surroundings;
  #process: Process | null = null;
  /** Writes to its disk until it is killed in one. */
  #writesLeft = Number.POSITIVE_INFINITY;

  /** @param around - asked for when it starts. */
  constructor(name: string, around: () => Surroundings) {
    this.name = name;
    this.#around = around;
  }

  get identityKey(): string {
    return this.disk.identityKey;
  }

  get isUp(): boolean {
    return this.#process !== null;
  }

  /** @throws Error when it is not up. */
  get enclave(): Enclave {
    if (this.#process === null) throw new Error(`${this.name} is not up`);
    return this.#process.enclave;
  }

  /** Height of the chain when its process began; null where there is none. */
  get since(): number | null {
    return this.#process?.since ?? null;
  }

  /** Key sessions of which its process ever had secrets; none where there is no process. */
  get met(): ReadonlySet<number> {
    return this.#process?.met ?? new Set();
  }

  /** What tells its process from others. */
  get process(): object | null {
    return this.#process;
  }

  /** Starts it from its disk. */
  start(): void {
    const { chain } = this.#around();
    const { enclave, end } = this.disk.start(() => {
      if (this.#writesLeft-- <= 0) throw new Killed();
    });
    const begun = { threads: [], workers: new Map(), since: chain.height, met: new Set<number>(), isAttached: false };
    this.#process = { enclave, wipe: end, ...begun };
    this.#meet();
    this.#surviving(() => enclave.join(chain.genesis), 0);
  }

  /** Ends it wherever it is: its memory is gone, and what it has begun with the store goes no further. */
  kill(): void {
    const process = this.#process;
    if (process === null) return;
    this.#process = null;
    this.#writesLeft = Number.POSITIVE_INFINITY;
    this.#around().steps.drop(process);
    for (const threads of process.threads) threads.end();
    process.wipe();
  }

  /** Kills it before or after one of its next writes. @param writes - which; Infinity: none. */
  killSoon(writes: number): void {
    this.#writesLeft = writes;
  }

  /** Follows the chain up to a height. @returns what it says to it; another process takes its place where it has to. */
  async follow(height: number): Promise<Uint8Array[]> {
    const { chain } = this.#around();
    const { enclave } = this;
    const blocks = chain.blocks.slice(enclave.status.height, height);
    const said = this.#surviving(() => [...enclave.follow(blocks, false).messages], []);
    if (this.#process?.enclave !== enclave) return said;
    this.#meet();
    if (enclave.mustBeReplaced) {
      this.kill();
      this.start();
    } else await this.#attach();
    return said;
  }

  /** What registers it, or anew; null where it has not come so far in the chain, or is killed in it. */
  async register(operator: string, attestation: Uint8Array): Promise<Registration | null> {
    if (!this.isUp || this.enclave.status.height < this.disk.height) return null;
    try {
      return await this.enclave.register(operator, async () => attestation);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.kill();
      return null;
    }
  }

  /** What it asks others. */
  provision(late: readonly string[]): ReturnType<Enclave["provision"]>["messages"] {
    const { enclave } = this;
    if (enclave.status.height < this.disk.height) return [];
    return this.#surviving(() => enclave.provision(late).messages, []);
  }

  /** Hears a message of another. @returns what came of it; null where it was refused, or it died of it. */
  deliver(bytes: Uint8Array): ReturnType<Enclave["deliver"]> | null {
    const { enclave } = this;
    try {
      return this.#surviving<ReturnType<Enclave["deliver"]> | null>(() => enclave.deliver(bytes), null);
    } catch (error) {
      if (error instanceof GatekeeperError && DEAF.includes(error.code)) return null;
      throw error;
    }
  }

  /**
   * What a contract runs with, on the store that is the network's by its ledger's word.
   * @throws GatekeeperError as Enclave.contract does.
   */
  worker(contract: Uint8Array): ContractWorker {
    const { enclave } = this;
    const { workers } = this.#process!;
    const { store } = enclave.contract(toHex(contract));
    const worker = workers.get(store) ?? enclave.contractWorker(store, ENGINE);
    workers.set(store, worker);
    return worker;
  }

  /** Takes note of what lies on its disk: a share, or a dealing key, lies there for a block at the least. */
  #meet(): void {
    const { shares, dealingKey } = readSealed(this.disk.sealed.shares);
    for (const { epoch } of dealingKey === null ? shares : [dealingKey, ...shares]) this.#process!.met.add(epoch);
  }

  async #attach(): Promise<void> {
    const process = this.#process!;
    if (process.isAttached || !process.enclave.wantsStore(true)) return;
    process.isAttached = true;
    const { machine, steps } = this.#around();
    const start: StartThreads = ({ location }, { identity }) => {
      const owner = {};
      const open = (at: StoreLocation): StateStore => this.through(machine.store(at.options as Hex).open(owner));
      const threads = new InlineThreads(open(location), identity, {
        open,
        take: () => steps.take(owner, async () => undefined),
        drop: () => steps.drop(owner),
      });
      process.threads.push(threads);
      return threads;
    };
    const stores = machine.stores.map((store) => store.asNetworkStore(process));
    await process.enclave.attachStores(stores, { threads: 1, bytesPerSecond: null }, start);
  }

  /** What a call gives, or, if it is killed in it, something else. */
  #surviving<T>(call: () => T, killed: T): T {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.kill();
      return killed;
    }
  }
}
