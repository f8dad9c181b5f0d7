/**
 * AES-256-GCM (NIST SP 800-38D; 96-bit nonces, 128-bit tags): what is done with one record once its keystream is there,
 * whoever made that. descriptor.ts says how records are handed in.
 *
 * Keystreams lie in two scratch areas of this file, one of the (old) key and one of the new. A record's keystream is its
 * encrypted block J0, which masks the tag, and then one block for each block of text.
 *
 * Re-encryption stores no plaintext. The only store to a text is that of `xorText`: ciphertext + (old keystream + new
 * keystream), where the sum in brackets is made first, in a register; so what memory holds of a text is its old
 * ciphertext or its new one.
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
  NEW_KEY,
  NEW_NONCE,
  NONCE_BYTES,
  STATUS,
  TAG_MISMATCH,
  TEXT,
} from "./descriptor";
import { blocksOf, ghash, loadPartial } from "./ghash";

export const SCRATCH_BYTES: usize = 64 << 10;
export const SCRATCH_BLOCKS: usize = SCRATCH_BYTES / BLOCK_BYTES;

export const SEAL: u32 = 0;
export const OPEN: u32 = 1;
export const VERIFY: u32 = 2;
export const REENCRYPT: u32 = 3;

/** Counter blocks, then keystream, under the (old) key and under the new key. */
export const keystream = memory.data(65536, 16);
export const newKeystream = memory.data(65536, 16);
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
  for (const end = counter + (blocks as u32); counter != end; counter++) {
    v128.store(to, i32x4.replace_lane(first, 3, bswap(counter)));
    to += BLOCK_BYTES;
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

/** What follows a changed text: nonce and tag; and the row is done. At the masks lie the encrypted J0. */
export function finishRecord(operation: u32, row: usize, mask: usize, newMask: usize): void {
  const text = word(row, TEXT);
  const tag = text + word(row, LENGTH);
  if (operation == SEAL) v128.store(tag, tagOf(row, KEY, AAD, mask));
  if (operation == REENCRYPT) {
    memory.copy(text - NONCE_BYTES, word(row, NEW_NONCE), NONCE_BYTES);
    v128.store(tag, tagOf(row, NEW_KEY, NEW_AAD, newMask));
  }
  store<u32>(row, DONE, STATUS);
}
