/**
 * AES-256-GCM (NIST SP 800-38D; 96-bit nonces, 128-bit tags): what is done with one record once its keystream is there,
 * whoever made that. descriptor.ts says how records are handed in.
 *
 * Keystreams lie in two scratch areas of this file, one of the (old) key and one of the new. A record's keystream is its
 * encrypted block J0, which masks the tag, and then one block for each block of text.
 *
 * Re-encryption stores no plaintext. Of the kernels, `xorText` and `moveRecord` alone store to a text:
 * ciphertext + (old keystream + new keystream), where the sum in brackets is made first, in a register; so what memory
 * holds of a text is its old ciphertext or its new one.
 *
 * Constant time: whether a tag matches is public; lengths, addresses and keys' places are public; nothing else
 * decides a branch or an address. Tags are compared whole.
 */
import { aes256RoundKeysBytes, BLOCK_BYTES } from "./aes256";
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
  STATUS,
  TAG_MISMATCH,
  TEXT,
} from "./descriptor";
import { blocksOf, ghash, ghashBlocks, loadPartial } from "./ghash";

/** Of either area of keystream. */
export const SCRATCH_BYTES: usize = 128 << 10;
export const SCRATCH_BLOCKS: usize = SCRATCH_BYTES / BLOCK_BYTES;

export const SEAL: u32 = 0;
export const OPEN: u32 = 1;
export const VERIFY: u32 = 2;
export const REENCRYPT: u32 = 3;

/** A vector whose last byte is 1. */
export const LAST_BYTE_ONE = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 16);

/** Masks that keep the first n bytes of a vector begin at 16 - n. */
const HEAD_BYTES = memory.data<u8>(
  // prettier-ignore
  [
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  ],
  16,
);

/** Counter blocks, then keystream, under the (old) key and under the new key. */
export const keystream = memory.data(SCRATCH_BYTES as i32, 16);
export const newKeystream = memory.data(SCRATCH_BYTES as i32, 16);
/** How much of either may hold keystream. */
let dirtyBytes: usize = 0;

/** Notes that the first `bytes` of the scratch areas hold keystream from now on. */
export function markDirty(bytes: usize): void {
  dirtyBytes = max(dirtyBytes, bytes);
}

/** Zeroes the keystreams. */
export function wipeKeystreams(): void {
  memory.fill(keystream, 0, dirtyBytes);
  memory.fill(newKeystream, 0, dirtyBytes);
  dirtyBytes = 0;
}

/** An address or a length out of a row. */
// @ts-ignore: decorator
@inline
export function word(row: usize, offset: usize): usize {
  return load<u32>(row + offset);
}

/** Blocks of keystream that a record takes: J0, and one for each block of text that is to change. */
// @ts-ignore: decorator
@inline
export function keystreamBlocks(operation: u32, row: usize): usize {
  return operation == VERIFY ? 1 : 1 + blocksOf(word(row, LENGTH));
}

/** `blocks` counter blocks of a nonce, whose last words count from `counter` on, big-endian. */
export function writeCounterBlocks(to: usize, nonce: usize, counter: u32, blocks: usize): void {
  const first = v128.load32_lane(nonce + 8, v128.load64_zero(nonce), 2);
  const one = v128.load(LAST_BYTE_ONE);
  const end = to + blocks * BLOCK_BYTES;
  while (to < end) {
    let block = i32x4.replace_lane(first, 3, bswap(counter));
    // As long as only the last byte changes, which is the highest of the lane, an addition does it.
    const turns = min<usize>(256 - (counter & 255), (end - to) / BLOCK_BYTES);
    counter += turns as u32;
    for (const stop = to + turns * BLOCK_BYTES; to < stop; to += BLOCK_BYTES) {
      v128.store(to, block);
      block = i32x4.add(block, one);
    }
  }
}

/** Whether a record's tag is right; if not, the row is marked. At `mask` lies the encryption of its J0. */
export function verifyTag(row: usize, mask: usize): bool {
  const tag = v128.load(word(row, TEXT) + word(row, LENGTH));
  const matches = !v128.any_true(v128.xor(tag, tagOf(row, KEY, AAD, mask)));
  if (!matches) store<u32>(row, TAG_MISMATCH, STATUS);
  return matches;
}

/** The tag of the text as it now lies, with the key and AAD (followed by its length) at these words of the row. */
function tagOf(row: usize, key: usize, aad: usize, mask: usize): v128 {
  const hash = ghash(
    word(row, key) + aes256RoundKeysBytes,
    word(row, aad),
    word(row, aad + (AAD_LENGTH - AAD)),
    word(row, TEXT),
    word(row, LENGTH),
  );
  return v128.xor(hash, v128.load(mask));
}

/** Adds the keystream at `at` of the scratch to a text; both keystreams at once for a re-encryption. */
export function xorText(operation: u32, text: usize, length: usize, at: usize): void {
  let old = keystream + at;
  // Without a second keystream, the first is all there is to add.
  const both = operation == REENCRYPT;
  for (const end = text + (length & ~(BLOCK_BYTES - 1)); text < end; text += BLOCK_BYTES) {
    v128.store(text, v128.xor(v128.load(text), keystreamAt(both, old)));
    old += BLOCK_BYTES;
  }
  length &= BLOCK_BYTES - 1;
  if (length != 0) storePartial(text, v128.xor(loadPartial(text, length), keystreamAt(both, old)), length);
}

/** The keystream block at an address of the old keystream, plus the new one's where both count. */
// @ts-ignore: decorator
@inline
function keystreamAt(both: bool, old: usize): v128 {
  return both ? v128.xor(v128.load(old), v128.load(old + (newKeystream - keystream))) : v128.load(old);
}

/** Writes the first 1 to 15 bytes of a vector. */
function storePartial(to: usize, bytes: v128, length: usize): void {
  if (length & 8) {
    v128.store64_lane(to, bytes, 0);
    bytes = i64x2.shuffle(bytes, bytes, 1, 1);
    to += 8;
  }
  if (length & 4) {
    v128.store32_lane(to, bytes, 0);
    bytes = i64x2.shr_u(bytes, 32);
    to += 4;
  }
  if (length & 2) {
    v128.store16_lane(to, bytes, 0);
    bytes = i64x2.shr_u(bytes, 16);
    to += 2;
  }
  if (length & 1) v128.store8_lane(to, bytes, 0);
}

/** What is hashed of a short record, in whole blocks: public. */
const STAGE_BYTES: usize = 1024;
const stage = memory.data(STAGE_BYTES as i32, 16);

/** Changes a record, whose old tag is right, with the keystreams that lie at `at`; and the row is done. */
// @ts-ignore: decorator
@inline
export function applyKeystream(operation: u32, row: usize, at: usize): void {
  if (operation == REENCRYPT) return moveRecord(row, at);
  if (operation != VERIFY) xorText(operation, word(row, TEXT), word(row, LENGTH), at + BLOCK_BYTES);
  finishRecord(operation, row, keystream + at, newKeystream + at);
}

/**
 * Moves a record whose old tag is right and whose keystreams lie at `at` to its new key, nonce and AAD; and the row is
 * done. As xorText and finishRecord do, but what is hashed of a short record is put together on the way, which takes
 * less than to gather it afterwards.
 */
function moveRecord(row: usize, at: usize): void {
  const length = word(row, LENGTH);
  const aadLength = word(row, NEW_AAD_LENGTH);
  // Each is bounded first, so that no sum can wrap.
  if (length > STAGE_BYTES || aadLength > STAGE_BYTES) return moveLong(row, at);
  const blocks: usize = 1 + blocksOf(aadLength) + blocksOf(length);
  const empty: usize = (0 - blocks) & 3;
  const bytes = (empty + blocks) * BLOCK_BYTES;
  if (bytes > STAGE_BYTES) return moveLong(row, at);
  let to = stage;
  for (const end = to + empty * BLOCK_BYTES; to < end; to += BLOCK_BYTES) v128.store(to, i64x2.splat(0));
  to = copyPadded(to, word(row, NEW_AAD), aadLength);

  let text = word(row, TEXT);
  copyNonce(text - NONCE_BYTES, word(row, NEW_NONCE));
  let old = keystream + at + BLOCK_BYTES;
  for (const end = text + (length & ~(BLOCK_BYTES - 1)); text < end; text += BLOCK_BYTES) {
    const moved = v128.xor(v128.load(text), keystreamAt(true, old));
    v128.store(text, moved);
    v128.store(to, moved);
    to += BLOCK_BYTES;
    old += BLOCK_BYTES;
  }
  const tail = length & (BLOCK_BYTES - 1);
  if (tail != 0) {
    // The vector reaches into the tag, which is replaced below.
    const moved = v128.and(
      v128.xor(v128.load(text), keystreamAt(true, old)),
      v128.load(HEAD_BYTES + BLOCK_BYTES - tail),
    );
    v128.store(text, moved);
    v128.store(to, moved);
    to += BLOCK_BYTES;
  }
  store<u64>(to, bswap((aadLength as u64) << 3));
  store<u64>(to, bswap((length as u64) << 3), 8);

  const hash = ghashBlocks(word(row, NEW_KEY) + aes256RoundKeysBytes, stage, bytes, empty > 1);
  v128.store(text + tail, v128.xor(hash, v128.load(newKeystream + at)));
  store<u32>(row, DONE, STATUS);
}

function moveLong(row: usize, at: usize): void {
  xorText(REENCRYPT, word(row, TEXT), word(row, LENGTH), at + BLOCK_BYTES);
  finishRecord(REENCRYPT, row, keystream + at, newKeystream + at);
}

/** memory.copy takes longer to call than twelve bytes take to copy. */
// @ts-ignore: decorator
@inline
export function copyNonce(to: usize, from: usize): void {
  store<u64>(to, load<u64>(from));
  store<u32>(to, load<u32>(from, 8), 8);
}

/** Copies bytes, zeros behind them up to a whole block; returns where the next block begins. */
// @ts-ignore: decorator
@inline
export function copyPadded(to: usize, from: usize, length: usize): usize {
  for (const end = from + (length & ~(BLOCK_BYTES - 1)); from < end; from += BLOCK_BYTES) {
    v128.store(to, v128.load(from));
    to += BLOCK_BYTES;
  }
  length &= BLOCK_BYTES - 1;
  if (length == 0) return to;
  v128.store(to, loadPartial(from, length));
  return to + BLOCK_BYTES;
}

/** What follows a changed text: nonce and tag; and the row is done. At the masks lie the encrypted J0. */
export function finishRecord(operation: u32, row: usize, mask: usize, newMask: usize): void {
  const text = word(row, TEXT);
  const tag = text + word(row, LENGTH);
  if (operation == SEAL) v128.store(tag, tagOf(row, KEY, AAD, mask));
  if (operation == REENCRYPT) {
    copyNonce(text - NONCE_BYTES, word(row, NEW_NONCE));
    v128.store(tag, tagOf(row, NEW_KEY, NEW_AAD, newMask));
  }
  store<u32>(row, DONE, STATUS);
}
