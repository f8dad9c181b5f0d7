/** The store contract against a model: pages that are written, split, kept, dropped and written back at random. */
import fc from "fast-check";
import { expect } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { comparePlaces } from "../../src/store/page.ts";
import type { KeptPage, KeptRef, Page, PageRef, PageWrite, StateStore } from "../../src/store/store.ts";
import { keptAll } from "./contract-keeping.ts";
import type { StoreUnderTest } from "./contract.ts";
import { ALL, ALL_BYTES, bodyOf, commitOf, keepOf, place, scanAll, sealedState } from "./records.ts";

/** A write, or the drop of a kept body; numbers choose among what there is. */
type Step =
  | { readonly write: number; readonly bytes: number; readonly kept: boolean; readonly stale: number }
  | { readonly split: number; readonly into: number }
  | { readonly drop: number }
  | { readonly restore: number };

const PLACES: readonly PageRef[] = [0, 1, 2].flatMap((contract) =>
  ["", "a", "a\0", "b"].map((k) => place(contract, k)),
);

const compareKept = (a: KeptRef, b: KeptRef): number => comparePlaces(a, b) || a.version - b.version;

/** What a store must hold: its pages and its kept bodies, in no order. */
class Model {
  readonly pages: Page[] = [];
  kept: KeptPage[] = [];

  pageAt(at: PageRef): Page | null {
    return this.pages.find((page) => comparePlaces(page, at) === 0) ?? null;
  }

  /** Returns whether a group holds, and applies it then. */
  apply(group: readonly PageWrite[]): boolean {
    if (group.some((write) => (this.pageAt(write)?.version ?? null) !== write.expected)) return false;
    for (const { contract, lowerBound, expected, body, keep } of group) {
      const before = this.pageAt({ contract, lowerBound });
      if (before !== null) this.pages.splice(this.pages.indexOf(before), 1);
      if (before !== null && keep !== undefined) this.kept.push({ ...before, ...keep });
      this.pages.push({ contract, lowerBound, version: (expected ?? 0) + 1, body });
    }
    return true;
  }
}

/** Random commits, against the model. */
export async function keepsAsModel(open: () => Promise<StoreUnderTest>): Promise<void> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        write: fc.nat(99),
        bytes: fc.oneof(fc.integer({ min: 42, max: 900 }), fc.constantFrom(15_900, 40_000)),
        kept: fc.boolean(),
        stale: fc.constantFrom(0, 0, 0, 1, 2),
      }),
    },
    fc.record({ split: fc.nat(99), into: fc.nat(99) }),
    fc.record({ drop: fc.nat(99) }),
    fc.record({ restore: fc.nat(99) }),
  );
  const commits = fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(commits, async (rounds) => {
      const { store, dispose } = await open();
      try {
        const model = new Model();
        let fill = 0;
        for (const steps of rounds) {
          const groups: PageWrite[][] = [];
          const drop: KeptRef[] = [];
          const body = (bytes: number): Uint8Array =>
            bodyOf([[new Uint8Array(0), sealedState(0, ++fill & 0xff, bytes)]]);
          const conflicts: number[] = [];
          const add = (group: PageWrite[]): void => {
            if (!model.apply(group)) conflicts.push(groups.length);
            groups.push(group);
          };
          const replacing = (at: PageRef, bytes: Uint8Array, stale = 0, kept = true): PageWrite => {
            const version = model.pageAt(at)?.version ?? null;
            const expected = version === null || version <= stale ? version : version - stale;
            const keep = kept && expected !== null ? { keep: keepOf(++fill & 0xff) } : {};
            return { ...at, expected, body: bytes, counts: [], ...keep };
          };
          for (const one of steps) {
            if ("write" in one) {
              add([replacing(PLACES[one.write % PLACES.length]!, body(one.bytes), one.stale, one.kept)]);
            } else if ("split" in one) {
              const [from, into] = [PLACES[one.split % PLACES.length]!, PLACES[one.into % PLACES.length]!];
              if (from !== into) add([replacing(from, body(90)), replacing(into, body(91), 0, false)]);
            } else if (model.kept.length > 0) {
              const chosen = model.kept[("drop" in one ? one.drop : one.restore) % model.kept.length]!;
              if ("drop" in one) drop.push(chosen);
              else add([replacing({ contract: chosen.contract, lowerBound: chosen.lowerBound }, chosen.body)]);
            }
          }
          if (conflicts.length === 0) {
            model.kept = model.kept.filter((kept) => !drop.some((ref) => compareKept(ref, kept) === 0));
          }
          expect(await store.commit(commitOf(groups, { drop }))).toEqual({ conflicts, cellsHeld: true });
        }
        await agree(store, model);
        await store.compact();
        await agree(store, model);
      } finally {
        await dispose();
      }
    }),
    { numRuns: 25 },
  );
}

async function agree(store: StateStore, model: Model): Promise<void> {
  const pages = model.pages.toSorted(comparePlaces);
  expect(await scanAll(store)).toEqual(pages);
  expect(await store.partitionBounds(1)).toEqual(
    pages.slice(1).map(({ contract, lowerBound }) => ({ contract, lowerBound })),
  );
  for (const at of PLACES) {
    const covering = pages.filter(
      (page) => comparePlaces(page, at) <= 0 && toHex(page.contract) === toHex(at.contract),
    );
    expect(await store.find(at.contract, at.lowerBound)).toEqual(covering.at(-1) ?? null);
  }
  const kept = model.kept.toSorted(compareKept);
  expect(await keptAll(store)).toEqual(kept);
  expect(await store.keptCount()).toBe(kept.length);
  const statements = kept.map(({ body: _, ...statement }) => statement);
  expect(await store.keptStatements(ALL, null, 10_000)).toEqual(statements);
  const range = { from: PLACES[2]!, to: PLACES[9]! };
  const inRange = kept.filter((one) => comparePlaces(one, range.from) >= 0 && comparePlaces(one, range.to) < 0);
  expect(await store.kept(range, inRange[0] ?? null, ALL_BYTES)).toEqual(inRange.slice(1));
}
