/**
 * A pRuntime's part in rotations of the network's store: it leases partitions, has its threads sweep or verify them, and says to
 * the chain what came of it. What it does follows from its ledger and the store alone, and nothing of it is sealed: one that starts
 * again leases again, and goes on in the store where it was.
 */
import { toHex, fromHex } from "../bytes.ts";
import type { Suite } from "../engine/suite.ts";
import { type ErrorCode, GatekeeperError } from "../errors.ts";
import type { PublicKey } from "../protocol/account.ts";
import type { Call, PartitionWork } from "../protocol/call.ts";
import type { Ledger } from "../protocol/ledger.ts";
import { isHolder, leasableBy, mayRotate } from "../protocol/partitions.ts";
import {
  LEASES_MAX,
  PARTITIONS_MAX,
  type PartitionBound,
  type Rotation,
  leasesOf,
  mayLease,
} from "../protocol/rotation.ts";
import type { Hex } from "../protocol/scale.ts";
import { type State, numberKey } from "../protocol/state.ts";
import { removeCheckpoints } from "../rotation/checkpoint.ts";
import { partitionBoundsFor } from "../rotation/partition-bounds.ts";
import type { Generation } from "../rotation/partition-keys.ts";
import { PartitionPool } from "../rotation/partition-pool.ts";
import type { NetworkStore } from "./network-store.ts";
import { PartitionJob, placeOf } from "./partition-job.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";
import type { Provisioning } from "./provisioning.ts";

/**
 * Partitions that are leased for each thread, at the least: those that it works on, and those for which keys come meanwhile.
 * A lease costs a block to get and one to give back, so that more are taken while there are many for each who takes part.
 */
const LEASES_PER_THREAD = 4;
/**
 * Partitions that a store is cut into: so many that whoever is slow holds nobody up. And pages of one, at the least: with
 * fewer, its two messages and its checkpoints cost more than the work. Of a large store there are more partitions, up to
 * PARTITIONS_MAX, than that they have more pages: one that has leased its fair part is to be done with all of it in time.
 */
const PARTITIONS_WANTED = 128;
const PARTITION_PAGES = 64;
const PARTITION_PAGES_WANTED = 512;
/** Blocks that who has verified a partition is given to drop what was kept of it, before others do. */
const DROP_BLOCKS = 5;

/** What it is made of; all of it is lent. */
export interface RotatorOptions {
  readonly store: NetworkStore;
  readonly suite: Suite;
  readonly keys: ProvisionedKeys;
  readonly identityKey: PublicKey;
  readonly pace: RotationPace;
}

/** How fast it works. */
export interface RotationPace {
  /** Partitions that are worked on at a time. */
  readonly threads: number;
  /** Bytes of pages a second that are read for it, at most, so that there is room for others; null: no limit. */
  readonly bytesPerSecond: number | null;
}

/** Something that is done once, beside the following of the chain. */
interface Errand<T> {
  /** Of the rotation that it is for: the generation that is left. */
  readonly from: number;
  /** Null before it is done. */
  result: T | null;
}

/** One pRuntime's. Dispose ends its threads, and with them what their memory has of keys. */
export class Rotator implements AsyncDisposable {
  readonly #options: RotatorOptions;
  readonly #jobs = new Map<number, PartitionJob>();
  #pool: { readonly from: number; readonly threads: PartitionPool } | null = null;
  #bounds: Errand<readonly PartitionBound[]> | null = null;
  #count: Errand<boolean> | null = null;
  #compaction: Errand<true> | null = null;
  /** Since when all partitions are verified. */
  #verifiedAt: { readonly from: number; readonly height: number } | null = null;
  /** Why the work that is under way does not succeed; null where it does. */
  #fault: ErrorCode | null = null;
  #ending: Promise<void> = Promise.resolve();

  constructor(options: RotatorOptions) {
    this.#options = options;
  }

  /** What the chain knows its store by. */
  get storeId(): Hex {
    return this.#options.store.id;
  }

  /** Why work on the store failed here in the rotation that is under way; null where it did not. The chain is followed all the same. */
  get fault(): ErrorCode | null {
    return this.#fault;
  }

  /** Begins and ends work as the ledger has it. */
  follow(ledger: Ledger, provisioning: Provisioning): void {
    const { state } = ledger;
    const { rotation } = state;
    const isOurs = state.stateStore === this.storeId && mayRotate(state, this.#options.identityKey);
    // One that was given up may be begun again when the store has grown.
    if (rotation === null) this.#bounds = null;
    // Before it can be said: the store is read meanwhile.
    if (rotation?.phase === "keyGeneration" && isOurs) this.#cut(rotation);
    if (rotation === null || !isOurs || !mayLease(rotation)) {
      this.#endJobs();
    } else {
      this.#dropVerified(state, rotation);
      this.#followLeases(state, rotation, provisioning);
      if (rotation.partitions === null) this.#cut(rotation);
      if (rotation.phase === "verification" && rotation.verified === rotation.partitions)
        this.#countLeft(rotation, state.height);
    }
    if (isOurs && rotation?.phase === "abandonment" && isTurn(ledger, rotation, this.#options.identityKey)) {
      this.#compact(rotation);
    }
    this.wake();
  }

  /** Keys may have come. */
  wake(): void {
    for (const job of this.#jobs.values()) job.wake();
  }

  /** What there is to say to the chain; null where there is nothing. */
  dueCall(ledger: Ledger): Call | null {
    const { state } = ledger;
    const { identityKey } = this.#options;
    if (state.stateStore === null) return { tag: "announceStore", value: this.storeId };
    const { rotation } = state;
    if (rotation === null || !mayRotate(state, identityKey) || state.stateStore !== this.storeId) return null;
    const rotationId = rotation.from + 1;
    switch (rotation.phase) {
      case "keyGeneration":
      case "reencryption":
      case "verification": {
        if (!mayLease(rotation)) return null;
        const bounds = resultOf(this.#bounds, rotation);
        if (rotation.partitions === null) {
          return bounds === null ? null : { tag: "recordPartitions", value: { rotationId, bounds } };
        }
        const work = this.#dueWork(ledger, rotationId);
        if (work !== null) return work;
        const isClean = rotation.verified === rotation.partitions && resultOf(this.#count, rotation) === true;
        const certifies = isClean && isHolder(state, identityKey) && !rotation.certifiers.includes(identityKey);
        return certifies ? { tag: "certifyRotation", value: rotationId } : null;
      }
      case "abandonment":
        return !rotation.compacted && resultOf(this.#compaction, rotation) === true
          ? { tag: "declareCompacted", value: rotationId }
          : null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#endJobs();
    await this.#ending;
  }

  #dueWork({ state, genesis }: Ledger, rotationId: number): Call | null {
    const { pace, identityKey } = this.#options;
    if (state.rotation!.phase === "keyGeneration" && promisedIn(state) >= genesis.rotation.leasesPerBlock) return null;
    const done: PartitionWork[] = [];
    let atWork = 0;
    for (const { lease, outcome } of this.#jobs.values()) {
      if (outcome === null) atWork++;
      else done.push({ partition: lease.index, attempt: lease.attempt, outcome });
    }
    const leasable = leasableBy(state, identityKey).length;
    const parties = Math.max(1, state.gatekeepers.length + state.rotationWorkers.length);
    const fair = Math.ceil(leasable / parties);
    const room = Math.min(LEASES_MAX, Math.max(fair, LEASES_PER_THREAD * pace.threads)) - atWork;
    const wanted = Math.min(Math.max(room, 0), leasable);
    return done.length + wanted === 0 ? null : { tag: "workPartitions", value: { rotationId, done, wanted } };
  }

  #followLeases(state: State, rotation: Rotation, provisioning: Provisioning): void {
    const leases = new Map(leasesOf(state, this.#options.identityKey).map((lease) => [lease.index, lease]));
    for (const [index, job] of this.#jobs) {
      const lease = leases.get(index);
      const isSame = lease?.attempt === job.lease.attempt && lease.stage === job.lease.stage;
      const { failure } = job;
      if (failure !== null) this.#note(failure);
      // What failed for good is another's when the lease is over.
      if (isSame && (failure === null || !isPassing(failure))) continue;
      job[Symbol.dispose]();
      this.#jobs.delete(index);
    }
    for (const [index, lease] of leases) {
      if (this.#jobs.has(index)) continue;
      const { store, keys } = this.#options;
      const [from, to] = [rotation.from, rotation.from + 1].map((id) => this.#generation(state, id));
      const pool = this.#poolOf(rotation);
      const tools = { store: store.store, pool, keys, provisioning, from: from!, to: to! };
      this.#jobs.set(index, new PartitionJob(lease, tools));
    }
    // Until the switch nothing may be sealed under the new generation.
    if (rotation.phase !== "keyGeneration") for (const job of this.#jobs.values()) job.begin();
  }

  #poolOf({ from }: Rotation): PartitionPool {
    if (this.#pool?.from === from) return this.#pool.threads;
    const { store, pace, identityKey } = this.#options;
    const { threads, bytesPerSecond } = pace;
    const identity = fromHex(identityKey, "an IdentityKey");
    const limit = bytesPerSecond === null ? {} : { bytesPerSecond };
    const pool = new PartitionPool({ store: store.location, identity, threads, ...limit });
    this.#pool = { from, threads: pool };
    return pool;
  }

  #generation({ sharings }: State, rotationId: number): Generation {
    const { keySuite } = sharings.find((sharing) => sharing.rotationId === rotationId)!;
    return { rotationId, keySuite, suite: this.#options.suite };
  }

  /** Where the store is to be cut: everybody finds out, and the first who says it is heard. */
  #cut(rotation: Rotation): void {
    const { store } = this.#options.store;
    this.#bounds = this.#errand(this.#bounds, rotation, async () => {
      const most = (await store.partitionBounds(PARTITION_PAGES)).length + 1;
      const bounds = await partitionBoundsFor(store, partitionsOf(most));
      return bounds.map(({ contract, lowerBound }) => ({ contract: toHex(contract), key: lowerBound }));
    });
  }

  /** Whether nothing is left under the generation that is left, and nothing can come under it: asked until it is so. */
  #countLeft(rotation: Rotation, height: number): void {
    const { store } = this.#options.store;
    if (this.#count?.from === rotation.from && this.#count.result === false) this.#count = null;
    if (this.#verifiedAt?.from !== rotation.from) this.#verifiedAt = { from: rotation.from, height };
    const mayDrop = height - this.#verifiedAt.height >= DROP_BLOCKS;
    this.#count = this.#errand(this.#count, rotation, async () => {
      if (mayDrop) await this.#poolOf(rotation).drop({ from: null, to: null });
      const counts = await store.countByRotationId();
      const isClean = [...counts.keys()].every((rotationId) => rotationId === rotation.from + 1);
      return isClean && (await store.minimumRotationId()) === rotation.from + 1 && (await store.keptCount()) === 0;
    });
  }

  /** What was kept of a partition is not wanted any more, when the chain has the word of who has verified it. */
  #dropVerified({ partitions }: State, rotation: Rotation): void {
    for (const [index, job] of this.#jobs) {
      const { lease, outcome } = job;
      const isVerified = partitions.get(numberKey(index))?.stage === "verified";
      if (!isVerified || outcome?.tag !== "verified" || outcome.value !== "sound") continue;
      const range = { from: placeOf(lease.from), to: placeOf(lease.to) };
      this.#poolOf(rotation)
        .drop(range)
        .catch((error: unknown) => this.#note(error));
    }
  }

  #compact(rotation: Rotation): void {
    const { store } = this.#options.store;
    this.#compaction = this.#errand(this.#compaction, rotation, async () => {
      await removeCheckpoints(store);
      await store.compact();
      return true as const;
    });
  }

  /** Begins what is to be done once in a rotation, unless it has begun. */
  #errand<T>(errand: Errand<T> | null, { from }: Rotation, run: () => Promise<T>): Errand<T> {
    if (errand?.from === from) return errand;
    const begun: Errand<T> = { from, result: null };
    run().then(
      (result) => {
        begun.result = result;
      },
      (error: unknown) => {
        this.#note(error);
        if (!isPassing(error)) return;
        if (this.#bounds === begun) this.#bounds = null;
        else if (this.#count === begun) this.#count = null;
        else this.#compaction = null;
      },
    );
    return begun;
  }

  #endJobs(): void {
    for (const job of this.#jobs.values()) job[Symbol.dispose]();
    this.#jobs.clear();
    const pool = this.#pool;
    this.#pool = null;
    this.#fault = null;
    if (pool !== null)
      this.#ending = Promise.all([this.#ending, pool.threads[Symbol.asyncDispose]()]).then(() => undefined);
  }

  #note(error: unknown): void {
    // The rotation is over, and so is what threads had to do for it.
    if (error instanceof GatekeeperError && error.code === "POOL_CLOSED") return;
    this.#fault = error instanceof GatekeeperError ? error.code : "INTERNAL";
  }
}

/** Of how many partitions a store is to be. @param most - partitions of as few pages as may be. */
function partitionsOf(most: number): number {
  const small = Math.ceil((most * PARTITION_PAGES) / PARTITION_PAGES_WANTED);
  return Math.min(most, Math.max(PARTITIONS_WANTED, Math.min(small, PARTITIONS_MAX)));
}

/** Partitions that are promised, or leased. */
function promisedIn({ partitions }: State): number {
  return [...partitions.values()].filter(({ holder }) => holder !== null).length;
}

function resultOf<T>(errand: Errand<T> | null, { from }: Rotation): T | null {
  return errand?.from === from ? errand.result : null;
}

/** One who has certified compacts the store; if nothing comes of it in time, the next one does. */
function isTurn({ state, genesis }: Ledger, { certifiers, since }: Rotation, identityKey: PublicKey): boolean {
  const turn = Math.floor((state.height - since) / genesis.rotation.leaseBlocks);
  return certifiers.length > 0 && certifiers[turn % certifiers.length] === identityKey;
}

/** Whether something can be tried again that failed; or the ledger that is here is behind, and it will not be. */
function isPassing(error: unknown): boolean {
  return error instanceof GatekeeperError && ["STORE_BUSY", "STORE_FULL", "ROTATION_STATE"].includes(error.code);
}
