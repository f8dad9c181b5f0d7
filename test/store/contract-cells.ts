/** The store contract's part about cells and the minimum rotation id. */
import { expect, it } from "vitest";
import { CELL_VALUE_BYTES_MAX } from "../../src/store/commit.ts";
import type { Commit, StateStore } from "../../src/store/store.ts";
import { commitOf, contractId, failsWith, NO_KEY, pageWrite, scanAll, text } from "./records.ts";

/** Cells are written by compare-and-swap and hold back the commit. */
export function cellContract(handle: () => StateStore): void {
  const write = (name: string, expected: number | null, value: string | null) =>
    handle().commit({
      groups: [],
      sealedUnder: null,
      cells: [{ name, expected, value: value === null ? null : text(value) }],
    });

  it("are written and removed by compare-and-swap", async () => {
    expect((await write("lease", null, "a")).cellsHeld).toBe(true);
    expect(await handle().cell("lease")).toEqual({ name: "lease", version: 1, value: text("a") });
    expect((await write("lease", null, "b")).cellsHeld).toBe(false);
    expect((await write("lease", 2, "b")).cellsHeld).toBe(false);
    expect((await write("lease", 1, "")).cellsHeld).toBe(true);
    expect(await handle().cell("lease")).toEqual({ name: "lease", version: 2, value: NO_KEY });
    expect((await write("lease", 1, null)).cellsHeld).toBe(false);
    expect((await write("lease", 2, null)).cellsHeld).toBe(true);
    expect(await handle().cell("lease")).toBeNull();
    expect((await write("lease", null, null)).cellsHeld).toBe(true);
  });

  it("hold as much as the longest body of a page", async () => {
    const value = new Uint8Array(CELL_VALUE_BYTES_MAX).fill(7);
    const put = (bytes: Uint8Array): Promise<unknown> =>
      handle().commit({ groups: [], sealedUnder: null, cells: [{ name: "aside", expected: null, value: bytes }] });
    await put(value);
    expect(Buffer.compare((await handle().cell("aside"))!.value, value)).toBe(0);
    await failsWith(put(new Uint8Array(CELL_VALUE_BYTES_MAX + 1)), "RECORD_TOO_LARGE", /aside/);
  });

  it("never have a version twice, so a cell that was made anew is not taken for the old one", async () => {
    await write("lease", null, "a");
    await write("lease", 1, "b");
    await write("other", null, "c");
    await write("lease", 2, null);
    await write("lease", null, "d");
    const version = (await handle().cell("lease"))!.version;
    expect(version).toBeGreaterThan(2);
    expect((await write("lease", 1, "stale")).cellsHeld).toBe(false);
    expect((await write("lease", 2, "stale")).cellsHeld).toBe(false);
    expect((await write("lease", version, "e")).cellsHeld).toBe(true);
    expect((await handle().cell("lease"))!.version).toBe(version + 1);
    expect((await handle().cell("other"))!.version).toBe(1);
  });

  it("that no longer hold keep the whole commit from being applied", async () => {
    await write("a", null, "1");
    const result = await handle().commit({
      groups: [[pageWrite(contractId(1), NO_KEY)], [pageWrite(contractId(2), NO_KEY, { expected: 5 })]],
      sealedUnder: 0,
      contracts: [{ id: contractId(1), kind: 1, name: text("n") }],
      cells: [
        { name: "b", expected: null, value: text("2") },
        { name: "a", expected: 7, value: text("3") },
      ],
      minimumRotationId: 0,
    });
    expect(result).toEqual({ conflicts: [], cellsHeld: false });
    expect(await scanAll(handle())).toEqual([]);
    expect(await handle().contract(contractId(1))).toBeNull();
    expect(await handle().cell("b")).toBeNull();
    expect((await handle().cell("a"))!.value).toEqual(text("1"));
    expect(await handle().countByRotationId()).toEqual(new Map());
  });

  it("that a commit only expects keep it from being applied where they don't hold, and are left as they are", async () => {
    await write("service", null, "1");
    const page = pageWrite(contractId(1), NO_KEY);
    const commit = (expects: NonNullable<Commit["expects"]>, groups: Commit["groups"] = [[page]]) =>
      handle().commit(
        commitOf(groups, { expects, cells: [{ name: "b", expected: null, value: text("2") }], minimumRotationId: 0 }),
      );
    const held = { name: "service", expected: 1 };
    for (const stale of [
      [{ name: "service", expected: null }],
      [{ name: "service", expected: 2 }],
      [held, { name: "other", expected: 1 }],
    ]) {
      expect(await commit(stale)).toEqual({ conflicts: [], cellsHeld: false });
      expect(await scanAll(handle())).toEqual([]);
      expect(await handle().cell("b")).toBeNull();
    }
    const conflict = [[pageWrite(contractId(2), NO_KEY, { expected: 5 })]];
    expect(await commit([held], conflict)).toEqual({ conflicts: [0], cellsHeld: true });
    expect(await handle().cell("b")).toBeNull();
    expect(await commit([held, { name: "other", expected: null }])).toEqual({ conflicts: [], cellsHeld: true });
    expect((await scanAll(handle())).length).toBe(1);
    expect((await handle().cell("b"))!.value).toEqual(text("2"));
    expect(await handle().cell("service")).toEqual({ name: "service", version: 1, value: text("1") });
    for (const wrong of [[held, held], [{ name: "b", expected: null }], [{ name: "service", expected: 0 }]]) {
      await failsWith(commit(wrong), "INVALID_ARGUMENT");
    }
    await failsWith(commit([{ name: "", expected: null }]), "INVALID_ARGUMENT");
  });

  it("are listed by prefix in byte order of their names, page by page", async () => {
    const names = ["p", "p/", "p/1", "p/10", "p/2", "p/é", "p/\u{ffff}", "p/\u{1f511}", "q"];
    for (const name of names.toReversed()) await write(name, null, name);
    const list = async (prefix: string, after: string | null, limit: number) =>
      (await handle().cells(prefix, after, limit)).map((cell) => cell.name);
    expect(await list("", null, 100)).toEqual(names);
    expect(await list("p/", null, 100)).toEqual(names.slice(1, 8));
    expect(await list("p/1", null, 100)).toEqual(["p/1", "p/10"]);
    expect(await list("p/", "p/10", 2)).toEqual(["p/2", "p/é"]);
    expect(await list("p/", "p/15", 1)).toEqual(["p/2"]);
    expect(await list("p/", "a", 1)).toEqual(["p/"]);
    expect(await list("p/", "q", 9)).toEqual([]);
    expect(await list("x", null, 9)).toEqual([]);
    expect((await handle().cells("q", null, 1))[0]).toEqual({ name: "q", version: 1, value: text("q") });
  });

  it("refuse names out of range, and one name twice in a commit", async () => {
    for (const name of ["", "a\0b", "\ud800", "x".repeat(1_025)]) {
      await failsWith(write(name, null, "v"), "INVALID_ARGUMENT");
      await failsWith(handle().cell(name), "INVALID_ARGUMENT");
    }
    const twice = { name: "a", expected: null, value: NO_KEY };
    await failsWith(handle().commit({ groups: [], sealedUnder: null, cells: [twice, twice] }), "INVALID_ARGUMENT");
    await failsWith(handle().cells("", null, 0), "INVALID_ARGUMENT");
  });
}

/** The minimum rotation id refuses, and only rises. */
export function minimumContract(handle: () => StateStore): void {
  const raise = (minimumRotationId: number, rest: Partial<Commit> = {}) =>
    handle().commit({ groups: [], sealedUnder: null, minimumRotationId, ...rest });

  it("refuses what was sealed under a lower one, and applies nothing of it", async () => {
    await raise(3);
    expect(await handle().minimumRotationId()).toBe(3);
    const late = commitOf([[pageWrite(contractId(1), NO_KEY, { rotationId: 2 })]], {
      sealedUnder: 2,
      cells: [{ name: "c", expected: null, value: NO_KEY }],
      contracts: [{ id: contractId(1), kind: 1, name: text("n") }],
    });
    await failsWith(handle().commit(late), "ROTATION_ID_RETIRED");
    expect(await scanAll(handle())).toEqual([]);
    expect(await handle().cell("c")).toBeNull();
    expect(await handle().contract(contractId(1))).toBeNull();
    expect((await handle().commit({ ...late, sealedUnder: 3 })).conflicts).toEqual([]);
    await handle().commit(commitOf([[pageWrite(contractId(2), NO_KEY)]], { sealedUnder: null }));
    expect((await scanAll(handle())).length).toBe(2);
  });

  it("is raised only together with the cells: not when a group or a cell did not hold", async () => {
    const cells = [{ name: "phase", expected: null, value: text("Verification") }];
    const conflict = [[pageWrite(contractId(1), NO_KEY, { expected: 3 })]];
    expect((await raise(1, { cells, groups: conflict })).conflicts).toEqual([0]);
    expect(await handle().minimumRotationId()).toBe(0);
    const stale = [{ name: "phase", expected: 4, value: NO_KEY }];
    expect((await raise(1, { cells: stale })).cellsHeld).toBe(false);
    expect(await handle().minimumRotationId()).toBe(0);
    expect((await raise(1, { cells })).cellsHeld).toBe(true);
    expect(await handle().minimumRotationId()).toBe(1);
    expect((await handle().cell("phase"))!.value).toEqual(text("Verification"));
  });

  it("is never lowered", async () => {
    await raise(5);
    await raise(5);
    await failsWith(raise(4), "INVALID_ARGUMENT");
    await failsWith(raise(6, { sealedUnder: 5 }), "INVALID_ARGUMENT");
    await failsWith(raise(-1), "INVALID_ARGUMENT");
    await failsWith(raise(2 ** 32), "INVALID_ARGUMENT");
    expect(await handle().minimumRotationId()).toBe(5);
    await raise(2 ** 32 - 1);
    expect(await handle().minimumRotationId()).toBe(2 ** 32 - 1);
  });
}
