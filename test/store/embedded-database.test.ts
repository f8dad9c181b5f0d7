import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/store/embedded.ts";
import { folder, freshPath, withStore } from "./embedded-files.ts";
import { commitOf, contractId, failsWith, NO_KEY, pageWrite } from "./records.ts";

const ID = contractId(1);

describe("the file of an embedded store", () => {
  it("lasts", async () => {
    const path = freshPath();
    await withStore(path, true, (store) => store.commit(commitOf([[pageWrite(ID, NO_KEY)]], { minimumRotationId: 0 })));
    await withStore(path, false, async (store) => expect((await store.find(ID, NO_KEY))!.version).toBe(1));
  });

  it("is one file once nobody has it open, for its owner's eyes only", async () => {
    const path = freshPath();
    await withStore(path, true, (store) => store.commit(commitOf([[pageWrite(ID, NO_KEY)]])));
    expect(existsSync(`${path}-wal`)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes(".new"))).toEqual([]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("is not made over anything, and is left as it was", async () => {
    const path = freshPath();
    writeFileSync(path, "mine");
    await failsWith(openStore({ path, create: true }), "ALREADY_EXISTS", /is not overwritten/);
    expect(readFileSync(path, "utf8")).toBe("mine");
    await failsWith(openStore({ path: folder, create: true }), "ALREADY_EXISTS");
  });

  it("is not made by opening it", async () => {
    const path = freshPath();
    await failsWith(openStore({ path }), "NOT_FOUND");
    await failsWith(openStore({ path: join(folder, "none", "s.db") }), "NOT_FOUND");
    await failsWith(openStore({ path: join(folder, "none", "s.db"), create: true }), "STORE_UNAVAILABLE", /ENOENT/);
    expect(existsSync(path)).toBe(false);
  });

  it("may have any name", async () => {
    const path = join(folder, "a b?mode=ro#ü%20.db");
    await withStore(path, true, async () => expect(existsSync(path)).toBe(true));
  });

  it("is refused when it is another program's, newer, or no database", async () => {
    const foreign = freshPath();
    const database = new DatabaseSync(foreign);
    database.exec("CREATE TABLE page (x); PRAGMA user_version = 1");
    database.close();
    const before = readFileSync(foreign);
    await failsWith(openStore({ path: foreign }), "STORE_UNAVAILABLE", /not a store of this program/);
    expect(readFileSync(foreign)).toEqual(before);

    const newer = freshPath();
    await withStore(newer, true, async () => undefined);
    const raised = new DatabaseSync(newer);
    raised.exec("PRAGMA user_version = 3");
    raised.close();
    await failsWith(openStore({ path: newer }), "STORE_UNAVAILABLE", /format 3, this program knows 2/);

    const text = freshPath();
    writeFileSync(text, "no database at all".repeat(1_000));
    await failsWith(openStore({ path: text }), "STORE_CORRUPT", /not a store, or its header is damaged/);
    writeFileSync(text, "");
    await failsWith(openStore({ path: text }), "STORE_UNAVAILABLE");
    await failsWith(openStore({ path: folder }), "STORE_UNAVAILABLE");
  });

  it("is refused when its tables were changed", async () => {
    for (const change of [
      "CREATE TRIGGER t AFTER UPDATE ON page BEGIN DELETE FROM state; END",
      "DROP TABLE cell",
      "ALTER TABLE page ADD COLUMN extra ANY",
    ]) {
      const path = freshPath();
      await withStore(path, true, async () => undefined);
      const database = new DatabaseSync(path);
      database.exec(change);
      database.close();
      await failsWith(openStore({ path }), "STORE_CORRUPT", /tables are not those of a store/);
    }
  });

  it("is opened with its path alone", async () => {
    for (const options of [
      null,
      "path",
      {},
      { path: 1 },
      { path: "" },
      { path: "x", cache: 1 },
      { path: "x", create: 1 },
    ]) {
      await failsWith(openStore(options), "INVALID_ARGUMENT");
    }
  });
});
