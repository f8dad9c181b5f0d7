import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { PageWrite } from "../../src/store/store.ts";
import { openDatabase } from "../../src/store/embedded-database.ts";
import { EmbeddedLog } from "../../src/store/embedded-log.ts";
import { freshPath, withStore } from "./embedded-files.ts";
import { NO_KEY, bodyOf, commitOf, pageWrite, sealedState } from "./records.ts";

const MIB = 1 << 20;
const PAGES = 100;

/** Nearly a database page each, of contracts from a number on. */
function pages(from: number, count: number): PageWrite[][] {
  return Array.from({ length: count }, (_, index) => {
    const contract = Buffer.alloc(32);
    contract.writeUInt32BE(from + index);
    return [{ ...pageWrite(contract, NO_KEY), body: bodyOf([[NO_KEY, sealedState(0, from + index, 15_000)]]) }];
  });
}

/** Pages of the log, and those of them that are in the database. */
function logOf(path: string): { readonly log: number; readonly checkpointed: number } {
  const database = new DatabaseSync(path);
  const { log, checkpointed } = database.prepare("PRAGMA wal_checkpoint(NOOP)").get() as Record<string, number>;
  database.close();
  return { log: log!, checkpointed: checkpointed! };
}

/** A connection that reads what is newest now, until it is closed. */
function readingAt(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec("BEGIN");
  database.prepare("SELECT count(*) FROM page").get();
  return database;
}

describe("the log of an embedded store", () => {
  it("is copied in steps by sweeps", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      for (let at = 0; at < 60; at++) await store.commit(commitOf(pages(at * PAGES, PAGES)));
    });
    await withStore(path, false, async (store) => {
      for (let at = 60; at < 90; at++) await store.commit({ ...commitOf(pages(at * PAGES, PAGES)), mayBeLost: true });
      // Where nobody else is in the way it begins anew whenever all of it is copied.
      expect(statSync(`${path}-wal`).size).toBeLessThan(16 * MIB);
      expect((await store.scan({ from: null, to: null }, null, 1)).length).toBe(1);
    });
  });

  it("is not copied by those who write little, where a sweep would copy it, or begin it anew", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      for (let at = 0; logOf(path).log < 2_900; at += 15) {
        await store.commit({ ...commitOf(pages(at, 15)), mayBeLost: true });
      }
      const before = logOf(path);
      expect(before.checkpointed).toBe(0);
      await store.commit(commitOf(pages(10_000, PAGES)));
      await store.commit(commitOf(pages(20_000, 1)));
      expect(logOf(path).log).toBeLessThan(50);
    });
  });

  it("is left as it is while somebody reads it, and begun anew when he is gone", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await store.commit(commitOf(pages(0, PAGES)));
      const reader = readingAt(path);
      for (let at = 1; at < 30; at++) await store.commit(commitOf(pages(at * PAGES, PAGES)));
      expect(logOf(path).log).toBeGreaterThan(2_900);
      reader.close();
      for (let at = 30; at < 50; at++) await store.commit(commitOf(pages(at * PAGES, PAGES)));
      expect(logOf(path).log).toBeLessThan(1_600);
    });
  });

  it("is given way to by sweeps where it is long and nearly all of it is copied, but not for ever", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      const database = openDatabase(path);
      using log = new EmbeddedLog(database, path);
      let contract = 0;
      // What is no sweep's does not copy it.
      const growTo = async (length: number): Promise<void> => {
        while (logOf(path).log < length) {
          await store.commit({ ...commitOf(pages(contract, 15)), mayBeLost: true });
          contract += 15;
        }
      };
      await growTo(2_000);
      // Who reads what is newest keeps the next commit from beginning it anew, though all of it is copied.
      const early = readingAt(path);
      database.exec("PRAGMA wal_checkpoint(PASSIVE)");
      await growTo(2_700);
      expect(log.isBeingBegunAnew()).toBe(false);
      await growTo(2_900);
      expect(log.isBeingBegunAnew()).toBe(false);
      const late = readingAt(path);
      early.close();
      database.exec("PRAGMA wal_checkpoint(PASSIVE)");
      expect(log.isBeingBegunAnew()).toBe(false);
      await growTo(3_100);
      expect(log.isBeingBegunAnew()).toBe(true);
      await withStore(path, false, async (other) => {
        expect(await other.commit(commitOf(pages(contract, PAGES)))).toEqual({ conflicts: [], cellsHeld: true });
      });
      late.close();
      database.close();
    });
  });
});
