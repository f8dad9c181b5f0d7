/**
 * What became of the records of a page that was replaced: each is looked up among those that are there now, and after
 * the page was re-encrypted once more, under the nonces that are there now, it is compared with what it should be.
 *
 * What is looked up is public. What is compared is not: with a nonce of an attacker's choice, a tag that was found byte
 * by byte would be a forgery. So whole records are compared, and only the outcome is branched on.
 */
import {
  AAD,
  AAD_LENGTH,
  DONE,
  LENGTH,
  NEW_NONCE,
  NONCE_BYTES,
  ROW_BYTES,
  SKIPPED,
  STATUS,
  TAG_BYTES,
  TEXT,
} from "./descriptor";
import { HEADER_BYTES, KEY_OFFSET, WRITE_VERSION_OFFSET } from "./page";
import { stateRecord, tagOf } from "./page-statement";

/** One entry a row: what became of its record, and the row of the record that is there now, where there is one. */
const FATE: usize = 0;
const NOW: usize = 4;
const ENTRY_BYTES: usize = 8;

/** It was not part of the work: its row was SKIPPED. */
const LEFT: u32 = 0;
/** The record of the same write version is there, byte for byte as it was. */
const UNCHANGED: u32 = 1;
/** The record of the same write version is there, with other bytes. */
const CHANGED: u32 = 2;
/** A record of a higher write version is there. */
const LATER: u32 = 3;
/** A record of a lower write version is there. */
const PUT_BACK: u32 = 4;
/** There is none under its key. */
const ABSENT: u32 = 5;
/** CHANGED, and found to be just what the re-encryption gives. */
const MOVED: u32 = 6;

/**
 * Finds for each of `count` rows the record of the same storage key among `nowCount` other rows, all as pageDescribe
 * left them, and writes an entry at `entries`. Rows whose record is CHANGED are to take its nonce. What states those
 * records is put together at `statement`, which has room as pageStatement wants it.
 * @returns where that ends; 0 where the keys of either rows do not ascend, and then entries hold nothing of use.
 */
export function pageMatch(rows: usize, count: i32, now: usize, nowCount: i32, entries: usize, statement: usize): usize {
  if (!ascends(rows, count) || !ascends(now, nowCount)) return 0;
  const end = rows + <usize>count * ROW_BYTES;
  const nowEnd = now + <usize>nowCount * ROW_BYTES;
  for (; rows < end; rows += ROW_BYTES, entries += ENTRY_BYTES) {
    store<u32>(entries, LEFT, FATE);
    if (load<u32>(rows, STATUS) == SKIPPED) continue;
    let order = 1;
    while (now < nowEnd) {
      order = compareKeys(now, rows);
      if (order >= 0) break;
      now += ROW_BYTES;
    }
    const fate = order == 0 ? fateOf(rows, now) : ABSENT;
    store<u32>(entries, fate, FATE);
    store<u32>(entries, <u32>now, NOW);
    if (fate != CHANGED) continue;
    store<u32>(rows, load<u32>(now, TEXT) - <u32>NONCE_BYTES, NEW_NONCE);
    statement = stateRecord(statement, rows, tagOf(rows), tagOf(now));
  }
  return statement;
}

/**
 * After the rows were run and relabelled: a CHANGED record becomes MOVED if its row is DONE and the record that is there
 * now has the very same bytes, from header to tag.
 */
export function pageCompare(rows: usize, count: i32, entries: usize): void {
  for (let i = 0; i < count; i++, rows += ROW_BYTES, entries += ENTRY_BYTES) {
    if (load<u32>(entries, FATE) != CHANGED || load<u32>(rows, STATUS) != DONE) continue;
    const now = <usize>load<u32>(entries, NOW);
    if (load<u32>(now, LENGTH) == load<u32>(rows, LENGTH) && sameBytes(rows, now)) store<u32>(entries, MOVED, FATE);
  }
}

/** Whether the storage keys of rows are in order, each once. */
function ascends(rows: usize, count: i32): bool {
  for (let i = 1; i < count; i++, rows += ROW_BYTES) {
    if (compareKeys(rows, rows + ROW_BYTES) >= 0) return false;
  }
  return true;
}

/** Below, at or above 0 as the storage key of `a` comes before, is, or comes after that of `b`. */
function compareKeys(a: usize, b: usize): i32 {
  const aKey = <usize>load<u32>(a, AAD) + KEY_OFFSET;
  const bKey = <usize>load<u32>(b, AAD) + KEY_OFFSET;
  const aLength = load<u32>(a, AAD_LENGTH);
  const bLength = load<u32>(b, AAD_LENGTH);
  const shared = <usize>min(aLength, bLength) - KEY_OFFSET;
  let at: usize = 0;
  for (const whole = shared & ~7; at < whole; at += 8) {
    const x = bswap(load<u64>(aKey + at));
    const y = bswap(load<u64>(bKey + at));
    if (x != y) return x < y ? -1 : 1;
  }
  for (; at < shared; at++) {
    const difference = <i32>load<u8>(aKey + at) - <i32>load<u8>(bKey + at);
    if (difference != 0) return difference;
  }
  return <i32>aLength - <i32>bLength;
}

/** The fate of a row's record, given the row of the record that is there under its key. */
function fateOf(row: usize, now: usize): u32 {
  const before = load<u64>(<usize>load<u32>(row, AAD), WRITE_VERSION_OFFSET);
  const after = load<u64>(<usize>load<u32>(now, AAD), WRITE_VERSION_OFFSET);
  if (after != before) return after > before ? LATER : PUT_BACK;
  if (load<u32>(now, LENGTH) != load<u32>(row, LENGTH)) return CHANGED;
  return sameBytes(row, now) ? UNCHANGED : CHANGED;
}

/** Compares two sealed states, equally long, as whole ones. */
function sameBytes(row: usize, now: usize): bool {
  const before = <usize>load<u32>(row, TEXT) - NONCE_BYTES - HEADER_BYTES;
  const after = <usize>load<u32>(now, TEXT) - NONCE_BYTES - HEADER_BYTES;
  // The last vector reaches back over the one before it: no sealed state is shorter than two.
  const last = HEADER_BYTES + NONCE_BYTES + <usize>load<u32>(row, LENGTH);
  let difference = v128.xor(v128.load(before + last), v128.load(after + last));
  for (let at: usize = 0; at < last; at += TAG_BYTES) {
    difference = v128.or(difference, v128.xor(v128.load(before + at), v128.load(after + at)));
  }
  return !v128.any_true(difference);
}
