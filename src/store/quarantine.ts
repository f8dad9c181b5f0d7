/**
 * What was put aside, each in a cell of its own, so that it is out of the way of a rotation and nothing of it is lost:
 *
 *   a record that can't be opened   a page's body with that record alone, as it was, where the rotation that put it aside
 *                                   stands in the place of the highest write version
 *   a page that makes no sense      that rotation 4 LE | length of its lower bound 2 LE | lower bound | its body, as it was
 *
 * A cell is named after the contract and a hash of what is in it, so a key or a place may have several.
 */
import { createHash } from "node:crypto";
import { compareBytes, fromHex, toHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import { ROTATION_ID_MAX } from "../engine/sealed-state.ts";
import { GatekeeperError } from "../errors.ts";
import {
  findRecords,
  highestWriteVersion,
  PAGE_BYTES_MAX,
  PAGE_HEADER_BYTES,
  type PageBody,
  type PageRecord,
  recordsOf,
  rotationIdOf,
  WRITE_VERSION_LIMIT,
  WRITE_VERSION_ROOM,
} from "./page.ts";
import { editPage, replacePage } from "./page-edit.ts";
import type { Cell, CellWrite, Page, PageWrite, StateStore } from "./store.ts";

const PREFIX = "quarantine/";
const NAME = /^quarantine\/([0-9a-f]{64})\/(page-)?[0-9a-f]{64}$/;
const NO_KEY = new Uint8Array(0);
/** Cells that are read at once to be carried over: one may have 16 MiB. */
const CARRIED_AT_ONCE = 8;
/** In the cell of a page: before its lower bound. */
const PLACE_BYTES = 6;

/** Something that was put aside. */
interface Quarantined {
  /** Its cell's name. */
  readonly name: string;
  /** Contract id, 32 bytes. */
  readonly contract: Uint8Array;
  /** The rotation in which it was put aside: to the MasterKey of this rotation id. */
  readonly rotationId: number;
}

/** A record that was. */
export interface QuarantinedRecord extends Quarantined {
  /** Storage key. */
  readonly key: Uint8Array;
  /** The sealed state, byte for byte. */
  readonly sealed: Uint8Array;
  /** The MasterKey that it is under by its header, which need not be true: it could not be opened. */
  readonly sealedUnder: number;
}

/** A page that was. */
export interface QuarantinedPage extends Quarantined {
  /** The first key that it covered. */
  readonly lowerBound: Uint8Array;
  /** Its bytes, as they were. */
  readonly body: Uint8Array;
}

/**
 * What was put aside, in order of the cells' names.
 * @param after - a cell's name; null: from the beginning.
 * @throws GatekeeperError STORE_CORRUPT for a cell that is malformed.
 */
export async function listQuarantined(
  store: StateStore,
  after: string | null,
  limit: number,
): Promise<(QuarantinedRecord | QuarantinedPage)[]> {
  return (await store.cells(PREFIX, after, limit)).map((cell) => {
    const { name } = cell;
    const [, id, isPage] = NAME.exec(name) ?? [];
    if (id === undefined) throw malformed(name);
    const contract = fromHex(`0x${id}`, "a contract id");
    if (isPage !== undefined) return { name, contract, ...pageIn(cell) };
    const record = recordIn(cell, contract);
    return { name, contract, ...record, sealedUnder: rotationIdOf(record.sealed) };
  });
}

/** Whether just this record was put aside. */
export async function isQuarantined(store: StateStore, contract: Uint8Array, record: PageRecord): Promise<boolean> {
  const cell = await store.cell(nameOf(contract, record));
  return cell !== null && holdsRecord(cell, contract, record);
}

/**
 * Takes records out of a page.
 * @param page - as it was read; its records are not kept.
 * @param keys - storage keys of records that it has, in ascending order.
 * @param rotationId - the rotation: that of the MasterKey that it is to.
 * @returns the page's new content, and the cells that the records go to, which belong into the same commit.
 */
export async function putAside(
  store: StateStore,
  page: Page,
  keys: readonly Uint8Array[],
  rotationId: number,
): Promise<{ write: PageWrite; cells: CellWrite[] }> {
  const found = findRecords(page, keys);
  const records = keys.map((key, index) => ({ key, sealed: found[index]! }));
  return { write: withoutRecords(page, keys), cells: await asideCells(store, page.contract, records, rotationId) };
}

/**
 * The cells that records of a contract are put aside in; none for those that were before, byte for byte.
 * @param rotationId - as `putAside` takes it.
 */
export async function asideCells(
  store: StateStore,
  contract: Uint8Array,
  records: readonly PageRecord[],
  rotationId: number,
): Promise<CellWrite[]> {
  const cells: CellWrite[] = [];
  for (const record of records) {
    const name = nameOf(contract, record);
    const cell = await store.cell(name);
    if (cell !== null && holdsRecord(cell, contract, record)) continue;
    const [{ body }] = editPage(contract, null, [record], BigInt(rotationId)) as [PageWrite];
    cells.push({ name, expected: cell?.version ?? null, value: body });
  }
  return cells;
}

/** The write of a page without some of its records. */
export function withoutRecords(page: Page, keys: readonly Uint8Array[]): PageWrite {
  const edits = keys.map((key) => ({ key, sealed: null }));
  const [write] = editPage(page.contract, page, edits, highestWriteVersion(page)) as [PageWrite];
  return write;
}

/** Whether just this page was put aside. */
export async function isPageQuarantined(store: StateStore, page: PageBody): Promise<boolean> {
  const cell = await store.cell(pageNameOf(page));
  return cell !== null && holdsPage(cell, page);
}

/**
 * Carries all that was put aside over to another store, as it is. What that has already is left; where it was interrupted, it is
 * done again.
 */
export async function carryQuarantined(from: StateStore, to: StateStore): Promise<void> {
  for (let after: string | null = null; ;) {
    const cells = await from.cells(PREFIX, after, CARRIED_AT_ONCE);
    after = cells.at(-1)?.name ?? null;
    if (after === null) return;
    for (const cell of cells) await carryCell(cell, to);
  }
}

async function carryCell(cell: Cell, to: StateStore): Promise<void> {
  const { name, value } = cell;
  for (;;) {
    const there = await to.cell(name);
    // The rotation may be another in which it was put aside.
    if (there !== null && (isNamedAfter(there) || compareBytes(there.value, value) === 0)) return;
    const cells = [{ name, expected: there?.version ?? null, value }];
    if ((await to.commit({ groups: [], sealedUnder: null, cells })).cellsHeld) return;
  }
}

/** Whether a cell has what its name says. */
function isNamedAfter(cell: Cell): boolean {
  return holds(() => {
    const [, id, isPage] = NAME.exec(cell.name) ?? [];
    if (id === undefined) return false;
    const contract = fromHex(`0x${id}`, "a contract id");
    const name =
      isPage === undefined ? nameOf(contract, recordIn(cell, contract)) : pageNameOf({ contract, ...pageIn(cell) });
    return name === cell.name;
  });
}

/** Whether a page has no more bytes than a cell has room for: every one that was ever written. */
export function fitsCell({ body }: PageBody): boolean {
  return body.length <= PAGE_BYTES_MAX;
}

/**
 * The cell that a page is put aside in; none where it was before, byte for byte.
 * @param page - `fitsCell`.
 * @param rotationId - as `putAside` takes it.
 */
export async function asidePageCells(store: StateStore, page: PageBody, rotationId: number): Promise<CellWrite[]> {
  const name = pageNameOf(page);
  const cell = await store.cell(name);
  if (cell !== null && holdsPage(cell, page)) return [];
  const { lowerBound, body } = page;
  const value = new Uint8Array(PLACE_BYTES + lowerBound.length + body.length);
  const view = new DataView(value.buffer);
  view.setUint32(0, rotationId, true);
  view.setUint16(4, lowerBound.length, true);
  value.set(lowerBound, PLACE_BYTES);
  value.set(body, PLACE_BYTES + lowerBound.length);
  return [{ name, expected: cell?.version ?? null, value }];
}

/** The write of a page that makes no sense and was put aside: it has no records then. Nobody knows how many it had. */
export function emptiedPage(page: Page): PageWrite {
  const [write] = replacePage(page, [], [], versionsBehind(page)) as [PageWrite];
  return write;
}

/** Above every write version that a page can have given which makes no sense, as far as its header is one. */
export function versionsBehind({ body }: Pick<PageBody, "body">): bigint {
  const said = body.length < PAGE_HEADER_BYTES ? 0n : new DataView(body.buffer, body.byteOffset).getBigUint64(8, true);
  return (said < WRITE_VERSION_LIMIT ? said : 0n) + WRITE_VERSION_ROOM;
}

/** False also for a cell that somebody has altered. */
function holdsRecord(cell: Cell, contract: Uint8Array, { key, sealed }: PageRecord): boolean {
  return holds(() => {
    const found = recordIn(cell, contract);
    return compareBytes(found.key, key) === 0 && compareBytes(found.sealed, sealed) === 0;
  });
}

function holdsPage(cell: Cell, { lowerBound, body }: PageBody): boolean {
  return holds(() => {
    const found = pageIn(cell);
    return compareBytes(found.lowerBound, lowerBound) === 0 && compareBytes(found.body, body) === 0;
  });
}

function holds(isSame: () => boolean): boolean {
  try {
    return isSame();
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return false;
    throw error;
  }
}

function pageIn({ name, value }: Cell): Pick<QuarantinedPage, "lowerBound" | "body" | "rotationId"> {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const begin = value.length < PLACE_BYTES ? value.length + 1 : PLACE_BYTES + view.getUint16(4, true);
  if (begin > value.length) throw malformed(name);
  const rotationId = view.getUint32(0, true);
  return { lowerBound: value.subarray(PLACE_BYTES, begin), body: value.subarray(begin), rotationId };
}

function recordIn({ name, value: body }: Cell, contract: Uint8Array): PageRecord & { readonly rotationId: number } {
  const page = { contract, lowerBound: NO_KEY, body };
  try {
    const [record, ...others] = recordsOf(page);
    const rotationId = Number(highestWriteVersion(page));
    if (record !== undefined && others.length === 0 && rotationId <= ROTATION_ID_MAX) return { ...record, rotationId };
  } catch (error) {
    if (!(error instanceof GatekeeperError && error.code === "STORE_CORRUPT")) throw error;
  }
  throw malformed(name);
}

function malformed(name: string): GatekeeperError {
  return new GatekeeperError("STORE_CORRUPT", `the cell ${name} of the store is malformed`, { cell: name });
}

function nameOf(contract: Uint8Array, { key, sealed }: PageRecord): string {
  const length = Uint8Array.of(key.length & 0xff, key.length >>> 8);
  const sum = createHash("sha256").update(CONTEXT.quarantine, "ascii").update(length).update(key).update(sealed);
  return `${PREFIX}${toHex(contract).slice(2)}/${sum.digest("hex")}`;
}

function pageNameOf({ contract, lowerBound, body }: PageBody): string {
  const length = Uint8Array.of(lowerBound.length & 0xff, lowerBound.length >>> 8);
  const sum = createHash("sha256").update(CONTEXT.quarantine, "ascii").update(length).update(lowerBound).update(body);
  return `${PREFIX}${toHex(contract).slice(2)}/page-${sum.digest("hex")}`;
}
