/**
 * Moves every row of the embedded store's page table to fresh database pages, so that nothing replaced is left behind.
 *
 * secure_delete zeroes a row that is deleted or overwritten and a database page that is freed. But when SQLite moves
 * rows between neighbouring database pages to balance its tree, it leaves copies of them in the unused middle of the
 * page that they left, and when such a row is replaced later, nothing zeroes the copy. (Measured: 5,000 contracts
 * that grew once and were then rewritten left 33 old sealed states in the file.) Only a database page that is freed
 * is sure to be zeroed as a whole. So each row gets a new highest id, which appends it at the end of the tree, in
 * short transactions between which others read and write, until every earlier database page has been freed.
 *
 * Between the old rows and the moved ones stand dividers, rows that fill a database page each: balancing takes in at
 * most three neighbouring pages, so with three dividers it never lays a moved row on an old page. Dividers lie beyond
 * every contract id, so no reader meets them; those that a crash left are removed by the next compaction. Several compactions at once are
 * in each other's way only in time: the one that began last moves everything.
 */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { corrupt } from "./embedded-error.ts";
import type { PageRef } from "./store.ts";

/** Byte order puts this above every page's place: contract ids have 32 bytes. */
export const END: PageRef = { contract: new Uint8Array(33).fill(0xff), lowerBound: new Uint8Array(0) };

const DIVIDERS = 3;
/** Fills a database page of 16,384 bytes but for less than any row needs, and does not overflow it. */
const DIVIDER_BODY_BYTES = 16_295;
/** Bodies moved in one transaction: about as long as others wait. */
const STEP_BYTES = 1_048_576;
/** Enough for STEP_BYTES of full pages; of small ones, a step moves fewer bytes. */
const STEP_ROWS = 128;

/**
 * Moves all rows that are there when it is called, and lets its thread and others go on between steps.
 * @param use - runs a step on the open database, with its errors typed.
 * @param path - the store's file, for messages.
 * @throws GatekeeperError of `use`, and STORE_CORRUPT; rows that were moved stay moved, none is lost.
 */
export async function moveToFreshPages(
  database: DatabaseSync,
  use: <T>(body: () => T) => Promise<T>,
  path: string,
): Promise<void> {
  const step = <T>(body: () => T): Promise<T> => use(() => transaction(database, body));
  const last = await step(() => placeDividers(database));
  while (await step(() => moveStep(database, last, path))) await setImmediate();
  await step(() => removeDividers(database, last + DIVIDERS));
}

function transaction<T>(database: DatabaseSync, body: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = body();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Returns the highest id of a row that has to move. */
function placeDividers(database: DatabaseSync): number {
  const last = Number(database.prepare("SELECT max(id) AS last FROM page").get()?.["last"] ?? 0);
  const insert = database.prepare(
    "INSERT INTO page (id, contract, lower_bound, version, body) VALUES (?, ?, ?, 1, zeroblob(?))",
  );
  for (let id = last + 1; id <= last + DIVIDERS; id++) {
    insert.run(id, END.contract, Buffer.from(String(id)), DIVIDER_BODY_BYTES);
  }
  return last;
}

/** Removes this compaction's dividers and those of earlier ones, not those of one that began later. */
function removeDividers(database: DatabaseSync, lastDivider: number): void {
  database.prepare("DELETE FROM page WHERE contract >= ? AND id <= ?").run(END.contract, lastDivider);
}

/** Moves the first rows up to id `last`; returns false if there are none. */
function moveStep(database: DatabaseSync, last: number, path: string): boolean {
  const rows = database
    .prepare("SELECT id, length(body) AS bytes FROM page WHERE id <= ? AND contract < ? ORDER BY id LIMIT ?")
    .all(last, END.contract, STEP_ROWS);
  const move = database.prepare("UPDATE page SET id = (SELECT max(id) + 1 FROM page) WHERE id = ?");
  let moved = 0;
  for (const { id, bytes } of rows) {
    if (moved >= STEP_BYTES) break;
    // In a damaged tree a row can be listed and not be found; it would be listed for ever.
    if (move.run(Number(id)).changes !== 1) throw corrupt(path, "a page that is listed can't be found");
    moved += Number(bytes);
  }
  return rows.length > 0;
}
