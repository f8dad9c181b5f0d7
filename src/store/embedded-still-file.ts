/**
 * Reads the file of the embedded store itself, past SQLite, while it stands still.
 *
 * It stands still while this thread reads in a transaction that began when the log was empty: such a reader needs
 * nothing but the file, so SQLite lets nobody copy a log into it. Others go on writing to the log,
 * which grows until this is over.
 *
 * No descriptor of its own: a process that closes one of a file loses its locks on that file (POSIX, fcntl), and SQLite's
 * are among them. It reads through one that SQLite has open, which SQLite keeps open for as long as any of the
 * process's connections holds a lock, and this one does. Where the system does not list them (Windows), nothing is read.
 */
import { type BigIntStats, fstatSync, readSync, readdirSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

/** The file can't be read past SQLite, or is not laid out as expected: nothing is known of it then. */
export class StructureUnexpected extends Error {}

/** A file that stands still. Pages have numbers from 1. */
export interface StillFile {
  readonly pageBytes: number;
  readonly pages: number;
  /** `length` bytes of a page from its byte `from` on; they are valid until the next call. */
  read(page: number, from: number, length: number): Uint8Array;
}

/** Where Linux and macOS list a process's descriptors. */
const DESCRIPTORS = "/dev/fd";

/** Where the file's header has the size of its pages, and how many bytes of each SQLite leaves unused. */
const PAGE_BYTES_AT = 16;
const RESERVED_BYTES_AT = 20;

/**
 * Begins a transaction in which the file stands still; the caller ends it.
 * @param database - a connection of the caller's own; the log was just cut off.
 * @returns the file, or null, with no transaction begun, when others wrote to the log in between.
 * @throws StructureUnexpected when the file can't be read.
 */
export function standStill(database: DatabaseSync, path: string, pageBytes: number): StillFile | null {
  database.exec("BEGIN");
  const pages = Number(database.prepare("PRAGMA page_count").get()?.["page_count"]);
  // No log is cut off while somebody reads from it: if it is empty now, it was when the transaction began to read.
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) !== 0) {
    database.exec("ROLLBACK");
    return null;
  }
  const descriptor = descriptorOf(path);
  const buffer = new Uint8Array(pageBytes);
  const file: StillFile = {
    pageBytes,
    pages,
    read: (page, from, length) => {
      if (readAt(descriptor, buffer, length, (page - 1) * pageBytes + from)) return buffer.subarray(0, length);
      throw new StructureUnexpected("it ends before its last page");
    },
  };
  const header = file.read(1, 0, RESERVED_BYTES_AT + 1);
  const declared = (header[PAGE_BYTES_AT]! << 8) | header[PAGE_BYTES_AT + 1]!;
  if (declared !== pageBytes || header[RESERVED_BYTES_AT] !== 0) {
    throw new StructureUnexpected("its pages have another size");
  }
  return file;
}

function readAt(descriptor: number, buffer: Uint8Array, length: number, position: number): boolean {
  try {
    return readSync(descriptor, buffer, 0, length, position) === length;
  } catch (cause) {
    throw new StructureUnexpected("it can't be read past SQLite", { cause });
  }
}

function descriptorOf(path: string): number {
  try {
    const file = statSync(path, { bigint: true });
    for (const name of readdirSync(DESCRIPTORS)) {
      const descriptor = Number(name);
      if (isFile(descriptor, file)) return descriptor;
    }
  } catch (cause) {
    throw new StructureUnexpected("the system does not list open files", { cause });
  }
  throw new StructureUnexpected("it is not among the open files");
}

function isFile(descriptor: number, file: BigIntStats): boolean {
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return dev === file.dev && ino === file.ino;
  } catch {
    // Closed since it was listed, as the listing's own is.
    return false;
  }
}
