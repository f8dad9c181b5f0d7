/**
 * AES-256 over blocks that have a key each: groups of eight take whatever keys their blocks name, so that blocks of
 * many keys with few blocks each fill groups as well as those of one key.
 */
import { GROUP_BYTES } from "./aes-sliced";
import { aes256EncryptGroups, aes256SlicedKeysBytes, INTERLEAVED_BYTES, LANES } from "./aes256";
import {
  aes256ExpandKeys,
  aes256SliceKeys,
  aes256StoreRoundKeys,
  aes256WipeRuns,
  KEY_BYTES,
} from "./aes256-round-keys";

/** A group's lanes: for each block the address of its round keys. */
const LANE_BYTES: usize = 4;
const GROUP_LANES_BYTES: usize = LANES * LANE_BYTES;

/** Sliced keys of the two groups in work, 2 × aes256SlicedKeysBytes. Secret until wiped. */
const slicedKeys = memory.data(3840, 16);
/** The lanes that the first of them are for; zeros where there are none. */
const slicedLanes = memory.data(32, 16);

/** Keys that aes256ExpandAndEncryptZero takes at once: two groups, which are interleaved. */
export const EXPANDED_TOGETHER: usize = 2 * LANES;

/**
 * Expands `count` (1 to EXPANDED_TOGETHER) keys and encrypts the zero block under each.
 * @param keys - count × 32 bytes, any alignment; the caller wipes them.
 * @param roundKeys - where those of the first key go, those of the others `stride` bytes apart; 16-byte aligned.
 * @param blocks - INTERLEAVED_BYTES, 16-byte aligned: block j is the zero block under key j, and as secret.
 */
export function aes256ExpandAndEncryptZero(
  keys: usize,
  count: usize,
  roundKeys: usize,
  stride: usize,
  blocks: usize,
): void {
  const first = min(count, LANES);
  const second = count - first;
  memory.fill(slicedLanes, 0, GROUP_LANES_BYTES);
  memory.fill(blocks, 0, INTERLEAVED_BYTES);
  aes256ExpandKeys(keys, first, slicedKeys);
  if (second != 0) aes256ExpandKeys(keys + LANES * KEY_BYTES, second, slicedKeys + aes256SlicedKeysBytes);
  aes256EncryptGroups(slicedKeys, aes256SlicedKeysBytes, blocks, second == 0 ? GROUP_BYTES : INTERLEAVED_BYTES);
  aes256StoreRoundKeys(slicedKeys, first, roundKeys, stride);
  if (second != 0) {
    aes256StoreRoundKeys(slicedKeys + aes256SlicedKeysBytes, second, roundKeys + LANES * stride, stride);
  }
}

/**
 * Encrypts blocks in place, each under the key that its lane names.
 * @param lanes - for each block a word, the address of its round keys; whole groups of them, 16-byte aligned.
 * @param blocks - whole groups, 16-byte aligned.
 * @param bytes - of the blocks.
 */
export function aes256EncryptLanes(lanes: usize, blocks: usize, bytes: usize): void {
  for (const end = blocks + bytes; blocks < end; blocks += INTERLEAVED_BYTES) {
    sliceFirst(lanes);
    const taken = min(end - blocks, INTERLEAVED_BYTES);
    let secondKeys: usize = 0;
    if (taken == INTERLEAVED_BYTES && !sameLanes(lanes, lanes + GROUP_LANES_BYTES)) {
      secondKeys = aes256SlicedKeysBytes;
      aes256SliceKeys(lanes + GROUP_LANES_BYTES, slicedKeys + secondKeys);
    }
    aes256EncryptGroups(slicedKeys, secondKeys, blocks, taken);
    lanes += 2 * GROUP_LANES_BYTES;
  }
}

/** Zeroes the sliced keys that are left, and what they were made by. */
export function aes256WipeLanes(): void {
  memory.fill(slicedKeys, 0, 2 * aes256SlicedKeysBytes);
  memory.fill(slicedLanes, 0, GROUP_LANES_BYTES);
  aes256WipeRuns();
}

/** Sees to it that the first group's sliced keys are those of `lanes`; along one key they stay as they are. */
function sliceFirst(lanes: usize): void {
  if (sameLanes(lanes, slicedLanes)) return;
  // A call that traps meanwhile must not leave them taken for what they are not.
  memory.fill(slicedLanes, 0, GROUP_LANES_BYTES);
  aes256SliceKeys(lanes, slicedKeys);
  v128.store(slicedLanes, v128.load(lanes));
  v128.store(slicedLanes, v128.load(lanes, 16), 16);
}

// @ts-ignore: decorator
@inline
function sameLanes(a: usize, b: usize): bool {
  const first = i32x4.eq(v128.load(a), v128.load(b));
  const last = i32x4.eq(v128.load(a, 16), v128.load(b, 16));
  return i32x4.all_true(v128.and(first, last));
}
