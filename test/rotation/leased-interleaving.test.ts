/** Writers, kills, leases that pass on and partitions with any bounds, at any moment of a network's rotation. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PageEngine } from "../../src/engine/page-engine.ts";
import { GatekeeperError } from "../../src/errors.ts";
import type { LeasedPartition } from "../../src/rotation/checkpoint.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import type { LeasedContext } from "../../src/rotation/leased-partition.ts";
import type { Receipt } from "../../src/rotation/receipt.ts";
import { dropKept, type VerifyProgress, verifyLeased } from "../../src/rotation/verify-leased.ts";
import { openStore } from "../../src/store/embedded.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { comparePlaces } from "../../src/store/page.ts";
import type { Page, PageRef, StateStore } from "../../src/store/store.ts";
import { freshPath } from "../store/embedded-files.ts";
import { identity, leasedContext, switchOver, sweepToEnd, switched, verdictOf, WHOLE } from "./leased.ts";
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

const EVERYTHING = { from: null, to: null };
const CONTRACTS = [0, 1, 2];

/** One step of an online writer. */
const step = fc.record({
  contract: fc.constantFrom(...CONTRACTS),
  key: fc.integer({ min: 0, max: 40 }),
  /** Null deletes; large values split pages under the sweep. */
  bytes: fc.option(fc.constantFrom(0, 10, 700, 5_000, 15_000), { nil: null }),
});
const bound = fc.record({ contract: fc.constantFrom(...CONTRACTS), key: fc.integer({ min: 0, max: 40 }) });
const keyName = (key: number): string => `key ${String(key).padStart(5, "0")}`;

/** Partitions between bounds. */
function partitionsOf(bounds: readonly { contract: number; key: number }[]): LeasedPartition[] {
  const places = bounds
    .map(({ contract, key }): PageRef => ({ contract: contractOf(contract).id, lowerBound: text(keyName(key)) }))
    .sort(comparePlaces)
    .filter((place, index, all) => index === 0 || comparePlaces(all[index - 1]!, place) !== 0);
  const ends = [null, ...places, null];
  return ends.slice(0, -1).map((from, index) => ({ index, from, to: ends[index + 1]!, attempt: 0 }));
}

describe.each([
  ["memory", async (): Promise<StateStore> => new MemoryStore(), 60],
  ["embedded", async (): Promise<StateStore> => openStore({ path: freshPath(), create: true }), 10],
] as const)("any interleaving with writers, in the %s store,", (_, open, runs) => {
  it("leaves every partition sound at once, loses no write and undoes none", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 60 }),
        fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 8 }),
        fc.array(bound, { maxLength: 4 }),
        async (steps, kills, bounds) => {
          const generations = new Generations();
          const store = await open();
          await initialiseStore(store);
          const model = new Map<string, string | null>();
          let number = 0;
          using states = statesOf(store, generations);
          const write = async (contract: number, key: number, bytes: number | null): Promise<void> => {
            const value = bytes === null ? null : `${number++} ${"y".repeat(bytes)}`;
            await put(states, contract, { [keyName(key)]: value });
            if (value === null) model.delete(nameOf(contract, keyName(key)));
            else model.set(nameOf(contract, keyName(key)), value);
          };
          for (let key = 0; key < 40; key++) await write(key % 2, key, 900);
          await switchOver(store, generations);
          const left = [...steps];
          const dying = new Set(kills);
          let uses = 0;
          const online = async (): Promise<void> => {
            for (const { contract, key, bytes } of left.shift() ?? []) await write(contract, key, bytes);
          };
          const between = hooked(store, {
            before: async (method) => {
              if (method === "commit" || method === "find") await online();
              if (dying.delete(uses++)) throw new Error("killed");
            },
            after: async (method) => {
              if (method === "scan" || method === "kept") await online();
              if (method === "commit" && dying.delete(uses++)) throw new Error("killed");
            },
          });
          const contexts = [0, 1, 2].map(async (each): Promise<LeasedContext> => {
            return { ...(await leasedContext(between, generations, each, CONTRACTS)), engine: new PageEngine() };
          });
          const pRuntimes = await Promise.all(contexts);
          let lives = 0;
          /** Whoever does it dies now and then; another goes on. */
          const surviving = async <T>(work: (who: number) => Promise<T>, which: number): Promise<[T, number]> => {
            for (;;) {
              const who = (which + lives) % 3;
              try {
                return [await work(who), who];
              } catch (error) {
                if (!(error instanceof Error && error.message === "killed")) throw error;
                lives++;
              }
            }
          };
          const partitions = partitionsOf(bounds);
          const receipts: [Receipt, number][] = [];
          for (const partition of partitions) {
            receipts.push(await surviving((who) => sweepToEnd(pRuntimes[who]!, partition), partition.index));
          }
          for (const partition of partitions) {
            const [receipt, sweeper] = receipts[partition.index]!;
            let at: VerifyProgress | null = null;
            const verify = (who: number): ReturnType<typeof verifyLeased> =>
              verifyLeased(pRuntimes[who]!, partition, receipt, identity(sweeper), at);
            const [end] = await surviving(verify, sweeper + 1);
            at = null;
            expect(end).toMatchObject({ verdict: expect.stringMatching(/^(sound|overwritten)$/), why: null });
          }
          const found = await readAll(store, generations);
          expect(plain(found)).toEqual(model);
          expect([...found.values()].every(({ rotationId }) => rotationId === 1)).toBe(true);
          expect(await store.countByRotationId()).toEqual(recount(found));
          for (const partition of partitions) await dropKept(store, partition);
          expect(await store.keptCount()).toBe(0);
          await store.close();
        },
      ),
      { numRuns: runs },
    );
  });
});

describe("whatever byte is altered behind an honest sweeper", () => {
  it("it is found, the sweeper is not blamed, and all that was not altered is there after another sweep", async () => {
    const generations = new Generations();
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (ofKept, pageNumber, byteNumber, change) => {
          const store = await switched(generations, 1, 60);
          const before = plain(await readAll(store, generations));
          const receipt = await sweepToEnd(await leasedContext(store, generations, 1));
          const pages: Page[] = ofKept
            ? await store.kept(EVERYTHING, null, 1e9)
            : await store.scan(EVERYTHING, null, 1e9);
          const page = pages[pageNumber % pages.length]!;
          const at = byteNumber % page.body.length;
          const method = ofKept ? "kept" : "scan";
          const altered = alteredAs(store, method, page, (body) => {
            body[at]! ^= change;
          });
          const verdict = await verdictOf(await leasedContext(altered, generations, 2), receipt, identity(1));
          expect(verdict.verdict).toBe("damaged");
          const partition = { ...WHOLE, attempt: 1 };
          try {
            const again = await sweepToEnd(await leasedContext(altered, generations, 3), partition);
            const other = await leasedContext(altered, generations, 2);
            expect(await verdictOf(other, again, identity(3), partition)).toMatchObject({
              verdict: expect.stringMatching(/^(sound|overwritten)$/),
            });
          } catch (error) {
            // A rotation id that was altered contradicts the store's counts, and nothing is written then.
            if (!(error instanceof GatekeeperError)) throw error;
            expect(error.code).toBe("STORE_CORRUPT");
          }
          const after = plain(await readAll(store, generations));
          expect(after).toEqual(before);
        },
      ),
      {
        numRuns: 100,
        // A kept record's key, from "key 00000" to "jey 00000": the record that is there now must not seem one too many.
        examples: [[true, 0, 22, 1]],
      },
    );
  });
});

/** A store one of whose bodies is read as if a byte of its file were another. */
function alteredAs(
  store: StateStore,
  method: "kept" | "scan",
  page: Page,
  alter: (body: Uint8Array) => void,
): StateStore {
  const one = (read: Page): Page => {
    if (comparePlaces(read, page) !== 0 || read.version !== page.version) return read;
    const body = Uint8Array.from(read.body);
    alter(body);
    return { ...read, body };
  };
  return new Proxy(store, {
    get(target, name) {
      const called = Reflect.get(target, name, target) as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        const result = await Reflect.apply(called, target, args);
        if (name === method) return (result as Page[]).map(one);
        return name === "find" && method === "scan" && result !== null ? one(result as Page) : result;
      };
    },
  });
}
