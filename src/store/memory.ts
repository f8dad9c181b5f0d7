/**
 * A store in this thread's memory, for tests and simulations. It keeps the whole contract of store.ts but lasts only
 * as long as the object; asked to, it loses the commits that a disk would not have had yet when the power failed.
 */
import { compareBytes, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import {
  CountChanges,
  checkAtLeastOne,
  checkCellName,
  checkCommit,
  checkContractId,
  checkRotationId,
  countAfter,
  expectationsOf,
  writtenTwice,
} from "./commit.ts";
import { KeptPages, type Undo } from "./memory-kept.ts";
import { comparePlaces } from "./page.ts";
import { countBefore } from "./sorted-array.ts";
import type {
  Cell,
  Commit,
  CommitResult,
  ContractEntry,
  KeptPage,
  KeptRef,
  KeptStatement,
  Page,
  PageRange,
  PageRef,
  PageWrite,
  StateStore,
} from "./store.ts";

/** How a store in memory behaves. */
export interface MemoryStoreOptions {
  /**
   * Every n-th commit makes itself and those before it durable; `crash()` takes back the others. 1 (so every commit
   * is durable when it resolves, as the contract says) unless a simulation wants otherwise.
   */
  readonly syncEvery?: number;
}

function compareNames(a: string, b: string): number {
  return compareBytes(Buffer.from(a), Buffer.from(b));
}

function copyOfPage(page: Page): Page {
  const { contract, lowerBound, version, body } = page;
  // No slice: a Buffer's is no copy.
  const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);
  return { contract: copy(contract), lowerBound: copy(lowerBound), version, body: copy(body) };
}

function copyOfEntry(entry: ContractEntry): ContractEntry {
  return { ...entry, id: entry.id.slice(), name: entry.name?.slice() ?? null };
}

/** A store of sealed states in memory; see store.ts for what every method promises. */
export class MemoryStore implements StateStore {
  readonly #syncEvery: number;
  /** In order of their places. */
  readonly #pages: Page[] = [];
  readonly #kept = new KeptPages();
  /** In order of their ids. */
  readonly #contracts: ContractEntry[] = [];
  readonly #cells = new Map<string, Cell>();
  readonly #counts = new Map<number, number>();
  #minimum = 0;
  /** The highest version that a removed cell had: a new cell begins above it. */
  #removedCellVersion = 0;
  /** What takes back the commits since the last sync, in the order of the changes. */
  #unsynced: Undo[] = [];
  #commitsSinceSync = 0;
  #closed = false;

  /** @throws GatekeeperError INVALID_ARGUMENT when `syncEvery` is not a whole number of at least 1. */
  constructor(options: MemoryStoreOptions = {}) {
    this.#syncEvery = options.syncEvery ?? 1;
    checkAtLeastOne(this.#syncEvery, "syncEvery");
  }

  /** What a power failure does: takes back the commits that were not durable yet. Afterwards the store is open. */
  crash(): void {
    this.#closed = false;
    for (const undo of this.#unsynced.reverse()) undo();
    this.#sync();
  }

  async scan(range: PageRange, after: PageRef | null, maxBytes: number): Promise<Page[]> {
    this.#checkOpen();
    const pages: Page[] = [];
    let bytes = 0;
    for (let at = this.#firstOf(range, after); at < this.#pages.length; at++) {
      const page = this.#pages[at]!;
      if (range.to !== null && comparePlaces(page, range.to) >= 0) break;
      pages.push(copyOfPage(page));
      bytes += page.body.length;
      if (bytes >= maxBytes) break;
    }
    return pages;
  }

  async find(contract: Uint8Array, key: Uint8Array): Promise<Page | null> {
    this.#checkOpen();
    const place = { contract, lowerBound: key };
    const page = this.#pages[countBefore(this.#pages, (other) => comparePlaces(other, place) <= 0) - 1];
    return page === undefined || compareBytes(page.contract, contract) !== 0 ? null : copyOfPage(page);
  }

  async kept(range: PageRange, after: KeptRef | null, maxBytes: number): Promise<KeptPage[]> {
    this.#checkOpen();
    return this.#kept.pages(range, after, maxBytes);
  }

  async keptStatements(range: PageRange, after: KeptRef | null, limit: number): Promise<KeptStatement[]> {
    this.#checkOpen();
    checkAtLeastOne(limit, "limit");
    return this.#kept.statements(range, after, limit);
  }

  async keptCount(): Promise<number> {
    this.#checkOpen();
    return this.#kept.count;
  }

  async commit(commit: Commit): Promise<CommitResult> {
    this.#checkOpen();
    checkCommit(commit);
    checkRotationId(commit, this.#minimum);
    const held = expectationsOf(commit).every(
      ({ name, expected }) => (this.#cells.get(name)?.version ?? null) === expected,
    );
    if (!held) {
      return { conflicts: [], cellsHeld: false };
    }
    const undo: Undo[] = [];
    try {
      const conflicts = this.#apply(commit, undo);
      this.#unsynced.push(...undo);
      this.#commitsSinceSync++;
      if (this.#commitsSinceSync >= this.#syncEvery) this.#sync();
      return { conflicts, cellsHeld: true };
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  async minimumRotationId(): Promise<number> {
    this.#checkOpen();
    return this.#minimum;
  }

  async countByRotationId(): Promise<ReadonlyMap<number, number>> {
    this.#checkOpen();
    return new Map([...this.#counts].sort(([a], [b]) => a - b));
  }

  async cell(name: string): Promise<Cell | null> {
    this.#checkOpen();
    checkCellName(name);
    const cell = this.#cells.get(name);
    return cell === undefined ? null : { ...cell, value: cell.value.slice() };
  }

  async cells(prefix: string, after: string | null, limit: number): Promise<Cell[]> {
    this.#checkOpen();
    checkAtLeastOne(limit, "limit");
    return [...this.#cells.values()]
      .filter(({ name }) => name.startsWith(prefix) && (after === null || compareNames(name, after) > 0))
      .sort((a, b) => compareNames(a.name, b.name))
      .slice(0, limit)
      .map((cell) => ({ ...cell, value: cell.value.slice() }));
  }

  async partitionBounds(pagesEach: number): Promise<PageRef[]> {
    this.#checkOpen();
    checkAtLeastOne(pagesEach, "pagesEach");
    return this.#pages
      .filter((_, at) => at > 0 && at % pagesEach === 0)
      .map(({ contract, lowerBound }) => ({ contract: contract.slice(), lowerBound: lowerBound.slice() }));
  }

  async contracts(after: Uint8Array | null, limit: number): Promise<ContractEntry[]> {
    this.#checkOpen();
    checkAtLeastOne(limit, "limit");
    const from = after === null ? 0 : countBefore(this.#contracts, ({ id }) => compareBytes(id, after) <= 0);
    return this.#contracts.slice(from, from + limit).map(copyOfEntry);
  }

  async contract(id: Uint8Array): Promise<ContractEntry | null> {
    this.#checkOpen();
    checkContractId(id);
    const entry = this.#contracts[this.#contractAt(id)];
    return entry === undefined || compareBytes(entry.id, id) !== 0 ? null : copyOfEntry(entry);
  }

  async sync(): Promise<void> {
    this.#checkOpen();
    this.#sync();
  }

  /** Replaced bytes are left to the garbage collector: nothing of this store is on a disk. */
  async compact(): Promise<void> {
    this.#checkOpen();
    this.#sync();
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new GatekeeperError("STORE_UNAVAILABLE", "the store in memory was closed");
  }

  #sync(): void {
    this.#unsynced = [];
    this.#commitsSinceSync = 0;
  }

  #firstOf(range: PageRange, after: PageRef | null): number {
    const { from } = range;
    return countBefore(this.#pages, (page) => {
      const beforeRange = from !== null && comparePlaces(page, from) < 0;
      return beforeRange || (after !== null && comparePlaces(page, after) <= 0);
    });
  }

  #contractAt(id: Uint8Array): number {
    return countBefore(this.#contracts, (entry) => compareBytes(entry.id, id) < 0);
  }

  /** Applies everything but what the cells' versions forbid; pushes the way back. Returns the conflicts. */
  #apply(commit: Commit, undo: Undo[]): number[] {
    const conflicts: number[] = [];
    const changes = new CountChanges();
    commit.groups.forEach((group, index) => {
      if (group.every((write) => this.#holds(write))) for (const write of group) this.#write(write, changes, undo);
      else conflicts.push(index);
    });
    for (const { id, records } of changes.contracts.values()) this.#changeContract(id, { records }, undo);
    for (const { id, kind, name } of commit.contracts ?? []) this.#changeContract(id, { kind, name }, undo);
    for (const [rotationId, change] of changes.rotationIds) this.#changeCount(rotationId, change, undo);
    if (conflicts.length > 0) return conflicts;
    for (const { name, value } of commit.cells ?? []) this.#writeCell(name, value, undo);
    for (const ref of commit.drop ?? []) undo.push(this.#kept.drop(ref));
    const before = this.#minimum;
    this.#minimum = commit.minimumRotationId ?? before;
    undo.push(() => {
      this.#minimum = before;
    });
    return conflicts;
  }

  #pageAt(place: PageRef): { at: number; page: Page | null } {
    const at = countBefore(this.#pages, (page) => comparePlaces(page, place) < 0);
    const page = this.#pages[at];
    return { at, page: page !== undefined && comparePlaces(page, place) === 0 ? page : null };
  }

  #holds(write: PageWrite): boolean {
    return (this.#pageAt(write).page?.version ?? null) === write.expected;
  }

  #write(write: PageWrite, changes: CountChanges, undo: Undo[]): void {
    const { contract, lowerBound, expected, body, keep } = write;
    const { at, page } = this.#pageAt(write);
    if ((page?.version ?? null) !== expected) throw writtenTwice(write);
    const written = copyOfPage({ contract, lowerBound, version: (expected ?? 0) + 1, body });
    this.#pages.splice(at, page === null ? 0 : 1, written);
    undo.push(() => this.#pages.splice(this.#pageAt(written).at, 1, ...(page === null ? [] : [page])));
    if (page !== null && keep !== undefined) undo.push(this.#kept.add(page, keep));
    changes.add(write);
  }

  #changeContract(
    id: Uint8Array,
    change: { records: number } | { kind: number; name: Uint8Array },
    undo: Undo[],
  ): void {
    const at = this.#contractAt(id);
    const there = this.#contracts[at];
    const known = there !== undefined && compareBytes(there.id, id) === 0;
    const before: ContractEntry = known ? there : { id: id.slice(), kind: null, name: null, records: 0 };
    let after = before;
    if ("records" in change) {
      after = { ...before, records: countAfter(before.records, change.records, `contract ${toHex(id)}`) };
    } else if (before.kind === null) {
      after = { ...before, kind: change.kind, name: change.name.slice() };
    }
    this.#contracts.splice(at, known ? 1 : 0, after);
    undo.push(() => this.#contracts.splice(this.#contractAt(after.id), 1, ...(known ? [before] : [])));
  }

  #changeCount(rotationId: number, change: number, undo: Undo[]): void {
    const before = this.#counts.get(rotationId) ?? 0;
    const set = (count: number): void => {
      if (count === 0) this.#counts.delete(rotationId);
      else this.#counts.set(rotationId, count);
    };
    set(countAfter(before, change, `rotation id ${rotationId}`));
    undo.push(() => set(before));
  }

  #writeCell(name: string, value: Uint8Array | null, undo: Undo[]): void {
    const before = this.#cells.get(name);
    const removedCellVersion = this.#removedCellVersion;
    if (value === null) {
      this.#cells.delete(name);
      this.#removedCellVersion = Math.max(removedCellVersion, before?.version ?? 0);
    } else {
      const version = (before?.version ?? removedCellVersion) + 1;
      this.#cells.set(name, { name, version, value: value.slice() });
    }
    undo.push(() => {
      this.#removedCellVersion = removedCellVersion;
      if (before === undefined) this.#cells.delete(name);
      else this.#cells.set(name, before);
    });
  }
}
