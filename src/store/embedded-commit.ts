/**
 * The embedded store's write transaction: compare-and-swap, kept bodies, counts, cells and the minimum rotation id in one.
 *
 * The page of a place is its row with the highest edition. Where a body is kept, its row is left as it is and the new
 * body becomes a row of the next edition; any other write changes the newest row.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { toHex } from "../bytes.ts";
import { BUSY_WAIT_MS } from "./database-file.ts";
import { corrupt, isBusy } from "./embedded-error.ts";
import { CountChanges, checkRotationId, countAfter, expectationsOf, writtenTwice } from "./commit.ts";
import { asNumber } from "./embedded-value.ts";
import type { CellWrite, Commit, CommitResult, ContractName, KeptRef, PageWrite } from "./store.ts";

/**
 * How others that write are waited for. SQLite asks again after 1, 2, 5, 10 … 100 ms, longer than most commits take; of
 * two threads that sweep, one would mostly sleep beside a store where nobody writes. To ask costs 50 µs of a processor, with
 * the sleep. So who begins to wait asks often, and then less and less, down to every millisecond. Who has waited for long asks
 * less often still, but never so rarely that those who came later are always first: measured with eight threads that do
 * nothing but commit, the longest wait in some seconds was 3 to 5 s where SQLite waited after the first 20 ms, and 1 to 1.5 s
 * so.
 *
 * A commit of many pages is a sweep's, or drops what one has kept: nobody waits for it, and where there are more threads than
 * processors asking is what others could compute with. Of five threads that sweep, on two processors, each spent an eighth of its
 * time so. It asks more rarely, and whoever writes little comes before it.
 */
interface Patience {
  readonly firstMs: number;
  readonly growth: number;
  readonly mostMs: number;
  /** When it has asked POLLS times. */
  readonly laterMs: number;
}
const WRITER: Patience = { firstMs: 0.2, growth: 1.1, mostMs: 1, laterMs: 2 };
const SWEEP: Patience = { firstMs: 1, growth: 1.5, mostMs: 5, laterMs: 5 };
const POLLS = 100;
/** How often a sweep asks whether it is still to give way to who is not writing, at most: he may have died. */
const GIVE_WAY_POLLS = 40;
const GIVE_WAY_MS = 1;
/** Pages that a commit which is a sweep's writes, or drops, at the least. */
const SWEEP_PAGES = 16;
const NEVER_NOTIFIED = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** @param asked - how often in vain. */
function pollMilliseconds({ firstMs, growth, mostMs, laterMs }: Patience, asked: number): number {
  return asked < POLLS ? Math.min(firstMs * growth ** asked, mostMs) : laterMs;
}

/** Whether it is a sweep's commit, or one that drops what was kept, which nobody waits for; or as large as one. */
export function isSweep({ groups, drop }: Commit): boolean {
  return groups.length + (drop?.length ?? 0) >= SWEEP_PAGES;
}

/** Writes commits through one connection, with statements that are compiled once. */
export class CommitWriter {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #giveWay: () => boolean;
  readonly #pageVersion: StatementSync;
  readonly #insertPage: StatementSync;
  readonly #updatePage: StatementSync;
  readonly #insertNewer: StatementSync;
  readonly #keepNewest: StatementSync;
  readonly #keptEdition: StatementSync;
  readonly #removeBody: StatementSync;
  readonly #removeKept: StatementSync;
  readonly #recordsOfContract: StatementSync;
  readonly #setRecordsOfContract: StatementSync;
  readonly #nameContract: StatementSync;
  readonly #count: StatementSync;
  readonly #setCount: StatementSync;
  readonly #dropCount: StatementSync;
  readonly #state: StatementSync;
  readonly #setMinimum: StatementSync;
  readonly #setRemovedCellVersion: StatementSync;
  readonly #cellVersion: StatementSync;
  readonly #setCell: StatementSync;
  readonly #removeCell: StatementSync;

  /**
   * @param path - the store's file, for messages.
   * @param giveWay - whether a sweep is to wait for somebody who is not writing.
   */
  constructor(database: DatabaseSync, path: string, giveWay: () => boolean) {
    const place = "contract = ? AND lower_bound = ?";
    this.#database = database;
    this.#path = path;
    this.#giveWay = giveWay;
    const newest = `id = (SELECT id FROM page WHERE ${place} ORDER BY edition DESC LIMIT 1)`;
    this.#pageVersion = database.prepare(`SELECT version FROM page WHERE ${newest}`);
    // OR FAIL: what fails is rolled back with its transaction, so that SQLite need not keep what a statement alone has changed.
    // A place never loses its newest row, but it may have lost that of edition 0.
    this.#insertPage = database.prepare(
      `INSERT OR FAIL INTO page (contract, lower_bound, version, body) SELECT ?1, ?2, 1, ?3
       WHERE NOT EXISTS (SELECT 1 FROM page WHERE contract = ?1 AND lower_bound = ?2)`,
    );
    this.#updatePage = database.prepare(
      `UPDATE page SET version = version + 1, body = ? WHERE ${newest} AND version = ?`,
    );
    this.#insertNewer = database.prepare(
      `INSERT OR FAIL INTO page (contract, lower_bound, edition, version, body)
       SELECT contract, lower_bound, edition + 1, version + 1, ? FROM page WHERE ${newest} AND version = ?`,
    );
    this.#keepNewest = database.prepare(
      `INSERT OR FAIL INTO kept (contract, lower_bound, version, edition, replaced_by, statement)
       SELECT contract, lower_bound, version, edition, ?, ? FROM page WHERE ${newest} AND version = ?`,
    );
    this.#keptEdition = database.prepare(`SELECT edition FROM kept WHERE ${place} AND version = ?`);
    this.#removeBody = database.prepare(`DELETE FROM page WHERE ${place} AND edition = ? AND version = ?`);
    this.#removeKept = database.prepare(`DELETE FROM kept WHERE ${place} AND version = ?`);
    this.#recordsOfContract = database.prepare("SELECT records FROM contract WHERE id = ?");
    this.#setRecordsOfContract = database.prepare(
      "INSERT INTO contract (id, records) VALUES (?, ?) ON CONFLICT DO UPDATE SET records = excluded.records",
    );
    this.#nameContract = database.prepare(
      `INSERT INTO contract (id, kind, name, records) VALUES (?, ?, ?, 0)
       ON CONFLICT DO UPDATE SET kind = excluded.kind, name = excluded.name WHERE kind IS NULL`,
    );
    this.#count = database.prepare("SELECT records FROM rotation_count WHERE rotation_id = ?");
    this.#setCount = database.prepare("INSERT OR REPLACE INTO rotation_count (rotation_id, records) VALUES (?, ?)");
    this.#dropCount = database.prepare("DELETE FROM rotation_count WHERE rotation_id = ?");
    this.#state = database.prepare("SELECT minimum_rotation_id, removed_cell_version FROM state");
    this.#setMinimum = database.prepare("UPDATE state SET minimum_rotation_id = ?");
    this.#setRemovedCellVersion = database.prepare("UPDATE state SET removed_cell_version = ?");
    this.#cellVersion = database.prepare("SELECT version FROM cell WHERE name = ?");
    this.#setCell = database.prepare("INSERT OR REPLACE INTO cell (name, version, value) VALUES (?, ?, ?)");
    this.#removeCell = database.prepare("DELETE FROM cell WHERE name = ?");
  }

  /**
   * Applies a commit that checkCommit accepted; see StateStore.commit. Durable when it returns, unless it may be lost.
   * @throws GatekeeperError of the commit, or SQLite's error; nothing was applied then.
   */
  write(commit: Commit): CommitResult {
    if (commit.mayBeLost !== true) return this.#write(commit);
    // The log is written in order: what is synced later is synced with all before it.
    this.#database.exec("PRAGMA synchronous = NORMAL");
    try {
      return this.#write(commit);
    } finally {
      this.#database.exec("PRAGMA synchronous = FULL");
    }
  }

  #write(commit: Commit): CommitResult {
    this.#begin(isSweep(commit) ? SWEEP : WRITER);
    try {
      const result = this.#apply(commit);
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      // After some errors, a full disk among them, SQLite has rolled back by itself.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Immediate: the versions that are compared can't change any more once they are read. */
  #begin(patience: Patience): void {
    this.#database.exec("PRAGMA busy_timeout = 0");
    let given = 0;
    try {
      for (let asked = 0; asked < POLLS + BUSY_WAIT_MS / patience.laterMs; asked++) {
        if (patience === SWEEP) given = this.#waitForWay(given);
        if (this.#tryToBegin()) return;
        Atomics.wait(NEVER_NOTIFIED, 0, 0, pollMilliseconds(patience, asked));
      }
      this.#database.exec("BEGIN IMMEDIATE");
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${BUSY_WAIT_MS}`);
    }
  }

  /** @param given - how often it has given way before. @returns how often by now. */
  #waitForWay(given: number): number {
    for (; given < GIVE_WAY_POLLS && this.#giveWay(); given++) Atomics.wait(NEVER_NOTIFIED, 0, 0, GIVE_WAY_MS);
    return given;
  }

  #tryToBegin(): boolean {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw error;
    }
  }

  #apply(commit: Commit): CommitResult {
    const cells = commit.cells ?? [];
    const state = this.#state.get();
    checkRotationId(commit, asNumber(state?.["minimum_rotation_id"], this.#path));
    // Those of the cells that are written come first.
    const expectations = expectationsOf(commit);
    const cellVersions = expectations.map(({ name }) => this.#versionIn(this.#cellVersion.get(name)));
    if (expectations.some(({ expected }, index) => expected !== cellVersions[index])) {
      return { conflicts: [], cellsHeld: false };
    }
    const changes = new CountChanges();
    const conflicts: number[] = [];
    commit.groups.forEach((group, index) => {
      if (!this.#applyGroup(group)) conflicts.push(index);
      else for (const write of group) changes.add(write);
    });
    this.#changeCounts(changes);
    for (const contract of commit.contracts ?? []) this.#name(contract);
    if (conflicts.length > 0) return { conflicts, cellsHeld: true };
    this.#writeCells(cells, cellVersions, asNumber(state?.["removed_cell_version"], this.#path));
    for (const ref of commit.drop ?? []) this.#drop(ref);
    if (commit.minimumRotationId !== undefined) this.#setMinimum.run(commit.minimumRotationId);
    return { conflicts, cellsHeld: true };
  }

  /** Applies a group whole or, returning false, not at all. */
  #applyGroup(group: readonly PageWrite[]): boolean {
    if (group.length === 1) return this.#applyWrite(group[0]!);
    for (const { contract, lowerBound, expected } of group) {
      if (this.#versionIn(this.#pageVersion.get(contract, lowerBound)) !== expected) return false;
    }
    for (const write of group) if (!this.#applyWrite(write)) throw writtenTwice(write);
    return true;
  }

  #applyWrite({ contract, lowerBound, expected, body, keep }: PageWrite): boolean {
    if (expected === null) return this.#insertPage.run(contract, lowerBound, body).changes === 1;
    if (keep === undefined) return this.#updatePage.run(body, contract, lowerBound, expected).changes === 1;
    const place = [contract, lowerBound, expected] as const;
    if (this.#keepNewest.run(keep.by, keep.statement, ...place).changes !== 1) return false;
    return this.#insertNewer.run(body, ...place).changes === 1;
  }

  #drop({ contract, lowerBound, version }: KeptRef): void {
    const row = this.#keptEdition.get(contract, lowerBound, version);
    if (row === undefined) return;
    const edition = asNumber(row["edition"], this.#path);
    if (this.#removeBody.run(contract, lowerBound, edition, version).changes !== 1) {
      throw corrupt(this.#path, "a kept page is not the one that was replaced");
    }
    this.#removeKept.run(contract, lowerBound, version);
  }

  #changeCounts(changes: CountChanges): void {
    for (const { id, records } of changes.contracts.values()) {
      const before = asNumber(this.#recordsOfContract.get(id)?.["records"] ?? 0, this.#path);
      this.#setRecordsOfContract.run(id, countAfter(before, records, `contract ${toHex(id)}`));
    }
    for (const [rotationId, change] of changes.rotationIds) {
      if (change === 0) continue;
      const before = asNumber(this.#count.get(rotationId)?.["records"] ?? 0, this.#path);
      const after = countAfter(before, change, `rotation id ${rotationId}`);
      if (after === 0) this.#dropCount.run(rotationId);
      else this.#setCount.run(rotationId, after);
    }
  }

  #name({ id, kind, name }: ContractName): void {
    this.#nameContract.run(id, kind, name);
  }

  #writeCells(cells: readonly CellWrite[], versions: readonly (number | null)[], removedCellVersion: number): void {
    let highestRemoved = removedCellVersion;
    cells.forEach(({ name, value }, index) => {
      const before = versions[index] ?? null;
      if (value !== null) {
        this.#setCell.run(name, (before ?? highestRemoved) + 1, value);
      } else if (before !== null) {
        this.#removeCell.run(name);
        highestRemoved = Math.max(highestRemoved, before);
      }
    });
    if (highestRemoved !== removedCellVersion) this.#setRemovedCellVersion.run(highestRemoved);
  }

  #versionIn(row: Readonly<Record<string, unknown>> | undefined): number | null {
    return row === undefined ? null : asNumber(row["version"], this.#path);
  }
}
