/**
 * Puts and deletes records in a page and lays the result in pages again (page.ts has the bytes). Pure.
 *
 * A body that would exceed PAGE_BYTES_LIMIT is cut into as few pages of about equal size as its records allow; a
 * record too large for a page lies in one by itself. The first page keeps the place and the version of the one that
 * was edited, the others begin at their first key. Pages never disappear: one whose records are all deleted stays.
 */
import { compareBytes, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import {
  countRotationIds,
  highestWriteVersion as highestOf,
  PAGE_BYTES_LIMIT,
  PAGE_FORMAT,
  PAGE_HEADER_BYTES,
  type PageRecord,
  RECORD_HEADER_BYTES,
  recordsOf,
  rotationIdOf,
  SEALED_BYTES_MAX,
  SEALED_BYTES_MIN,
  STORAGE_KEY_BYTES_MAX,
} from "./page.ts";
import type { Page, PageRef, PageWrite, RotationCount } from "./store.ts";

const NO_KEY = new Uint8Array(0);
const WRITE_VERSION_MAX = 2n ** 64n - 1n;
/** What the records of a page share. */
const CAPACITY = PAGE_BYTES_LIMIT - PAGE_HEADER_BYTES;

/** One record to be put, or, where `sealed` is null, deleted. */
export interface RecordEdit {
  /** Storage key, 0 … 4,096 bytes. */
  readonly key: Uint8Array;
  /** Sealed state, 42 bytes … 16 MiB + 42; null deletes the record if there is one. */
  readonly sealed: Uint8Array | null;
}

/**
 * The group of writes that applies edits to one page.
 * @param page - the page that covers every edited key, as it was read; null where the contract has no page yet.
 * @param edits - in ascending order of unique keys; the bytes are copied.
 * @param highestWriteVersion - the highest write version that the page has given, these edits included: u64.
 * @returns one group for a commit: the writes of this page and of those split from it; empty if nothing changes.
 * @throws GatekeeperError STORE_CORRUPT if the page is malformed; RECORD_TOO_LARGE with the key if a key or a sealed
 * state is too large; INVALID_ARGUMENT for edits out of order, below the page, too short, or a version that falls.
 */
export function editPage(
  contract: Uint8Array,
  page: Page | null,
  edits: readonly RecordEdit[],
  highestWriteVersion: bigint,
): PageWrite[] {
  const lowerBound = page?.lowerBound ?? NO_KEY;
  const before = page === null ? 0n : highestOf(page);
  if (highestWriteVersion < before || highestWriteVersion > WRITE_VERSION_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `the highest write version of a page can't go from ${before} down`);
  }
  if (page !== null && compareBytes(contract, page.contract) !== 0) {
    throw new GatekeeperError(
      "INVALID_ARGUMENT",
      `a page of ${toHex(page.contract)} was edited as one of ${toHex(contract)}`,
    );
  }
  checkEdits(lowerBound, edits);
  const merged = merge(page === null ? [] : recordsOf(page), edits);
  if (!merged.changed && highestWriteVersion === before) return [];
  if (page === null && merged.records.length === 0) return [];
  const counts = page === null ? new Map<number, number>() : countRotationIds(page);
  return layPages(
    { contract, lowerBound, version: page?.version ?? null },
    counts,
    merged.records,
    highestWriteVersion,
  );
}

/** Where a page lies, and its version; null where there is none. */
export interface PagePlace extends PageRef {
  readonly version: number | null;
}

/**
 * The group of writes that makes a page's records these, whether or not that changes anything: it always raises the
 * page's version.
 * @param before - the records that the page has, which are counted; none where it is malformed, or not there.
 * @param records - in ascending order of unique keys that the page covers, of sizes that fit; the bytes are copied.
 * @param highestWriteVersion - which the page is to say that it has given: u64.
 */
export function replacePage(
  place: PagePlace,
  before: readonly PageRecord[],
  records: readonly PageRecord[],
  highestWriteVersion: bigint,
): PageWrite[] {
  return layPages(place, countsOf(before), records, highestWriteVersion);
}

/** Lays records out in as few pages as they need, the first of which is at the place of the one that they replace. */
function layPages(
  place: PagePlace,
  before: ReadonlyMap<number, number>,
  records: readonly PageRecord[],
  highestWriteVersion: bigint,
): PageWrite[] {
  const { contract, lowerBound, version } = place;
  return cut(records).map((piece, index) => {
    const first = index === 0;
    return {
      contract,
      lowerBound: first ? lowerBound : piece[0]!.key.slice(),
      expected: first ? version : null,
      body: layOut(piece, highestWriteVersion),
      counts: changeOfCounts(first ? before : new Map(), piece),
    };
  });
}

/**
 * The group of writes that cuts a page in two, so that one begins at a storage key and the other ends before it. Records
 * stay as they are.
 * @param lowerBound - a storage key above the page's lower bound that the page covers.
 * @throws GatekeeperError STORE_CORRUPT if the page is malformed.
 */
export function splitPage(page: Page, lowerBound: Uint8Array): PageWrite[] {
  const { contract, version } = page;
  const highest = highestOf(page);
  const records = [...recordsOf(page)];
  const first = records.findIndex(({ key }) => compareBytes(key, lowerBound) >= 0);
  const below = first < 0 ? records : records.slice(0, first);
  const rest = first < 0 ? [] : records.slice(first);
  const body = layOut(below, highest);
  return [
    {
      contract,
      lowerBound: page.lowerBound,
      expected: version,
      body,
      counts: changeOfCounts(countRotationIds(page), below),
    },
    { contract, lowerBound, expected: null, body: layOut(rest, highest), counts: changeOfCounts(new Map(), rest) },
  ];
}

function checkEdits(lowerBound: Uint8Array, edits: readonly RecordEdit[]): void {
  let previous: Uint8Array | null = null;
  for (const { key, sealed } of edits) {
    if (key.length > STORAGE_KEY_BYTES_MAX)
      throw tooLarge(key, `its key has ${key.length} bytes`, STORAGE_KEY_BYTES_MAX);
    const ascends = previous === null ? compareBytes(lowerBound, key) <= 0 : compareBytes(previous, key) < 0;
    if (!ascends) {
      throw new GatekeeperError("INVALID_ARGUMENT", `the edit of key ${toHex(key)} is out of order or below its page`);
    }
    if (sealed !== null && sealed.length > SEALED_BYTES_MAX) {
      throw tooLarge(key, `its sealed state has ${sealed.length} bytes`, SEALED_BYTES_MAX);
    }
    if (sealed !== null && sealed.length < SEALED_BYTES_MIN) {
      throw new GatekeeperError("INVALID_ARGUMENT", `the edit of key ${toHex(key)} has no whole sealed state`);
    }
    previous = key;
  }
}

function tooLarge(key: Uint8Array, what: string, limit: number): GatekeeperError {
  const name = toHex(key.subarray(0, STORAGE_KEY_BYTES_MAX));
  return new GatekeeperError("RECORD_TOO_LARGE", `record ${name}: ${what}, the limit is ${limit}`, {
    key: name,
    limit,
  });
}

/** The page's records with the edits applied, and whether that is a change. */
function merge(
  existing: Iterable<PageRecord>,
  edits: readonly RecordEdit[],
): { records: PageRecord[]; changed: boolean } {
  const records: PageRecord[] = [];
  let changed = false;
  let next = 0;
  const put = ({ key, sealed }: RecordEdit): void => {
    if (sealed === null) return;
    records.push({ key, sealed });
    changed = true;
  };
  for (const record of existing) {
    while (next < edits.length && compareBytes(edits[next]!.key, record.key) < 0) put(edits[next++]!);
    if (next < edits.length && compareBytes(edits[next]!.key, record.key) === 0) {
      changed = true;
      put(edits[next++]!);
    } else {
      records.push(record);
    }
  }
  while (next < edits.length) put(edits[next++]!);
  return { records, changed };
}

function sizeOf(record: PageRecord): number {
  return RECORD_HEADER_BYTES + record.key.length + record.sealed.length;
}

function totalOf(records: readonly PageRecord[]): number {
  let total = 0;
  for (const record of records) total += sizeOf(record);
  return total;
}

/** Cuts records, in order, into those of each page. No records are one empty page. */
function cut(records: readonly PageRecord[]): (readonly PageRecord[])[] {
  if (totalOf(records) <= CAPACITY) return [records];
  const pieces: (readonly PageRecord[])[] = [];
  let run: PageRecord[] = [];
  for (const record of records) {
    if (sizeOf(record) <= CAPACITY) {
      run.push(record);
      continue;
    }
    if (run.length > 0) pieces.push(...cutRun(run));
    pieces.push([record]);
    run = [];
  }
  if (run.length > 0) pieces.push(...cutRun(run));
  return pieces;
}

/** Cuts records that each fit a page into the fewest pages that a balanced cut allows. */
function cutRun(run: readonly PageRecord[]): (readonly PageRecord[])[] {
  for (let pages = Math.ceil(totalOf(run) / CAPACITY); ; pages++) {
    const pieces = cutInto(run, pages);
    if (pieces !== null) return pieces;
  }
}

/** At most `pages` pieces, each as near to an equal part of what is left as whole records allow; null if too few. */
function cutInto(run: readonly PageRecord[], pages: number): PageRecord[][] | null {
  const pieces: PageRecord[][] = [];
  let left = totalOf(run);
  let next = 0;
  for (let piecesLeft = pages; piecesLeft > 0 && next < run.length; piecesLeft--) {
    const target = left / piecesLeft;
    const piece: PageRecord[] = [];
    let bytes = 0;
    while (next < run.length) {
      const size = sizeOf(run[next]!);
      if (bytes + size > CAPACITY || (bytes > 0 && bytes + size / 2 > target)) break;
      piece.push(run[next++]!);
      bytes += size;
    }
    left -= bytes;
    pieces.push(piece);
  }
  return next === run.length ? pieces : null;
}

/** A body of page.ts's format. */
function layOut(records: readonly PageRecord[], highestWriteVersion: bigint): Uint8Array {
  const body = new Uint8Array(PAGE_HEADER_BYTES + totalOf(records));
  const view = new DataView(body.buffer);
  body[0] = PAGE_FORMAT;
  view.setUint32(4, records.length, true);
  view.setBigUint64(8, highestWriteVersion, true);
  let at = PAGE_HEADER_BYTES;
  for (const { key, sealed } of records) {
    view.setUint16(at, key.length, true);
    view.setUint32(at + 2, sealed.length, true);
    body.set(key, at + RECORD_HEADER_BYTES);
    body.set(sealed, at + RECORD_HEADER_BYTES + key.length);
    at += RECORD_HEADER_BYTES + key.length + sealed.length;
  }
  return body;
}

/** What replacing a page's records changes in the count by rotation id, in ascending order, without zeros. */
function changeOfCounts(before: ReadonlyMap<number, number>, records: readonly PageRecord[]): RotationCount[] {
  const changes = countsOf(records);
  for (const [rotationId, count] of before) changes.set(rotationId, (changes.get(rotationId) ?? 0) - count);
  return [...changes].filter(([, change]) => change !== 0).sort(([a], [b]) => a - b);
}

function countsOf(records: readonly PageRecord[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { sealed } of records) {
    const rotationId = rotationIdOf(sealed);
    counts.set(rotationId, (counts.get(rotationId) ?? 0) + 1);
  }
  return counts;
}
