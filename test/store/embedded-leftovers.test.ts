import { randomBytes } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../src/store/embedded.ts";
import { freePagesAreZero, leavesOf } from "../../src/store/embedded-leftovers.ts";
import { type StillFile, StructureUnexpected } from "../../src/store/embedded-still-file.ts";
import { freshPath } from "./embedded-files.ts";
import { DATABASE_PAGE_BYTES, freePagesOf, MARK, overwrite, pagesOf, plantInLeaf } from "./planted.ts";

const ROWS = 3_000;
let path = "";
let root = 0;

/** A tree of three levels: leaves that one row fills, small rows, free blocks, overflow chains, free pages. */
beforeAll(async () => {
  path = freshPath();
  await (await openStore({ path, create: true })).close();
  const database = new DatabaseSync(path);
  database.exec("PRAGMA secure_delete = ON; BEGIN");
  const insert = database.prepare("INSERT INTO page (contract, lower_bound, version, body) VALUES (?, ?, 1, ?)");
  const bytesOf = (i: number): number => (i % 300 === 7 ? 33_400 : i % 300 < 60 ? 200 + i : 15_900);
  for (let i = 0; i < ROWS; i++) insert.run(Buffer.alloc(32, i), Buffer.from(String(i)), randomBytes(bytesOf(i)));
  const change = database.prepare("UPDATE page SET body = ? WHERE id = ?");
  for (let id = 20; id < ROWS; id += 300) change.run(randomBytes(100), id);
  change.run(randomBytes(100), 8);
  database.exec("COMMIT");
  root = Number(database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'page'").get()?.["rootpage"]);
  database.close();
});

function opened(bytes: Buffer): StillFile {
  return {
    pageBytes: DATABASE_PAGE_BYTES,
    pages: bytes.length / DATABASE_PAGE_BYTES,
    read: (page, from, length) => bytes.subarray((page - 1) * DATABASE_PAGE_BYTES + from).subarray(0, length),
  };
}

function copy(): string {
  const other = freshPath();
  copyFileSync(path, other);
  return other;
}

function look(file: string): { ids: number[]; dirty: number[]; overflowing: number[]; free: boolean[] } {
  const still = opened(readFileSync(file));
  const leaves = [...leavesOf(still, root)];
  return {
    ids: leaves.flatMap(({ ids }) => ids),
    dirty: leaves.filter(({ clean }) => !clean).map(({ ids }) => ids[0]!),
    overflowing: leaves.flatMap(({ overflowing }) => overflowing),
    free: [...freePagesAreZero(still)],
  };
}

describe("looking for leftovers", () => {
  it("meets every row of every kind of leaf, once and in order, and changes nothing", () => {
    const before = readFileSync(path);
    const { ids, overflowing, free } = look(path);
    expect(ids).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
    expect(overflowing).toEqual([]);
    expect(free.length).toBeGreaterThan(1);
    expect(free.every(Boolean)).toBe(true);
    expect(pagesOf(path, "internal").length).toBeGreaterThan(1);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("finds what is left before the rows of any leaf, and nowhere else", () => {
    const clean = new Set(look(path).dirty);
    const leaves = pagesOf(path, "leaf");
    for (const at of [0, 1, 40, 1_000, leaves.length - 1]) {
      const other = copy();
      if (!plantInLeaf(other, leaves[at]!)) continue;
      const dirty = look(other).dirty.filter((id) => !clean.has(id));
      expect(dirty.length).toBe(1);
    }
  });

  it("finds a single byte in a free block, behind an overflow chain and in free pages", () => {
    const before = look(path);
    const bytes = readFileSync(path);
    const blocks = pagesOf(path, "leaf").flatMap((page) => {
      const at = bytes.readUInt16BE((page - 1) * DATABASE_PAGE_BYTES + 1);
      return at === 0 ? [] : [{ page, at }];
    });
    expect(blocks.length).toBeGreaterThan(0);
    const inBlock = copy();
    overwrite(inBlock, blocks[0]!.page, blocks[0]!.at + 4, Buffer.from([1]));
    expect(look(inBlock).dirty.length).toBe(before.dirty.length + 1);

    const chain = pagesOf(path, "overflow").filter(
      (page) => bytes.readUInt32BE((page - 1) * DATABASE_PAGE_BYTES) === 0,
    );
    const behind = copy();
    overwrite(behind, chain[0]!, DATABASE_PAGE_BYTES - 1, Buffer.from([1]));
    expect(look(behind).overflowing.length).toBe(1);

    const { trunk, listed } = freePagesOf(path);
    for (const page of [trunk, listed]) {
      const free = copy();
      overwrite(free, page, 12_000, Buffer.from(MARK));
      expect(look(free).free.filter((zero) => !zero).length).toBe(1);
    }
  });

  it("ends, with an answer or StructureUnexpected, whatever is in the file", () => {
    const whole = readFileSync(path);
    const interesting = [1, root, ...pagesOf(path, "internal"), ...pagesOf(path, "leaf").slice(0, 20)];
    const flips = fc.array(fc.tuple(fc.constantFrom(...interesting), fc.nat(300), fc.nat(255)), { minLength: 1 });
    let unexpected = 0;
    fc.assert(
      fc.property(flips, (changes) => {
        const bytes = Buffer.from(whole);
        for (const [page, at, value] of changes) bytes[(page - 1) * DATABASE_PAGE_BYTES + at] = value;
        try {
          for (const _ of leavesOf(opened(bytes), root));
          for (const _ of freePagesAreZero(opened(bytes)));
        } catch (error) {
          expect(error).toBeInstanceOf(StructureUnexpected);
          unexpected++;
        }
      }),
      { numRuns: 30 },
    );
    expect(unexpected).toBeGreaterThan(0);
  });
});
