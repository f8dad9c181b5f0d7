/** The states of a store that a migration has left, or that one which was called off has filled: they are deleted, all of them. */
import { GatekeeperError } from "../errors.ts";
import { replacePage } from "../store/page-edit.ts";
import { carryQuarantined } from "../store/quarantine.ts";
import { readService, STATE_CELLS } from "../store/service.ts";
import type { CellExpectation, Commit, PageRef, StateStore } from "../store/store.ts";
import { readRecords } from "./kept-page.ts";
import { dropKept } from "./verify-leased.ts";

/** Page bytes that are deleted in one commit. */
const EMPTY_BYTES = 1 << 22;
/** Cells that are removed at once, and contracts that are looked at. */
const AT_ONCE = 256;
const EVERYTHING = { from: null, to: null };

/**
 * Deletes all records of a store that is closed, what was kept or put aside of them, and what is remembered of work on them; what
 * is to be unreadable in its file, too, is compacted after that. Where it was interrupted, it is done again.
 * @param serving - the store in its place, which what was put aside goes to first, sealed as it is; null where that one has it
 * all the same, because this one was a copy.
 * @throws GatekeeperError ROTATION_STATE when the store is not closed, or not any more: then nothing is deleted from there on;
 * STORE_*.
 */
export async function emptyStore(store: StateStore, serving: StateStore | null): Promise<void> {
  const closed = await closedCell(store);
  if (serving !== null) await carryQuarantined(store, serving);
  for (let after: PageRef | null = null; ;) {
    const pages = await store.scan(EVERYTHING, after, EMPTY_BYTES);
    const last = pages.at(-1);
    if (last === undefined) break;
    const groups = pages.flatMap((page) => {
      const records = readRecords(page);
      return records?.length === 0 ? [] : [replacePage(page, records ?? [], [], 0n)];
    });
    // Nobody writes a closed store but another that deletes.
    if (await commit(store, closed, { groups, sealedUnder: null })) after = last;
  }
  await dropKept(store, EVERYTHING);
  for (const prefix of STATE_CELLS) await removeCells(store, closed, prefix);
  await countNothing(store, closed);
}

/** Whether a store has nothing that `emptyStore` would delete. */
export async function isEmptied(store: StateStore): Promise<boolean> {
  if ((await store.countByRotationId()).size > 0 || (await store.keptCount()) > 0) return false;
  for (const prefix of STATE_CELLS) if ((await store.cells(prefix, null, 1)).length > 0) return false;
  return true;
}

async function closedCell(store: StateStore): Promise<CellExpectation> {
  const { state, cell } = await readService(store);
  if (state === "closed") return cell;
  throw new GatekeeperError("ROTATION_STATE", `the store ${state}: its states are not to be deleted`, { state });
}

/** @returns whether all of it was applied. @throws GatekeeperError ROTATION_STATE when the store is not closed any more. */
async function commit(store: StateStore, closed: CellExpectation, change: Commit): Promise<boolean> {
  const { conflicts, cellsHeld } = await store.commit({ ...change, expects: [closed] });
  // The other cells may have been another's to remove.
  if (!cellsHeld && (await closedCell(store)).expected !== closed.expected) {
    throw new GatekeeperError("ROTATION_STATE", "the store was closed anew while its states were deleted");
  }
  return cellsHeld && conflicts.length === 0;
}

async function removeCells(store: StateStore, closed: CellExpectation, prefix: string): Promise<void> {
  for (;;) {
    const cells = await store.cells(prefix, null, AT_ONCE);
    if (cells.length === 0) return;
    const removed = cells.map(({ name, version }) => ({ name, expected: version, value: null }));
    await commit(store, closed, { groups: [], sealedUnder: null, cells: removed });
  }
}

/** Pages that made no sense are gone, and what they were counted as is not. */
async function countNothing(store: StateStore, closed: CellExpectation): Promise<void> {
  for (;;) {
    const counts = [...(await store.countByRotationId())];
    const [first] = counts;
    if (first === undefined) return;
    // As much as each contract is said to have; what is left then, of whichever.
    for (let after: Uint8Array | null = null; ;) {
      const entries = await store.contracts(after, AT_ONCE);
      after = entries.at(-1)?.id ?? null;
      if (after === null) break;
      for (const { id, records } of entries) {
        if (records > 0) await uncount(store, closed, id, [[first[0], -records]]);
      }
    }
    const [page] = await store.scan(EVERYTHING, null, 1);
    if (page === undefined) return;
    await uncount(
      store,
      closed,
      page.contract,
      [...(await store.countByRotationId())].map(([id, records]) => [id, -records]),
    );
  }
}

/** Writes a contract's first page as it is, with these counts. */
async function uncount(
  store: StateStore,
  closed: CellExpectation,
  id: Uint8Array,
  counts: readonly (readonly [number, number])[],
): Promise<void> {
  const page = await store.find(id, new Uint8Array(0));
  if (page === null) return;
  const { contract, lowerBound, version: expected, body } = page;
  const write = { contract, lowerBound, expected, body, counts };
  await commit(store, closed, { groups: [[write]], sealedUnder: null });
}
