import { beforeEach, describe, expect, it } from "vitest";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import type { NamedState } from "../../src/gatekeeper/state-packer.ts";
import { LocalHome } from "../../src/pruntime/local-home.ts";
import { type ImportStatesOptions, type ImportSummary, importStates } from "../../src/gatekeeper/import-states.ts";
import { contractId } from "../../src/contract-id.ts";
import { verifyStore } from "../../src/rotation/verification.ts";
import { useFolder } from "../pruntime/folder.ts";
import { Generations, type FoundRecord, readAll, text } from "../rotation/sealed-store.ts";

const inFolder = useFolder();
let folder = "";

beforeEach(async () => {
  folder = inFolder("home");
  await LocalHome.init(folder, "aes-256-gcm");
});

async function importInto(home: string, options: Omit<ImportStatesOptions, "pruntime">): Promise<ImportSummary> {
  await using pruntime = new PRuntime({ home });
  return await importStates({ ...options, pruntime });
}

function account(number: number): Uint8Array {
  const name = new Uint8Array(20);
  new DataView(name.buffer).setUint32(16, number);
  return name;
}

function state(number: number, key: string, value: string): NamedState {
  return { kind: 1, name: account(number), key: text(key), value: text(value) };
}

async function* chunks(...parts: readonly (readonly NamedState[])[]): AsyncGenerator<readonly NamedState[]> {
  for (const part of parts) yield part;
}

async function stored(): Promise<Map<string, FoundRecord>> {
  await using home = await LocalHome.open(folder);
  const generations = new Generations();
  using key = await home.masterKey(0);
  key.use((scalar) => generations.scalars.set(0, scalar.slice()));
  return readAll(home.store, generations);
}

function storedValue(found: ReadonlyMap<string, FoundRecord>, number: number, key: string): string | null | undefined {
  return found.get(`${Buffer.from(contractId(1, account(number))).toString("hex")}/${key}`)?.value;
}

describe("an import", () => {
  it("seals every state, and once more changes nothing", async () => {
    const states = Array.from({ length: 8 }, (_, contract) =>
      Array.from({ length: 50 }, (_, index) => state(contract, `slot ${index}`, `${contract} ${index}`)),
    );
    const bytes = states.flat().reduce((sum, { value }) => sum + value.length, 0);
    const progress: number[] = [];
    const onProgress = (records: number): void => void progress.push(records);
    const summary = await importInto(folder, { threads: 2, states: chunks(...states), onProgress });
    expect(summary).toEqual({ contracts: 8, records: 400, bytes, unchanged: 0 });
    expect(progress).toEqual(states.map((_, index) => (index + 1) * 50));
    const before = await stored();
    expect(before.size).toBe(400);
    expect(storedValue(before, 7, "slot 49")).toBe("7 49");
    const again = await importInto(folder, { threads: 1, states: chunks(states.flat()) });
    expect(again).toEqual({ contracts: 8, records: 400, bytes, unchanged: 400 });
    expect(await stored()).toEqual(before);
  });

  it("keeps the last of several puts of one key, wherever they stand", async () => {
    const noise = Array.from({ length: 9_000 }, (_, index) => state(2, `n ${index % 3_000}`, `${index}`));
    const parts = [[state(1, "a", "first")], noise, [state(1, "a", "second"), state(1, "a", "last")], noise];
    const summary = await importInto(folder, { threads: 2, states: chunks(...parts) });
    expect(summary.records).toBe(18_003);
    const found = await stored();
    expect(storedValue(found, 1, "a")).toBe("last");
    expect(storedValue(found, 2, "n 2999")).toBe("8999");
    expect(found.size).toBe(3_001);
  });

  it("counts a pallet once, although its states come apart", async () => {
    const pallet = (number: number): NamedState => {
      return { kind: 2, name: new Uint8Array(16).fill(number), key: text("k"), value: text(`${number}`) };
    };
    const code: NamedState = { kind: 4, name: text(":"), key: text(":code"), value: text("wasm") };
    const states = chunks([pallet(1), pallet(2), code, pallet(1), code, pallet(2)]);
    expect(await importInto(folder, { threads: 2, states })).toMatchObject({ contracts: 3, records: 6 });
    await using home = await LocalHome.open(folder);
    expect((await home.store.contracts(null, 10)).map(({ kind }) => kind).sort()).toEqual([2, 2, 4]);
  });

  it("of nothing is nothing", async () => {
    const none = { contracts: 0, records: 0, bytes: 0, unchanged: 0 };
    expect(await importInto(folder, { threads: 1, states: chunks() })).toEqual(none);
    expect(await importInto(folder, { threads: 1, states: chunks([], []) })).toEqual(none);
  });

  it("takes records from empty to 16 MiB, and refuses a larger one by name", async () => {
    const large: NamedState = { ...state(1, "large", ""), value: new Uint8Array(1 << 24).fill(65) };
    const parts = [
      [state(1, "", "empty key"), state(1, "empty", "")],
      [large, { ...large, key: text("also") }],
    ];
    expect(await importInto(folder, { threads: 2, states: chunks(...parts) })).toMatchObject({ records: 4 });
    const found = await stored();
    expect(storedValue(found, 1, "")).toBe("empty key");
    expect(storedValue(found, 1, "empty")).toBe("");
    expect(storedValue(found, 1, "large")!.length).toBe(1 << 24);
    const tooLarge = { ...large, value: new Uint8Array((1 << 24) + 1) };
    await expect(importInto(folder, { threads: 1, states: chunks([tooLarge]) })).rejects.toMatchObject({
      code: "RECORD_TOO_LARGE",
      detail: { key: `0x${Buffer.from("large").toString("hex")}` },
    });
  });

  it("stops with what reading throws, and is simply run again", async () => {
    const all = Array.from({ length: 10_000 }, (_, index) => state(index % 7, `k ${index}`, `v ${index}`));
    async function* failing(): AsyncGenerator<readonly NamedState[]> {
      yield all.slice(0, 6_000);
      throw new Error("the file ends here");
    }
    await expect(importInto(folder, { threads: 2, states: failing() })).rejects.toThrowError("the file ends here");
    const summary = await importInto(folder, { threads: 2, states: chunks(all) });
    expect(summary.records).toBe(10_000);
    expect((await stored()).size).toBe(10_000);
    await using home = await LocalHome.open(folder);
    const masterKey: LocalHome["masterKey"] = (id) => home.masterKey(id);
    expect(await verifyStore({ store: home.location, suite: home.suite, threads: 1, masterKey })).toMatchObject({
      records: 10_000,
      failed: 0,
    });
    expect(await home.store.countByRotationId()).toEqual(new Map([[0, 10_000]]));
  });

  it("stops with the error of the thread that met it, and refuses to work with no thread", async () => {
    const states = (): AsyncGenerator<readonly NamedState[]> => chunks([state(1, "a", "b")]);
    await expect(importInto(inFolder("none"), { threads: 2, states: states() })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      await expect(importInto(folder, { threads, states: states() })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
  });
});
