/**
 * AES-256-GCM over a batch of records in WebAssembly alone: seal, open, verify and fused re-encryption.
 * aes256-gcm-record.ts has what is done with one record.
 *
 * Rows are taken in chunks: consecutive rows under one key (and one new key), as many as fit the scratch. A chunk goes
 * through four steps: write the counter blocks, encrypt them in place, verify each record's tag, combine each record
 * with its keystream. A record that alone exceeds the scratch is verified first, as every record is, and then goes
 * through the other steps in pieces. A record is changed (nonce, text, tag) only after its old tag has been found right
 * over the whole of it.
 *
 * Limits: records must not overlap each other, and neither AADs nor new nonces may lie in a record of the batch.
 */
import { GROUP_BYTES } from "./aes-sliced";
import { aes256EncryptGroups, aes256ExpandKey, aes256RoundKeysBytes, BLOCK_BYTES } from "./aes256";
import {
  finishRecord,
  keystream,
  keystreamBlocks,
  markDirty,
  newKeystream,
  OPEN,
  REENCRYPT,
  SCRATCH_BLOCKS,
  SCRATCH_BYTES,
  SEAL,
  VERIFY,
  verifyTag,
  wipeKeystreams,
  word,
  writeCounterBlocks,
  xorText,
} from "./aes256-gcm-record";
import { KEY, LENGTH, NEW_KEY, NEW_NONCE, NONCE_BYTES, PENDING, ROW_BYTES, STATUS, TEXT } from "./descriptor";
import { blocksOf, ghashExpand, ghashTableBytes } from "./ghash";

/** The encrypted J0 of a record that goes in pieces, old and new. Secret while it does, zeros otherwise. */
const masks = memory.data(32, 16);

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

/**
 * Fills in the hash key's table of a context and nothing else: for keystreams that another cipher makes.
 * @param h - the hash key, which is the encryption of the zero block: 16 bytes, any alignment; the caller wipes them.
 * @param context - as for aes256GcmExpandKey.
 */
export function aes256GcmHashKey(h: usize, context: usize): void {
  ghashExpand(h, context + aes256RoundKeysBytes);
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
  wipeKeystreams();
  memory.fill(masks, 0, 2 * BLOCK_BYTES);
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
    if (operation == SEAL || verifyTag(row, keystream + at)) {
      if (operation != VERIFY) xorText(operation, word(row, TEXT), word(row, LENGTH), at + BLOCK_BYTES);
      finishRecord(operation, row, keystream + at, newKeystream + at);
    }
    at += keystreamBlocks(operation, row) * BLOCK_BYTES;
  }
}

/** All steps for one record that is longer than the scratch; VERIFY never comes here. */
function runInPieces(operation: u32, row: usize): void {
  const text = word(row, TEXT);
  const length = word(row, LENGTH);
  const nonce = text - NONCE_BYTES;
  encryptJ0(word(row, KEY), nonce, masks);
  if (operation == SEAL || verifyTag(row, masks)) {
    if (operation == REENCRYPT) encryptJ0(word(row, NEW_KEY), word(row, NEW_NONCE), masks + BLOCK_BYTES);
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
    finishRecord(operation, row, masks, masks + BLOCK_BYTES);
  }
}

/** Writes the encryption of a record's J0 alone. */
function encryptJ0(key: usize, nonce: usize, to: usize): void {
  writeCounterBlocks(keystream, nonce, 1, 1);
  encryptScratch(key, keystream, BLOCK_BYTES);
  v128.store(to, v128.load(keystream));
}

/** Encrypts blocks of one scratch area in place; a last group that is not full takes old scratch along. */
function encryptScratch(key: usize, scratch: usize, bytes: usize): void {
  const groupBytes = (bytes + (GROUP_BYTES - 1)) & ~(GROUP_BYTES - 1);
  markDirty(groupBytes);
  aes256EncryptGroups(key, scratch, groupBytes);
}
