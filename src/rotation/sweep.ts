/**
 * The sweep of one partition: scan, re-encrypt what is still under the old rotation id, write back by
 * compare-and-swap together with the checkpoint, go on.
 *
 * A page that somebody else wrote meanwhile is not overwritten: the commit reports it, the checkpoint stays where it
 * was, and the same stretch is read again; what was done in it is skipped, as it no longer is under the old id.
 */
import { GatekeeperError } from "../errors.ts";
import type { PageEngine, ReencryptJob, ReencryptOutcome } from "../engine/page-engine.ts";
import type { Suite } from "../engine/suite.ts";
import { freeBytes, toHex } from "../bytes.ts";
import { CONTRACTS_REMEMBERED, type ContractKeyRing } from "../keys/contract-key-ring.ts";
import { countRotationIds } from "../store/page.ts";
import type { Page, PageWrite, StateStore } from "../store/store.ts";
import {
  FAILURES_NAMED_MAX,
  type PartitionState,
  type Versioned,
  packRef,
  partitionRange,
  unpackRef,
  writePartition,
} from "./control.ts";

/**
 * Page bytes of one commit: large enough that its fsync does not matter, small enough to retry and for writers to wait.
 * Measured with one thread: 4 MiB take a tenth less time than 1 MiB, 2 MiB half of that.
 */
const SWEEP_BYTES = 1 << 21;
/** Pages of one commit at most: each may be a contract of its own, and the ring gives keys of no more at once. */
export const SWEEP_PAGES = CONTRACTS_REMEMBERED;
/** A stretch with nothing to do is not worth a commit and its fsync; so many of them are: they show a living owner. */
const STRETCHES_WITHOUT_COMMIT = 8;

/** What a thread needs to sweep. */
export interface SweepContext {
  readonly store: StateStore;
  readonly engine: PageEngine;
  readonly keys: ContractKeyRing;
  readonly suite: Suite;
  /** The rotation id that records leave, and the one that they go to. */
  readonly from: number;
  readonly to: number;
  /** Asked between commits: true ends the sweep where it is. */
  readonly stopped: () => boolean;
}

/** How a sweep ended: at the partition's end; because another worker took it over; because it was told to stop. */
export type SweepEnd = "done" | "lost" | "stopped";

/**
 * Sweeps a claimed partition from its cursor to its end.
 * @param partition - as this worker's claim wrote it.
 */
export async function sweepPartition(context: SweepContext, partition: Versioned<PartitionState>): Promise<SweepEnd> {
  const range = partitionRange(partition.value);
  let bytes = SWEEP_BYTES;
  let unsaved = 0;
  while (!context.stopped()) {
    const scanned = await context.store.scan(range, unpackRef(partition.value.cursor), bytes);
    const pages = scanned.slice(0, SWEEP_PAGES);
    const steps = reencryptPages(context, pages);
    for (const { body } of scanned) freeBytes(body);
    const last = pages.at(-1);
    const next = count(partition.value, steps, {
      done: last === undefined,
      cursor: last === undefined ? partition.value.cursor : packRef(last),
    });
    if (steps.length === 0 && !next.done && unsaved < STRETCHES_WITHOUT_COMMIT) {
      unsaved++;
      partition = { ...partition, value: next };
      continue;
    }
    unsaved = 0;
    const writing = steps.filter((step) => step.write !== null);
    const result = await context.store.commit({
      groups: writing.map((step) => [step.write!]),
      sealedUnder: writing.length === 0 ? null : context.to,
      cells: [writePartition(partition, next)],
    });
    if (!result.cellsHeld) return "lost";
    if (result.conflicts.length === 0) {
      if (next.done) return "done";
      bytes = SWEEP_BYTES;
      partition = { ...partition, version: partition.version + 1, value: next };
      continue;
    }
    // Busy pages: the rest was written, so it is counted; less is read next, to get in between two of their writes.
    const applied = writing
      .filter((_, index) => !result.conflicts.includes(index))
      .map((step) => ({ ...step, failures: [] }));
    const partly = count(partition.value, applied, {});
    const counted = await context.store.commit({
      groups: [],
      sealedUnder: null,
      cells: [writePartition(partition, partly)],
    });
    if (!counted.cellsHeld) return "lost";
    partition = { ...partition, version: partition.version + 1, value: partly };
    bytes = Math.max(1, Math.floor(bytes / 8));
  }
  // Given back, so that whoever goes on need not wait until the claim counts as abandoned.
  const free = writePartition(partition, { ...partition.value, owner: null });
  await context.store.commit({ groups: [], sealedUnder: null, cells: [free] });
  return "stopped";
}

/** What re-encrypting one page gave. */
interface Step {
  /** Null when no record of it could be re-encrypted. */
  readonly write: PageWrite | null;
  readonly records: number;
  readonly bytes: number;
  readonly failures: PartitionState["failures"];
}

function count(state: PartitionState, steps: readonly Step[], change: Partial<PartitionState>): PartitionState {
  const failures = steps.flatMap((step) => step.failures);
  const records = steps.reduce((sum, step) => sum + step.records, 0);
  return {
    ...state,
    found: state.found + records + failures.length,
    failed: state.failed + failures.length,
    failures: [...state.failures, ...failures].slice(0, FAILURES_NAMED_MAX),
    records: state.records + records,
    bytes: state.bytes + steps.reduce((sum, step) => sum + step.bytes, 0),
    ...change,
  };
}

/** Re-encrypts those of the pages that hold a record not yet under the new rotation id. */
function reencryptPages(context: SweepContext, pages: readonly Page[]): Step[] {
  const { suite, from, to } = context;
  const broken: Step[] = [];
  const behind = pages.filter((page) => {
    const ids = rotationIdsOf(page);
    if (ids === null) broken.push(malformed(page));
    return ids !== null && [...ids.keys()].some((id) => id !== to);
  });
  if (behind.length === 0) return broken;
  const contracts = behind.map(({ contract }) => contract);
  const keys = context.keys.materials(from, contracts);
  const newKeys = context.keys.materials(to, contracts);
  const jobs = behind.map(({ contract, body }, index): ReencryptJob => {
    return { contract, body, key: keys[index]!, newKey: newKeys[index]! };
  });
  const outcomes = context.engine.reencrypt({ suite, rotationId: from }, { suite, rotationId: to }, jobs);
  return [...broken, ...outcomes.map((outcome, index) => stepOf(behind[index]!, outcome, from, to))];
}

function stepOf(page: Page, outcome: ReencryptOutcome, from: number, to: number): Step {
  if (!outcome.wellFormed) return malformed(page);
  const { contract, lowerBound, version: expected } = page;
  const counts: PageWrite["counts"] = [
    [from, -outcome.done],
    [to, outcome.done],
  ];
  return {
    write: outcome.done === 0 ? null : { contract, lowerBound, expected, body: outcome.body, counts },
    records: outcome.done,
    bytes: outcome.bytes,
    failures: outcome.mismatched.map((key) => ({ contract: toHex(contract), key: toHex(key) })),
  };
}

/** The number of a page's records by rotation id, or null when its bytes make no sense. */
function rotationIdsOf(page: Page): ReadonlyMap<number, number> | null {
  try {
    return countRotationIds(page);
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return null;
    throw error;
  }
}

/** A page that can't be read is named by its lower bound; like a record that can't be opened, it blocks abandonment. */
function malformed(page: Page): Step {
  const failures = [{ contract: toHex(page.contract), key: toHex(page.lowerBound) }];
  return { write: null, records: 0, bytes: 0, failures };
}
