import { readFileSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/store/embedded.ts";
import { editPage, type RecordEdit } from "../../src/store/page-edit.ts";
import type { StateStore } from "../../src/store/store.ts";
import { child, exitOf, freshPath, withStore } from "./embedded-files.ts";
import {
  DATABASE_PAGE_BYTES,
  freePagesOf,
  idsOf,
  isPlanted,
  MARK,
  overwrite,
  pagesOf,
  plantInLeaf,
} from "./planted.ts";
import {
  ALL,
  ALL_BYTES,
  applyEdits,
  commitOf,
  contractId,
  keepOf,
  pageWrite,
  placesOf,
  sealedState,
  text,
} from "./records.ts";

/** A sealed state that can be found in the raw bytes of a file, in every 12 bytes of it. */
function marked(name: string, index: number, bytes: number): Uint8Array {
  const sealed = sealedState(1, 0, bytes);
  const mark = text(`<${name}${String(index).padStart(6, "0")}>`);
  for (let at = 42; at + mark.length <= bytes; at += mark.length) sealed.set(mark, at);
  return sealed;
}

/** Which of the sealed states of a name have bytes in a file. Read no store's file here that is still open. */
function marksIn(file: string, name: string): string[] {
  return [...new Set(readFileSync(file, "latin1").match(new RegExp(`${name}\\d{6}`, "g")))].sort();
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Puts records with keys k0, k1, …, or deletes them where `name` is null. */
function put(
  store: StateStore,
  contract: Uint8Array,
  name: string | null,
  keys: number[],
  bytes = 300,
): Promise<boolean> {
  const edits: RecordEdit[] = keys.map((i) => ({
    key: text(`k${i}`),
    sealed: name === null ? null : marked(name, i, bytes),
  }));
  return applyEdits(store, contract, edits, 1);
}

describe("compacting an embedded store", () => {
  it("leaves no replaced or deleted record on disk", async () => {
    const path = freshPath();
    const store = await openStore({ path, create: true });
    // Small pages that share a database page, split pages, and large ones with overflow chains; then all replaced.
    for (let contract = 0; contract < 60; contract++) await put(store, contractId(contract), "old", range(3));
    await put(store, contractId(70), "old", range(400));
    await put(store, contractId(71), "old", range(4), 100_000);
    for (let contract = 0; contract < 60; contract++) {
      const name = contract % 3 === 0 ? null : "new";
      await put(store, contractId(contract), name, range(3), 200 + 17 * (contract % 7));
    }
    await put(store, contractId(70), "new", range(400), 250);
    await put(store, contractId(71), "new", range(4), 90_000);
    // The control: the log still has them.
    expect(marksIn(`${path}-wal`, "old").length).toBe(400);
    await store.compact();
    expect(statSync(`${path}-wal`).size).toBe(0);
    await store.close();
    expect(marksIn(path, "new").length).toBe(400);
    expect(marksIn(path, "old")).toEqual([]);
  });

  it("leaves no kept record on disk once it was dropped, whatever the size of its page, and those that were not", async () => {
    const path = freshPath();
    const store = await openStore({ path, create: true });
    const sizes = [120, 700, 5_000, 15_800, 60_000];
    const [dropped, left] = [range(40), range(50).slice(40)];
    const rewrite = async (name: string, kept: boolean): Promise<void> => {
      const groups = range(50).map(async (i) => {
        const page = await store.find(contractId(i), text("k"));
        const edit = { key: text("k"), sealed: marked(name, i, sizes[i % sizes.length]!) };
        const writes = await editPage(contractId(i), page, [edit], BigInt((page?.version ?? 0) + 1));
        return writes.map((write) => (kept ? { ...write, keep: keepOf(i + 1) } : write));
      });
      expect((await store.commit({ groups: await Promise.all(groups), sealedUnder: 1 })).conflicts).toEqual([]);
    };
    await rewrite("gone", false);
    await rewrite("old", false);
    await rewrite("mid", true);
    await rewrite("new", true);
    await store.compact();
    // The control: what is kept is in the file, and stays there when everything has moved.
    expect(marksIn(path, "gone")).toEqual([]);
    for (const name of ["old", "mid", "new"]) expect(marksIn(path, name).length).toBe(50);
    const pages = await store.scan(ALL, null, ALL_BYTES);
    const drop = (await store.keptStatements(ALL, null, 1_000)).filter(({ contract }) => contract[0]! < dropped.length);
    expect(drop.length).toBe(2 * dropped.length);
    await store.commit({ groups: [], sealedUnder: null, drop });
    const kept = await store.kept(ALL, null, ALL_BYTES);
    await store.compact();
    expect(await store.kept(ALL, null, ALL_BYTES)).toEqual(kept);
    expect(await store.scan(ALL, null, ALL_BYTES)).toEqual(pages);
    await store.close();
    for (const name of ["old", "mid"]) {
      expect(marksIn(path, name)).toEqual(left.map((i) => `${name}${String(i).padStart(6, "0")}`));
    }
    expect(marksIn(path, "new").length).toBe(50);
  });

  it("fills a database page with each divider, to its last byte", async () => {
    const path = freshPath();
    await withStore(path, true, (store) => store.commit(commitOf([[pageWrite(contractId(1), text(""))]])));
    plantInLeaf(path, pagesOf(path, "leaf")[0]!);
    await withStore(path, false, (store) => store.compact());
    const database = new DatabaseSync(path);
    const pages = "SELECT unused FROM dbstat WHERE name = 'page' AND pagetype = 'leaf' ORDER BY path LIMIT 3";
    expect(database.prepare(pages).all()).toEqual([{ unused: 0 }, { unused: 0 }, { unused: 0 }]);
    database.close();
  });

  it("also zeroes the copies that SQLite leaves where it moved rows", async () => {
    const contracts = range(2_500);
    const idOf = (i: number): Uint8Array =>
      contractId(0)
        .fill(i & 0xff, 0, 1)
        .fill(i >> 8, 1, 2);
    const grown = async (path: string): Promise<StateStore> => {
      const store = await openStore({ path, create: true });
      for (const [name, key] of [
        ["old", "k"],
        ["mid", "l"],
        ["new", "k"],
      ] as const) {
        for (let from = 0; from < contracts.length; from += 250) {
          const writes = contracts.slice(from, from + 250).map(async (i) => {
            const page = await store.find(idOf(i), text(key));
            const edit = { key: text(key), sealed: marked(name, i, 80 + ((i * 37) % 900)) };
            return editPage(idOf(i), page, [edit], 3n);
          });
          await store.commit({ groups: await Promise.all(writes), sealedUnder: 1 });
        }
      }
      return store;
    };
    // The control: secure_delete alone leaves some. If it ever leaves none, moving the rows is not needed any more.
    const control = freshPath();
    await (await grown(control)).close();
    expect(marksIn(control, "old").length).toBeGreaterThan(0);
    const path = freshPath();
    const store = await grown(path);
    await store.compact();
    await store.close();
    expect(marksIn(path, "old")).toEqual([]);
    expect(marksIn(path, "new").length).toBe(contracts.length);
    expect(statSync(path).size).toBeLessThan(statSync(control).size * 1.1);
  });

  it("changes nothing that a reader sees, however often", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await put(store, contractId(1), "a", range(300));
      await put(store, contractId(2), "b", range(2), 40_000);
      const before = await store.scan(ALL, null, ALL_BYTES);
      for (let i = 0; i < 3; i++) await store.compact();
      expect(await store.scan(ALL, null, ALL_BYTES)).toEqual(before);
      expect(await store.countByRotationId()).toEqual(new Map([[1, 302]]));
    });
  });

  it("does not show, and later removes, what a compaction that was killed left", async () => {
    const path = freshPath();
    await withStore(path, true, (store) => store.commit(commitOf([[pageWrite(contractId(0xff), text("\x7f"))]])));
    const database = new DatabaseSync(path);
    const rows = "SELECT count(*) AS rows FROM page WHERE lower_bound IN (unhex('37'), unhex('7f'))";
    database.exec(`INSERT INTO page (contract, lower_bound, version, body)
      VALUES (unhex('${"ff".repeat(33)}'), unhex('37'), 1, zeroblob(16295))`);
    expect(database.prepare(rows).get()).toEqual({ rows: 2 });
    await withStore(path, false, async (store) => {
      expect(placesOf(await store.scan(ALL, null, ALL_BYTES))).toEqual(["255/\x7f"]);
      expect(await store.partitionBounds(1)).toEqual([]);
      await store.compact();
    });
    expect(database.prepare(rows).get()).toEqual({ rows: 1 });
    database.close();
  });

  it.each([
    ["every row", 1],
    ["single rows", 20],
  ])("loses nothing when it is killed at any moment, moving %s", async (_, everyNth) => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      for (let contract = 0; contract < 40; contract++) await put(store, contractId(contract), "new", range(100));
    });
    const before = await withStore(path, false, (store) => store.scan(ALL, null, ALL_BYTES));
    for (const wait of [0, 13, 29]) {
      const leaves = pagesOf(path, "leaf");
      for (const page of leaves.filter((_, index) => index % everyNth === everyNth - 1)) plantInLeaf(path, page);
      const process = child("compact", path);
      const exit = exitOf(process);
      await new Promise<void>((resolve) => process.stdout!.once("data", () => setTimeout(resolve, wait)));
      process.kill("SIGKILL");
      expect(await exit).toBe("SIGKILL");
      expect(await withStore(path, false, (store) => store.scan(ALL, null, ALL_BYTES))).toEqual(before);
    }
  });

  /** Full pages, one a leaf, but for one contract with an overflow chain. */
  const fullPages = async (path: string, contracts: number): Promise<void> => {
    await withStore(path, true, async (store) => {
      for (let contract = 2; contract < contracts; contract++) await put(store, contractId(contract), "a", range(250));
      // Its last overflow page is not full.
      await put(store, contractId(contracts), "b", range(1), 33_300);
    });
  };

  it("moves no row where rows were only rewritten in place", async () => {
    const path = freshPath();
    await fullPages(path, 10);
    const before = idsOf(path);
    await withStore(path, false, async (store) => {
      for (let contract = 2; contract < 10; contract++) await put(store, contractId(contract), "new", range(250));
      await put(store, contractId(10), "new", range(1), 33_300);
      await store.compact();
    });
    expect(idsOf(path)).toEqual(before);
    expect(marksIn(path, "new").length).toBe(250);
  });

  it.each([
    ["one leaf", (leaves: number[]) => [leaves[20]!], 1],
    ["two neighbouring leaves", (leaves: number[]) => [leaves[20]!, leaves[21]!], 2],
    ["the last leaf but one", (leaves: number[]) => [leaves.at(-2)!], 1],
    ["the last leaf", (leaves: number[]) => [leaves.at(-1)!], 1],
  ])("frees %s with leftovers, and moves no more rows than that", async (_, choose, moved) => {
    const path = freshPath();
    await fullPages(path, 10);
    const before = idsOf(path);
    const content = await withStore(path, false, (store) => store.scan(ALL, null, ALL_BYTES));
    for (const page of choose(pagesOf(path, "leaf"))) plantInLeaf(path, page);
    expect(isPlanted(path)).toBe(true);
    await withStore(path, false, (store) => store.compact());
    expect(isPlanted(path)).toBe(false);
    expect(idsOf(path).filter((id, index) => id !== before[index]).length).toBe(moved);
    expect(await withStore(path, false, (store) => store.scan(ALL, null, ALL_BYTES))).toEqual(content);
  });

  it.each([
    ["the first leaf", (path: string) => plantInLeaf(path, pagesOf(path, "leaf")[0]!)],
    ["many leaves", (path: string) => pagesOf(path, "leaf").map((page) => plantInLeaf(path, page))],
    [
      "the end of an overflow chain",
      (path: string) => {
        const chain = pagesOf(path, "overflow");
        overwrite(path, chain.at(-1)!, DATABASE_PAGE_BYTES - MARK.length, Buffer.from(MARK));
      },
    ],
  ])("leaves nothing in %s either", async (_, plant) => {
    const path = freshPath();
    await fullPages(path, 10);
    const content = await withStore(path, false, (store) => store.scan(ALL, null, ALL_BYTES));
    plant(path);
    expect(isPlanted(path)).toBe(true);
    await withStore(path, false, (store) => store.compact());
    expect(isPlanted(path)).toBe(false);
    expect(await withStore(path, false, (store) => store.scan(ALL, null, ALL_BYTES))).toEqual(content);
    // And nothing that would have rows moved again.
    const ids = idsOf(path);
    await withStore(path, false, (store) => store.compact());
    expect(idsOf(path)).toEqual(ids);
  });

  it("leaves nothing while another process commits all the time", async () => {
    const path = freshPath();
    await fullPages(path, 10);
    for (const page of pagesOf(path, "leaf").filter((_, index) => index % 10 === 5)) plantInLeaf(path, page);
    const process = child("commit", path);
    const exit = exitOf(process);
    process.stdout!.resume();
    await new Promise((resolve) => process.stdout!.once("data", resolve));
    await withStore(path, false, (store) => store.compact());
    process.kill("SIGKILL");
    expect(await exit).toBe("SIGKILL");
    await withStore(path, false, (store) => store.compact());
    expect(isPlanted(path)).toBe(false);
  });

  it("moves single rows that are large in short transactions", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      for (let contract = 0; contract < 30; contract++)
        await put(store, contractId(contract), "a", range(1), 2_000_000);
    });
    const bytes = readFileSync(path);
    const last = pagesOf(path, "overflow").filter((page) => bytes.readUInt32BE((page - 1) * DATABASE_PAGE_BYTES) === 0);
    for (const page of last) overwrite(path, page, DATABASE_PAGE_BYTES - MARK.length, Buffer.from(MARK));
    expect(last.length).toBe(30);
    const before = idsOf(path);
    await withStore(path, false, async (store) => {
      const compacted = store.compact();
      // Between two of them others can write: after the first one few rows have moved.
      let moved = 0;
      for (let turn = 0; moved === 0 && turn < 1_000; turn++) {
        await setImmediate();
        moved = idsOf(path).filter((id) => !before.includes(id)).length;
      }
      expect(moved).toBeGreaterThan(0);
      expect(moved).toBeLessThan(10);
      await compacted;
    });
    expect(isPlanted(path)).toBe(false);
  });

  it("lets another compaction of its thread end that still looks at the file", async () => {
    const path = freshPath();
    await (await openStore({ path, create: true })).close();
    const database = new DatabaseSync(path);
    // More leaves than are looked at before the thread may do something else.
    database.exec(`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2200)
      INSERT INTO page (contract, lower_bound, version, body) SELECT unhex(printf('%064x', i)), x'', 1, zeroblob(15900) FROM n`);
    database.close();
    await withStore(path, false, (first) =>
      withStore(path, false, async (second) => {
        const compacted = first.compact();
        await setImmediate();
        await second.commit(commitOf([[pageWrite(contractId(0xff), text(""))]]));
        // Else a new one has nothing to copy, and needs to wait for nobody.
        expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
        await Promise.all([compacted, second.compact()]);
      }),
    );
    expect(statSync(path).size).toBeGreaterThan(2_200 * DATABASE_PAGE_BYTES);
  });

  it("moves every row where a free page is not empty, as secure_delete leaves none", async () => {
    const path = freshPath();
    await fullPages(path, 4);
    await withStore(path, false, (store) => put(store, contractId(4), "c", range(1), 100));
    const { listed } = freePagesOf(path);
    overwrite(path, listed, 5_000, Buffer.from(MARK));
    const before = idsOf(path);
    await withStore(path, false, (store) => store.compact());
    const after = idsOf(path);
    expect(after.filter((id) => before.includes(id))).toEqual([]);
  });
});
