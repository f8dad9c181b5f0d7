import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { initialiseStore, readPartitions, readRotation, writePartition } from "../../src/rotation/control.ts";
import { finishRotation, type RotationOptions, rotate } from "../../src/rotation/rotation.ts";
import { EMBEDDED_STORE, openStoreAt } from "../../src/store/location.ts";
import type { StateStore } from "../../src/store/store.ts";
import { useFolder } from "../pruntime/folder.ts";
import { beginRotation } from "./drive.ts";
import { damage, Generations, nameOf, plain, put, readAll, recount, statesOf, SUITE, values } from "./sealed-store.ts";

const inFolder = useFolder();
let store: StateStore;
let generations: Generations;
let options: RotationOptions;

beforeEach(async () => {
  const path = inFolder("store.sqlite");
  store = await openStoreAt({ module: EMBEDDED_STORE, options: { path, create: true } });
  generations = new Generations();
  await initialiseStore(store);
  using states = statesOf(store, generations);
  for (let contract = 0; contract < 3; contract++) await put(states, contract, values(400, `value of ${contract}`));
  const { masterKey, newMasterKey, abandon } = generations;
  const location = { module: EMBEDDED_STORE, options: { path } };
  options = { store: location, suite: SUITE, threads: 2, masterKey, newMasterKey, abandon };
});

afterEach(() => store.close());

async function phase(): Promise<string> {
  return (await readRotation(store)).value.phase;
}

describe("a rotation", () => {
  it("moves every record of an embedded store on threads, and destroys the old key", async () => {
    const before = await readAll(store, generations);
    const phases = new Set<string>();
    const onProgress = (progress: { phase: string }): void => void phases.add(progress.phase);
    const bytes = [...before.values()].reduce((sum, { value }) => sum + Buffer.byteLength(value!), 0);
    const summary = await rotate({ ...options, onProgress });
    expect(summary).toEqual({ rotationId: 1, records: 1_200, bytes, failed: 0, failures: [] });
    const after = await readAll(store, generations);
    expect(plain(after)).toEqual(plain(before));
    for (const [name, { writeVersion }] of after) expect(writeVersion).toBe(before.get(name)!.writeVersion);
    expect(recount(after)).toEqual(new Map([[1, 1_200]]));
    expect(await store.countByRotationId()).toEqual(recount(after));
    expect(await store.minimumRotationId()).toBe(1);
    expect([...generations.scalars.keys()]).toEqual([1]);
    expect([...phases]).toEqual(["reencryption", "verification", "abandonment"]);
    expect(await finishRotation(options)).toBeNull();
    expect((await rotate(options)).rotationId).toBe(2);
    expect(plain(await readAll(store, generations))).toEqual(plain(before));
  });

  it("destroys no key because a damaged rotation cell says so", async () => {
    const { name, version, value } = await readRotation(store);
    const forge = async (rotationId: number): Promise<void> => {
      const cell = await readRotation(store);
      const forged = { ...value, rotationId, phase: "abandonment", pass: 2 };
      const cells = [{ name, expected: cell.version, value: new TextEncoder().encode(JSON.stringify(forged)) }];
      expect((await store.commit({ groups: [], sealedUnder: null, cells })).cellsHeld).toBe(true);
    };
    expect(version).toBeGreaterThan(0);
    await forge(1);
    await expect(finishRotation(options)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    await expect(rotate(options)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect([...generations.scalars.keys()]).toEqual([0]);
  });

  it("destroys no key of an empty store while writes under it are still taken, or without the next key", async () => {
    const path = inFolder("empty.sqlite");
    const empty = await openStoreAt({ module: EMBEDDED_STORE, options: { path, create: true } });
    await initialiseStore(empty);
    const onEmpty = { ...options, store: { module: EMBEDDED_STORE, options: { path } } };
    const forged = { rotationId: 1, phase: "abandonment", pass: 2, last: null };
    const { name, version } = await readRotation(empty);
    const cells = [{ name, expected: version, value: new TextEncoder().encode(JSON.stringify(forged)) }];
    await empty.commit({ groups: [], sealedUnder: null, cells });
    await expect(finishRotation(onEmpty)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    await empty.commit({ groups: [], sealedUnder: 1, minimumRotationId: 1 });
    await expect(finishRotation(onEmpty)).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
    expect([...generations.scalars.keys()]).toEqual([0]);
    await empty.close();
  });

  it("counts as done when others finish it, and the next one, just before its old key is destroyed", async () => {
    let overtaken = false;
    const masterKey: RotationOptions["masterKey"] = async (id) => {
      if (!overtaken && (await phase()) === "abandonment") {
        overtaken = true;
        await finishRotation(options);
        await rotate(options);
      }
      return options.masterKey(id);
    };
    expect(await rotate({ ...options, masterKey })).toMatchObject({ rotationId: 1, failed: 0 });
    expect(overtaken).toBe(true);
    expect([...generations.scalars.keys()]).toEqual([2]);
  });

  it("of an empty store is a rotation too", async () => {
    const path = inFolder("empty.sqlite");
    const empty = await openStoreAt({ module: EMBEDDED_STORE, options: { path, create: true } });
    await initialiseStore(empty);
    const location = { module: EMBEDDED_STORE, options: { path } };
    expect(await rotate({ ...options, store: location })).toMatchObject({ rotationId: 1, records: 0, bytes: 0 });
    await empty.close();
  });

  it("touches no record before the new key is durable (acra-rotate)", async () => {
    const before = await readAll(store, generations);
    const newMasterKey = async (): Promise<never> => {
      throw new Error("the disk is full");
    };
    await expect(rotate({ ...options, newMasterKey })).rejects.toThrowError("the disk is full");
    expect((await readRotation(store)).value).toMatchObject({ phase: "idle", rotationId: 0 });
    expect(await readAll(store, generations)).toEqual(before);
    expect(generations.log).toEqual([]);
    let cellWhenMade = "";
    const watched = async (rotationId: number): ReturnType<typeof generations.newMasterKey> => {
      cellWhenMade = await phase();
      return generations.newMasterKey(rotationId);
    };
    await rotate({ ...options, newMasterKey: watched });
    expect(cellWhenMade).toBe("idle");
    expect(generations.log[0]).toBe("new 1");
  });

  it("keeps the old key while a record is left under it (k3s-io/k3s#5933)", async () => {
    await damage(store, 1, "key 00200", (sealed) => {
      sealed[20] = sealed[20]! ^ 0x10;
    });
    const summary = await rotate(options);
    expect(summary).toMatchObject({ rotationId: 1, records: 1_199, failed: 1 });
    expect(summary.failures.map(({ key }) => Buffer.from(key.slice(2), "hex").toString())).toEqual(["key 00200"]);
    expect(await phase()).toBe("verification");
    expect([...generations.scalars.keys()]).toEqual([0, 1]);
    expect(await finishRotation(options)).toMatchObject({ failed: 1 });
    using states = statesOf(store, generations);
    await put(states, 1, { "key 00200": "mended" });
    expect(await rotate(options)).toMatchObject({ rotationId: 1, records: 1_199, failed: 0 });
    expect([...generations.scalars.keys()]).toEqual([1]);
    expect((await readAll(store, generations)).get(nameOf(1, "key 00200"))!.value).toBe("mended");
  });

  it("proves by count that nothing uses the old key (vault#5545, cockroach#70140)", async () => {
    // A record that the store counts but that no sweep can find: its header claims to be done.
    await damage(store, 0, "key 00001", (sealed) => {
      sealed[2] = 1;
    });
    await expect(rotate(options)).rejects.toMatchObject({
      code: "STORE_CORRUPT",
      detail: { rotationId: 0, records: 1 },
    });
    expect(await phase()).toBe("verification");
    expect([...generations.scalars.keys()]).toEqual([0, 1]);
    expect(generations.log).toEqual(["new 1"]);
  });

  it("that is under way is joined by another", async () => {
    const before = plain(await readAll(store, generations));
    const summaries = await Promise.all([rotate(options), rotate(options), rotate(options)]);
    const ids = summaries.map(({ rotationId }) => rotationId);
    expect(Math.max(...ids)).toBeLessThanOrEqual(3);
    expect(await phase()).toBe("idle");
    const current = (await readRotation(store)).value.rotationId;
    expect([...generations.scalars.keys()]).toEqual([current]);
    const after = await readAll(store, generations);
    expect(plain(after)).toEqual(before);
    expect(recount(after)).toEqual(new Map([[current, 1_200]]));
  });

  it("that others began and finished while a caller made the key counts as the caller's", async () => {
    const newMasterKey = async (rotationId: number): ReturnType<typeof generations.newMasterKey> => {
      await rotate(options);
      return generations.newMasterKey(rotationId);
    };
    expect(await rotate({ ...options, newMasterKey })).toMatchObject({ rotationId: 1, records: 1_200, failed: 0 });
    expect([...generations.scalars.keys()]).toEqual([1]);
  });

  it("leaves no key of a generation that is over by the time it is made", async () => {
    const newMasterKey = async (rotationId: number): ReturnType<typeof generations.newMasterKey> => {
      await rotate(options);
      await rotate(options);
      return generations.newMasterKey(rotationId);
    };
    await rotate({ ...options, newMasterKey });
    expect([...generations.scalars.keys()]).toEqual([2]);
  });

  it("is finished from where a signal stopped it", async () => {
    const controller = new AbortController();
    const onProgress = (): void => controller.abort();
    const stopped = rotate({ ...options, onProgress, signal: controller.signal });
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
    expect(await phase()).not.toBe("idle");
    const { rotationId } = (await readRotation(store)).value;
    expect(rotationId).toBe(1);
    expect(await finishRotation(options)).toMatchObject({ rotationId: 1, records: 1_200, failed: 0 });
    expect(recount(await readAll(store, generations))).toEqual(new Map([[1, 1_200]]));
  });

  it("does not begin when its signal has fired already, or without threads", async () => {
    const signal = AbortSignal.abort();
    await expect(rotate({ ...options, signal })).rejects.toMatchObject({ code: "ABORTED" });
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      await expect(rotate({ ...options, threads })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await expect(finishRotation({ ...options, threads })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    expect((await readRotation(store)).value).toMatchObject({ phase: "idle", rotationId: 0 });
    expect(generations.log).toEqual([]);
  });

  it("passes on what its callbacks throw, and nothing stays unhandled", async () => {
    const onProgress = (): void => {
      throw new Error("the terminal is gone");
    };
    await expect(rotate({ ...options, onProgress })).rejects.toThrowError("the terminal is gone");
    const abandon = async (): Promise<void> => {
      throw new Error("the folder is read-only");
    };
    await expect(finishRotation({ ...options, abandon })).rejects.toThrowError("the folder is read-only");
    expect(await phase()).toBe("abandonment");
    expect(await finishRotation(options)).toMatchObject({ rotationId: 1, records: 1_200 });
  });

  it("repeats the abandonment after a crash between the key's destruction and the end", async () => {
    const abandon = async (rotationId: number): Promise<void> => {
      await generations.abandon(rotationId);
      throw new Error("killed");
    };
    await expect(rotate({ ...options, abandon })).rejects.toThrowError("killed");
    expect(await phase()).toBe("abandonment");
    expect([...generations.scalars.keys()]).toEqual([1]);
    expect(await finishRotation(options)).toMatchObject({ rotationId: 1, records: 1_200, failed: 0 });
    expect(await phase()).toBe("idle");
    expect(await readPartitions(store)).toEqual([]);
    expect(generations.log).toEqual(["new 1", "abandon 0", "abandon 0"]);
  });

  it("takes over the partitions of an owner that died", async () => {
    await beginRotation(store, generations, 4);
    const partitions = await readPartitions(store);
    expect(partitions.length).toBeGreaterThan(2);
    for (const partition of partitions.slice(0, 2)) {
      const held = { ...partition.value, pass: 1, owner: "dead" };
      await store.commit({ groups: [], sealedUnder: null, cells: [writePartition(partition, held)] });
    }
    expect(await finishRotation(options)).toMatchObject({ rotationId: 1, records: 1_200 });
  });

  it("is blocked, not finished, when partitions are missing from the store", async () => {
    await beginRotation(store, generations, 10_000);
    const [only] = await readPartitions(store);
    const cells = [{ name: only!.name, expected: only!.version, value: null }];
    await store.commit({ groups: [], sealedUnder: null, cells });
    await expect(finishRotation(options)).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect([...generations.scalars.keys()]).toEqual([0, 1]);
  });

  it("gets done beside a writer that never rests, which loses nothing", async () => {
    const path = inFolder("store.sqlite");
    const script = `
      import { workerData, parentPort } from "node:worker_threads";
      import { openStoreAt } from ${JSON.stringify(new URL("../../src/store/location.ts", import.meta.url).href)};
      import { Generations, statesOf, put } from ${JSON.stringify(new URL("./sealed-store.ts", import.meta.url).href)};
      const store = await openStoreAt({ module: workerData.module, options: { path: workerData.path } });
      const generations = new Generations();
      generations.scalars.clear();
      for (const [id, scalar] of workerData.scalars) generations.scalars.set(id, scalar);
      const states = statesOf(store, generations);
      const stop = new Int32Array(workerData.stop);
      let number = 0;
      for (; Atomics.load(stop, 0) === 0; number++) {
        await put(states, 0, { "key 00005": "busy " + number });
        if (number === 10) parentPort.postMessage("busy");
      }
      await store.close();
      parentPort.postMessage(number);
    `;
    // The next generation is made first, as the writer can't ask for it.
    (await generations.newMasterKey(1))[Symbol.dispose]();
    const stop = new SharedArrayBuffer(4);
    const scalars = [...generations.scalars].map(([id, scalar]) => [id, scalar.slice()]);
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
      workerData: { module: EMBEDDED_STORE, path, scalars, stop },
    });
    const says = (): Promise<unknown> =>
      new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    expect(await says()).toBe("busy");
    const wrote = says();
    try {
      await rotate(options);
    } finally {
      Atomics.store(new Int32Array(stop), 0, 1);
    }
    const last = Number(await wrote) - 1;
    expect(last).toBeGreaterThan(10);
    const found = await readAll(store, generations);
    expect(found.get(nameOf(0, "key 00005"))!.value).toBe(`busy ${last}`);
    expect(recount(found)).toEqual(new Map([[1, 1_200]]));
    expect(await store.countByRotationId()).toEqual(recount(found));
  });
});
