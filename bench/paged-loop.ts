/**
 * The bare loop that a rotation can't beat: values of a page's size in node:sqlite, scanned in key order and written
 * back by compare-and-swap on a version column, in durable transactions of about a mebibyte. No cipher, no keys, no
 * counts, no checkpoint, one pass, one thread.
 */
import { DatabaseSync } from "node:sqlite";
import { PAGE_BYTES_LIMIT } from "../dist/store/page.js";
import type { PageRef } from "../dist/store/store.js";

const TRANSACTION_BYTES = 1 << 20;
const SCHEMA = `
  PRAGMA page_size = 16384;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE page (
    id INTEGER PRIMARY KEY, contract BLOB NOT NULL, lower_bound BLOB NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (contract, lower_bound)
  )`;

interface Row extends PageRef {
  readonly version: number;
  readonly body: Uint8Array;
}

/** Pages to loop over. */
export class PagedLoop implements Disposable {
  readonly #database: DatabaseSync;
  #pages = 0;
  #loops = 0;

  private constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(SCHEMA);
  }

  /** @param pages - in order of their places. */
  static async fill(path: string, pages: AsyncIterable<PageRef & { readonly body: Uint8Array }>): Promise<PagedLoop> {
    const made = new PagedLoop(path);
    const insert = made.#database.prepare(
      "INSERT INTO page (contract, lower_bound, version, body) VALUES (?, ?, 0, ?)",
    );
    made.#database.exec("BEGIN IMMEDIATE");
    for await (const { contract, lowerBound, body } of pages) {
      insert.run(contract, lowerBound, body);
      made.#pages++;
    }
    made.#database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    return made;
  }

  /** Writes every page back, as it is, under the next version. */
  run(): void {
    const database = this.#database;
    const scan = database.prepare(
      `SELECT contract, lower_bound AS lowerBound, version, body FROM page
       WHERE (contract, lower_bound) > (?, ?) ORDER BY contract, lower_bound LIMIT ?`,
    );
    const update = database.prepare(
      "UPDATE page SET version = version + 1, body = ? WHERE contract = ? AND lower_bound = ? AND version = ?",
    );
    const limit = Math.ceil(TRANSACTION_BYTES / PAGE_BYTES_LIMIT);
    let cursor: PageRef = { contract: new Uint8Array(0), lowerBound: new Uint8Array(0) };
    for (;;) {
      const rows = scan.all(cursor.contract, cursor.lowerBound, limit) as unknown as Row[];
      if (rows.length === 0) break;
      database.exec("BEGIN IMMEDIATE");
      for (const row of rows) {
        update.run(row.body, row.contract, row.lowerBound, row.version);
      }
      database.exec("COMMIT");
      cursor = rows.at(-1)!;
    }
    this.#loops++;
  }

  /** @throws Error unless every page was written in every loop. */
  check(): void {
    const written = this.#database.prepare("SELECT count(*) AS pages FROM page WHERE version = ?").get(this.#loops);
    if (written?.["pages"] !== this.#pages) throw new Error("the paged loop missed pages");
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
