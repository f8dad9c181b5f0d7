import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { partitionBoundsFor, cutAt } from "../../src/rotation/partition-bounds.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { comparePlaces, recordsOf } from "../../src/store/page.ts";
import { editPage } from "../../src/store/page-edit.ts";
import type { StateStore } from "../../src/store/store.ts";

const EVERYTHING = { from: null, to: null };
const id = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const sealed = new Uint8Array(7_000);

/** A store of contracts with so many pages each; keys of some begin with many equal bytes. */
async function pagesOf(sizes: readonly number[], prefix: number): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [contract, pages] of sizes.entries()) {
    const edits = Array.from({ length: 2 * pages }, (_, index) => {
      const key = Buffer.alloc(prefix + 4);
      key.writeUInt32BE(index, prefix);
      return { key, sealed };
    });
    await store.commit({ groups: [editPage(id(contract), null, edits, 1n)], sealedUnder: 0 });
  }
  return store;
}

async function keysOf(store: StateStore): Promise<string[]> {
  const pages = await store.scan(EVERYTHING, null, 1e9);
  return pages.flatMap((page) => [...recordsOf(page)].map(({ key }) => Buffer.from(key).toString("hex")));
}

describe("bounds of partitions", () => {
  it("cut a store into as many parts as are wanted, of about as many pages", async () => {
    const store = await pagesOf([300, 1, 500, 224], 0);
    const pages = await store.scan(EVERYTHING, null, 1e9);
    for (const partitions of [1, 2, 3, 16, 100, 512, 10_000]) {
      const bounds = await partitionBoundsFor(store, partitions);
      expect(bounds).toHaveLength(Math.min(partitions - 1, 511));
      const sizes = [null, ...bounds].map((from, index) => {
        const to = bounds[index] ?? null;
        return pages.filter(
          (page) => (from === null || comparePlaces(page, from) >= 0) && (to === null || comparePlaces(page, to) < 0),
        ).length;
      });
      expect(Math.max(...sizes)).toBeLessThanOrEqual(2 * Math.ceil(pages.length / (bounds.length + 1)) + 16);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(pages.length);
    }
  });

  it("are strictly ascending and short, whatever the keys are", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.constantFrom(0, 30, 31, 40),
        fc.integer({ min: 1, max: 80 }),
        async (pages, prefix, n) => {
          const store = await pagesOf(pages, prefix);
          const bounds = await partitionBoundsFor(store, n);
          expect(bounds.length).toBeLessThan(n);
          for (const [index, bound] of bounds.entries()) {
            expect(bound.lowerBound.length).toBeLessThanOrEqual(32);
            if (index > 0) expect(comparePlaces(bounds[index - 1]!, bound)).toBeLessThan(0);
          }
          const before = await keysOf(store);
          for (const bound of bounds) await cutAt(store, bound);
          expect(await keysOf(store)).toEqual(before);
          const places = await store.scan(EVERYTHING, null, 1e9);
          for (const bound of bounds) {
            const below = places.filter((page) => comparePlaces(page, bound) < 0).at(-1);
            const last = below === undefined ? undefined : [...recordsOf(below)].at(-1);
            if (below === undefined || last === undefined) continue;
            expect(comparePlaces({ contract: below.contract, lowerBound: last.key }, bound)).toBeLessThan(0);
          }
          expect((await store.countByRotationId()).get(0) ?? 0).toBe(before.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("of no partition, or of an empty store, are none", async () => {
    await expect(partitionBoundsFor(new MemoryStore(), 0)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await partitionBoundsFor(new MemoryStore(), 9)).toEqual([]);
  });
});
