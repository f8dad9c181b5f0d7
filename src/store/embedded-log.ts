/**
 * The embedded store's log, SQLite's WAL: how it is synced, copied into the database, begun anew, and cut off.
 *
 * SQLite copies it behind commits, and begins it anew when all of it is copied and nobody reads it. Beside several who sweep that
 * never comes about: there are new pages in it whenever it has been copied, so that it was copied behind each commit, with two
 * syncs, and grew into memory and blocks of the disk that the system had to find first.
 *
 * So whoever sweeps copies it, beside others that write, some MiB at a time: else a command would wait behind all of it for the
 * disk. And he begins it anew when it is long. For that there must be a moment in which all of it is copied, and there hardly is
 * one by itself; so other sweeps, when they have something to commit, wait until he has it. Measured with five sweeping pRuntimes
 * on two processors, before that: what was left was copied, and synced, while nobody could write, which took 20 ms in the middle and
 * up to 45.
 */
import { closeSync, fdatasyncSync, openSync } from "node:fs";
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { DATABASE_PAGE_BYTES, LOG_BYTES_LIMIT, attempt } from "./database-file.ts";

/** Whoever sweeps begins it anew from so many pages on, 44 MiB: with half as many, and with half as many again, sweeps are slower. */
const SWEPT_PAGES = 2_800;
/** And copies it when so many pages of it are not. */
const STEP_PAGES = 700;
/** So many are copied while no sweep adds to it, at most. */
const LAST_PAGES = 400;
/** From so many on, which are there mostly where nobody sweeps, SQLite copies it behind a commit. */
const COPY_PAGES = 3_600;
/** And from so many on whoever commits begins it anew: readers have kept SQLite from it. */
const MOST_PAGES = Math.floor(LOG_BYTES_LIMIT / DATABASE_PAGE_BYTES);

/** How often it is tried to begin it anew, and the time between: readers have what they want in a few milliseconds. */
const TRIES = 20;
/** In so many of them what has come meanwhile is copied while others can write; then while they can't. */
const COPIES = 10;
const TRY_MILLISECONDS = 1;
const NEVER_NOTIFIED = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** Of one connection, which is lent. */
export class EmbeddedLog implements Disposable {
  readonly #database: DatabaseSync;
  readonly #length: StatementSync;
  readonly #copy: StatementSync;
  readonly #restart: StatementSync;
  readonly #cutOff: StatementSync;
  /**
   * Descriptor of its file, which stays as long as the database is open. Opened early: the system tells it of what fails from then
   * on.
   */
  readonly #file: number;
  /** What a sync said: later it might say that all is well, of what it has given up. */
  #syncFailure: unknown = null;
  /** Pages when this connection last tried to begin it anew in vain; 0 where it did not, or there were fewer since. */
  #held = 0;

  /** @param path - the store's file. */
  constructor(database: DatabaseSync, path: string) {
    const prepare = (mode: string): StatementSync => {
      const statement = database.prepare(`PRAGMA wal_checkpoint(${mode})`);
      statement.setReturnArrays(true);
      return statement;
    };
    this.#database = database;
    database.exec(`PRAGMA wal_autocheckpoint = ${COPY_PAGES}`);
    // Of SQLite 3.51: an older one would copy the log each time.
    this.#length = prepare("NOOP");
    this.#copy = prepare("PASSIVE");
    this.#restart = prepare("RESTART");
    this.#cutOff = prepare("TRUNCATE");
    this.#file = openSync(`${path}-wal`, "r+");
  }

  /** What was committed is on disk when it returns. @throws the system's error, and from then on always. */
  sync(): void {
    if (this.#syncFailure !== null) throw this.#syncFailure;
    try {
      // What is not in the log any more was synced before it was taken out of it.
      fdatasyncSync(this.#file);
    } catch (cause) {
      this.#syncFailure = cause;
      throw cause;
    }
  }

  /**
   * Keeps it bounded where others leave the store alone now and then, behind a commit, which stands whatever becomes of this.
   * @param isSweep - whether the commit was a sweep's, or as large as one: what this takes is little beside it.
   */
  bound(isSweep: boolean): void {
    attempt(this.#database, () => {
      const { pages, copied } = this.#state();
      if (pages < this.#held) this.#held = 0;
      const isLong = pages >= this.#held + (isSweep ? SWEPT_PAGES : MOST_PAGES);
      // Else another one is about it.
      const isCopied = isLong || (isSweep && pages - copied >= STEP_PAGES) ? isDone(this.#copy) : true;
      if (isLong && isCopied) this.#held = this.#beginAnew() ? 0 : pages;
      return true;
    });
  }

  /**
   * Whether somebody is about to begin it anew, as far as can be told: it is long, and few of it are left to copy. Not where none is:
   * then the next commit begins it anew, unless somebody reads it.
   */
  isBeingBegunAnew(): boolean {
    const { pages, copied } = this.#state();
    return pages >= this.#held + SWEPT_PAGES && copied < pages && copied + LAST_PAGES >= pages;
  }

  /**
   * Copies what is left, and has the next commit begin at its start, when nobody reads it: asked often, because SQLite would wait for
   * readers itself, 25 ms and more at a time, and writers with it.
   */
  #beginAnew(): boolean {
    this.#database.exec("PRAGMA busy_timeout = 0");
    for (let tries = 0; tries < TRIES; tries++) {
      const { pages, copied } = this.#state();
      // Somebody's commit has begun it anew.
      if (pages < SWEPT_PAGES / 2) return true;
      // However little it is: the database is synced with it, and all that was copied before.
      if (pages > copied && tries < COPIES) {
        if (isDone(this.#copy)) continue;
      } else if (isDone(this.#restart)) return true;
      Atomics.wait(NEVER_NOTIFIED, 0, 0, TRY_MILLISECONDS);
    }
    return false;
  }

  #state(): { readonly pages: number; readonly copied: number } {
    const [, pages, copied] = rowOf(this.#length);
    return { pages: Number(pages), copied: Number(copied) };
  }

  /** Copies it into the database and cuts it off. @returns false if others still read or write it. */
  cutOff(): boolean {
    return isDone(this.#cutOff);
  }

  /** The database is not closed. */
  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** What wal_checkpoint says: whether somebody was in its way, pages of the log, and those of them that are copied. */
function rowOf(checkpoint: StatementSync): readonly SQLOutputValue[] {
  return checkpoint.get() as unknown as readonly SQLOutputValue[];
}

function isDone(checkpoint: StatementSync): boolean {
  return rowOf(checkpoint)[0] === 0;
}
