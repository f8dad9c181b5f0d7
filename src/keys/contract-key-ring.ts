/**
 * The contract keys that a thread is working with, under MasterKeys that it holds whole (t = 1): derived in batches, in
 * WebAssembly, and kept while they are likely to be asked for again, as a large contract's pages follow each other.
 *
 * Deriving a key by itself takes four to five times as long as in a batch: who knows what it will need asks for all of it.
 */
import type { KeyMaterial } from "../engine/page-engine.ts";
import { Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { type Secret, secretCopy } from "../secret.ts";
import { CONTRACT_ID_BYTES, checkContractId } from "../contract-id.ts";
import { contractKeyInfo, contractPrfs, expandContractKey } from "./contract-key.ts";
import { KEY_SUITE } from "./group.ts";
import type { MasterKey } from "./master-key.ts";

/** Contracts remembered, and the most that material can be asked for at once. */
export const CONTRACTS_REMEMBERED = 1_024;

/** One a thread, as it keeps nothing between calls and takes tens of milliseconds to make and check. */
let curve: Secp256k1 | undefined;

/** Owns copies of some MasterKey generations, and material derived from them; dispose wipes them all. */
export class ContractKeyRing implements Disposable {
  readonly #masterKeys = new Map<number, MasterKey>();
  /** By contract, in the order of last use; then by generation. */
  readonly #remembered = new Map<string, Map<number, KeyMaterial>>();
  readonly #cipherSuite: number;

  /**
   * @param masterKeys - the generations that may be asked for; copied, they stay the caller's.
   * @param cipherSuite - the suite byte of the sealed states that the keys are for.
   */
  constructor(masterKeys: readonly MasterKey[], cipherSuite: number) {
    this.#cipherSuite = cipherSuite;
    for (const key of masterKeys) this.#masterKeys.set(key.rotationId, key.clone());
  }

  /**
   * What contracts' keys are derived from, under one generation. It stays the ring's: it is wiped when the ring is
   * disposed or 1,024 other contracts have been asked for since.
   * @param contracts - ids, of 1,024 different contracts at most.
   * @returns one a contract, in their order; the same object for the same contract.
   * @throws GatekeeperError KEY_UNAVAILABLE for a generation that the ring was not given, INVALID_ARGUMENT for ids of
   * another length or too many.
   */
  materials(rotationId: number, contracts: readonly Uint8Array[]): KeyMaterial[] {
    const masterKey = this.#masterKeys.get(rotationId);
    if (masterKey === undefined) {
      throw new GatekeeperError("KEY_UNAVAILABLE", `MasterKey ${rotationId} is not held here`, { rotationId });
    }
    contracts.forEach(checkContractId);
    const names = contracts.map((contract) => Buffer.from(contract).toString("latin1"));
    const distinct = new Map(names.map((name, i) => [name, contracts[i]!]));
    if (distinct.size > CONTRACTS_REMEMBERED) {
      throw new GatekeeperError("INVALID_ARGUMENT", `keys of ${distinct.size} contracts were asked for at once`);
    }
    for (const name of distinct.keys()) this.#touch(name);
    this.#derive(
      masterKey,
      [...distinct].filter(([name]) => !this.#remembered.get(name)!.has(rotationId)),
    );
    return names.map((name) => this.#remembered.get(name)!.get(rotationId)!);
  }

  /**
   * Contracts' keys themselves, for records beside each other; the caller owns them.
   * @param contracts - ids, any number of them.
   * @throws GatekeeperError as `materials` does, but for how many there are.
   */
  keys(rotationId: number, contracts: readonly Uint8Array[]): Secret[] {
    const keys: Secret[] = [];
    try {
      for (let first = 0; first < contracts.length; first += CONTRACTS_REMEMBERED) {
        const some = contracts.slice(first, first + CONTRACTS_REMEMBERED);
        for (const { ikm, info } of this.materials(rotationId, some)) keys.push(expandContractKey(ikm, info));
      }
    } catch (error) {
      for (const key of keys) key[Symbol.dispose]();
      throw error;
    }
    return keys;
  }

  [Symbol.dispose](): void {
    for (const key of this.#masterKeys.values()) key[Symbol.dispose]();
    this.#masterKeys.clear();
    for (const materials of this.#remembered.values()) wipe(materials);
    this.#remembered.clear();
  }

  /** Makes a contract the one that was used last, and forgets the one that was used first if there are too many. */
  #touch(name: string): void {
    const materials = this.#remembered.get(name) ?? new Map<number, KeyMaterial>();
    this.#remembered.delete(name);
    this.#remembered.set(name, materials);
    if (this.#remembered.size > CONTRACTS_REMEMBERED) {
      const [oldest, forgotten] = this.#remembered.entries().next().value!;
      wipe(forgotten);
      this.#remembered.delete(oldest);
    }
  }

  /** Remembers the material of contracts, by name and id. */
  #derive(masterKey: MasterKey, contracts: readonly (readonly [name: string, id: Uint8Array])[]): void {
    if (contracts.length === 0) return;
    const { rotationId } = masterKey;
    const ids = new Uint8Array(contracts.length * CONTRACT_ID_BYTES);
    contracts.forEach(([, id], i) => {
      ids.set(id, i * CONTRACT_ID_BYTES);
    });
    curve ??= new Secp256k1();
    contractPrfs(curve, masterKey, ids, (i, prf) => {
      const [name, id] = contracts[i]!;
      const info = contractKeyInfo(KEY_SUITE.secp256k1, this.#cipherSuite, rotationId, id);
      this.#remembered.get(name)!.set(rotationId, { ikm: secretCopy(prf), info });
    });
  }
}

function wipe(materials: ReadonlyMap<number, KeyMaterial>): void {
  for (const { ikm } of materials.values()) ikm.fill(0);
}
