/** What a thread of a rotation runs: it opens the store, holds both generations for the length of one call, sweeps. */
import { PageEngine } from "../engine/page-engine.ts";
import { type Suite, suiteId } from "../engine/suite.ts";
import { GatekeeperError, type WireError } from "../errors.ts";
import { ContractKeyRing } from "../keys/contract-key-ring.ts";
import { MASTER_KEY_BYTES, MasterKey } from "../keys/master-key.ts";
import { Secret, secretCopy } from "../secret.ts";
import { openStoreAt } from "../store/location.ts";
import type { StateStore, StoreLocation } from "../store/store.ts";
import { type Sweeper, sweepClaimed } from "./claim.ts";

/** One thread's work in one pass. */
export interface SweepTask {
  readonly store: StoreLocation;
  readonly suite: Suite;
  readonly from: number;
  readonly to: number;
  readonly sweeper: Sweeper;
  /** Both MasterKey scalars, old then new: shared, so that no copy is made on the way; the rotation wipes it. */
  readonly scalars: SharedArrayBuffer;
  /** An Int32: not zero tells the threads to stop. */
  readonly stop: SharedArrayBuffer;
}

/** Null when the work is done, otherwise why it could not be. */
export type SweepAnswer = { readonly error: WireError | null };

let engine: PageEngine | undefined;
let opened: { readonly location: string; readonly store: StateStore } | undefined;

export default async function run(task: SweepTask): Promise<SweepAnswer> {
  try {
    engine ??= new PageEngine();
    const store = await storeOf(task.store);
    using keys = keyRing(task);
    const flag = new Int32Array(task.stop);
    const stopped = (): boolean => Atomics.load(flag, 0) !== 0;
    const { suite, from, to } = task;
    await sweepClaimed({ store, engine, keys, suite, from, to, stopped }, task.sweeper);
    return { error: null };
  } catch (error) {
    if (error instanceof GatekeeperError) return { error: error.toWire() };
    throw error;
  }
}

/** The thread's own handle on the store, kept from pass to pass; it closes with the thread. */
async function storeOf(location: StoreLocation): Promise<StateStore> {
  const name = JSON.stringify(location);
  if (opened?.location !== name) {
    await opened?.store.close();
    opened = { location: name, store: await openStoreAt(location) };
  }
  return opened.store;
}

function keyRing(task: SweepTask): ContractKeyRing {
  const shared = new Uint8Array(task.scalars);
  const scalar = (index: number): Secret =>
    new Secret(secretCopy(shared.subarray(index * MASTER_KEY_BYTES, (index + 1) * MASTER_KEY_BYTES)));
  using from = new MasterKey(task.from, scalar(0));
  using to = new MasterKey(task.to, scalar(1));
  return new ContractKeyRing([from, to], suiteId(task.suite));
}
