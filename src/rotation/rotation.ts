/**
 * A rotation from beginning to end, and the finishing of one that was interrupted: the same steps, each a
 * compare-and-swap on the store, so that any number of processes may take part and any of them may die.
 *
 *   reencryption   every partition is swept once; new writes already go under the new rotation id
 *   verification   the store's minimum rotation id is raised, so that nothing more comes under the old one; then the
 *                  whole store is swept until a sweep has found nothing under it
 *   abandonment    the old MasterKey is destroyed, the store compacted
 */
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Suite } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { checkAtLeastOne } from "../store/commit.ts";
import { openStoreAt } from "../store/location.ts";
import type { StateStore, StoreLocation } from "../store/store.ts";
import { type AbandonedClaim, isOpen } from "./claim.ts";
import {
  type PartitionState,
  type Phase,
  type RotationControl,
  type Versioned,
  advance,
  newPartitions,
  readPartitions,
  readRotation,
  removePartition,
} from "./control.ts";
import { SweepPool } from "./sweep-pool.ts";

/**
 * Pages of one partition: some 8 MiB, well below a second of work, so that threads end together. Claiming it and having
 * done it are commits of their own: with half as many pages they were a third of all commits.
 */
const PARTITION_PAGES = 512;
/** How often progress is read and other workers' partitions are looked at. */
const POLL_MS = 200;
/** A claim whose checkpoint has not moved for so many polls is presumed abandoned. */
const POLLS_UNTIL_ABANDONED = 15;

/** How far a rotation is. */
export interface RotationProgress {
  readonly phase: Phase;
  /** Re-encryption: records under the new rotation id; verification: partitions that were scanned. */
  readonly done: number;
  readonly total: number;
}

/** What a rotation is given. */
export interface RotationOptions {
  /** Opened in this thread and in each sweeping thread. */
  readonly store: StoreLocation;
  readonly suite: Suite;
  /** Sweeping threads; by default what the machine runs at once. */
  readonly threads?: number;
  /** The MasterKey of a generation that exists, in the hands of the rotation, which disposes it. */
  readonly masterKey: (rotationId: number) => Promise<MasterKey>;
  /**
   * Makes the generation to rotate to, or gives it if it was made before: when this resolves it is kept where a crash
   * can't lose it. The rotation disposes it. Not asked for when a rotation is finished that somebody else began.
   */
  readonly newMasterKey: (rotationId: number) => Promise<MasterKey>;
  /** Destroys a generation that nothing is sealed under any more. Called again if a crash came between. */
  readonly abandon: (rotationId: number) => Promise<void>;
  /** Stops the rotation between two commits; it can be finished later. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RotationProgress) => void;
}

/** What a rotation did. */
export interface RotationSummary {
  /** The generation that the store is under now. */
  readonly rotationId: number;
  /** Records and bytes of their texts that were re-encrypted, by all processes together. */
  readonly records: number;
  readonly bytes: number;
  /**
   * Records that could not be opened. If there are any, the rotation stays in verification and the old MasterKey is
   * kept until they are replaced or deleted and the rotation is finished.
   */
  readonly failed: number;
  /** The first of them, in hex. */
  readonly failures: PartitionState["failures"];
}

/**
 * Rotates now: begins a rotation if none is under way, then finishes it.
 * @throws GatekeeperError ABORTED, STORE_*, KEY_UNAVAILABLE, KERNEL_*, INVALID_ARGUMENT when `threads` is not at least
 * one; whatever `masterKey`, `newMasterKey`, `abandon` and `onProgress` throw.
 */
export async function rotate(options: RotationOptions): Promise<RotationSummary> {
  checkOptions(options);
  const store = await openStoreAt(options.store);
  try {
    await begin(store, options);
    return await finish(store, options);
  } finally {
    await store.close();
  }
}

/**
 * Takes part in the rotation that is under way, until it is finished.
 * @returns null when none is under way.
 * @throws GatekeeperError as `rotate` does.
 */
export async function finishRotation(options: RotationOptions): Promise<RotationSummary | null> {
  checkOptions(options);
  const store = await openStoreAt(options.store);
  try {
    const { value } = await readRotation(store);
    return value.phase === "idle" ? null : await finish(store, options);
  } finally {
    await store.close();
  }
}

function checkOptions({ threads, signal }: RotationOptions): void {
  if (threads !== undefined) checkAtLeastOne(threads, "the number of threads");
  if (signal?.aborted) throw new GatekeeperError("ABORTED", "the rotation was interrupted before it did anything");
}

/** The switch: from here on new writes go under the new rotation id. Nothing is done if one is under way. */
async function begin(store: StateStore, options: RotationOptions): Promise<void> {
  const rotation = await readRotation(store);
  if (rotation.value.phase !== "idle") return;
  const rotationId = rotation.value.rotationId + 1;
  // Only who has the old key can finish: with a wrong key file, say, the new one would be sealed under a stranger's.
  (await options.masterKey(rotation.value.rotationId))[Symbol.dispose]();
  (await options.newMasterKey(rotationId))[Symbol.dispose]();
  const bounds = await store.partitionBounds(PARTITION_PAGES);
  const step = advance(rotation, { ...rotation.value, rotationId, phase: "reencryption", pass: 1 });
  const cells = [step, ...newPartitions(bounds)];
  const result = await store.commit({ groups: [], sealedUnder: null, cells });
  if (result.cellsHeld) return;
  // Another process began the same rotation in between: this one joins it, or finds it finished.
  const now = (await readRotation(store)).value;
  if (now.rotationId < rotationId) {
    throw new GatekeeperError("ROTATION_STATE", "partitions of an earlier rotation are in the way of a new one");
  }
  // If even the next one is over, the generation was destroyed before `newMasterKey`, which then made it anew.
  if (!inUse(now, rotationId)) await options.abandon(rotationId);
}

/** Whether anything may be sealed under a generation: the current one is, and the one that is being left. */
function inUse({ rotationId, phase }: RotationControl, generation: number): boolean {
  const leaving = phase === "reencryption" || phase === "verification";
  return generation === rotationId || (leaving && generation === rotationId - 1);
}

async function finish(store: StateStore, options: RotationOptions): Promise<RotationSummary> {
  const start = await readRotation(store);
  const to = start.value.rotationId;
  if (start.value.phase === "reencryption" || start.value.phase === "verification") {
    try {
      const blocked = await sweepAll(store, options, to);
      if (blocked !== null) return blocked;
    } catch (error) {
      // Others may have finished while this process stood still; then its keys and its commits are out of date.
      if (!(await isPast(store, to))) throw error;
    }
  }
  for (;;) {
    const rotation = await readRotation(store);
    if (rotation.value.phase === "idle" || rotation.value.rotationId !== to) {
      return { rotationId: to, records: 0, bytes: 0, ...rotation.value.last, failed: 0, failures: [] };
    }
    options.onProgress?.({ phase: "abandonment", done: 0, total: 1 });
    try {
      await checkAbandonable(store, options, to);
    } catch (error) {
      // Another process may have finished since the cell was read, and even begun the next rotation.
      if ((await readRotation(store)).version !== rotation.version) continue;
      throw error;
    }
    await options.abandon(to - 1);
    await store.compact();
    const partitions = await readPartitions(store);
    const { records, bytes } = sum(partitions);
    const step = advance(rotation, { ...rotation.value, phase: "idle", pass: 0, last: { records, bytes, failed: 0 } });
    await store.commit({ groups: [], sealedUnder: null, cells: [step, ...partitions.map(removePartition)] });
  }
}

/** Whether nothing of a rotation is left to sweep. */
async function isPast(store: StateStore, to: number): Promise<boolean> {
  const { phase, rotationId } = (await readRotation(store)).value;
  return phase === "idle" || phase === "abandonment" || rotationId !== to;
}

/** Sweeps until abandonment may begin. @returns a summary when records that can't be opened stand in the way. */
async function sweepAll(store: StateStore, options: RotationOptions, to: number): Promise<RotationSummary | null> {
  using newKey = await options.masterKey(to);
  using oldKey = await options.masterKey(to - 1);
  const { suite, signal } = options;
  const threads = options.threads ?? availableParallelism();
  const poolOptions = { store: options.store, suite, threads, ...(signal === undefined ? {} : { signal }) };
  await using pool = new SweepPool(poolOptions, oldKey, newKey);
  let swept = -1;
  for (;;) {
    const rotation = await readRotation(store);
    const { phase, pass } = rotation.value;
    if (phase === "idle" || phase === "abandonment" || rotation.value.rotationId !== to) return null;
    const partitions = await sweepPass(store, pool, rotation.value, options.onProgress);
    if (partitions === null) continue;
    const { found, failed, records, bytes } = sum(partitions);
    if (phase === "verification" && found > 0 && found === failed && pass === swept) {
      const failures = partitions.flatMap(({ value }) => value.failures);
      return { rotationId: to, records, bytes, failed, failures };
    }
    swept = pass + 1;
    const next = phase === "verification" && found === 0 ? "abandonment" : "verification";
    if (next === "abandonment") await checkCount(store, to);
    await store.commit({
      groups: [],
      sealedUnder: null,
      cells: [advance(rotation, { ...rotation.value, phase: next, pass: pass + 1 })],
      minimumRotationId: to,
    });
  }
}

/**
 * Sweeps one pass with everybody else who takes part in it.
 * @returns the partitions, all done in this pass; null when the rotation has moved on meanwhile.
 */
async function sweepPass(
  store: StateStore,
  pool: SweepPool,
  control: RotationControl,
  onProgress: RotationOptions["onProgress"],
): Promise<Versioned<PartitionState>[] | null> {
  const still = new Map<string, { version: number; polls: number }>();
  let patience = POLLS_UNTIL_ABANDONED;
  for (let abandoned: AbandonedClaim[] = []; ;) {
    await whileReporting(store, control, onProgress, pool.sweep(control.pass, abandoned));
    const partitions = await readPartitions(store);
    const current = (await readRotation(store)).value;
    if (current.pass !== control.pass || current.rotationId !== control.rotationId) return null;
    if (partitions.length === 0) {
      throw new GatekeeperError("STORE_CORRUPT", "a rotation is under way, but the store has none of its partitions");
    }
    const open = partitions.filter(({ value }) => isOpen(value, control.pass));
    if (open.length === 0) return partitions;
    for (const { name, version } of open) {
      const seen = still.get(name);
      still.set(name, { version, polls: seen?.version === version ? seen.polls + 1 : 0 });
    }
    abandoned = open.filter(({ name }) => still.get(name)!.polls >= patience);
    if (abandoned.length === 0) await sleep(POLL_MS);
    // Two processes, each too slow for the other's patience, would else take a partition from each other for ever.
    else patience *= 2;
  }
}

/** Reports progress until the sweep is over, reading only the store's counts. */
async function whileReporting(
  store: StateStore,
  control: RotationControl,
  onProgress: RotationOptions["onProgress"],
  sweep: Promise<void>,
): Promise<void> {
  if (onProgress === undefined) return sweep;
  let over = false;
  const ended = sweep.finally(() => {
    over = true;
  });
  // Where progress itself fails, nobody waits for the sweep any more: its error must not count as unhandled then.
  ended.catch(() => undefined);
  while (!over) {
    onProgress(await progress(store, control));
    await Promise.race([ended, sleep(POLL_MS)]);
  }
  await ended;
  onProgress(await progress(store, control));
}

async function progress(store: StateStore, { phase, pass, rotationId }: RotationControl): Promise<RotationProgress> {
  if (phase === "reencryption") {
    const counts = await store.countByRotationId();
    const total = [...counts.values()].reduce((all, records) => all + records, 0);
    return { phase, done: counts.get(rotationId) ?? 0, total };
  }
  const partitions = await readPartitions(store);
  return { phase, done: partitions.filter(({ value }) => !isOpen(value, pass)).length, total: partitions.length };
}

/**
 * What must hold before a key is destroyed, whatever phase the store claims to be in: that cell may be damaged, and a
 * destroyed key does not come back.
 */
async function checkAbandonable(store: StateStore, options: RotationOptions, to: number): Promise<void> {
  await checkCount(store, to);
  const minimum = await store.minimumRotationId();
  if (minimum !== to) {
    throw new GatekeeperError(
      "STORE_CORRUPT",
      `the store claims that rotation ${to} may destroy the old key, but still takes writes under rotation id ${minimum}; the old key is kept`,
      { rotationId: to, minimum },
    );
  }
  (await options.masterKey(to))[Symbol.dispose]();
}

/** The store's own count must agree with the sweep that found nothing, or one of them is wrong. */
async function checkCount(store: StateStore, to: number): Promise<void> {
  for (const [rotationId, records] of await store.countByRotationId()) {
    if (rotationId === to) continue;
    throw new GatekeeperError(
      "STORE_CORRUPT",
      `a full sweep found nothing under rotation id ${rotationId}, but the store counts ${records} records there; the old key is kept`,
      { rotationId, records },
    );
  }
}

function sum(
  partitions: readonly Versioned<PartitionState>[],
): Pick<PartitionState, "found" | "failed" | "records" | "bytes"> {
  const add = (field: "found" | "failed" | "records" | "bytes"): number =>
    partitions.reduce((total, { value }) => total + value[field], 0);
  return { found: add("found"), failed: add("failed"), records: add("records"), bytes: add("bytes") };
}
