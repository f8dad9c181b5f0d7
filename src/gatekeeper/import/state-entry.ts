/** What every import format is turned into: one state of one contract, in plaintext. */
import type { ContractKind } from "../../contract-id.ts";

/**
 * One state of a contract. The bytes belong to whoever received the entry and may be wiped; entries that arrived
 * together may share an ArrayBuffer, so it must not be transferred.
 */
export interface StateEntry {
  readonly kind: ContractKind;
  /** The chain's own name of the contract: an address, a pallet prefix, a trie id, ":". */
  readonly name: Uint8Array;
  /** The storage key, 0 … 4,096 bytes. */
  readonly key: Uint8Array;
  /** The plaintext, 0 … 16 MiB. */
  readonly value: Uint8Array;
}

/** Longest storage key; also the longest native name. */
export const KEY_BYTES_MAX = 4096;
/** Longest plaintext of one state. */
export const VALUE_BYTES_MAX = 16 * 1024 * 1024;
