/**
 * Records that can't be opened and were put aside, each in a cell of its own: a page's body with that record alone, as it
 * was, where the rotation that put it aside stands in the place of the highest write version. They are out of the way of a
 * rotation then, but nothing of them is lost.
 *
 * A cell is named after the contract and a hash of key and sealed state, so a key may have several.
 */
import { createHash } from "node:crypto";
import { compareBytes, fromHex, toHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import { ROTATION_ID_MAX } from "../engine/sealed-state.ts";
import { GatekeeperError } from "../errors.ts";
import { findRecords, highestWriteVersion, type PageRecord, recordsOf, rotationIdOf } from "./page.ts";
import { editPage } from "./page-edit.ts";
import type { Cell, CellWrite, Page, PageWrite, StateStore } from "./store.ts";

const PREFIX = "quarantine/";
const NAME = /^quarantine\/([0-9a-f]{64})\/[0-9a-f]{64}$/;
const NO_KEY = new Uint8Array(0);

/** A record that was put aside. */
export interface QuarantinedRecord {
  /** Its cell's name. */
  readonly name: string;
  /** Contract id, 32 bytes. */
  readonly contract: Uint8Array;
  /** Storage key. */
  readonly key: Uint8Array;
  /** The sealed state, byte for byte. */
  readonly sealed: Uint8Array;
  /** The MasterKey that it is under by its header, which need not be true: it could not be opened. */
  readonly sealedUnder: number;
  /** The rotation in which it was put aside: to the MasterKey of this rotation id. */
  readonly rotationId: number;
}

/**
 * Records that were put aside, in order of their cells' names.
 * @param after - a cell's name; null: from the beginning.
 * @throws GatekeeperError STORE_CORRUPT for a cell that is malformed.
 */
export async function listQuarantined(
  store: StateStore,
  after: string | null,
  limit: number,
): Promise<QuarantinedRecord[]> {
  return (await store.cells(PREFIX, after, limit)).map((cell) => {
    const contract = NAME.exec(cell.name)?.[1];
    if (contract === undefined) throw malformed(cell.name);
    const id = fromHex(`0x${contract}`, "a contract id");
    const record = recordIn(cell, id);
    const sealedUnder = rotationIdOf(record.sealed);
    return { name: cell.name, contract: id, ...record, sealedUnder };
  });
}

/** Whether just this record was put aside. @throws GatekeeperError STORE_CORRUPT when its cell is malformed. */
export async function isQuarantined(store: StateStore, contract: Uint8Array, record: PageRecord): Promise<boolean> {
  const cell = await store.cell(nameOf(contract, record));
  if (cell === null) return false;
  const { key, sealed } = recordIn(cell, contract);
  return compareBytes(key, record.key) === 0 && compareBytes(sealed, record.sealed) === 0;
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
    if (await isQuarantined(store, contract, record)) continue;
    const [{ body }] = editPage(contract, null, [record], BigInt(rotationId)) as [PageWrite];
    cells.push({ name: nameOf(contract, record), expected: null, value: body });
  }
  return cells;
}

/** The write of a page without some of its records. */
export function withoutRecords(page: Page, keys: readonly Uint8Array[]): PageWrite {
  const edits = keys.map((key) => ({ key, sealed: null }));
  const [write] = editPage(page.contract, page, edits, highestWriteVersion(page)) as [PageWrite];
  return write;
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
