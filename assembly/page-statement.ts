/**
 * What a page statement is hashed of, but for its beginning: for each record that was moved, in order,
 *
 *   key length u16 | storage key | write version u64 | old tag 16 | new tag 16
 *
 * All of it is public.
 */
import { AAD, AAD_LENGTH, DONE, LENGTH, ROW_BYTES, STATUS, TAG_BYTES, TEXT } from "./descriptor";
import { copyAhead, KEY_OFFSET, WRITE_VERSION_OFFSET } from "./page";

/** Where a row's tag lies. */
// @ts-ignore: decorator
@inline
export function tagOf(row: usize): usize {
  return <usize>load<u32>(row, TEXT) + <usize>load<u32>(row, LENGTH);
}

/** Copies the tags of all rows to `tags`, 16 bytes each: a re-encryption writes over them. */
export function pageKeepTags(rows: usize, count: i32, tags: usize): void {
  for (let i = 0; i < count; i++, rows += ROW_BYTES, tags += TAG_BYTES) {
    v128.store(tags, v128.load(tagOf(rows)));
  }
}

/**
 * Puts together at `to` what states a re-encryption: the rows that are DONE, with the tags that pageKeepTags kept.
 * 42 bytes and a storage key for each row, and 16 more, are always enough.
 * @returns where it ends.
 */
export function pageStatement(rows: usize, count: i32, tags: usize, to: usize): usize {
  for (let i = 0; i < count; i++, rows += ROW_BYTES, tags += TAG_BYTES) {
    if (load<u32>(rows, STATUS) == DONE) to = stateRecord(to, rows, tags, tagOf(rows));
  }
  return to;
}

/** States one record, and may write over 15 bytes behind that; returns where it ends. */
// @ts-ignore: decorator
@inline
export function stateRecord(to: usize, row: usize, oldTag: usize, newTag: usize): usize {
  const aad = <usize>load<u32>(row, AAD);
  const keyLength = <usize>load<u32>(row, AAD_LENGTH) - KEY_OFFSET;
  store<u16>(to, <u16>keyLength);
  to += 2;
  copyAhead(to, aad + KEY_OFFSET, keyLength);
  to += keyLength;
  store<u64>(to, load<u64>(aad, WRITE_VERSION_OFFSET));
  v128.store(to, v128.load(oldTag), 8);
  v128.store(to, v128.load(newTag), 8 + TAG_BYTES);
  return to + 8 + 2 * TAG_BYTES;
}
