/**
 * HKDF-SHA-256 (RFC 5869), extract and expand, of four derivations at a time.
 *
 *   PRK  = HMAC(salt, IKM)                       §2.2; an empty salt is 32 zero bytes, which HMAC pads to the same
 *   T(i) = HMAC(PRK, T(i−1) ‖ info ‖ i)          §2.3; output = T(1) ‖ T(2) ‖ …, cut
 *
 * Derivations of a group may differ in every length; a lane whose output is complete takes no further part. PRK goes
 * from one HMAC to the next without leaving SHA-256's lanes.
 *
 * Contract keys have no salt, 32 bytes of IKM, 64 of info and 32 of output. Groups of this shape, with infos of any one
 * length, take a way of their own: blocks are loaded from where they lie, and the last block of the info's message, if
 * it holds nothing but the counter, is scheduled once a batch. A contract key costs seven blocks: two for PRK, two for
 * its states in HMAC, three for T(1).
 *
 * Secrets lie in static scratch while a group runs; hkdfSha256Batch zeroes it before it returns. Lengths are public.
 */
import {
  INNER,
  authenticate,
  endDigestBlock,
  finishTags,
  setEmptyKeys,
  setKeys,
  setKeysToTags,
  wipeHmacSha256,
} from "./hmac-sha256";
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  LANES,
  STATE,
  WORDS,
  addPiece,
  beginGroup,
  beginLane,
  compressAll,
  compressKept,
  copyBytes,
  hashGroup,
  loadFourWords,
  storeDigest,
} from "./sha256";

/** One row of hkdfSha256Batch, eight little-endian u32 words: addresses and lengths in bytes. */
const IKM: usize = 0;
const IKM_LENGTH: usize = 4;
const SALT: usize = 8;
const SALT_LENGTH: usize = 12;
const INFO: usize = 16;
const INFO_LENGTH: usize = 20;
const OUT: usize = 24;
const OUT_LENGTH: usize = 28;
const ROW: usize = 32;

/** RFC 5869 §2.3: the counter is one byte. */
const OUT_LENGTH_MAX: u32 = 255 * 32;

/** Infos longer than this take the general way: far below the length whose bits overflow a word. */
const ALIKE_INFO_LENGTH_MAX: u32 = 0xffff;

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 1088;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/** T(i) of the lane whose output ends within it. */
const LAST_T: usize = SCRATCH;
/** The counter byte i, the same in all lanes. */
const COUNTER: usize = SCRATCH + 32;
/** Where the rows of the four lanes lie, u32 each. */
const ROWS: usize = SCRATCH + 48;
/** The schedule of a block that holds the counter 1 and no info, 64 v128. */
const COUNTER_WORDS: usize = SCRATCH + 64;

/**
 * Derives `count` outputs.
 * @param rows - count × {ikm, ikmLength, salt, saltLength, info, infoLength, out, outLength}, each a little-endian
 * u32; `out` receives outLength ≤ 255·32 bytes and must overlap no input and no other output of the batch. A longer
 * output would repeat its counter: it traps before anything is read or written.
 */
export function hkdfSha256Batch(rows: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(rows + <usize>i * ROW, OUT_LENGTH) > OUT_LENGTH_MAX) unreachable();
  }
  for (let first: u32 = 0; first < count; first += LANES) {
    const group = rows + <usize>first * ROW;
    const lanes = min(LANES, count - first);
    if (areAlike(group, lanes)) {
      deriveAlike(group, lanes);
    } else {
      extract(group, lanes);
      expand(group, lanes);
    }
  }
  kdfWipe();
}

/**
 * Zeroes the scratch of SHA-256, HMAC and HKDF. Each batch call does so itself before it returns; this is for a host
 * whose call trapped half way (an address outside memory).
 */
export function kdfWipe(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
  wipeHmacSha256();
}

/** Makes each lane's PRK its HMAC key. */
function extract(group: usize, lanes: u32): void {
  setKeys(group + SALT, group + SALT_LENGTH, ROW, lanes);
  beginGroup();
  for (let lane: u32 = 0; lane < lanes; lane++) {
    const row = group + <usize>lane * ROW;
    beginLane(lane);
    addPiece(lane, load<u32>(row, IKM), load<u32>(row, IKM_LENGTH));
  }
  authenticate();
  setKeysToTags();
}

/** The outputs, under the keys that extract has set. */
function expand(group: usize, lanes: u32): void {
  let longest: u32 = 0;
  for (let lane: u32 = 0; lane < lanes; lane++) {
    longest = max(longest, load<u32>(group + <usize>lane * ROW, OUT_LENGTH));
  }
  for (let done: u32 = 0; done < longest; done += <u32>DIGEST_BYTES) {
    store<u8>(COUNTER, <u8>(done / <u32>DIGEST_BYTES + 1));
    beginGroup();
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const row = group + <usize>lane * ROW;
      if (load<u32>(row, OUT_LENGTH) <= done) continue;
      beginLane(lane);
      // T(i−1) is what the last turn wrote.
      if (done > 0) addPiece(lane, <usize>load<u32>(row, OUT) + done - DIGEST_BYTES, <u32>DIGEST_BYTES);
      addPiece(lane, load<u32>(row, INFO), load<u32>(row, INFO_LENGTH));
      addPiece(lane, COUNTER, 1);
    }
    authenticate();
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const row = group + <usize>lane * ROW;
      const length = load<u32>(row, OUT_LENGTH);
      if (length > done) storeOutput(lane, <usize>load<u32>(row, OUT) + done, length - done);
    }
  }
}

/** Writes a lane's T(i), cut to the `wanted` bytes that its output still lacks. */
function storeOutput(lane: u32, out: usize, wanted: u32): void {
  if (wanted >= <u32>DIGEST_BYTES) {
    storeDigest(lane, out);
  } else {
    storeDigest(lane, LAST_T);
    copyBytes(out, LAST_T, wanted);
  }
}

/**
 * Whether the lanes' rows have the shape of a contract key and infos of one length. IKM is as long as a digest, and so
 * ends its block in the same way.
 */
function areAlike(group: usize, lanes: u32): bool {
  const infoLength = load<u32>(group, INFO_LENGTH);
  if (infoLength > ALIKE_INFO_LENGTH_MAX) return false;
  for (let lane: u32 = 0; lane < lanes; lane++) {
    const row = group + <usize>lane * ROW;
    if (load<u32>(row, INFO_LENGTH) != infoLength || load<u32>(row, SALT_LENGTH) != 0) return false;
    if (load<u32>(row, IKM_LENGTH) != <u32>DIGEST_BYTES || load<u32>(row, OUT_LENGTH) != <u32>DIGEST_BYTES)
      return false;
  }
  return true;
}

/** Derives the outputs of rows that are alike. */
function deriveAlike(group: usize, lanes: u32): void {
  // Lanes without a row of their own do what the last row says, and nobody asks for their outputs.
  for (let lane: u32 = 0; lane < LANES; lane++) {
    store<u32>(ROWS + ((<usize>lane) << 2), <u32>(group + <usize>min(lane, lanes - 1) * ROW));
  }
  setEmptyKeys();
  loadFromRows(IKM, 0, DIGEST_BYTES);
  endDigestBlock();
  compressAll(INNER);
  finishTags();
  setKeysToTags();
  hashInfos(load<u32>(group, INFO_LENGTH));
  finishTags();
  for (let lane: u32 = 0; lane < lanes; lane++) storeDigest(lane, load<u32>(group + <usize>lane * ROW, OUT));
}

/** Hashes info ‖ 1 of the four lanes, infos of `length` bytes. */
function hashInfos(length: u32): void {
  const whole = length & ~(<u32>BLOCK_BYTES - 1);
  let from = INNER;
  for (let done: u32 = 0; done < whole; done += <u32>BLOCK_BYTES) {
    loadFromRows(INFO, done, BLOCK_BYTES);
    compressAll(from);
    from = STATE;
  }
  if (whole == length) {
    hashCounter(from, length);
    return;
  }
  store<u8>(COUNTER, 1);
  beginGroup();
  for (let lane: u32 = 0; lane < LANES; lane++) {
    beginLane(lane);
    addPiece(lane, <usize>load<u32>(load<u32>(ROWS + ((<usize>lane) << 2)), INFO) + whole, length - whole);
    addPiece(lane, COUNTER, 1);
  }
  hashGroup(from, <u32>BLOCK_BYTES + whole);
}

/** Hashes the last block of a message that is a block of the key, `length` bytes of whole blocks, and the counter 1. */
function hashCounter(from: usize, length: u32): void {
  const bits = 8 * (<u32>BLOCK_BYTES + length + 1);
  // The word of the length says for which length the words are there.
  const complete = load<u32>(COUNTER_WORDS, 15 * 16) == bits;
  if (!complete) {
    v128.store(COUNTER_WORDS, i32x4.splat(0x01800000));
    for (let i: usize = 1; i < 15; i++) v128.store(COUNTER_WORDS + (i << 4), i32x4.splat(0));
    v128.store(COUNTER_WORDS, i32x4.splat(bits), 15 * 16);
  }
  compressKept(from, COUNTER_WORDS, complete);
}

/** Puts `bytes` bytes, `offset` behind where the rows' `field` says, into the first words of the block. */
function loadFromRows(field: usize, offset: usize, bytes: usize): void {
  const lane0 = <usize>load<u32>(<usize>load<u32>(ROWS) + field) + offset;
  const lane1 = <usize>load<u32>(<usize>load<u32>(ROWS, 4) + field) + offset;
  const lane2 = <usize>load<u32>(<usize>load<u32>(ROWS, 8) + field) + offset;
  const lane3 = <usize>load<u32>(<usize>load<u32>(ROWS, 12) + field) + offset;
  for (let i: usize = 0; i < bytes; i += 16) {
    loadFourWords(WORDS + (i << 2), lane0 + i, lane1 + i, lane2 + i, lane3 + i);
  }
}
