/**
 * The embedded store's file: an SQLite database in WAL mode. How it is made, recognised, opened and kept small.
 *
 * Measured on Node 24, 2 cores, 1,000,000 records in bodies of 15.8 kB, swept by compare-and-swap, 1 MiB and an fsync
 * a transaction (million records/s, best of several on a noisy disk; file size; one random put with its fsync):
 *
 *   database page    table with rowid and unique index    WITHOUT ROWID
 *    4 KiB           1.50, 284 MB, 0.20 ms                0.94, 293 MB, 0.49 ms
 *    8 KiB           0.99, 284 MB, 0.26 ms                1.24, 303 MB, 0.50 ms
 *   16 KiB           1.36, 284 MB, 0.17 ms                1.40, 323 MB, 0.32 ms
 *   32 KiB           1.42, 284 MB, 0.23 ms                1.05, 646 MB, 0.44 ms
 *   64 KiB           1.70, 284 MB, 0.25 ms                1.46, 283 MB, 0.48 ms
 *
 * WITHOUT ROWID keeps only a quarter of a database page of a row in place, so bodies overflow, and walks over places
 * alone would read bodies; the unique index answers those by itself. Larger database pages win some sweep and lose
 * more to scattered puts. So: 16 KiB, rowid. secure_delete costs about a tenth.
 */
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { GatekeeperError } from "../errors.ts";
import { corrupt, storeError } from "./embedded-error.ts";
import { PAGE_BYTES_MAX } from "./page.ts";

/** "GKst": tells this program's stores from other SQLite files. */
const APPLICATION_ID = 0x474b7374;
/** Version of SCHEMA. A store of a higher one is refused, not guessed at. */
const FORMAT = 1;
export const DATABASE_PAGE_BYTES = 16_384;
const CACHE_KIB = 8_192;
/** The log is copied into the database about every 16 MiB, ... */
const CHECKPOINT_PAGES = 1_000;
/** ... and cut off beyond this size, which it only reaches when readers hinder the copying. */
export const LOG_BYTES_LIMIT = 64 * 1_024 * 1_024;
/** How long a use waits for other processes before it is STORE_BUSY. */
export const BUSY_WAIT_MS = 30_000;
/** How long a use waits that can be repeated, or left. */
export const SHORT_WAIT_MS = 100;
/** Above every row: its largest body or cell and the columns beside it. */
const ROW_BYTES_MAX = PAGE_BYTES_MAX + 65_536;
const FILE_MODE = 0o600;

/** In `page` the body stands last: its row is read up to the column that is asked for. */
const SCHEMA: Readonly<Record<string, string>> = {
  page: `CREATE TABLE page (
  id INTEGER PRIMARY KEY,
  contract BLOB NOT NULL,
  lower_bound BLOB NOT NULL,
  version INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (contract, lower_bound)
) STRICT`,
  contract: `CREATE TABLE contract (
  id BLOB PRIMARY KEY,
  kind INTEGER,
  name BLOB,
  records INTEGER NOT NULL
) STRICT, WITHOUT ROWID`,
  rotation_count: `CREATE TABLE rotation_count (
  rotation_id INTEGER PRIMARY KEY,
  records INTEGER NOT NULL
) STRICT`,
  cell: `CREATE TABLE cell (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID`,
  // One row. removed_cell_version: the highest version that a removed cell had; a new cell begins above it.
  state: `CREATE TABLE state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  minimum_rotation_id INTEGER NOT NULL,
  removed_cell_version INTEGER NOT NULL
) STRICT`,
};

function connect(path: string): DatabaseSync {
  const location = pathToFileURL(path);
  // Else SQLite would make the file that it does not find.
  location.searchParams.set("mode", "rw");
  const database = new DatabaseSync(location, {
    timeout: BUSY_WAIT_MS,
    defensive: true,
    enableDoubleQuotedStringLiterals: false,
    limits: { length: ROW_BYTES_MAX, attach: 0 },
  });
  // No page cache grows with the store, nothing is mapped, and no temporary file ever holds a page.
  database.exec(
    `PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
     PRAGMA cache_size = -${CACHE_KIB}`,
  );
  return database;
}

/** What holds for one connection only, so every one sets it. fullfsync: a plain fsync of macOS promises nothing. */
function makeDurable(database: DatabaseSync): void {
  database.exec(
    `PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; PRAGMA secure_delete = ON;
     PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA journal_size_limit = ${LOG_BYTES_LIMIT}`,
  );
}

/**
 * Makes an empty store. It appears at `path` complete or not at all.
 * @throws GatekeeperError ALREADY_EXISTS if anything is there; STORE_UNAVAILABLE if the folder can't be written.
 */
export function createDatabase(path: string): void {
  const draft = `${path}.${randomUUID()}.new`;
  try {
    closeSync(openSync(draft, "wx", FILE_MODE));
    layTables(draft);
    linkSync(draft, path);
    syncFolder(dirname(path));
  } catch (cause) {
    throw creationError(cause, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

function creationError(cause: unknown, path: string): unknown {
  if (!(cause instanceof Error) || !("syscall" in cause) || !("code" in cause)) return storeError(cause, path);
  if (cause.code === "EEXIST") {
    return new GatekeeperError("ALREADY_EXISTS", `store ${path}: something is there and is not overwritten`, { path });
  }
  const detail = { path, system: String(cause.code) };
  const message = `store ${path} can't be made there (${cause.code}); check its folder`;
  return new GatekeeperError("STORE_UNAVAILABLE", message, detail, { cause });
}

function layTables(path: string): void {
  const database = connect(path);
  try {
    database.exec(`PRAGMA page_size = ${DATABASE_PAGE_BYTES}; PRAGMA journal_mode = WAL`);
    makeDurable(database);
    database.exec(
      `BEGIN IMMEDIATE; ${Object.values(SCHEMA).join(";\n")};
       INSERT INTO state (id, minimum_rotation_id, removed_cell_version) VALUES (1, 0, 0);
       PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`,
    );
  } finally {
    // The last connection moves the log into the file and removes it.
    database.close();
  }
}

/** Makes a new name in a folder durable; Windows has no such call and needs none. */
function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Opens a store that exists and checks that it is one.
 * @returns a connection that this thread owns and closes.
 * @throws GatekeeperError NOT_FOUND; STORE_UNAVAILABLE for another program's file or a newer format; STORE_CORRUPT.
 */
export function openDatabase(path: string): DatabaseSync {
  if (!existsSync(path)) {
    throw new GatekeeperError("NOT_FOUND", `store ${path}: there is none; make it first`, { path });
  }
  let database: DatabaseSync | null = null;
  try {
    database = connect(path);
    recognise(database, path);
    makeDurable(database);
    return database;
  } catch (cause) {
    database?.close();
    throw storeError(cause, path);
  }
}

/** Does something without waiting long for others. */
export function withShortWait<T>(database: DatabaseSync, body: () => T): T {
  database.exec(`PRAGMA busy_timeout = ${SHORT_WAIT_MS}`);
  try {
    return body();
  } finally {
    database.exec(`PRAGMA busy_timeout = ${BUSY_WAIT_MS}`);
  }
}

/**
 * Does something that may as well be left: without waiting long for others, and whether or not it succeeds.
 * @returns false if it returned false or SQLite failed.
 */
export function attempt(database: DatabaseSync, body: () => boolean): boolean {
  try {
    return withShortWait(database, body);
  } catch (cause) {
    if (storeError(cause, "") instanceof GatekeeperError) return false;
    throw cause;
  }
}

function pragma(database: DatabaseSync, name: string): unknown {
  return database.prepare(`PRAGMA ${name}`).get()?.[name];
}

function recognise(database: DatabaseSync, path: string): void {
  if (pragma(database, "application_id") !== APPLICATION_ID) {
    throw new GatekeeperError("STORE_UNAVAILABLE", `store ${path}: the file is not a store of this program`, { path });
  }
  const format = Number(pragma(database, "user_version"));
  if (format !== FORMAT) {
    const message = `store ${path} has format ${format}, this program knows ${FORMAT}; use the program that made it`;
    throw new GatekeeperError("STORE_UNAVAILABLE", message, { path, format });
  }
  const tables = database.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").all();
  const asMade =
    tables.length === Object.keys(SCHEMA).length && tables.every(({ name, sql }) => SCHEMA[String(name)] === sql);
  if (!asMade) throw corrupt(path, "its tables are not those of a store");
  if (pragma(database, "journal_mode") !== "wal") throw corrupt(path, "it does not keep a write-ahead log");
}
