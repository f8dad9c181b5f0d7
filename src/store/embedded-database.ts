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
 *
 * A body that is kept stays in its row, and what replaces it becomes a row of the place's next edition. The same records,
 * 2 MiB a transaction, one thread without a cipher, beside other work (million records/s, best of twelve sweeps; one
 * find; one random put where nothing is kept):
 *
 *   the replaced body                  sweep   drop   scan   find       put
 *   is overwritten, nothing is kept    0.67           4.2    0.022 ms   0.37 ms
 *   is copied to another table         0.32    0.75   as where nothing is kept
 *   stays, the new one is inserted     0.52    0.68   4.3    0.021 ms   0.26 ms
 *
 * Sweeps that keep nothing make 0.69 with editions. The edition, not the version, is in the index, so that an ordinary
 * write changes no index. While bodies are kept, either way doubles the file (582 MB), and a scan asks the index once
 * more for each page, which is lost in the noise.
 */
import type { DatabaseSync } from "node:sqlite";
import { type DatabaseKind, createDatabaseFile, openDatabaseFile } from "./database-file.ts";
import { PAGE_BYTES_MAX } from "./page.ts";

/** In `page` and `kept` what is read least stands last: a row is read up to the column that is asked for. */
const SCHEMA: Readonly<Record<string, string>> = {
  page: `CREATE TABLE page (
  id INTEGER PRIMARY KEY,
  contract BLOB NOT NULL,
  lower_bound BLOB NOT NULL,
  edition INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (contract, lower_bound, edition)
) STRICT`,
  // One row for each row of `page` that is not its place's newest.
  kept: `CREATE TABLE kept (
  contract BLOB NOT NULL,
  lower_bound BLOB NOT NULL,
  version INTEGER NOT NULL,
  edition INTEGER NOT NULL,
  replaced_by BLOB NOT NULL,
  statement BLOB NOT NULL,
  PRIMARY KEY (contract, lower_bound, version)
) STRICT, WITHOUT ROWID`,
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

/** "GKst". */
const STORE: DatabaseKind = {
  applicationId: 0x474b7374,
  format: 2,
  schema: SCHEMA,
  rowBytesMax: PAGE_BYTES_MAX + 65_536,
};

/**
 * Makes an empty store. It appears at `path` complete or not at all.
 * @throws GatekeeperError ALREADY_EXISTS if anything is there; STORE_UNAVAILABLE if the folder can't be written.
 */
export function createDatabase(path: string): void {
  createDatabaseFile(STORE, path, (database) =>
    database.exec("INSERT INTO state (id, minimum_rotation_id, removed_cell_version) VALUES (1, 0, 0)"),
  );
}

/**
 * Opens a store that exists and checks that it is one.
 * @returns a connection that this thread owns and closes.
 * @throws GatekeeperError NOT_FOUND; STORE_UNAVAILABLE for another program's file or a newer format; STORE_CORRUPT.
 */
export function openDatabase(path: string): DatabaseSync {
  return openDatabaseFile(STORE, path);
}
