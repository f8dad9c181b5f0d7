/**
 * The threads that sweep, copy and verify a network's partitions. Bulk data never crosses them: each reads, re-encrypts and
 * writes by itself. They see key material only in shared memory that whoever asks for the work owns and wipes; ending the
 * pool ends the threads, and with them whatever of keys their memory held.
 */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { GatekeeperError } from "../errors.ts";
import { checkAtLeastOne } from "../store/commit.ts";
import type { PageRange, StoreLocation } from "../store/store.ts";
import type { LeasedPartition } from "./checkpoint.ts";
import type { LeasedSweepEnd, SweepLeasedOptions } from "./leased-partition.ts";
import type { Generation, SharedPartitionKeys } from "./partition-keys.ts";
import type { PartitionAnswer, PartitionEnd, PartitionTask } from "./partition-task.ts";
import type { Receipt } from "./receipt.ts";
import type { VerifyCopiedEnd, VerifyCopiedProgress } from "./verify-copied.ts";
import type { LeasedVerifyEnd, VerifyProgress } from "./verify-leased.ts";

/** What the threads of a pool share. */
export interface PartitionPoolOptions {
  /** Opened in each thread. */
  readonly store: StoreLocation;
  /** This pRuntime's IdentityKey. */
  readonly identity: Uint8Array;
  /** Partitions that are worked on at once. */
  readonly threads: number;
  /** What all threads together may read; absent: no limit. */
  readonly bytesPerSecond?: number;
}

/** What works on leased partitions until it is disposed. */
export type PartitionThreads = Pick<
  PartitionPool,
  "sweep" | "verify" | "copy" | "verifyCopy" | "drop" | "rehearse" | typeof Symbol.asyncDispose
>;

/** Starts it for a store. */
export type StartThreads = (
  store: { readonly location: StoreLocation },
  options: Omit<PartitionPoolOptions, "store">,
) => PartitionThreads;

/** Starts threads. */
export const startThreads: StartThreads = ({ location }, options) => new PartitionPool({ ...options, store: location });

/** Threads that do. */
export class PartitionPool implements AsyncDisposable {
  readonly #options: PartitionPoolOptions;
  readonly #stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #pool: Piscina<PartitionTask, PartitionAnswer>;
  #closed = false;

  /** @throws GatekeeperError INVALID_ARGUMENT when `threads` or `bytesPerSecond` is not at least one. */
  constructor(options: PartitionPoolOptions) {
    checkAtLeastOne(options.threads, "the number of threads");
    if (options.bytesPerSecond !== undefined) checkAtLeastOne(options.bytesPerSecond, "bytes a second");
    this.#options = options;
    this.#pool = new Piscina({
      filename: fileURLToPath(new URL(`./partition-task${extname(import.meta.url)}`, import.meta.url)),
      minThreads: options.threads,
      maxThreads: options.threads,
    });
  }

  /**
   * `sweepLeased` in a thread. Work for which no thread is free waits.
   * @param keys - lent until this settles; the caller wipes them.
   * @throws GatekeeperError as `sweepLeased` does; POOL_CLOSED when the pool is disposed.
   */
  async sweep(
    partition: LeasedPartition,
    keys: SharedPartitionKeys,
    options: SweepLeasedOptions = {},
  ): Promise<LeasedSweepEnd> {
    return (await this.#run({ kind: "sweep", keys, partition, options })) as LeasedSweepEnd;
  }

  /**
   * `verifyLeased` in a thread.
   * @param keys - lent until this settles; the caller wipes them.
   * @throws GatekeeperError as `verifyLeased` does; POOL_CLOSED when the pool is disposed.
   */
  async verify(
    partition: PageRange,
    keys: SharedPartitionKeys,
    receipt: Pick<Receipt, "pages" | "digest">,
    sweeper: Uint8Array,
    at: VerifyProgress | null = null,
  ): Promise<LeasedVerifyEnd> {
    return (await this.#run({ kind: "verify", keys, partition, receipt, sweeper, at })) as LeasedVerifyEnd;
  }

  /**
   * `rehearse` as often as there are threads, before what is asked for later: mostly in each, but in none that begins long after
   * the others. One that fails does no work any more, and says why.
   * @throws GatekeeperError as `rehearse` does; POOL_CLOSED when the pool is disposed.
   */
  async rehearse(from: Generation, to: Generation): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.threads }, () => this.#run({ kind: "rehearse", from, to })));
  }

  /**
   * `dropKept` in a thread, behind work that was asked for before: a store of many kept pages would else hold up its caller.
   * @throws GatekeeperError STORE_*; POOL_CLOSED when the pool is disposed.
   */
  async drop(partition: PageRange): Promise<void> {
    await this.#run({ kind: "drop", partition });
  }

  /**
   * `copyLeased` in a thread: the pool's store is the mirror.
   * @param source - of the store that is mirrored.
   * @param keys - lent until this settles; the caller wipes them.
   * @throws GatekeeperError as `copyLeased` does; POOL_CLOSED when the pool is disposed.
   */
  async copy(
    source: StoreLocation,
    partition: LeasedPartition,
    keys: SharedPartitionKeys,
    options: SweepLeasedOptions = {},
  ): Promise<LeasedSweepEnd> {
    return (await this.#run({ kind: "copy", keys, source, partition, options })) as LeasedSweepEnd;
  }

  /**
   * `verifyCopied` in a thread.
   * @param keys - lent until this settles; the caller wipes them.
   * @throws GatekeeperError as `verifyCopied` does; POOL_CLOSED when the pool is disposed.
   */
  async verifyCopy(
    source: StoreLocation,
    partition: PageRange,
    keys: SharedPartitionKeys,
    at: VerifyCopiedProgress | null = null,
  ): Promise<VerifyCopiedEnd> {
    return (await this.#run({ kind: "verifyCopy", keys, source, partition, at })) as VerifyCopiedEnd;
  }

  /** Tells all work to pause at its next commit; work that is asked for later pauses at once. */
  stop(): void {
    Atomics.store(new Int32Array(this.#stop), 0, 1);
  }

  /** Ends the threads, wherever they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.stop();
    await this.#pool.destroy();
  }

  async #run(work: PartitionTask["work"]): Promise<PartitionEnd | null> {
    // A Piscina that was destroyed would start threads anew.
    if (this.#closed) throw poolClosed();
    const { store, identity, threads, bytesPerSecond } = this.#options;
    const limit = bytesPerSecond === undefined ? null : Math.max(1, Math.floor(bytesPerSecond / threads));
    const task = { store, identity, bytesPerSecond: limit, stop: this.#stop, work };
    let answer: PartitionAnswer;
    try {
      answer = await this.#pool.run(task);
    } catch (cause) {
      // What is left of work in threads that were ended is Piscina's error.
      throw this.#closed ? poolClosed(cause) : cause;
    }
    if ("error" in answer) throw GatekeeperError.fromWire(answer.error);
    return answer.end;
  }
}

function poolClosed(cause?: unknown): GatekeeperError {
  return new GatekeeperError("POOL_CLOSED", "the threads that work on partitions were ended", {}, { cause });
}
