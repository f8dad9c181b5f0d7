/** The store contract's part about bodies that were replaced and are kept. */
import { expect, it } from "vitest";
import type { Commit, Keep, KeptPage, KeptRef, PageRange, PageWrite, StateStore } from "../../src/store/store.ts";
import {
  ALL,
  ALL_BYTES,
  bodyOf,
  commitOf,
  contractId,
  failsWith,
  keepOf,
  NO_KEY,
  pageWrite,
  place,
  placesOf,
  scanAll,
  sealedState,
  text,
} from "./records.ts";

/** What no count holds. */
const TOO_MANY = [[0, Number.MAX_SAFE_INTEGER], [0, Number.MAX_SAFE_INTEGER]] as const; // prettier-ignore

/** Kept bodies as short text: place and version. */
export function keptOf(kept: readonly KeptRef[]): string[] {
  return kept.map((one) => `${placesOf([one])[0]}@${one.version}`);
}

/** Every kept body of a range, read in steps of `maxBytes`. */
export async function keptAll(store: StateStore, range: PageRange = ALL, maxBytes = 20_000): Promise<KeptPage[]> {
  const kept: KeptPage[] = [];
  for (;;) {
    const more = await store.kept(range, kept.at(-1) ?? null, maxBytes);
    if (more.length === 0) return kept;
    kept.push(...more);
  }
}

/** Bodies are kept with what is said of them, and nobody who reads pages sees them. */
export function keepContract(handle: () => StateStore, second: () => Promise<StateStore>): void {
  const [one, two] = [contractId(1), contractId(2)];
  const commit = (groups: Commit["groups"], rest: Partial<Commit> = {}) => handle().commit(commitOf(groups, rest));
  const write = (contract: Uint8Array, key: string, expected: number | null, keep?: Keep): PageWrite => ({
    ...pageWrite(contract, text(key), { expected, fill: (expected ?? 0) + 1 }),
    ...(keep && { keep }),
  });
  const ref = (contract: number, key: string, version: number): KeptRef => ({ ...place(contract, key), version });

  /** The place 1/ in versions 1, 2 and 3, of which two are kept, 1/m in two, and 2/ in two. */
  async function fill(): Promise<void> {
    await commit([[write(one, "", null)], [write(one, "m", null)], [write(two, "", null)], [write(two, "z", null)]]);
    await commit([[write(one, "", 1, keepOf(1))], [write(one, "m", 1, keepOf(2))], [write(two, "", 1, keepOf(3))]]);
    await commit([[write(one, "", 2, keepOf(4))]]);
  }
  const KEPT = ["1/@1", "1/@2", "1/m@1", "2/@1"];

  it("are the bytes that were replaced, with who and what was said of it", async () => {
    const before = write(one, "", null);
    await commit([[before]]);
    expect(await commit([[write(one, "", 1, keepOf(7))]])).toEqual({ conflicts: [], cellsHeld: true });
    const kept = [{ ...place(1, ""), version: 1, body: before.body, ...keepOf(7) }];
    expect(await handle().kept(ALL, null, 1)).toEqual(kept);
    const { body: _, ...statement } = kept[0]!;
    expect(await handle().keptStatements(ALL, null, 1)).toEqual([statement]);
    expect(await handle().keptCount()).toBe(1);
  });

  it("are seen by nobody who reads pages, and counted by nobody who counts records", async () => {
    await fill();
    for (const maxBytes of [1, 100, 65_536]) {
      const pages = await scanAll(handle(), ALL, maxBytes);
      expect(placesOf(pages)).toEqual(["1/", "1/m", "2/", "2/z"]);
      expect(pages.map(({ version }) => version)).toEqual([3, 2, 2, 1]);
      expect(pages.map(({ body }) => body.at(-1))).toEqual([3, 2, 2, 1]);
    }
    expect((await handle().find(one, text("a")))!.version).toBe(3);
    expect((await handle().find(one, text("m")))!.version).toBe(2);
    expect(placesOf(await handle().partitionBounds(1))).toEqual(["1/m", "2/", "2/z"]);
    expect(placesOf(await handle().partitionBounds(2))).toEqual(["2/"]);
    expect(await handle().countByRotationId()).toEqual(new Map([[0, 4]]));
    expect((await handle().contracts(null, 9)).map(({ records }) => records)).toEqual([2, 2]);
  });

  it("are read in order of place and version, in ranges and in steps", async () => {
    await fill();
    for (const maxBytes of [1, 100, 65_536]) expect(keptOf(await keptAll(handle(), ALL, maxBytes))).toEqual(KEPT);
    const each = (await handle().kept(ALL, null, 1))[0]!.body.length;
    expect((await handle().kept(ALL, null, each)).length).toBe(1);
    expect((await handle().kept(ALL, null, each + 1)).length).toBe(2);
    const between = async (range: PageRange, after: KeptRef | null = null) => {
      const pages = keptOf(await handle().kept(range, after, ALL_BYTES));
      expect(keptOf(await handle().keptStatements(range, after, 9))).toEqual(pages);
      return pages;
    };
    expect(await between({ from: place(1, ""), to: place(1, "m") })).toEqual(KEPT.slice(0, 2));
    expect(await between({ from: place(1, "a"), to: place(2, "") })).toEqual(KEPT.slice(2, 3));
    expect(await between({ from: place(1, "a"), to: null }, ref(1, "", 9))).toEqual(KEPT.slice(2));
    expect(await between(ALL, ref(1, "", 1))).toEqual(KEPT.slice(1));
    expect(await between(ALL, ref(1, "", 5))).toEqual(KEPT.slice(2));
    expect(await between(ALL, ref(1, "a", 1))).toEqual(KEPT.slice(2));
    expect(await between({ from: null, to: place(1, "m") }, ref(1, "m", 1))).toEqual([]);
    expect(await between({ from: place(2, ""), to: place(1, "") })).toEqual([]);
    expect(keptOf(await handle().keptStatements(ALL, null, 3))).toEqual(KEPT.slice(0, 3));
    await failsWith(handle().keptStatements(ALL, null, 0), "INVALID_ARGUMENT");
  });

  it("stay as they are beside later writes, of which none takes a kept version for the page's", async () => {
    await fill();
    const before = await keptAll(handle());
    for (const expected of [1, 2]) {
      expect((await commit([[write(one, "", expected)]])).conflicts).toEqual([0]);
      expect((await commit([[write(one, "", expected, keepOf(9))]])).conflicts).toEqual([0]);
      expect((await commit([[write(one, "", expected), write(two, "q", null)]])).conflicts).toEqual([0]);
    }
    expect((await commit([[write(one, "", null)]])).conflicts).toEqual([0]);
    expect((await commit([[write(one, "", 3)], [write(one, "m", 2)]])).conflicts).toEqual([]);
    expect(await keptAll(handle())).toEqual(before);
    expect((await handle().find(one, NO_KEY))!.version).toBe(4);
    await commit([[write(one, "", 4, keepOf(5))]]);
    expect(keptOf(await keptAll(handle()))).toEqual(["1/@1", "1/@2", "1/@4", ...KEPT.slice(2)]);
  });

  it("stay at their place when the page splits", async () => {
    await fill();
    const halves = [write(one, "", 3, keepOf(6)), write(one, "c", null)];
    expect((await commit([halves])).conflicts).toEqual([]);
    expect(keptOf(await keptAll(handle()))).toEqual(["1/@1", "1/@2", "1/@3", ...KEPT.slice(2)]);
    expect(placesOf(await scanAll(handle()))).toEqual(["1/", "1/c", "1/m", "2/", "2/z"]);
  });

  it("are not kept by a write that does not hold, nor by a commit that is refused", async () => {
    await commit([[write(one, "", null)], [write(two, "", null)]]);
    const good = write(one, "", 1, keepOf(1));
    expect((await commit([[good, write(two, "", 8, keepOf(2))]])).conflicts).toEqual([0]);
    const cells = [{ name: "c", expected: 3, value: NO_KEY }];
    expect((await commit([[good]], { cells })).cellsHeld).toBe(false);
    const counted = { ...write(two, "", 1, keepOf(2)), counts: TOO_MANY };
    await failsWith(commit([[good], [counted]]), "STORE_CORRUPT");
    await failsWith(commit([[good, good]]), "INVALID_ARGUMENT");
    expect(await handle().keptCount()).toBe(0);
    expect((await scanAll(handle())).map(({ version }) => version)).toEqual([1, 1]);
  });

  it("are dropped by a commit, and only if all of it was applied", async () => {
    await fill();
    const drop = [ref(1, "", 1), ref(2, "", 1)];
    expect((await commit([[write(two, "z", 5)]], { drop })).conflicts).toEqual([0]);
    expect((await commit([], { drop, cells: [{ name: "c", expected: 1, value: NO_KEY }] })).cellsHeld).toBe(false);
    const uncounted = { ...write(two, "z", 1), counts: TOO_MANY };
    await failsWith(commit([[uncounted]], { drop }), "STORE_CORRUPT");
    expect(keptOf(await keptAll(handle()))).toEqual(KEPT);
    const pages = await scanAll(handle());
    expect(await commit([], { drop })).toEqual({ conflicts: [], cellsHeld: true });
    expect(keptOf(await keptAll(handle()))).toEqual(KEPT.slice(1, 3));
    expect(await scanAll(handle())).toEqual(pages);
    await commit([], { drop: [ref(1, "", 2), ref(1, "m", 1)] });
    expect(await handle().keptCount()).toBe(0);
    expect(await scanAll(handle())).toEqual(pages);
    // A place whose first row is gone is still taken.
    expect((await commit([[write(one, "", null)]])).conflicts).toEqual([0]);
    expect((await commit([[write(one, "", 3)]])).conflicts).toEqual([]);
  });

  it("may be dropped again, or where none are; the page itself can't be", async () => {
    await fill();
    const pages = await scanAll(handle());
    const drop = [ref(1, "", 3), ref(1, "", 1), ref(1, "", 1), ref(1, "a", 1), ref(9, "", 1), ref(2, "z", 1)];
    expect(await commit([], { drop })).toEqual({ conflicts: [], cellsHeld: true });
    expect(keptOf(await keptAll(handle()))).toEqual(KEPT.slice(1));
    expect(await scanAll(handle())).toEqual(pages);
  });

  it("can be kept and dropped in one commit, and written back", async () => {
    await fill();
    const [first] = await handle().kept(ALL, null, 1);
    const back: PageWrite = { ...place(1, ""), expected: 3, body: first!.body, counts: [], keep: keepOf(8) };
    await commit([[back]], { drop: [ref(1, "", 3), ref(1, "", 1)] });
    expect(await handle().find(one, NO_KEY)).toEqual({ ...place(1, ""), version: 4, body: first!.body });
    expect(keptOf(await keptAll(handle()))).toEqual(KEPT.slice(1));
  });

  it("are kept by one of two racing writers", async () => {
    const other = await second();
    await commit([[write(one, "", null)]]);
    const results = await Promise.all([
      handle().commit(commitOf([[write(one, "", 1, keepOf(1))]])),
      other.commit(commitOf([[write(one, "", 1, keepOf(2))]])),
    ]);
    expect(results.map(({ conflicts }) => conflicts.length).sort()).toEqual([0, 1]);
    expect(await other.kept(ALL, null, 1)).toEqual(await handle().kept(ALL, null, 1));
    expect(await other.keptCount()).toBe(1);
  });

  it("are large or small, and said to be replaced by 1 to 64 bytes", async () => {
    const body = bodyOf([[NO_KEY, sealedState(0, 5, 200_000)]]);
    await commit([[{ ...write(one, "", null), body }]]);
    await commit([[write(one, "", 1, keepOf(1, new Uint8Array(1)))]]);
    await commit([[write(one, "", 2, keepOf(1, new Uint8Array(64).fill(3)))]]);
    const kept = await keptAll(handle());
    expect(kept.map(({ by }) => by.length)).toEqual([1, 64]);
    expect(kept[0]!.body).toEqual(body);
  });

  it("are refused with anything out of range, before anything is written", async () => {
    await commit([[write(one, "", null)]]);
    const refused = (keep: Keep, expected: number | null = 1) =>
      failsWith(commit([[write(one, expected === null ? "n" : "", expected, keep)]]), "INVALID_ARGUMENT");
    await refused(keepOf(1), null);
    await refused(keepOf(1, NO_KEY));
    await refused(keepOf(1, new Uint8Array(65)));
    await refused({ ...keepOf(1), statement: new Uint8Array(31) });
    await refused({ ...keepOf(1), statement: new Uint8Array(33) });
    for (const wrong of [
      ref(1, "", 0),
      ref(1, "", 1.5),
      { ...ref(1, "", 1), contract: new Uint8Array(31) },
      { ...ref(1, "", 1), lowerBound: new Uint8Array(4_097) },
    ]) {
      await failsWith(commit([[write(two, "", null)]], { drop: [wrong] }), "INVALID_ARGUMENT");
    }
    expect(await handle().keptCount()).toBe(0);
    expect(placesOf(await scanAll(handle()))).toEqual(["1/"]);
  });

  it("and what is said of them are copies, taken and given", async () => {
    await commit([[write(one, "", null)]]);
    const keep = keepOf(4);
    const replacing = write(one, "", 1, keep);
    await commit([[replacing]]);
    const before = await keptAll(handle());
    for (const bytes of [keep.by, keep.statement, replacing.contract, replacing.body]) bytes.fill(0xee);
    const given = await keptAll(handle());
    for (const { body } of given) body.fill(0xee);
    for (const one of [...given, ...(await handle().keptStatements(ALL, null, 1))]) {
      for (const bytes of [one.contract, one.by, one.statement]) bytes.fill(0xee);
    }
    // `write` and this test share the contract's id.
    one.fill(1);
    expect(await keptAll(handle())).toEqual(before);
    expect(before[0]!.by).toEqual(new Uint8Array(33).fill(4));
  });

  it("can't be read once the store was closed", async () => {
    await handle().close();
    await failsWith(handle().kept(ALL, null, 1), "STORE_UNAVAILABLE");
    await failsWith(handle().keptStatements(ALL, null, 1), "STORE_UNAVAILABLE");
    await failsWith(handle().keptCount(), "STORE_UNAVAILABLE");
  });
}
