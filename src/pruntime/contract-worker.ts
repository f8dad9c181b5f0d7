/**
 * What a contract runtime, which is code inside the pRuntime, works with: it reads and writes the states of contracts under
 * the keys that gatekeepers gave for them, and opens the commands that users have sealed to them.
 *
 * Keys come and go by what the chain says: a contract that is another pRuntime's from some block on has none here behind
 * that block. What is written goes under the generation of the MasterKey that the chain says; what lies in the store may be
 * under any that is in force.
 */
import { fromHex, toHex } from "../bytes.ts";
import { CONTRACT_KIND, deployedName } from "../contract-id.ts";
import type { Engine } from "../engine/engine.ts";
import { GatekeeperError } from "../errors.ts";
import type { Group } from "../keys/group.ts";
import { openCommand, readCommandHeader } from "../keys/sealed-command.ts";
import type { PublicKey } from "../protocol/account.ts";
import type { Hex } from "../protocol/scale.ts";
import type { State } from "../protocol/state.ts";
import type { Secret } from "../secret.ts";
import type { Service } from "../store/service.ts";
import type { ContractName, StateStore } from "../store/store.ts";
import type { WriteResult } from "./boundary.ts";
import { provisionedContractKeys } from "./contract-keys.ts";
import { type ContractEdit, ContractStates } from "./contract-states.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";

/** What contracts are run with; all of it is lent. */
export interface ContractWorkerOptions {
  readonly store: StateStore;
  readonly engine: Engine;
  /** The store that mirrors it while states migrate, by its id; null where it is not here. */
  readonly mirrorOf?: (id: string) => StateStore | null;
  /** Whether the store may be what it says that it is, by the ledger that is here. */
  readonly agrees?: (service: Service) => boolean;
  readonly keys: ProvisionedKeys;
}

/** A command to a contract. */
export interface OpenedCommand {
  /** The contract's id. */
  readonly contract: Uint8Array;
  /** The generation of the MasterKey whose EcdhKey it was sealed to. */
  readonly rotationId: number;
  /** Of that key, with elements as the chain has them: what its answer is sealed in. */
  readonly group: Group;
  /** The caller's, who disposes it. */
  readonly body: Secret;
}

/**
 * A contract that a pRuntime runs, by the ledger's word.
 * @throws GatekeeperError KEY_NOT_PROVISIONED when it is another's to run, or there is none.
 */
export function assignedContract({ contracts }: Pick<State, "contracts">, worker: PublicKey, id: Hex): ContractName {
  const contract = contracts.get(id);
  if (contract === undefined || contract.worker !== worker) {
    throw new GatekeeperError("KEY_NOT_PROVISIONED", `contract ${id} is not this pRuntime's to run`, { contract: id });
  }
  const native = deployedName(fromHex(contract.owner, "an account id"), contract.name);
  return { id: fromHex(id, "a contract id"), kind: CONTRACT_KIND.deployed, name: native };
}

/** Owns nothing: the keys go with the pRuntime that holds them. */
export class ContractWorker {
  readonly #keys: ProvisionedKeys;
  readonly #states: ContractStates;

  constructor({ keys, ...options }: ContractWorkerOptions) {
    this.#keys = keys;
    this.#states = new ContractStates({ ...options, keys: provisionedContractKeys(keys) });
  }

  /** Whether a contract's states can be read and written: gatekeepers have given its keys. */
  isReady(contract: Uint8Array): boolean {
    return this.#keys.newest !== null && this.#keys.has(this.#keys.current(), toHex(contract));
  }

  /**
   * A state's plaintext, which the caller owns, or null if there is none.
   * @throws GatekeeperError KEY_NOT_PROVISIONED when the contract has no keys here; TAG_MISMATCH, naming contract and key,
   * when what lies there can't be opened; STORE_*.
   */
  async get(contract: Uint8Array, key: Uint8Array): Promise<Uint8Array | null> {
    this.#checkReady([contract]);
    return await this.#states.get(contract, key);
  }

  /**
   * Puts a state, or deletes it where the value is null.
   * @throws GatekeeperError as `write` does.
   */
  async put(contract: ContractName, key: Uint8Array, value: Uint8Array | null): Promise<void> {
    await this.write([{ contract, edits: [{ key, value }] }]);
  }

  /**
   * Puts and deletes states of contracts in as few commits as can be; when this resolves, all are durable.
   * @throws GatekeeperError KEY_NOT_PROVISIONED when a contract has no keys here, before anything is written; and as
   * ContractStates does.
   */
  async write(edits: readonly ContractEdit[]): Promise<WriteResult> {
    this.#checkReady(edits.map(({ contract }) => contract.id));
    return await this.#states.write(edits);
  }

  /**
   * Opens a command of a user.
   * @param sealed - outside bytes.
   * @throws GatekeeperError COMMAND_INVALID when it is none, was altered or sealed to another key; KEY_UNAVAILABLE when its
   * generation is not in force; KEY_NOT_PROVISIONED when its contract has no keys here.
   */
  openCommand(sealed: Uint8Array): OpenedCommand {
    const header = readCommandHeader(sealed);
    if (header === null) {
      throw new GatekeeperError("COMMAND_INVALID", "these bytes are no command to a contract", { reason: "Malformed" });
    }
    const { contract, rotationId } = header;
    const key = this.#keys.ecdhKey(rotationId, toHex(contract));
    using _scalar = key.scalar;
    const group = this.#keys.group(rotationId);
    return { contract, rotationId, group, body: openCommand(group, key, sealed) };
  }

  /** In the generation that writes go under. */
  #checkReady(contracts: readonly Uint8Array[]): void {
    this.#keys.check(this.#keys.current(), contracts);
  }
}
