import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import {
  beginMirror,
  endMirror,
  notServing,
  readMirror,
  readService,
  type StoreMigration,
  switchStores,
} from "../../src/store/service.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { StateStore } from "../../src/store/store.ts";
import { hooked } from "../rotation/sealed-store.ts";
import { commitOf, contractId, NO_KEY, pageWrite, text } from "./records.ts";

const [SOURCE, TARGET, OTHER] = ["0x5011", "0x7a26", "0x0712"] as const;
const MIGRATION: StoreMigration = { rotationId: 3, sourceId: SOURCE, targetId: TARGET, height: 20, now: 20 };
/** By the word of a ledger at a block. */
const at = (now: number): StoreMigration => ({ ...MIGRATION, now });
const STEPS = { begin: beginMirror, switch: switchStores, end: endMirror };
type Step = keyof typeof STEPS;
/** The last block in which a ledger asks for the first step, and the first one for the others. */
const BLOCKS = { begin: 29, switch: 30, end: 30 };

const stateOf = async (store: StateStore): Promise<string> => (await readService(store)).state;

async function statesOf(source: StateStore, target: StateStore): Promise<string> {
  return `${await stateOf(source)} ${await stateOf(target)}`;
}

describe("two stores", () => {
  it("are mirrored and switched, and say so to whoever writes", async () => {
    const [source, target] = [new MemoryStore(), new MemoryStore()];
    const fresh = await readService(source);
    expect(fresh).toEqual({
      state: "serves",
      rotationId: null,
      other: null,
      height: null,
      since: null,
      cell: { name: "service", expected: null },
    });
    await beginMirror(source, target, MIGRATION);
    expect(await readService(source)).toMatchObject({ state: "mirrored", other: TARGET, since: 20 });
    expect(await readService(target)).toMatchObject({ state: "mirror", rotationId: 3, other: SOURCE });
    expect(await target.minimumRotationId()).toBe(3);
    expect(await source.minimumRotationId()).toBe(0);
    expect((await readMirror(source, target, 3)).source.cell).toEqual({ name: "service", expected: 1 });
    await expect(readMirror(source, target, 4)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    await expect(readMirror(target, source, 3)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    // Who has read the cell before, writes nothing any more.
    expect(await source.commit(commitOf([], { expects: [fresh.cell] }))).toMatchObject({ cellsHeld: false });
    expect(notServing(await readService(target))).toMatchObject({
      code: "STORE_NOT_SERVING",
      detail: { other: SOURCE, state: "mirror" },
    });
    await switchStores(source, target, MIGRATION);
    expect(await statesOf(source, target)).toBe("closed serves");
    expect(notServing(await readService(source))).toMatchObject({ detail: { other: TARGET, state: "closed" } });
    await expect(readMirror(source, target, 3)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    // What serves now can be the source of the next one.
    await beginMirror(target, new MemoryStore(), {
      ...at(40),
      rotationId: 4,
      sourceId: TARGET,
      targetId: OTHER,
      height: 40,
    });
    expect(await stateOf(target)).toBe("mirrored");
  });

  it("are left as they are where the target has no room to serve", async () => {
    const [source, target] = [new MemoryStore(), new MemoryStore()];
    await beginMirror(source, target, MIGRATION);
    let isFull = true;
    const small = hooked(target, {
      before: (method) => {
        if (isFull && method === "commit") throw new GatekeeperError("STORE_FULL", "no space is left");
      },
    });
    await expect(switchStores(source, small, at(30))).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(await statesOf(source, target)).toBe("mirrored mirror");
    isFull = false;
    await switchStores(source, small, at(31));
    expect(await statesOf(source, target)).toBe("closed serves");
  });

  it("are given back when a migration is given up: the source serves, and the target does not", async () => {
    const [source, target] = [new MemoryStore(), new MemoryStore()];
    await beginMirror(source, target, MIGRATION);
    await endMirror(source, target, at(30));
    expect(await statesOf(source, target)).toBe("serves closed");
    for (const step of [beginMirror, switchStores]) {
      await expect(step(source, target, at(29))).rejects.toMatchObject({ code: "ROTATION_STATE" });
    }
    await beginMirror(source, new MemoryStore(), { ...at(40), targetId: OTHER, height: 40 });
    expect(await readService(source)).toMatchObject({ state: "mirrored", other: OTHER });
    await expect(endMirror(source, target, at(39))).rejects.toMatchObject({ code: "ROTATION_STATE" });
    await expect(endMirror(source, target, at(41))).rejects.toMatchObject({ code: "ROTATION_STATE" });
    // Nor does one begin that was over before another was.
    await endMirror(source, null, { ...at(50), targetId: OTHER, height: 40 });
    await expect(endMirror(source, null, at(51))).rejects.toMatchObject({ code: "ROTATION_STATE" });
    const early = { ...at(51), targetId: "0x0713", height: 35 };
    await expect(beginMirror(source, new MemoryStore(), early)).rejects.toMatchObject({ code: "ROTATION_STATE" });
  });

  it("can be the target of another migration once they are closed and empty, and no later one than that", async () => {
    const [source, target] = [new MemoryStore(), new MemoryStore()];
    await beginMirror(source, target, MIGRATION);
    await target.commit(commitOf([[pageWrite(contractId(1), NO_KEY, { rotationId: 3 })]], { sealedUnder: 3 }));
    await endMirror(source, target, at(30));
    // Of a migration that was called off, the next one has the number.
    const next = { ...at(40), height: 40 };
    const refused = beginMirror(source, target, next);
    await expect(refused).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("empty"),
    });
    expect(await statesOf(source, target)).toBe("serves closed");
    const { contract, lowerBound, version, body } = (await target.find(contractId(1), NO_KEY))!;
    const empty = { contract, lowerBound, expected: version, body, counts: [[3, -1]] as const };
    await target.commit({ groups: [[empty]], sealedUnder: null });
    await beginMirror(source, target, next);
    expect(await statesOf(source, target)).toBe("mirrored mirror");
    for (const step of [beginMirror, switchStores, endMirror]) {
      await expect(step(source, target, at(39))).rejects.toMatchObject({ code: "ROTATION_STATE" });
    }
    expect(await statesOf(source, target)).toBe("mirrored mirror");
  });

  it("are given back where the target is lost: the source serves, and the target can be closed later", async () => {
    const [source, target] = [new MemoryStore(), new MemoryStore()];
    await beginMirror(source, target, MIGRATION);
    await endMirror(source, null, at(30));
    expect(await statesOf(source, target)).toBe("serves mirror");
    await expect(beginMirror(source, target, MIGRATION)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    await endMirror(source, target, at(31));
    expect(await statesOf(source, target)).toBe("serves closed");
  });

  it("are left alone where the target is no new one", async () => {
    const source = new MemoryStore();
    const refused = async (target: StateStore, why: RegExp): Promise<void> => {
      const before = await target.cell("service");
      const begun = beginMirror(source, target, MIGRATION);
      await expect(begun).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", message: expect.stringMatching(why) });
      expect([await target.cell("service"), await source.cell("service")]).toEqual([before, null]);
    };
    const full = new MemoryStore();
    await full.commit(commitOf([[pageWrite(contractId(1), NO_KEY, { rotationId: 2 })]]));
    await refused(full, /rotation id 2/);
    const later = new MemoryStore();
    await later.commit({ groups: [], sealedUnder: null, minimumRotationId: 4 });
    await refused(later, /minimum rotation id is 4/);
    const others = new MemoryStore();
    await beginMirror(new MemoryStore(), others, { ...MIGRATION, sourceId: OTHER });
    await refused(others, /it is mirror/);
    const own = new MemoryStore();
    await own.commit(commitOf([[pageWrite(contractId(1), NO_KEY, { rotationId: 3 })]]));
    await beginMirror(source, own, MIGRATION);
    expect(await statesOf(source, own)).toBe("mirrored mirror");
  });

  it("are not touched where a cell is malformed", async () => {
    for (const value of ["", "{}", '{"state":"gone","rotationId":1,"other":"0x00"}', '{"state":"closed"}']) {
      const store = new MemoryStore();
      await store.commit(commitOf([], { cells: [{ name: "service", expected: null, value: text(value) }] }));
      await expect(readService(store)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
      await expect(beginMirror(store, new MemoryStore(), MIGRATION)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    }
  });
});

describe("whoever is killed or stopped in the middle of a step", () => {
  /** Does steps; a step that is refused is left. */
  async function play(source: StateStore, target: StateStore, steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      try {
        await STEPS[step](source, target, at(BLOCKS[step]));
      } catch (error) {
        if (!/ROTATION_STATE|STORE_UNAVAILABLE/.test(String((error as { code?: string }).code))) throw error;
      }
    }
  }

  /** Of one and the same chain. */
  const chains = (["switch", "end"] as const).map((over): Step[][] => [[], ["begin"], ["begin", over], [over]]);
  const cases = chains.flatMap((sequences) =>
    sequences
      .at(-1)!
      .concat("begin")
      .map((step) => ({ step, sequences })),
  );

  it.each(cases)("$step: never do two stores serve, and what is over stays over", async ({ step, sequences }) => {
    for (const before of sequences) {
      for (const meanwhile of sequences) {
        for (let stop = 0; ; stop++) {
          const [source, target] = [new MemoryStore(), new MemoryStore()];
          let begun = false;
          const seen: string[] = [];
          const look = async (): Promise<void> => {
            const states = await statesOf(source, target);
            seen.push(states);
            begun ||= states.includes("mirror");
            // Before it begins, the target is nobody's.
            if (begun) expect(states).toMatch(/^(serves|mirrored) (mirror|closed)$|^closed (mirror|serves)$/);
          };
          let uses = 0;
          let stopped = false;
          const watched = (store: StateStore): StateStore => hooked(store, { after: look });
          const interrupted = (store: StateStore): StateStore =>
            hooked(watched(store), {
              before: async () => {
                if (uses++ !== stop) return;
                stopped = true;
                await play(watched(source), watched(target), meanwhile);
              },
            });
          await play(watched(source), watched(target), before);
          await play(interrupted(source), interrupted(target), [step]);
          const over = seen.findIndex((states) => states === "closed serves" || states === "serves closed");
          if (over >= 0) expect(new Set(seen.slice(over)).size).toBe(1);
          if (!stopped) break;
        }
      }
    }
  });

  it.each(Object.keys(STEPS) as Step[])("%s is done when it is done again, wherever it was killed", async (step) => {
    for (let kill = 0; ; kill++) {
      const [source, target] = [new MemoryStore(), new MemoryStore()];
      if (step !== "begin") await beginMirror(source, target, MIGRATION);
      let uses = 0;
      const dying = (store: StateStore): StateStore =>
        hooked(store, {
          before: () => {
            if (uses++ === kill) throw new Error("killed");
          },
        });
      let killed = true;
      await STEPS[step](dying(source), dying(target), at(30)).then(
        () => {
          killed = false;
        },
        () => undefined,
      );
      await STEPS[step](source, target, at(31));
      await STEPS[step](source, target, at(32));
      const end = { begin: "mirrored mirror", switch: "closed serves", end: "serves closed" }[step];
      expect(await statesOf(source, target)).toBe(end);
      if (!killed) break;
    }
  });
});

describe("whoever writes the cells as the chain has it not", () => {
  const state = fc.constantFrom("serves", "mirrored", "mirror", "closed");
  const lie = fc.record({ isSource: fc.boolean(), state, since: fc.integer({ min: 0, max: 35 }) });

  it.each(Object.keys(STEPS) as Step[])(
    "is put right by the next who does the step, once he has that block: %s",
    async (step) => {
      const [right, first] = {
        begin: ["mirrored mirror", 20],
        switch: ["closed serves", 30],
        end: ["serves closed", 30],
      }[step] as [string, number];
      await fc.assert(
        fc.asyncProperty(fc.array(lie, { maxLength: 4 }), fc.nat(10), async (lies, blocks) => {
          const [source, target] = [new MemoryStore(), new MemoryStore()];
          await beginMirror(source, target, MIGRATION);
          await STEPS[step](source, target, at(first));
          for (const { isSource, state: said, since } of lies) {
            const store = isSource ? source : target;
            const { cell } = await readService(store);
            const other = isSource ? TARGET : SOURCE;
            const value = text(JSON.stringify({ state: said, rotationId: 3, other, height: 20, since }));
            await store.commit(commitOf([], { cells: [{ ...cell, value }], sealedUnder: null }));
          }
          const before = await Promise.all([source, target].map(readService));
          const now = first + blocks;
          const [wanted, wantedTarget] = right.split(" ");
          const isAhead = before.some(
            (each, index) => each.state !== [wanted, wantedTarget][index] && each.since! > now,
          );
          const done = STEPS[step](source, target, at(now));
          if (isAhead) await expect(done).rejects.toMatchObject({ code: "ROTATION_STATE" });
          else await done;
          await STEPS[step](source, target, at(40));
          expect(await statesOf(source, target)).toBe(right);
        }),
      );
    },
  );
});
