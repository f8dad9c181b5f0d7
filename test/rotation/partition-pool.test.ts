import { existsSync, readFileSync, readdirSync } from "node:fs";
import { getPriority } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { partitionBoundsFor } from "../../src/rotation/partition-bounds.ts";
import { type PartitionPool as Pool, PartitionPool } from "../../src/rotation/partition-pool.ts";
import { type SharedPartitionKeys, wipePartitionKeys } from "../../src/rotation/partition-keys.ts";
import { EMBEDDED_STORE, openStoreAt } from "../../src/store/location.ts";
import type { StateStore, StoreLocation } from "../../src/store/store.ts";
import { beginMirror, endMirror } from "../../src/store/service.ts";
import { useFolder } from "../pruntime/folder.ts";
import { generation, identity, sharedKeys, switched, WHOLE } from "./leased.ts";
import { MIGRATION } from "./mirrored.ts";
import { Generations, plain, readAll, recount } from "./sealed-store.ts";

const inFolder = useFolder();
let store: StateStore;
let generations: Generations;
let keys: SharedPartitionKeys;
let open: (number: number, more?: { bytesPerSecond?: number; threads?: number }) => Pool;

beforeEach(async () => {
  const path = inFolder("store.sqlite");
  generations = new Generations();
  store = await openStoreAt({ module: EMBEDDED_STORE, options: { path, create: true } });
  await switched(generations, 3, 1_000, store);
  keys = await sharedKeys(generations, [0, 1, 2]);
  open = (number, more = {}) =>
    new PartitionPool({
      store: { module: EMBEDDED_STORE, options: { path } },
      identity: identity(number),
      threads: 2,
      ...more,
    });
});

afterEach(() => store.close());

/** A store that closes with its scope. */
async function attached(location: StoreLocation): Promise<AsyncDisposable & { readonly store: StateStore }> {
  const opened = await openStoreAt(location);
  return { store: opened, [Symbol.asyncDispose]: () => opened.close() };
}

/** Threads of this process by their priority: proc(5), behind the name; none where the system does not tell. */
function threadsOfPriority(wanted: number): number {
  const folder = "/proc/self/task";
  const threads = existsSync(folder) ? readdirSync(folder) : [];
  const priorityOf = (thread: string): number =>
    Number(readFileSync(`${folder}/${thread}/stat`, "utf8").split(") ").at(-1)!.split(" ")[16]);
  return threads.filter((thread) => priorityOf(thread) === wanted).length;
}

describe("a pool for partitions", () => {
  it("rehearses in each of its threads, and works then", async () => {
    await using pool = open(1);
    await pool.rehearse(generation(0), generation(1));
    expect(await pool.sweep(WHOLE, keys, {})).toMatchObject({ end: "done", receipt: { records: 3_000 } });
    await pool[Symbol.asyncDispose]();
    await expect(pool.rehearse(generation(0), generation(1))).rejects.toMatchObject({ code: "POOL_CLOSED" });
  });

  it("has threads that come behind the rest of the process, where threads have priorities of their own", async () => {
    const own = getPriority();
    await using pool = open(1);
    await pool.sweep(WHOLE, keys, {});
    expect(getPriority()).toBe(own);
    expect(threadsOfPriority(10)).toBe(process.platform === "linux" ? 2 : 0);
  });

  it("sweeps and verifies an embedded store on threads, several partitions at once", async () => {
    const before = await readAll(store, generations);
    const bounds = await partitionBoundsFor(store, 5);
    expect(bounds).toHaveLength(4);
    const ends = [null, ...bounds, null];
    const partitions = ends.slice(0, -1).map((from, index) => ({ index, from, to: ends[index + 1]!, attempt: 0 }));
    await using first = open(1);
    await using second = open(2, { bytesPerSecond: 100_000_000 });
    const swept = await Promise.all(partitions.map((partition) => first.sweep(partition, keys)));
    let records = 0;
    const verified = await Promise.all(
      swept.map((end, index) => {
        if (end.end !== "done") throw new Error(end.end);
        records += end.receipt.records;
        return second.verify(partitions[index]!, keys, end.receipt, identity(1));
      }),
    );
    expect(records).toBe(3_000);
    expect(verified.every((end) => end.end === "verdict" && end.verdict === "sound" && end.records > 0)).toBe(true);
    const kept = await store.keptCount();
    await second.drop(partitions[0]!);
    expect(await store.keptCount()).toBeLessThan(kept);
    await Promise.all(partitions.map((partition) => second.drop(partition)));
    expect(await store.keptCount()).toBe(0);
    const after = await readAll(store, generations);
    expect(plain(after)).toEqual(plain(before));
    expect(recount(after)).toEqual(new Map([[1, 3_000]]));
  });

  it("pauses all work when it is told to, and names keys that are missing", async () => {
    const pool = open(1);
    const some = await sharedKeys(generations, []);
    const without = await pool.sweep(WHOLE, some);
    expect(without.end === "missing" && without.missingKeys.length).toBe(3);
    pool.stop();
    expect(await pool.sweep(WHOLE, keys)).toEqual({ end: "stopped" });
    // What was under way is over or paused, or was ended with its thread.
    const last = pool.sweep(WHOLE, keys).catch((error: unknown) => error);
    await pool[Symbol.asyncDispose]();
    const { end, code } = (await last) as { end?: string; code?: string };
    expect(["stopped", "POOL_CLOSED"]).toContain(end ?? code);
    await expect(pool.sweep(WHOLE, keys)).rejects.toMatchObject({ code: "POOL_CLOSED" });
  });

  it("works with no keys that were wiped, and hands errors of its threads on", async () => {
    await using pool = open(1);
    wipePartitionKeys(keys);
    expect(await pool.sweep(WHOLE, keys)).toMatchObject({ end: "missing" });
    expect(new Uint8Array(keys.entries).every((byte) => byte === 0)).toBe(true);
    await store.commit({ groups: [], sealedUnder: null, minimumRotationId: 2 });
    await expect(pool.sweep(WHOLE, keys)).rejects.toMatchObject({ name: "GatekeeperError", code: "ROTATION_STATE" });
  });

  it("copies an embedded store to another one on threads, and verifies that", async () => {
    const source = { module: EMBEDDED_STORE, options: { path: inFolder("store.sqlite") } };
    const path = inFolder("mirror.sqlite");
    await using mirror = await attached({ module: EMBEDDED_STORE, options: { path, create: true } });
    await beginMirror(store, mirror.store, MIGRATION);
    const before = await readAll(store, generations);
    const ends = [null, ...(await partitionBoundsFor(store, 4)), null];
    const partitions = ends.slice(0, -1).map((from, index) => ({ index, from, to: ends[index + 1]!, attempt: 0 }));
    const options = { store: { module: EMBEDDED_STORE, options: { path } }, threads: 2 };
    await using first = new PartitionPool({ ...options, identity: identity(1) });
    await using second = new PartitionPool({ ...options, identity: identity(2), bytesPerSecond: 100_000_000 });
    const copied = await Promise.all(partitions.map((partition) => first.copy(source, partition, keys)));
    expect(copied.every(({ end }) => end === "done")).toBe(true);
    const verified = await Promise.all(partitions.map((partition) => second.verifyCopy(source, partition, keys)));
    expect(verified.map((end) => end.end === "verdict" && end.verdict)).toEqual(partitions.map(() => "sound"));
    expect(plain(await readAll(mirror.store, generations))).toEqual(plain(before));
    expect(await readAll(store, generations)).toEqual(before);
    await endMirror(store, mirror.store, MIGRATION);
    await expect(first.copy(source, WHOLE, keys)).rejects.toMatchObject({ code: "ROTATION_STATE" });
  });

  it("is made with at least one thread", () => {
    expect(() => open(1, { threads: 0 })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => open(1, { bytesPerSecond: 0 })).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
