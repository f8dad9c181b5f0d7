/** What a thread of a network's rotation runs: it opens the store, and works on one partition, with the keys it is lent. */
import { constants, setPriority } from "node:os";
import { PageEngine } from "../engine/page-engine.ts";
import { GatekeeperError, type WireError } from "../errors.ts";
import { openStoreAt } from "../store/location.ts";
import type { PageRange, StateStore, StoreLocation } from "../store/store.ts";
import type { LeasedPartition } from "./checkpoint.ts";
import { type CopyContext, copyLeased } from "./copy-leased.ts";
import { type LeasedContext, type LeasedSweepEnd, type SweepLeasedOptions, sweepLeased } from "./leased-partition.ts";
import { Pace } from "./pace.ts";
import { type Generation, PartitionKeys, type SharedPartitionKeys } from "./partition-keys.ts";
import type { Receipt } from "./receipt.ts";
import { failedRehearsal, rehearse } from "./rehearsal.ts";
import { type VerifyCopiedEnd, type VerifyCopiedProgress, verifyCopied } from "./verify-copied.ts";
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

/** A copy from another store, which the task's store mirrors. */
export interface CopyWork {
  readonly kind: "copy";
  /** Lent for the length of the call. */
  readonly keys: SharedPartitionKeys;
  readonly source: StoreLocation;
  readonly partition: LeasedPartition;
  readonly options: SweepLeasedOptions;
}

/** The verification of one. */
export interface VerifyCopyWork {
  readonly kind: "verifyCopy";
  /** Lent for the length of the call. */
  readonly keys: SharedPartitionKeys;
  readonly source: StoreLocation;
  readonly partition: PageRange;
  readonly at: VerifyCopiedProgress | null;
}

/** What was kept of a partition is not wanted any more. */
export interface DropWork {
  readonly kind: "drop";
  readonly partition: PageRange;
}

/** A rotation is rehearsed, from a generation to another. */
export interface RehearseWork {
  readonly kind: "rehearse";
  readonly from: Generation;
  readonly to: Generation;
}

/** Work that is of no partition, of which nothing comes. */
type OtherWork = DropWork | RehearseWork;

/** One thread's work. */
export interface PartitionTask {
  readonly store: StoreLocation;
  readonly identity: Uint8Array;
  /** Of this thread; null: no limit. */
  readonly bytesPerSecond: number | null;
  /** An Int32: not zero tells the threads to stop. */
  readonly stop: SharedArrayBuffer;
  readonly work: SweepWork | VerifyWork | CopyWork | VerifyCopyWork | OtherWork;
}

/** What came of it, null where that is nothing; or why it could not be done. */
export type PartitionAnswer = { readonly end: PartitionEnd | null } | { readonly error: WireError };

/** How work ends, of whatever kind it is. */
export type PartitionEnd = LeasedSweepEnd | LeasedVerifyEnd | VerifyCopiedEnd;

/**
 * On Linux a thread has a priority of its own, elsewhere it has the process's: blocks and commands to contracts come first, and
 * a rotation has what processors they leave.
 */
if (process.platform === "linux") setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

/** Made as the thread starts, so that the first work does not wait for it; where it can't be made, work says why. */
let engine = engineOrNone();
/** Why this thread is not to work, once a rehearsal has failed. */
let unfit: GatekeeperError | undefined;
let pace: { readonly bytesPerSecond: number; readonly pace: Pace } | undefined;
const opened = new Map<"store" | "source", { readonly location: string; readonly store: StateStore }>();

export default async function run(task: PartitionTask): Promise<PartitionAnswer> {
  try {
    const { work } = task;
    if (unfit !== undefined) throw unfit;
    const store = await storeOf("store", task.store);
    if (work.kind === "drop") {
      await dropKept(store, work.partition);
      return { end: null };
    }
    engine ??= new PageEngine();
    if (work.kind === "rehearse") {
      await rehearse(engine, work.from, work.to).catch((cause: unknown) => {
        unfit = cause instanceof GatekeeperError ? cause : failedRehearsal("an error", cause);
        throw unfit;
      });
      return { end: null };
    }
    const flag = new Int32Array(task.stop);
    const context: LeasedContext = {
      store,
      engine,
      keys: new PartitionKeys(work.keys),
      identity: task.identity,
      stopped: () => Atomics.load(flag, 0) !== 0,
      ...(task.bytesPerSecond === null ? {} : { pace: paceOf(task.bytesPerSecond) }),
    };
    return { end: await endOf(context, work) };
  } catch (error) {
    if (error instanceof GatekeeperError) return { error: error.toWire() };
    throw error;
  }
}

async function endOf(context: LeasedContext, work: Exclude<PartitionTask["work"], OtherWork>): Promise<PartitionEnd> {
  switch (work.kind) {
    case "sweep":
      return await sweepLeased(context, work.partition, work.options);
    case "verify":
      return await verifyLeased(context, work.partition, work.receipt, work.sweeper, work.at);
    case "copy":
      return await copyLeased(await withSource(context, work.source), work.partition, work.options);
    case "verifyCopy":
      return await verifyCopied(await withSource(context, work.source), work.partition, work.at);
  }
}

async function withSource(context: LeasedContext, source: StoreLocation): Promise<CopyContext> {
  return { ...context, source: await storeOf("source", source) };
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

/** The thread's own handles on stores, kept from call to call; they close with the thread. */
async function storeOf(part: "store" | "source", location: StoreLocation): Promise<StateStore> {
  const name = JSON.stringify(location);
  const known = opened.get(part);
  if (known?.location === name) return known.store;
  opened.delete(part);
  await known?.store.close();
  const store = await openStoreAt(location);
  opened.set(part, { location: name, store });
  return store;
}
