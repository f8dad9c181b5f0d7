/** Writers and readers of a store that is copied to another one, while a liar writes what the two say of each other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import type { ContractStates } from "../../src/pruntime/contract-states.ts";
import { agrees, StoreSwitch } from "../../src/pruntime/store-switch.ts";
import type { State } from "../../src/protocol/state.ts";
import type { NetworkStore } from "../../src/store/network-store.ts";
import { endMirror, readService, type Service, switchStores } from "../../src/store/service.ts";
import type { StateStore } from "../../src/store/store.ts";
import {
  copyContext,
  copyToEnd,
  copyVerdict,
  MIGRATION,
  type Mirrored,
  mirrored,
  sourceStates,
} from "../rotation/mirrored.ts";
import { contractOf, Generations, hooked, nameOf, plain, put, readAll, text } from "../rotation/sealed-store.ts";

const generations = new Generations();
const { id: CONTRACT } = contractOf(0);
const { sourceId, targetId, height: BEGIN } = MIGRATION;
/** By this block t have certified the copy; this is the first one of the abandonment. */
const SWITCH = 40;

/** The ledger at a block of a chain that copies, and then switches. */
function stateAt(height: number): State {
  const isSwitched = height >= SWITCH;
  const phase = height < BEGIN ? "keyGeneration" : isSwitched ? "abandonment" : "verification";
  const since = isSwitched ? SWITCH : BEGIN;
  const rotation = { from: 0, source: sourceId, migration: { store: targetId }, switchHeight: BEGIN, phase, since };
  return {
    height,
    stateStore: isSwitched ? targetId : sourceId,
    rotation,
    sharings: [{ rotationId: 1 }],
  } as unknown as State;
}

const agreesAt = (height: number) => (service: Service) => agrees(stateAt(height), sourceId, service);

/** What a pRuntime that follows the chain does to the stores in a block. */
async function follow(both: Mirrored, height: number): Promise<void> {
  const here = (store: StateStore, id: string) =>
    ({ store, location: { module: "", options: null }, id }) as NetworkStore;
  const stores = [here(both.source, sourceId), here(both.target, targetId)];
  new StoreSwitch(stores, () => undefined).follow(stateAt(height));
  for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
}

/** A mirror that has all, as another one has verified; so that t may certify it. */
async function certified(): Promise<Mirrored> {
  const both = await mirrored(generations, 0, 0);
  using states = sourceStates(both);
  await put(states, 0, { a: "old", b: "old" });
  await copyToEnd(await copyContext(both, 1));
  expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "sound" });
  return both;
}

/** A liar's steps as the chain does not have them, and states that no step gives. */
async function say(store: StateStore, other: string, state: string, since: number): Promise<void> {
  const { cell } = await readService(store);
  const value = text(JSON.stringify({ state, rotationId: 1, other, height: BEGIN, since }));
  await store.commit({ groups: [], sealedUnder: null, cells: [{ ...cell, value }] });
}

const LIES = {
  ends: (both: Mirrored) => endMirror(both.source, both.target, { ...MIGRATION, now: 30 }),
  endsHalf: (both: Mirrored) => endMirror(both.source, null, { ...MIGRATION, now: 30 }),
  closesMirror: ({ target }: Mirrored) => say(target, sourceId, "closed", 30),
  switches: (both: Mirrored) => switchStores(both.source, both.target, { ...MIGRATION, now: 30 }),
  bothServe: async (both: Mirrored) => {
    await say(both.source, targetId, "serves", 30);
    await say(both.target, sourceId, "serves", 30);
  },
  endsLater: (both: Mirrored) => endMirror(both.source, both.target, { ...MIGRATION, now: 35 }),
};
type Lie = keyof typeof LIES;
const LIE_NAMES = Object.keys(LIES) as Lie[];

const passing = (error: unknown): void => {
  expect(error).toBeInstanceOf(GatekeeperError);
  expect((error as GatekeeperError).code).toBe("STORE_NOT_SERVING");
};

/** Does things before certain uses of either store. */
function interrupted(both: Mirrored, what: readonly { readonly use: number; readonly act: () => Promise<void> }[]) {
  let uses = 0;
  const store = (under: StateStore): StateStore =>
    hooked(under, {
      before: async () => {
        const use = uses++;
        for (const each of what) if (each.use === use) await each.act();
      },
    });
  return { ...both, source: store(both.source), target: store(both.target), uses: () => uses };
}

describe("between the certificates of a copy and the switch, a liar that says of the stores what the chain has not", () => {
  it.each(LIE_NAMES)(
    "loses no write that was acknowledged, at whatever moment, also if it takes that back: %s",
    async (lie) => {
      let [done, refused] = [0, 0];
      for (const back of [false, true]) {
        for (let use = 0; ; use++) {
          const both = await certified();
          const own = interrupted(both, [
            {
              use,
              act: async () => {
                await LIES[lie](both);
                if (!back) return;
                await say(both.source, targetId, "mirrored", 30);
                await say(both.target, sourceId, "mirror", 30);
              },
            },
          ]);
          using states = sourceStates(own, undefined, true, agreesAt(32));
          const isDone = await put(states, 0, { a: "new", b: null, c: "x" }).then(() => true, passing);
          isDone ? done++ : refused++;
          const isOver = own.uses() <= use;
          await follow(both, 36);
          expect([(await readService(both.source)).state, (await readService(both.target)).state]).toEqual([
            "mirrored",
            "mirror",
          ]);
          // Whoever was refused tries again.
          using later = sourceStates(both, undefined, true, agreesAt(36));
          if (!isDone) await put(later, 0, { a: "new", b: null, c: "x" });
          await follow(both, SWITCH);
          expect((await readService(both.target)).state).toBe("serves");
          expect(plain(await readAll(both.target, generations))).toEqual(
            new Map([[nameOf(0, "a"), "new"], [nameOf(0, "c"), "x"]]), // prettier-ignore
          );
          if (isOver) break;
        }
      }
      expect([done > 0, refused > 0]).toEqual([true, true]);
    },
  );

  it("loses no write whose writer it stops for as long as it takes to put it right", async () => {
    for (const lie of LIE_NAMES) {
      for (let use = 0; ; use++) {
        const both = await certified();
        const own = interrupted(both, [
          {
            use,
            act: async () => {
              await LIES[lie](both);
              await follow(both, 36);
            },
          },
        ]);
        using states = sourceStates(own, undefined, true, agreesAt(32));
        const isDone = await put(states, 0, { a: "new" }).then(() => true, passing);
        await follow(both, SWITCH);
        if (isDone) expect(plain(await readAll(both.target, generations)).get(nameOf(0, "a"))).toBe("new");
        if (own.uses() <= use) break;
      }
    }
  });

  it("may say what the chain has later: who is behind then does not take it back", async () => {
    const both = await certified();
    await LIES.switches(both);
    await follow(both, SWITCH);
    await follow(both, 31);
    expect((await readService(both.source)).state).toBe("closed");
    expect((await readService(both.target)).state).toBe("serves");
  });

  it("can't have a writer believe it whose ledger does not have the copy yet, nor one that has the switch", async () => {
    const both = await certified();
    await LIES.ends(both);
    for (const height of [10, BEGIN - 1, BEGIN, 29, 30, SWITCH, SWITCH + 1]) {
      using states = sourceStates(both, undefined, true, agreesAt(height));
      await put(states, 0, { a: `${height}` }).then(() => expect.fail(`at block ${height}`), passing);
      await states.get(CONTRACT, text("a")).then(() => expect.fail(`at block ${height}`), passing);
    }
  });

  it("stops no writer once the migration is really called off, by whoever's word", async () => {
    const both = await certified();
    const calledOff = (height: number): State =>
      ({ ...stateAt(height), rotation: null, stateStore: sourceId, sharings: [{ rotationId: 0 }] }) as unknown as State;
    await LIES.switches(both);
    const stores = [both.source, both.target].map(
      (store, at) => ({ store, location: { module: "", options: null }, id: [sourceId, targetId][at] }) as NetworkStore,
    );
    new StoreSwitch(stores, (error) => expect.fail(String(error))).follow(calledOff(38));
    for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
    using states = sourceStates(both, undefined, true, (service) => agrees(calledOff(38), sourceId, service));
    await put(states, 0, { a: "new" });
    expect(Buffer.from((await states.get(CONTRACT, text("a")))!).toString()).toBe("new");
    expect((await readService(both.target)).state).toBe("closed");
  });
});

describe("any history of writers, readers, liars and blocks", () => {
  type Event =
    | { readonly writes: string; readonly isPut: boolean; readonly lag: number }
    | { readonly reads: string; readonly lag: number }
    | { readonly lie: string; readonly isSource: boolean; readonly ahead: number }
    | { readonly follows: number }
    | { readonly blocks: number };
  const event: fc.Arbitrary<Event> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ writes: fc.constantFrom("a", "b", "c", "d"), isPut: fc.boolean(), lag: fc.nat(25) }),
    },
    { weight: 2, arbitrary: fc.record({ reads: fc.constantFrom("a", "b", "c", "d"), lag: fc.nat(25) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        lie: fc.constantFrom("serves", "mirrored", "mirror", "closed"),
        isSource: fc.boolean(),
        ahead: fc.integer({ min: -10, max: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ follows: fc.nat(4) }) },
    { weight: 3, arbitrary: fc.record({ blocks: fc.integer({ min: 1, max: 3 }) }) },
  );
  /** An event in the middle of another. */
  const step = fc.record({ first: event, second: fc.option(event, { nil: null }), use: fc.nat(14) });

  class History {
    readonly both: Mirrored;
    height = BEGIN;
    readonly acknowledged = new Map<string, string | null>([["a", "old"], ["b", "old"]]); // prettier-ignore
    readonly maybe = new Map<string, Set<string | null>>();
    #number = 0;

    constructor(both: Mirrored) {
      this.both = both;
    }

    async play(what: Event, both: Mirrored): Promise<void> {
      if ("blocks" in what) this.height = Math.min(this.height + what.blocks, SWITCH - 1);
      else if ("follows" in what) await follow(both, this.height - what.follows);
      else if ("lie" in what) {
        const [store, other] = what.isSource ? [both.source, targetId] : [both.target, sourceId];
        // No earlier than the copy began.
        await say(store, other, what.lie, Math.max(BEGIN, this.height + what.ahead));
      } else {
        using states = sourceStates(both, undefined, true, agreesAt(this.height - what.lag));
        if ("reads" in what) await this.#read(states, what.reads);
        else await this.#write(states, what.writes, what.isPut ? `${this.#number++}` : null);
      }
    }

    of(key: string): Set<string | null> {
      return new Set([this.acknowledged.get(key) ?? null, ...(this.maybe.get(key) ?? [])]);
    }

    async #write(states: ContractStates, key: string, value: string | null): Promise<void> {
      this.maybe.set(key, new Set([...(this.maybe.get(key) ?? []), value]));
      if (await put(states, 0, { [key]: value }).then(() => true, passing)) this.#is(key, value);
    }

    async #read(states: ContractStates, key: string): Promise<void> {
      const read = await states.get(CONTRACT, text(key)).catch(passing);
      if (read === undefined) return;
      const value = read === null ? null : Buffer.from(read).toString();
      expect(this.of(key)).toContain(value);
      this.#is(key, value);
    }

    #is(key: string, value: string | null): void {
      this.acknowledged.set(key, value);
      this.maybe.delete(key);
    }
  }

  it("ends with a new store that has every write that was acknowledged or read", async () => {
    let acknowledged = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const history = new History(await certified());
        for (const { first, second, use } of steps) {
          // Two that write or read the same beside each other are another test's: rotation/copy-interleaving.test.ts.
          const act = second === null || "writes" in second || "reads" in second ? [] : [second];
          const own = interrupted(
            history.both,
            act.map((each) => ({ use, act: () => history.play(each, history.both) })),
          );
          await history.play(first, own);
        }
        await follow(history.both, SWITCH + 10);
        expect((await readService(history.both.target)).state).toBe("serves");
        const found = plain(await readAll(history.both.target, generations));
        for (const key of ["a", "b", "c", "d"])
          expect([key, [...history.of(key)]]).toEqual([
            key,
            expect.arrayContaining([found.get(nameOf(0, key)) ?? null]),
          ]);
        acknowledged += history.acknowledged.size - 2;
      }),
      { numRuns: 150 },
    );
    expect(acknowledged).toBeGreaterThan(50);
  });
});
