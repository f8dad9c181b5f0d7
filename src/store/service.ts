/**
 * Which of two stores serves while the states of a network are moved from one, the source, to another, the target.
 *
 * Each says it in a cell, and whoever writes states names that cell in his commit. A store without one serves. The steps
 * of a migration change both, one after the other, in an order that makes it harmless to be killed in between, and each
 * step may be done again, by anybody, at any time:
 *
 *   begin    the target becomes the mirror, then the source is mirrored.  In between: the mirror waits, the source serves.
 *   switch   the source is closed, then the target serves.                In between: none serves, and writers wait.
 *   end      the source serves alone, then the target is closed.          In between: the mirror waits, the source serves.
 *
 * So there is never more than one that serves. The source's cell decides between a switch and an end. No cell is ever
 * removed, and one that serves still names the migration that it came out of: whoever was stopped in the middle of a step
 * and comes back when that migration is over can't begin it anew. A store that is closed stays closed.
 */
import * as v from "valibot";
import { GatekeeperError } from "../errors.ts";
import type { Cell, CellExpectation, StateStore } from "./store.ts";

const CELL = "service";
const U32_MAX = 0xffff_ffff;

const migration = {
  /** That the target's records are under. */
  rotationId: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(U32_MAX)),
  /** Id of the other store. */
  other: v.pipe(v.string(), v.regex(/^0x(?:[0-9a-f]{2})+$/)),
  /** From which on states may be copied: no two migrations have the same. */
  height: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(U32_MAX)),
};
const schema = v.strictObject({
  /**
   * "mirrored": serves, and what is written is carried over to the other store before it is acknowledged. "mirror": is the
   * other one's mirror. "closed": the other one serves, or will. "serves": and nobody mirrors it any more.
   */
  state: v.picklist(["serves", "mirrored", "mirror", "closed"]),
  ...migration,
});

type ServiceState = v.InferOutput<typeof schema>;

/** A store's part in a migration. */
export interface Service {
  /** "serves" for a store that never took part in one. */
  readonly state: ServiceState["state"];
  /** What the states of the target are sealed under; null where there was no migration. */
  readonly rotationId: number | null;
  /** Id of the other store; null where there was no migration. */
  readonly other: string | null;
  /** The block from which on states may be copied in that migration; null where there was none. */
  readonly height: number | null;
  /** For commits that depend on it. */
  readonly cell: CellExpectation;
}

/** A migration from one store to another. */
export interface StoreMigration {
  /** That the target's records are to be under. */
  readonly rotationId: number;
  /** What the chain knows the stores by: 0x-hex. */
  readonly sourceId: string;
  readonly targetId: string;
  /** The block from which on states may be copied: what comes later has a greater one, and what is over can't begin anew. */
  readonly height: number;
}

/** @throws GatekeeperError STORE_CORRUPT when the cell is malformed; STORE_*. */
export async function readService(store: StateStore): Promise<Service> {
  const cell = await store.cell(CELL);
  if (cell === null) {
    return { state: "serves", rotationId: null, other: null, height: null, cell: { name: CELL, expected: null } };
  }
  return { ...decode(cell), cell: { name: CELL, expected: cell.version } };
}

/** What whoever reads or writes states in a store is told that does not serve; detail.other is the store that does, or will. */
export function notServing({ state, other }: Service): GatekeeperError {
  const why = state === "closed" ? "is closed" : "is a mirror and does not serve yet";
  return new GatekeeperError("STORE_NOT_SERVING", `this store ${why}; use the store ${other}`, { other, state });
}

/**
 * Makes the target the source's mirror.
 * @throws GatekeeperError STORE_UNAVAILABLE when the target is no store that records under `rotationId` can come to: it took
 * part in a migration before, has records under another id or a higher minimum; ROTATION_STATE when this migration is over,
 * or the source is in another one; STORE_*.
 */
export async function beginMirror(source: StateStore, target: StateStore, migration: StoreMigration): Promise<void> {
  const { rotationId, sourceId, targetId, height } = migration;
  const before = await readService(source);
  if (!is(before, "mirrored", rotationId, targetId)) checkMayBegin(before, migration);
  await change(target, async (now) => {
    if (is(now, "mirror", rotationId, sourceId)) return null;
    if (now.rotationId !== null) throw unfit(targetId, `it is in a migration already, or was: it is ${now.state}`);
    const minimum = await target.minimumRotationId();
    if (minimum > rotationId) throw unfit(targetId, `its minimum rotation id is ${minimum}, above ${rotationId}`);
    const other = [...(await target.countByRotationId()).keys()].find((id) => id !== rotationId);
    if (other !== undefined) throw unfit(targetId, `it has records under rotation id ${other}`);
    return { state: "mirror", rotationId, other: sourceId, height };
  });
  await change(source, (now) => {
    if (is(now, "mirrored", rotationId, targetId)) return null;
    checkMayBegin(now, migration);
    return { state: "mirrored", rotationId, other: targetId, height };
  });
}

/**
 * Closes the source and has the target serve: there is no way back.
 * @throws GatekeeperError ROTATION_STATE when the source is not mirrored by the target in this migration; STORE_*.
 */
export async function switchStores(source: StateStore, target: StateStore, migration: StoreMigration): Promise<void> {
  const { rotationId, sourceId, targetId, height } = migration;
  await change(source, (now) => {
    if (is(now, "closed", rotationId, targetId)) return null;
    if (!is(now, "mirrored", rotationId, targetId)) throw wrongState(sourceId, now, migration);
    return { state: "closed", rotationId, other: targetId, height };
  });
  await change(target, (now) => {
    if (is(now, "serves", rotationId, sourceId)) return null;
    if (!is(now, "mirror", rotationId, sourceId)) throw wrongState(targetId, now, migration);
    return { state: "serves", rotationId, other: sourceId, height };
  });
}

/**
 * Gives a migration up: the source serves alone, as ever, and the target is closed for good.
 * @param target - null where it is not to be had: then it stays a mirror, which nobody writes for any more.
 * @throws GatekeeperError ROTATION_STATE when the stores were switched, or are in another migration; STORE_*.
 */
export async function endMirror(
  source: StateStore,
  target: StateStore | null,
  migration: StoreMigration,
): Promise<void> {
  const { rotationId, sourceId, targetId, height } = migration;
  await change(source, (now) => {
    if (is(now, "serves", rotationId, targetId)) return null;
    // Where it never began, it is written all the same: else it could begin later.
    const isLater = now.height !== null && now.height > height;
    if (isLater || (now.state !== "serves" && !is(now, "mirrored", rotationId, targetId))) {
      throw wrongState(sourceId, now, migration);
    }
    return { state: "serves", rotationId, other: targetId, height };
  });
  if (target === null) return;
  await change(target, (now) => {
    if (is(now, "closed", rotationId, sourceId)) return null;
    if (now.rotationId !== null && !is(now, "mirror", rotationId, sourceId)) {
      throw wrongState(targetId, now, migration);
    }
    return { state: "closed", rotationId, other: sourceId, height };
  });
}

/**
 * What both stores say while one mirrors the other.
 * @throws GatekeeperError ROTATION_STATE when they don't.
 */
export async function readMirror(
  source: StateStore,
  target: StateStore,
  rotationId: number,
): Promise<{ source: Service; target: Service }> {
  const [mirrored, mirror] = [await readService(source), await readService(target)];
  if (mirrored.state === "mirrored" && mirrored.rotationId === rotationId) {
    if (mirror.state === "mirror" && mirror.rotationId === rotationId) return { source: mirrored, target: mirror };
  }
  const message = `no store is mirrored by the other under rotation id ${rotationId}: they are ${mirrored.state} and ${mirror.state}`;
  throw new GatekeeperError("ROTATION_STATE", message, { rotationId });
}

function is(now: Service, state: Service["state"], rotationId: number, other: string): boolean {
  return now.state === state && now.rotationId === rotationId && now.other === other;
}

/** @throws GatekeeperError ROTATION_STATE unless a source may come to be mirrored. */
function checkMayBegin(now: Service, migration: StoreMigration): void {
  const isOver = now.height !== null && now.height >= migration.height;
  if (now.state !== "serves" || isOver) throw wrongState(migration.sourceId, now, migration);
}

/** Writes what `next` makes of a store's part; null leaves it. */
async function change(
  store: StateStore,
  next: (now: Service) => ServiceState | null | Promise<ServiceState | null>,
): Promise<void> {
  for (;;) {
    const now = await readService(store);
    const state = await next(now);
    if (state === null) return;
    const value = new TextEncoder().encode(JSON.stringify(state));
    const cells = [{ ...now.cell, value }];
    // From the beginning, so that nothing under another id comes to lie there.
    const minimum = state.state === "mirror" ? { minimumRotationId: state.rotationId } : {};
    const { cellsHeld } = await store.commit({ groups: [], sealedUnder: null, cells, ...minimum });
    if (cellsHeld) return;
  }
}

function unfit(targetId: string, why: string): GatekeeperError {
  const message = `the states of a network can't be moved to the store ${targetId}: ${why}; name a new one`;
  return new GatekeeperError("STORE_UNAVAILABLE", message, { store: targetId });
}

function wrongState(id: string, now: Service, { rotationId }: StoreMigration): GatekeeperError {
  const message = `the store ${id} is ${now.state} in the migration to rotation id ${now.rotationId}: what was asked for of ${rotationId} can't be done`;
  return new GatekeeperError("ROTATION_STATE", message, { store: id, state: now.state, rotationId });
}

function decode(cell: Cell): ServiceState {
  try {
    return v.parse(schema, JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(cell.value)));
  } catch (cause) {
    const detail = { cell: cell.name };
    throw new GatekeeperError("STORE_CORRUPT", `the cell ${cell.name} of the store is malformed`, detail, { cause });
  }
}
