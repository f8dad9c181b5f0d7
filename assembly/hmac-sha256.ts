/**
 * HMAC-SHA-256 (RFC 2104, FIPS 198-1) of four messages at a time, each under its own key.
 *
 *   HMAC(K, m) = H(K0 ⊕ opad ‖ H(K0 ⊕ ipad ‖ m)),  K0 = K padded with zeros to 64 bytes, or H(K) if K is longer
 *
 * Key blocks and inner digests lie in static scratch while a group runs; hmacSha256Batch zeroes it before it returns.
 * Lengths are public, keys and messages are not.
 */
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  LANES,
  addPiece,
  beginGroup,
  beginLane,
  hashGroup,
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

const IPAD: u64 = 0x3636363636363636;
const OPAD: u64 = 0x5c5c5c5c5c5c5c5c;

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 656;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/** K0 ⊕ ipad, 64 bytes a lane. */
const INNER_KEY: usize = SCRATCH;
/** K0 ⊕ opad, 64 bytes a lane. */
const OUTER_KEY: usize = SCRATCH + 256;
/** The inner hash, 32 bytes a lane. */
const INNER_DIGEST: usize = SCRATCH + 512;
/** Whether a lane has a message in this group, u32 a lane. */
const BUSY: usize = SCRATCH + 640;

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
    beginMessages();
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const row = group + <usize>lane * ROW;
      beginMessage(lane);
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
 * Makes the key blocks of the first `lanes` lanes.
 * @param keys - where lane 0's key address lies (u32); lane l's lies l × `stride` further.
 * @param lengths - likewise, where the keys' lengths lie.
 */
export function setKeys(keys: usize, lengths: usize, stride: usize, lanes: u32): void {
  beginGroup();
  for (let lane: u32 = 0; lane < lanes; lane++) {
    const length = load<u32>(lengths + <usize>lane * stride);
    if (length <= <u32>BLOCK_BYTES) continue;
    beginLane(lane);
    addPiece(lane, load<u32>(keys + <usize>lane * stride), length);
  }
  hashGroup();
  for (let lane: u32 = 0; lane < lanes; lane++) {
    const length = load<u32>(lengths + <usize>lane * stride);
    const k0 = INNER_KEY + <usize>lane * BLOCK_BYTES;
    memory.fill(k0, 0, BLOCK_BYTES);
    if (length > <u32>BLOCK_BYTES) storeDigest(lane, k0);
    else memory.copy(k0, load<u32>(keys + <usize>lane * stride), length);
    for (let i: usize = 0; i < BLOCK_BYTES; i += 8) {
      const word = load<u64>(k0 + i);
      store<u64>(k0 + i, word ^ IPAD);
      store<u64>(k0 + i, word ^ OPAD, OUTER_KEY - INNER_KEY);
    }
  }
}

/** Starts a group of messages under the keys last set; no lane has one yet. */
export function beginMessages(): void {
  memory.fill(BUSY, 0, <usize>LANES * 4);
  beginGroup();
}

/** Gives a lane an empty message, to which SHA-256's addPiece adds up to three pieces. */
export function beginMessage(lane: u32): void {
  store<u32>(BUSY + ((<usize>lane) << 2), 1);
  beginLane(lane);
  addPiece(lane, INNER_KEY + <usize>lane * BLOCK_BYTES, <u32>BLOCK_BYTES);
}

/** Computes the tags of the group's messages; SHA-256's storeDigest fetches them. The keys stay set. */
export function authenticate(): void {
  hashGroup();
  for (let lane: u32 = 0; lane < LANES; lane++) storeDigest(lane, INNER_DIGEST + <usize>lane * DIGEST_BYTES);
  beginGroup();
  for (let lane: u32 = 0; lane < LANES; lane++) {
    if (load<u32>(BUSY + ((<usize>lane) << 2)) == 0) continue;
    beginLane(lane);
    addPiece(lane, OUTER_KEY + <usize>lane * BLOCK_BYTES, <u32>BLOCK_BYTES);
    addPiece(lane, INNER_DIGEST + <usize>lane * DIGEST_BYTES, <u32>DIGEST_BYTES);
  }
  hashGroup();
}
