/**
 * What the store remembers of rotations: one cell for the rotation as a whole, one for each partition. Everything
 * that several processes must agree on is here and changes by compare-and-swap; nothing here is secret.
 */
import * as v from "valibot";
import { fromHex, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { ROTATION_ID_MAX } from "../engine/sealed-state.ts";
import type { Cell, CellWrite, PageRange, PageRef, StateStore } from "../store/store.ts";

/**
 * Where a rotation stands, after Idle → KeyGeneration → Reencryption → Verification → Abandonment. The new
 * key is generated and sealed before the store hears of the rotation, so the store knows no KeyGeneration.
 */
export type Phase = "idle" | "reencryption" | "verification" | "abandonment";

/** From the switch on a rotation only goes forward. */
const NEXT: Readonly<Record<Phase, readonly Phase[]>> = {
  idle: ["reencryption"],
  reencryption: ["verification"],
  verification: ["verification", "abandonment"],
  abandonment: ["idle"],
};

const ROTATION_CELL = "rotation";
const PARTITION_PREFIX = "partition/";
/** More partitions than this are merged, so that reading and removing them all stays small. */
export const PARTITIONS_MAX = 4_096;
/** At most this many unopenable records are named for each partition; all are counted. */
export const FAILURES_NAMED_MAX = 100;

/** What cells' schemas are made of: a count, bytes in hex, a page's place. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const hex = v.pipe(v.string(), v.regex(/^0x(?:[0-9a-f]{2})*$/));
export const ref = v.strictObject({ contract: hex, lowerBound: hex });
/** Names of records, the first of more. */
export const names = v.array(v.strictObject({ contract: hex, key: hex }));
const rotationSchema = v.strictObject({
  /** New writes are sealed under this; while a rotation is under way, the generation before it is being left. */
  rotationId: v.pipe(count, v.maxValue(ROTATION_ID_MAX)),
  phase: v.picklist(["idle", "reencryption", "verification", "abandonment"]),
  /** How often the whole store has been swept in this rotation, the sweep under way included. */
  pass: count,
  /** Records and text bytes re-encrypted, and records that could not be opened, in the last finished rotation. */
  last: v.nullable(v.strictObject({ records: count, bytes: count, failed: count })),
});
const partitionSchema = v.strictObject({
  from: v.nullable(ref),
  to: v.nullable(ref),
  /** The pass that the fields below speak of. */
  pass: count,
  done: v.boolean(),
  /** Who sweeps it; names a thread, only to tell one from another. */
  owner: v.nullable(v.string()),
  /** The last page that is done. */
  cursor: v.nullable(ref),
  /** Records under the old rotation id that this pass met. */
  found: count,
  /** Of those, the ones that could not be opened; and the names of the first. */
  failed: count,
  failures: names,
  /** Re-encrypted in all passes. */
  records: count,
  bytes: count,
});

/** The rotation cell's content. */
export type RotationControl = v.InferOutput<typeof rotationSchema>;
/** A partition cell's content. */
export type PartitionState = v.InferOutput<typeof partitionSchema>;

/** A cell's content together with what compare-and-swap needs. */
export interface Versioned<T> {
  readonly name: string;
  readonly version: number;
  readonly value: T;
}

/**
 * The rotation cell.
 * @throws GatekeeperError STORE_UNAVAILABLE when the store was never initialised, STORE_CORRUPT when it is malformed.
 */
export async function readRotation(store: StateStore): Promise<Versioned<RotationControl>> {
  const cell = await store.cell(ROTATION_CELL);
  if (cell === null) {
    throw new GatekeeperError("STORE_UNAVAILABLE", "the store was never initialised: it has no rotation cell");
  }
  return { name: cell.name, version: cell.version, value: decode(rotationSchema, cell) };
}

/** The cell of a new store, under rotation id 0. */
export function firstRotation(): CellWrite {
  return { name: ROTATION_CELL, expected: null, value: encode({ rotationId: 0, phase: "idle", pass: 0, last: null }) };
}

/**
 * Makes a new store of the caller's ready for states and rotations, under rotation id 0.
 * @throws GatekeeperError ALREADY_EXISTS when it was done before; STORE_*.
 */
export async function initialiseStore(store: StateStore): Promise<void> {
  const { cellsHeld } = await store.commit({ groups: [], sealedUnder: null, cells: [firstRotation()] });
  if (!cellsHeld) throw new GatekeeperError("ALREADY_EXISTS", "the store was initialised before");
}

/**
 * The write that takes a rotation to its next phase.
 * @throws GatekeeperError ROTATION_STATE when there is no such step.
 */
export function advance(from: Versioned<RotationControl>, to: RotationControl): CellWrite {
  if (!NEXT[from.value.phase].includes(to.phase)) {
    throw new GatekeeperError("ROTATION_STATE", `a rotation does not go from ${from.value.phase} to ${to.phase}`);
  }
  return { name: from.name, expected: from.version, value: encode(to) };
}

/** The cells of a rotation's partitions, cut at the given pages. */
export function newPartitions(bounds: readonly PageRef[]): CellWrite[] {
  const places = [null, ...thin(bounds), null];
  return places.slice(0, -1).map((from, index) => ({
    name: `${PARTITION_PREFIX}${String(index).padStart(6, "0")}`,
    expected: null,
    value: encode({
      from: packRef(from),
      to: packRef(places[index + 1]!),
      pass: 0,
      done: false,
      owner: null,
      cursor: null,
      found: 0,
      failed: 0,
      failures: [],
      records: 0,
      bytes: 0,
    } satisfies PartitionState),
  }));
}

/**
 * All partitions of the rotation under way, in order; none when idle.
 * @throws GatekeeperError STORE_CORRUPT when one is malformed, or when together they leave out a part of the store:
 * a sweep of them would miss what lies there.
 */
export async function readPartitions(store: StateStore): Promise<Versioned<PartitionState>[]> {
  const cells = await store.cells(PARTITION_PREFIX, null, PARTITIONS_MAX);
  const partitions = cells.map(({ name, version, value }) => {
    return { name, version, value: decode(partitionSchema, { name, version, value }) };
  });
  for (const [index, { name, value }] of partitions.entries()) {
    const next = partitions[index + 1]?.value.from ?? null;
    const meetsNext = value.to?.contract === next?.contract && value.to?.lowerBound === next?.lowerBound;
    if (!meetsNext || (index === 0 && value.from !== null) || (index > 0 && value.from === null)) {
      throw new GatekeeperError(
        "STORE_CORRUPT",
        `the cell ${name} of the store does not begin or end where its neighbour does: partitions are missing or altered`,
        { cell: name },
      );
    }
  }
  return partitions;
}

/** The write that replaces a partition's state. */
export function writePartition(partition: Versioned<PartitionState>, value: PartitionState): CellWrite {
  return { name: partition.name, expected: partition.version, value: encode(value) };
}

/** The write that removes a partition. */
export function removePartition(partition: Versioned<PartitionState>): CellWrite {
  return { name: partition.name, expected: partition.version, value: null };
}

/** The range of pages that a partition covers. */
export function partitionRange(partition: PartitionState): PageRange {
  return { from: unpackRef(partition.from), to: unpackRef(partition.to) };
}

/** A page's place as it is kept in a cell. */
export function packRef(at: PageRef | null): PartitionState["cursor"] {
  return at === null ? null : { contract: toHex(at.contract), lowerBound: toHex(at.lowerBound) };
}

/** The place that `packRef` packed. */
export function unpackRef(at: PartitionState["cursor"]): PageRef | null {
  if (at === null) return null;
  return { contract: fromHex(at.contract, "contract"), lowerBound: fromHex(at.lowerBound, "lower bound") };
}

/** Every n-th bound, so that there are at most PARTITIONS_MAX partitions. */
function thin(bounds: readonly PageRef[]): PageRef[] {
  const step = Math.ceil((bounds.length + 1) / PARTITIONS_MAX);
  return bounds.filter((_, index) => (index + 1) % step === 0);
}

/** A cell's content from what a schema describes. */
export function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** The other way round. @throws GatekeeperError STORE_CORRUPT when it is not what the schema describes. */
export function decode<T extends v.GenericSchema>(schema: T, cell: Cell): v.InferOutput<T> {
  try {
    return v.parse(schema, JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(cell.value)));
  } catch (cause) {
    throw new GatekeeperError(
      "STORE_CORRUPT",
      `the cell ${cell.name} of the store is malformed`,
      { cell: cell.name },
      { cause },
    );
  }
}
