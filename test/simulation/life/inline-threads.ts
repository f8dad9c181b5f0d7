/** What works on leased partitions in this thread: a step at a time, as the store lets it. */
import { PageEngine } from "../../../src/engine/page-engine.ts";
import { GatekeeperError } from "../../../src/errors.ts";
import { copyLeased } from "../../../src/rotation/copy-leased.ts";
import { type LeasedContext, sweepLeased } from "../../../src/rotation/leased-partition.ts";
import type { PartitionThreads } from "../../../src/rotation/partition-pool.ts";
import { PartitionKeys, type SharedPartitionKeys } from "../../../src/rotation/partition-keys.ts";
import { verifyCopied } from "../../../src/rotation/verify-copied.ts";
import { dropKept, verifyLeased } from "../../../src/rotation/verify-leased.ts";
import type { StateStore, StoreLocation } from "../../../src/store/store.ts";

/** Engines that nobody works with. */
const IDLE: PageEngine[] = [];

/** What a step stands for. */
const STEP_MILLISECONDS = 10;

/** How they come to the stores, and take their turns. */
interface ThreadSteps {
  /** Opens one that states are copied from. */
  readonly open: (location: StoreLocation) => StateStore;
  /** Lets others go first. */
  readonly take: () => Promise<void>;
  /** What was begun with the stores goes no further. */
  readonly drop: () => void;
}

/** One pRuntime's. */
export class InlineThreads implements PartitionThreads {
  readonly #store: StateStore;
  readonly #identity: Uint8Array;
  readonly #steps: ThreadSteps;
  readonly #engines = new Set<PageEngine>();
  readonly #ended = new AbortController();

  /** @param store - that they work on. */
  constructor(store: StateStore, identity: Uint8Array, steps: ThreadSteps) {
    this.#store = store;
    this.#identity = identity;
    this.#steps = steps;
  }

  readonly sweep: PartitionThreads["sweep"] = (partition, keys, options) =>
    this.#run(keys, (context) => sweepLeased(context, partition, options));

  readonly verify: PartitionThreads["verify"] = (range, keys, receipt, sweeper, at) =>
    this.#run(keys, (context) => verifyLeased(context, range, receipt, sweeper, at));

  readonly copy: PartitionThreads["copy"] = (source, partition, keys, options) =>
    this.#run(keys, (context) => copyLeased({ ...context, source: this.#steps.open(source) }, partition, options));

  readonly verifyCopy: PartitionThreads["verifyCopy"] = (source, range, keys, at) =>
    this.#run(keys, (context) =>
      verifyCopied({ ...context, source: this.#steps.open(source) }, range, at, (milliseconds) =>
        this.#wait(milliseconds),
      ),
    );

  /** This thread has done so for long. */
  readonly rehearse: PartitionThreads["rehearse"] = async () => undefined;

  readonly drop: PartitionThreads["drop"] = async (range) => {
    if (this.#ended.signal.aborted) throw poolClosed();
    await dropKept(this.#store, range);
  };

  /** Ends them wherever they are. */
  end(): void {
    this.#steps.drop();
    this.#ended.abort();
    IDLE.push(...this.#engines);
    this.#engines.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }

  async #wait(milliseconds: number): Promise<void> {
    for (let step = 0; step < milliseconds; step += STEP_MILLISECONDS) await this.#steps.take();
  }

  async #run<T>(keys: SharedPartitionKeys, work: (context: LeasedContext) => Promise<T>): Promise<T> {
    const { signal } = this.#ended;
    if (signal.aborted) throw poolClosed();
    const engine = IDLE.pop() ?? new PageEngine();
    this.#engines.add(engine);
    const context: LeasedContext = {
      store: this.#store,
      engine,
      keys: new PartitionKeys(keys),
      identity: this.#identity,
      stopped: () => signal.aborted,
    };
    const ended = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(poolClosed()), { once: true });
    });
    ended.catch(() => undefined);
    try {
      return await Promise.race([work(context), ended]);
    } finally {
      if (this.#engines.delete(engine)) IDLE.push(engine);
    }
  }
}

function poolClosed(): GatekeeperError {
  return new GatekeeperError("POOL_CLOSED", "the threads that work on partitions were ended");
}
