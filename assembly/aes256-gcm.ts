/**
 * AES-256-GCM over a batch of records in WebAssembly alone: seal, open, verify and fused re-encryption.
 * aes256-gcm-record.ts has what is done with one record.
 *
 * Rows are taken in chunks: consecutive rows, whatever their keys, as many as fit the scratch. A chunk goes through four
 * steps: write the counter blocks, encrypt them in place, verify each record's tag, combine each record with its
 * keystream. A record that alone exceeds the scratch is verified first, as every record is that has a tag yet, and then goes
 * through the other steps in pieces. A record is changed (nonce, text, tag) only after its old tag has been found right
 * over the whole of it.
 *
 * Limits: records must not overlap each other, and neither AADs nor new nonces may lie in a record of the batch.
 */
import { aes256RoundKeysBytes, BLOCK_BYTES, LANES } from "./aes256";
import { aes256EncryptLanes, aes256ExpandAndEncryptZero, aes256WipeLanes, EXPANDED_TOGETHER } from "./aes256-lanes";
import {
  applyKeystream,
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
import { KEY_BYTES } from "./aes256-round-keys";
import { KEY, LENGTH, NEW_KEY, NEW_NONCE, NONCE_BYTES, PENDING, ROW_BYTES, STATUS, TEXT } from "./descriptor";
import { blocksOf, ghashExpand, ghashTableBytes } from "./ghash";

/** The encrypted J0 of a record that goes in pieces, old and new. Secret while it does, zeros otherwise. */
const masks = memory.data(32, 16);

/**
 * For each block of one scratch area the context it is to be encrypted with: a word each, and room for eight more, as
 * contexts are noted four and groups filled up eight at a time.
 */
const lanes = memory.data(((SCRATCH_BLOCKS + LANES) * 4) as i32, 16);
/** How many of its bytes may be in use. */
let lanesBytes: usize = 0;

/** Size of a key context: round keys, then the hash key's table. 16-byte aligned. */
export const aes256GcmKeyBytes: usize = aes256RoundKeysBytes + ghashTableBytes;

/**
 * Expands keys into contexts, which descriptor rows name as KEY or NEW_KEY.
 * @param keys - count × 32 bytes, any alignment; the caller wipes them.
 * @param contexts - count × aes256GcmKeyBytes, 16-byte aligned; as secret as the keys, the caller wipes them after use.
 */
export function aes256GcmExpandKeys(keys: usize, count: u32, contexts: usize): void {
  for (let left: usize = count; left != 0;) {
    const taken = min(left, EXPANDED_TOGETHER);
    markDirty(EXPANDED_TOGETHER * BLOCK_BYTES);
    // The hash key is the encryption of the zero block.
    aes256ExpandAndEncryptZero(keys, taken, contexts, aes256GcmKeyBytes, keystream);
    for (let i: usize = 0; i < taken; i++) {
      ghashExpand(keystream + i * BLOCK_BYTES, contexts + aes256RoundKeysBytes);
      contexts += aes256GcmKeyBytes;
    }
    keys += taken * KEY_BYTES;
    left -= taken;
  }
  aes256GcmWipe();
}

/**
 * Fills in the hash key's table of a context and nothing else: for keystreams that another cipher makes.
 * @param h - the hash key, which is the encryption of the zero block: 16 bytes, any alignment; the caller wipes them.
 * @param context - aes256GcmKeyBytes, 16-byte aligned; as secret as the key, the caller wipes it after use.
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

/**
 * Zeroes what this module holds of keystream and round keys. Every call does so before it returns; this is for one that
 * trapped.
 */
export function aes256GcmWipe(): void {
  wipeKeystreams();
  aes256WipeLanes();
  memory.fill(masks, 0, 2 * BLOCK_BYTES);
  memory.fill(lanes, 0, lanesBytes);
  lanesBytes = 0;
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

/** The end of the rows from `row` on, a pending one, that fit the scratch; `row` if none does. */
export function endOfChunk(operation: u32, row: usize, end: usize): usize {
  let free = SCRATCH_BLOCKS;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    const blocks = keystreamBlocks(operation, row);
    if (blocks > free) break;
    free -= blocks;
  }
  return row;
}

/** Steps 1 and 2 for a chunk. Its records' keystreams lie in the order of the pending rows. */
function makeKeystreams(operation: u32, row: usize, end: usize): void {
  makeKeystream(operation, row, end, KEY, keystream);
  if (operation == REENCRYPT) makeKeystream(operation, row, end, NEW_KEY, newKeystream);
}

/** One of the two keystreams of a chunk: that of the key at `key` of each row, KEY or NEW_KEY. */
export function makeKeystream(operation: u32, row: usize, end: usize, key: usize, scratch: usize): void {
  let done: usize = 0;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    const blocks = keystreamBlocks(operation, row);
    const nonce = key == KEY ? word(row, TEXT) - NONCE_BYTES : word(row, NEW_NONCE);
    writeCounterBlocks(scratch + done * BLOCK_BYTES, nonce, 1, blocks);
    noteContext(done, word(row, key), blocks);
    done += blocks;
  }
  encryptScratch(scratch, done);
}

/** Notes what `blocks` blocks of a scratch area, from number `first` on, are to be encrypted with. */
function noteContext(first: usize, context: usize, blocks: usize): void {
  const contexts = i32x4.splat(context as i32);
  let at = lanes + first * 4;
  // Up to three too many: the next record's, or those of the blocks that fill up the last group.
  for (const end = at + blocks * 4; at < end; at += 16) v128.store(at, contexts);
  lanesBytes = max(lanesBytes, at - lanes);
}

/** Steps 3 and 4 for a chunk. */
function useKeystreams(operation: u32, row: usize, end: usize): void {
  let at: usize = 0;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    if (operation == SEAL || verifyTag(row, keystream + at)) {
      applyKeystream(operation, row, at);
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
      encryptCounters(word(row, KEY), nonce, counter, blocks, keystream);
      if (operation == REENCRYPT) {
        encryptCounters(word(row, NEW_KEY), word(row, NEW_NONCE), counter, blocks, newKeystream);
      }
      xorText(operation, text + done, bytes, 0);
    }
    finishRecord(operation, row, masks, masks + BLOCK_BYTES);
  }
}

/** Writes the encryption of a record's J0 alone. */
export function encryptJ0(context: usize, nonce: usize, to: usize): void {
  encryptCounters(context, nonce, 1, 1, keystream);
  v128.store(to, v128.load(keystream));
}

/** The keystream of some counters under one key, at the beginning of a scratch area. */
export function encryptCounters(context: usize, nonce: usize, counter: u32, blocks: usize, scratch: usize): void {
  writeCounterBlocks(scratch, nonce, counter, blocks);
  noteContext(0, context, blocks);
  encryptScratch(scratch, blocks);
}

/** Encrypts the first blocks of one scratch area in place; a last group that is not full takes old scratch along. */
function encryptScratch(scratch: usize, blocks: usize): void {
  const groupBlocks = (blocks + (LANES - 1)) & ~(LANES - 1);
  noteContext(blocks, load<u32>(lanes + (blocks - 1) * 4), groupBlocks - blocks);
  markDirty(groupBlocks * BLOCK_BYTES);
  aes256EncryptLanes(lanes, scratch, groupBlocks * BLOCK_BYTES);
}
