import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { storeError } from "../../src/store/embedded-error.ts";
import { recordsOf } from "../../src/store/page.ts";
import { freshPath, withStore } from "./embedded-files.ts";
import { ALL, ALL_BYTES, applyEdits, commitOf, contractId, failsWith, keepOf, sealedState, text } from "./records.ts";

describe("what SQLite reports", () => {
  const reported = (errcode: number): Error =>
    Object.assign(new Error("of SQLite"), { code: "ERR_SQLITE_ERROR", errcode });

  it("becomes a code of this project", () => {
    const codes: [number, string][] = [
      [5, "STORE_BUSY"],
      [261, "STORE_BUSY"],
      [6, "STORE_BUSY"],
      [8, "STORE_UNAVAILABLE"],
      [14, "STORE_UNAVAILABLE"],
      [10, "IO_FAILED"],
      [266, "IO_FAILED"],
      [4_874, "STORE_FULL"],
      [13, "STORE_FULL"],
      [11, "STORE_CORRUPT"],
      [779, "STORE_CORRUPT"],
      [26, "STORE_CORRUPT"],
      [1, "STORE_CORRUPT"],
    ];
    for (const [errcode, code] of codes) {
      expect(storeError(reported(errcode), "/s.db")).toMatchObject({
        code,
        detail: { path: "/s.db", sqlite: errcode },
      });
    }
  });

  it("as does what the system refuses", () => {
    // Not STORE_FULL, of which nothing was kept and which is tried again.
    for (const systemCode of ["ENOSPC", "EDQUOT", "EIO"]) {
      const refused = Object.assign(new Error("of the system"), { code: systemCode, syscall: "fdatasync" });
      expect(storeError(refused, "/s.db")).toMatchObject({ code: "IO_FAILED", detail: { path: "/s.db", systemCode } });
    }
  });

  it("and nothing else does", () => {
    for (const other of [new Error("x"), "x", null, new TypeError("y"), new GatekeeperError("NOT_FOUND", "z")]) {
      expect(storeError(other, "/s.db")).toBe(other);
    }
  });
});

describe("a damaged embedded store", () => {
  /** A closed store with a few hundred pages in it. */
  async function good(): Promise<string> {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      for (let contract = 0; contract < 4; contract++) {
        const edits = Array.from({ length: 120 }, (_, i) => ({ key: text(`k${i}`), sealed: sealedState(1, i, 1_000) }));
        await applyEdits(store, contractId(contract), edits, 1);
      }
      await store.commit(commitOf([], { cells: [{ name: "c", expected: null, value: text("v") }] }));
      const [first, second] = await store.scan(ALL, null, ALL_BYTES);
      for (const [n, page] of [first!, second!].entries()) {
        const write = { ...page, expected: page.version, counts: [], keep: keepOf(n + 1) };
        await store.commit(commitOf([[write]], { sealedUnder: 1 }));
      }
    });
    return path;
  }

  /** Uses everything that a store has. */
  async function useAll(path: string): Promise<void> {
    await withStore(path, false, async (store) => {
      for (const page of await store.scan(ALL, null, ALL_BYTES)) for (const _ of recordsOf(page));
      await store.countByRotationId();
      await store.minimumRotationId();
      await store.cells("", null, 10);
      await store.contracts(null, 10);
      await store.partitionBounds(3);
      await store.keptCount();
      const drop = await store.keptStatements(ALL, null, 1);
      for (const page of await store.kept(ALL, null, ALL_BYTES)) for (const _ of recordsOf(page));
      await store.commit(commitOf([], { drop }));
      await applyEdits(store, contractId(2), [{ key: text("k5"), sealed: sealedState(1, 1, 1_000) }], 1);
      await store.compact();
    });
  }

  const typed = ["STORE_CORRUPT", "STORE_UNAVAILABLE", "IO_FAILED", "STORE_FULL"];

  it("gives a typed error or its data, whichever bytes were flipped", async () => {
    const source = await good();
    await useAll(source);
    const bytes = readFileSync(source);
    const pages = Math.floor(bytes.length / 16_384);
    // Mostly where structure lies: the headers of database pages, and the file's own.
    const at = fc.oneof(
      fc.nat(bytes.length - 1),
      fc.nat(99),
      fc.tuple(fc.nat(pages - 1), fc.nat(40)).map(([page, byte]) => page * 16_384 + byte),
    );
    const flips = fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 });
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(flips, async (changes) => {
        const path = freshPath();
        const damaged = Buffer.from(bytes);
        for (const [offset, mask] of changes) damaged[offset]! ^= mask;
        writeFileSync(path, damaged);
        try {
          await useAll(path);
        } catch (error) {
          expect(error).toBeInstanceOf(GatekeeperError);
          expect(typed).toContain((error as GatekeeperError).code);
          seen.add((error as GatekeeperError).code);
        }
        for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
      }),
      { numRuns: 80 },
    );
    expect(seen).toContain("STORE_CORRUPT");
  });

  it("gives a typed error wherever it was cut off", async () => {
    const source = await good();
    const bytes = readFileSync(source);
    for (const part of [0.95, 0.9, 0.5, 0.1, 0.01, 0.002]) {
      const path = freshPath();
      writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * part)));
      await failsWith(useAll(path), "STORE_CORRUPT");
    }
  });

  it("gives a typed error for values of another kind", async () => {
    for (const change of [
      "UPDATE page SET version = -1 WHERE id = 1",
      "UPDATE page SET version = 9223372036854775807 WHERE id = 1",
      "DELETE FROM state",
      "UPDATE state SET minimum_rotation_id = -5",
      "UPDATE rotation_count SET records = -1",
      "UPDATE contract SET kind = 1, name = NULL",
      "UPDATE page SET body = zeroblob(40000000) WHERE id = 1",
      "DELETE FROM kept",
      "DELETE FROM page WHERE id = 1",
      "UPDATE page SET edition = 2 WHERE id = 1",
      "UPDATE kept SET version = version + 1",
      "UPDATE kept SET edition = edition + 1",
    ]) {
      const path = freshPath();
      copyFileSync(await good(), path);
      const database = new DatabaseSync(path);
      database.exec(change);
      database.close();
      await failsWith(useAll(path), "STORE_CORRUPT");
    }
  });

  it("does not pass over a kept body that is not there, or take another for it", async () => {
    const reads = (path: string) => withStore(path, false, (store) => store.kept(ALL, null, ALL_BYTES));
    const drops = (path: string) =>
      withStore(path, false, async (store) => {
        await store.commit(commitOf([], { drop: await store.keptStatements(ALL, null, 9) }));
      });
    for (const change of [
      "DELETE FROM page WHERE edition = 0 AND (contract, lower_bound) IN (SELECT contract, lower_bound FROM kept)",
      "UPDATE kept SET edition = edition + 1",
      "UPDATE kept SET version = version + 1",
    ]) {
      const path = await good();
      expect((await reads(path)).length).toBe(2);
      const database = new DatabaseSync(path);
      database.exec(change);
      database.close();
      await failsWith(reads(path), "STORE_CORRUPT", /kept page is not the one|another type/);
      await failsWith(drops(path), "STORE_CORRUPT", /kept page is not the one/);
    }
  });
});
