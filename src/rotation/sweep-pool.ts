/** The threads of a rotation. Bulk data never crosses them: each reads, re-encrypts and writes its own partitions. */
import { randomUUID } from "node:crypto";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import type { Suite } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { MASTER_KEY_BYTES, type MasterKey } from "../keys/master-key.ts";
import type { StoreLocation } from "../store/store.ts";
import type { AbandonedClaim } from "./claim.ts";
import type { SweepAnswer, SweepTask } from "./sweep-task.ts";

/** What the threads of one rotation share. */
export interface SweepPoolOptions {
  readonly store: StoreLocation;
  readonly suite: Suite;
  readonly threads: number;
  readonly signal?: AbortSignal;
}

/** Threads that hold both generations of a rotation until they are disposed. */
export class SweepPool implements AsyncDisposable {
  readonly #options: SweepPoolOptions;
  readonly #ids: { readonly from: number; readonly to: number };
  readonly #scalars = new SharedArrayBuffer(2 * MASTER_KEY_BYTES);
  readonly #stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #pool: Piscina<SweepTask, SweepAnswer>;

  /** @param from, to - copied from; they stay the caller's. */
  constructor(options: SweepPoolOptions, from: MasterKey, to: MasterKey) {
    this.#options = options;
    this.#ids = { from: from.rotationId, to: to.rotationId };
    const shared = new Uint8Array(this.#scalars);
    from.use((scalar) => shared.set(scalar));
    to.use((scalar) => shared.set(scalar, MASTER_KEY_BYTES));
    this.#pool = new Piscina({
      filename: fileURLToPath(new URL(`./sweep-task${extname(import.meta.url)}`, import.meta.url)),
      minThreads: options.threads,
      maxThreads: options.threads,
    });
  }

  /**
   * Lets every thread claim and sweep partitions of a pass until none is left to claim. When one fails or the signal
   * fires, the others stop at their next commit.
   * @throws GatekeeperError of the first thread that failed; ABORTED.
   */
  async sweep(pass: number, abandoned: readonly AbandonedClaim[]): Promise<void> {
    const { store, suite, threads, signal } = this.#options;
    const stop = (): void => void Atomics.store(new Int32Array(this.#stop), 0, 1);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    const run = async (index: number): Promise<void> => {
      const sweeper = { owner: randomUUID(), pass, begin: index / threads, abandoned };
      const task = { store, suite, ...this.#ids, sweeper, scalars: this.#scalars, stop: this.#stop };
      try {
        const { error } = await this.#pool.run(task);
        if (error !== null) throw GatekeeperError.fromWire(error);
      } catch (error) {
        stop();
        throw error;
      }
    };
    try {
      const results = await Promise.allSettled(Array.from({ length: threads }, (_, index) => run(index)));
      const failure = results.find((result) => result.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    if (signal?.aborted) {
      throw new GatekeeperError(
        "ABORTED",
        "the rotation was interrupted; it goes on where it was when it is run again",
      );
    }
  }

  /** Ends the threads, and with them whatever of the keys their memory held; wipes the shared copy. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#pool.destroy();
    } finally {
      new Uint8Array(this.#scalars).fill(0);
    }
  }
}
