/**
 * The sweep of a partition that the chain has leased to this pRuntime. Every page that it replaces is kept aside by the
 * store, with what this pRuntime states of it, until another one has verified the partition.
 *
 * The store is shared by all pRuntimes of a network, and a lease may pass on while its holder still works: the checkpoint
 * names the holder, and every commit is one with it. Whoever takes it over goes on where it is.
 */
import type { PageEngine } from "../engine/page-engine.ts";
import { GatekeeperError } from "../errors.ts";
import type { Page, PageRange, PageRef, StateStore } from "../store/store.ts";
import { type Checkpoint, type LeasedPartition, sweepAnew, takeCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import type { Versioned } from "./control.ts";
import { missingKeysFrom } from "./missing-keys.ts";
import type { Pace } from "./pace.ts";
import { malformedStep, movePages, sortPages } from "./page-steps.ts";
import { cutAt } from "./partition-bounds.ts";
import type { PartitionKeys } from "./partition-keys.ts";
import { ownPages, type Receipt } from "./receipt.ts";
import { restore } from "./restore-leased.ts";
import { sweepStretches, type Swept } from "./stretches.ts";
import { otherFailures, putFirstAside, toBePutAside, unopenedIn, withKeys } from "./sweep-aside.ts";

/** What a thread needs to work on leased partitions. */
export interface LeasedContext {
  readonly store: StateStore;
  /** For this call alone: what it gives lasts until it is called again. */
  readonly engine: PageEngine;
  readonly keys: PartitionKeys;
  /** This pRuntime's IdentityKey. */
  readonly identity: Uint8Array;
  /** Asked between commits: true ends the work where it is. */
  readonly stopped: () => boolean;
  /** Absent: as fast as it goes. */
  readonly pace?: Pace;
}

/** What else a sweep is to do. */
export interface SweepLeasedOptions {
  /** Governance has said so: a record that can't be opened is put aside, and so is a page that makes no sense (quarantine.ts). */
  readonly quarantine?: boolean;
}

/** Where work ended that can go on later; keys are wanted of these contracts, at most 1,024 ids. */
export type LeasedPause =
  { readonly end: "missing"; readonly missingKeys: readonly Uint8Array[] } | { readonly end: "stopped" };

/** How a sweep ended; "lost": another holds the checkpoint, or a later attempt has begun. */
export type LeasedSweepEnd =
  { readonly end: "done"; readonly receipt: Receipt } | { readonly end: "lost" } | LeasedPause;

/**
 * Sweeps a leased partition from its checkpoint to its end. If it is not the first attempt, what the one before did wrong
 * is put right first (restore-leased.ts). A partition that is done gives its receipt again, unless there are records
 * that could not be opened: then it is swept once more.
 * @throws GatekeeperError ROTATION_STATE when the store is beyond this rotation; STORE_*, KEY_UNAVAILABLE, KERNEL_*.
 */
export async function sweepLeased(
  context: LeasedContext,
  partition: LeasedPartition,
  options: SweepLeasedOptions = {},
): Promise<LeasedSweepEnd> {
  const { store, keys } = context;
  await raiseMinimum(store, keys.to.rotationId);
  for (const bound of [partition.from, partition.to]) if (bound !== null) await cutAt(store, bound);
  const taken = await takeCheckpoint({ store, rotationId: keys.to.rotationId, identity: context.identity }, partition);
  if (taken === null) return { end: "lost" };
  const restored = await restore(context, partition, taken);
  if (restored.end !== "done") return restored;
  const { checkpoint } = restored;
  if (checkpoint.value.done && checkpoint.value.failed === 0) {
    // Whoever has done it may not have come so far.
    await store.sync();
    return done(context, partition, checkpoint.value);
  }
  return await sweep(context, partition, options, checkpoint);
}

/**
 * Raises a store's minimum rotation id, so that nothing more comes under the one before it.
 * @throws GatekeeperError ROTATION_STATE when it is higher already: that rotation is over.
 */
export async function raiseMinimum(store: StateStore, to: number): Promise<void> {
  const minimum = await store.minimumRotationId();
  if (minimum > to) {
    const message = `the store's minimum rotation id is ${minimum}: the rotation to ${to} is over`;
    throw new GatekeeperError("ROTATION_STATE", message, { minimum, rotationId: to });
  }
  if (minimum < to) await store.commit({ groups: [], sealedUnder: null, minimumRotationId: to });
}

async function sweep(
  context: LeasedContext,
  partition: LeasedPartition,
  options: SweepLeasedOptions,
  taken: Versioned<Checkpoint>,
): Promise<LeasedSweepEnd> {
  const { store, stopped } = context;
  const from = taken.value.done ? { ...taken, value: sweepAnew(taken.value) } : taken;
  // The page that the sweep could not go on with, for want of keys.
  let without: PageRef | null = null;
  const { end, checkpoint } = await sweepStretches(
    {
      store,
      range: partition,
      to: context.keys.to.rotationId,
      stopped,
      pause: async () => context.pace?.wait(stopped),
      sweep: async (pages, { quarantined }) => {
        const swept =
          options.quarantine === true
            ? await sweepAside(context, pages, quarantined)
            : sweepPages(context, pages, partition.attempt > 0);
        without = pages[swept.pages] ?? null;
        context.pace?.spend(bytesOf(pages.slice(0, swept.pages)));
        return swept;
      },
      write: writeCheckpoint,
    },
    from,
  );
  if (end === "lost") return { end };
  if (end === "done") return done(context, partition, checkpoint.value);
  const saved = await store.commit({
    groups: [],
    sealedUnder: null,
    cells: [writeCheckpoint(checkpoint, checkpoint.value)],
  });
  if (!saved.cellsHeld) return { end: "lost" };
  if (end === "stopped" || without === null) return { end: "stopped" };
  return { end: "missing", missingKeys: await missingKeysFrom(context, partition, without) };
}

async function done(context: LeasedContext, partition: PageRange, value: Checkpoint): Promise<LeasedSweepEnd> {
  const { pages, digest } = await ownPages(context.store, partition, context.identity);
  const { records, bytes, failed, failures, quarantined } = value;
  return { end: "done", receipt: { pages, records, bytes, failed, failures, quarantined, digest } };
}

/**
 * Sweeps pages up to the first whose keys are not at hand.
 * @param all - whether also what is where it was to go, and does not open, is to be named: somebody has found damage before.
 */
function sweepPages(context: LeasedContext, pages: readonly Page[], all = false): Swept<Checkpoint> {
  if (!all) return sweepBehind(context, pages);
  const known = withKeys(context, pages);
  // Before pages are moved: what that gives lasts until the engine's next call.
  const unopened = unopenedIn(context, known);
  const { steps, ...swept } = sweepBehind(context, known);
  return { ...swept, steps: [...steps, ...otherFailures(unopened, steps)] };
}

function sweepBehind(context: LeasedContext, pages: readonly Page[]): Swept<Checkpoint> {
  const { engine, keys, identity } = context;
  const { from, to } = keys;
  const sorted = sortPages(pages, to.rotationId);
  const pairs = pages.map(({ contract }, index) => (sorted[index] === "behind" ? keys.pair(contract) : null));
  const without = pairs.findIndex((pair, index) => pair === null && sorted[index] === "behind");
  const taken = without < 0 ? pages.length : without;
  const among =
    (kind: string) =>
    (_: unknown, index: number): boolean =>
      index < taken && sorted[index] === kind;
  const steps = movePages(
    { engine, from, to, by: identity },
    pages.filter(among("behind")),
    pairs.filter(among("behind")).map((pair) => pair!),
  );
  return { steps: [...pages.filter(among("malformed")).map(malformedStep), ...steps], pages: taken };
}

/**
 * Sweeps pages up to the first of which something is to be put aside; where that is the first of all, it is swept by itself, so
 * that no page is written without the cells that its records went to.
 */
async function sweepAside(
  context: LeasedContext,
  pages: readonly Page[],
  quarantined: number,
): Promise<Swept<Checkpoint>> {
  const known = withKeys(context, pages);
  const aside = toBePutAside(context, known);
  const first = aside.findIndex((each) => each !== null);
  if (first !== 0) return sweepPages(context, first < 0 ? known : known.slice(0, first));
  const { step, cells, records } = await putFirstAside(context, known[0]!, aside[0]!);
  return { steps: [step], pages: 1, cells, change: { quarantined: quarantined + records } };
}

function bytesOf(pages: readonly Page[]): number {
  return pages.reduce((sum, { body }) => sum + body.length, 0);
}
