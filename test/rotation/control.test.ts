import { describe, expect, it } from "vitest";
import {
  advance,
  FAILURES_NAMED_MAX,
  firstRotation,
  initialiseStore,
  newPartitions,
  packRef,
  PARTITIONS_MAX,
  type Phase,
  partitionRange,
  readPartitions,
  readRotation,
  removePartition,
  unpackRef,
  writePartition,
} from "../../src/rotation/control.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { PageRef, StateStore } from "../../src/store/store.ts";

const PHASES: readonly Phase[] = ["idle", "reencryption", "verification", "abandonment"];
const STEPS = [
  "idle reencryption",
  "reencryption verification",
  "verification verification",
  "verification abandonment",
  "abandonment idle",
];

function bound(index: number): PageRef {
  const lowerBound = new Uint8Array(4);
  new DataView(lowerBound.buffer).setUint32(0, index);
  return { contract: new Uint8Array(32).fill(7), lowerBound };
}

async function storeWith(bounds: readonly PageRef[]): Promise<StateStore> {
  const store = new MemoryStore();
  const cells = [firstRotation(), ...newPartitions(bounds)];
  await store.commit({ groups: [], sealedUnder: null, cells });
  return store;
}

async function overwrite(store: StateStore, name: string, text: string | Uint8Array): Promise<void> {
  const cell = await store.cell(name);
  const value = typeof text === "string" ? new TextEncoder().encode(text) : text;
  await store.commit({ groups: [], sealedUnder: null, cells: [{ name, expected: cell?.version ?? null, value }] });
}

describe("the rotation cell", () => {
  it("begins idle under rotation id 0, once", async () => {
    const store = new MemoryStore();
    await expect(readRotation(store)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await initialiseStore(store);
    expect((await readRotation(store)).value).toEqual({ rotationId: 0, phase: "idle", pass: 0, last: null });
    await expect(initialiseStore(store)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("only goes forward", async () => {
    const { name, version, value } = await readRotation(await storeWith([]));
    for (const from of PHASES) {
      for (const to of PHASES) {
        const step = () => advance({ name, version, value: { ...value, phase: from } }, { ...value, phase: to });
        if (STEPS.includes(`${from} ${to}`)) expect(step()).toMatchObject({ name, expected: version });
        else expect(step, `${from} to ${to}`).toThrowError(expect.objectContaining({ code: "ROTATION_STATE" }));
      }
    }
  });

  it.each([
    ["no JSON", "{"],
    ["no UTF-8", Uint8Array.of(0xff, 0xfe)],
    ["an unknown phase", '{"rotationId":0,"phase":"keyGeneration","pass":0,"last":null}'],
    ["an unknown field", '{"rotationId":0,"phase":"idle","pass":0,"last":null,"more":1}'],
    ["a rotation id beyond u32", '{"rotationId":4294967296,"phase":"idle","pass":0,"last":null}'],
    ["a negative pass", '{"rotationId":0,"phase":"idle","pass":-1,"last":null}'],
    ["nothing", ""],
  ])("is STORE_CORRUPT, with its name, when it holds %s", async (_, content) => {
    const store = await storeWith([]);
    await overwrite(store, "rotation", content);
    await expect(readRotation(store)).rejects.toMatchObject({ code: "STORE_CORRUPT", detail: { cell: "rotation" } });
  });
});

describe("partitions", () => {
  it("cover the whole store and meet each other, at most 4,096", async () => {
    for (const bounds of [0, 1, 2, 4_095, 4_096, 12_289]) {
      const places = Array.from({ length: bounds }, (_, index) => bound(index));
      const partitions = await readPartitions(await storeWith(places));
      expect(partitions.length).toBeGreaterThan(0);
      expect(partitions.length).toBeLessThanOrEqual(PARTITIONS_MAX);
      if (bounds < PARTITIONS_MAX) expect(partitions.length).toBe(bounds + 1);
      expect(partitionRange(partitions[0]!.value).from).toBeNull();
      expect(partitionRange(partitions.at(-1)!.value).to).toBeNull();
      for (const [index, { value }] of partitions.slice(1).entries()) {
        expect(value.from).toEqual(partitions[index]!.value.to);
      }
    }
  });

  it("are STORE_CORRUPT when one is missing or altered: a sweep would miss records (k3s-io/k3s#5933)", async () => {
    const places = [bound(1), bound(2), bound(3)];
    for (const missing of [0, 1, 2, 3]) {
      const store = await storeWith(places);
      const victim = (await readPartitions(store))[missing]!;
      await store.commit({ groups: [], sealedUnder: null, cells: [removePartition(victim)] });
      await expect(readPartitions(store)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    }
    for (const altered of [{ to: packRef(bound(9)) }, { from: packRef(bound(0)) }, { from: null }, { to: null }]) {
      const store = await storeWith(places);
      const victim = (await readPartitions(store))[1]!;
      const cells = [writePartition(victim, { ...victim.value, ...altered })];
      await store.commit({ groups: [], sealedUnder: null, cells });
      await expect(readPartitions(store)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    }
  });

  it.each([
    ["a negative count", '"found":-1'],
    ["a fraction", '"found":1.5'],
    ["a number beyond 2^53", '"found":9007199254740993'],
    ["half a byte of hex", '"owner":null,"cursor":{"contract":"0x0","lowerBound":"0x"}'],
    ["a second meaning", '"done":"yes"'],
  ])("are STORE_CORRUPT, with the cell's name, for %s", async (_, field) => {
    const store = await storeWith([]);
    const name = "partition/000000";
    const there = JSON.parse(Buffer.from((await store.cell(name))!.value).toString());
    await overwrite(store, name, JSON.stringify({ ...there, ...JSON.parse(`{${field}}`) }));
    await expect(readPartitions(store)).rejects.toMatchObject({ code: "STORE_CORRUPT", detail: { cell: name } });
  });

  it("keep places as they are", () => {
    for (const place of [null, bound(5), { contract: new Uint8Array(32), lowerBound: new Uint8Array(0) }]) {
      expect(unpackRef(packRef(place))).toEqual(place);
    }
  });

  it("stay small, however many records fail", () => {
    const name = `0x${"ff".repeat(4_096)}`;
    const failures = Array.from({ length: FAILURES_NAMED_MAX }, () => ({
      contract: `0x${"ff".repeat(32)}`,
      key: name,
    }));
    expect(JSON.stringify(failures).length).toBeLessThan(1 << 20);
  });
});
