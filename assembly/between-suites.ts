/**
 * Fused re-encryption from AES-256-GCM to ChaCha20-Poly1305 and back, over a batch of the rows that descriptor.ts
 * describes: KEY is a context of the one suite, NEW_KEY one of the other.
 *
 * What holds within a suite holds here. A record is changed only after its old tag was found right over the whole of it;
 * c' = c ⊕ (keystream(old) ⊕ keystream(new)), where the sum in brackets is made first, in a register, so what memory
 * holds of a text is its old ciphertext or its new one. Where rows cut into chunks, and what is done with a record that is
 * longer than the scratch, is as in aes256-gcm.ts; the ChaCha20 keystream is made four blocks at a time beside it.
 *
 * No branch and no address depends on a key, a keystream, a text or a tag, but for the outcome of the tag check, which
 * the status publishes. Each kernel zeroes its scratch before it returns.
 */
import { aes256GcmWipe, encryptCounters, encryptJ0, endOfChunk, makeKeystream } from "./aes256-gcm";
import {
  copyNonce,
  finishRecord,
  keystream,
  keystreamBlocks,
  REENCRYPT,
  SCRATCH_BYTES,
  verifyTag,
  word,
} from "./aes256-gcm-record";
import { BLOCK_BYTES as CHACHA_BLOCK_BYTES, chacha20Blocks, chacha20SetLane } from "./chacha20";
import { chacha20Poly1305Wipe, macBlocks, tagMatches } from "./chacha20-poly1305";
import {
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
  TAG_BYTES,
  TAG_MISMATCH,
  TEXT,
} from "./descriptor";
import { blocksOf } from "./ghash";
import { poly1305Absorb, poly1305Finish, poly1305Start } from "./poly1305";

const AES_BLOCK_BYTES: usize = 16;
/** Four blocks of ChaCha20. */
const STREAM_BYTES: usize = 256;
const stream = memory.data(256, 16);
/** The encrypted J0 of a record that goes in pieces. */
const mask = memory.data(16, 16);

/** Moves the pending ones of `count` rows whose tag is right from AES-256-GCM to ChaCha20-Poly1305. */
export function aes256GcmToChacha20Poly1305(rows: usize, count: usize): void {
  run(rows, count, false);
}

/** Moves the pending ones of `count` rows whose tag is right from ChaCha20-Poly1305 to AES-256-GCM. */
export function chacha20Poly1305ToAes256Gcm(rows: usize, count: usize): void {
  run(rows, count, true);
}

/** Zeroes all scratch of both suites. The kernels do so themselves before they return. */
export function betweenSuitesWipe(): void {
  memory.fill(stream, 0, STREAM_BYTES);
  memory.fill(mask, 0, TAG_BYTES);
  chacha20Poly1305Wipe();
  aes256GcmWipe();
}

function run(rows: usize, count: usize, toGcm: bool): void {
  const aesKey = toGcm ? NEW_KEY : KEY;
  const end = rows + count * ROW_BYTES;
  while (rows < end) {
    if (load<u32>(rows, STATUS) != PENDING) {
      rows += ROW_BYTES;
      continue;
    }
    const chunkEnd = endOfChunk(REENCRYPT, rows, end);
    if (chunkEnd == rows) {
      encryptJ0(word(rows, aesKey), toGcm ? word(rows, NEW_NONCE) : word(rows, TEXT) - NONCE_BYTES, mask);
      moveRecord(rows, toGcm, mask, 0);
      rows += ROW_BYTES;
      continue;
    }
    makeKeystream(REENCRYPT, rows, chunkEnd, aesKey, keystream);
    for (let at = keystream; rows < chunkEnd; rows += ROW_BYTES) {
      if (load<u32>(rows, STATUS) != PENDING) continue;
      moveRecord(rows, toGcm, at, at + AES_BLOCK_BYTES);
      at += keystreamBlocks(REENCRYPT, rows) * AES_BLOCK_BYTES;
    }
  }
  betweenSuitesWipe();
}

/**
 * Moves one record if its old tag is right.
 * @param j0 - its encrypted J0.
 * @param aes - the AES keystream of its text; 0: it is made here, in pieces.
 */
function moveRecord(row: usize, toGcm: bool, j0: usize, aes: usize): void {
  const text = word(row, TEXT);
  const length = word(row, LENGTH);
  const aadLength = word(row, NEW_AAD_LENGTH);
  const chachaKey = word(row, toGcm ? KEY : NEW_KEY);
  const chachaNonce = toGcm ? text - NONCE_BYTES : word(row, NEW_NONCE);
  // The one-time key, and the keystream of the first 192 bytes.
  fourBlocks(chachaKey, chachaNonce, 0);
  if (toGcm ? !tagMatches(row, stream) : !verifyTag(row, j0)) {
    store<u32>(row, TAG_MISMATCH, STATUS);
    return;
  }
  if (!toGcm) {
    poly1305Start(stream, macBlocks(aadLength, length));
    poly1305Absorb(word(row, NEW_AAD), aadLength);
  }
  if (aes != 0) moveText(text, length, aes, chachaKey, chachaNonce, 0, CHACHA_BLOCK_BYTES, !toGcm);
  else moveInPieces(row, toGcm, chachaKey, chachaNonce);
  if (toGcm) {
    finishRecord(REENCRYPT, row, j0, j0);
  } else {
    poly1305Finish(text + length, aadLength, length);
    copyNonce(text - NONCE_BYTES, chachaNonce);
    store<u32>(row, DONE, STATUS);
  }
}

/** The text of a record that is longer than the scratch. */
function moveInPieces(row: usize, toGcm: bool, chachaKey: usize, chachaNonce: usize): void {
  const text = word(row, TEXT);
  const length = word(row, LENGTH);
  const aesKey = word(row, toGcm ? NEW_KEY : KEY);
  const aesNonce = toGcm ? word(row, NEW_NONCE) : text - NONCE_BYTES;
  for (let done: usize = 0; done < length; done += SCRATCH_BYTES) {
    const bytes = min(length - done, SCRATCH_BYTES);
    encryptCounters(aesKey, aesNonce, 2 + <u32>(done / AES_BLOCK_BYTES), blocksOf(bytes), keystream);
    // A piece begins with a group of four ChaCha20 blocks, block 0 not counted: the group before it is used up.
    const counter = 1 + <u32>(done / CHACHA_BLOCK_BYTES) - 4;
    moveText(text + done, bytes, keystream, chachaKey, chachaNonce, counter, STREAM_BYTES, !toGcm);
  }
}

/**
 * Moves `length` bytes of text.
 * @param counter - of the first block in `stream`, of which `used` bytes are used up.
 * @param absorb - whether what comes out goes into the Poly1305 tag.
 */
function moveText(
  text: usize,
  length: usize,
  aes: usize,
  chachaKey: usize,
  chachaNonce: usize,
  counter: u32,
  used: usize,
  absorb: bool,
): void {
  while (length != 0) {
    if (used == STREAM_BYTES) {
      counter += 4;
      fourBlocks(chachaKey, chachaNonce, counter);
      used = 0;
    }
    const part = min(length, STREAM_BYTES - used);
    addKeystreams(text, aes, stream + used, part);
    if (absorb) poly1305Absorb(text, part);
    text += part;
    aes += part;
    used += part;
    length -= part;
  }
}

/** text ^= a ^ b. Whole vectors are stored: past a short end they reach into the old tag, in whose place the new one goes. */
// @ts-ignore: decorator
@inline
function addKeystreams(text: usize, a: usize, b: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 16) {
    v128.store(text + at, v128.xor(v128.load(text + at), v128.xor(v128.load(a + at), v128.load(b + at))));
  }
}

/** Four blocks of ChaCha20 from number `counter` on into `stream`. */
function fourBlocks(key: usize, nonce: usize, counter: u32): void {
  for (let lane: u32 = 0; lane < 4; lane++) chacha20SetLane(lane, key, nonce, counter + lane);
  chacha20Blocks(stream);
}
