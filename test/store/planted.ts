/** Marks in the file of a store that is closed, where nothing belongs: as balancing leaves copies of rows there. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

export const DATABASE_PAGE_BYTES = 16_384;
/** What is planted, as often as it fits. */
export const MARK = "<planted>";

/** Numbers of the database pages of the page table: its leaves in order, or the pages of overflow chains. */
export function pagesOf(path: string, type: "leaf" | "overflow" | "internal"): number[] {
  const database = new DatabaseSync(path);
  try {
    const rows = database.prepare("SELECT pageno FROM dbstat WHERE name = 'page' AND pagetype = ? ORDER BY path");
    return rows.all(type).map(({ pageno }) => Number(pageno));
  } finally {
    database.close();
  }
}

/** The first free pages of the file: one that lists others, and one of those. */
export function freePagesOf(path: string): { trunk: number; listed: number } {
  const file = readFileSync(path);
  const trunk = file.readUInt32BE(32);
  return { trunk, listed: file.readUInt32BE((trunk - 1) * DATABASE_PAGE_BYTES + 8) };
}

/** Overwrites bytes of a database page. */
export function overwrite(path: string, page: number, at: number, bytes: Uint8Array): void {
  const file = openSync(path, "r+");
  try {
    writeSync(file, bytes, 0, bytes.length, (page - 1) * DATABASE_PAGE_BYTES + at);
  } finally {
    closeSync(file);
  }
}

/** Fills what is unused before the rows of a leaf. @returns false where there is no room for a mark. */
export function plantInLeaf(path: string, page: number): boolean {
  const leaf = readFileSync(path).subarray((page - 1) * DATABASE_PAGE_BYTES, page * DATABASE_PAGE_BYTES);
  const from = 8 + 2 * leaf.readUInt16BE(3);
  const length = leaf.readUInt16BE(5) - from;
  if (length < MARK.length) return false;
  overwrite(path, page, from, Buffer.alloc(length, MARK));
  return true;
}

/** Whether a mark is left in the file. */
export function isPlanted(path: string): boolean {
  return readFileSync(path).includes(MARK);
}

/** The ids of all rows, by place: a row that was moved has another. */
export function idsOf(path: string): number[] {
  const database = new DatabaseSync(path);
  try {
    return database
      .prepare("SELECT id FROM page ORDER BY contract, lower_bound")
      .all()
      .map(({ id }) => Number(id));
  } finally {
    database.close();
  }
}
