import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { PageEngine } from "../../src/engine/page-engine.ts";
import { PartitionKeys } from "../../src/rotation/partition-keys.ts";
import { Pace } from "../../src/rotation/pace.ts";
import { listQuarantined, type QuarantinedRecord } from "../../src/store/quarantine.ts";
import type { Receipt } from "../../src/rotation/receipt.ts";
import { removeCheckpoints, takeCheckpoint, writeCheckpoint } from "../../src/rotation/checkpoint.ts";
import { sweepLeased } from "../../src/rotation/leased-partition.ts";
import { dropKept, type LeasedVerifyEnd, type VerifyProgress, verifyLeased } from "../../src/rotation/verify-leased.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Cell, Commit, KeptStatement, PageRange, PageRef, StateStore } from "../../src/store/store.ts";
import { identity, leasedContext, sharedKeys, sweepToEnd, switched, verdictOf, WHOLE } from "./leased.ts";
import {
  contractOf,
  damage,
  Generations,
  hooked,
  nameOf,
  plain,
  put,
  readAll,
  statesOf,
  text,
  values,
} from "./sealed-store.ts";

const EVERYTHING = { from: null, to: null };

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;

async function statements(store: StateStore): Promise<KeptStatement[]> {
  return store.keptStatements(EVERYTHING, null, 1_000_000);
}

describe("a leased partition", () => {
  it("that two called swept and sound without having looked at it is swept in the next attempt", async () => {
    const generations = new Generations();
    const store = await switched(generations, 3, 300);
    const owner = { store, rotationId: 1, identity: identity(1) };
    const checkpoint = (await takeCheckpoint(owner, WHOLE))!;
    const cells = [writeCheckpoint(checkpoint, { ...checkpoint.value, done: true })];
    await store.commit({ groups: [], sealedUnder: null, cells });
    await dropKept(store, EVERYTHING);
    const again = { ...WHOLE, attempt: 1 };
    const receipt = await sweepToEnd(await leasedContext(store, generations, 2), again);
    expect(receipt.records).toBe(900);
    const verifier = await leasedContext(store, generations, 3);
    expect(await verdictOf(verifier, receipt, identity(2), again)).toMatchObject({ verdict: "sound", records: 900 });
    expect(await store.countByRotationId()).toEqual(new Map([[1, 900]]));
    // And one that was is not moved again.
    await dropKept(store, EVERYTHING);
    const third = await sweepToEnd(await leasedContext(store, generations, 4), { ...WHOLE, attempt: 2 });
    expect(third).toMatchObject({ pages: 0, records: 0 });
    expect(await verdictOf(verifier, third, identity(4))).toMatchObject({ verdict: "sound", records: 900 });
  });

  it("has on disk what a receipt says, also of one who came to the end and not to the disk", async () => {
    const generations = new Generations();
    const memory = new MemoryStore({ syncEvery: Number.MAX_SAFE_INTEGER });
    await switched(generations, 3, 300, memory);
    await memory.sync();
    const killed = hooked(memory, {
      before: (name) => {
        if (name === "sync") throw new Error("killed");
      },
    });
    await expect(sweepToEnd(await leasedContext(killed, generations, 1))).rejects.toThrow("killed");
    expect(await memory.countByRotationId()).toEqual(new Map([[1, 900]]));
    const receipt = await sweepToEnd(await leasedContext(memory, generations, 2));
    memory.crash();
    expect(receipt).toMatchObject({ records: 0 });
    expect(await memory.countByRotationId()).toEqual(new Map([[1, 900]]));
  });

  it("is swept with every replaced page kept aside, and found to be sound by another pRuntime", async () => {
    const generations = new Generations();
    const store = await switched(generations, 3, 300);
    const before = await readAll(store, generations);
    const pages = await store.scan(EVERYTHING, null, 1e9);
    const receipt = await sweepToEnd(await leasedContext(store, generations, 1));
    const after = await readAll(store, generations);
    expect(plain(after)).toEqual(plain(before));
    for (const [name, record] of after) {
      expect([record.rotationId, record.writeVersion]).toEqual([1, before.get(name)!.writeVersion]);
    }
    expect(await store.countByRotationId()).toEqual(new Map([[1, 900]]));
    expect(await store.minimumRotationId()).toBe(1);
    const kept = await store.kept(EVERYTHING, null, 1e9);
    expect(kept.map(({ body }) => Buffer.from(body))).toEqual(pages.map(({ body }) => Buffer.from(body)));
    const sum = createHash("sha256").update("gatekeeper/v1 partition digest");
    for (const { by, statement } of kept) {
      expect(by).toEqual(identity(1));
      sum.update(statement);
    }
    const bytes = [...before.values()].reduce((all, { sealed }) => all + sealed.length - 42, 0);
    expect(receipt).toEqual({
      pages: pages.length,
      records: 900,
      bytes,
      failed: 0,
      failures: [],
      quarantined: 0,
      digest: Uint8Array.from(sum.digest()),
    });
    const other = await leasedContext(store, generations, 2);
    for (let times = 0; times < 2; times++) {
      expect(await verdictOf(other, receipt, identity(1))).toEqual({
        end: "verdict",
        verdict: "sound",
        records: 900,
        why: null,
      });
    }
    // Asked again, it gives the same receipt, and does nothing.
    expect(await sweepToEnd(await leasedContext(store, generations, 1))).toEqual(receipt);
    await dropKept(store, WHOLE);
    expect(await store.keptCount()).toBe(0);
    await removeCheckpoints(store);
    expect(await store.cells("rotation/", null, 10)).toEqual([]);
  });

  it("changes its cipher suite on the way, while writers write under the new one", async () => {
    const generations = new Generations();
    const store = await switched(generations, 2, 200);
    const before = plain(await readAll(store, generations));
    const suite = "chacha20-poly1305";
    using states = statesOf(store, generations, suite);
    await put(states, 1, { "key 00003": "under the new suite" });
    before.set(nameOf(1, "key 00003"), "under the new suite");
    const keys = new PartitionKeys(await sharedKeys(generations, [0, 1], suite));
    const [first, second] = [await leasedContext(store, generations, 1), await leasedContext(store, generations, 2)];
    const receipt = await sweepToEnd({ ...first, keys });
    expect(receipt).toMatchObject({ records: 399, failed: 0 });
    const verdict = await verdictOf({ ...second, keys }, receipt, identity(1));
    expect(verdict).toMatchObject({ verdict: "sound", records: 400 });
    const after = await readAll(store, generations);
    expect(plain(after)).toEqual(before);
    expect([...after.values()].every(({ sealed }) => sealed[1] === 2)).toBe(true);
  });

  it("is left where keys are missing, which are named, and gone on with when they have come", async () => {
    const generations = new Generations();
    const store = await switched(generations, 6, 40);
    const ids = [0, 1, 2, 3, 4, 5].map((number) => contractOf(number).id).sort(Buffer.compare);
    const numbers = [0, 1, 2, 3, 4, 5].sort((a, b) => Buffer.compare(contractOf(a).id, contractOf(b).id));
    const first = await leasedContext(store, generations, 1, [numbers[0]!, numbers[1]!, numbers[3]!]);
    expect(await sweepLeased(first, WHOLE)).toEqual({ end: "missing", missingKeys: [ids[2], ids[4], ids[5]] });
    expect(await store.countByRotationId()).toEqual(new Map([[0, 160], [1, 80]])); // prettier-ignore
    const [{ value }] = (await store.cells("rotation/", null, 2)) as [Cell];
    expect(JSON.parse(Buffer.from(value).toString()).cursor.contract).toBe(`0x${Buffer.from(ids[1]!).toString("hex")}`);
    const second = await leasedContext(store, generations, 1, numbers.slice(2));
    const receipt = await sweepToEnd(second);
    expect(receipt).toMatchObject({ pages: 6, records: 240 });
    // Its verifier gets them little by little too, and need not begin anew.
    let at: VerifyProgress | null = null;
    for (const numbersKnown of [[], [0], [0, 1], [2], [3, 4], [5], [0, 1, 2], [3, 4, 5]]) {
      const known = numbersKnown.map((index) => numbers[index]!);
      const other = await leasedContext(store, generations, 2, known);
      const end: LeasedVerifyEnd = await verifyLeased(other, WHOLE, receipt, identity(1), at);
      if (numbersKnown.includes(5) && numbersKnown.length === 3) {
        expect(end).toMatchObject({ verdict: "sound", records: 240 });
        return;
      }
      if (end.end !== "missing") throw new Error(end.end);
      at = structuredClone(end.at);
    }
    throw new Error("it never ended");
  });

  it("is not verified before the store refuses what would come under the old rotation id", async () => {
    const generations = new Generations();
    const store = await switched(generations, 0, 0);
    const digest = Uint8Array.from(createHash("sha256").update("gatekeeper/v1 partition digest").digest());
    const context = await leasedContext(store, generations, 2);
    const verdict = await verifyLeased(context, WHOLE, { pages: 0, digest }, identity(1));
    expect(verdict).toEqual({ end: "verdict", verdict: "sound", records: 0, why: null });
    expect(await store.minimumRotationId()).toBe(1);
  });

  it("needs no keys of contracts whose pages are empty", async () => {
    const generations = new Generations();
    const store = await switched(generations, 2, 3);
    const emptied = Object.fromEntries(Object.keys(values(3, "")).map((key) => [key, null]));
    using states = statesOf(store, generations);
    await put(states, 1, emptied);
    const receipt = await sweepToEnd(await leasedContext(store, generations, 1, [0]));
    const verdict = await verdictOf(await leasedContext(store, generations, 2, [0]), receipt, identity(1));
    expect(verdict).toMatchObject({ verdict: "sound", records: 3 });
    const aside = await sweepLeased(
      await leasedContext(store, generations, 3, [0]),
      { ...WHOLE, attempt: 1 },
      { quarantine: true },
    );
    expect(aside.end).toBe("done");
  });

  it("passes on with its lease: the next holder goes on, and the first one's next commit is refused", async () => {
    const generations = new Generations();
    const store = await switched(generations, 1, 3_000);
    const before = plain(await readAll(store, generations));
    let commits = 0;
    let taken: Receipt | null = null;
    const slow = hooked(store, {
      before: async (method, args) => {
        if (method !== "commit" || (args[0] as Commit).groups.length === 0 || commits++ !== 1) return;
        taken = await sweepToEnd({ ...(await leasedContext(store, generations, 2)), engine: new PageEngine() });
      },
    });
    const small = await leasedContext(slow, generations, 1);
    // Small stretches: else all would be one commit.
    const scan = slow.scan.bind(slow);
    const stretches = new Proxy(slow, {
      get: (target, name) =>
        name === "scan"
          ? (range: PageRange, after: PageRef | null) => scan(range, after, 40_000)
          : Reflect.get(target, name),
    });
    expect(await sweepLeased({ ...small, store: stretches }, WHOLE)).toEqual({ end: "lost" });
    expect(plain(await readAll(store, generations))).toEqual(before);
    const kept = await statements(store);
    const own = (number: number): number => kept.filter(({ by }) => by[0] === number).length;
    expect(own(1)).toBeGreaterThan(0);
    expect(taken!.pages).toBe(own(2));
    expect(own(1) + own(2)).toBe((await store.scan(EVERYTHING, null, 1e9)).length);
    expect(taken!.records).toBeLessThan(3_000);
    expect(await verdictOf(await leasedContext(store, generations, 3), taken!, identity(2))).toMatchObject({
      verdict: "sound",
    });
    // The first one again: what it states is what it did.
    const again = await sweepToEnd(await leasedContext(store, generations, 1));
    expect(again).toMatchObject({ pages: own(1), records: 3_000 - taken!.records });
  });

  it("is not worked on by who has missed a later attempt, nor after the rotation", async () => {
    const generations = new Generations();
    const store = await switched(generations, 1, 10);
    const context = await leasedContext(store, generations, 1);
    await sweepToEnd(context, { ...WHOLE, attempt: 2 });
    expect(await sweepLeased(context, { ...WHOLE, attempt: 1 })).toEqual({ end: "lost" });
    await store.commit({ groups: [], sealedUnder: null, minimumRotationId: 2 });
    await expect(sweepLeased(context, { ...WHOLE, attempt: 2 })).rejects.toMatchObject({ code: "ROTATION_STATE" });
  });

  it("names records that can't be opened, leaves them, and is swept again when asked again", async () => {
    const generations = new Generations();
    const store = await switched(generations, 2, 200);
    const left = await damage(store, 0, "key 00010", (sealed) => {
      sealed[30] = sealed[30]! ^ 1;
    });
    const context = await leasedContext(store, generations, 1);
    const receipt = await sweepToEnd(context);
    const name = { contract: hex(contractOf(0).id), key: hex(text("key 00010")) };
    expect(receipt).toMatchObject({ records: 399, failed: 1, failures: [name], quarantined: 0 });
    expect((await readAll(store, generations)).get(nameOf(0, "key 00010"))!.sealed).toEqual(left);
    const other = await leasedContext(store, generations, 2);
    expect(await verdictOf(other, receipt, identity(1))).toMatchObject({ verdict: "damaged", why: name });
    using states = statesOf(store, generations);
    await put(states, 0, { "key 00010": "mended" });
    const mended = await sweepToEnd(context);
    expect(mended).toMatchObject({ records: 399, failed: 0, failures: [] });
    expect(await verdictOf(other, mended, identity(1))).toMatchObject({ verdict: "overwritten", records: 400 });
  });

  it("puts records that can't be opened aside when governance says so, and is sound without them", async () => {
    const generations = new Generations();
    const store = await switched(generations, 2, 200);
    const spoil = (sealed: Uint8Array): void => {
      sealed[30] = sealed[30]! ^ 1;
    };
    using states = statesOf(store, generations);
    await put(states, 1, { "key 00020": "written after the switch" });
    const lost = [
      { contract: 0, key: "key 00010", sealed: await damage(store, 0, "key 00010", spoil) },
      { contract: 0, key: "key 00011", sealed: await damage(store, 0, "key 00011", (sealed) => sealed.fill(9, 1, 2)) },
      { contract: 1, key: "key 00020", sealed: await damage(store, 1, "key 00020", spoil) },
    ];
    const context = await leasedContext(store, generations, 1);
    expect(await sweepToEnd(context)).toMatchObject({ failed: 2 });
    const swept = await sweepLeased(context, WHOLE, { quarantine: true });
    if (swept.end !== "done") throw new Error(swept.end);
    expect(swept.receipt).toMatchObject({ failed: 0, failures: [], quarantined: 3 });
    const listed = (await listQuarantined(store, null, 10)) as QuarantinedRecord[];
    const asText = (all: readonly { contract: Uint8Array; key: Uint8Array; sealed: Uint8Array }[]): string[] =>
      all.map(({ contract, key, sealed }) => [contract, key, sealed].map(hex).join(" ")).sort();
    expect(asText(listed)).toEqual(
      asText(lost.map(({ contract, key, sealed }) => ({ contract: contractOf(contract).id, key: text(key), sealed }))),
    );
    expect(listed.map(({ rotationId }) => rotationId)).toEqual([1, 1, 1]);
    expect(await listQuarantined(store, listed[0]!.name, 10)).toHaveLength(2);
    const found = await readAll(store, generations);
    expect(found.size).toBe(397);
    expect([...found.values()].every(({ value, rotationId }) => value !== null && rotationId === 1)).toBe(true);
    const other = await leasedContext(store, generations, 2);
    expect(await verdictOf(other, swept.receipt, identity(1))).toMatchObject({ verdict: "overwritten", records: 397 });
    // What is not where it was put aside was taken.
    const [{ name, version }] = (await store.cells("quarantine/", null, 1)) as [Cell];
    await store.commit({ groups: [], sealedUnder: null, cells: [{ name, expected: version, value: null }] });
    expect(await verdictOf(other, swept.receipt, identity(1))).toMatchObject({ verdict: "damaged" });
  });

  it("cuts pages that lie across its bounds, so that no record comes to lie behind a sweep", async () => {
    const generations = new Generations();
    const store = await switched(generations, 1, 200);
    const { id } = contractOf(0);
    const bound = { contract: id, lowerBound: text("key 00030x") };
    const [low, high] = [
      { ...WHOLE, to: bound },
      { ...WHOLE, index: 1, from: bound },
    ];
    const context = await leasedContext(store, generations, 1);
    const highReceipt = await sweepToEnd(context, high);
    expect(highReceipt.records).toBe(169);
    // A writer splits the page that is not swept yet, in which only records below the bound are.
    using states = statesOf(store, generations);
    await put(states, 0, { "key 00010x": "x".repeat(9_000), "key 00030": "y".repeat(9_000), "key 00030w": "z" });
    const other = await leasedContext(store, generations, 2);
    expect(await verdictOf(other, highReceipt, identity(1), high)).toMatchObject({ verdict: "sound", records: 169 });
    const lowReceipt = await sweepToEnd(context, low);
    expect(await verdictOf(other, lowReceipt, identity(1), low)).toMatchObject({ verdict: "sound", records: 33 });
    expect(await verdictOf(other, highReceipt, identity(1), high)).toMatchObject({ verdict: "sound" });
    expect(plain(await readAll(store, generations)).size).toBe(202);
  });

  it("is done with the commit of its last stretch", async () => {
    const generations = new Generations();
    const store = await switched(generations, 2, 300);
    let commits = 0;
    const counted = hooked(store, {
      before: (method) => {
        if (method === "commit") commits++;
      },
    });
    await sweepToEnd({ ...(await leasedContext(store, generations, 1)), store: counted });
    // The store's minimum, the checkpoint's holder, and all pages.
    expect(commits).toBe(3);
    expect(await store.countByRotationId()).toEqual(new Map([[1, 600]]));
  });

  it("goes no faster than it may, and stops when it is told to", async () => {
    const generations = new Generations();
    const store = await switched(generations, 1, 500);
    let time = 0;
    const slept: number[] = [];
    const clock = {
      now: () => time,
      sleep: async (milliseconds: number) => {
        slept.push(milliseconds);
        time += milliseconds;
      },
    };
    const pages = await store.scan(EVERYTHING, null, 1e9);
    const bytes = pages.reduce((sum, { body }) => sum + body.length, 0);
    const context = { ...(await leasedContext(store, generations, 1)), pace: new Pace(10_000, clock) };
    const pageByPage = hooked(store, {
      before: (method, args) => {
        if (method === "scan") (args as unknown[])[2] = 1;
      },
    });
    const receipt = await sweepToEnd({ ...context, store: pageByPage });
    // The first second's bytes are there at the beginning, and those of the last page are waited for by what comes next.
    const waitedFor = bytes - pages.at(-1)!.body.length;
    expect(time).toBeGreaterThanOrEqual((waitedFor / 10_000 - 1) * 1_000);
    expect(Math.max(...slept)).toBeLessThanOrEqual(200);
    let left = 2;
    const stopping = { ...context, pace: new Pace(1, clock), stopped: () => left-- <= 0 };
    const paused = await verifyLeased(stopping, WHOLE, receipt, identity(1));
    if (paused.end !== "stopped") throw new Error(paused.end);
    expect(
      await verifyLeased({ ...context, identity: identity(2) }, WHOLE, receipt, identity(1), paused.at),
    ).toMatchObject({
      verdict: "sound",
    });
  });
});
