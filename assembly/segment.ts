/** Where a table of rows can be cut: into runs of records that may go the same way to be encrypted. */
import { KEY, LENGTH, NEW_KEY, PENDING, ROW_BYTES, STATUS } from "./descriptor";
import { blocksOf } from "./ghash";

/** Of the segment last asked for: its first pending row. */
export let segmentRow: usize = 0;
/** And the 16-byte blocks of its pending texts, with one more for each; 0 if no row is pending. */
export let segmentBlocks: u32 = 0;

/**
 * The end of the segment that begins at `row`: rows under one key, and with `bothKeys` one new key, none of whose
 * pending texts has `longBytes` or more; or one such row by itself. Rows that are not pending belong to whatever
 * segment they lie in.
 */
export function segmentEnd(row: usize, end: usize, longBytes: u32, bothKeys: bool): usize {
  let blocks: usize = 0;
  let key: u32 = 0;
  let newKey: u32 = 0;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    const length = load<u32>(row, LENGTH);
    const long = length >= longBytes;
    if (blocks == 0) {
      segmentRow = row;
      key = load<u32>(row, KEY);
      newKey = load<u32>(row, NEW_KEY);
    } else if (long || load<u32>(row, KEY) != key || (bothKeys && load<u32>(row, NEW_KEY) != newKey)) {
      break;
    }
    blocks += 1 + blocksOf(length);
    if (!long) continue;
    row += ROW_BYTES;
    break;
  }
  segmentBlocks = <u32>blocks;
  return row;
}
