/**
 * From the records of a store's page to descriptor rows and back, without moving a record.
 *
 * A page body is a 16-byte header (its record count is the u32 at 4), then records in key order, each
 * key length u16 | sealed length u32 | storage key | sealed state; a sealed state is
 * version u8 | suite u8 | rotation id u32 | write version u64 | nonce 12 | ciphertext | tag 16, and its AAD is its
 * first 14 bytes | contract id | storage key. All of it is public: branches and addresses may depend on it.
 */
import {
  AAD,
  AAD_LENGTH,
  DONE,
  KEY,
  LENGTH,
  NEW_AAD,
  NEW_AAD_LENGTH,
  NEW_KEY,
  NEW_NONCE,
  NONCE_BYTES,
  PENDING,
  ROW_BYTES,
  SKIPPED,
  STATUS,
  TAG_BYTES,
  TAG_MISMATCH,
  TEXT,
} from "./descriptor";

const PAGE_FORMAT: u32 = 1;
const PAGE_HEADER_BYTES: usize = 16;
const RECORD_PREFIX_BYTES: usize = 6;
const CONTRACT_BYTES: usize = 32;
const STORAGE_KEY_BYTES_MAX: usize = 4096;
/** 16 MiB. */
const TEXT_BYTES_MAX: usize = 1 << 24;

const SEALED_VERSION: u32 = 1;
/** Version, suite, rotation id, write version: what the AAD begins with. */
export const HEADER_BYTES: usize = 14;
const SUITE_OFFSET: usize = 1;
const ROTATION_OFFSET: usize = 2;
export const WRITE_VERSION_OFFSET: usize = 6;
/** Where in an AAD the storage key begins. */
export const KEY_OFFSET: usize = HEADER_BYTES + CONTRACT_BYTES;
const SEALED_OVERHEAD: usize = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/** As the suite that is to be left: whichever. */
const ANY_SUITE: u32 = 0;

/**
 * Writes one row a record: PENDING with `key` for those under rotation id `from` and `suite` that are of this version,
 * SKIPPED for others under rotation id `leave` and `leaveSuite`, and TAG_MISMATCH at once for the rest, as no key at
 * hand opens them. Where `leaveSuite` is ANY_SUITE and both ids are the same, none is left.
 * The AADs are put together at `aads`; `length` bytes there, and 16 more, are always enough.
 * @returns the number of rows, or -1 when the body is malformed; then rows and AADs hold nothing of use.
 */
export function pageDescribe(
  body: usize,
  length: usize,
  contract: usize,
  suite: u32,
  from: u32,
  leaveSuite: u32,
  leave: u32,
  key: usize,
  rows: usize,
  aads: usize,
): i32 {
  if (length < PAGE_HEADER_BYTES || load<u32>(body) != PAGE_FORMAT) return -1;
  const count = load<u32>(body, 4);
  const end = body + length;
  let at = body + PAGE_HEADER_BYTES;
  let row = rows;
  for (let i: u32 = 0; i < count; i++) {
    if (end - at < RECORD_PREFIX_BYTES) return -1;
    const keyLength = <usize>load<u16>(at);
    const sealedLength = <usize>load<u32>(at, 2);
    const storageKey = at + RECORD_PREFIX_BYTES;
    if (keyLength > STORAGE_KEY_BYTES_MAX) return -1;
    if (sealedLength < SEALED_OVERHEAD || sealedLength - SEALED_OVERHEAD > TEXT_BYTES_MAX) return -1;
    if (<u64>keyLength + <u64>sealedLength > <u64>(end - storageKey)) return -1;
    const sealed = storageKey + keyLength;
    const rotation = load<u32>(sealed, ROTATION_OFFSET);
    const under = <u32>load<u8>(sealed, SUITE_OFFSET);
    let status = TAG_MISMATCH;
    // First those under `from`: where what is to be left is the same, no record under it goes unchecked.
    if (rotation == from && under == suite) {
      if (load<u8>(sealed) == SEALED_VERSION) status = PENDING;
    } else if (rotation == leave && (leaveSuite == ANY_SUITE ? rotation != from : under == leaveSuite)) {
      status = SKIPPED;
    }
    store<u32>(row, <u32>(sealed + HEADER_BYTES + NONCE_BYTES), TEXT);
    store<u32>(row, <u32>(sealedLength - SEALED_OVERHEAD), LENGTH);
    store<u32>(row, <u32>aads, AAD);
    store<u32>(row, <u32>(KEY_OFFSET + keyLength), AAD_LENGTH);
    store<u32>(row, <u32>key, KEY);
    store<u32>(row, status, STATUS);
    v128.store(aads, v128.load(sealed));
    v128.store(aads + HEADER_BYTES, v128.load(contract));
    v128.store(aads + HEADER_BYTES, v128.load(contract, 16), 16);
    copyAhead(aads + KEY_OFFSET, storageKey, keyLength);
    aads += KEY_OFFSET + keyLength;
    row += ROW_BYTES;
    at = sealed + sealedLength;
  }
  return at == end ? <i32>count : -1;
}

/**
 * Copies bytes, and up to 15 more behind them; memory.copy takes longer to call than a storage key to copy. What is read
 * too much lies in the page or between AADs, what is written too much is written again or lies behind the last AAD.
 */
// @ts-ignore: decorator
@inline
export function copyAhead(to: usize, from: usize, length: usize): void {
  for (const end = from + length; from < end; from += 16) {
    v128.store(to, v128.load(from));
    to += 16;
  }
}

/**
 * Tells the rows where their records are to go: under `newKey`, `suite` and rotation id `to`, with 12 bytes each from
 * `nonces`. The new AADs, as long as the old, are put together at `aads`, which has room for 16 bytes more.
 */
export function pageRetarget(
  rows: usize,
  count: i32,
  suite: u32,
  to: u32,
  newKey: usize,
  nonces: usize,
  aads: usize,
): void {
  for (let i = 0; i < count; i++, rows += ROW_BYTES, nonces += NONCE_BYTES) {
    const aadLength = <usize>load<u32>(rows, AAD_LENGTH);
    copyAhead(aads, <usize>load<u32>(rows, AAD), aadLength);
    store<u8>(aads, <u8>suite, SUITE_OFFSET);
    store<u32>(aads, to, ROTATION_OFFSET);
    store<u32>(rows, <u32>aads, NEW_AAD);
    store<u32>(rows, <u32>aadLength, NEW_AAD_LENGTH);
    store<u32>(rows, <u32>newKey, NEW_KEY);
    store<u32>(rows, <u32>nonces, NEW_NONCE);
    aads += aadLength;
  }
}

/**
 * After a re-encryption, writes suite and rotation id into the header of every record whose row is DONE.
 * @returns how many those were.
 */
export function pageRelabel(rows: usize, count: i32, suite: u32, to: u32): i32 {
  let done = 0;
  for (let i = 0; i < count; i++, rows += ROW_BYTES) {
    if (load<u32>(rows, STATUS) != DONE) continue;
    const sealed = <usize>load<u32>(rows, TEXT) - NONCE_BYTES - HEADER_BYTES;
    store<u8>(sealed, <u8>suite, SUITE_OFFSET);
    store<u32>(sealed, to, ROTATION_OFFSET);
    done++;
  }
  return done;
}
