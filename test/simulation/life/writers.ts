/** Contracts that are run, beside any rotation: they put, remove and get states in the store, and remember what was acknowledged. */
import { CONTRACT_KIND, contractId, deployedName } from "../../../src/contract-id.ts";
import { fromHex, toHex } from "../../../src/bytes.ts";
import { type ErrorCode, GatekeeperError } from "../../../src/errors.ts";
import type { ContractWorker } from "../../../src/pruntime/contract-worker.ts";
import type { ContractName } from "../../../src/store/store.ts";
import type { Authority } from "../../pruntime/authority.ts";
import { idOf } from "../../protocol/network.ts";
import type { Seeded } from "../../slow/seeded.ts";
import { ensure } from "../invariants.ts";
import type { LivePRuntime } from "./live-pruntime.ts";
import type { Steps } from "./steps.ts";
import type { Pending, Reading, States } from "./states.ts";

const CONTRACTS = 5;
const KEYS = 14;
/** Calls of one pRuntime's contracts that are under way at a time. */
const CALLS_MAX = 3;
/** Blocks that a call takes at most, where nothing fails: the ledger may be one or two behind the store. */
const PATIENCE = 6;
/** Lengths of values: some make pages split. */
const LENGTHS = [0, 10, 100, 700, 3_000];
/** Why a contract may have to wait: its keys are not there, yet or any more. */
const NO_KEYS: readonly ErrorCode[] = ["KEY_NOT_PROVISIONED", "KEY_UNAVAILABLE"];
/** Or: none of two stores serves for a moment, or the ledger is behind; it is tried again so often, after some steps. */
const NO_STORE: readonly ErrorCode[] = ["STORE_NOT_SERVING", "STORE_UNAVAILABLE"];
const ATTEMPTS = 8;
const STEPS_BETWEEN = 12;

/** A process that runs contracts. */
interface Running {
  readonly process: object;
  readonly pRuntime: LivePRuntime;
  /** Heights at which calls under way have begun. */
  readonly calls: Set<{ readonly since: number }>;
}

export class Writers {
  readonly names: readonly string[];
  readonly contracts: readonly ContractName[];
  /** How often each kind of call was acknowledged. */
  readonly done = { written: 0, removed: 0, read: 0 };
  readonly #random: Seeded;
  readonly #states: States;
  readonly #steps: Steps;
  readonly #running = new Map<LivePRuntime, Running>();
  /** Writes under way, by the process that does them. */
  readonly #pending = new Map<object, Set<Pending>>();
  #serial = 0;
  #height = 0;
  /** What is wrong with an answer; null where nothing is. */
  #broken: string | null = null;

  constructor(states: States, steps: Steps, random: Seeded) {
    this.#states = states;
    this.#steps = steps;
    this.#random = random;
    this.names = Array.from({ length: CONTRACTS }, (_, at) => `contract ${at}`);
    this.contracts = this.names.map((name) => {
      const native = deployedName(fromHex(idOf("rich"), "an account id"), Buffer.from(name));
      return { id: contractId(CONTRACT_KIND.deployed, native), kind: CONTRACT_KIND.deployed, name: native };
    });
  }

  /** @throws Error when an answer was wrong. */
  check(): void {
    if (this.#broken !== null) throw new Error(this.#broken);
  }

  /** Where nothing fails, contracts do not wait for a rotation. @throws Error when one does. */
  checkWaiting(height: number): void {
    for (const [{ name, process }, running] of this.#running) {
      if (running.process !== process) continue;
      for (const { since } of running.calls) {
        ensure(height - since <= PATIENCE, `a contract of ${name} waits since block ${since}`);
      }
    }
  }

  /** Begins calls of the contracts that a pRuntime runs. */
  act(pRuntime: LivePRuntime, { ledger }: Authority): void {
    this.#height = ledger.state.height;
    this.#forgetDead(pRuntime);
    if (!pRuntime.isUp) return;
    const running = this.#runningOf(pRuntime);
    const ours = this.contracts.filter(({ id }) => {
      const isOurs = ledger.state.contracts.get(toHex(id))?.worker === pRuntime.identityKey;
      return isOurs && isReady(pRuntime, id);
    });
    if (ours.length === 0) return;
    for (let call = this.#random.below(3); call > 0 && running.calls.size < CALLS_MAX; call--) {
      if (this.#random.below(4) === 0) this.#read(running, this.#random.of(ours));
      else this.#write(running, ours);
    }
  }

  /** Whether whoever runs contracts has their keys. */
  areReady(pRuntimes: readonly LivePRuntime[], { ledger }: Authority): boolean {
    return this.contracts.every(({ id }) => {
      const { worker } = ledger.state.contracts.get(toHex(id))!;
      const pRuntime = pRuntimes.find(({ identityKey }) => identityKey === worker)!;
      return pRuntime.isUp && isReady(pRuntime, id);
    });
  }

  /**
   * Reads every state of every contract, by whoever runs it.
   * @param untilDone - resolves when all that was begun is done.
   * @throws Error when an answer was wrong, or there was none.
   */
  async readAll(
    pRuntimes: readonly LivePRuntime[],
    { ledger }: Authority,
    untilDone: () => Promise<void>,
  ): Promise<void> {
    await untilDone();
    this.check();
    const before = this.done.read;
    for (const contract of this.contracts) {
      const { worker } = ledger.state.contracts.get(toHex(contract.id))!;
      const pRuntime = pRuntimes.find(({ identityKey }) => identityKey === worker)!;
      this.#forgetDead(pRuntime);
      const running = this.#runningOf(pRuntime);
      ensure(isReady(pRuntime, contract.id), "a contract has no keys");
      for (let key = 0; key < KEYS; key++) this.#read(running, contract, keyOf(key));
    }
    await untilDone();
    this.check();
    ensure(this.done.read === before + CONTRACTS * KEYS, "states could not be read");
  }

  #read(running: Running, contract: ContractName, key = this.#key()): void {
    const reading = this.#states.reading(contract, key);
    this.#call(
      running,
      async () => {
        const bytes = await this.#withStore(running, contract, (worker) =>
          worker.get(contract.id, Buffer.from(key, "latin1")),
        );
        const value = bytes === null ? null : Buffer.from(bytes).toString("latin1");
        const allowed = reading.allowed();
        if (allowed === null) return;
        this.done.read++;
        ensure(allowed.includes(value), `${key} was read as ${value?.slice(0, 24) ?? "nothing"}`);
        reading.was(value);
      },
      reading,
    );
  }

  #write(running: Running, ours: readonly ContractName[]): void {
    const { process } = running;
    const contracts = ours.filter(() => this.#random.below(ours.length) < 2);
    const pending: Pending[] = [];
    const edits = contracts.map((contract) => {
      const keys = new Set(Array.from({ length: 1 + this.#random.below(5) }, () => this.#key()));
      const free = [...keys].filter((key) => this.#states.isFree(contract, key)).sort();
      return {
        contract,
        edits: free.map((key) => {
          const isRemoved = this.#random.below(5) === 0;
          const value = isRemoved ? null : `${this.#serial++} ${"y".repeat(this.#random.of(LENGTHS))}`;
          pending.push(this.#states.begin(contract, key, value));
          return { key: Buffer.from(key, "latin1"), value: value === null ? null : Buffer.from(value, "latin1") };
        }),
      };
    });
    if (pending.length === 0) return;
    const all = this.#pending.get(process) ?? new Set();
    this.#pending.set(process, all);
    for (const each of pending) all.add(each);
    this.#call(running, async () => {
      try {
        await this.#withStore(running, edits[0]!.contract, (worker) => worker.write(edits));
        for (const each of pending) {
          this.#states.acknowledge(each);
          if (each.value === null) this.done.removed++;
          else this.done.written++;
        }
      } catch (error) {
        for (const each of pending) this.#states.leave(each);
        throw error;
      } finally {
        for (const each of pending) all.delete(each);
      }
    });
  }

  /** Does something with a contract on the store that serves: another one takes its place meanwhile, perhaps. */
  async #withStore<T>(
    { process, pRuntime }: Running,
    contract: ContractName,
    act: (worker: ContractWorker) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await act(pRuntime.worker(contract.id));
      } catch (error) {
        if (attempt === ATTEMPTS || !isCode(error, NO_STORE)) throw error;
        for (let step = 0; step < STEPS_BETWEEN; step++) await this.#steps.take(process, async () => undefined);
      }
    }
  }

  #call(running: Running, act: () => Promise<void>, reading?: Reading): void {
    const call = { since: this.#height };
    running.calls.add(call);
    act()
      .catch((error: unknown) => {
        if (isCode(error, NO_KEYS) || isCode(error, NO_STORE)) return;
        // What somebody has altered may be found out by who reads it.
        if (reading !== undefined && reading.allowed() === null) return;
        this.#broken ??= error instanceof Error ? error.message : String(error);
      })
      .finally(() => {
        running.calls.delete(call);
      });
  }

  /** What a dead process had begun nobody will hear of. */
  #forgetDead(pRuntime: LivePRuntime): void {
    const running = this.#running.get(pRuntime);
    if (running === undefined || running.process === pRuntime.process) return;
    this.#running.delete(pRuntime);
    for (const each of this.#pending.get(running.process) ?? []) this.#states.leave(each);
    this.#pending.delete(running.process);
  }

  #runningOf(pRuntime: LivePRuntime): Running {
    let running = this.#running.get(pRuntime);
    if (running === undefined) {
      running = { process: pRuntime.process!, pRuntime, calls: new Set() };
      this.#running.set(pRuntime, running);
    }
    return running;
  }

  #key(): string {
    return keyOf(this.#random.below(KEYS));
  }
}

const keyOf = (number: number): string => `key ${String(number).padStart(2, "0")}`;

/** Whether gatekeepers have given a contract's keys. */
function isReady(pRuntime: LivePRuntime, contract: Uint8Array): boolean {
  try {
    return pRuntime.worker(contract).isReady(contract);
  } catch (error) {
    if (isCode(error, [...NO_KEYS, ...NO_STORE, "NOT_FOUND"])) return false;
    throw error;
  }
}

function isCode(error: unknown, codes: readonly ErrorCode[]): boolean {
  return error instanceof GatekeeperError && codes.includes(error.code);
}
