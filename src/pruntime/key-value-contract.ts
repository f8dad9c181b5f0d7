/**
 * The program that contracts of a network run: a store of values under keys. A command is put, get or delete of one key
 * (protocol/key-value-messages.ts); it is executed whole, and its answer is what became of it.
 *
 * **There is no access control.** Neither commands nor answers say who a user is, and a contract's first put of a key binds
 * nothing: whoever knows the contract may read, replace and delete what is under any key that he knows or guesses. Who wants
 * a value for himself takes a key that nobody guesses, such as 32 random bytes: the key is the secret. Nor is there a memory
 * of commands: whoever has seen a sealed one, a host above all, can hand it in again without reading it, and an old put
 * then replaces what was put since.
 *
 * The host has the store, and stored keys are in the clear there. So a value does not lie under its user's key but under
 * HMAC-SHA-256 of it, with a secret that the contract draws with its first put and has as a state of its own:
 *
 *   state 00                                    the contract's naming secret, 32 bytes
 *   state HMAC(naming secret, label ‖ key)      the value
 *
 * What the host sees is how many values there are, how long each is, and when the same one is put, read or deleted. It can
 * take states away, or put back the store as it was.
 */
import { randomFillSync } from "node:crypto";
import { CONTEXT } from "../context.ts";
import { HmacSha256 } from "../engine/hmac-sha256.ts";
import { GatekeeperError } from "../errors.ts";
import type { KeyValueAnswer, KeyValueCommand } from "../protocol/key-value-messages.ts";
import { Secret, secretCopy } from "../secret.ts";
import type { ContractName } from "../store/store.ts";
import type { StateEdit } from "./contract-states.ts";
import type { ContractWorker } from "./contract-worker.ts";

const LABEL = Buffer.from(CONTEXT.keyValueName, "ascii");
/** Of another length than an HMAC, which is what all else lies under; and before all of them. */
const NAMING_SECRET_KEY = Uint8Array.of(0);
const NAMING_SECRET_BYTES = 32;

/** Executes commands. Owns no states and no keys. */
export class KeyValueContract {
  readonly #states: Pick<ContractWorker, "get" | "write">;
  readonly #hmac = new HmacSha256();

  /**
   * @param states - reads and writes states of contracts; lent.
   * @throws GatekeeperError KERNEL_UNAVAILABLE, KERNEL_SELF_TEST_FAILED.
   */
  constructor(states: Pick<ContractWorker, "get" | "write">) {
    this.#states = states;
  }

  /**
   * Executes a command; when this resolves, what it did is durable. The caller sees to it that a contract's commands come one
   * after the other.
   * @param command - lent until this resolves.
   * @returns the answer; a value in it is the caller's to wipe.
   * @throws GatekeeperError as ContractWorker does: then nothing was done; STORE_CORRUPT when the naming secret is none.
   */
  async execute(contract: ContractName, command: KeyValueCommand): Promise<KeyValueAnswer> {
    const naming = await this.#namingSecret(contract);
    using known = naming;
    switch (command.tag) {
      case "put":
        return await this.#put(contract, known, command.value);
      case "get":
        return known === null ? NOTHING : await this.#get(contract, this.#name(known, command.value));
      case "delete":
        return known === null ? NOTHING : await this.#delete(contract, this.#name(known, command.value));
    }
  }

  async #put(
    contract: ContractName,
    known: Secret | null,
    { key, value }: { readonly key: Uint8Array; readonly value: Uint8Array },
  ): Promise<KeyValueAnswer> {
    if (known !== null) {
      await this.#states.write([{ contract, edits: [{ key: this.#name(known, key), value }] }]);
      return DONE;
    }
    using drawn = new Secret(randomFillSync(secretCopy(new Uint8Array(NAMING_SECRET_BYTES))));
    const secret = drawn.use(secretCopy);
    try {
      const edits: StateEdit[] = [
        { key: NAMING_SECRET_KEY, value: secret },
        { key: this.#name(drawn, key), value },
      ];
      await this.#states.write([{ contract, edits }]);
      return DONE;
    } finally {
      secret.fill(0);
    }
  }

  async #get({ id }: ContractName, name: Uint8Array): Promise<KeyValueAnswer> {
    const value = await this.#states.get(id, name);
    return value === null ? NOTHING : { tag: "value", value };
  }

  async #delete(contract: ContractName, name: Uint8Array): Promise<KeyValueAnswer> {
    const { deleted } = await this.#states.write([{ contract, edits: [{ key: name, value: null }] }]);
    return deleted === 0 ? NOTHING : DONE;
  }

  /** Null before the contract's first put. The caller owns it. */
  async #namingSecret({ id }: ContractName): Promise<Secret | null> {
    const bytes = await this.#states.get(id, NAMING_SECRET_KEY);
    if (bytes === null) return null;
    const secret = new Secret(bytes);
    if (secret.length === NAMING_SECRET_BYTES) return secret;
    throw new GatekeeperError("STORE_CORRUPT", `a contract's naming secret has ${secret.length} bytes`);
  }

  /** What a value is stored under: the store has it, so it is no secret any more. */
  #name(naming: Secret, key: Uint8Array): Uint8Array {
    using tag = this.#hmac.tag(naming, [LABEL, key]);
    return tag.use((bytes) => Uint8Array.from(bytes));
  }
}

const DONE: KeyValueAnswer = { tag: "done", value: undefined };
const NOTHING: KeyValueAnswer = { tag: "nothing", value: undefined };
