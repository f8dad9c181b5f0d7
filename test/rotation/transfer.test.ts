import { describe, expect, it } from "vitest";
import { transferKeys, type TransferEnd } from "../../src/rotation/transfer.ts";
import { transferStretch } from "../../src/rotation/transfer-stretch.ts";
import { endMirror } from "../../src/store/service.ts";
import type { CellExpectation, StateStore } from "../../src/store/store.ts";
import { everyOrder, type Race } from "./interleavings.ts";
import {
  copyContext,
  expectMirrored,
  MIGRATION,
  type Mirrored,
  mirrorCell,
  mirrored,
  writeSource,
} from "./mirrored.ts";
import { contractOf, damage, Generations, nameOf, plain, readAll, text } from "./sealed-store.ts";

const EVERYTHING = { from: null, to: null };
const generations = new Generations();

/** A store with few records, some of which the mirror has. */
async function stores(records: number, copied: readonly string[] = []): Promise<Mirrored> {
  const both = await mirrored(generations, 1, records);
  await carry(both, copied);
  return both;
}

/** What a writer does after he has written. */
async function carry(
  both: Mirrored,
  keys: readonly string[],
  expects?: readonly CellExpectation[],
): Promise<TransferEnd> {
  const { engine, keys: known } = await copyContext(both, 1);
  const { source, target } = both;
  const context = { source, target, engine, keys: known };
  return transferKeys(
    context,
    contractOf(0).id,
    keys.map(text).sort(Buffer.compare),
    expects ?? (await mirrorCell(target)),
  );
}

/** Copies everything, a stretch at a time; where somebody was in between, a stretch is done again. */
async function copyAll(
  both: Mirrored,
  expects: readonly CellExpectation[],
  maxBytes: number,
  exact = false,
): Promise<void> {
  const { engine, keys, source } = await copyContext(both, 2);
  for (let from = null; ;) {
    const options = { from, maxBytes, exact, aside: false };
    const stretch = await transferStretch({ source, target: both.target, engine, keys }, EVERYTHING, options);
    if ("missing" in stretch) throw new Error("keys are missing");
    const { groups } = stretch;
    const { conflicts, cellsHeld } = await both.target.commit({ groups, sealedUnder: 1, expects });
    expect(cellsHeld).toBe(true);
    if (conflicts.length > 0) continue;
    if (stretch.to === null) return;
    from = stretch.to;
  }
}

const key = (number: number): string => `key ${String(number).padStart(5, "0")}`;

describe("a transfer", () => {
  it("carries over what the source has under some keys, whatever pages they lie in", async () => {
    const both = await stores(300);
    const { source, target } = both;
    const keys = [3, 7, 120, 250, 299].map(key);
    expect(await carry(both, [...keys, "key 00007x"])).toEqual({ end: "carried", unopened: [] });
    expect([...(await readAll(target, generations)).keys()]).toEqual(keys.map((name) => nameOf(0, name)));
    await writeSource(source, generations, 0, key(7), null);
    await writeSource(source, generations, 0, key(120), "y".repeat(9_000));
    await writeSource(source, generations, 0, `${key(120)}z`, "z".repeat(9_000));
    await carry(both, [key(7), key(120), `${key(120)}z`]);
    const found = plain(await readAll(target, generations));
    expect([...found.keys()]).toEqual(
      [3, 120, "120z", 250, 299].map((n) => nameOf(0, typeof n === "number" ? key(n) : `${key(120)}z`)),
    );
    expect(found.get(nameOf(0, key(120)))).toBe("y".repeat(9_000));
    expect(await target.contract(contractOf(0).id)).toMatchObject({ kind: 1, records: 5 });
  });

  it("raises the version of the page that covers its keys, and makes it, where nothing changes", async () => {
    const both = await stores(0);
    const { target } = both;
    const { id } = contractOf(0);
    for (const version of [1, 2, 3]) {
      await carry(both, ["gone"]);
      expect(await target.find(id, text("gone"))).toMatchObject({ version });
    }
    expect(await target.countByRotationId()).toEqual(new Map());
  });

  it("is refused where the mirror is none any more, and writes nothing", async () => {
    const both = await stores(10);
    const expects = await mirrorCell(both.target);
    await endMirror(both.source, both.target, MIGRATION);
    expect(await carry(both, [key(1)], expects)).toEqual({ end: "refused" });
    expect((await readAll(both.target, generations)).size).toBe(0);
  });

  it("names what can't be opened, and leaves what the mirror has of it", async () => {
    const both = await stores(10, [key(1), key(2)]);
    const before = await readAll(both.target, generations);
    for (const number of [1, 3]) {
      await damage(both.source, 0, key(number), (sealed) => {
        sealed[30]! ^= 1;
      });
    }
    // One that says that it is under the new generation already.
    await damage(both.source, 0, key(4), (sealed) => {
      sealed[2] = 1;
    });
    const end = await carry(both, [1, 2, 3, 4].map(key));
    expect(end).toEqual({ end: "carried", unopened: [1, 3, 4].map((number) => text(key(number))) });
    const after = plain(await readAll(both.target, generations));
    expect(after).toEqual(plain(before));
  });

  it("carries write versions that never fall, also of what was deleted", async () => {
    const both = await stores(3);
    for (let times = 0; times < 5; times++) await writeSource(both.source, generations, 0, key(1), `${times}`);
    await writeSource(both.source, generations, 0, key(1), null);
    await carry(both, [key(1)]);
    for (const number of [0, 2]) await writeSource(both.source, generations, 0, key(number), null);
    await copyAll(both, await mirrorCell(both.target), 1 << 20);
    await expectMirrored(both);
  });
});

describe("in every order,", () => {
  /** Parties that each write the source and carry it over, or copy. */
  const race = async (
    turns: Parameters<Parameters<typeof everyOrder>[0]>[0],
    both: Mirrored,
    parties: readonly (readonly (readonly [string, string | null])[] | "copy" | "copy exactly")[],
    maxBytes = 1 << 20,
  ): Promise<Race> => {
    const expects = await mirrorCell(both.target);
    const { source, target } = both;
    const turn = (party: number, store: StateStore): StateStore => turns.of(party, store);
    return {
      parties: parties.map((what, party) => async (): Promise<void> => {
        const own = { generations, source: turn(party, source), target: turn(party, target) };
        if (typeof what === "string") return copyAll(own, expects, maxBytes, what !== "copy");
        for (const [name, value] of what) {
          await writeSource(own.source, generations, 0, name, value);
          await carry(own, [name], expects);
        }
      }),
      check: () => expectMirrored(both),
    };
  };

  it.each<[string, readonly string[], Parameters<typeof race>[2]]>([
    ["a put and a copy", [], [[[key(1), "new"]], "copy"]],
    ["a put and a copy of what is there", [key(0), key(1)], [[[key(1), "new"]], "copy exactly"]],
    ["a deletion and a copy", [], [[[key(1), null]], "copy"]],
    ["a deletion and a copy of what is there", [key(1), key(2)], [[[key(1), null]], "copy"]],
    ["a new key and a copy", [key(0)], [[["key 00000x", "new"]], "copy exactly"]],
    ["a put that splits pages and a copy", [key(1)], [[["key 00001x", "y".repeat(15_000)]], "copy"]],
    ["two puts of one key", [0, 1, 2].map(key), [[[key(1), "one"]], [[key(1), "two"]]]],
    ["a put and a deletion", [0, 1, 2].map(key), [[[key(1), "one"]], [[key(1), null]]]],
    [
      "two puts that each split the page",
      [0, 1, 2].map(key),
      [[[key(0), "y".repeat(15_000)]], [[key(2), "z".repeat(15_000)]]],
    ],
    ["two copies", [key(1)], ["copy", "copy exactly"]],
  ])("%s: the mirror has what the source has", async (_, copied, parties) => {
    const orders = await everyOrder(async (turns) => race(turns, await stores(3, copied), parties));
    expect(orders).toBeGreaterThan(15);
  });
});
