/**
 * A sweep of a range, stretch by stretch: scan, re-encrypt what is still under the old rotation id, write back by
 * compare-and-swap together with the checkpoint, go on.
 *
 * A page that somebody else wrote meanwhile is not overwritten: the commit reports it, the checkpoint stays where it
 * was, and the same stretch is read again; what was done in it is skipped, as it no longer is under the old id.
 */
import { freeBytes } from "../bytes.ts";
import { CONTRACTS_REMEMBERED } from "../keys/contract-key-ring.ts";
import type { CellWrite, Page, PageRange, StateStore } from "../store/store.ts";
import { FAILURES_NAMED_MAX, type PartitionState, type Versioned, packRef, unpackRef } from "./control.ts";
import type { PageStep } from "./page-steps.ts";

/**
 * Page bytes of one commit: large enough that what it costs besides does not matter, small enough to retry and for writers to wait.
 * Measured with one thread: 4 MiB take a tenth less time than 1 MiB, 2 MiB half of that.
 */
const SWEEP_BYTES = 1 << 21;
/** Pages of one commit at most: each may be a contract of its own, and a ring gives keys of no more at once. */
export const SWEEP_PAGES = CONTRACTS_REMEMBERED;
/** A stretch with nothing to do is not worth a commit and its fsync; so many of them are: they show a living owner. */
const STRETCHES_WITHOUT_COMMIT = 8;

/** What a sweep's checkpoint holds, whatever else does. */
export type SweepState = Pick<
  PartitionState,
  "done" | "cursor" | "found" | "failed" | "failures" | "records" | "bytes"
>;

/** What was done with the first pages of a stretch. */
export interface Swept<S extends SweepState> {
  /** What it gave, for those of them where there was anything to do. */
  readonly steps: readonly PageStep[];
  /** How many of the pages were looked at; none: the sweep can't go on. */
  readonly pages: number;
  /** Cells that belong to a step, which is the only one then: cells are written when all pages are. */
  readonly cells?: readonly CellWrite[];
  /** What else it changes in the checkpoint. */
  readonly change?: Partial<S>;
}

/** A sweep of one range. */
export interface StretchSweep<S extends SweepState> {
  readonly store: StateStore;
  readonly range: PageRange;
  /** The rotation id that records go to. */
  readonly to: number;
  /** Asked between commits: true ends the sweep where it is. */
  readonly stopped: () => boolean;
  /** Waited for before each stretch is read. */
  readonly pause?: () => Promise<void>;
  /** Re-encrypts the first pages of a stretch, as many as it can. */
  readonly sweep: (pages: readonly Page[], state: S) => Promise<Swept<S>> | Swept<S>;
  /** The write that replaces the checkpoint. */
  readonly write: (checkpoint: Versioned<S>, value: S) => CellWrite;
}

/**
 * How a sweep ended: at the range's end; because the checkpoint is another's now; because it was told to stop; because
 * the next page can't be swept.
 */
export type StretchEnd = "done" | "lost" | "stopped" | "blocked";

/**
 * Sweeps a range from its checkpoint's cursor to its end.
 * @param checkpoint - as it is in the store.
 * @returns the end, and the checkpoint, which is in the store if the range is done or lost; else it may be ahead of that.
 */
export async function sweepStretches<S extends SweepState>(
  sweep: StretchSweep<S>,
  checkpoint: Versioned<S>,
): Promise<{ end: StretchEnd; checkpoint: Versioned<S> }> {
  const { store, range, to } = sweep;
  let bytes = SWEEP_BYTES;
  let unsaved = 0;
  for (;;) {
    await sweep.pause?.();
    if (sweep.stopped()) return { end: "stopped", checkpoint };
    const scanned = await store.scan(range, unpackRef(checkpoint.value.cursor), bytes);
    const pages = scanned.slice(0, SWEEP_PAGES);
    const swept = await sweep.sweep(pages, checkpoint.value);
    for (const { body } of scanned) freeBytes(body);
    if (pages.length > 0 && swept.pages === 0) return { end: "blocked", checkpoint };
    const last = pages[swept.pages - 1];
    const next = { ...count(checkpoint.value, swept.steps), ...swept.change };
    if (last !== undefined) next.cursor = packRef(last);
    // Whether anything is behind is looked up before the commit: half of those of small partitions would else say no more.
    if (swept.pages === pages.length && (last === undefined || (await store.scan(range, last, 1)).length === 0)) {
      next.done = true;
    }
    if (swept.steps.length === 0 && !next.done && unsaved < STRETCHES_WITHOUT_COMMIT) {
      unsaved++;
      checkpoint = { ...checkpoint, value: next };
      continue;
    }
    unsaved = 0;
    const writing = swept.steps.filter((step) => step.write !== null);
    const result = await store.commit({
      groups: writing.map((step) => [step.write!]),
      sealedUnder: writing.length === 0 ? null : to,
      cells: [sweep.write(checkpoint, next), ...(swept.cells ?? [])],
      mayBeLost: true,
    });
    if (!result.cellsHeld) return { end: "lost", checkpoint };
    if (result.conflicts.length === 0) {
      checkpoint = { ...checkpoint, version: checkpoint.version + 1, value: next };
      if (next.done) {
        // Here, and not with the last commit: others need not wait for the disk before they can write.
        await store.sync();
        return { end: "done", checkpoint };
      }
      bytes = SWEEP_BYTES;
      continue;
    }
    // Busy pages: the rest was written, so it is counted; less is read next, to get in between two of their writes.
    const applied = writing
      .filter((_, index) => !result.conflicts.includes(index))
      .map((step) => ({ ...step, failures: [] }));
    const partly = count(checkpoint.value, applied);
    const cells = [sweep.write(checkpoint, partly)];
    const counted = await store.commit({ groups: [], sealedUnder: null, cells, mayBeLost: true });
    if (!counted.cellsHeld) return { end: "lost", checkpoint };
    checkpoint = { ...checkpoint, version: checkpoint.version + 1, value: partly };
    bytes = Math.max(1, Math.floor(bytes / 8));
  }
}

function count<S extends SweepState>(state: S, steps: readonly PageStep[]): S {
  const failures = steps.flatMap((step) => step.failures);
  const records = steps.reduce((sum, step) => sum + step.records, 0);
  return {
    ...state,
    found: state.found + records + failures.length,
    failed: state.failed + failures.length,
    failures: [...state.failures, ...failures].slice(0, FAILURES_NAMED_MAX),
    records: state.records + records,
    bytes: state.bytes + steps.reduce((sum, step) => sum + step.bytes, 0),
  };
}
