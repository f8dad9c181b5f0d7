/**
 * Runs the commands of users: opens one that is sealed to a contract, has the contract's program execute it, and seals the
 * answer to who sent it. The host that brings it sees neither; what it does see, and can do, key-value-contract.ts says.
 *
 * A contract's commands run one after the other, in the order in which they came; those of different contracts beside each
 * other. How many there are at a time, the boundary bounds (REQUESTS_MAX), and how long they are.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "../bytes.ts";
import { Engine } from "../engine/engine.ts";
import { type ErrorCode, GatekeeperError } from "../errors.ts";
import { readCommandHeader, sealAnswer } from "../keys/sealed-command.ts";
import {
  type KeyValueAnswer,
  type KeyValueCommand,
  decodeKeyValueRequest,
  encodeKeyValueAnswer,
} from "../protocol/key-value-messages.ts";
import type { Hex } from "../protocol/scale.ts";
import type { ContractWorker } from "./contract-worker.ts";
import type { Enclave } from "./enclave.ts";
import { KeyValueContract } from "./key-value-contract.ts";
import type { NetworkStore } from "../store/network-store.ts";

/** How long a command waits for a store to take another one's place: ten seconds, which are some tens of blocks. */
const SWITCH_ATTEMPTS = 200;
const SWITCH_MILLISECONDS = 50;
/** What it fails with meanwhile: nothing of it was done then, or it is done once more with the same end. */
const PASSING: readonly ErrorCode[] = ["STORE_NOT_SERVING", "KEY_UNAVAILABLE", "KEY_NOT_PROVISIONED"];

/** What of a pRuntime runs contracts. */
export type ContractHolder = Pick<Enclave, "contract" | "contractWorker">;

/** What runs commands on one store. */
interface Runtime {
  readonly store: NetworkStore;
  readonly worker: ContractWorker;
  readonly program: KeyValueContract;
}

/** Runs commands; dispose waits for those that run. */
export class CommandRunner implements AsyncDisposable {
  readonly #holder: ContractHolder;
  readonly #engine = new Engine();
  /** What runs them, on the store that was in force last: a migration puts another in its place. */
  #runtime: Runtime | null = null;
  /** The end of each contract's last command that came; of contracts that have one. */
  readonly #last = new Map<Hex, Promise<void>>();

  /**
   * @param holder - lent.
   * @throws GatekeeperError KERNEL_UNAVAILABLE, KERNEL_SELF_TEST_FAILED.
   */
  constructor(holder: ContractHolder) {
    this.#holder = holder;
  }

  /**
   * Runs a command.
   * @param sealed - outside bytes.
   * @returns its answer, sealed: what went wrong in executing it is in there, too.
   * @throws GatekeeperError COMMAND_INVALID when it can't be opened, or is none that the program knows; KEY_NOT_PROVISIONED
   * when its contract is not run here, or has no keys here yet; KEY_UNAVAILABLE when its generation is not in force;
   * STORE_UNAVAILABLE when the network's store is another one, or the chain does not have it yet;
   * NOT_FOUND, SEALED_STATE_OLD as Enclave does. Nothing was done then.
   */
  async execute(sealed: Uint8Array): Promise<Uint8Array> {
    const header = readCommandHeader(sealed);
    if (header === null) throw notUnderstood("Malformed");
    const contract = toHex(header.contract);
    const before = this.#last.get(contract) ?? Promise.resolve();
    const result = before.then(() => this.#run(contract, sealed));
    const end = result.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(contract, end);
    try {
      return await result;
    } finally {
      if (this.#last.get(contract) === end) this.#last.delete(contract);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#last.values());
  }

  async #run(contract: Hex, sealed: Uint8Array): Promise<Uint8Array> {
    const { store } = this.#holder.contract(contract);
    const { group, body } = this.#runtimeOn(store).worker.openCommand(sealed);
    using opened = body;
    const request = decodeKeyValueRequest(group, opened);
    // Before anything is done: else nobody could be told.
    if (request === null || group.invalid(request.replyKey).length > 0) throw notUnderstood("NotUnderstood");
    const answer = await this.#answer(contract, request.command);
    const bytes = encodeKeyValueAnswer(answer);
    try {
      return sealAnswer(group, sealed, request.replyKey, bytes);
    } finally {
      bytes.fill(0);
      if (answer.tag === "value") answer.value.fill(0);
    }
  }

  /**
   * On the store that is the network's now. In a migration another one takes its place, and for a moment neither serves, or the
   * ledger that is here is behind; what was not written to the one is written to the other.
   */
  async #execute(contract: Hex, command: KeyValueCommand): Promise<KeyValueAnswer> {
    for (let attempt = 1; ; attempt++) {
      const { name, store } = this.#holder.contract(contract);
      try {
        return await this.#runtimeOn(store).program.execute(name, command);
      } catch (error) {
        if (!isPassing(error) || attempt === SWITCH_ATTEMPTS) throw error;
        await sleep(SWITCH_MILLISECONDS);
      }
    }
  }

  #runtimeOn(store: NetworkStore): Runtime {
    if (this.#runtime?.store === store) return this.#runtime;
    const worker = this.#holder.contractWorker(store, this.#engine);
    this.#runtime = { store, worker, program: new KeyValueContract(worker) };
    return this.#runtime;
  }

  /** What goes wrong from here on is the user's to know, not the host's. */
  async #answer(contract: Hex, command: KeyValueCommand): Promise<KeyValueAnswer> {
    try {
      return await this.#execute(contract, command);
    } catch (error) {
      return { tag: "failed", value: { code: error instanceof GatekeeperError ? error.code : "INTERNAL" } };
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof GatekeeperError && PASSING.includes(error.code);
}

function notUnderstood(reason: "Malformed" | "NotUnderstood"): GatekeeperError {
  return new GatekeeperError("COMMAND_INVALID", `these bytes are no command to a contract: ${reason}`, { reason });
}
