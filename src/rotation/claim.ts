/**
 * How sweepers share partitions: each claims one that nobody works on, sweeps it and takes the next. A claim is a
 * compare-and-swap like everything else, and a double claim would only waste work: pages are compared too.
 */
import type { StateStore } from "../store/store.ts";
import { type PartitionState, type Versioned, readPartitions, writePartition } from "./control.ts";
import { type SweepContext, sweepPartition } from "./sweep.ts";

/** One sweeper among several. */
export interface Sweeper {
  /** Names this sweeper in its claims; no two alive share a name. */
  readonly owner: string;
  /** The pass that is under way. */
  readonly pass: number;
  /** Where in the list of partitions to begin, from 0 to 1, so that sweepers rarely reach for the same one. */
  readonly begin: number;
  /** Claims whose owner is presumed dead, as they were seen: one that has moved since is not taken over. */
  readonly abandoned: readonly AbandonedClaim[];
}

/** A partition's cell as a dead owner left it. */
export interface AbandonedClaim {
  readonly name: string;
  readonly version: number;
}

/** Whether a partition still has work in this pass. */
export function isOpen(partition: PartitionState, pass: number): boolean {
  return partition.pass < pass || (partition.pass === pass && !partition.done);
}

/** Claims and sweeps until no partition is left that may be claimed, or until told to stop. */
export async function sweepClaimed(context: SweepContext, sweeper: Sweeper): Promise<void> {
  const abandoned = new Map(sweeper.abandoned.map(({ name, version }) => [name, version]));
  for (;;) {
    const partitions = await readPartitions(context.store);
    const begin = Math.floor(partitions.length * sweeper.begin);
    const inOrder = [...partitions.slice(begin), ...partitions.slice(0, begin)];
    const free = inOrder.filter((partition) =>
      mayClaim(partition.value, sweeper.pass, abandoned.get(partition.name) === partition.version),
    );
    if (free.length === 0) return;
    for (const partition of free) {
      if (context.stopped()) return;
      const claimed = await claim(context.store, partition, sweeper);
      // Others have come this far: what they hold or have done by now is read again, rather than tried one by one.
      if (claimed === null) break;
      if ((await sweepPartition(context, claimed)) === "stopped") return;
    }
  }
}

function mayClaim(partition: PartitionState, pass: number, abandoned: boolean): boolean {
  return isOpen(partition, pass) && (partition.pass < pass || partition.owner === null || abandoned);
}

async function claim(
  store: StateStore,
  partition: Versioned<PartitionState>,
  { owner, pass }: Sweeper,
): Promise<Versioned<PartitionState> | null> {
  const fresh = partition.value.pass < pass;
  const value: PartitionState = fresh
    ? { ...partition.value, pass, done: false, owner, cursor: null, found: 0, failed: 0, failures: [] }
    : { ...partition.value, owner };
  const result = await store.commit({ groups: [], sealedUnder: null, cells: [writePartition(partition, value)] });
  return result.cellsHeld ? { name: partition.name, version: partition.version + 1, value } : null;
}
