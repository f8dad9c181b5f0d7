/**
 * A pRuntime's part in rotations of the network's store: it leases partitions, has its threads sweep or verify them, and says to
 * the chain what came of it. What it does follows from its ledger and the store alone, and nothing of it is sealed: one that starts
 * again leases again, and goes on in the store where it was.
 */
import { toHex, fromHex } from "../bytes.ts";
import { type ErrorCode, GatekeeperError } from "../errors.ts";
import type { PublicKey } from "../protocol/account.ts";
import type { Call, PartitionWork } from "../protocol/call.ts";
import type { Ledger } from "../protocol/ledger.ts";
import { keysOf } from "../protocol/key-session.ts";
import { isHolder, leasableBy, mayRotate } from "../protocol/partitions.ts";
import {
  LEASES_MAX,
  PARTITIONS_MAX,
  type PartitionBound,
  type Rotation,
  leasesOf,
  mayLease,
} from "../protocol/rotation.ts";
import { type State, numberKey } from "../protocol/state.ts";
import { removeCheckpoints } from "../rotation/checkpoint.ts";
import { partitionBoundsFor } from "../rotation/partition-bounds.ts";
import type { Generation } from "../rotation/partition-keys.ts";
import type { PartitionThreads, StartThreads } from "../rotation/partition-pool.ts";
import { emptyStore, isEmptied } from "../rotation/empty-store.ts";
import { settleCounts } from "../rotation/settle-counts.ts";
import type { NetworkStore } from "../store/network-store.ts";
import type { StateStore } from "../store/store.ts";
import { readMirror, readService, wasTarget } from "../store/service.ts";
import { PartitionJob, placeOf } from "./partition-job.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";
import type { Provisioning } from "./provisioning.ts";
import { StoreSwitch } from "./store-switch.ts";

/**
 * Partitions that are leased for each thread, at the least: those that it works on, and those for which keys come meanwhile.
 * A lease costs a block to get and one to give back, so that more are taken while there are many for each who takes part.
 */
const LEASES_PER_THREAD = 4;
/**
 * Partitions that a store is cut into: enough for those who take part, and no more, as each has its promise, its messages, a checkpoint
 * and a sync. And pages of one, at the least: with fewer these cost more than the work. Of a large store there are more partitions, up to
 * PARTITIONS_MAX, than that they have more pages: one that has leased its fair part is to be done with all of it in time.
 */
const PARTITIONS_WANTED = 64;
const PARTITION_PAGES = 64;
const PARTITION_PAGES_WANTED = 512;
/** With so many a rotation is rehearsed: fewer are done before a rehearsal would be. */
const PARTITIONS_REHEARSED = 16;
/** A cell among those of checkpoints, and its bytes. */
const ROOM_CELL = "rotation/room";
const ROOM_BYTES = 1 << 16;
/** Blocks that who has verified a partition is given to drop what was kept of it, before others do. */
const DROP_BLOCKS = 5;
/** Blocks before a lease's end, or a rotation's deadline, in which what came of it is said before what is owed to a key session. */
const PRESSING_BLOCKS = 3;

/** What it is made of; all of it is lent. */
export interface RotatorOptions {
  /** Starts what works on a store's partitions; the rotator ends it. */
  readonly startThreads: StartThreads;
  /** Those that are here: the network's, and the one that a migration goes to. */
  readonly stores: readonly NetworkStore[];
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

/** What a rotation works on. */
interface RotationStores {
  /** Where states are when it is over. */
  readonly store: NetworkStore;
  /** Where a migration copies them from; null where they are there. */
  readonly source: NetworkStore | null;
}

/** Something that is done once, beside the following of the chain. */
interface Errand<T> {
  /** What it is for: the block of a rotation's switch, which no other has; null where it is for none. */
  readonly key: number | null;
  /** Null before it is done. */
  result: T | null;
}

/** One pRuntime's. Dispose ends its threads, and with them what their memory has of keys. */
export class Rotator implements AsyncDisposable {
  readonly #options: RotatorOptions;
  readonly #switch: StoreSwitch;
  readonly #jobs = new Map<number, PartitionJob>();
  #pool: { readonly switchHeight: number | null; readonly threads: PartitionThreads } | null = null;
  #bounds: Errand<readonly PartitionBound[]> | null = null;
  #count: Errand<boolean> | null = null;
  #compaction: Errand<true> | null = null;
  #emptying: Errand<true> | null = null;
  /** Since when all partitions are verified. */
  #verifiedAt: { readonly switchHeight: number | null; readonly height: number } | null = null;
  /** Why the work that is under way does not succeed; null where it does. */
  #fault: ErrorCode | null = null;
  /** The rotation and phase that it is, or would be, of. */
  #faultIn: string | null = null;
  #ending: Promise<void> = Promise.resolve();

  constructor(options: RotatorOptions) {
    this.#options = options;
    this.#switch = new StoreSwitch(options.stores, (error) => this.#note(error));
  }

  /** Why work on the store failed here in the rotation that is under way; null where it did not. The chain is followed all the same. */
  get fault(): ErrorCode | null {
    return this.#fault;
  }

  /** Begins and ends work as the ledger has it. */
  follow(ledger: Ledger, provisioning: Provisioning): void {
    const { state } = ledger;
    const { rotation } = state;
    const phase = rotation === null ? null : `${rotation.from} ${rotation.phase}`;
    if (phase === null || phase !== this.#faultIn) this.#fault = null;
    this.#faultIn = phase;
    this.#switch.follow(state);
    const work = this.#workOf(state);
    // Of one that was given up, the next has the number, and its partitions theirs: who missed that has worked on other leases.
    if (this.#pool !== null && this.#pool.switchHeight !== rotation?.switchHeight) this.#endJobs();
    // One that was given up may be begun again when the store has grown.
    if (rotation === null) this.#bounds = null;
    // Before it can be said: the store is read meanwhile.
    if (rotation?.phase === "keyGeneration" && work !== null) this.#cut(rotation, work);
    if (rotation === null || work === null || !mayLease(rotation)) {
      this.#endJobs();
    } else {
      this.#dropVerified(state, rotation, work);
      this.#followLeases(state, rotation, work, provisioning);
      if (rotation.partitions === null) this.#cut(rotation, work);
      if (rotation.phase === "verification" && rotation.verified === rotation.partitions)
        this.#countLeft(state, rotation, work);
    }
    const isOurs = work !== null && rotation?.phase === "abandonment";
    // What a migration leaves is emptied when the other store serves: the rotation is not over before.
    const isInForce = work?.source == null || (rotation !== null && this.#switch.isSwitched(rotation));
    if (isOurs && isInForce && isTurn(ledger, rotation, this.#options.identityKey)) {
      this.#compact(rotation, work);
    }
    this.#emptyCopies(ledger);
    this.wake();
  }

  /** Keys may have come. */
  wake(): void {
    for (const job of this.#jobs.values()) job.wake();
  }

  /** What there is to say to the chain; null where there is nothing. */
  dueCall(ledger: Ledger): Call | null {
    const { state } = ledger;
    const { stores } = this.#options;
    if (state.stateStore === null) return { tag: "announceStore", value: stores[0]!.id };
    const { rotation } = state;
    if (rotation === null || this.#workOf(state) === null) return null;
    const rotationId = rotation.from + 1;
    switch (rotation.phase) {
      case "keyGeneration":
      case "reencryption":
      case "verification": {
        if (!mayLease(rotation)) return null;
        const bounds = resultOf(this.#bounds, rotation.from);
        if (rotation.partitions === null) {
          return bounds === null ? null : { tag: "recordPartitions", value: { rotationId, bounds } };
        }
        return this.#dueWork(ledger, rotationId) ?? this.#dueCertification(state);
      }
      case "abandonment":
        return !rotation.compacted && resultOf(this.#compaction, rotation.switchHeight) === true
          ? { tag: "declareCompacted", value: rotationId }
          : null;
    }
  }

  /** Whether what is done can be said later in a block's time, with what is done by then: work is under way, and nothing of it ends. */
  mayWait({ state }: Ledger): boolean {
    const { rotation, height } = state;
    const isAtWork = [...this.#jobs.values()].some(({ outcome }) => outcome === null);
    return rotation !== null && isAtWork && this.#firstDeadline(state) > height + 1;
  }

  /**
   * What came of a lease that is almost over, or that nothing is left where all would almost be done anew: a key session asks for a word in
   * each of its phases, so that it would be too late before there is nothing else to say. Null where there is none, or the session's
   * phase is over no later: else that might fail. What is owed to none comes first: it is one word.
   */
  pressingCall(ledger: Ledger): Call | null {
    const { state } = ledger;
    const { rotation, keySession, height } = state;
    if (rotation === null || keySession === null || this.#workOf(state) === null) return null;
    const first = this.#firstDeadline(state);
    const isPressing = first - height <= PRESSING_BLOCKS && first < keySession.deadline;
    return isPressing ? (this.#dueWork(ledger, rotation.from + 1) ?? this.#dueCertification(state)) : null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#endJobs();
    await this.#ending;
  }

  /** What it may work on; null where it may not, or where a store is not here. */
  #workOf(state: State): RotationStores | null {
    if (!mayRotate(state, this.#options.identityKey)) return null;
    const { rotation } = state;
    const source = rotation?.source ?? null;
    const store = this.#switch.store(source === null ? state.stateStore : rotation!.migration!.store);
    if (store === null) return null;
    if (source === null) return { store, source: null };
    const from = this.#switch.store(source);
    return from === null ? null : { store, source: from };
  }

  /** Of what could be said: when a lease ends, or all is done anew; infinite where there is nothing. */
  #firstDeadline(state: State): number {
    const leases = leasesOf(state, this.#options.identityKey);
    const done = leases.filter(({ index }) => (this.#jobs.get(index)?.outcome ?? null) !== null);
    const deadlines = done.map(({ deadline }) => deadline);
    if (this.#dueCertification(state) !== null) deadlines.push(state.rotation!.deadline);
    return Math.min(...deadlines);
  }

  #dueCertification(state: State): Call | null {
    const { identityKey } = this.#options;
    const { from, phase, switchHeight, verified, partitions, certifiers } = state.rotation!;
    const isClean = phase === "verification" && verified === partitions && resultOf(this.#count, switchHeight) === true;
    if (!isClean || !isHolder(state, identityKey) || certifiers.includes(identityKey)) return null;
    return { tag: "certifyRotation", value: { rotationId: from + 1, switchHeight: switchHeight! } };
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
    // Of few partitions no more than its threads work on at a time, or twice its fair part: others would have none.
    const enough = Math.max(LEASES_PER_THREAD, pace.threads, 2 * fair);
    const room = Math.min(LEASES_MAX, Math.max(fair, Math.min(LEASES_PER_THREAD * pace.threads, enough))) - atWork;
    const wanted = Math.min(Math.max(room, 0), leasable);
    return done.length + wanted === 0 ? null : { tag: "workPartitions", value: { rotationId, done, wanted } };
  }

  #followLeases(state: State, rotation: Rotation, work: RotationStores, provisioning: Provisioning): void {
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
      const { keys } = this.#options;
      const [from, to] = generationsOf(state, rotation);
      const pool = this.#poolOf(state, rotation, work);
      const { store } = work.source ?? work.store;
      const source = work.source?.location ?? null;
      const tools = { store, source, pool, keys, provisioning, from, to };
      this.#jobs.set(index, new PartitionJob(lease, tools));
    }
    // Until the switch nothing may be sealed under the new generation; and nothing copied before writers write both stores.
    const mayBegin = rotation.phase !== "keyGeneration" && (work.source === null || this.#switch.isMirrored(rotation));
    if (mayBegin) for (const job of this.#jobs.values()) job.begin();
  }

  #poolOf(state: State, rotation: Rotation, { store }: RotationStores): PartitionThreads {
    const { switchHeight } = rotation;
    if (this.#pool?.switchHeight === switchHeight) return this.#pool.threads;
    const { pace, identityKey, startThreads } = this.#options;
    const { threads, bytesPerSecond } = pace;
    const identity = fromHex(identityKey, "an IdentityKey");
    const limit = bytesPerSecond === null ? {} : { bytesPerSecond };
    const pool = startThreads(store, { identity, threads, ...limit });
    this.#pool = { switchHeight, threads: pool };
    if (rotation.partitions! >= PARTITIONS_REHEARSED) {
      const [from, to] = generationsOf(state, rotation);
      pool.rehearse(from, to).catch((error: unknown) => this.#note(error));
    }
    return pool;
  }

  /** Where the store is to be cut: everybody finds out, and the first who says it is heard. */
  #cut(rotation: Rotation, work: RotationStores): void {
    const { store } = work.source ?? work.store;
    this.#bounds = this.#errand(this.#bounds, rotation.from, async () => {
      const most = (await store.partitionBounds(PARTITION_PAGES)).length + 1;
      const bounds = await partitionBoundsFor(store, partitionsOf(most));
      return bounds.map(({ contract, lowerBound }) => ({ contract: toHex(contract), key: lowerBound }));
    });
  }

  /** Whether nothing is left under the generation that is left, and nothing can come under it: asked until it is so. */
  #countLeft(state: State, rotation: Rotation, work: RotationStores): void {
    const { height } = state;
    const { store } = work.store;
    const source = work.source?.store ?? null;
    const { switchHeight } = rotation;
    if (this.#count?.key === switchHeight && this.#count.result === false) this.#count = null;
    if (this.#verifiedAt?.switchHeight !== switchHeight) this.#verifiedAt = { switchHeight, height };
    const mayDrop = height - this.#verifiedAt.height >= DROP_BLOCKS;
    this.#count = this.#errand(this.#count, switchHeight, async () => {
      if (mayDrop) await this.#poolOf(state, rotation, work).drop({ from: null, to: null });
      if (source !== null) {
        // One that is a mirror no longer lacks what was written since.
        await readMirror(source, store, rotation.from + 1);
        // One without room could not begin to serve when the chain has it do so; until then the other one does.
        await writeRoom(store);
      }
      const isClean = (await settleCounts(store, rotation.from + 1)) && (await store.keptCount()) === 0;
      // What is certified is on disk.
      if (isClean) await store.sync();
      return isClean;
    });
  }

  /** What was kept of a partition is not wanted any more, when the chain has the word of who has verified it. */
  #dropVerified(state: State, rotation: Rotation, work: RotationStores): void {
    for (const [index, job] of this.#jobs) {
      const { lease, outcome } = job;
      const isVerified = state.partitions.get(numberKey(index))?.stage === "verified";
      if (!isVerified || outcome?.tag !== "verified" || !["sound", "overwritten"].includes(outcome.value)) continue;
      const range = { from: placeOf(lease.from), to: placeOf(lease.to) };
      this.#poolOf(state, rotation, work)
        .drop(range)
        .catch((error: unknown) => this.#note(error));
    }
  }

  #compact(rotation: Rotation, { store: { store }, source }: RotationStores): void {
    this.#compaction = this.#errand(this.#compaction, rotation.switchHeight, async () => {
      await removeCheckpoints(store);
      if (source !== null) await emptyStore(source.store, store);
      await (source?.store ?? store).compact();
      return true as const;
    });
  }

  /** Empties what a migration has filled that was called off: with the MasterKey that was made for it, nothing of it is of use. */
  #emptyCopies({ state, genesis }: Ledger): void {
    const { rotation, height, stateStore, rotationEnded } = state;
    const { stores, identityKey } = this.#options;
    const turn = Math.floor((height - rotationEnded) / genesis.rotation.leaseBlocks);
    const holders = keysOf(state.sharings.at(-1)?.members ?? []).filter((key) => isHolder(state, key));
    if (holders[turn % holders.length] !== identityKey) return;
    // Whenever it has not begun: others may close one at any time.
    if (this.#emptying?.result === true) this.#emptying = null;
    this.#emptying = this.#errand(this.#emptying, null, async () => {
      for (const { id, store } of stores) {
        const service = await readService(store);
        const isLeft = id !== stateStore && service.state === "closed" && service.since! <= height;
        // That of the one that is under way nobody has closed but a liar.
        if (
          !isLeft ||
          service.height === rotation?.switchHeight ||
          !(await wasTarget(store, service)) ||
          (await isEmptied(store))
        )
          continue;
        await emptyStore(store, null);
        await store.compact();
      }
      return true as const;
    });
  }

  /** Begins what is to be done once in a rotation, unless it has begun. */
  #errand<T>(errand: Errand<T> | null, key: number | null, run: () => Promise<T>): Errand<T> {
    if (errand !== null && errand.key === key) return errand;
    const begun: Errand<T> = { key, result: null };
    run().then(
      (result) => {
        begun.result = result;
      },
      (error: unknown) => {
        this.#note(error);
        if (this.#emptying === begun) this.#emptying = null;
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
    if (pool !== null)
      this.#ending = Promise.all([this.#ending, pool.threads[Symbol.asyncDispose]()]).then(() => undefined);
  }

  #note(error: unknown): void {
    // The rotation is over, and so is what threads had to do for it.
    if (error instanceof GatekeeperError && error.code === "POOL_CLOSED") return;
    this.#fault = error instanceof GatekeeperError ? error.code : "INTERNAL";
  }
}

/** The generation that a rotation leaves, and the one that it goes to, as the ledger has them. */
function generationsOf({ sharings }: State, { from }: Rotation): [from: Generation, to: Generation] {
  const generation = (rotationId: number): Generation => {
    const { keySuite, cipherSuite } = sharings.find((sharing) => sharing.rotationId === rotationId)!;
    return { rotationId, keySuite, suite: cipherSuite };
  };
  return [generation(from), generation(from + 1)];
}

/** Writes more to a store than a switch does, among what is removed with the rotation. @throws GatekeeperError STORE_FULL; STORE_*. */
async function writeRoom(store: StateStore): Promise<void> {
  const expected = (await store.cell(ROOM_CELL))?.version ?? null;
  const cells = [{ name: ROOM_CELL, expected, value: new Uint8Array(ROOM_BYTES) }];
  // Where another has written it meanwhile, there was room for that.
  await store.commit({ groups: [], sealedUnder: null, cells });
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

function resultOf<T>(errand: Errand<T> | null, key: number | null): T | null {
  return errand !== null && errand.key === key ? errand.result : null;
}

/**
 * One who has certified compacts the store; if nothing comes of it in time, the next one does, and then the other holders of
 * shares: those who certified may hold none any more, and the chain would not hear of it from them.
 */
function isTurn({ state, genesis }: Ledger, { certifiers, since }: Rotation, identityKey: PublicKey): boolean {
  const members = state.sharings.at(-1)?.members ?? [];
  const holders = members.map((member) => member.identityKey).filter((key) => isHolder(state, key));
  const certified = certifiers.filter((key) => holders.includes(key));
  const order = [...certified, ...holders.filter((key) => !certified.includes(key))];
  const turn = Math.floor((state.height - since) / genesis.rotation.leaseBlocks);
  return order.length > 0 && order[turn % order.length] === identityKey;
}

/** Whether something can be tried again that failed; or the ledger that is here is behind, and it will not be. */
function isPassing(error: unknown): boolean {
  return error instanceof GatekeeperError && ["STORE_BUSY", "STORE_FULL", "ROTATION_STATE"].includes(error.code);
}
