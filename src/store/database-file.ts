/**
 * Files of this program that are SQLite databases in WAL mode: how one is made, recognised, opened and kept small.
 * Whoever has a kind of them says what is in it; nobody writes a file of another kind, or of a version that he does not
 * know.
 */
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { GatekeeperError } from "../errors.ts";
import { corrupt, storeError } from "./embedded-error.ts";

/** One kind of file. */
export interface DatabaseKind {
  /** Tells it from other SQLite files. */
  readonly applicationId: number;
  /** Version of the schema. A file of another one is refused, not guessed at. */
  readonly format: number;
  /** Names of tables and indices with the statements that make them, letter by letter. */
  readonly schema: Readonly<Record<string, string>>;
  /** Above every row: its largest value and the columns beside it. */
  readonly rowBytesMax: number;
}

export const DATABASE_PAGE_BYTES = 16_384;
const CACHE_KIB = 8_192;
/** The log is copied into the database about every 16 MiB; a store's as embedded-log.ts has it, ... */
const CHECKPOINT_PAGES = 1_000;
/** ... and what its file has beyond this size is cut off when it begins anew: it has more only when readers hinder that. */
export const LOG_BYTES_LIMIT = 64 * 1_024 * 1_024;
/** How long a use waits for other processes before it is STORE_BUSY. */
export const BUSY_WAIT_MS = 30_000;
/** How long a use waits that can be repeated, or left. */
export const SHORT_WAIT_MS = 100;
const FILE_MODE = 0o600;

function connect(kind: DatabaseKind, path: string): DatabaseSync {
  const location = pathToFileURL(path);
  // Else SQLite would make the file that it does not find.
  location.searchParams.set("mode", "rw");
  const database = new DatabaseSync(location, {
    timeout: BUSY_WAIT_MS,
    defensive: true,
    enableDoubleQuotedStringLiterals: false,
    limits: { length: kind.rowBytesMax, attach: 0 },
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
 * Makes a file with its tables. It appears at `path` complete or not at all.
 * @param fill - writes its first rows, in the transaction that makes the tables.
 * @throws GatekeeperError ALREADY_EXISTS if anything is there; STORE_UNAVAILABLE if the folder can't be written.
 */
export function createDatabaseFile(kind: DatabaseKind, path: string, fill: (database: DatabaseSync) => void): void {
  // SQLite would replay into the new file what a killed process left of an old one.
  if (existsSync(`${path}-wal`)) throw alreadyThere(`${path}-wal`);
  const draft = `${path}.${randomUUID()}.new`;
  try {
    closeSync(openSync(draft, "wx", FILE_MODE));
    layTables(kind, draft, fill);
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
  if (cause.code === "EEXIST") return alreadyThere(path);
  const detail = { path, system: String(cause.code) };
  const message = `store ${path} can't be made there (${cause.code}); check its folder`;
  return new GatekeeperError("STORE_UNAVAILABLE", message, detail, { cause });
}

function alreadyThere(path: string): GatekeeperError {
  return new GatekeeperError("ALREADY_EXISTS", `store ${path}: something is there and is not overwritten`, { path });
}

function layTables(kind: DatabaseKind, path: string, fill: (database: DatabaseSync) => void): void {
  const database = connect(kind, path);
  try {
    database.exec(`PRAGMA page_size = ${DATABASE_PAGE_BYTES}; PRAGMA journal_mode = WAL`);
    makeDurable(database);
    database.exec(`BEGIN IMMEDIATE; ${Object.values(kind.schema).join(";\n")}`);
    fill(database);
    database.exec(`PRAGMA application_id = ${kind.applicationId}; PRAGMA user_version = ${kind.format}; COMMIT`);
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
 * Opens a file that exists and checks that it is of its kind.
 * @returns a connection that this thread owns and closes.
 * @throws GatekeeperError NOT_FOUND; STORE_UNAVAILABLE for another program's file or a newer format; STORE_CORRUPT.
 */
export function openDatabaseFile(kind: DatabaseKind, path: string): DatabaseSync {
  if (!existsSync(path)) {
    throw new GatekeeperError("NOT_FOUND", `store ${path}: there is none; make it first`, { path });
  }
  let database: DatabaseSync | null = null;
  try {
    database = connect(kind, path);
    recognise(kind, database, path);
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

function recognise(kind: DatabaseKind, database: DatabaseSync, path: string): void {
  if (pragma(database, "application_id") !== kind.applicationId) {
    throw new GatekeeperError("STORE_UNAVAILABLE", `store ${path}: the file is not a store of this program`, { path });
  }
  const format = Number(pragma(database, "user_version"));
  if (format !== kind.format) {
    const message = `store ${path} has format ${format}, this program knows ${kind.format}; use the program that made it`;
    throw new GatekeeperError("STORE_UNAVAILABLE", message, { path, format });
  }
  // SQLite's own, where a kind counts with AUTOINCREMENT.
  const tables = database
    .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence'")
    .all();
  const asMade =
    tables.length === Object.keys(kind.schema).length &&
    tables.every(({ name, sql }) => kind.schema[String(name)] === sql);
  if (!asMade) throw corrupt(path, "its tables are not those of a store");
  if (pragma(database, "journal_mode") !== "wal") throw corrupt(path, "it does not keep a write-ahead log");
}
