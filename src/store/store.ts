/**
 * The store contract: what a store of sealed states promises. Two stores of this project keep it (embedded.ts,
 * memory.ts), one suite tests it (test/store/contract.ts), and a caller's own store may keep it too.
 *
 * A store is an ordered map of pages. A page holds consecutive records of one contract (page.ts gives its bytes),
 * each sealed by itself; the page is only how they lie, and what compare-and-swap compares. The store never parses a
 * record and never sees a plaintext. Pages are ordered by contract id, then by lower bound, and a page covers the
 * storage keys from its lower bound up to the next page's of the same contract. Pages split but never disappear.
 *
 * A body that is replaced can be kept aside, with who replaced it and what he says of it. Nothing that reads pages sees
 * kept bodies, later writes leave them, and they stay at the place that they had, whatever splits there.
 *
 * Every method is safe to call from several threads and processes that opened the same store.
 */

/** Where a page lies. */
export interface PageRef {
  /** Contract id, 32 bytes. */
  readonly contract: Uint8Array;
  /** The smallest storage key that the page covers; empty for a contract's first page. */
  readonly lowerBound: Uint8Array;
}

/** A page as it was read: the caller owns `body`, may overwrite it, and may free its buffer if that holds nothing else. */
export interface Page extends PageRef {
  /** 1 when the page is made, raised by one with every write of it; what compare-and-swap compares. */
  readonly version: number;
  /** The bytes of page.ts. */
  readonly body: Uint8Array;
}

/**
 * A change of the number of records under one rotation id: `[rotation id, records added (negative: removed)]`. A number does not
 * fall below zero.
 */
export type RotationCount = readonly [rotationId: number, records: number];

/** One page to be written, if it still is as it was read. */
export interface PageWrite extends PageRef {
  /** The version that was read, or null where no page may lie yet. */
  readonly expected: number | null;
  readonly body: Uint8Array;
  /** What this write changes in the store's count by rotation id. */
  readonly counts: readonly RotationCount[];
  /** Keeps the body that is replaced, until a commit drops it; absent: nothing of it is left. Only where a page lies. */
  readonly keep?: Keep;
}

/** Who replaces a page, and what is said of that: kept with the body that is replaced. */
export interface Keep {
  /** 1 … 64 bytes. */
  readonly by: Uint8Array;
  /** 32 bytes. */
  readonly statement: Uint8Array;
}

/** Names a body that was replaced and kept. One place may have several. */
export interface KeptRef extends PageRef {
  /** The version of the page that was replaced; the one that took its place had the next. */
  readonly version: number;
}

/** What is said of a kept body. */
export interface KeptStatement extends KeptRef, Keep {}

/** A body that was replaced and kept: the caller owns it as that of a Page. */
export interface KeptPage extends KeptStatement {
  readonly body: Uint8Array;
}

/** A small named value with a version of its own: rotation phase, leases and checkpoints live in cells. */
export interface Cell {
  /** 1 … 1,024 bytes of UTF-8 without NUL. */
  readonly name: string;
  /**
   * Raised by one with every write of the cell. A new cell begins above every version that a removed cell of the
   * store ever had, so whoever read a cell before it was removed and made anew can't take one for the other.
   */
  readonly version: number;
  /** As long as the longest body of a page and 8 KiB, at most: 16 MiB and some 12 KiB. */
  readonly value: Uint8Array;
}

/** A cell to be written, if it still is as it was read. */
export interface CellWrite {
  readonly name: string;
  /** The version that was read, or null where the cell may not exist yet. */
  readonly expected: number | null;
  /** The new value; null removes the cell. */
  readonly value: Uint8Array | null;
}

/** A cell that must be as it was read, and is not written. */
export interface CellExpectation {
  readonly name: string;
  /** The version that was read, or null where the cell may not exist. */
  readonly expected: number | null;
}

/** A contract's display name, recorded once. */
export interface ContractName {
  /** Contract id, 32 bytes. */
  readonly id: Uint8Array;
  /** What kind of native name it is; contract-id.ts numbers them. */
  readonly kind: number;
  /** The chain's own name of the contract: an address, a pallet prefix, a trie id. */
  readonly name: Uint8Array;
}

/** A contract with the number of its records. */
export interface ContractEntry {
  readonly id: Uint8Array;
  /** Null when no name was recorded. */
  readonly kind: number | null;
  readonly name: Uint8Array | null;
  readonly records: number;
}

/** Everything that one transaction writes. */
export interface Commit {
  /** Groups of page writes: each group is applied whole or not at all (the halves of a split are one group). */
  readonly groups: readonly (readonly PageWrite[])[];
  /** The lowest rotation id that a record of this commit was newly sealed under; null if none was sealed. */
  readonly sealedUnder: number | null;
  /** Names to record, whether or not every group was applied; those already there are left. */
  readonly contracts?: readonly ContractName[];
  /** Written in the same transaction, and only if every group was applied. */
  readonly cells?: readonly CellWrite[];
  /** Cells that this commit depends on: none of it is applied unless they are as they were read. None is among `cells`. */
  readonly expects?: readonly CellExpectation[];
  /** Raises the minimum rotation id to this, in the same transaction and under the same condition as the cells. */
  readonly minimumRotationId?: number;
  /** Kept bodies to forget, in the same transaction and under the same condition as the cells; those not there are left. */
  readonly drop?: readonly KeptRef[];
  /**
   * Whether it need not be on disk when the promise resolves: where the machine fails, and not the process alone, it may be gone
   * then, with all that came after it, unless a commit after it is on disk, or `sync` was called. For what can be done again.
   */
  readonly mayBeLost?: boolean;
}

/** What a commit did. */
export interface CommitResult {
  /** Indices of groups whose expected versions no longer held: they were not applied, and neither were the cells. */
  readonly conflicts: readonly number[];
  /** False when the expected version of a cell, written or not, no longer held: then nothing at all was applied, and `conflicts` is empty. */
  readonly cellsHeld: boolean;
}

/** A half-open range of pages: from `from` (included; null: the beginning) to `to` (excluded; null: the end). */
export interface PageRange {
  readonly from: PageRef | null;
  readonly to: PageRef | null;
}

/** A store of sealed states. Every promise rejects with GatekeeperError STORE_* on failure of the store itself. */
export interface StateStore {
  /**
   * The next pages of a range in order: those after `after` (null: from the beginning of the range), at least one
   * if there is any, and no more once `maxBytes` of bodies are reached. Holds no snapshot between calls.
   */
  scan(range: PageRange, after: PageRef | null, maxBytes: number): Promise<Page[]>;

  /** The page that covers a storage key, or null if the contract has none there. */
  find(contract: Uint8Array, key: Uint8Array): Promise<Page | null>;

  /**
   * The next kept bodies whose places lie in a range, in order of place, then version: those after `after` (null: from
   * the beginning of the range), at least one if there is any, and no more once `maxBytes` of bodies are reached.
   */
  kept(range: PageRange, after: KeptRef | null, maxBytes: number): Promise<KeptPage[]>;

  /** As `kept`, at most `limit` of them and fewer only where there are no more, without reading the bodies. */
  keptStatements(range: PageRange, after: KeptRef | null, limit: number): Promise<KeptStatement[]>;

  /** Number of kept bodies in the whole store. */
  keptCount(): Promise<number>;

  /**
   * Applies a commit in one transaction; resolves once it is durable.
   * @throws GatekeeperError ROTATION_ID_RETIRED, applying nothing, when `sealedUnder` is below the minimum
   * rotation id; INVALID_ARGUMENT when `minimumRotationId` would lower it or is above `sealedUnder`, when a group
   * writes a page twice or the commit names a cell twice, or a value is out of its range; RECORD_TOO_LARGE; STORE_CORRUPT
   * when a count would be no safe integer; STORE_FULL when no space is left.
   */
  commit(commit: Commit): Promise<CommitResult>;

  /** The lowest rotation id that a commit may seal under; 0 in a new store. */
  minimumRotationId(): Promise<number>;

  /** Number of records by rotation id, without zeros, kept in the transaction of every commit. */
  countByRotationId(): Promise<ReadonlyMap<number, number>>;

  cell(name: string): Promise<Cell | null>;

  /** Cells whose names begin with `prefix`, in byte order of their names, after `after`, at most `limit`. */
  cells(prefix: string, after: string | null, limit: number): Promise<Cell[]>;

  /** Every `pagesEach`-th page's place in order, without the first: the inner bounds of equal partitions. */
  partitionBounds(pagesEach: number): Promise<PageRef[]>;

  /** Contracts in order of their id, after `after`, at most `limit`; those whose pages are all empty too. */
  contracts(after: Uint8Array | null, limit: number): Promise<ContractEntry[]>;

  /** One contract's entry, or null if the store has neither a page nor a name of it. */
  contract(id: Uint8Array): Promise<ContractEntry | null>;

  /** Brings on disk what was committed before by anybody, whether or not it might have been lost. */
  sync(): Promise<void>;

  /** Makes what earlier commits replaced unreadable on disk: freed space is zeroed and logs are truncated. */
  compact(): Promise<void>;

  close(): Promise<void>;
}

/** How a store reaches a thread: the module is imported there and its `openStore(options)` is called. */
export interface StoreLocation {
  /** URL of a module that exports `openStore`. */
  readonly module: string;
  /** Handed to `openStore`; must survive structured cloning and hold no secret. */
  readonly options: unknown;
}

/** What a store module exports. */
export interface StoreModule {
  openStore(options: unknown): Promise<StateStore>;
}
