/** The sweep of one partition of a rotation whose sweepers hold whole MasterKeys. */
import type { PageEngine } from "../engine/page-engine.ts";
import type { Suite } from "../engine/suite.ts";
import type { ContractKeyRing } from "../keys/contract-key-ring.ts";
import type { Page, StateStore } from "../store/store.ts";
import { type PartitionState, type Versioned, partitionRange, writePartition } from "./control.ts";
import { malformedStep, movePages, type PageStep, sortPages } from "./page-steps.ts";
import { sweepStretches } from "./stretches.ts";

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
  const { store, to, stopped } = context;
  const range = partitionRange(partition.value);
  const sweep = (pages: readonly Page[]): { steps: PageStep[]; pages: number } => {
    return { steps: reencryptPages(context, pages), pages: pages.length };
  };
  const { end, checkpoint } = await sweepStretches(
    { store, range, to, stopped, sweep, write: writePartition },
    partition,
  );
  if (end === "done" || end === "lost") return end;
  // Given back, so that whoever goes on need not wait until the claim counts as abandoned.
  const free = writePartition(checkpoint, { ...checkpoint.value, owner: null });
  await store.commit({ groups: [], sealedUnder: null, cells: [free] });
  return "stopped";
}

/** Re-encrypts those of the pages that hold a record not yet under the new rotation id. */
function reencryptPages(context: SweepContext, pages: readonly Page[]): PageStep[] {
  const { engine, suite, from, to } = context;
  const sorted = sortPages(pages, to);
  const broken = pages.filter((_, index) => sorted[index] === "malformed").map(malformedStep);
  const behind = pages.filter((_, index) => sorted[index] === "behind");
  if (behind.length === 0) return broken;
  const contracts = behind.map(({ contract }) => contract);
  const keys = context.keys.materials(from, contracts);
  const newKeys = context.keys.materials(to, contracts);
  const pairs = keys.map((key, index) => ({ key, newKey: newKeys[index]! }));
  const move = { engine, from: { suite, rotationId: from }, to: { suite, rotationId: to }, by: null };
  return [...broken, ...movePages(move, behind, pairs)];
}
