/**
 * Which of two stores serves while the states of a network are moved from one, the source, to another, the target.
 *
 * The chain decides that. A cell of each store says it, as of a block, and whoever reads or writes states goes by both, his
 * ledger and that cell, which he names in his commit (pruntime/store-switch.ts has the rule). A store without one serves. The
 * steps of a migration change both cells, one after the other, in an order that makes it harmless to be killed in between,
 * and each step may be done again, by anybody, at any time:
 *
 *   begin    the target becomes the mirror, then the source is mirrored.  In between: the mirror waits, the source serves.
 *   switch   the source is closed, then the target serves.                In between: none serves, and writers wait. So before
 *            that the target is written as it is: a disk without room for that leaves the source open.
 *   end      the source serves alone, then the target is closed.          In between: the mirror waits, the source serves.
 *
 * So there is never more than one that serves. Each step leaves a cell alone that is as of a later block than its own ledger's:
 * whoever was stopped in the middle of one and comes back later undoes nothing. And each puts right whatever else a cell says of
 * its migration: of one and the same migration a chain has either a switch or an end, so what says otherwise, as of a block that
 * this ledger has, was written by nobody who followed it. No cell is ever removed, and one that serves still names the migration
 * that it came out of.
 *
 * A store that is closed stays so until it is empty (rotation/empty-store.ts). Then it may be the target of another migration.
 */
import * as v from "valibot";
import { GatekeeperError } from "../errors.ts";
import type { Cell, CellExpectation, StateStore } from "./store.ts";

const CELL = "service";
/** What names of cells begin with that go with a store's states: of writes, of what was put aside, of work on partitions. */
export const STATE_CELLS = ["mirror/", "quarantine/", "rotation/"] as const;
const U32_MAX = 0xffff_ffff;

const block = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(U32_MAX));
const migration = {
  /** That the target's records are under. */
  rotationId: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(U32_MAX)),
  /** Id of the other store. */
  other: v.pipe(v.string(), v.regex(/^0x(?:[0-9a-f]{2})+$/)),
  /** From which on states may be copied: no two migrations have the same. */
  height: block,
  /** As of which block the cell says so: the ledger of who wrote it was there. */
  since: block,
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
  /** The block as of which it says so; null where there was no migration. */
  readonly since: number | null;
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
  /** The block from which on states may be copied: no two migrations have the same. */
  readonly height: number;
  /** Where the ledger is by whose word a step is done. */
  readonly now: number;
  /**
   * The block from which on the chain has what is asked for, where it matters that who does not have that block yet leaves it: a cell
   * that says it as of an earlier one was not written by who knew. Absent: any.
   */
  readonly decided?: number;
}

/** @throws GatekeeperError STORE_CORRUPT when the cell is malformed; STORE_*. */
export async function readService(store: StateStore): Promise<Service> {
  const cell = await store.cell(CELL);
  if (cell === null) {
    const nothing = { rotationId: null, other: null, height: null, since: null };
    return { state: "serves", ...nothing, cell: { name: CELL, expected: null } };
  }
  return { ...decode(cell), cell: { name: CELL, expected: cell.version } };
}

/** Whether a store that took part in a migration was its target: that takes nothing under the id before, from its beginning. */
export async function wasTarget(store: StateStore, { rotationId }: Service): Promise<boolean> {
  return rotationId !== null && (await store.minimumRotationId()) >= rotationId;
}

/** What whoever reads or writes states in a store is told that does not serve; detail.other is the store that does, or will. */
export function notServing({ state, other }: Service): GatekeeperError {
  const why = state === "closed" ? "is closed" : "is a mirror and does not serve yet";
  return new GatekeeperError("STORE_NOT_SERVING", `this store ${why}; use the store ${other}`, { other, state });
}

/**
 * Makes the target the source's mirror.
 * @throws GatekeeperError STORE_UNAVAILABLE when the target is no store that records under `rotationId` can come to: it is, or
 * was, in another migration and not emptied since, has records under another id or a higher minimum; ROTATION_STATE when a cell
 * is as of a later block, or the source is in another migration; STORE_*.
 */
export async function beginMirror(source: StateStore, target: StateStore, migration: StoreMigration): Promise<void> {
  const { sourceId, targetId } = migration;
  const before = await readService(source);
  if (before.state !== "mirrored" || !isOf(before, migration, targetId)) checkMayBegin(before, migration);
  await change(target, targetId, migration, { state: "mirror", other: sourceId }, async (now) => {
    if (isOf(now, migration, sourceId)) return;
    const why = await unfitFor(target, now, migration.rotationId);
    if (why !== null) throw unfit(targetId, why);
  });
  await change(source, sourceId, migration, { state: "mirrored", other: targetId }, (now) => {
    checkMayBegin(now, migration);
  });
}

/**
 * Closes the source and has the target serve: there is no way back.
 * @param source - null where it is lost, by the chain's word: should it turn up, it is closed then.
 * @throws GatekeeperError ROTATION_STATE when this migration never began there, or a cell is as of a later block; STORE_FULL, with
 * the source as it was, when there is no room in the target; STORE_*.
 */
export async function switchStores(
  source: StateStore | null,
  target: StateStore,
  migration: StoreMigration,
): Promise<void> {
  const { sourceId, targetId } = migration;
  await renew(target, migration);
  if (source !== null) {
    await change(source, sourceId, migration, { state: "closed", other: targetId }, (now) => {
      if (!isOf(now, migration, targetId)) throw wrongState(sourceId, now, migration);
    });
  }
  await change(target, targetId, migration, { state: "serves", other: sourceId }, (now) => {
    if (!isOf(now, migration, sourceId)) throw wrongState(targetId, now, migration);
  });
}

/**
 * Gives a migration up: the source serves alone, as ever, and the target is closed.
 * @param target - null where it is not to be had: then it stays a mirror, which nobody writes for any more.
 * @throws GatekeeperError ROTATION_STATE when a store is in another migration, or a cell is as of a later block; STORE_*.
 */
export async function endMirror(
  source: StateStore,
  target: StateStore | null,
  migration: StoreMigration,
): Promise<void> {
  const { sourceId, targetId } = migration;
  const close = async (): Promise<void> => {
    if (target === null) return;
    await change(target, targetId, migration, { state: "closed", other: sourceId }, (now) => {
      if (now.rotationId !== null && !isOf(now, migration, sourceId)) throw wrongState(targetId, now, migration);
    });
  };
  // Whoever has it serve before the chain does must not have two that do. One that can't be read serves nobody, and keeps nobody waiting.
  const serves = (store: StateStore): Promise<boolean> => readService(store).then(({ state }) => state === "serves");
  if (target !== null && (await serves(target).catch(() => false))) await close();
  await change(source, sourceId, migration, { state: "serves", other: targetId }, (now) => {
    // Where it never began, it is written all the same: else it could begin later.
    if (!isOf(now, migration, targetId) && !isFree(now, migration)) throw wrongState(sourceId, now, migration);
  });
  await close();
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
  const isOne = mirrored.height === mirror.height && [mirrored, mirror].every((each) => each.rotationId === rotationId);
  if (isOne && mirrored.state === "mirrored" && mirror.state === "mirror") return { source: mirrored, target: mirror };
  const message = `no store is mirrored by the other under rotation id ${rotationId}: they are ${mirrored.state} and ${mirror.state}`;
  throw new GatekeeperError("ROTATION_STATE", message, { rotationId });
}

/** Whether a store's part is one in this migration. */
function isOf(now: Service, { rotationId, height }: StoreMigration, other: string): boolean {
  return now.rotationId === rotationId && now.height === height && now.other === other;
}

/** @throws GatekeeperError ROTATION_STATE unless a source may come to be mirrored. */
function checkMayBegin(now: Service, migration: StoreMigration): void {
  const mayBegin = isOf(now, migration, migration.targetId) || isFree(now, migration);
  if (isLater(now, migration) || !mayBegin) throw wrongState(migration.sourceId, now, migration);
}

/** Whether a store serves alone, and came out of no migration but earlier ones. */
function isFree({ state, height }: Service, migration: StoreMigration): boolean {
  return state === "serves" && (height === null || height < migration.height);
}

/** Why a store can't become a mirror that is not one in this migration; null where it can. */
async function unfitFor(target: StateStore, now: Service, rotationId: number): Promise<string | null> {
  const minimum = await target.minimumRotationId();
  if (minimum > rotationId) return `its minimum rotation id is ${minimum}, above ${rotationId}`;
  const ids = [...(await target.countByRotationId()).keys()];
  if (now.rotationId === null) {
    const other = ids.find((id) => id !== rotationId);
    return other === undefined ? null : `it has records under rotation id ${other}`;
  }
  if (now.state !== "closed") return `it is in a migration already: it is ${now.state}`;
  // Those of a migration that was called off may be under the same id, and another MasterKey.
  const cells = await Promise.all(STATE_CELLS.map((prefix) => target.cells(prefix, null, 1)));
  const isEmpty = ids.length === 0 && (await target.keptCount()) === 0 && cells.flat().length === 0;
  return isEmpty ? null : "it was in a migration before, and is not empty yet";
}

/**
 * Has a store's cell say something, unless it does.
 * @param check - throws where it must not; the store's part may be one in this migration then, or in another one.
 */
async function change(
  store: StateStore,
  id: string,
  migration: StoreMigration,
  { state, other }: Pick<ServiceState, "state" | "other">,
  check: (now: Service) => void | Promise<void>,
): Promise<void> {
  const { rotationId, height, now: since, decided = 0 } = migration;
  for (;;) {
    const now = await readService(store);
    if (now.state === state && isOf(now, migration, other) && (now.since ?? 0) >= decided) return;
    if (isLater(now, migration)) throw wrongState(id, now, migration);
    await check(now);
    const said: ServiceState = { state, rotationId, other, height, since };
    const cells = [{ ...now.cell, value: new TextEncoder().encode(JSON.stringify(said)) }];
    // From the beginning, so that nothing under another id comes to lie there.
    const minimum = state === "mirror" ? { minimumRotationId: rotationId } : {};
    const { cellsHeld } = await store.commit({ groups: [], sealedUnder: null, cells, ...minimum });
    if (cellsHeld) return;
  }
}

/** Writes a mirror's cell as it is, as of now. */
async function renew(target: StateStore, migration: StoreMigration): Promise<void> {
  const { cell, ...now } = await readService(target);
  if (now.state !== "mirror" || !isOf({ cell, ...now }, migration, migration.sourceId)) return;
  const said = { ...now, since: Math.max(now.since!, migration.now) };
  const cells = [{ ...cell, value: new TextEncoder().encode(JSON.stringify(said)) }];
  // Where another has written it meanwhile, there was room for that.
  await target.commit({ groups: [], sealedUnder: null, cells });
}

/** Whether a cell was written by who knows more of the chain. */
function isLater(now: Service, migration: StoreMigration): boolean {
  return now.since !== null && now.since > migration.now;
}

function unfit(targetId: string, why: string): GatekeeperError {
  const message = `the states of a network can't be moved to the store ${targetId}: ${why}; name a new one`;
  return new GatekeeperError("STORE_UNAVAILABLE", message, { store: targetId });
}

function wrongState(id: string, { state, rotationId, since }: Service, migration: StoreMigration): GatekeeperError {
  const said = `the store ${id} is ${state} in the migration to rotation id ${rotationId}, as of block ${since}`;
  const message = `${said}: what a ledger at block ${migration.now} asks for of that to ${migration.rotationId} can't be done`;
  return new GatekeeperError("ROTATION_STATE", message, { store: id, state, rotationId: migration.rotationId });
}

function decode(cell: Cell): ServiceState {
  try {
    return v.parse(schema, JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(cell.value)));
  } catch (cause) {
    const detail = { cell: cell.name };
    throw new GatekeeperError("STORE_CORRUPT", `the cell ${cell.name} of the store is malformed`, detail, { cause });
  }
}
