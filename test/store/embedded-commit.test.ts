import { describe, expect, it } from "vitest";
import { CommitWriter } from "../../src/store/embedded-commit.ts";
import { openDatabase } from "../../src/store/embedded-database.ts";
import type { Commit } from "../../src/store/store.ts";
import { freshPath, withStore } from "./embedded-files.ts";
import { NO_KEY, bodyOf, commitOf, pageWrite, sealedState } from "./records.ts";

/** Of so many pages, each of a contract of its own. */
function commitOfPages(count: number): Commit {
  const groups = Array.from({ length: count }, (_, index) => {
    return [{ ...pageWrite(Buffer.alloc(32, index + 1), NO_KEY), body: bodyOf([[NO_KEY, sealedState(0, 1, 10)]]) }];
  });
  return commitOf(groups);
}

/** How often a commit asks whether it is to give way, where it is so often told that it is. */
async function askedBy(commit: Commit, told: number): Promise<number> {
  const path = freshPath();
  let asked = 0;
  await withStore(path, true, async (store) => {
    const database = openDatabase(path);
    const writer = new CommitWriter(database, path, () => asked++ < told);
    expect(writer.write(commit)).toEqual({ conflicts: [], cellsHeld: true });
    database.close();
    expect((await store.scan({ from: null, to: null }, null, 1e9)).length).toBe(commit.groups.length);
  });
  return asked;
}

describe("a commit of the embedded store", () => {
  it("waits for whoever is to come before it, if it is a sweep's", async () => {
    expect(await askedBy(commitOfPages(16), 3)).toBe(4);
    expect(await askedBy(commitOfPages(15), 3)).toBe(0);
  });

  it("does not wait for ever for who may have died", async () => {
    expect(await askedBy(commitOfPages(20), Number.MAX_SAFE_INTEGER)).toBe(40);
  });
});
