/** What a thread of a verification runs: it takes range after range until none is left. */
import { PageEngine } from "../engine/page-engine.ts";
import { type Suite, suiteId } from "../engine/suite.ts";
import { GatekeeperError, type WireError } from "../errors.ts";
import { ContractKeyRing } from "../keys/contract-key-ring.ts";
import { MASTER_KEY_BYTES, MasterKey } from "../keys/master-key.ts";
import { Secret, secretCopy } from "../secret.ts";
import { openStoreAt } from "../store/location.ts";
import type { PageRef, StoreLocation } from "../store/store.ts";
import { type Verification, addVerification, emptyVerification, verifyRange } from "./verify-range.ts";

/** One thread's work. */
export interface VerifyTask {
  readonly store: StoreLocation;
  readonly suite: Suite;
  readonly rotationId: number;
  readonly leaving: number | null;
  /** The scalar of `rotationId`, then that of `leaving` if there is one; the verification wipes it. */
  readonly scalars: SharedArrayBuffer;
  /** The inner bounds of the ranges, in order. */
  readonly bounds: readonly PageRef[];
  /** Two Int32: the next range that nobody has taken, and the records verified so far by all. */
  readonly shared: SharedArrayBuffer;
}

/** What one thread found, or why it could not go on. */
export type VerifyAnswer = { readonly found: Verification } | { readonly error: WireError };

let engine: PageEngine | undefined;

export default async function run(task: VerifyTask): Promise<VerifyAnswer> {
  try {
    engine ??= new PageEngine();
    const store = await openStoreAt(task.store);
    try {
      using keys = keyRing(task);
      const { suite, rotationId, leaving, bounds } = task;
      const context = { store, engine, keys, suite, rotationId, leaving };
      const shared = new Int32Array(task.shared);
      const found = emptyVerification();
      const places = [null, ...bounds, null];
      for (let at = Atomics.add(shared, 0, 1); at + 1 < places.length; at = Atomics.add(shared, 0, 1)) {
        const range = { from: places[at]!, to: places[at + 1]! };
        addVerification(found, await verifyRange(context, range, (records) => void Atomics.add(shared, 1, records)));
      }
      return { found };
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof GatekeeperError) return { error: error.toWire() };
    throw error;
  }
}

function keyRing({ scalars, rotationId, leaving, suite }: VerifyTask): ContractKeyRing {
  const shared = new Uint8Array(scalars);
  using current = new MasterKey(rotationId, new Secret(secretCopy(shared.subarray(0, MASTER_KEY_BYTES))));
  if (leaving === null) return new ContractKeyRing([current], suiteId(suite));
  using old = new MasterKey(leaving, new Secret(secretCopy(shared.subarray(MASTER_KEY_BYTES))));
  return new ContractKeyRing([current, old], suiteId(suite));
}
