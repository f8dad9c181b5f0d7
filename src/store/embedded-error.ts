/** What SQLite and the system report, as the project's errors. SQLite's result codes: https://www.sqlite.org/rescode.html */
import { type ErrorCode, GatekeeperError } from "../errors.ts";

/** The result codes that mean something of their own here. An extended code has its primary one in the low byte. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const IOERR_SHMSIZE = IOERR | (19 << 8);
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

interface Meaning {
  readonly code: ErrorCode;
  readonly text: string;
}

const FULL_MEANING: Meaning = { code: "STORE_FULL", text: "no space is left; nothing of this write was kept" };

function meaningOf(result: number): Meaning {
  // Where the shared index of the log can't be made larger, the disk is full.
  if (result === IOERR_SHMSIZE) return FULL_MEANING;
  switch (result & 0xff) {
    case FULL:
      return FULL_MEANING;
    case BUSY:
    case LOCKED:
      return { code: "STORE_BUSY", text: "another process kept it locked for too long; try again" };
    case CANTOPEN:
    case READONLY:
      return { code: "STORE_UNAVAILABLE", text: "it can't be opened for writing; check the file and its folder" };
    case IOERR:
      return { code: "IO_FAILED", text: "the system failed to read or write it; check the disk" };
    case NOTADB:
      return { code: "STORE_CORRUPT", text: "it is not a store, or its header is damaged; restore it from a copy" };
    case CORRUPT:
      return { code: "STORE_CORRUPT", text: "its structure is damaged; restore it from a copy" };
    default:
      // The statements are fixed and were compiled against a schema that was checked, so only the bytes can be wrong.
      return { code: "STORE_CORRUPT", text: "its contents are not those of a store; restore it from a copy" };
  }
}

/**
 * The project's error for whatever a use of the database threw.
 * @param path - the store's file, for the message.
 * @returns the same error if it is neither SQLite's nor the system's: then it is already typed, or a fault of this program.
 */
export function storeError(cause: unknown, path: string): unknown {
  if (!(cause instanceof Error) || !("code" in cause)) return cause;
  // node:sqlite refuses integers beyond 2^53 with a code of its own; none of those is written here.
  if (cause.code === "ERR_OUT_OF_RANGE") return corrupt(path, "it holds a number out of range");
  if ("syscall" in cause) return systemError(cause, String(cause.code), path);
  if (cause.code !== "ERR_SQLITE_ERROR" || !("errcode" in cause) || typeof cause.errcode !== "number") return cause;
  const { code, text } = meaningOf(cause.errcode);
  const message = `store ${path}: ${text} (${cause.message})`;
  return new GatekeeperError(code, message, { path, sqlite: cause.errcode }, { cause });
}

/** For what the system refused to do with the store's log: also where it is for want of space, what was written may be lost. */
function systemError(cause: Error, systemCode: string, path: string): GatekeeperError {
  const { code, text } = meaningOf(IOERR);
  return new GatekeeperError(code, `store ${path}: ${text} (${cause.message})`, { path, systemCode }, { cause });
}

/** Whether SQLite refused something because somebody else has the lock that it needs. */
export function isBusy(cause: unknown): boolean {
  return cause instanceof Error && "errcode" in cause && (Number(cause.errcode) & 0xff) === BUSY;
}

/** STORE_CORRUPT for the store as a file. */
export function corrupt(path: string, why: string): GatekeeperError {
  return new GatekeeperError("STORE_CORRUPT", `store ${path}: ${why}; restore it from a copy`, { path });
}
