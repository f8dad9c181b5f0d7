/**
 * The bytes of a page, format 1: how the sealed records of one contract lie together in a store.
 *
 *   header   format 1 (=1) | zeros 3 | record count 4 LE | highest write version ever given in this page 8 LE
 *   record   key length 2 LE | sealed length 4 LE | storage key | sealed state, in ascending order of unique keys
 *
 * Nothing follows the last record. A body is at most PAGE_BYTES_LIMIT bytes, unless it holds exactly one record.
 * Bodies come from disk and may be hostile: every length is checked before it is used, and whatever breaks a rule is
 * STORE_CORRUPT. Of a sealed state only the length and, where asked, the rotation id are read. Pure; page-edit.ts
 * makes new bodies.
 */
import { compareBytes, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import type { PageRef } from "./store.ts";

export const PAGE_FORMAT = 1;
export const PAGE_HEADER_BYTES = 16;
/** Key length and sealed length, before each record. */
export const RECORD_HEADER_BYTES = 6;
/** So that a body fits a 16 KiB database page together with its row's other columns. */
export const PAGE_BYTES_LIMIT = 16_000;
export const STORAGE_KEY_BYTES_MAX = 4_096;
/** A sealed state of an empty plaintext: header 14, nonce 12, tag 16. */
export const SEALED_BYTES_MIN = 42;
/** A sealed state of the largest plaintext, 16 MiB. */
export const SEALED_BYTES_MAX = SEALED_BYTES_MIN + 16 * 1_024 * 1_024;
/** The largest body there is: one record with the longest key and the longest sealed state. */
export const PAGE_BYTES_MAX = PAGE_HEADER_BYTES + RECORD_HEADER_BYTES + STORAGE_KEY_BYTES_MAX + SEALED_BYTES_MAX;

/** A page that says that it has given this write version or more is not believed: soon nobody could write it any more. */
export const WRITE_VERSION_LIMIT = 2n ** 63n;
/** More writes than a page sees in a migration; and of migrations, so many fit what is believed. */
export const WRITE_VERSION_ROOM = 2n ** 32n;

/** Where the rotation id and the write version stand in a sealed state: after version and suite. */
const ROTATION_ID_AT = 2;
const WRITE_VERSION_AT = 6;

/** A page's place and bytes: a page as it was read, or one that is about to be written. */
export interface PageBody extends PageRef {
  readonly body: Uint8Array;
}

/** One record of a page: views into the page's body, not copies. */
export interface PageRecord {
  readonly key: Uint8Array;
  readonly sealed: Uint8Array;
}

/** The order of pages: contract id, then lower bound, both as bytes. */
export function comparePlaces(a: PageRef, b: PageRef): number {
  return compareBytes(a.contract, b.contract) || compareBytes(a.lowerBound, b.lowerBound);
}

/** STORE_CORRUPT for a page: names its contract and lower bound in hex. */
function pageCorrupt(page: PageRef, why: string): GatekeeperError {
  const contract = toHex(page.contract);
  const lowerBound = toHex(page.lowerBound);
  const message = `the page of contract ${contract} from key ${lowerBound} is damaged: ${why}; restore the store from a copy`;
  return new GatekeeperError("STORE_CORRUPT", message, { contract, lowerBound });
}

function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (readU16(bytes, at) | (readU16(bytes, at + 2) << 16)) >>> 0;
}

function readU64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(readU32(bytes, at + 4)) << 32n) | BigInt(readU32(bytes, at));
}

/**
 * Number of records, from the header.
 * @throws GatekeeperError STORE_CORRUPT when the header is not one of this format.
 */
export function pageRecords(page: PageBody): number {
  const { body } = page;
  if (body.length < PAGE_HEADER_BYTES) throw pageCorrupt(page, `${body.length} bytes are less than a header`);
  if (readU32(body, 0) !== PAGE_FORMAT) throw pageCorrupt(page, "its first four bytes are not those of page format 1");
  const count = readU32(body, 4);
  if (body.length > PAGE_BYTES_LIMIT && count !== 1) {
    throw pageCorrupt(page, `${body.length} bytes are too many for ${count} records`);
  }
  return count;
}

/**
 * The highest write version that was ever given in this page; a put must give a higher one.
 * @throws GatekeeperError STORE_CORRUPT when the header is not one of this format.
 */
export function highestWriteVersion(page: PageBody): bigint {
  pageRecords(page);
  return readU64(page.body, 8);
}

/**
 * The same as far as it is believed: where it is not, the highest write version of the page's records that is.
 * @throws GatekeeperError STORE_CORRUPT.
 */
export function believedWriteVersion(page: PageBody): bigint {
  const said = highestWriteVersion(page);
  if (said < WRITE_VERSION_LIMIT) return said;
  let highest = 0n;
  for (const cursor = new RecordCursor(page); cursor.next();) {
    const version = readU64(page.body, cursor.sealedAt + WRITE_VERSION_AT);
    if (version > highest && version < WRITE_VERSION_LIMIT) highest = version;
  }
  return highest;
}

/**
 * Walks over the records of a page by offsets into its body, without an object or a copy for each:
 * `for (const at = new RecordCursor(page); at.next(); ) …`. The last `next`, which returns false, also checks that
 * nothing follows. The sealed states may be overwritten in place meanwhile, lengths and keys may not.
 */
export class RecordCursor {
  /** Where the current record's storage key begins in the body. */
  keyAt = 0;
  keyLength = 0;
  /** Where its sealed state begins, which is where its key ends. */
  sealedAt = 0;
  sealedLength = 0;
  readonly #page: PageBody;
  readonly #view: DataView;
  #left: number;
  #end = PAGE_HEADER_BYTES;

  /** @throws GatekeeperError STORE_CORRUPT when the header is not one of this format. */
  constructor(page: PageBody) {
    const { body } = page;
    this.#page = page;
    this.#view = new DataView(body.buffer, body.byteOffset, body.length);
    this.#left = pageRecords(page);
  }

  /**
   * Moves to the next record.
   * @returns false after the last one.
   * @throws GatekeeperError STORE_CORRUPT when the record breaks a rule of the format.
   */
  next(): boolean {
    const view = this.#view;
    const length = view.byteLength;
    const at = this.#end;
    if (this.#left === 0) {
      if (at !== length) throw this.#corrupt(`${length - at} bytes follow its last record`);
      return false;
    }
    if (length - at < RECORD_HEADER_BYTES) throw this.#corrupt(`it ends before its last record, at byte ${at}`);
    const keyLength = view.getUint16(at, true);
    const sealedLength = view.getUint32(at + 2, true);
    const keyAt = at + RECORD_HEADER_BYTES;
    if (keyLength > STORAGE_KEY_BYTES_MAX) throw this.#corrupt(`the key at byte ${at} has ${keyLength} bytes`);
    if (sealedLength < SEALED_BYTES_MIN || sealedLength > SEALED_BYTES_MAX) {
      throw this.#corrupt(`the sealed state at byte ${at} has ${sealedLength} bytes`);
    }
    if (length - keyAt < keyLength + sealedLength) throw this.#corrupt(`the record at byte ${at} is cut off`);
    const ascends = this.keyAt === 0 ? this.#beginsAt(keyAt, keyLength) : this.#ascends(keyAt, keyLength);
    if (!ascends) throw this.#corrupt(`the key at byte ${at} is out of order`);
    this.keyAt = keyAt;
    this.keyLength = keyLength;
    this.sealedAt = keyAt + keyLength;
    this.sealedLength = sealedLength;
    this.#end = this.sealedAt + sealedLength;
    this.#left--;
    return true;
  }

  /** A view of the current record. */
  record(): PageRecord {
    const { body } = this.#page;
    return { key: body.subarray(this.keyAt, this.sealedAt), sealed: body.subarray(this.sealedAt, this.#end) };
  }

  /** The rotation id of the current record. */
  rotationId(): number {
    return this.#view.getUint32(this.sealedAt + ROTATION_ID_AT, true);
  }

  /** Whether a key is not below the page's lower bound. */
  #beginsAt(at: number, length: number): boolean {
    const { body, lowerBound } = this.#page;
    return compareBytes(body.subarray(at, at + length), lowerBound) >= 0;
  }

  /** Whether a key is above the current record's. Four bytes at a time: keys of one contract often begin alike. */
  #ascends(at: number, length: number): boolean {
    const view = this.#view;
    const before = this.keyAt;
    const shared = Math.min(length, this.keyLength);
    let i = 0;
    for (; i + 4 <= shared; i += 4) {
      const word = view.getUint32(at + i);
      const wordBefore = view.getUint32(before + i);
      if (word !== wordBefore) return word > wordBefore;
    }
    for (; i < shared; i++) {
      const difference = view.getUint8(at + i) - view.getUint8(before + i);
      if (difference !== 0) return difference > 0;
    }
    return length > this.keyLength;
  }

  #corrupt(why: string): GatekeeperError {
    return pageCorrupt(this.#page, why);
  }
}

/**
 * The records of a page in order, as views into its body.
 * @throws GatekeeperError STORE_CORRUPT at the record that breaks a rule of the format.
 */
export function* recordsOf(page: PageBody): Generator<PageRecord, void, undefined> {
  const cursor = new RecordCursor(page);
  while (cursor.next()) yield cursor.record();
}

/**
 * The sealed state of a storage key as a view into the page's body, or null. The whole page is checked either way.
 * @throws GatekeeperError STORE_CORRUPT.
 */
export function findRecord(page: PageBody, key: Uint8Array): Uint8Array | null {
  return findRecords(page, [key])[0]!;
}

/**
 * The sealed states of storage keys, each a view or null, in one walk over the page, all of which is checked.
 * @param keys - in ascending order.
 * @throws GatekeeperError STORE_CORRUPT.
 */
export function findRecords(page: PageBody, keys: readonly Uint8Array[]): (Uint8Array | null)[] {
  const found: (Uint8Array | null)[] = keys.map(() => null);
  let next = 0;
  for (const record of recordsOf(page)) {
    while (next < keys.length && compareBytes(keys[next]!, record.key) < 0) next++;
    if (next < keys.length && compareBytes(keys[next]!, record.key) === 0) found[next++] = record.sealed;
  }
  return found;
}

/** The rotation id in a sealed state's header; `at` is where the sealed state, at least 42 bytes, begins. */
export function rotationIdOf(sealed: Uint8Array, at = 0): number {
  return readU32(sealed, at + ROTATION_ID_AT);
}

/**
 * Number of the page's records by rotation id.
 * @throws GatekeeperError STORE_CORRUPT.
 */
export function countRotationIds(page: PageBody): Map<number, number> {
  const counts = new Map<number, number>();
  // Records under one id mostly follow each other, and are entered together.
  let id = 0;
  let records = 0;
  for (const cursor = new RecordCursor(page); cursor.next();) {
    const rotationId = cursor.rotationId();
    if (rotationId !== id) {
      if (records > 0) counts.set(id, (counts.get(id) ?? 0) + records);
      id = rotationId;
      records = 0;
    }
    records++;
  }
  if (records > 0) counts.set(id, (counts.get(id) ?? 0) + records);
  return counts;
}

/** Whether a page's bytes are those of a page. */
export function isWellFormed(page: PageBody): boolean {
  try {
    countRotationIds(page);
    return true;
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return false;
    throw error;
  }
}
