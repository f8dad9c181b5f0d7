/**
 * Batches on a pool of threads, each with an engine and a memory of its own. Arenas and tables are moved to a thread
 * and back, never copied between threads: the whole buffer behind an arena goes, so an arena has a buffer to itself.
 */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { type Batch, checkBatch } from "./batch.ts";
import type { EngineOptions } from "./engine.ts";
import type { BatchAnswer, BatchTask } from "./pool-task.ts";
import { KEY_BYTES, type Suite, type Verb } from "./suite.ts";

/** Batches that may wait for a thread, for each thread. */
const QUEUE_PER_THREAD = 4;

/** How a pool works. */
export interface EnginePoolOptions {
  /** 1 or more; by default what the machine runs at once. */
  readonly threads?: number;
  /** As in EngineOptions; false by default. */
  readonly plaintextInMemory?: boolean;
}

/** What a batch has become. */
export interface BatchResult {
  /** The arena, rewritten: a new buffer in place of the one that was handed in. */
  readonly arena: Uint8Array<ArrayBuffer>;
  /** A `RecordStatus` for each record. */
  readonly statuses: Uint8Array<ArrayBuffer>;
}

/**
 * A pool of engines. At most `threads` batches run and four times as many wait; one more is refused with POOL_FULL.
 * A running batch that is aborted ends its thread, and the key copies in it with the thread.
 */
export class EnginePool implements AsyncDisposable {
  readonly #pool: Piscina<BatchTask, BatchAnswer>;
  readonly #queueMax: number;
  #closed = false;

  constructor(options: EnginePoolOptions = {}) {
    const threads = options.threads ?? availableParallelism();
    if (!Number.isInteger(threads) || threads < 1) {
      throw new GatekeeperError("INVALID_ARGUMENT", "a pool has one thread or more");
    }
    this.#queueMax = threads * QUEUE_PER_THREAD;
    this.#pool = new Piscina({
      filename: fileURLToPath(new URL(`./pool-task${extname(import.meta.url)}`, import.meta.url)),
      minThreads: threads,
      maxThreads: threads,
      maxQueue: this.#queueMax,
      workerData: { plaintextInMemory: options.plaintextInMemory ?? false } satisfies EngineOptions,
    });
  }

  /** `Engine.seal` on a thread. The batch's arena and table are taken over: they are empty afterwards. */
  seal(suite: Suite, batch: Batch, signal?: AbortSignal): Promise<BatchResult> {
    return this.#run(suite, "Seal", batch, signal);
  }

  /** `Engine.open` on a thread; the returned arena holds plaintexts. The batch's arena and table are taken over. */
  open(suite: Suite, batch: Batch, signal?: AbortSignal): Promise<BatchResult> {
    return this.#run(suite, "Open", batch, signal);
  }

  /** `Engine.verify` on a thread. The batch's arena and table are taken over: they are empty afterwards. */
  verify(suite: Suite, batch: Batch, signal?: AbortSignal): Promise<BatchResult> {
    return this.#run(suite, "Verify", batch, signal);
  }

  /** `Engine.reencrypt` on a thread. The batch's arena and table are taken over: they are empty afterwards. */
  reencrypt(suite: Suite, batch: Batch, signal?: AbortSignal): Promise<BatchResult> {
    return this.#run(suite, "Reencrypt", batch, signal);
  }

  /** Ends the threads; batches that run or wait are rejected with POOL_CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#pool.destroy();
  }

  async #run(suite: Suite, verb: Verb, batch: Batch, signal: AbortSignal | undefined): Promise<BatchResult> {
    checkBatch(batch);
    if (this.#closed) throw closed();
    if (signal?.aborted) throw aborted();
    if (this.#pool.queueSize >= this.#queueMax) {
      throw new GatekeeperError(
        "POOL_FULL",
        `${this.#queueMax} batches are waiting already; hand in the next when one is done`,
        {
          limit: this.#queueMax,
        },
      );
    }
    const keys = concatenateKeys(batch.keys);
    const task: BatchTask = { suite, verb, arena: batch.arena, table: batch.table, keys };
    const transferList = [...new Set([batch.arena.buffer, batch.table.buffer, keys.buffer])];
    let answer: BatchAnswer;
    try {
      answer = await this.#pool.run(task, { transferList, ...(signal === undefined ? {} : { signal }) });
    } catch (cause) {
      if (signal?.aborted) throw aborted();
      if (this.#closed) throw closed();
      if (cause instanceof DOMException && cause.name === "DataCloneError") throw immovable(cause);
      throw cause;
    } finally {
      // Empty where they were moved to a thread; a batch that never left the queue leaves them here.
      if (keys.length > 0) keys.fill(0);
    }
    if ("error" in answer) throw GatekeeperError.fromWire(answer.error);
    return answer;
  }
}

/** The keys one after the other in a buffer that is moved to the thread, which wipes it. */
function concatenateKeys(keys: readonly Secret[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(keys.length * KEY_BYTES);
  try {
    keys.forEach((key, index) => {
      if (key.length !== KEY_BYTES)
        throw new GatekeeperError("INVALID_ARGUMENT", `key ${index} of the batch is not of 32 bytes`);
      key.use((source) => bytes.set(source, index * KEY_BYTES));
    });
  } catch (error) {
    bytes.fill(0);
    throw error;
  }
  return bytes;
}

function immovable(cause: Error): GatekeeperError {
  return new GatekeeperError(
    "INVALID_ARGUMENT",
    "the arena or table of a batch lies in a buffer that can't be moved to a thread: already handed in, or not its own",
    {},
    { cause },
  );
}

function closed(): GatekeeperError {
  return new GatekeeperError("POOL_CLOSED", "the engine pool was closed; make a new one");
}

function aborted(): GatekeeperError {
  return new GatekeeperError("ABORTED", "the batch was aborted by its signal");
}
