/**
 * AES-256-GCM (NIST SP 800-38D; 96-bit nonces, 128-bit tags) over a batch of records: seal, open, verify and fused
 * re-encryption. descriptor.ts says how records are handed in.
 *
 * Rows are taken in chunks: consecutive rows under one key (and one new key), as many as fit the scratch. A chunk goes
 * through four steps, each a function of its own over that scratch: write the counter blocks, encrypt them in place,
 * verify each record's tag, combine each record with its keystream. The keystream of a record is its block J0 (which
 * masks the tag) and then one block for each block of text. A record that alone exceeds the scratch is verified
 * first, as every record is, and then goes through the other steps in pieces.
 *
 * Re-encryption stores no plaintext. The only store to a text is that of `xorText`: ciphertext + (old keystream + new
 * keystream), where the sum in brackets is made first, in a register; so what memory holds of a text is its old
 * ciphertext or its new one. A record is changed (nonce, text, tag) only after its old tag has been found right over
 * the whole of it.
 *
 * Constant time: whether a tag matches is public; lengths, addresses and keys' places are public; nothing else
 * decides a branch or an address. Tags are compared whole. The scratch holds keystream only during a call.
 *
 * Limits: records must not overlap each other, and neither AADs nor new nonces may lie in a record of the batch.
 */
import { GROUP_BYTES } from "./aes-sliced";
import { aes256EncryptGroups, aes256ExpandKey, aes256RoundKeysBytes, BLOCK_BYTES } from "./aes256";
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
  STATUS,
  TAG_MISMATCH,
  TEXT,
} from "./descriptor";
import { blocksOf, ghash, ghashExpand, ghashTableBytes, loadPartial } from "./ghash";

const SCRATCH_BYTES: usize = 64 << 10;
const SCRATCH_BLOCKS: usize = SCRATCH_BYTES / BLOCK_BYTES;

const SEAL: u32 = 0;
const OPEN: u32 = 1;
const VERIFY: u32 = 2;
const REENCRYPT: u32 = 3;

/** Counter blocks, then keystream, under the (old) key and under the new key. */
const keystream = memory.data(65536, 16);
const newKeystream = memory.data(65536, 16);
/** How much of either may hold keystream. */
let dirtyBytes: usize = 0;

/** Size of a key context: sliced round keys, then the hash key's table. 16-byte aligned. */
export const aes256GcmKeyBytes: usize = aes256RoundKeysBytes + ghashTableBytes;

/**
 * Expands a key into a context, which descriptor rows name as KEY or NEW_KEY.
 * @param key - 32 bytes, any alignment; the caller wipes them.
 * @param context - aes256GcmKeyBytes, 16-byte aligned; as secret as the key, the caller wipes it after use.
 */
export function aes256GcmExpandKey(key: usize, context: usize): void {
  aes256ExpandKey(key, context);
  // The hash key is the encryption of the zero block.
  memory.fill(keystream, 0, GROUP_BYTES);
  encryptScratch(context, keystream, GROUP_BYTES);
  ghashExpand(keystream, context + aes256RoundKeysBytes);
  aes256GcmWipe();
}

/** Seals the pending ones of `count` rows. */
export function aes256GcmSeal(rows: usize, count: usize): void {
  run(SEAL, rows, count);
}

/** Opens the pending ones of `count` rows whose tag is right. */
export function aes256GcmOpen(rows: usize, count: usize): void {
  run(OPEN, rows, count);
}

/** Checks the tags of the pending ones of `count` rows. */
export function aes256GcmVerify(rows: usize, count: usize): void {
  run(VERIFY, rows, count);
}

/** Moves the pending ones of `count` rows whose tag is right to their new keys. */
export function aes256GcmReencrypt(rows: usize, count: usize): void {
  run(REENCRYPT, rows, count);
}

/** Zeroes what this module holds of keystream. Every call does so before it returns; this is for one that trapped. */
export function aes256GcmWipe(): void {
  memory.fill(keystream, 0, dirtyBytes);
  memory.fill(newKeystream, 0, dirtyBytes);
  dirtyBytes = 0;
}

function run(operation: u32, rows: usize, count: usize): void {
  const end = rows + count * ROW_BYTES;
  while (rows < end) {
    if (load<u32>(rows, STATUS) != PENDING) {
      rows += ROW_BYTES;
      continue;
    }
    const chunkEnd = endOfChunk(operation, rows, end);
    if (chunkEnd != rows) {
      makeKeystreams(operation, rows, chunkEnd);
      useKeystreams(operation, rows, chunkEnd);
      rows = chunkEnd;
    } else {
      runInPieces(operation, rows);
      rows += ROW_BYTES;
    }
  }
  aes256GcmWipe();
}

/** An address or a length out of a row. */
// @ts-ignore: decorator
@inline
function word(row: usize, offset: usize): usize {
  return load<u32>(row + offset);
}

/** Blocks of keystream that a record takes: J0, and one for each block of text that is to change. */
// @ts-ignore: decorator
@inline
function keystreamBlocks(operation: u32, row: usize): usize {
  return operation == VERIFY ? 1 : 1 + blocksOf(word(row, LENGTH));
}

/** The end of the rows from `row` on, a pending one, that share its keys and fit the scratch; `row` if none does. */
function endOfChunk(operation: u32, row: usize, end: usize): usize {
  const key = word(row, KEY);
  const newKey = word(row, NEW_KEY);
  let free = SCRATCH_BLOCKS;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    if (word(row, KEY) != key) break;
    if (operation == REENCRYPT && word(row, NEW_KEY) != newKey) break;
    const blocks = keystreamBlocks(operation, row);
    if (blocks > free) break;
    free -= blocks;
  }
  return row;
}

/** Steps 1 and 2 for a chunk. Its records' keystreams lie in the order of the pending rows. */
function makeKeystreams(operation: u32, row: usize, end: usize): void {
  const key = word(row, KEY);
  const newKey = word(row, NEW_KEY);
  let bytes: usize = 0;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    const blocks = keystreamBlocks(operation, row);
    writeCounterBlocks(keystream + bytes, word(row, TEXT) - NONCE_BYTES, 1, blocks);
    if (operation == REENCRYPT) writeCounterBlocks(newKeystream + bytes, word(row, NEW_NONCE), 1, blocks);
    bytes += blocks * BLOCK_BYTES;
  }
  encryptScratch(key, keystream, bytes);
  if (operation == REENCRYPT) encryptScratch(newKey, newKeystream, bytes);
}

/** Steps 3 and 4 for a chunk. */
function useKeystreams(operation: u32, row: usize, end: usize): void {
  let at: usize = 0;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    if (operation == SEAL || verifyTag(row, v128.load(keystream + at))) {
      if (operation != VERIFY) xorText(operation, word(row, TEXT), word(row, LENGTH), at + BLOCK_BYTES);
      finishRecord(operation, row, v128.load(keystream + at), v128.load(newKeystream + at));
    }
    at += keystreamBlocks(operation, row) * BLOCK_BYTES;
  }
}

/** All steps for one record that is longer than the scratch; VERIFY never comes here. */
function runInPieces(operation: u32, row: usize): void {
  const text = word(row, TEXT);
  const length = word(row, LENGTH);
  const nonce = text - NONCE_BYTES;
  const mask = encryptedJ0(word(row, KEY), nonce);
  if (operation != SEAL && !verifyTag(row, mask)) return;
  const newMask = operation == REENCRYPT ? encryptedJ0(word(row, NEW_KEY), word(row, NEW_NONCE)) : mask;
  for (let done: usize = 0; done < length; done += SCRATCH_BYTES) {
    const bytes = min(length - done, SCRATCH_BYTES);
    const blocks = blocksOf(bytes);
    const counter = 2 + ((done / BLOCK_BYTES) as u32);
    writeCounterBlocks(keystream, nonce, counter, blocks);
    encryptScratch(word(row, KEY), keystream, blocks * BLOCK_BYTES);
    if (operation == REENCRYPT) {
      writeCounterBlocks(newKeystream, word(row, NEW_NONCE), counter, blocks);
      encryptScratch(word(row, NEW_KEY), newKeystream, blocks * BLOCK_BYTES);
    }
    xorText(operation, text + done, bytes, 0);
  }
  finishRecord(operation, row, mask, newMask);
}

/** The encryption of a record's J0 alone. */
function encryptedJ0(key: usize, nonce: usize): v128 {
  writeCounterBlocks(keystream, nonce, 1, 1);
  encryptScratch(key, keystream, BLOCK_BYTES);
  return v128.load(keystream);
}

/** Step 1: `blocks` counter blocks of a nonce, whose last words count from `counter` on, big-endian. */
function writeCounterBlocks(to: usize, nonce: usize, counter: u32, blocks: usize): void {
  const first = v128.load32_lane(nonce + 8, v128.load64_zero(nonce), 2);
  for (const end = counter + (blocks as u32); counter != end; counter++) {
    v128.store(to, i32x4.replace_lane(first, 3, bswap(counter)));
    to += BLOCK_BYTES;
  }
}

/** Step 2: encrypts blocks of one scratch area in place; a last group that is not full takes old scratch along. */
function encryptScratch(key: usize, scratch: usize, bytes: usize): void {
  const groupBytes = (bytes + (GROUP_BYTES - 1)) & ~(GROUP_BYTES - 1);
  dirtyBytes = max(dirtyBytes, groupBytes);
  aes256EncryptGroups(key, scratch, groupBytes);
}

/** Step 3: whether a record's tag is right; if not, the row is marked. `mask` is the encryption of its J0. */
function verifyTag(row: usize, mask: v128): bool {
  const tag = v128.load(word(row, TEXT) + word(row, LENGTH));
  const matches = !v128.any_true(v128.xor(tag, tagOf(row, KEY, AAD, mask)));
  if (!matches) store<u32>(row, TAG_MISMATCH, STATUS);
  return matches;
}

/** The tag of the text as it now lies, with the key and AAD (followed by its length) at these words of the row. */
function tagOf(row: usize, key: usize, aad: usize, mask: v128): v128 {
  const hash = ghash(
    word(row, key) + aes256RoundKeysBytes,
    word(row, aad),
    word(row, aad + (AAD_LENGTH - AAD)),
    word(row, TEXT),
    word(row, LENGTH),
  );
  return v128.xor(hash, mask);
}

/** Step 4: adds the keystream at `at` of the scratch to a text; both keystreams at once for a re-encryption. */
function xorText(operation: u32, text: usize, length: usize, at: usize): void {
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

/** What follows a changed text: nonce and tag; and the row is done. */
function finishRecord(operation: u32, row: usize, mask: v128, newMask: v128): void {
  const text = word(row, TEXT);
  const tag = text + word(row, LENGTH);
  if (operation == SEAL) v128.store(tag, tagOf(row, KEY, AAD, mask));
  if (operation == REENCRYPT) {
    memory.copy(text - NONCE_BYTES, word(row, NEW_NONCE), NONCE_BYTES);
    v128.store(tag, tagOf(row, NEW_KEY, NEW_AAD, newMask));
  }
  store<u32>(row, DONE, STATUS);
}
