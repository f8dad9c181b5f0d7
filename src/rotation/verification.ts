/** Verifies a whole store on a pool of threads: every record's tag, under the key that its rotation id names. */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import type { Suite } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { MASTER_KEY_BYTES, type MasterKey } from "../keys/master-key.ts";
import { checkAtLeastOne } from "../store/commit.ts";
import { openStoreAt } from "../store/location.ts";
import type { StateStore, StoreLocation } from "../store/store.ts";
import { type RotationControl, readRotation } from "./control.ts";
import { type Verification, addVerification, emptyVerification } from "./verify-range.ts";
import type { VerifyAnswer, VerifyTask } from "./verify-task.ts";

const RANGE_PAGES = 256;
const REPORT_MS = 200;

/** What a verification is given. */
export interface VerificationOptions {
  readonly store: StoreLocation;
  readonly suite: Suite;
  readonly threads?: number;
  /** The MasterKey of a generation, in the hands of the verification, which disposes it. */
  readonly masterKey: (rotationId: number) => Promise<MasterKey>;
  /** Called now and then with the number of records verified so far. */
  readonly onProgress?: (records: number) => void;
}

/** What a verification found, and under which generation. */
export type VerificationSummary = Verification & { readonly rotationId: number };

/**
 * Checks the tag of every record; nothing is decrypted. While a rotation is under way, records under the generation
 * that it leaves are verified under that one and counted as `remainingOld`.
 * @throws GatekeeperError KEY_UNAVAILABLE, STORE_*, KERNEL_*, INVALID_ARGUMENT when `threads` is not at least one.
 */
export async function verifyStore(options: VerificationOptions): Promise<VerificationSummary> {
  if (options.threads !== undefined) checkAtLeastOne(options.threads, "the number of threads");
  const store = await openStoreAt(options.store);
  try {
    for (;;) {
      const { value } = await readRotation(store);
      try {
        const summary = await verifyUnder(store, options, value);
        if (summary.failed === 0 || !(await hasMoved(store, value))) return summary;
      } catch (error) {
        const keyIsGone = error instanceof GatekeeperError && error.code === "KEY_UNAVAILABLE";
        if (!keyIsGone || !(await hasMoved(store, value))) throw error;
      }
      // What failed may just be under a generation that came into force, or was destroyed, after the cell was read.
    }
  } finally {
    await store.close();
  }
}

async function hasMoved(store: StateStore, seen: RotationControl): Promise<boolean> {
  const { rotationId, phase } = (await readRotation(store)).value;
  return rotationId !== seen.rotationId || phase !== seen.phase;
}

async function verifyUnder(
  store: StateStore,
  options: VerificationOptions,
  { rotationId, phase }: RotationControl,
): Promise<VerificationSummary> {
  const leaving = phase === "reencryption" || phase === "verification" ? rotationId - 1 : null;
  const scalars = new SharedArrayBuffer(2 * MASTER_KEY_BYTES);
  const generations = leaving === null ? [rotationId] : [rotationId, leaving];
  try {
    for (const [index, id] of generations.entries()) {
      using key = await options.masterKey(id);
      key.use((scalar) => new Uint8Array(scalars).set(scalar, index * MASTER_KEY_BYTES));
    }
    const bounds = await store.partitionBounds(RANGE_PAGES);
    const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
    const { suite } = options;
    const task: VerifyTask = { store: options.store, suite, rotationId, leaving, scalars, bounds, shared };
    return { ...(await runThreads(options, task)), rotationId };
  } finally {
    new Uint8Array(scalars).fill(0);
  }
}

async function runThreads(options: VerificationOptions, task: VerifyTask): Promise<Verification> {
  const threads = options.threads ?? availableParallelism();
  const pool = new Piscina<VerifyTask, VerifyAnswer>({
    filename: fileURLToPath(new URL(`./verify-task${extname(import.meta.url)}`, import.meta.url)),
    minThreads: threads,
    maxThreads: threads,
  });
  try {
    const running = Promise.all(Array.from({ length: threads }, () => pool.run(task)));
    let over = false;
    const ended = running.finally(() => {
      over = true;
    });
    // Where `onProgress` throws, nobody waits for the threads any more: their error must not count as unhandled then.
    ended.catch(() => undefined);
    while (options.onProgress !== undefined && !over) {
      options.onProgress(Atomics.load(new Int32Array(task.shared), 1));
      await Promise.race([ended, sleep(REPORT_MS)]);
    }
    const sum = emptyVerification();
    for (const answer of await ended) {
      if ("error" in answer) throw GatekeeperError.fromWire(answer.error);
      addVerification(sum, answer.found);
    }
    return sum;
  } finally {
    await pool.destroy();
  }
}
