import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type {
  KeyMaterial,
  PageEngine,
  ReencryptJob,
  ReencryptOutcome,
  SealedUnder,
} from "../../src/engine/page-engine.ts";
import { CONTRACTS_REMEMBERED, type ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { sweepClaimed } from "../../src/rotation/claim.ts";
import { advance, initialiseStore, readPartitions, readRotation } from "../../src/rotation/control.ts";
import { SWEEP_PAGES } from "../../src/rotation/stretches.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { editPage } from "../../src/store/page-edit.ts";
import type { Commit, StateStore } from "../../src/store/store.ts";
import { beginRotation, finishInThread, sweepOnce } from "./drive.ts";
import {
  contractOf,
  damage,
  Generations,
  hooked,
  nameOf,
  plain,
  put,
  readAll,
  recount,
  SUITE,
  statesOf,
  text,
  values,
} from "./sealed-store.ts";

async function filled(contracts: number, records: number): Promise<{ store: MemoryStore; generations: Generations }> {
  const store = new MemoryStore();
  const generations = new Generations();
  await initialiseStore(store);
  using states = statesOf(store, generations);
  for (let contract = 0; contract < contracts; contract++) {
    await put(states, contract, values(records, `value of ${contract}`));
  }
  return { store, generations };
}

describe("a sweep", () => {
  it("re-encrypts every record once, and keeps values, keys and write versions", async () => {
    const { store, generations } = await filled(3, 300);
    using states = statesOf(store, generations);
    await put(states, 1, { "key 00007": "put again", "key 00008": null });
    const before = await readAll(store, generations);
    const rewritten = new Map<string, number>();
    const watched = hooked(store, {
      before: (method, args) => {
        if (method !== "commit") return;
        for (const group of (args[0] as Commit).groups) {
          for (const { contract, lowerBound } of group) {
            const page = Buffer.concat([contract, lowerBound]).toString("hex");
            rewritten.set(page, (rewritten.get(page) ?? 0) + 1);
          }
        }
      },
    });
    await beginRotation(watched, generations);
    expect(await finishInThread(watched, generations)).toBe(0);
    const after = await readAll(store, generations);
    expect(plain(after)).toEqual(plain(before));
    expect([...rewritten.values()].every((times) => times === 1)).toBe(true);
    for (const [name, { rotationId, writeVersion, sealed, value }] of after) {
      expect(value).not.toBeNull();
      expect(rotationId).toBe(1);
      expect(writeVersion).toBe(before.get(name)!.writeVersion);
      expect(Buffer.compare(sealed.subarray(14, 26), before.get(name)!.sealed.subarray(14, 26))).not.toBe(0);
    }
    expect(
      new Set([...after.values()].map(({ sealed }) => Buffer.from(sealed.subarray(14, 26)).toString("hex"))).size,
    ).toBe(after.size);
    expect(await store.countByRotationId()).toEqual(recount(after));
    expect(generations.log).toEqual(["new 1", "abandon 0"]);
    expect(await readPartitions(store)).toEqual([]);
  });

  it("never asks for keys of more contracts at once than are remembered", async () => {
    const store = new MemoryStore();
    const generations = new Generations();
    await initialiseStore(store);
    const sealed = new Uint8Array(42);
    const contracts = Array.from({ length: 2 * SWEEP_PAGES + 1 }, (_, number) => contractOf(number).id);
    const groups = contracts.map((id) => editPage(id, null, [{ key: text("balance"), sealed }], 1n));
    await store.commit({ groups, sealedUnder: 0 });
    await beginRotation(store, generations, 10_000);
    const sizes: number[] = [];
    const engine = {
      reencrypt: (_: SealedUnder, __: SealedUnder, jobs: readonly ReencryptJob[]): ReencryptOutcome[] => {
        sizes.push(jobs.length);
        const nothing = { wellFormed: true, done: 0, bytes: 0, mismatched: [], statement: null };
        return jobs.map(({ body }) => ({ ...nothing, body }));
      },
    } as unknown as PageEngine;
    const materials = (_: number, ids: readonly Uint8Array[]): KeyMaterial[] =>
      ids.map(() => ({ ikm: text("ikm"), info: text("info") }));
    const keys = { materials } as unknown as ContractKeyRing;
    const stopped = (): boolean => false;
    const context = { store, engine, keys, suite: SUITE, from: 0, to: 1, stopped };
    await sweepClaimed(context, { owner: "me", pass: 1, begin: 0, abandoned: [] });
    expect(SWEEP_PAGES).toBe(CONTRACTS_REMEMBERED);
    expect(sizes).toEqual([SWEEP_PAGES, SWEEP_PAGES, 1]);
  });

  it("commits a stretch that had nothing to do only now and then, but always the end", async () => {
    const { store, generations } = await filled(0, 0);
    const [{ id }, sealed] = [contractOf(0), new Uint8Array(1_100_000)];
    sealed[2] = 1;
    const edits = Array.from({ length: 40 }, (_, index) => ({ key: Uint8Array.of(index), sealed }));
    await store.commit({ groups: [editPage(id, null, edits, 1n)], sealedUnder: 0 });
    await beginRotation(store, generations, 1_000);
    const cursors: (string | undefined)[] = [];
    const watched = hooked(store, {
      after: async (method) => {
        if (method === "commit") cursors.push((await readPartitions(store))[0]!.value.cursor?.lowerBound);
      },
    });
    await sweepOnce(watched, generations);
    expect(cursors).toEqual([undefined, "0x11", "0x23", "0x27"]);
    expect((await readPartitions(store))[0]!.value).toMatchObject({ done: true, found: 0, pass: 1 });
  });

  it("never overwrites a write that came between its reading and its writing (akash console#3942)", async () => {
    const { store, generations } = await filled(1, 200);
    using states = statesOf(store, generations);
    let writes = 0;
    const racing = hooked(store, {
      before: async (method, args) => {
        if (method !== "commit" || writes === 5 || (args[0] as Commit).groups.length === 0) return;
        writes++;
        await put(states, 0, { "key 00100": `put number ${writes}`, "key 00050": null, "key 00199": null });
      },
    });
    await beginRotation(store, generations);
    expect(await finishInThread(racing, generations)).toBe(0);
    const found = await readAll(store, generations);
    expect(writes).toBe(5);
    expect(found.get(nameOf(0, "key 00100"))!.value).toBe("put number 5");
    expect(found.has(nameOf(0, "key 00050"))).toBe(false);
    expect(found.has(nameOf(0, "key 00199"))).toBe(false);
    expect(found.size).toBe(198);
    expect([...found.values()].every(({ rotationId, value }) => rotationId === 1 && value !== null)).toBe(true);
    expect(await store.countByRotationId()).toEqual(new Map([[1, 198]]));
  });

  it("counts each record once, also where writers force it to read a stretch again", async () => {
    const { store, generations } = await filled(2, 300);
    using states = statesOf(store, generations);
    let writes = 0;
    const racing = hooked(store, {
      before: async (method, args) => {
        if (method !== "commit" || writes === 3 || (args[0] as Commit).groups.length === 0) return;
        await put(states, 0, { [`new key ${writes++}`]: "x".repeat(8_000) });
      },
    });
    await beginRotation(store, generations);
    await sweepOnce(racing, generations);
    const partitions = (await readPartitions(store)).map(({ value }) => value);
    const counted = partitions.reduce((sum, { records }) => sum + records, 0);
    expect(counted).toBe(600);
    expect(partitions.reduce((sum, { found }) => sum + found, 0)).toBe(600);
    expect(await finishInThread(store, generations)).toBe(0);
    expect(plain(await readAll(store, generations)).size).toBe(603);
  });

  it("names a damaged record, leaves it byte for byte, and keeps the old key until it is mended", async () => {
    const { store, generations } = await filled(2, 200);
    const mark = (sealed: Uint8Array): void => {
      sealed[30] = sealed[30]! ^ 1;
    };
    const first = await damage(store, 0, "key 00010", mark);
    const second = await damage(store, 1, "key 00020", mark);
    await beginRotation(store, generations);
    expect(await finishInThread(store, generations)).toBe(2);
    expect((await readRotation(store)).value.phase).toBe("verification");
    const failures = (await readPartitions(store)).flatMap(({ value }) => value.failures);
    expect(failures.map(({ key }) => Buffer.from(key.slice(2), "hex").toString()).sort()).toEqual([
      "key 00010",
      "key 00020",
    ]);
    const blocked = await readAll(store, generations);
    expect(blocked.get(nameOf(0, "key 00010"))!.sealed).toEqual(first);
    expect(blocked.get(nameOf(1, "key 00020"))!.sealed).toEqual(second);
    expect(recount(blocked)).toEqual(new Map([[0, 2], [1, 398]])); // prettier-ignore
    expect(await store.countByRotationId()).toEqual(recount(blocked));
    // Again, with nothing mended: it stays where it is.
    expect(await finishInThread(store, generations)).toBe(2);
    expect(generations.scalars.has(0)).toBe(true);
    using states = statesOf(store, generations);
    await put(states, 0, { "key 00010": "mended" });
    expect(await finishInThread(store, generations)).toBe(1);
    await put(states, 1, { "key 00020": null });
    expect(await finishInThread(store, generations)).toBe(0);
    expect(generations.scalars.has(0)).toBe(false);
    const after = await readAll(store, generations);
    expect(after.get(nameOf(0, "key 00010"))!.value).toBe("mended");
    expect(after.size).toBe(399);
    expect([...after.values()].every(({ value, rotationId }) => value !== null && rotationId === 1)).toBe(true);
  });

  it.each([
    ["the version", 0, 9],
    ["the suite", 1, 7],
    ["the suite, changed to the other one", 1, 2],
    ["the write version", 6, 77],
    ["the nonce", 14, 0],
    ["the tag", -1, 0],
  ])("skips no record silently (Secret Network's migration): %s", async (_, at, value) => {
    const { store, generations } = await filled(1, 60);
    const left = await damage(store, 0, "key 00030", (sealed) => {
      const index = at < 0 ? sealed.length + at : at;
      sealed[index] = sealed[index] === value ? value + 1 : value;
    });
    await beginRotation(store, generations);
    expect(await finishInThread(store, generations)).toBe(1);
    expect((await readAll(store, generations)).get(nameOf(0, "key 00030"))!.sealed).toEqual(left);
    using states = statesOf(store, generations);
    await put(states, 0, { "key 00030": "mended" });
    expect(await finishInThread(store, generations)).toBe(0);
  });

  it("names a malformed page and rotates the others", async () => {
    const { store, generations } = await filled(3, 200);
    const page = (await store.find(contractOf(1).id, text("key 00000")))!;
    const body = page.body.slice();
    body[0] = 9;
    const { contract, lowerBound, version: expected } = page;
    await store.commit({ groups: [[{ contract, lowerBound, expected, body, counts: [] }]], sealedUnder: null });
    await beginRotation(store, generations);
    expect(await finishInThread(store, generations)).toBe(1);
    expect((await readPartitions(store)).flatMap(({ value }) => value.failures)).toEqual([
      { contract: `0x${Buffer.from(contract).toString("hex")}`, key: "0x" },
    ]);
    expect((await store.find(contract, lowerBound))!.body).toEqual(body);
    const counts = await store.countByRotationId();
    expect(counts.get(1)! + counts.get(0)!).toBe(600);
    expect(counts.get(0)).toBe(Buffer.from(page.body).readUInt32LE(4));
    expect(generations.scalars.has(0)).toBe(true);
  });
});

describe("a writer that missed the switch", () => {
  it.each(["reencryption", "verification"] as const)(
    "and commits during %s leaves nothing under the old key",
    async (phase) => {
      const { store, generations } = await filled(1, 100);
      let release = (): void => undefined;
      const paused = new Promise<void>((resolve) => {
        release = resolve;
      });
      let refused = 0;
      let sealed = (): void => undefined;
      const ready = new Promise<void>((resolve) => {
        sealed = resolve;
      });
      const stale = hooked(store, {
        before: async (method) => {
          if (method !== "commit") return;
          sealed();
          await paused;
        },
        after: (method, args) => {
          if (method === "commit" && (args[0] as Commit).sealedUnder === 0) refused--;
        },
      });
      const counted: StateStore = hooked(stale, {
        before: (method, args) => {
          if (method === "commit" && (args[0] as Commit).sealedUnder === 0) refused++;
        },
      });
      using states = statesOf(counted, generations);
      // A contract of its own, so that no page conflict hides what the minimum rotation id does.
      const writing = put(states, 5, { "late key": "late" });
      await ready;
      await beginRotation(store, generations);
      await sweepOnce(store, generations);
      if (phase === "verification") {
        const rotation = await readRotation(store);
        const cells = [advance(rotation, { ...rotation.value, phase, pass: 2 })];
        await store.commit({ groups: [], sealedUnder: null, cells, minimumRotationId: 1 });
      }
      release();
      await writing;
      expect(refused).toBe(phase === "verification" ? 1 : 0);
      expect((await store.countByRotationId()).get(0)).toBe(phase === "verification" ? undefined : 1);
      expect(await finishInThread(store, generations)).toBe(0);
      const found = await readAll(store, generations);
      expect(found.get(nameOf(5, "late key"))).toMatchObject({ value: "late", rotationId: 1 });
      expect(await store.countByRotationId()).toEqual(new Map([[1, 101]]));
    },
  );
});

/** One step of an online writer. */
const step = fc.record({
  contract: fc.integer({ min: 0, max: 2 }),
  key: fc.integer({ min: 0, max: 40 }),
  /** Null deletes; large values split pages under the sweep. */
  bytes: fc.option(fc.constantFrom(0, 10, 700, 5_000, 15_000), { nil: null }),
});

describe("any interleaving of a rotation with writers", () => {
  it("loses no write, undoes none, and leaves nothing behind", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 40 }),
        fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 5 }),
        async (steps, kills) => {
          const { store, generations } = await filled(2, 30);
          using states = statesOf(store, generations);
          const model = plain(await readAll(store, generations));
          const left = [...steps];
          let number = 0;
          let uses = 0;
          const dying = new Set(kills);
          const write = async (): Promise<void> => {
            for (const { contract, key, bytes } of left.shift() ?? []) {
              const name = `key ${String(key).padStart(5, "0")}`;
              const value = bytes === null ? null : `${number++} ${"y".repeat(bytes)}`;
              await put(states, contract, { [name]: value });
              if (value === null) model.delete(nameOf(contract, name));
              else model.set(nameOf(contract, name), value);
            }
          };
          const between = hooked(store, {
            before: async (method) => {
              if (method === "commit") await write();
              if (dying.delete(uses++)) throw new Error("killed");
            },
            after: async (method) => {
              if (method === "scan") await write();
            },
          });
          for (let rotations = 0; rotations < 2;) {
            try {
              if ((await readRotation(store)).value.phase === "idle") await beginRotation(between, generations);
              expect(await finishInThread(between, generations)).toBe(0);
              rotations++;
            } catch (error) {
              if (!(error instanceof Error) || error.message !== "killed") throw error;
              rotations += (await readRotation(store)).value.phase === "idle" && generations.log.length > 0 ? 1 : 0;
            }
          }
          if ((await readRotation(store)).value.phase !== "idle") await finishInThread(store, generations);
          const found = await readAll(store, generations);
          expect(plain(found)).toEqual(model);
          const { rotationId } = (await readRotation(store)).value;
          expect(recount(found)).toEqual(new Map(model.size === 0 ? [] : [[rotationId, model.size]]));
          expect(await store.countByRotationId()).toEqual(recount(found));
          expect([...generations.scalars.keys()].filter((id) => id < rotationId)).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("survives a power failure at every commit, with commits that were not durable yet lost", async () => {
    for (const syncEvery of [1, 3]) {
      for (let at = 0, crashed = true; crashed; at++) {
        crashed = false;
        const store = new MemoryStore({ syncEvery });
        const generations = new Generations();
        await initialiseStore(store);
        using states = statesOf(store, generations);
        await put(states, 0, values(60, "before"));
        await put(states, 1, values(60, "before"));
        await store.compact();
        const durable = plain(await readAll(store, generations));
        let commits = 0;
        const failing = hooked(store, {
          before: (method) => {
            if (method !== "commit" || commits++ !== at) return;
            crashed = true;
            throw new Error("power failure");
          },
        });
        // What such a store acknowledged is not durable, which the contract forbids: so the key is kept here.
        const kept = new Generations();
        for (const [id, scalar] of generations.scalars) kept.scalars.set(id, scalar);
        const keeping = Object.assign(kept, { abandon: syncEvery === 1 ? kept.abandon : async () => undefined });
        try {
          await beginRotation(failing, keeping, 1);
          await finishInThread(failing, keeping);
        } catch (error) {
          if (!(error instanceof Error) || error.message !== "power failure") throw error;
          store.crash();
        }
        if ((await readRotation(store)).value.phase === "idle") {
          if ((await readRotation(store)).value.rotationId === 0) await beginRotation(store, keeping, 1);
        }
        expect(await finishInThread(store, keeping)).toBe(0);
        const found = await readAll(store, keeping);
        expect(plain(found), `crash before commit ${at}`).toEqual(durable);
        expect(recount(found)).toEqual(new Map([[1, 120]]));
        expect(await store.countByRotationId()).toEqual(recount(found));
      }
    }
  });
});
