/** Where the keys come from that contracts' states are sealed under. */
import { toHex } from "../bytes.ts";
import type { KeyMaterial } from "../engine/page-engine.ts";
import type { SealedUnder } from "../engine/sealed-state.ts";
import { type Suite, suiteId } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { ContractKeyRing } from "../keys/contract-key-ring.ts";
import { contractKeyInfo } from "../keys/contract-key.ts";
import { KEY_SUITE } from "../keys/group.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { readRotation } from "../rotation/control.ts";
import type { Secret } from "../secret.ts";
import type { StateStore } from "../store/store.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";

/** Keys of contracts, of one generation of the MasterKey or several. */
export interface ContractKeys {
  /** The generation that writes go under. @throws GatekeeperError KEY_UNAVAILABLE when there is none; STORE_*. */
  current(): Promise<number>;

  /** Resolves when writes may go under another generation than this one, which the store does not take any more. */
  after(rotationId: number): Promise<void>;

  /**
   * Makes sure that `keys` gives those of these generations.
   * @throws GatekeeperError KEY_UNAVAILABLE when one of them does not exist; then all is as it was.
   */
  hold(rotationIds: readonly number[]): Promise<void>;

  /** What states are sealed with under a generation. @throws GatekeeperError KEY_UNAVAILABLE for one that is not held. */
  suite(rotationId: number): Suite;

  /**
   * Contracts' keys; the caller owns them.
   * @param contracts - ids.
   * @throws GatekeeperError KEY_UNAVAILABLE for a generation that is not held; KEY_NOT_PROVISIONED for a contract without a
   * key.
   */
  keys(rotationId: number, contracts: readonly Uint8Array[]): Secret[];

  /**
   * What contracts' keys of a generation are derived from, for states in a suite. It stays whose it is: for use at once.
   * @param contracts - ids; at most 1,024 different ones.
   * @throws GatekeeperError as `keys` does.
   */
  materials(under: SealedUnder, contracts: readonly Uint8Array[]): KeyMaterial[];
}

/** Derived from MasterKeys that are whole, as a local home has them. Owns what it holds; dispose wipes it. */
export class MasterKeyRing implements ContractKeys, Disposable {
  readonly #store: StateStore;
  readonly #suite: Suite;
  readonly #masterKey: (rotationId: number) => Promise<MasterKey>;
  #ring: ContractKeyRing | null = null;
  #rotationIds: readonly number[] = [];
  /** The last change of the ring: calls that run beside each other change it one after the other. */
  #holding: Promise<void> = Promise.resolve();

  /**
   * @param store - says which generation is current.
   * @param masterKey - gives a generation into the hands of the caller; KEY_UNAVAILABLE once it is destroyed.
   */
  constructor(store: StateStore, suite: Suite, masterKey: (rotationId: number) => Promise<MasterKey>) {
    this.#store = store;
    this.#suite = suite;
    this.#masterKey = masterKey;
  }

  async current(): Promise<number> {
    return (await readRotation(this.#store)).value.rotationId;
  }

  /** The store that refused it says at once which one is current. */
  after(): Promise<void> {
    return Promise.resolve();
  }

  /** Of the generations that it held before, the newest two stay if they still exist. */
  hold(rotationIds: readonly number[]): Promise<void> {
    const held = this.#holding.then(() => this.#changeRing(rotationIds));
    this.#holding = held.catch(() => undefined);
    return held;
  }

  /** A home has one. */
  suite(): Suite {
    return this.#suite;
  }

  keys(rotationId: number, contracts: readonly Uint8Array[]): Secret[] {
    if (this.#ring === null) throw new GatekeeperError("KEY_UNAVAILABLE", "no contract keys are held");
    return this.#ring.keys(rotationId, contracts);
  }

  materials({ rotationId, suite }: SealedUnder, contracts: readonly Uint8Array[]): KeyMaterial[] {
    if (this.#ring === null) throw new GatekeeperError("KEY_UNAVAILABLE", "no contract keys are held");
    return this.#ring.materials(rotationId, contracts).map(({ ikm }, index) => {
      return { ikm, info: contractKeyInfo(KEY_SUITE.secp256k1, suiteId(suite), rotationId, contracts[index]!) };
    });
  }

  [Symbol.dispose](): void {
    this.#ring?.[Symbol.dispose]();
    this.#ring = null;
  }

  async #changeRing(rotationIds: readonly number[]): Promise<void> {
    if (this.#ring !== null && rotationIds.every((id) => this.#rotationIds.includes(id))) return;
    const newest = Math.max(...rotationIds, ...this.#rotationIds);
    const kept = this.#rotationIds.filter((id) => id >= newest - 1 && !rotationIds.includes(id));
    const held: MasterKey[] = [];
    try {
      for (const id of new Set(rotationIds)) held.push(await this.#masterKey(id));
      for (const id of kept) {
        const key = await this.#masterKeyIfLeft(id);
        if (key !== null) held.push(key);
      }
      this[Symbol.dispose]();
      this.#ring = new ContractKeyRing(held, suiteId(this.#suite));
      this.#rotationIds = held.map(({ rotationId }) => rotationId);
    } finally {
      for (const key of held) key[Symbol.dispose]();
    }
  }

  async #masterKeyIfLeft(rotationId: number): Promise<MasterKey | null> {
    try {
      return await this.#masterKey(rotationId);
    } catch (error) {
      if (error instanceof GatekeeperError && error.code === "KEY_UNAVAILABLE") return null;
      throw error;
    }
  }
}

/** Those that gatekeepers have given, which are lent: they come and go as the chain has it. */
export function provisionedContractKeys(provisioned: ProvisionedKeys): ContractKeys {
  return {
    // Within a promise, so that what is thrown is a rejection.
    current: async () => provisioned.current(),
    after: (rotationId) => provisioned.after(rotationId),
    hold: async (rotationIds) => {
      for (const rotationId of rotationIds) provisioned.group(rotationId);
    },
    suite: (rotationId) => provisioned.suite(rotationId),
    keys: (rotationId, contracts) => provisioned.keys(rotationId, contracts),
    materials: ({ rotationId, suite }, contracts) => {
      const { keySuite } = provisioned.group(rotationId);
      return contracts.map((id) => ({
        ikm: provisioned.prf(rotationId, toHex(id)),
        info: contractKeyInfo(keySuite, suiteId(suite), rotationId, id),
      }));
    },
  };
}
