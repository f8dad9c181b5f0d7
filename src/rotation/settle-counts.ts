/**
 * Puts a store's counts right where records have gone that nobody could count: with a page that made no sense and was put aside,
 * or because what a record said that it is under was altered in the store's file. Pages, not counts, say what a store has.
 *
 * While others write, two things stay the same. Nothing comes under a rotation id below the store's minimum. And what a contract
 * counts beyond the records in its pages does not change with any write, as each counts what it does.
 */
import { setImmediate } from "node:timers/promises";
import { freeBytes, toHex } from "../bytes.ts";
import { readRecords } from "./kept-page.ts";
import { rotationIdOf } from "../store/page.ts";
import { listQuarantined } from "../store/quarantine.ts";
import type { Page, PageRef, RotationCount, StateStore } from "../store/store.ts";

/** Among the checkpoints' cells, and removed with them: so that no two who do this count the same twice. */
const CELL = "rotation/counts";
const SCAN_BYTES = 1 << 20;
const LISTED_AT_ONCE = 64;
/** How often a contract is read again that is written meanwhile. */
const ATTEMPTS = 5;

/**
 * Whether all of a store's records are under one rotation id, which is its minimum. Where the counts say otherwise, all pages are
 * read, and if they have nothing under another one, the counts are put right.
 * @throws GatekeeperError STORE_*.
 */
export async function settleCounts(store: StateStore, rotationId: number): Promise<boolean> {
  if ((await store.minimumRotationId()) !== rotationId) return false;
  const cell = (await store.cell(CELL))?.version ?? null;
  const counts = await store.countByRotationId();
  const others = [...counts].filter(([id]) => id !== rotationId);
  if (others.length === 0) return true;
  if (!(await isAllUnder(store, rotationId))) return false;
  // From here on they are those of records that are nowhere.
  const left = new Map(others);
  const changes: { readonly page: Page; readonly counts: RotationCount[] }[] = [];
  for (const contract of await contractsPutAside(store)) {
    const lost = await lostRecords(store, contract);
    if (lost === null) return false;
    const { page, records } = lost;
    if (page !== null && records > 0) changes.push({ page, counts: takeFrom(left, records, rotationId) });
  }
  const moved = [...left].filter(([, records]) => records > 0);
  if (moved.length > 0) {
    const sum = moved.reduce((all, [, records]) => all + records, 0);
    const shift: RotationCount[] = [...moved.map(([id, records]) => [id, -records] as const), [rotationId, sum]];
    const [page] = changes.length > 0 ? [] : await store.scan({ from: null, to: null }, null, 1);
    if (page !== undefined) changes.push({ page, counts: shift });
    else changes[0]?.counts.push(...shift);
  }
  const groups = changes.map(({ page: { contract, lowerBound, version: expected, body }, counts: change }) => [
    { contract, lowerBound, expected, body, counts: change },
  ]);
  const cells = [{ name: CELL, expected: cell, value: new Uint8Array(0) }];
  const group = groups.flat();
  const { cellsHeld, conflicts } = await store.commit({ groups: [group], sealedUnder: null, cells });
  return group.length > 0 && cellsHeld && conflicts.length === 0;
}

/** Takes lost records from what is counted under other ids, as long as there is any. */
function takeFrom(left: Map<number, number>, lost: number, rotationId: number): RotationCount[] {
  const taken: RotationCount[] = [];
  for (const [id, records] of left) {
    const some = Math.min(records, lost);
    if (some === 0) continue;
    taken.push([id, -some]);
    left.set(id, records - some);
    lost -= some;
  }
  return lost === 0 ? taken : [...taken, [rotationId, -lost]];
}

async function isAllUnder(store: StateStore, rotationId: number): Promise<boolean> {
  for (let after: PageRef | null = null; ;) {
    const pages: Page[] = await store.scan({ from: null, to: null }, after, SCAN_BYTES);
    const last = pages.at(-1);
    if (last === undefined) return true;
    for (const page of pages) {
      const records = readRecords(page);
      if (records === null || records.some(({ sealed }) => rotationIdOf(sealed) !== rotationId)) return false;
    }
    after = { contract: last.contract, lowerBound: last.lowerBound };
    for (const { body } of pages) freeBytes(body);
    // A large store must not keep everything else waiting.
    await setImmediate();
  }
}

/** Ids of contracts of which anything was put aside. */
async function contractsPutAside(store: StateStore): Promise<Uint8Array[]> {
  const contracts = new Map<string, Uint8Array>();
  for (let after: string | null = null; ;) {
    const some = await listQuarantined(store, after, LISTED_AT_ONCE);
    for (const { contract } of some) contracts.set(toHex(contract), contract.slice());
    after = some.at(-1)?.name ?? null;
    if (after === null) return [...contracts.values()];
  }
}

/** How many records a contract counts that are in none of its pages, with its first page; null where it is written all the time. */
async function lostRecords(
  store: StateStore,
  contract: Uint8Array,
): Promise<{ readonly page: Page | null; readonly records: number } | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [page] = await pagesOf(store, contract, 1);
    const first = await countPages(store, contract);
    const counted = (await store.contract(contract))?.records ?? 0;
    const second = await countPages(store, contract);
    if (page === undefined) return { page: null, records: 0 };
    // Else not all of the pages were, when the count was read, as they were read.
    if (first.versions === second.versions) return { page, records: counted - first.records };
  }
  return null;
}

async function countPages(store: StateStore, contract: Uint8Array): Promise<{ records: number; versions: string }> {
  let records = 0;
  const versions: string[] = [];
  for (let after: PageRef | null = null; ;) {
    const pages = await pagesOf(store, contract, SCAN_BYTES, after);
    after = pages.at(-1) ?? null;
    if (after === null) return { records, versions: versions.join(" ") };
    for (const page of pages) {
      records += readRecords(page)?.length ?? 0;
      versions.push(`${toHex(page.lowerBound)}:${page.version}`);
    }
    await setImmediate();
  }
}

async function pagesOf(
  store: StateStore,
  contract: Uint8Array,
  maxBytes: number,
  after: PageRef | null = null,
): Promise<Page[]> {
  const from = { contract, lowerBound: new Uint8Array(0) };
  const pages = await store.scan({ from, to: null }, after, maxBytes);
  return pages.filter((page) => toHex(page.contract) === toHex(contract));
}
