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

describe("the log of an embedded store", () => {
  it("is begun anew by sweeps when it is long", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      for (let at = 0; at < 60; at++) await store.commit(commitOf(pages(at * PAGES, PAGES)));
    });
    await withStore(path, false, async (store) => {
      for (let at = 60; at < 90; at++) await store.commit({ ...commitOf(pages(at * PAGES, PAGES)), mayBeLost: true });
      // It is copied in steps, and begins anew by itself where nobody else is in the way.
      expect(statSync(`${path}-wal`).size).toBeLessThan(16 * MIB);
      expect((await store.scan({ from: null, to: null }, null, 1)).length).toBe(1);
    });
  });

  it("is not copied by those who write little, before it is twice as long", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      // Of two pages each, with those of the index.
      for (let at = 0; at < 900; at++) await store.commit({ ...commitOf(pages(at, 1)), mayBeLost: true });
      const before = logOf(path);
      expect(before.log).toBeGreaterThan(1_700);
      expect(before.checkpointed).toBe(0);
      await store.commit(commitOf(pages(1_000, PAGES)));
      await store.commit(commitOf(pages(2_000, 1)));
      expect(logOf(path).log).toBeLessThan(50);
    });
  });

  it("is left as it is while somebody reads it, and begun anew when he is gone", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await store.commit(commitOf(pages(0, PAGES)));
      const reader = new DatabaseSync(path);
      const rows = reader.prepare("SELECT version FROM page").iterate();
      rows.next();
      for (let at = 1; at < 30; at++) await store.commit(commitOf(pages(at * PAGES, PAGES)));
      expect(logOf(path).log).toBeGreaterThan(2_900);
      rows.return?.();
      reader.close();
      for (let at = 30; at < 50; at++) await store.commit(commitOf(pages(at * PAGES, PAGES)));
      expect(logOf(path).log).toBeLessThan(1_600);
    });
  });

  it("is given way to by sweeps where somebody is about to begin it anew, but not for ever", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await store.commit(commitOf(pages(0, PAGES)));
      const database = openDatabase(path);
      using log = new EmbeddedLog(database, path);
      // Who reads from now on has most of it in the database, and keeps it from beginning anew.
      for (let at = 1; at < 20; at++) await store.commit({ ...commitOf(pages(at * PAGES, 10)), mayBeLost: true });
      const before = logOf(path).log;
      expect(log.isBeingBegunAnew()).toBe(false);
      database.exec("PRAGMA wal_checkpoint(PASSIVE)");
      const reader = new DatabaseSync(path);
      const rows = reader.prepare("SELECT version FROM page").iterate();
      rows.next();
      for (let at = 0; logOf(path).log < before + 2_900; at++) {
        expect(log.isBeingBegunAnew()).toBe(false);
        await store.commit({ ...commitOf(pages(10_000 + at * 15, 15)), mayBeLost: true });
      }
      rows.return?.();
      database.exec("PRAGMA wal_checkpoint(PASSIVE)");
      expect(log.isBeingBegunAnew()).toBe(true);
      await withStore(path, false, async (other) => {
        await other.commit(commitOf(pages(5_000, PAGES)));
        expect((await other.scan({ from: null, to: null }, null, 1)).length).toBe(1);
      });
      reader.close();
      database.close();
    });
  });
});
