/**
 * The key material that threads rotate a network's partitions with: x(P) of contracts in both generations, handed over
 * in shared memory, so that no copy is made on the way or kept by a thread.
 *
 * An entry is contract id 32 ‖ x(P) of the generation that is left 32 ‖ x(P) of the one that records go to 32, in
 * ascending order of ids. Zeros stand for an x(P) that is not at hand: no element of either group has it.
 */
import { compareBytes } from "../bytes.ts";
import { CONTRACT_ID_BYTES, checkContractId } from "../contract-id.ts";
import type { KeyMaterial } from "../engine/page-engine.ts";
import type { SealedUnder } from "../engine/sealed-state.ts";
import { suiteId } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { PRF_BYTES, contractKeyInfo } from "../keys/contract-key.ts";
import type { KeySuite } from "../keys/group.ts";
import type { KeyPair } from "./page-steps.ts";

const ENTRY_BYTES = CONTRACT_ID_BYTES + 2 * PRF_BYTES;

/** A generation of the MasterKey, and what its contract keys are for. */
export interface Generation extends SealedUnder {
  readonly keySuite: KeySuite;
}

/** One contract's x(P), PRF_BYTES each; null where there is none at hand. They are copied and stay the caller's. */
export interface ContractPrfs {
  readonly contract: Uint8Array;
  readonly from: Uint8Array | null;
  readonly to: Uint8Array | null;
}

/** Keys as they cross threads: the memory is shared, the rest copied. */
export interface SharedPartitionKeys {
  readonly from: Generation;
  readonly to: Generation;
  readonly entries: SharedArrayBuffer;
}

/**
 * Lays key material out in shared memory. The caller owns it, and wipes it with `wipePartitionKeys` when no thread
 * works with it any more.
 * @param contracts - in any order, each once.
 * @throws GatekeeperError INVALID_ARGUMENT for an id or x(P) of another length, a contract given twice, or rotation ids
 * that do not follow each other.
 */
export function sharePartitionKeys(
  from: Generation,
  to: Generation,
  contracts: readonly ContractPrfs[],
): SharedPartitionKeys {
  if (to.rotationId !== from.rotationId + 1) {
    const message = `records can't go from rotation id ${from.rotationId} to ${to.rotationId}: it is not the next`;
    throw new GatekeeperError("INVALID_ARGUMENT", message);
  }
  const sorted = [...contracts].sort((a, b) => compareBytes(a.contract, b.contract));
  for (const [index, entry] of sorted.entries()) checkEntry(entry, sorted[index - 1]);
  const entries = new SharedArrayBuffer(sorted.length * ENTRY_BYTES);
  const bytes = new Uint8Array(entries);
  sorted.forEach((entry, index) => {
    const at = index * ENTRY_BYTES;
    bytes.set(entry.contract, at);
    if (entry.from !== null) bytes.set(entry.from, at + CONTRACT_ID_BYTES);
    if (entry.to !== null) bytes.set(entry.to, at + CONTRACT_ID_BYTES + PRF_BYTES);
  });
  return { from, to, entries };
}

function checkEntry(entry: ContractPrfs, before: ContractPrfs | undefined): void {
  checkContractId(entry.contract);
  for (const prf of [entry.from, entry.to]) {
    if (prf === null || prf.length === PRF_BYTES) continue;
    throw new GatekeeperError("INVALID_ARGUMENT", `an x(P) has ${PRF_BYTES} bytes, not ${prf.length}`);
  }
  if (before !== undefined && compareBytes(before.contract, entry.contract) === 0) {
    throw new GatekeeperError("INVALID_ARGUMENT", "a contract's key material was given twice");
  }
}

/** Wipes them, wherever they are shared: a thread that uses them after that fails with KEY_UNAVAILABLE. */
export function wipePartitionKeys({ entries }: SharedPartitionKeys): void {
  new Uint8Array(entries).fill(0);
}

/** The keys as one call looks them up. It holds no copy of any. */
export class PartitionKeys {
  readonly from: Generation;
  readonly to: Generation;
  readonly #bytes: Uint8Array;
  /** By where the entry begins: engines know by the object that keys are the same. */
  readonly #materials = new Map<number, { readonly from: KeyMaterial | null; readonly to: KeyMaterial | null }>();

  constructor({ from, to, entries }: SharedPartitionKeys) {
    this.from = from;
    this.to = to;
    this.#bytes = new Uint8Array(entries);
  }

  /** What a contract's key in the generation that is left is derived from: a view; null if it is not at hand. */
  old(contract: Uint8Array): KeyMaterial | null {
    return this.#find(contract)?.from ?? null;
  }

  /** The same in the generation that records go to. */
  fresh(contract: Uint8Array): KeyMaterial | null {
    return this.#find(contract)?.to ?? null;
  }

  /** Both; null where either is not at hand. */
  pair(contract: Uint8Array): KeyPair | null {
    const key = this.old(contract);
    const newKey = this.fresh(contract);
    return key === null || newKey === null ? null : { key, newKey };
  }

  #find(contract: Uint8Array): { readonly from: KeyMaterial | null; readonly to: KeyMaterial | null } | null {
    let low = 0;
    let high = this.#bytes.length / ENTRY_BYTES;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = middle * ENTRY_BYTES;
      const order = compareBytes(this.#bytes.subarray(at, at + CONTRACT_ID_BYTES), contract);
      if (order === 0) return this.#entry(at, contract);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return null;
  }

  #entry(at: number, contract: Uint8Array): { readonly from: KeyMaterial | null; readonly to: KeyMaterial | null } {
    let known = this.#materials.get(at);
    if (known === undefined) {
      const first = at + CONTRACT_ID_BYTES;
      known = {
        from: this.#material(first, this.from, contract),
        to: this.#material(first + PRF_BYTES, this.to, contract),
      };
      this.#materials.set(at, known);
    }
    return known;
  }

  #material(at: number, { keySuite, suite, rotationId }: Generation, contract: Uint8Array): KeyMaterial | null {
    const ikm = this.#bytes.subarray(at, at + PRF_BYTES);
    // No branch depends on a byte until the answer.
    if (ikm.reduce((any, byte) => any | byte, 0) === 0) return null;
    return { ikm, info: contractKeyInfo(keySuite, suiteId(suite), rotationId, contract) };
  }
}
