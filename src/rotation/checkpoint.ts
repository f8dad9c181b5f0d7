/**
 * What the store remembers of a leased partition, in a cell of its own that changes by compare-and-swap: how far it is
 * swept, by whom. Nothing here is secret, and nothing is believed: whoever alters it makes work for others, and what
 * was not done is found when the partition is verified.
 */
import * as v from "valibot";
import { toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import type { Cell, CellWrite, PageRange, StateStore } from "../store/store.ts";
import { count, decode, encode, hex, names, packRef, ref, type Versioned } from "./control.ts";

const PREFIX = "rotation/";
/** Cells that are read and removed at once. */
const CELLS_AT_ONCE = 256;

/** A partition that the chain has leased to this pRuntime. */
export interface LeasedPartition extends PageRange {
  /** Which of the rotation's partitions it is. */
  readonly index: number;
  /** How often it was found to be faulty or damaged: so often it is restored and swept anew. */
  readonly attempt: number;
}

/** What who copies has written, in all attempts: pages, and a digest of them. */
const copied = v.optional(v.nullable(v.strictObject({ pages: count, digest: hex })), null);

const checkpointSchema = v.strictObject({
  from: v.nullable(ref),
  to: v.nullable(ref),
  /** The attempt that the fields below speak of. */
  attempt: count,
  /** The pRuntime that has the lease, by its IdentityKey. */
  holder: hex,
  /** Whether what an earlier attempt did wrong was put right; and the last kept page that was looked at for that. */
  restored: v.boolean(),
  restoredTo: v.nullable(v.strictObject({ ...ref.entries, version: count })),
  /** The last page that is swept; of a copy, the place from which on it is to go on. */
  cursor: v.nullable(ref),
  done: v.boolean(),
  /** Records that this sweep met under another rotation id; those of them that could not be opened, and the first. */
  found: count,
  failed: count,
  failures: names,
  /** Records that were put aside because they could not be opened, in all attempts. */
  quarantined: count,
  /** What the holder re-encrypted, and what others did before it, in all attempts. */
  records: count,
  bytes: count,
  others: v.array(v.strictObject({ holder: hex, records: count, bytes: count, copied })),
  /** Null where the holder has copied nothing. */
  copied,
});

/** A checkpoint cell's content. */
export type Checkpoint = v.InferOutput<typeof checkpointSchema>;

/** What a checkpoint belongs to. */
export interface CheckpointOwner {
  readonly store: StateStore;
  /** The rotation id that records go to. */
  readonly rotationId: number;
  /** The pRuntime's IdentityKey. */
  readonly identity: Uint8Array;
}

/**
 * Makes the caller the holder of a partition's checkpoint, and makes the checkpoint one of this attempt: the next commit of
 * whoever held it before is refused. One that is malformed, or of a partition with other bounds, is as good as none: that must
 * not keep a partition from being swept for ever.
 * @returns null when the checkpoint is one of a later attempt: the caller's lease is over.
 * @throws GatekeeperError STORE_*.
 */
export async function takeCheckpoint(
  owner: CheckpointOwner,
  partition: LeasedPartition,
): Promise<Versioned<Checkpoint> | null> {
  const name = nameOf(owner.rotationId, partition.index);
  const holder = toHex(owner.identity);
  for (;;) {
    const cell = await owner.store.cell(name);
    const known = cell === null ? null : checkpointIn(cell, partition);
    if (known !== null && known.attempt > partition.attempt) return null;
    const value = withHolder(known ?? firstCheckpoint(partition, holder), holder);
    const current = value.attempt === partition.attempt ? value : beginAttempt(value, partition.attempt);
    if (cell !== null && current === known) return { name, version: cell.version, value: current };
    const write = { name, expected: cell?.version ?? null, value: encode(current) };
    // Nothing depends on it but what is written after it.
    const { cellsHeld } = await owner.store.commit({ groups: [], sealedUnder: null, cells: [write], mayBeLost: true });
    // A new cell's version is the store's choice: it is read, and with it, whether another has taken the cell since.
    if (cellsHeld && cell !== null) return { name, version: cell.version + 1, value: current };
  }
}

/** The write that replaces a checkpoint. */
export function writeCheckpoint(checkpoint: Versioned<Checkpoint>, value: Checkpoint): CellWrite {
  return { name: checkpoint.name, expected: checkpoint.version, value: encode(value) };
}

/** A checkpoint whose sweep begins anew. */
export function sweepAnew(value: Checkpoint): Checkpoint {
  return { ...value, cursor: null, done: false, found: 0, failed: 0, failures: [] };
}

/** Removes the checkpoints of all rotations, which is for when none is under way. */
export async function removeCheckpoints(store: StateStore): Promise<void> {
  for (;;) {
    const cells = await store.cells(PREFIX, null, CELLS_AT_ONCE);
    if (cells.length === 0) return;
    const writes = cells.map(({ name, version }) => ({ name, expected: version, value: null }));
    // Where another has begun to remove them, what is left is read again.
    await store.commit({ groups: [], sealedUnder: null, cells: writes });
  }
}

function nameOf(rotationId: number, index: number): string {
  return `${PREFIX}${rotationId - 1}-${rotationId}/${String(index).padStart(6, "0")}`;
}

/** Null for what is none of this partition. */
function checkpointIn(cell: Cell, { from, to }: PageRange): Checkpoint | null {
  try {
    const known = decode(checkpointSchema, cell);
    return isSamePlace(known.from, packRef(from)) && isSamePlace(known.to, packRef(to)) ? known : null;
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return null;
    throw error;
  }
}

function isSamePlace(a: Checkpoint["from"], b: Checkpoint["from"]): boolean {
  return a?.contract === b?.contract && a?.lowerBound === b?.lowerBound;
}

function firstCheckpoint({ from, to, attempt }: LeasedPartition, holder: string): Checkpoint {
  return {
    from: packRef(from),
    to: packRef(to),
    attempt,
    holder,
    // Where the cell of an earlier attempt was lost, there may be something to restore.
    restored: attempt === 0,
    restoredTo: null,
    cursor: null,
    done: false,
    found: 0,
    failed: 0,
    failures: [],
    quarantined: 0,
    records: 0,
    bytes: 0,
    others: [],
    copied: null,
  };
}

function beginAttempt(value: Checkpoint, attempt: number): Checkpoint {
  return { ...sweepAnew(value), attempt, restored: false, restoredTo: null };
}

/** The same object where nothing changes. */
function withHolder(value: Checkpoint, holder: string): Checkpoint {
  if (value.holder === holder) return value;
  const mine = value.others.find((other) => other.holder === holder) ?? { records: 0, bytes: 0, copied: null };
  const others = value.others.filter((other) => other.holder !== holder);
  if (value.records > 0 || value.copied !== null) {
    others.push({ holder: value.holder, records: value.records, bytes: value.bytes, copied: value.copied });
  }
  return { ...value, holder, records: mine.records, bytes: mine.bytes, copied: mine.copied, done: false, others };
}
