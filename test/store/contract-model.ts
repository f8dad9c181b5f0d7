/** The store contract against a model: random edits, and a plain map that must agree. */
import fc from "fast-check";
import { expect } from "vitest";
import { compareBytes, toHex } from "../../src/bytes.ts";
import { comparePlaces, countRotationIds, recordsOf } from "../../src/store/page.ts";
import type { StateStore } from "../../src/store/store.ts";
import type { StoreUnderTest } from "./contract.ts";
import { applyEdits, contractId, scanAll, sealedState, text } from "./records.ts";

/** Random edits, against a map of contract and key to sealed state. */
export async function agreesWithMap(open: () => Promise<StoreUnderTest>): Promise<void> {
  const edit = fc.record({
    key: fc.oneof(
      fc.nat(99).map((n) => text(String(n))),
      fc.uint8Array({ maxLength: 2 }),
    ),
    sealed: fc.option(
      fc
        .tuple(
          fc.nat(3),
          fc.nat(255),
          fc.oneof(
            { weight: 6, arbitrary: fc.integer({ min: 42, max: 1_500 }) },
            fc.constantFrom(15_978, 15_979, 50_000),
          ),
        )
        .map(([rotationId, fill, bytes]) => sealedState(rotationId, fill, bytes)),
    ),
  });
  const commits = fc.array(fc.tuple(fc.nat(2), fc.array(edit, { maxLength: 40 })), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(commits, async (rounds) => {
      const { store, dispose } = await open();
      try {
        const oracle = new Map<string, string>();
        for (const [contract, edits] of rounds) {
          const unique = [...new Map(edits.map((one) => [toHex(one.key), one])).values()];
          expect(await applyEdits(store, contractId(contract), unique, 0)).toBe(true);
          for (const { key, sealed } of unique) {
            if (sealed === null) oracle.delete(`${contract}/${toHex(key)}`);
            else oracle.set(`${contract}/${toHex(key)}`, toHex(sealed));
          }
        }
        await matches(store, oracle);
      } finally {
        await dispose();
      }
    }),
    { numRuns: 25 },
  );
}

async function matches(store: StateStore, oracle: ReadonlyMap<string, string>): Promise<void> {
  const pages = await scanAll(store);
  const records = pages.flatMap((page) =>
    [...recordsOf(page)].map(({ key, sealed }) => [`${page.contract[0]}/${toHex(key)}`, toHex(sealed)] as const),
  );
  expect(records.length).toBe(oracle.size);
  expect(new Map(records)).toEqual(oracle);
  const recount = new Map<number, number>();
  for (const page of pages) {
    for (const [id, count] of countRotationIds(page)) recount.set(id, (recount.get(id) ?? 0) + count);
  }
  expect(await store.countByRotationId()).toEqual(recount);
  for (const entry of await store.contracts(null, 100)) {
    const own = records.filter(([name]) => name.startsWith(`${entry.id[0]}/`));
    expect(entry.records).toBe(own.length);
  }
  for (let i = 1; i < pages.length; i++) {
    expect(comparePlaces(pages[i - 1]!, pages[i]!)).toBeLessThan(0);
    if (compareBytes(pages[i - 1]!.contract, pages[i]!.contract) !== 0) continue;
    const last = [...recordsOf(pages[i - 1]!)].at(-1);
    if (last !== undefined) expect(compareBytes(last.key, pages[i]!.lowerBound)).toBeLessThan(0);
  }
}
