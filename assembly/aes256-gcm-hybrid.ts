/**
 * AES-256-GCM over records of one key (and one new key) whose AES the host does: it encrypts whole areas of counter
 * blocks with its processor's instructions, which WebAssembly has none for. Everything else stays here, so that the
 * plaintext of a re-encrypted record is in no memory at all. aes256-gcm-record.ts has what is done with one record.
 *
 * A chunk of rows goes through these steps; between them the host does its part:
 *   aes256GcmHybridChunk      counter blocks into `keystream` and `newKeystream`; the host encrypts each area (ECB)
 *   aes256GcmHybridStream     where old tags are checked together: lays out what the host hashes with GCM
 *   aes256GcmHybridMatches    whether that hash says that every old tag is right
 *   aes256GcmHybridFinish     checks tags one by one where that is open, then changes the records
 *
 * The check of all tags at once. Let G_i be the GHASH of record i (AAD, ciphertext, lengths), J_i the encryption of
 * its block J0, and S_i = tag_i + J_i: the tag is right if and only if S_i = G_i. The stream is
 *
 *   0 | AAD_1 CT_1 lengths_1 | S_1 | AAD_2 CT_2 lengths_2 | S_2 | … | AAD_n CT_n lengths_n | S_n
 *
 * in whole blocks. GHASH is Horner's rule in H: where S_i = G_i the state returns to 0 with the block S_i, and so each
 * record begins at 0. If all are right, the state ends at 0, and GCM's tag of the stream taken as AAD, under any nonce,
 * is lengths·H + J*, where J* is the encrypted J0 of that nonce. batch-check.md proves that wrong tags do not pass, but
 * with a probability like that of a single record's check.
 */
import { aes256RoundKeysBytes, BLOCK_BYTES } from "./aes256";
import {
  applyKeystream,
  copyNonce,
  copyPadded,
  keystream,
  keystreamBlocks,
  LAST_BYTE_ONE,
  markDirty,
  newKeystream,
  REENCRYPT,
  SCRATCH_BYTES,
  SEAL,
  verifyTag,
  VERIFY,
  wipeKeystreams,
  word,
  writeCounterBlocks,
} from "./aes256-gcm-record";
import {
  AAD,
  AAD_LENGTH,
  DONE,
  KEY,
  LENGTH,
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
import { blocksOf, ghashLengths } from "./ghash";

const STREAM_BYTES: usize = 512 << 10;
/** What the host hashes. It holds the sums S_i, which tell H: secret until it is wiped. */
const stream = memory.data(STREAM_BYTES as i32, 16);
/** How much of it may hold something. */
let streamDirty: usize = 0;

/** Where the host finds the areas. */
export const aes256GcmKeystream: usize = keystream;
export const aes256GcmNewKeystream: usize = newKeystream;
export const aes256GcmStream: usize = stream;

/**
 * An area of keystream begins with two blocks that make a key known: the zero block becomes the hash key H, and J0 of the
 * zero nonce, under which the host hashes a stream, becomes J*.
 */
const KEY_BLOCKS_BYTES: usize = 2 * BLOCK_BYTES;

/** Of the chunk begun last: bytes of either area of keystream, and of what is hashed of it. */
export let hybridKeystreamBytes: usize = 0;
export let hybridStreamBytes: usize = 0;

/**
 * Begins a chunk: as many rows from `row` on as have room for their keystreams, and for what is hashed of them unless it
 * is a single one. Writes their counter blocks, in the order of the pending rows, for the host to encrypt: `keystream`
 * under KEY and, for a re-encryption, `newKeystream` under NEW_KEY. The keystream of a single one must have room
 * (paths.ts sees to it).
 * @returns the end of the chunk.
 */
export function aes256GcmHybridChunk(operation: u32, row: usize, end: usize): usize {
  writeKeyBlocks(keystream);
  if (operation == REENCRYPT) writeKeyBlocks(newKeystream);
  let bytes = KEY_BLOCKS_BYTES;
  let hashed: usize = BLOCK_BYTES;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    const blocks = keystreamBlocks(operation, row);
    const more = streamBytes(row);
    const text = word(row, TEXT);
    if (bytes != KEY_BLOCKS_BYTES && (bytes + blocks * BLOCK_BYTES > SCRATCH_BYTES || hashed + more > STREAM_BYTES))
      break;
    writeCounterBlocks(keystream + bytes, text - NONCE_BYTES, 1, blocks);
    if (operation == REENCRYPT) writeCounterBlocks(newKeystream + bytes, word(row, NEW_NONCE), 1, blocks);
    bytes += blocks * BLOCK_BYTES;
    hashed += more;
  }
  markDirty(bytes);
  hybridKeystreamBytes = bytes;
  hybridStreamBytes = hashed;
  return row;
}

// @ts-ignore: decorator
@inline
function writeKeyBlocks(area: usize): void {
  v128.store(area, i64x2.splat(0));
  v128.store(area, v128.load(LAST_BYTE_ONE), BLOCK_BYTES);
}

/** Bytes that a record takes of the stream, with the sum before it. */
// @ts-ignore: decorator
@inline
function streamBytes(row: usize): usize {
  return (2 + blocksOf(word(row, AAD_LENGTH)) + blocksOf(word(row, LENGTH))) * BLOCK_BYTES;
}

/** Lays out the stream of a chunk whose keystreams are there; false if it has no room. */
export function aes256GcmHybridStream(operation: u32, row: usize, end: usize): bool {
  if (hybridStreamBytes > STREAM_BYTES) return false;
  streamDirty = max(streamDirty, hybridStreamBytes);
  let to = stream;
  let at = keystream + KEY_BLOCKS_BYTES;
  let sum = i64x2.splat(0);
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    const text = word(row, TEXT);
    const length = word(row, LENGTH);
    const aadLength = word(row, AAD_LENGTH);
    v128.store(to, sum);
    to = copyPadded(to + BLOCK_BYTES, word(row, AAD), aadLength);
    to = copyPadded(to, text, length);
    store<u64>(to, bswap((aadLength as u64) << 3));
    store<u64>(to, bswap((length as u64) << 3), 8);
    to += BLOCK_BYTES;
    sum = v128.xor(v128.load(text + length), v128.load(at));
    at += keystreamBlocks(operation, row) * BLOCK_BYTES;
  }
  v128.store(to, sum);
  return true;
}

/**
 * Whether every old tag of the chunk is right.
 * @param key - the chunk's KEY context.
 * @param tag - what the host's GCM gave for the stream as AAD and no text, under the zero nonce.
 */
export function aes256GcmHybridMatches(key: usize, tag: usize): bool {
  const lengths = ghashLengths(key + aes256RoundKeysBytes, hybridStreamBytes, 0);
  const expected = v128.xor(lengths, v128.load(keystream, BLOCK_BYTES));
  return !v128.any_true(v128.xor(v128.load(tag), expected));
}

/**
 * Changes the records of a chunk whose keystreams are there.
 * @param checked - all their old tags are right; otherwise each is checked now, and those that are not stay as they
 * are.
 * @returns how many those are.
 */
export function aes256GcmHybridFinish(operation: u32, row: usize, end: usize, checked: bool): u32 {
  let at = KEY_BLOCKS_BYTES;
  let mismatched: u32 = 0;
  for (; row < end; row += ROW_BYTES) {
    if (load<u32>(row, STATUS) != PENDING) continue;
    const taken = keystreamBlocks(operation, row) * BLOCK_BYTES;
    if (checked || operation == SEAL || verifyTag(row, keystream + at)) {
      applyKeystream(operation, row, at);
    } else {
      mismatched++;
    }
    at += taken;
  }
  return mismatched;
}

/**
 * For a record by itself: makes of a tag by the host's GCM, which took the AAD in whole blocks and the ciphertext as its
 * AAD and no text, under KEY and the record's nonce, the tag that the record must have; and marks the row.
 * That tag differs by (lengths + those lengths)·H: as secret as H, the caller wipes it.
 * @returns whether the record has it.
 */
export function aes256GcmHybridCheck(row: usize, tag: usize): bool {
  const expected = recordTag(word(row, KEY), word(row, AAD_LENGTH), word(row, LENGTH), tag);
  const matches = !v128.any_true(v128.xor(v128.load(word(row, TEXT) + word(row, LENGTH)), expected));
  store<u32>(row, matches ? DONE : TAG_MISMATCH, STATUS);
  return matches;
}

/** Likewise under NEW_KEY and the new nonce: gives the record, whose text is new already, both and marks it done. */
export function aes256GcmHybridRetag(row: usize, tag: usize): void {
  const text = word(row, TEXT);
  const length = word(row, LENGTH);
  v128.store(text + length, recordTag(word(row, NEW_KEY), word(row, NEW_AAD_LENGTH), length, tag));
  copyNonce(text - NONCE_BYTES, word(row, NEW_NONCE));
  store<u32>(row, DONE, STATUS);
}

// @ts-ignore: decorator
@inline
function recordTag(key: usize, aadLength: usize, length: usize, tag: usize): v128 {
  const table = key + aes256RoundKeysBytes;
  const taken = ghashLengths(table, blocksOf(aadLength) * BLOCK_BYTES + length, 0);
  return v128.xor(v128.load(tag), v128.xor(taken, ghashLengths(table, aadLength, length)));
}

/** Zeroes keystreams and stream. */
export function aes256GcmHybridWipe(): void {
  wipeKeystreams();
  memory.fill(stream, 0, streamDirty);
  streamDirty = 0;
}
