/** What a thread of a network's rotation runs: it opens the store, and works on one partition, with the keys it is lent. */
import { PageEngine } from "../engine/page-engine.ts";
import { GatekeeperError, type WireError } from "../errors.ts";
import { openStoreAt } from "../store/location.ts";
import type { PageRange, StateStore, StoreLocation } from "../store/store.ts";
import type { LeasedPartition } from "./checkpoint.ts";
import { type LeasedContext, type LeasedSweepEnd, type SweepLeasedOptions, sweepLeased } from "./leased-partition.ts";
import { Pace } from "./pace.ts";
import { PartitionKeys, type SharedPartitionKeys } from "./partition-keys.ts";
import type { Receipt } from "./receipt.ts";
import { type LeasedVerifyEnd, type VerifyProgress, dropKept, verifyLeased } from "./verify-leased.ts";

/** A sweep, as a thread is asked for it. */
export interface SweepWork {
  readonly kind: "sweep";
  /** Lent for the length of the call. */
  readonly keys: SharedPartitionKeys;
  readonly partition: LeasedPartition;
  readonly options: SweepLeasedOptions;
}

/** A verification. */
export interface VerifyWork {
  readonly kind: "verify";
  /** Lent for the length of the call. */
  readonly keys: SharedPartitionKeys;
  readonly partition: PageRange;
  readonly receipt: Pick<Receipt, "pages" | "digest">;
  readonly sweeper: Uint8Array;
  readonly at: VerifyProgress | null;
}

/** What was kept of a partition is not wanted any more. */
export interface DropWork {
  readonly kind: "drop";
  readonly partition: PageRange;
}

/** One thread's work on one partition. */
export interface PartitionTask {
  readonly store: StoreLocation;
  readonly identity: Uint8Array;
  /** Of this thread; null: no limit. */
  readonly bytesPerSecond: number | null;
  /** An Int32: not zero tells the threads to stop. */
  readonly stop: SharedArrayBuffer;
  readonly work: SweepWork | VerifyWork | DropWork;
}

/** What came of it, which of what is dropped is null; or why it could not be done. */
export type PartitionAnswer = { readonly end: LeasedSweepEnd | LeasedVerifyEnd | null } | { readonly error: WireError };

/** Made as the thread starts, so that the first work does not wait for it; where it can't be made, work says why. */
let engine = engineOrNone();
let pace: { readonly bytesPerSecond: number; readonly pace: Pace } | undefined;
let opened: { readonly location: string; readonly store: StateStore } | undefined;

export default async function run(task: PartitionTask): Promise<PartitionAnswer> {
  try {
    const { work } = task;
    const store = await storeOf(task.store);
    if (work.kind === "drop") {
      await dropKept(store, work.partition);
      return { end: null };
    }
    engine ??= new PageEngine();
    const flag = new Int32Array(task.stop);
    const context: LeasedContext = {
      store,
      engine,
      keys: new PartitionKeys(work.keys),
      identity: task.identity,
      stopped: () => Atomics.load(flag, 0) !== 0,
      ...(task.bytesPerSecond === null ? {} : { pace: paceOf(task.bytesPerSecond) }),
    };
    if (work.kind === "sweep") return { end: await sweepLeased(context, work.partition, work.options) };
    return { end: await verifyLeased(context, work.partition, work.receipt, work.sweeper, work.at) };
  } catch (error) {
    if (error instanceof GatekeeperError) return { error: error.toWire() };
    throw error;
  }
}

function engineOrNone(): PageEngine | undefined {
  try {
    return new PageEngine();
  } catch (error) {
    if (error instanceof GatekeeperError) return undefined;
    throw error;
  }
}

/** The thread's own pace, kept from call to call: a new one would begin with a second's bytes. */
function paceOf(bytesPerSecond: number): Pace {
  if (pace?.bytesPerSecond !== bytesPerSecond) pace = { bytesPerSecond, pace: new Pace(bytesPerSecond) };
  return pace.pace;
}

/** The thread's own handle on the store, kept from call to call; it closes with the thread. */
async function storeOf(location: StoreLocation): Promise<StateStore> {
  const name = JSON.stringify(location);
  if (opened?.location !== name) {
    await opened?.store.close();
    opened = { location: name, store: await openStoreAt(location) };
  }
  return opened.store;
}
