/**
 * Compaction of the embedded store: nothing that was replaced before it began is left in its files when it has ended.
 *
 * secure_delete zeroes a row that is deleted or overwritten and a database page that is freed. But when SQLite moves
 * rows between neighbouring database pages to balance its tree, it leaves copies of them in the unused middle of the
 * page that they left, and when such a row is replaced later, nothing zeroes the copy. (Measured: 5,000 contracts
 * that grew once and were then rewritten left 33 old sealed states in the file.) Only a database page that is freed
 * is sure to be zeroed as a whole.
 *
 * So the file is looked at, with an empty log, for leaves with such copies (embedded-leftovers.ts). Where there are none,
 * all is done: a rotation rewrites rows in place, which leaves none. Where there are few, each of those leaves is
 * freed: the rows of the leaf before it are moved to the end of the table, and SQLite lays those of the leaf itself where
 * they were. A row with something behind the end of its overflow chain is moved itself. Then the file is looked at
 * again. Where there are many, or some remain, or the file can't be looked at, every row is moved: it gets a new highest
 * id, which appends it at the end of the tree, in short transactions between which others read and write, until every
 * earlier database page has been freed.
 *
 * Between the old rows and those that are all moved stand dividers, pairs of rows that fill a database page each to its
 * last byte: balancing takes in at most three neighbouring pages, so with three dividers it never lays a moved row on
 * an old page. Balancing never frees the first pages of the tree, it lays other rows on them: so the dividers stay,
 * end up there, and cover whatever was left in them. They lie beyond every contract id, so no reader meets them; the next
 * compaction that moves every row removes them, and those that a crash left. Several compactions at once are in each
 * other's way only in time: the one that began last moves everything.
 */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { DATABASE_PAGE_BYTES } from "./database-file.ts";
import { openDatabase } from "./embedded-database.ts";
import { corrupt } from "./embedded-error.ts";
import { freePagesAreZero, leavesOf } from "./embedded-leftovers.ts";
import { END } from "./embedded-place.ts";
import { type StillFile, StructureUnexpected, standStill } from "./embedded-still-file.ts";

const MOVE = "UPDATE page SET id = (SELECT max(id) + 1 FROM page) WHERE id = ?";
const DIVIDERS = 3;
/** The rows of a divider: one that leaves room for nothing but the other one. */
const ROWS_PER_DIVIDER = 2;
/** Each divider row's lower bound has so many bytes: its id in hexadecimal. */
const DIVIDER_KEY_BYTES = 16;
/**
 * What the two bodies of a divider have to fill of a database page, of which the header takes 8 bytes, two pointers 4, and
 * the rows themselves, but for their ids and bodies, 57 and 60: payload length, record header, contract, lower bound.
 */
const DIVIDER_BODY_BYTES = DATABASE_PAGE_BYTES - 8 - 4 - 57 - 60;
/** Bodies moved in one transaction: about as long as others wait. */
const STEP_BYTES = 1_048_576;
/** Enough for STEP_BYTES of full pages; of small ones, a step moves fewer bytes. */
const STEP_ROWS = 128;

/** How often single leaves are freed before every row is moved. */
const TARGETED_PASSES = 4;
/** Where more than one leaf of so many has leftovers, moving every row is not much more. */
const LEAVES_PER_DIRTY = 8;
/** More rows than this are not remembered one by one. */
const SINGLE_ROWS_MAX = 65_536;
/** Others may write just after the log was cut off; so often it is tried to get in between. */
const STILL_TRIES = 20;
/** Leaves and free pages looked at before the thread may do something else. */
const PAGES_AT_ONCE = 2_048;
/** Balancing takes in a page's neighbours under the same page: of these leaves, the first two are never freed. */
const CHILDREN_KEPT = 2;

/** What a compaction works on. */
export interface Compaction {
  readonly database: DatabaseSync;
  /** The store's file. */
  readonly path: string;
  /** Runs a step on the open database, with its errors typed. */
  readonly use: <T>(body: () => T) => Promise<T>;
  /** Copies the log into the file and cuts it off; throws STORE_BUSY when others keep it from that. */
  readonly cutOffLog: () => Promise<void>;
}

/**
 * Compacts, and lets its thread and others go on between steps.
 * @throws GatekeeperError STORE_BUSY, STORE_CORRUPT and those of `use`; rows that were moved stay moved, none is lost.
 */
export async function compact(compaction: Compaction): Promise<void> {
  const { path, use, cutOffLog } = compaction;
  const reader = await use(() => openDatabase(path));
  try {
    for (let pass = 0; pass <= TARGETED_PASSES; pass++) {
      const rows = await rowsToMove(compaction, reader);
      if (rows?.length === 0) return;
      if (rows === null || pass === TARGETED_PASSES) break;
      await moveRows(compaction, rows);
    }
  } finally {
    reader.close();
  }
  await moveToFreshPages(compaction);
  await cutOffLog();
}

/** Ids of the rows whose moving frees the leaves with leftovers: none if there are none, null if all have to move. */
async function rowsToMove(compaction: Compaction, reader: DatabaseSync): Promise<number[] | null> {
  const { path, use, cutOffLog } = compaction;
  for (let left = STILL_TRIES; left > 0; left--) {
    await cutOffLog();
    try {
      const file = await use(() => standStill(reader, path, DATABASE_PAGE_BYTES));
      if (file !== null)
        return (await use(() => isInterrupted(reader)))
          ? null
          : await rowsBefore(file, await use(() => rootOf(reader)));
    } catch (error) {
      if (error instanceof StructureUnexpected) return null;
      throw error;
    } finally {
      if (reader.isTransaction) reader.exec("ROLLBACK");
    }
  }
  return null;
}

async function rowsBefore(file: StillFile, root: number): Promise<number[] | null> {
  let looked = 0;
  for (const zero of freePagesAreZero(file)) {
    if (!zero) return null;
    if (++looked % PAGES_AT_ONCE === 0) await setImmediate();
  }
  const rows: number[] = [];
  let leaves = 0;
  let dirty = 0;
  let movable = true;
  let before: readonly number[] = [];
  for (const { ids, clean, overflowing, child } of leavesOf(file, root)) {
    leaves++;
    rows.push(...overflowing);
    if (!clean) {
      dirty++;
      movable &&= child >= CHILDREN_KEPT;
      if (movable) rows.push(...before);
    }
    if (!movable || rows.length > SINGLE_ROWS_MAX) return null;
    before = ids;
    if (++looked % PAGES_AT_ONCE === 0) await setImmediate();
  }
  return dirty * LEAVES_PER_DIRTY > leaves ? null : rows;
}

function rootOf(reader: DatabaseSync): number {
  return Number(reader.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'page'").get()?.["rootpage"]);
}

/** Whether dividers stand behind rows, as they do while every row is moved. */
function isInterrupted(reader: DatabaseSync): boolean {
  const behind =
    "SELECT 1 FROM page WHERE contract >= ? AND id > (SELECT min(id) FROM page WHERE contract < ?) LIMIT 1";
  return reader.prepare(behind).get(END.contract, END.contract) !== undefined;
}

/** Moves single rows, in order. One that another compaction has moved meanwhile is left. */
async function moveRows({ database, use }: Compaction, rows: readonly number[]): Promise<void> {
  const move = await use(() => database.prepare(MOVE));
  const size = await use(() => database.prepare("SELECT length(body) AS bytes FROM page WHERE id = ?"));
  for (let at = 0; at < rows.length;) {
    at = await use(() =>
      transaction(database, () => {
        const end = Math.min(at + STEP_ROWS, rows.length);
        let next = at;
        for (let bytes = 0; next < end && bytes < STEP_BYTES; next++) {
          bytes += Number(size.get(rows[next]!)?.["bytes"] ?? 0);
          move.run(rows[next]!);
        }
        return next;
      }),
    );
    await setImmediate();
  }
}

/** Moves all rows that are there when it is called. */
async function moveToFreshPages({ database, use, path }: Compaction): Promise<void> {
  const step = <T>(body: () => T): Promise<T> => use(() => transaction(database, body));
  const last = await step(() => placeDividers(database));
  while (await step(() => moveStep(database, last, path))) await setImmediate();
  await step(() => removeDividers(database, last));
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
  for (let index = 0; index < DIVIDERS * ROWS_PER_DIVIDER; index++) {
    const id = last + 1 + index;
    const large = DIVIDER_BODY_BYTES - varintBytes(id) - varintBytes(id + 1);
    const key = Buffer.from(id.toString(16).padStart(DIVIDER_KEY_BYTES, "0"));
    insert.run(id, END.contract, key, index % ROWS_PER_DIVIDER === 0 ? large : 0);
  }
  return last;
}

/** Bytes of an id in a row: seven bits each, and eight in a ninth, which ids below 2^53 don't reach. */
function varintBytes(id: number): number {
  let bytes = 1;
  for (let left = id; left >= 128; left = Math.floor(left / 128)) bytes++;
  return bytes;
}

/** Removes the dividers of earlier compactions. */
function removeDividers(database: DatabaseSync, last: number): void {
  database.prepare("DELETE FROM page WHERE contract >= ? AND id <= ?").run(END.contract, last);
}

/** Moves the first rows up to id `last`; returns false if there are none. */
function moveStep(database: DatabaseSync, last: number, path: string): boolean {
  const rows = database
    .prepare("SELECT id, length(body) AS bytes FROM page WHERE id <= ? AND contract < ? ORDER BY id LIMIT ?")
    .all(last, END.contract, STEP_ROWS);
  const move = database.prepare(MOVE);
  let moved = 0;
  for (const { id, bytes } of rows) {
    if (moved >= STEP_BYTES) break;
    // In a damaged tree a row can be listed and not be found; it would be listed for ever.
    if (move.run(Number(id)).changes !== 1) throw corrupt(path, "a page that is listed can't be found");
    moved += Number(bytes);
  }
  return rows.length > 0;
}
