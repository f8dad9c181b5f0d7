/**
 * The embedded store: one SQLite file (node:sqlite, WAL) for the threads and processes of one machine.
 *
 * Each thread opens its own connection by path. A call does its work before it returns its promise (`compact` does it
 * in short steps), so it blocks its thread, at most 30 s while others hold a lock (then STORE_BUSY). Memory does not grow with the store. Commits are
 * durable by fsync. Freed space is zeroed as it is freed (secure_delete); `compact` frees what that misses
 * (embedded-compact.ts) and cuts off the log. What a file system or a disk keeps of overwritten blocks is beyond it.
 */
import { resolve } from "node:path";
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { compareBytes } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { checkAtLeastOne, checkCellName, checkCommit, checkContractId } from "./commit.ts";
import { CommitWriter, isSweep } from "./embedded-commit.ts";
import { compact } from "./embedded-compact.ts";
import { BUSY_WAIT_MS, SHORT_WAIT_MS, withShortWait } from "./database-file.ts";
import { createDatabase, openDatabase } from "./embedded-database.ts";
import { corrupt, storeError } from "./embedded-error.ts";
import { KeptReader } from "./embedded-kept.ts";
import { EmbeddedLog } from "./embedded-log.ts";
import { BEGINNING, END, firstOf } from "./embedded-place.ts";
import { asBytes, asNumber } from "./embedded-value.ts";
import { comparePlaces } from "./page.ts";
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
  StateStore,
} from "./store.ts";

/** Which file the embedded store opens. */
export interface EmbeddedStoreOptions {
  /** The store's file; SQLite keeps its log beside it. A relative path begins at the working directory. */
  readonly path: string;
  /** Makes a new store, and refuses if there is anything; false or absent: opens one, and refuses if there is none. */
  readonly create?: boolean;
}

/**
 * Opens or makes an embedded store; the `openStore` of a StoreModule.
 * @param options - EmbeddedStoreOptions, checked.
 * @throws GatekeeperError INVALID_ARGUMENT; ALREADY_EXISTS or NOT_FOUND; STORE_UNAVAILABLE for a file that can't be
 * opened, is another program's or of a newer format; STORE_CORRUPT for one that is damaged.
 */
export async function openStore(options: unknown): Promise<StateStore> {
  const { path, create } = checkOptions(options);
  const file = resolve(path);
  if (create === true) createDatabase(file);
  const database = openDatabase(file);
  try {
    return new EmbeddedStore(database, file);
  } catch (cause) {
    database.close();
    throw storeError(cause, file);
  }
}

function checkOptions(options: unknown): EmbeddedStoreOptions {
  if (typeof options === "object" && options !== null && "path" in options) {
    const { path, create, ...unknown } = options as Record<string, unknown>;
    const known = typeof path === "string" && path !== "" && (create === undefined || typeof create === "boolean");
    if (known && Object.keys(unknown).length === 0) return { path, create: create === true };
  }
  throw new GatekeeperError("INVALID_ARGUMENT", "an embedded store is opened with { path, create? } and nothing else");
}

/** Leaves out rows of `page` that are only kept. Where nothing is kept, that is known once for a whole statement. */
const NEWEST = `(NOT EXISTS (SELECT 1 FROM kept) OR NOT EXISTS (SELECT 1 FROM page AS newer WHERE
  newer.contract = page.contract AND newer.lower_bound = page.lower_bound AND newer.edition > page.edition))`;

type Row = readonly SQLOutputValue[];

class EmbeddedStore implements StateStore {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #writer: CommitWriter;
  readonly #keptReader: KeptReader;
  readonly #scan: StatementSync;
  readonly #find: StatementSync;
  readonly #minimum: StatementSync;
  readonly #counts: StatementSync;
  readonly #cell: StatementSync;
  readonly #cells: StatementSync;
  readonly #placeAfter: StatementSync;
  readonly #contracts: StatementSync;
  readonly #contract: StatementSync;
  readonly #log: EmbeddedLog;

  /** @param database - taken over: `close` closes it. */
  constructor(database: DatabaseSync, path: string) {
    const prepare = (sql: string): StatementSync => {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    };
    const place = "(contract, lower_bound)";
    this.#database = database;
    this.#path = path;
    this.#writer = new CommitWriter(database, path, () => this.#log.isBeingBegunAnew());
    this.#keptReader = new KeptReader(database, path);
    this.#scan = prepare(
      `SELECT contract, lower_bound, version, body FROM page
       WHERE ${place} >= (?, ?) AND ${place} < (?, ?) AND ${NEWEST} ORDER BY contract, lower_bound`,
    );
    this.#find = prepare(
      `SELECT contract, lower_bound, version, body FROM page
       WHERE contract = ? AND lower_bound <= ? ORDER BY lower_bound DESC, edition DESC LIMIT 1`,
    );
    this.#minimum = prepare("SELECT minimum_rotation_id FROM state");
    this.#counts = prepare("SELECT rotation_id, records FROM rotation_count ORDER BY rotation_id");
    this.#cell = prepare("SELECT name, version, value FROM cell WHERE name = ?");
    this.#cells = prepare("SELECT name, version, value FROM cell WHERE name >= ? AND name > ? ORDER BY name LIMIT ?");
    this.#placeAfter = prepare(
      `SELECT contract, lower_bound FROM page
       WHERE ${place} > (?, ?) AND contract < ? AND ${NEWEST} ORDER BY contract, lower_bound LIMIT 1 OFFSET ?`,
    );
    this.#contracts = prepare("SELECT id, kind, name, records FROM contract WHERE id > ? ORDER BY id LIMIT ?");
    this.#contract = prepare("SELECT id, kind, name, records FROM contract WHERE id = ?");
    // Last: what it has opened would stay open where anything behind it failed.
    this.#log = new EmbeddedLog(database, path);
  }

  scan(range: PageRange, after: PageRef | null, maxBytes: number): Promise<Page[]> {
    return this.#use(() => {
      const from = firstOf(range, after);
      const to = range.to ?? END;
      const pages: Page[] = [];
      let bytes = 0;
      // Leaving the loop ends the statement, and with it the snapshot that it read from.
      for (const row of this.#rows(this.#scan, from.contract, from.lowerBound, to.contract, to.lowerBound)) {
        const page = this.#page(row);
        const before = pages.at(-1);
        // In a damaged index places can go back, and a scan would never end.
        this.#checkOrder(before === undefined ? comparePlaces(page, from) >= 0 : comparePlaces(page, before) > 0);
        pages.push(page);
        bytes += page.body.length;
        if (bytes >= maxBytes) break;
      }
      return pages;
    });
  }

  find(contract: Uint8Array, key: Uint8Array): Promise<Page | null> {
    return this.#use(() => {
      const row = this.#row(this.#find, contract, key);
      if (row === null) return null;
      const page = this.#page(row);
      this.#checkOrder(compareBytes(page.contract, contract) === 0 && compareBytes(page.lowerBound, key) <= 0);
      return page;
    });
  }

  kept(range: PageRange, after: KeptRef | null, maxBytes: number): Promise<KeptPage[]> {
    return this.#use(() => this.#keptReader.pages(range, after, maxBytes));
  }

  keptStatements(range: PageRange, after: KeptRef | null, limit: number): Promise<KeptStatement[]> {
    return this.#use(() => {
      checkAtLeastOne(limit, "limit");
      return this.#keptReader.statements(range, after, limit);
    });
  }

  keptCount(): Promise<number> {
    return this.#use(() => this.#keptReader.count());
  }

  commit(commit: Commit): Promise<CommitResult> {
    return this.#use(() => {
      checkCommit(commit);
      const result = this.#writer.write(commit);
      this.#log.bound(isSweep(commit));
      return result;
    });
  }

  minimumRotationId(): Promise<number> {
    return this.#use(() => this.#number(this.#row(this.#minimum)?.[0]));
  }

  countByRotationId(): Promise<ReadonlyMap<number, number>> {
    return this.#use(() => {
      const counts = new Map<number, number>();
      for (const [rotationId, records] of this.#rows(this.#counts)) {
        counts.set(this.#number(rotationId), this.#number(records));
      }
      return counts;
    });
  }

  cell(name: string): Promise<Cell | null> {
    return this.#use(() => {
      checkCellName(name);
      const row = this.#row(this.#cell, name);
      return row === null ? null : this.#asCell(row);
    });
  }

  cells(prefix: string, after: string | null, limit: number): Promise<Cell[]> {
    return this.#use(() => {
      checkAtLeastOne(limit, "limit");
      const cells: Cell[] = [];
      for (const row of this.#rows(this.#cells, prefix, after ?? "", limit)) {
        const cell = this.#asCell(row);
        if (!cell.name.startsWith(prefix)) break;
        cells.push(cell);
      }
      return cells;
    });
  }

  partitionBounds(pagesEach: number): Promise<PageRef[]> {
    return this.#use(() => {
      checkAtLeastOne(pagesEach, "pagesEach");
      const bounds: PageRef[] = [];
      // The first step also passes the very first page, which bounds nothing.
      for (let place = BEGINNING, skip = pagesEach; ; skip = pagesEach - 1) {
        const row = this.#row(this.#placeAfter, place.contract, place.lowerBound, END.contract, skip);
        if (row === null) return bounds;
        const next = { contract: this.#bytes(row[0]), lowerBound: this.#bytes(row[1]) };
        this.#checkOrder(comparePlaces(next, place) > 0);
        bounds.push(next);
        place = next;
      }
    });
  }

  contracts(after: Uint8Array | null, limit: number): Promise<ContractEntry[]> {
    return this.#use(() => {
      checkAtLeastOne(limit, "limit");
      return Array.from(this.#rows(this.#contracts, after ?? BEGINNING.contract, limit), (row) => this.#entry(row));
    });
  }

  contract(id: Uint8Array): Promise<ContractEntry | null> {
    return this.#use(() => {
      checkContractId(id);
      const row = this.#row(this.#contract, id);
      return row === null ? null : this.#entry(row);
    });
  }

  sync(): Promise<void> {
    return this.#use(() => this.#log.sync());
  }

  async compact(): Promise<void> {
    const use = <T>(body: () => T): Promise<T> => this.#use(body);
    const cutOffLog = async (): Promise<void> => {
      // What keeps the log may be another compaction of this thread, which only goes on while this one sleeps.
      for (let waited = 0; waited < BUSY_WAIT_MS; waited += 2 * SHORT_WAIT_MS) {
        if (await use(() => withShortWait(this.#database, () => this.#log.cutOff()))) return;
        await sleep(SHORT_WAIT_MS);
      }
      const message = `store ${this.#path}: its log is still being read by another process; try again`;
      throw new GatekeeperError("STORE_BUSY", message, { path: this.#path });
    };
    await compact({ database: this.#database, path: this.#path, use, cutOffLog });
  }

  async close(): Promise<void> {
    if (!this.#database.isOpen) return;
    this.#log[Symbol.dispose]();
    this.#database.close();
  }

  /** Every use of the database: what it throws is typed, and arrives as a rejection. */
  async #use<T>(body: () => T): Promise<T> {
    if (!this.#database.isOpen) {
      throw new GatekeeperError("STORE_UNAVAILABLE", `store ${this.#path} was closed`, { path: this.#path });
    }
    try {
      return body();
    } catch (cause) {
      throw storeError(cause, this.#path);
    }
  }

  #rows(statement: StatementSync, ...values: SQLInputValue[]): Iterable<Row> {
    return statement.iterate(...values) as Iterable<unknown> as Iterable<Row>;
  }

  #row(statement: StatementSync, ...values: SQLInputValue[]): Row | null {
    return (statement.get(...values) as unknown as Row | undefined) ?? null;
  }

  #page([contract, lowerBound, version, body]: Row): Page {
    return {
      contract: this.#bytes(contract),
      lowerBound: this.#bytes(lowerBound),
      version: this.#number(version),
      body: this.#bytes(body),
    };
  }

  #asCell([name, version, value]: Row): Cell {
    if (typeof name !== "string") throw corrupt(this.#path, "a cell has no name");
    return { name, version: this.#number(version), value: this.#bytes(value) };
  }

  #entry([id, kind, name, records]: Row): ContractEntry {
    const named = kind !== null;
    return {
      id: this.#bytes(id),
      kind: named ? this.#number(kind) : null,
      name: named ? this.#bytes(name) : null,
      records: this.#number(records),
    };
  }

  #checkOrder(holds: boolean): void {
    if (!holds) throw corrupt(this.#path, "its pages are not in order");
  }

  #bytes(value: SQLOutputValue | undefined): Uint8Array {
    return asBytes(value, this.#path);
  }

  #number(value: SQLOutputValue | undefined): number {
    return asNumber(value, this.#path);
  }
}
