import { describe, expect, it } from "vitest";
import { freeBytes } from "../../src/bytes.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { StateStore } from "../../src/store/store.ts";
import { storeContract } from "./contract.ts";
import { applyEdits, commitOf, contractId, keepOf, pageWrite, sealedState, text } from "./records.ts";

storeContract("the store in memory", async () => {
  const store = new MemoryStore();
  return { store, second: async () => store, dispose: () => store.close() };
});

const ID = contractId(1);
const NO_KEY = new Uint8Array(0);

it("keeps and gives copies also where a body was written as a Buffer", async () => {
  const store = new MemoryStore();
  const write = pageWrite(ID, NO_KEY);
  const body = Buffer.alloc(write.body.length);
  body.set(write.body);
  await store.commit(commitOf([[{ ...write, body }]]));
  body.fill(0);
  freeBytes((await store.find(ID, NO_KEY))!.body);
  expect((await store.find(ID, NO_KEY))!.body).toEqual(write.body);
});

/** Everything that a store says of itself. */
async function everything(store: StateStore): Promise<unknown> {
  return {
    pages: await store.scan({ from: null, to: null }, null, Number.MAX_SAFE_INTEGER),
    counts: [...(await store.countByRotationId())],
    minimum: await store.minimumRotationId(),
    cells: await store.cells("", null, 1_000),
    contracts: await store.contracts(null, 1_000),
    kept: await store.kept({ from: null, to: null }, null, Number.MAX_SAFE_INTEGER),
  };
}

describe("a crash of the store in memory", () => {
  /** A commit that changes something of every kind; the n-th of a sequence. */
  async function commitNumber(store: StateStore, n: number): Promise<void> {
    const key = text(`k${n % 3}`);
    await applyEdits(store, contractId(n % 2), [{ key, sealed: n % 5 === 4 ? null : sealedState(n % 4, n, 9_000) }], n);
    const cell = await store.cell(`c${n % 2}`);
    const page = (await store.find(contractId(n % 2), key))!;
    const again = { ...page, expected: page.version, counts: [], keep: keepOf(n + 1) };
    const [oldest] = await store.keptStatements({ from: null, to: null }, null, 1);
    await store.commit({
      groups: [[again]],
      sealedUnder: null,
      drop: n % 2 === 1 && oldest !== undefined ? [oldest] : [],
      contracts: [{ id: contractId(n % 3), kind: 1, name: text(`n${n}`) }],
      cells: [{ name: `c${n % 2}`, expected: cell?.version ?? null, value: n % 3 === 2 ? null : text(`v${n}`) }],
      minimumRotationId: n >> 1,
    });
  }

  it("loses nothing by default", async () => {
    const store = new MemoryStore();
    for (let n = 0; n < 12; n++) await commitNumber(store, n);
    const before = await everything(store);
    store.crash();
    expect(await everything(store)).toEqual(before);
  });

  it("takes back every kind of change since the last sync, and nothing before it", async () => {
    for (let lost = 0; lost < 6; lost++) {
      // Two commits a number: a sync falls on every sixth number.
      const store = new MemoryStore({ syncEvery: 12 });
      for (let n = 0; n < 6; n++) await commitNumber(store, n);
      const durable = await everything(store);
      for (let n = 6; n < 6 + lost; n++) await commitNumber(store, n);
      if (lost > 0) expect(await everything(store)).not.toEqual(durable);
      store.crash();
      expect(await everything(store)).toEqual(durable);
      store.crash();
      await commitNumber(store, 20);
    }
  });

  it("counts anew from a crash on", async () => {
    const store = new MemoryStore({ syncEvery: 3 });
    const put = (version: number | null) => store.commit(commitOf([[pageWrite(ID, NO_KEY, { expected: version })]]));
    await put(null);
    await put(1);
    store.crash();
    expect(await store.find(ID, NO_KEY)).toBeNull();
    for (const version of [null, 1, 2, 3]) await put(version);
    store.crash();
    expect((await store.find(ID, NO_KEY))!.version).toBe(3);
  });

  it.each(["sync", "compact"] as const)("opens the store again, and %s makes everything durable", async (call) => {
    const store = new MemoryStore({ syncEvery: 100 });
    await store.commit(commitOf([[pageWrite(ID, NO_KEY)]]));
    await store[call]();
    await store.close();
    store.crash();
    expect((await store.find(ID, NO_KEY))!.version).toBe(1);
  });

  it("refuses a syncEvery that is no count", () => {
    for (const syncEvery of [0, -1, 1.5, Number.NaN]) {
      expect(() => new MemoryStore({ syncEvery })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
  });
});
