import { describe, expect, it } from "vitest";
import { type KeyMaterial, PageEngine, type PageJob, type PageOutcome } from "../../src/engine/page-engine.ts";
import type { Suite } from "../../src/engine/suite.ts";
import { CONTRACTS_REMEMBERED, ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import {
  addVerification,
  emptyVerification,
  FAILURES_NAMED_MAX,
  type VerifyContext,
  verifyRange,
} from "../../src/rotation/verify-range.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { editPage } from "../../src/store/page-edit.ts";
import type { StateStore } from "../../src/store/store.ts";
import { beginRotation, finishInThread } from "./drive.ts";
import { contractOf, damage, Generations, put, readAll, statesOf, SUITE, text, values } from "./sealed-store.ts";

const ENGINE = new PageEngine();
const ALL = { from: null, to: null };

async function filled(): Promise<{ store: MemoryStore; generations: Generations }> {
  const store = new MemoryStore();
  const generations = new Generations();
  await initialiseStore(store);
  using states = statesOf(store, generations);
  for (let contract = 0; contract < 3; contract++) await put(states, contract, values(200, `value of ${contract}`));
  return { store, generations };
}

async function contextOf(
  store: StateStore,
  generations: Generations,
  rotationId: number,
  leaving: number | null,
): Promise<VerifyContext> {
  using current = await generations.masterKey(rotationId);
  using old = leaving === null ? null : await generations.masterKey(leaving);
  const keys = new ContractKeyRing(old === null ? [current] : [current, old], 1);
  return { store, engine: ENGINE, keys, suite: SUITE, rotationId, leaving };
}

const ignore = (): void => undefined;

describe("verifyRange", () => {
  it("counts every record once and changes nothing", async () => {
    const { store, generations } = await filled();
    const before = await readAll(store, generations);
    let reported = 0;
    const context = await contextOf(store, generations, 0, null);
    const found = await verifyRange(context, ALL, (records) => {
      reported += records;
    });
    expect(found).toEqual({ records: 600, failed: 0, remainingOld: 0, failures: [] });
    expect(reported).toBe(600);
    expect(await readAll(store, generations)).toEqual(before);
  });

  it.each([
    ["the version", 0],
    ["the suite", 1],
    ["the rotation id", 2],
    ["the rotation id, its last byte", 5],
    ["the write version", 6],
    ["the write version, its last byte", 13],
    ["the nonce", 14],
    ["the ciphertext", 30],
    ["the tag", -1],
  ])("names a record of which a bit of %s was flipped, whether a rotation is under way or not", async (_, at) => {
    const { store, generations } = await filled();
    await damage(store, 1, "key 00100", (sealed) => {
      const index = at < 0 ? sealed.length + at : at;
      sealed[index] = sealed[index]! ^ 8;
    });
    const failures = [
      {
        contract: `0x${Buffer.from(contractOf(1).id).toString("hex")}`,
        key: `0x${Buffer.from("key 00100").toString("hex")}`,
      },
    ];
    const idle = await contextOf(store, generations, 0, null);
    expect(await verifyRange(idle, ALL, ignore)).toEqual({ records: 600, failed: 1, remainingOld: 0, failures });
    (await generations.newMasterKey(1))[Symbol.dispose]();
    const rotating = await contextOf(store, generations, 1, 0);
    expect(await verifyRange(rotating, ALL, ignore)).toEqual({ records: 600, failed: 1, remainingOld: 599, failures });
  });

  it("opens records of both generations while a rotation is under way", async () => {
    const { store, generations } = await filled();
    await beginRotation(store, generations);
    using states = statesOf(store, generations);
    await put(states, 0, { "key 00000": "under the new key", "key 00001": null });
    const context = await contextOf(store, generations, 1, 0);
    expect(await verifyRange(context, ALL, ignore)).toEqual({
      records: 599,
      failed: 0,
      remainingOld: 598,
      failures: [],
    });
    await finishInThread(store, generations);
    expect(await verifyRange(await contextOf(store, generations, 1, null), ALL, ignore)).toMatchObject({
      records: 599,
      failed: 0,
    });
  });

  it("fails every record under another generation's key", async () => {
    const { store, generations } = await filled();
    const other = new Generations();
    const found = await verifyRange(await contextOf(store, other, 0, null), ALL, ignore);
    expect(found).toMatchObject({ records: 600, failed: 600 });
    expect(found.failures.length).toBe(600);
    expect(generations.scalars.size).toBe(1);
  });

  it("names a malformed page and verifies the others", async () => {
    const { store, generations } = await filled();
    const page = (await store.find(contractOf(2).id, text("key 00000")))!;
    const { contract, lowerBound, version: expected } = page;
    const body = page.body.slice(0, -1);
    await store.commit({ groups: [[{ contract, lowerBound, expected, body, counts: [] }]], sealedUnder: null });
    const found = await verifyRange(await contextOf(store, generations, 0, null), ALL, ignore);
    expect(found.failed).toBe(1);
    expect(found.failures).toEqual([{ contract: `0x${Buffer.from(contract).toString("hex")}`, key: "0x" }]);
    expect(found.records).toBe(600 - Buffer.from(page.body).readUInt32LE(4));
  });

  it("never works on more contracts at once than keys are remembered", async () => {
    const store = new MemoryStore();
    const sealed = new Uint8Array(42);
    const contracts = Array.from({ length: CONTRACTS_REMEMBERED + 5 }, (_, number) => contractOf(number).id);
    const groups = contracts.map((id) => editPage(id, null, [{ key: text("balance"), sealed }], 1n));
    await store.commit({ groups, sealedUnder: 0 });
    const sizes: number[] = [];
    const engine = {
      verify: (_: Suite, __: number, ___: number, jobs: readonly PageJob[]): PageOutcome[] => {
        sizes.push(jobs.length);
        return jobs.map(() => ({ wellFormed: true, done: 1, bytes: 0, mismatched: [] }));
      },
    } as unknown as PageEngine;
    const materials = (_: number, ids: readonly Uint8Array[]): KeyMaterial[] =>
      ids.map(() => ({ ikm: text("ikm"), info: text("info") }));
    const keys = { materials } as unknown as ContractKeyRing;
    const context = { store, engine, keys, suite: SUITE, rotationId: 0, leaving: null };
    expect(await verifyRange(context, ALL, ignore)).toMatchObject({ records: CONTRACTS_REMEMBERED + 5, failed: 0 });
    expect(sizes).toEqual([CONTRACTS_REMEMBERED, 5]);
  });

  it("names at most 1,000 failures and counts all", () => {
    const sum = emptyVerification();
    const failures = Array.from({ length: 800 }, (_, index) => ({ contract: "0x", key: `0x${index}` }));
    for (let part = 0; part < 3; part++) addVerification(sum, { records: 900, failed: 800, remainingOld: 1, failures });
    expect(sum).toMatchObject({ records: 2_700, failed: 2_400, remainingOld: 3 });
    expect(sum.failures.length).toBe(FAILURES_NAMED_MAX);
  });
});
