/** Writers, readers, kills, zombies, liars and partitions with any bounds, at any moment of a migration. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Suite } from "../../src/engine/suite.ts";
import type { ContractStates } from "../../src/pruntime/contract-states.ts";
import type { LeasedPartition } from "../../src/rotation/checkpoint.ts";
import { type CopyContext, copyLeased } from "../../src/rotation/copy-leased.ts";
import { verifyCopied } from "../../src/rotation/verify-copied.ts";
import { openStore } from "../../src/store/embedded.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { comparePlaces } from "../../src/store/page.ts";
import { switchStores } from "../../src/store/service.ts";
import type { Commit, PageRef, StateStore } from "../../src/store/store.ts";
import { freshPath } from "../store/embedded-files.ts";
import { copyContext, expectMirrored, MIGRATION, type Mirrored, mirrored, sourceStates } from "./mirrored.ts";
import {
  contractOf,
  Generations,
  hooked,
  nameOf,
  plain,
  put,
  readAll,
  recount,
  statesOf,
  text,
} from "./sealed-store.ts";

const CONTRACTS = [0, 1, 2];
const KEYS = 40;
/** Copies of a partition that may be found to be damaged, at most, before this is no chance any more. */
const ATTEMPTS_MAX = 60;

const keyName = (key: number): string => `key ${String(key).padStart(5, "0")}`;
const place = fc.record({ contract: fc.constantFrom(...CONTRACTS), key: fc.integer({ min: 0, max: KEYS }) });
/** Null deletes; large values split pages. */
const bytes = fc.option(fc.constantFrom(0, 10, 700, 5_000, 15_000), { nil: null });

/** What somebody does at one moment. */
const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ at: place, bytes, dies: fc.constant<number | null>(null) }) },
  // The writer's process is killed at one of its uses of the stores.
  { weight: 2, arbitrary: fc.record({ at: place, bytes, dies: fc.nat(14) }) },
  { weight: 2, arbitrary: fc.record({ reads: place }) },
  // Two writers beside each other: the second one writes in the middle of the first one's write.
  {
    weight: 2,
    arbitrary: fc.record({ at: place, bytes, second: place, secondBytes: bytes, use: fc.nat(14), dies: fc.nat(20) }),
  },
  // The lease passes on while its holder is in the middle of a commit.
  { weight: 1, arbitrary: fc.record({ takesOver: fc.nat(2) }) },
);

/** A write, in the middle of which another one may be done and its process be killed. */
interface Write {
  readonly at: Place;
  readonly bytes: number | null;
  readonly dies: number | null;
  readonly second?: Place;
  readonly secondBytes?: number | null;
  readonly use?: number;
}

interface Place {
  readonly contract: number;
  readonly key: number;
}

/** Partitions between bounds. */
function partitionsOf(bounds: readonly Place[]): LeasedPartition[] {
  const places = bounds
    .map(({ contract, key }): PageRef => ({ contract: contractOf(contract).id, lowerBound: text(keyName(key)) }))
    .sort(comparePlaces)
    .filter((at, index, all) => index === 0 || comparePlaces(all[index - 1]!, at) !== 0);
  const ends = [null, ...places, null];
  return ends.slice(0, -1).map((from, index) => ({ index, from, to: ends[index + 1]!, attempt: 0 }));
}

/** What the stores must have: what was acknowledged or read; and what a writer that was killed may have written since. */
class Model {
  readonly certain = new Map<string, string>();
  readonly possible = new Map<string, Set<string | null>>();

  of(name: string): Set<string | null> {
    return new Set([this.certain.get(name) ?? null, ...(this.possible.get(name) ?? [])]);
  }

  may(name: string, value: string | null): void {
    this.possible.set(name, new Set([...(this.possible.get(name) ?? []), value]));
  }

  is(name: string, value: string | null): void {
    this.possible.delete(name);
    if (value === null) this.certain.delete(name);
    else this.certain.set(name, value);
  }
}

/** One migration, in this thread. */
class History {
  readonly model = new Model();
  /** Writers that were killed. */
  killed = 0;
  readonly #both: Mirrored;
  readonly #suite: Suite;
  readonly #isCalm: boolean;
  #number = 0;
  #writes = 0;
  /** By the record's name, the last that was begun. */
  readonly #lastWrites = new Map<string, number>();

  constructor(both: Mirrored, suite: Suite, isCalm: boolean) {
    this.#both = both;
    this.#suite = suite;
    this.#isCalm = isCalm;
  }

  /** Whoever writes is a process of its own. */
  async play(what: Write | { readonly reads: Place }): Promise<void> {
    if ("reads" in what) return this.#read(what.reads);
    const { at, second, secondBytes = null, use = null } = what;
    const dies = this.#isCalm ? null : what.dies;
    await this.#write(at, what.bytes, dies, use, async () => {
      if (second !== undefined) await this.#write(second, secondBytes, null, null, async () => undefined);
    });
    // Whichever came last.
    if (at.contract === second?.contract && at.key === second.key) await this.#read(at);
  }

  async #write(
    { contract, key }: Place,
    size: number | null,
    dies: number | null,
    use: number | null,
    meanwhile: () => Promise<void>,
  ): Promise<void> {
    const value = size === null ? null : `${this.#number++} ${"y".repeat(size)}`;
    const name = nameOf(contract, keyName(key));
    let uses = 0;
    const own = (store: StateStore): StateStore =>
      hooked(store, {
        before: async () => {
          const now = uses++;
          if (now === use) await meanwhile();
          if (now === dies) throw new Error("killed");
        },
      });
    const { source, target } = this.#both;
    using states = sourceStates({ ...this.#both, source: own(source), target: own(target) }, this.#suite);
    const write = ++this.#writes;
    this.#lastWrites.set(name, write);
    this.model.may(name, value);
    try {
      await put(states, contract, { [keyName(key)]: value });
    } catch (error) {
      if (!(error instanceof Error && error.message === "killed")) throw error;
      this.killed++;
      this.model.may(name, value);
      return;
    }
    // Where another one wrote the key in the middle of this, either may have been the last.
    if (this.#lastWrites.get(name) === write) this.model.is(name, value);
    else this.model.may(name, value);
  }

  async #read({ contract, key }: Place): Promise<void> {
    using states = sourceStates(this.#both, this.#suite);
    await this.expectValue(states, contract, key);
  }

  async expectValue(states: ContractStates, contract: number, key: number): Promise<void> {
    const name = nameOf(contract, keyName(key));
    const found = await states.get(contractOf(contract).id, text(keyName(key)));
    const value = found === null ? null : Buffer.from(found).toString();
    expect(this.model.of(name)).toContain(value);
    this.model.is(name, value);
  }
}

/** A mirror as a liar writes it: it leaves pages out, now and then, and says when. */
function lying(target: StateStore, lies: number[], lied: () => void): StateStore {
  return new Proxy(target, {
    get(store, name) {
      if (name !== "commit") return (Reflect.get(store, name) as StateStore["close"]).bind(store);
      return async (commit: Commit) => {
        const groups = commit.groups.filter(() => (lies.shift() ?? 1) > 0);
        if (groups.length < commit.groups.length) lied();
        return store.commit({ ...commit, groups });
      };
    },
  });
}

describe.each([
  ["memory", "aes-256-gcm", async (): Promise<StateStore> => new MemoryStore(), 50],
  ["memory", "chacha20-poly1305", async (): Promise<StateStore> => new MemoryStore(), 25],
  ["embedded", "aes-256-gcm", async (): Promise<StateStore> => openStore({ path: freshPath(), create: true }), 8],
] as const)("any interleaving, in the %s store, to %s,", (_, suite, open, runs) => {
  it("ends with a mirror that has every write that was acknowledged or read, its last value, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(event, { maxLength: 3 }), { maxLength: 50 }),
        fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 6 }),
        fc.array(place, { maxLength: 4 }),
        fc.array(fc.nat(9), { maxLength: 12 }),
        fc.array(event, { maxLength: 8 }),
        fc.boolean(),
        async (events, kills, bounds, maybeLies, late, isCalm) => {
          const generations = new Generations();
          const both = await mirrored(generations, 0, 0, await open(), await open());
          // With no liar, no writer that is killed and no lease that passes on, every copy is sound.
          const history = new History(both, suite, isCalm);
          const lies = isCalm ? [] : maybeLies;
          for (let key = 0; key < KEYS; key++) {
            await history.play({ at: { contract: key % 2, key }, bytes: 900, dies: null });
          }
          const left = [...events];
          const dying = new Set(kills);
          const partitions = partitionsOf(bounds);
          let uses = 0;
          let current: LeasedPartition | null = null;
          let isNested = false;
          let takenOver = 0;
          const moment = async (): Promise<void> => {
            if (isNested) return;
            for (const what of left.shift() ?? []) {
              if (!("takesOver" in what)) await history.play(what);
              else if (current !== null) {
                isNested = true;
                takenOver++;
                await copyLeased(contexts[what.takesOver]!, current);
                isNested = false;
              }
            }
          };
          const between = (store: StateStore): StateStore =>
            hooked(store, {
              before: async () => {
                await moment();
                if (!isNested && dying.delete(uses++)) throw new Error("killed");
              },
              after: async (method) => {
                if (method === "scan") await moment();
                if (!isNested && method === "commit" && dying.delete(uses++)) throw new Error("killed");
              },
            });
          let lied = 0;
          const mirror = lying(both.target, lies, () => {
            lied++;
          });
          const used = { generations, source: between(both.source), target: between(mirror) };
          const contexts: CopyContext[] = [];
          for (const number of [0, 1, 2]) contexts.push(await copyContext(used, number, CONTRACTS, suite));
          let lives = 0;
          /** Whoever does it dies now and then; another goes on. */
          const surviving = async <T>(work: (context: CopyContext) => Promise<T>): Promise<T> => {
            for (;;) {
              try {
                return await work(contexts[lives % 3]!);
              } catch (error) {
                if (!(error instanceof Error && error.message === "killed")) throw error;
                lives++;
              }
            }
          };
          for (const partition of partitions) {
            for (let attempt = 0; ; attempt++) {
              expect(attempt).toBeLessThan(ATTEMPTS_MAX);
              current = { ...partition, attempt };
              const leased = current;
              for (;;) {
                const { end } = await surviving((context) => copyLeased(context, leased));
                if (end === "done") break;
                expect(end).toBe("lost");
              }
              current = null;
              lives++;
              const verified = await surviving((context) => verifyCopied(context, partition, null, moment));
              if (verified.end === "verdict" && verified.verdict === "sound") break;
              expect(verified).toMatchObject({ end: "verdict", verdict: "damaged" });
              // Nothing else is a reason for it, whatever came between. One who goes on with what another has done meanwhile may
              // cut a page that was written since, and copy nothing of it.
              expect(history.killed + lied + takenOver).toBeGreaterThan(0);
            }
          }
          while (left.length > 0) await moment();
          for (const what of late) if (!("takesOver" in what)) await history.play(what);
          // Whoever was killed last may have left something on its way: nobody has read it.
          await switchStores(both.source, both.target, MIGRATION);
          const found = await readAll(both.target, generations);
          expect([...found.values()].every(({ rotationId }) => rotationId === 1)).toBe(true);
          expect(await both.target.countByRotationId()).toEqual(recount(found));
          using states = statesOf(both.target, generations, suite);
          for (const contract of CONTRACTS) {
            for (let key = 0; key <= KEYS; key++) await history.expectValue(states, contract, key);
          }
          expect(plain(await readAll(both.target, generations))).toEqual(history.model.certain);
          await both.source.close();
          await both.target.close();
        },
      ),
      { numRuns: runs },
    );
  });
});

it("a migration without a fault makes a mirror that has what the source has", async () => {
  const generations = new Generations();
  const both = await mirrored(generations, 2, 100);
  const context = await copyContext(both, 1);
  expect(await copyLeased(context, partitionsOf([])[0]!)).toMatchObject({ end: "done" });
  await expectMirrored(both);
});
