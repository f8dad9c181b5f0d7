import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MasterKey } from "../../src/keys/master-key.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import { rotate } from "../../src/rotation/rotation.ts";
import { type VerificationOptions, verifyStore } from "../../src/rotation/verification.ts";
import { EMBEDDED_STORE, openStoreAt } from "../../src/store/location.ts";
import type { StateStore } from "../../src/store/store.ts";
import { useFolder } from "../pruntime/folder.ts";
import { beginRotation } from "./drive.ts";
import { damage, Generations, put, readAll, statesOf, SUITE, values } from "./sealed-store.ts";

const inFolder = useFolder();
let store: StateStore;
let generations: Generations;
let options: VerificationOptions;

beforeEach(async () => {
  const path = inFolder("store.sqlite");
  store = await openStoreAt({ module: EMBEDDED_STORE, options: { path, create: true } });
  generations = new Generations();
  await initialiseStore(store);
  using states = statesOf(store, generations);
  for (let contract = 0; contract < 3; contract++) await put(states, contract, values(300, `value of ${contract}`));
  const location = { module: EMBEDDED_STORE, options: { path } };
  options = { store: location, suite: SUITE, threads: 2, masterKey: generations.masterKey };
});

afterEach(() => store.close());

describe("a verification", () => {
  it("checks every record on threads and changes nothing", async () => {
    const before = await readAll(store, generations);
    const progress: number[] = [];
    const summary = await verifyStore({ ...options, onProgress: (records) => progress.push(records) });
    expect(summary).toEqual({ rotationId: 0, records: 900, failed: 0, remainingOld: 0, failures: [] });
    expect(progress.every((records, index) => records >= (progress[index - 1] ?? 0) && records <= 900)).toBe(true);
    expect(progress.length).toBeGreaterThan(0);
    expect(await readAll(store, generations)).toEqual(before);
  });

  it("names what can't be opened", async () => {
    await damage(store, 2, "key 00299", (sealed) => {
      sealed[40] = sealed[40]! ^ 1;
    });
    const { records, failed, failures } = await verifyStore(options);
    expect({ records, failed }).toEqual({ records: 900, failed: 1 });
    expect(failures.map(({ key }) => Buffer.from(key.slice(2), "hex").toString())).toEqual(["key 00299"]);
  });

  it("counts what a rotation under way has left to do", async () => {
    await beginRotation(store, generations);
    using states = statesOf(store, generations);
    await put(states, 0, { "key 00000": "new" });
    expect(await verifyStore(options)).toMatchObject({ rotationId: 1, records: 900, failed: 0, remainingOld: 899 });
  });

  it("starts over when a rotation begins, or ends, in the middle of it", async () => {
    const { masterKey, newMasterKey, abandon } = generations;
    const rotation = { store: options.store, suite: SUITE, threads: 1, masterKey, newMasterKey, abandon };
    let calls = 0;
    const rotatingMeanwhile = async (rotationId: number): Promise<MasterKey> => {
      const key = await generations.masterKey(rotationId);
      if (calls++ === 0) await rotate(rotation);
      return key;
    };
    const summary = await verifyStore({ ...options, masterKey: rotatingMeanwhile });
    expect(summary).toMatchObject({ rotationId: 1, records: 900, failed: 0 });
    // Now the key is destroyed before it is asked for.
    calls = 0;
    const tooLate = async (rotationId: number): Promise<MasterKey> => {
      if (calls++ === 0) await rotate(rotation);
      return generations.masterKey(rotationId);
    };
    expect(await verifyStore({ ...options, masterKey: tooLate })).toMatchObject({ rotationId: 2, records: 900 });
  });

  it("says when the key is not there, and refuses to verify with no thread", async () => {
    generations.scalars.clear();
    await expect(verifyStore(options)).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
    for (const threads of [0, -3, 0.5, Number.NaN]) {
      await expect(verifyStore({ ...options, threads })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("passes on what its callback throws, and nothing stays unhandled", async () => {
    const onProgress = (): void => {
      throw new Error("the terminal is gone");
    };
    await expect(verifyStore({ ...options, onProgress })).rejects.toThrowError("the terminal is gone");
  });
});
