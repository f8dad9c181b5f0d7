/** Stores that a migration has left, or filled in vain: nothing is lost with them, nothing is left in them, and they are of use again. */
import { describe, expect, it } from "vitest";
import { emptyStore, isEmptied } from "../../src/rotation/empty-store.ts";
import { asideCells, asidePageCells, listQuarantined } from "../../src/store/quarantine.ts";
import { beginMirror, endMirror, readService, switchStores, wasTarget } from "../../src/store/service.ts";
import type { StateStore } from "../../src/store/store.ts";
import { WHOLE } from "./leased.ts";
import {
  copyContext,
  copyToEnd,
  copyVerdict,
  expectMirrored,
  MIGRATION,
  type Mirrored,
  mirrored,
  sourceStates,
} from "./mirrored.ts";
import { contractOf, Generations, hooked, plain, put, readAll, text, values } from "./sealed-store.ts";

const EVERYTHING = { from: null, to: null };
const at = (now: number) => ({ ...MIGRATION, now });

/** A source with things that were put aside, one of them in the target already, and a page that makes no sense. */
async function withAside(generations: Generations): Promise<Mirrored> {
  const both = await mirrored(generations, 2, 150);
  using states = sourceStates(both);
  await put(states, 0, values(3, "written"));
  const { id } = contractOf(0);
  const records = ["a", "b", "c"].map((key) => ({
    key: text(key),
    sealed: new Uint8Array(60).fill(key.charCodeAt(0)),
  }));
  const cells = await asideCells(both.source, id, records, 7);
  const page = { contract: id, lowerBound: text("m"), body: Uint8Array.of(1, 2, 3) };
  const pageCells = await asidePageCells(both.source, page, 8);
  await both.source.commit({ groups: [], sealedUnder: null, cells: [...cells, ...pageCells] });
  const there = await asideCells(both.target, id, records.slice(0, 1), 9);
  // One that a liar has put in the place of another.
  const [, second] = cells;
  await both.target.commit({
    groups: [],
    sealedUnder: null,
    cells: [...there, { ...second!, value: text("no page") }],
  });
  return both;
}

async function spoilPage(store: StateStore): Promise<void> {
  const [{ contract, lowerBound, version: expected, body }] = (await store.scan(EVERYTHING, null, 1)) as [Page];
  const spoilt = body.slice();
  spoilt[0] = 9;
  await store.commit({ groups: [[{ contract, lowerBound, expected, body: spoilt, counts: [] }]], sealedUnder: null });
}
type Page = Awaited<ReturnType<StateStore["scan"]>>[number];

async function expectNothing(store: StateStore): Promise<void> {
  expect(await isEmptied(store)).toBe(true);
  expect(await store.countByRotationId()).toEqual(new Map());
  expect(await store.keptCount()).toBe(0);
  expect((await store.contracts(null, 99)).map(({ records }) => records).every((records) => records === 0)).toBe(true);
  for (const { body } of await store.scan(EVERYTHING, null, 1e9)) expect([body.length, body[4]]).toEqual([16, 0]);
  const cells = await store.cells("", null, 99);
  expect(cells.map(({ name }) => name).filter((name) => name.includes("/"))).toEqual([]);
}

describe("a store that a migration has left", () => {
  it("is emptied when what was put aside in it is in the other one, as it was, wherever who does it is killed", async () => {
    const generations = new Generations();
    for (let kill = 0, killed = true; killed; kill++) {
      const both = await withAside(generations);
      const before = await listQuarantined(both.source, null, 9);
      expect(before).toHaveLength(4);
      await switchStores(both.source, both.target, at(30));
      await spoilPage(both.source);
      let uses = 0;
      killed = false;
      const stop = (): void => {
        if (uses++ !== kill) return;
        killed = true;
        throw new Error("killed");
      };
      const dying = (store: StateStore): StateStore => hooked(store, { before: stop, after: stop });
      await emptyStore(dying(both.source), dying(both.target)).catch((error: Error) =>
        expect(error.message).toBe("killed"),
      );
      // All of it is in one of both, at the least.
      const now = [
        ...(await listQuarantined(both.source, null, 9)),
        ...(await both.target.cells("quarantine/", null, 9)),
      ];
      for (const { name } of before) expect(now.map((each) => each.name)).toContain(name);
      await emptyStore(both.source, both.target);
      await expectNothing(both.source);
      const after = await listQuarantined(both.target, null, 9);
      // Which was there already, in a later rotation.
      expect(after.map(({ rotationId }) => rotationId).sort()).toEqual([7, 7, 8, 9]);
      const whatOf = (all: typeof before): unknown[] => all.map(({ rotationId: _, ...what }) => what);
      expect(whatOf(after)).toEqual(whatOf(before));
    }
  });

  it("is not emptied while it serves, nor from there on where it does again", async () => {
    const generations = new Generations();
    const both = await withAside(generations);
    await expect(emptyStore(both.source, both.target)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    await endMirror(both.source, both.target, at(30));
    const before = plain(await readAll(both.source, generations));
    await expect(emptyStore(both.source, null)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    let scans = 0;
    const target = hooked(both.target, {
      before: async (method) => {
        if (method === "scan" && scans++ === 0) await switchStores(both.source, both.target, at(40));
      },
    });
    await expect(emptyStore(target, null)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    expect(plain(await readAll(both.source, generations))).toEqual(before);
  });
});

describe("a copy whose migration was called off", () => {
  it("is emptied, and can then be the target of the next one, under the same rotation id and another MasterKey", async () => {
    const generations = new Generations();
    const both = await mirrored(generations, 2, 150);
    await copyToEnd(await copyContext(both, 1));
    await endMirror(both.source, both.target, at(30));
    const next = { ...at(40), height: 40 };
    await expect(beginMirror(both.source, both.target, next)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await wasTarget(both.target, await readService(both.target))).toBe(true);
    expect(await wasTarget(both.source, await readService(both.source))).toBe(false);
    await emptyStore(both.target, null);
    await expectNothing(both.target);
    generations.scalars.delete(1);
    (await generations.newMasterKey(1))[Symbol.dispose]();
    await beginMirror(both.source, both.target, next);
    // With other partitions than the first time.
    const bound = { contract: contractOf(1).id, lowerBound: new Uint8Array(0) };
    const partitions = [{ ...WHOLE, to: bound }, { ...WHOLE, index: 1, from: bound }]; // prettier-ignore
    for (const partition of partitions) {
      await copyToEnd(await copyContext(both, 1), partition);
      expect(await copyVerdict(await copyContext(both, 2), partition)).toMatchObject({ verdict: "sound" });
    }
    await expectMirrored(both);
    await switchStores(both.source, both.target, { ...next, now: 50 });
    expect(await wasTarget(both.source, await readService(both.source))).toBe(false);
  });
});
