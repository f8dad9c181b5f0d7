/**
 * Runs the commands of users: opens one that is sealed to a contract, has the contract's program execute it, and seals the
 * answer to who sent it. The host that brings it sees neither; what it does see, and can do, key-value-contract.ts says.
 *
 * A contract's commands run one after the other, in the order in which they came; those of different contracts beside each
 * other. How many there are at a time, the boundary bounds (REQUESTS_MAX), and how long they are.
 */
import { toHex } from "../bytes.ts";
import { Engine } from "../engine/engine.ts";
import { GatekeeperError } from "../errors.ts";
import { readCommandHeader, sealAnswer } from "../keys/sealed-command.ts";
import {
  type KeyValueAnswer,
  type KeyValueCommand,
  decodeKeyValueRequest,
  encodeKeyValueAnswer,
} from "../protocol/key-value-messages.ts";
import type { Hex } from "../protocol/scale.ts";
import type { ContractName, StateStore } from "../store/store.ts";
import type { ContractWorker } from "./contract-worker.ts";
import type { Enclave } from "./enclave.ts";
import { KeyValueContract } from "./key-value-contract.ts";

/** What of a pRuntime runs contracts. */
export type ContractHolder = Pick<Enclave, "contract" | "contractWorker">;

/** Runs commands on one store; dispose waits for those that run. */
export class CommandRunner implements AsyncDisposable {
  readonly #holder: ContractHolder;
  readonly #worker: ContractWorker;
  readonly #program: KeyValueContract;
  /** The end of each contract's last command that came; of contracts that have one. */
  readonly #last = new Map<Hex, Promise<void>>();

  /**
   * @param holder - lent.
   * @param store - of the contracts' states; lent.
   * @throws GatekeeperError KERNEL_UNAVAILABLE, KERNEL_SELF_TEST_FAILED.
   */
  constructor(holder: ContractHolder, store: StateStore) {
    this.#holder = holder;
    this.#worker = holder.contractWorker(store, new Engine());
    this.#program = new KeyValueContract(this.#worker);
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
    const name = this.#holder.contract(contract);
    const { group, body } = this.#worker.openCommand(sealed);
    using opened = body;
    const request = decodeKeyValueRequest(group, opened);
    // Before anything is done: else nobody could be told.
    if (request === null || group.invalid(request.replyKey).length > 0) throw notUnderstood("NotUnderstood");
    const answer = await this.#answer(name, request.command);
    const bytes = encodeKeyValueAnswer(answer);
    try {
      return sealAnswer(group, sealed, request.replyKey, bytes);
    } finally {
      bytes.fill(0);
      if (answer.tag === "value") answer.value.fill(0);
    }
  }

  /** What goes wrong from here on is the user's to know, not the host's. */
  async #answer(contract: ContractName, command: KeyValueCommand): Promise<KeyValueAnswer> {
    try {
      return await this.#program.execute(contract, command);
    } catch (error) {
      return { tag: "failed", value: { code: error instanceof GatekeeperError ? error.code : "INTERNAL" } };
    }
  }
}

function notUnderstood(reason: "Malformed" | "NotUnderstood"): GatekeeperError {
  return new GatekeeperError("COMMAND_INVALID", `these bytes are no command to a contract: ${reason}`, { reason });
}
