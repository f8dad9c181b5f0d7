/** The store contract's part about reading: scan, find, partition bounds. */
import { expect, it } from "vitest";
import { toHex } from "../../src/bytes.ts";
import type { PageRef, StateStore } from "../../src/store/store.ts";
import { ALL, ALL_BYTES, commitOf, contractId, NO_KEY, pageWrite, place, placesOf, scanAll, text } from "./records.ts";

/** Places in the order of the contract. */
const ORDERED: readonly [number, string][] = [
  [1, ""],
  [1, "a"],
  [1, "a\0"],
  [1, "a\0\0"],
  [1, "ab"],
  [1, "b"],
  [1, "\x7f"],
  [2, ""],
  [2, "\0"],
  [0xff, ""],
];
const NAMES = ORDERED.map(([contract, key]) => `${contract}/${key}`);

async function fill(store: StateStore): Promise<void> {
  const writes = ORDERED.map(([contract, key], index) => [pageWrite(contractId(contract), text(key), { fill: index })]);
  await store.commit(commitOf(writes.toReversed()));
}

/** Scans in order, in ranges and in steps. */
export function scanContract(handle: () => StateStore): void {
  it("an empty store is empty", async () => {
    const store = handle();
    expect(await store.scan(ALL, null, 1)).toEqual([]);
    expect(await store.find(contractId(1), NO_KEY)).toBeNull();
    expect(await store.minimumRotationId()).toBe(0);
    expect(await store.countByRotationId()).toEqual(new Map());
    expect(await store.partitionBounds(1)).toEqual([]);
    expect(await store.contracts(null, 10)).toEqual([]);
    expect(await store.cells("", null, 10)).toEqual([]);
  });

  it("scans in the order of contract and lower bound as bytes, however small the steps", async () => {
    await fill(handle());
    for (const maxBytes of [1, 100, 200, 65_536]) {
      expect(placesOf(await scanAll(handle(), ALL, maxBytes))).toEqual(NAMES);
    }
  });

  it("gives at least one page and stops once maxBytes are reached", async () => {
    await fill(handle());
    const bytes = (await scanAll(handle(), ALL, 1))[0]!.body.length;
    expect((await handle().scan(ALL, null, 1)).length).toBe(1);
    expect((await handle().scan(ALL, null, bytes)).length).toBe(1);
    expect((await handle().scan(ALL, null, bytes + 1)).length).toBe(2);
    expect((await handle().scan(ALL, null, ALL_BYTES)).length).toBe(ORDERED.length);
  });

  it("scans half-open ranges, whether or not pages lie at their ends", async () => {
    await fill(handle());
    const between = async (from: PageRef | null, to: PageRef | null) =>
      placesOf(await scanAll(handle(), { from, to }, 1));
    expect(await between(place(1, "a"), place(1, "b"))).toEqual(NAMES.slice(1, 5));
    expect(await between(place(1, "aa"), place(2, ""))).toEqual(NAMES.slice(4, 7));
    expect(await between(null, place(1, "a\0"))).toEqual(NAMES.slice(0, 2));
    expect(await between(place(2, "\0\0"), null)).toEqual(NAMES.slice(9));
    expect(await between(place(1, "b"), place(1, "b"))).toEqual([]);
    expect(await between(place(2, ""), place(1, ""))).toEqual([]);
  });

  it("goes on after a page that is gone from the range, or was never there", async () => {
    await fill(handle());
    const range = { from: place(1, "a\0"), to: place(2, "\0") };
    const after = async (ref: PageRef) => placesOf(await handle().scan(range, ref, ALL_BYTES));
    expect(await after(place(1, ""))).toEqual(NAMES.slice(2, 8));
    expect(await after(place(1, "a\0"))).toEqual(NAMES.slice(3, 8));
    expect(await after(place(1, "aa"))).toEqual(NAMES.slice(4, 8));
    expect(await after(place(2, ""))).toEqual([]);
    expect(await after(place(9, ""))).toEqual([]);
  });
}

/** Finds, bounds, and who owns the bytes. */
export function findContract(handle: () => StateStore): void {
  it("finds the page that covers a key: at, above and below its bounds", async () => {
    await fill(handle());
    const found = async (contract: number, key: string) => {
      const page = await handle().find(contractId(contract), text(key));
      return page === null ? null : placesOf([page])[0];
    };
    expect(await found(1, "")).toBe(NAMES[0]);
    expect(await found(1, "A")).toBe(NAMES[0]);
    expect(await found(1, "a")).toBe(NAMES[1]);
    expect(await found(1, "a\0")).toBe(NAMES[2]);
    expect(await found(1, "a\0\x01")).toBe(NAMES[3]);
    expect(await found(1, "aa")).toBe(NAMES[3]);
    expect(await found(1, "zzz")).toBe(NAMES[5]);
    expect(await found(2, "zzz")).toBe(NAMES[8]);
    expect(await found(3, "zzz")).toBeNull();
    expect(await found(0, "")).toBeNull();
  });

  it("has nothing below a contract's first page", async () => {
    await handle().commit(commitOf([[pageWrite(contractId(1), text("m"))]]));
    expect(await handle().find(contractId(1), text("l"))).toBeNull();
    expect(await handle().find(contractId(1), text("m"))).not.toBeNull();
  });

  it("gives every pagesEach-th place as a partition bound", async () => {
    await fill(handle());
    const bounds = async (pagesEach: number) => placesOf(await handle().partitionBounds(pagesEach));
    expect(await bounds(1)).toEqual(NAMES.slice(1));
    expect(await bounds(3)).toEqual([NAMES[3], NAMES[6], NAMES[9]]);
    expect(await bounds(5)).toEqual([NAMES[5]]);
    expect(await bounds(9)).toEqual([NAMES[9]]);
    expect(await bounds(10)).toEqual([]);
  });

  it("hands out bodies that the caller may overwrite", async () => {
    await fill(handle());
    const before = (await scanAll(handle())).map(({ body }) => toHex(body));
    for (const page of await scanAll(handle())) page.body.fill(0xee);
    (await handle().find(contractId(1), NO_KEY))!.body.fill(0xee);
    expect((await scanAll(handle())).map(({ body }) => toHex(body))).toEqual(before);
  });

  it("keeps a copy of what it is given", async () => {
    const write = pageWrite(contractId(1), text("a"));
    const before = write.body.slice();
    await handle().commit(commitOf([[write]], { cells: [{ name: "c", expected: null, value: write.body }] }));
    write.body.fill(0);
    write.lowerBound.fill(0);
    write.contract.fill(0);
    expect((await handle().find(contractId(1), text("a")))!.body).toEqual(before);
    expect((await handle().cell("c"))!.value).toEqual(before);
  });
}
