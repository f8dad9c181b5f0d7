/**
 * A caller's descriptor table becomes rows that the kernels can run: offsets into the arena become addresses, key
 * indices become key contexts. The table comes from outside, so every reach into the arena is checked here, once.
 */
import {
  AAD,
  AAD_LENGTH,
  KEY,
  LENGTH,
  NEW_AAD,
  NEW_AAD_LENGTH,
  NEW_KEY,
  NEW_NONCE,
  NONCE_BYTES,
  PENDING,
  ROW_BYTES,
  STATUS,
  TAG_BYTES,
  TEXT,
} from "./descriptor";

/** No text may be longer: 16 MiB. */
const TEXT_BYTES_MAX: u32 = 1 << 24;

/**
 * Binds `count` rows to an arena of `length` bytes and `keyCount` contexts of `keyBytes` each. With `nonces` (0:
 * none) the rows are for a re-encryption: the NEW_ fields are bound too and row i is given the 12 bytes at
 * nonces + 12 i.
 * @returns -1, or the index of the first row that reaches outside the arena, the keys or the limits.
 */
export function batchBind(
  rows: usize,
  count: i32,
  arena: usize,
  length: u32,
  keys: usize,
  keyCount: u32,
  keyBytes: usize,
  nonces: usize,
): i32 {
  for (let i = 0; i < count; i++, rows += ROW_BYTES) {
    const text = load<u32>(rows, TEXT);
    const textLength = load<u32>(rows, LENGTH);
    const key = load<u32>(rows, KEY);
    if (text < <u32>NONCE_BYTES || textLength > TEXT_BYTES_MAX || key >= keyCount) return i;
    if (!within(text, textLength + <u32>TAG_BYTES, length)) return i;
    if (!within(load<u32>(rows, AAD), load<u32>(rows, AAD_LENGTH), length)) return i;
    store<u32>(rows, <u32>arena + text, TEXT);
    store<u32>(rows, <u32>arena + load<u32>(rows, AAD), AAD);
    store<u32>(rows, <u32>(keys + <usize>key * keyBytes), KEY);
    store<u32>(rows, PENDING, STATUS);
    if (nonces == 0) continue;
    const newKey = load<u32>(rows, NEW_KEY);
    if (newKey >= keyCount) return i;
    if (!within(load<u32>(rows, NEW_AAD), load<u32>(rows, NEW_AAD_LENGTH), length)) return i;
    store<u32>(rows, <u32>arena + load<u32>(rows, NEW_AAD), NEW_AAD);
    store<u32>(rows, <u32>(keys + <usize>newKey * keyBytes), NEW_KEY);
    store<u32>(rows, <u32>(nonces + <usize>i * NONCE_BYTES), NEW_NONCE);
  }
  return -1;
}

function within(offset: u32, size: u32, length: u32): bool {
  return <u64>offset + <u64>size <= <u64>length;
}
