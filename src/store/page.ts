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

/** Where the rotation id stands in a sealed state: after version and suite. */
const ROTATION_ID_AT = 2;

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
  #left: number;
  #end = PAGE_HEADER_BYTES;

  /** @throws GatekeeperError STORE_CORRUPT when the header is not one of this format. */
  constructor(page: PageBody) {
    this.#page = page;
    this.#left = pageRecords(page);
  }

  /**
   * Moves to the next record.
   * @returns false after the last one.
   * @throws GatekeeperError STORE_CORRUPT when the record breaks a rule of the format.
   */
  next(): boolean {
    const { body } = this.#page;
    const at = this.#end;
    if (this.#left === 0) {
      if (at !== body.length) throw this.#corrupt(`${body.length - at} bytes follow its last record`);
      return false;
    }
    if (body.length - at < RECORD_HEADER_BYTES) throw this.#corrupt(`it ends before its last record, at byte ${at}`);
    const keyLength = readU16(body, at);
    const sealedLength = readU32(body, at + 2);
    const keyAt = at + RECORD_HEADER_BYTES;
    if (keyLength > STORAGE_KEY_BYTES_MAX) throw this.#corrupt(`the key at byte ${at} has ${keyLength} bytes`);
    if (sealedLength < SEALED_BYTES_MIN || sealedLength > SEALED_BYTES_MAX) {
      throw this.#corrupt(`the sealed state at byte ${at} has ${sealedLength} bytes`);
    }
    if (body.length - keyAt < keyLength + sealedLength) throw this.#corrupt(`the record at byte ${at} is cut off`);
    if (!this.#ascends(keyAt, keyLength)) throw this.#corrupt(`the key at byte ${at} is out of order`);
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

  /** Whether a key is above the current record's, or, for the first record, not below the page's lower bound. */
  #ascends(at: number, length: number): boolean {
    const { body, lowerBound } = this.#page;
    const first = this.keyAt === 0;
    const before = first ? lowerBound : body;
    const beforeAt = first ? 0 : this.keyAt;
    const beforeLength = first ? lowerBound.length : this.keyLength;
    const shared = Math.min(length, beforeLength);
    for (let i = 0; i < shared; i++) {
      const difference = body[at + i]! - before[beforeAt + i]!;
      if (difference !== 0) return difference > 0;
    }
    return first ? length >= beforeLength : length > beforeLength;
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
  for (const cursor = new RecordCursor(page); cursor.next();) {
    const rotationId = rotationIdOf(page.body, cursor.sealedAt);
    counts.set(rotationId, (counts.get(rotationId) ?? 0) + 1);
  }
  return counts;
}
