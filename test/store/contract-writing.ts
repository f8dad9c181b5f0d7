/** The store contract's part about writing: compare-and-swap, counts, limits. */
import { expect, it } from "vitest";
import { findRecord, SEALED_BYTES_MAX } from "../../src/store/page.ts";
import type { PageWrite, StateStore } from "../../src/store/store.ts";
import {
  ALL,
  applyEdits,
  commitOf,
  contractId,
  failsWith,
  NO_KEY,
  pageWrite,
  placesOf,
  scanAll,
  sealedState,
  text,
} from "./records.ts";

/** Pages are written by compare-and-swap, groups whole or not at all. */
export function swapContract(handle: () => StateStore, second: () => Promise<StateStore>): void {
  const [one, two, three] = [contractId(1), contractId(2), contractId(3)];
  const versionAt = async (contract: Uint8Array, key: Uint8Array = NO_KEY) =>
    (await handle().find(contract, key))?.version ?? null;

  it("raises a page's version by one with every write", async () => {
    for (const expected of [null, 1, 2]) {
      expect(await handle().commit(commitOf([[pageWrite(one, NO_KEY, { expected })]]))).toEqual({
        conflicts: [],
        cellsHeld: true,
      });
      expect(await versionAt(one)).toBe((expected ?? 0) + 1);
    }
  });

  it("leaves a page whose version no longer holds, applies the other groups, and writes no cell", async () => {
    await handle().commit(commitOf([[pageWrite(one, NO_KEY)], [pageWrite(two, NO_KEY)]]));
    await handle().commit(commitOf([[pageWrite(one, NO_KEY, { expected: 1, fill: 1 })]]));
    const before = (await handle().find(one, NO_KEY))!.body;
    const groups = [
      [pageWrite(one, NO_KEY, { expected: 1, fill: 2 })],
      [pageWrite(two, NO_KEY, { expected: 1, fill: 2 })],
      [pageWrite(three, NO_KEY, { expected: 1 })],
      [pageWrite(two, text("k"))],
    ];
    const cells = [{ name: "checkpoint", expected: null, value: text("x") }];
    const result = await handle().commit(commitOf(groups, { cells }));
    expect(result).toEqual({ conflicts: [0, 2], cellsHeld: true });
    expect((await handle().find(one, NO_KEY))!.body).toEqual(before);
    expect(await versionAt(two)).toBe(2);
    expect(await versionAt(three)).toBeNull();
    expect(await versionAt(two, text("k"))).toBe(1);
    expect(await handle().cell("checkpoint")).toBeNull();
    expect(await handle().countByRotationId()).toEqual(new Map([[0, 3]]));
  });

  it("does not make a page where one lies", async () => {
    await handle().commit(commitOf([[pageWrite(one, NO_KEY, { fill: 1 })]]));
    expect((await handle().commit(commitOf([[pageWrite(one, NO_KEY, { fill: 2 })]]))).conflicts).toEqual([0]);
    expect(await versionAt(one)).toBe(1);
    expect(await handle().countByRotationId()).toEqual(new Map([[0, 1]]));
  });

  it("applies a group whole or not at all, whichever of its writes does not hold", async () => {
    await handle().commit(commitOf([[pageWrite(one, NO_KEY)], [pageWrite(one, text("m"))]]));
    const good = pageWrite(one, NO_KEY, { expected: 1, fill: 9 });
    const fresh = pageWrite(one, text("x"));
    const stale = pageWrite(one, text("m"), { expected: 4, fill: 9 });
    for (const group of [
      [good, fresh, stale],
      [stale, good, fresh],
      [good, pageWrite(one, text("m")), fresh],
    ]) {
      expect((await handle().commit(commitOf([group]))).conflicts).toEqual([0]);
      expect(await versionAt(one)).toBe(1);
      expect(placesOf(await scanAll(handle()))).toEqual(["1/", "1/m"]);
    }
    expect((await handle().commit(commitOf([[good, fresh]]))).conflicts).toEqual([]);
    expect(placesOf(await scanAll(handle()))).toEqual(["1/", "1/m", "1/x"]);
  });

  it("takes the second of two groups that write one page for a conflict", async () => {
    const groups = [[pageWrite(one, NO_KEY, { fill: 1 })], [pageWrite(one, NO_KEY, { fill: 2 })]];
    expect((await handle().commit(commitOf(groups))).conflicts).toEqual([1]);
  });

  it("refuses a group that writes one page twice, and applies nothing of the commit", async () => {
    const twice = [pageWrite(one, NO_KEY, { fill: 1 }), pageWrite(one, NO_KEY, { fill: 2 })];
    await failsWith(handle().commit(commitOf([[pageWrite(two, NO_KEY)], twice])), "INVALID_ARGUMENT");
    expect(await scanAll(handle())).toEqual([]);
    expect(await handle().countByRotationId()).toEqual(new Map());
  });

  it("lets one of two racing writers win", async () => {
    const other = await second();
    await handle().commit(commitOf([[pageWrite(one, NO_KEY)]]));
    const seen = [(await handle().find(one, NO_KEY))!, (await other.find(one, NO_KEY))!];
    const results = await Promise.all([
      handle().commit(commitOf([[{ ...pageWrite(one, NO_KEY, { fill: 1 }), expected: seen[0]!.version, counts: [] }]])),
      other.commit(commitOf([[{ ...pageWrite(one, NO_KEY, { fill: 2 }), expected: seen[1]!.version, counts: [] }]])),
    ]);
    expect(results.map(({ conflicts }) => conflicts.length).sort()).toEqual([0, 1]);
    expect(await other.find(one, NO_KEY)).toEqual(await handle().find(one, NO_KEY));
  });

  it("applies an empty commit", async () => {
    expect(await handle().commit(commitOf([]))).toEqual({ conflicts: [], cellsHeld: true });
    expect(await handle().commit(commitOf([[]]))).toEqual({ conflicts: [], cellsHeld: true });
  });
}

/** Counts by contract and rotation id. */
export function countContract(handle: () => StateStore): void {
  it("list contracts in order of their ids, those that are empty or only named too", async () => {
    const contracts = [
      { id: contractId(2), kind: 2, name: text("two") },
      { id: contractId(9), kind: 3, name: NO_KEY },
    ];
    await handle().commit(
      commitOf([[pageWrite(contractId(2), NO_KEY)], [pageWrite(contractId(1), NO_KEY)]], { contracts }),
    );
    await applyEdits(handle(), contractId(1), [{ key: NO_KEY, sealed: null }], 0);
    const entries = [
      { id: contractId(1), kind: null, name: null, records: 0 },
      { ...contracts[0], records: 1 },
      { ...contracts[1], records: 0 },
    ];
    expect(await handle().contracts(null, 10)).toEqual(entries);
    expect(await handle().contracts(null, 2)).toEqual(entries.slice(0, 2));
    expect(await handle().contracts(contractId(1), 1)).toEqual(entries.slice(1, 2));
    expect(await handle().contracts(contractId(3), 9)).toEqual(entries.slice(2));
    expect(await handle().contracts(contractId(9), 9)).toEqual([]);
    for (const entry of entries) expect(await handle().contract(entry.id!)).toEqual(entry);
    expect(await handle().contract(contractId(3))).toBeNull();
  });

  it("keep the first name of a contract", async () => {
    const named = (name: string, kind: number) => ({ id: contractId(1), kind, name: text(name) });
    await handle().commit(commitOf([[pageWrite(contractId(1), NO_KEY)]]));
    await handle().commit(commitOf([], { contracts: [named("first", 1), named("same commit", 2)] }));
    await handle().commit(commitOf([[pageWrite(contractId(1), NO_KEY)]], { contracts: [named("late", 3)] }));
    expect(await handle().contract(contractId(1))).toEqual({ ...named("first", 1), records: 1 });
  });

  it("take in the changes of every applied write", async () => {
    await handle().commit(
      commitOf([
        [
          {
            ...pageWrite(contractId(1), NO_KEY),
            counts: [
              [1, 5],
              [2, 7],
            ],
          },
        ],
      ]),
    );
    await handle().commit(
      commitOf([
        [
          {
            ...pageWrite(contractId(1), NO_KEY, { expected: 1 }),
            counts: [
              [1, -5],
              [3, 5],
            ],
          },
        ],
      ]),
    );
    expect([...(await handle().countByRotationId())]).toEqual([
      [2, 7],
      [3, 5],
    ]);
    expect((await handle().contract(contractId(1)))!.records).toBe(12);
  });

  it("never fall below zero, whatever a commit counts: who mends what was altered must not be refused", async () => {
    await handle().commit(commitOf([[pageWrite(contractId(1), NO_KEY)]]));
    const counts = [[1, -5], [7, -1], [3, 2]] as const; // prettier-ignore
    await handle().commit(commitOf([[{ ...pageWrite(contractId(1), NO_KEY, { expected: 1 }), counts }]]));
    expect([...(await handle().countByRotationId())].filter(([id]) => id !== 0)).toEqual([[3, 2]]);
    expect((await handle().contract(contractId(1)))!.records).toBe(0);
  });

  it("never rise beyond what a number holds: such a commit is refused whole", async () => {
    const most = Number.MAX_SAFE_INTEGER;
    const write = { ...pageWrite(contractId(1), NO_KEY), counts: [[1, most], [1, 1]] as const }; // prettier-ignore
    await failsWith(handle().commit(commitOf([[pageWrite(contractId(2), NO_KEY)], [write]])), "STORE_CORRUPT");
    expect(await scanAll(handle())).toEqual([]);
    expect(await handle().contracts(null, 9)).toEqual([]);
  });
}

/** The largest and the smallest, and what lies beyond. */
export function limitContract(handle: () => StateStore): void {
  const id = contractId(1);

  it("holds a record of 16 MiB, with the longest key", async () => {
    const key = new Uint8Array(4_096).fill(0xff);
    const sealed = sealedState(1, 3, SEALED_BYTES_MAX);
    await applyEdits(
      handle(),
      id,
      [
        { key: NO_KEY, sealed: sealedState(1) },
        { key, sealed },
      ],
      0,
    );
    const pages = await scanAll(handle(), ALL, 1);
    expect(pages.map(({ lowerBound }) => lowerBound.length)).toEqual([0, 4_096]);
    const found = await handle().find(id, key);
    expect(Buffer.compare(findRecord(found!, key)!, sealed)).toBe(0);
    expect(await handle().countByRotationId()).toEqual(new Map([[1, 2]]));
  });

  it("tells long keys apart by their last byte", async () => {
    const keys = [0, 1, 2].map((last) => Uint8Array.from(new Uint8Array(4_096).fill(7)).fill(last, 4_095));
    const edits = keys.map((key, index) => ({ key, sealed: sealedState(0, index, 12_000) }));
    await applyEdits(handle(), id, edits, 0);
    for (const { key, sealed } of edits) expect(findRecord((await handle().find(id, key))!, key)).toEqual(sealed);
  });

  it("refuses what is out of range, before it writes anything", async () => {
    const write = pageWrite(id, NO_KEY);
    const refused = (change: Partial<PageWrite>, code = "INVALID_ARGUMENT") =>
      failsWith(handle().commit(commitOf([[write], [{ ...pageWrite(id, text("k")), ...change }]])), code);
    await refused({ contract: new Uint8Array(31) });
    await refused({ lowerBound: new Uint8Array(4_097) });
    await refused({ body: new Uint8Array(15) });
    await refused({ body: new Uint8Array(16 + 6 + 4_096 + SEALED_BYTES_MAX + 1) }, "RECORD_TOO_LARGE");
    await refused({ expected: 0 });
    await refused({ expected: 1.5 });
    await refused({ counts: [[2 ** 32, 1]] });
    await refused({ counts: [[0, Number.NaN]] });
    const named = { id, kind: 256, name: NO_KEY };
    await failsWith(handle().commit(commitOf([[write]], { contracts: [named] })), "INVALID_ARGUMENT");
    await failsWith(handle().commit(commitOf([[write]], { sealedUnder: -1 })), "INVALID_ARGUMENT");
    await failsWith(handle().partitionBounds(0), "INVALID_ARGUMENT");
    await failsWith(handle().contracts(null, 0.5), "INVALID_ARGUMENT");
    await failsWith(handle().contract(new Uint8Array(3)), "INVALID_ARGUMENT");
    expect(await scanAll(handle())).toEqual([]);
  });

  it("brings what may be lost on disk", async () => {
    const write = commitOf([[pageWrite(id, NO_KEY)]]);
    await handle().sync();
    await handle().commit({ ...write, mayBeLost: true });
    await handle().sync();
    await handle().sync();
    expect((await scanAll(handle())).length).toBe(1);
  });

  it("compacts without losing anything", async () => {
    await applyEdits(handle(), id, [{ key: text("k"), sealed: sealedState(1, 8) }], 0);
    await handle().compact();
    expect(findRecord((await handle().find(id, text("k")))!, text("k"))).toEqual(sealedState(1, 8));
  });

  it("refuses every use after it was closed; closing again does nothing", async () => {
    await handle().close();
    await handle().close();
    await failsWith(handle().scan(ALL, null, 1), "STORE_UNAVAILABLE");
    await failsWith(handle().find(id, NO_KEY), "STORE_UNAVAILABLE");
    await failsWith(handle().commit(commitOf([])), "STORE_UNAVAILABLE");
    await failsWith(handle().cell("c"), "STORE_UNAVAILABLE");
    await failsWith(handle().sync(), "STORE_UNAVAILABLE");
    await failsWith(handle().compact(), "STORE_UNAVAILABLE");
  });
}
