/**
 * HMAC-SHA-256 (RFC 2104, FIPS 198-1) of four messages at a time, each under its own key.
 *
 *   HMAC(K, m) = H(K0 ⊕ opad ‖ H(K0 ⊕ ipad ‖ m)),  K0 = K padded with zeros to 64 bytes, or H(K) if K is longer
 *
 * Of a key only two states are kept, those of SHA-256 behind the blocks K0 ⊕ ipad and K0 ⊕ opad: a message then costs
 * its own blocks and one more. For the empty key these states are constants. A tag stays in SHA-256's lanes, where it
 * can become the next key, until storeDigest fetches it.
 *
 * Keys and their states lie in static scratch while a group runs; hmacSha256Batch zeroes it before it returns. Lengths
 * are public, keys and messages are not.
 */
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  INITIAL,
  LANES,
  STATE,
  WORDS,
  addPiece,
  beginGroup,
  beginLane,
  clearBlock,
  compressAll,
  copyBytes,
  hashGroup,
  loadWords,
  storeDigest,
  wipeSha256,
} from "./sha256";

/** One row of hmacSha256Batch, five little-endian u32 words: addresses and lengths; `out` receives 32 bytes. */
const KEY: usize = 0;
const KEY_LENGTH: usize = 4;
const MESSAGE: usize = 8;
const LENGTH: usize = 12;
const OUT: usize = 16;
const ROW: usize = 20;

const IPAD: u32 = 0x36363636;
const OPAD: u32 = 0x5c5c5c5c;

/** What INNER and OUTER hold for the empty key: SHA-256's states behind 64 bytes ipad and behind 64 bytes opad. */
// prettier-ignore
const EMPTY_KEY_STATES: usize = memory.data<u32>([
  0xf454dead, 0x9725214f, 0x90daf2a0, 0xdf1228ea, 0x64e5750f, 0xa3924181, 0x824a932b, 0xf8e04e32,
  0xd385480f, 0x7abb6477, 0x37c9c538, 0x5dd82467, 0x8e043a72, 0x753434b0, 0xdeb82818, 0x361d45a6,
]);

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 512;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/**
 * The lanes' states behind K0 ⊕ ipad and, right after them, behind K0 ⊕ opad, 8 v128 each. INNER is what the hash of a
 * message goes on from.
 */
export const INNER: usize = SCRATCH;
const OUTER: usize = SCRATCH + 128;
/** K0, 64 bytes a lane. */
const KEYS: usize = SCRATCH + 256;

/**
 * Authenticates `count` messages.
 * @param rows - count × {key, keyLength, message, length, out}, each a little-endian u32; `out` receives the tag and
 * must not overlap a key or message of the batch.
 */
export function hmacSha256Batch(rows: usize, count: u32): void {
  for (let first: u32 = 0; first < count; first += LANES) {
    const lanes = min(LANES, count - first);
    const group = rows + <usize>first * ROW;
    setKeys(group + KEY, group + KEY_LENGTH, ROW, lanes);
    beginGroup();
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const row = group + <usize>lane * ROW;
      beginLane(lane);
      addPiece(lane, load<u32>(row, MESSAGE), load<u32>(row, LENGTH));
    }
    authenticate();
    for (let lane: u32 = 0; lane < lanes; lane++) storeDigest(lane, load<u32>(group + <usize>lane * ROW, OUT));
  }
  wipeHmacSha256();
}

/** Zeroes everything that keys and messages left in the scratch of this file and of SHA-256. */
export function wipeHmacSha256(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
  wipeSha256();
}

/**
 * Sets the keys of the first `lanes` lanes.
 * @param keys - where lane 0's key address lies (u32); lane l's lies l × `stride` further.
 * @param lengths - likewise, where the keys' lengths lie.
 */
export function setKeys(keys: usize, lengths: usize, stride: usize, lanes: u32): void {
  let longest: u32 = 0;
  for (let lane: u32 = 0; lane < lanes; lane++) longest = max(longest, load<u32>(lengths + <usize>lane * stride));
  if (longest == 0) {
    setEmptyKeys();
    return;
  }
  if (longest > <u32>BLOCK_BYTES) hashLongKeys(keys, lengths, stride, lanes);
  for (let lane: u32 = 0; lane < lanes; lane++) {
    const length = load<u32>(lengths + <usize>lane * stride);
    const k0 = KEYS + <usize>lane * BLOCK_BYTES;
    clearBlock(k0);
    if (length > <u32>BLOCK_BYTES) storeDigest(lane, k0);
    else copyBytes(k0, load<u32>(keys + <usize>lane * stride), length);
  }
  loadWords(KEYS);
  setStates();
}

/** Sets every lane's key to the empty one. */
export function setEmptyKeys(): void {
  for (let i: usize = 0; i < 16; i++) v128.store(INNER + (i << 4), v128.load32_splat(EMPTY_KEY_STATES + (i << 2)));
}

/** Sets every lane's key to the 32 bytes of its last tag. */
export function setKeysToTags(): void {
  copyState(WORDS, STATE);
  for (let i: usize = 8; i < 16; i++) v128.store(WORDS + (i << 4), i32x4.splat(0));
  setStates();
}

/**
 * Computes the tags of the group's messages, which the caller began and filled as for SHA-256. STATE then holds them,
 * and what means nothing in lanes without a message; the keys stay set.
 */
export function authenticate(): void {
  hashGroup(INNER, <u32>BLOCK_BYTES);
  finishTags();
}

/** Makes of the inner digests in STATE the tags. */
export function finishTags(): void {
  // The outer message is the inner digest, whose words need no detour through bytes.
  copyState(WORDS, STATE);
  endDigestBlock();
  compressAll(OUTER);
}

/** Ends a block in WORDS of which the first 32 bytes are given and that follows a block of the key: padding, length. */
export function endDigestBlock(): void {
  v128.store(WORDS, i32x4.splat(<i32>0x80000000), 8 * 16);
  for (let i: usize = 9; i < 15; i++) v128.store(WORDS + (i << 4), i32x4.splat(0));
  v128.store(WORDS, i32x4.splat(8 * <i32>(BLOCK_BYTES + DIGEST_BYTES)), 15 * 16);
}

/** Leaves the digests of keys longer than a block in STATE. */
function hashLongKeys(keys: usize, lengths: usize, stride: usize, lanes: u32): void {
  beginGroup();
  for (let lane: u32 = 0; lane < lanes; lane++) {
    const length = load<u32>(lengths + <usize>lane * stride);
    if (length <= <u32>BLOCK_BYTES) continue;
    beginLane(lane);
    addPiece(lane, load<u32>(keys + <usize>lane * stride), length);
  }
  hashGroup(INITIAL, 0);
}

/** INNER and OUTER from K0 in WORDS. */
function setStates(): void {
  hashPadded(i32x4.splat(IPAD), INNER);
  // compress has left the block as it was: taking ipad off again and putting opad on is one step.
  hashPadded(i32x4.splat(IPAD ^ OPAD), OUTER);
}

/** Puts a pad on the block in WORDS and the state behind it into `to`. */
function hashPadded(pad: v128, to: usize): void {
  for (let i: usize = 0; i < 16; i++) v128.store(WORDS + (i << 4), v128.xor(v128.load(WORDS + (i << 4)), pad));
  compressAll(INITIAL);
  copyState(to, STATE);
}

/** Copies 8 v128. */
// @ts-ignore: decorator
@inline
function copyState(to: usize, from: usize): void {
  for (let i: usize = 0; i < 8; i++) v128.store(to + (i << 4), v128.load(from + (i << 4)));
}
