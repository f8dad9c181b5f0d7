/**
 * expand_message_xmd with SHA-256 (RFC 9380 §5.3.1) of four messages at a time, all of one length and under one DST.
 *
 *   b_0 = H(Z_pad ‖ msg ‖ I2OSP(len_in_bytes, 2) ‖ 0 ‖ DST_prime)        Z_pad = 64 zero bytes
 *   b_i = H((b_0 ⊕ b_i−1) ‖ I2OSP(i, 1) ‖ DST_prime), b_1 without b_0    DST_prime = DST ‖ I2OSP(len(DST), 1)
 *
 * Outputs are whole digests, b_1 ‖ … ‖ b_ell: len_in_bytes = 32·ell. A DST has 1 to 255 bytes; hashing a longer one
 * first (§5.3.3) is the host's.
 *
 * What no message takes part in is done once, by beginExpansion: the state behind Z_pad, and the schedules of all
 * blocks that hold nothing but DST, padding and length. Where a message of 32 bytes takes eight blocks, for a DST of 22
 * to 83 bytes and ell = 3, that is every second one; where a DST of up to 19 bytes makes it take four, none.
 *
 * Constant time: lengths, addresses and the DST are public; no branch and no address depends on a message. Messages and
 * digests lie in static scratch, which wipeExpansion zeroes.
 */
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  INITIAL,
  LANES,
  STATE,
  WORDS,
  compressAll,
  compressKept,
  copyBytes,
  loadFourWords,
  loadWords,
  storeDigest,
  wipeSha256,
} from "./sha256";

const DST_BYTES_MAX: u32 = 255;
/** RFC 9380 §5.3.1 step 2. */
const ELL_MAX: u32 = 255;
/** Where in a block of b_i the counter lies. */
const COUNTER: u32 = 32;

/** The longest that is laid out at once: rest of the message (63), 3 bytes, DST_prime (256), padding, length. */
const LAID_BYTES: i32 = 6 * 64;
/** A schedule: W_0 … W_63, a v128 each. */
const SCHEDULE_BYTES: usize = 64 * 16;

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 384 + 32 + 4 * 64 + 3 * 128 + 9 * 1024;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/** The end of a hash's input, from the first block that does not hold message alone, while its blocks are made. */
const LAID: usize = SCRATCH;
/** Five u32: a message's bytes in whole blocks, its other bytes, ell, how many blocks of b_0 and of b_i are kept. */
const SHAPE: usize = SCRATCH + 384;
const WHOLE: usize = 0;
const REST: usize = 4;
const ELL: usize = 8;
const KEPT_0: usize = 12;
const KEPT_I: usize = 16;
/** That first block, of b_0: 64 bytes a lane. */
const FIRST: usize = SCRATCH + 416;
/** SHA-256's state behind Z_pad, 8 v128. */
const BEHIND_Z_PAD: usize = SCRATCH + 672;
/** b_0 as it lay in STATE, 8 v128. */
const B_0: usize = SCRATCH + 800;
/** W_8 … W_15 of the first block of b_i, the counter zero. */
const SECOND_HALF: usize = SCRATCH + 928;
/** Schedules of the other blocks of b_0, up to five, and of b_i, up to four. */
const KEPT_BLOCKS_0: usize = SCRATCH + 1056;
const KEPT_BLOCKS_I: usize = KEPT_BLOCKS_0 + 5 * SCHEDULE_BYTES;

/** Zeroes what messages and DST left in the scratch of this file and of SHA-256. */
export function wipeExpansion(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
  wipeSha256();
}

/**
 * Prepares for expandFour.
 * @param dst - `dstBytes` bytes, 1 to 255; other lengths, and an `ell` that is not 1 to 255, trap.
 */
export function beginExpansion(messageBytes: u32, dst: usize, dstBytes: u32, ell: u32): void {
  if (dstBytes - 1 >= DST_BYTES_MAX || ell - 1 >= ELL_MAX) unreachable();
  for (let i: usize = 0; i < 16; i++) v128.store(WORDS + (i << 4), i32x4.splat(0));
  compressAll(INITIAL);
  copyState(BEHIND_Z_PAD, STATE);

  const rest = messageBytes % <u32>BLOCK_BYTES;
  const whole = messageBytes - rest;
  const lengthInBytes = ell * <u32>DIGEST_BYTES;
  memory.fill(LAID, 0, LAID_BYTES);
  store<u8>(LAID + rest, <u8>(lengthInBytes >> 8));
  store<u8>(LAID + rest, <u8>lengthInBytes, 1);
  const blocks0 = layEnd(rest + 3, dst, dstBytes, BLOCK_BYTES + <u64>whole);
  for (let at: usize = 0; at < <usize>LANES * BLOCK_BYTES; at += 16) {
    v128.store(FIRST + at, v128.load(LAID + (at & (BLOCK_BYTES - 1))));
  }
  keepBlocks(KEPT_BLOCKS_0, blocks0);

  memory.fill(LAID, 0, LAID_BYTES);
  const blocksI = layEnd(COUNTER + 1, dst, dstBytes, 0);
  splatWords(SECOND_HALF, LAID + COUNTER, 8);
  keepBlocks(KEPT_BLOCKS_I, blocksI);

  store<u32>(SHAPE, whole, WHOLE);
  store<u32>(SHAPE, rest, REST);
  store<u32>(SHAPE, ell, ELL);
  store<u32>(SHAPE, blocks0 - 1, KEPT_0);
  store<u32>(SHAPE, blocksI - 1, KEPT_I);
}

/**
 * Expands four messages as beginExpansion was told; their addresses may be equal.
 * @param out - receives 32·ell bytes for each, one after the other, and must overlap no message.
 */
export function expandFour(out: usize, message0: usize, message1: usize, message2: usize, message3: usize): void {
  hashMessages(message0, message1, message2, message3);
  copyState(B_0, STATE);
  const ell = load<u32>(SHAPE, ELL);
  for (let i: u32 = 1; i <= ell; i++) {
    for (let word: usize = 0; word < 128; word += 16) {
      const b0 = v128.load(B_0 + word);
      v128.store(WORDS + word, i == 1 ? b0 : v128.xor(b0, v128.load(STATE + word)));
    }
    copyState(WORDS + 128, SECOND_HALF);
    v128.store(WORDS, v128.or(v128.load(WORDS, 128), i32x4.splat(i << 24)), 128);
    compressAll(INITIAL);
    compressBlocks(KEPT_BLOCKS_I, load<u32>(SHAPE, KEPT_I));
    for (let lane: u32 = 0; lane < LANES; lane++) storeDigest(lane, out + <usize>(lane * ell + i - 1) * DIGEST_BYTES);
  }
}

/** STATE becomes the lanes' b_0. */
function hashMessages(message0: usize, message1: usize, message2: usize, message3: usize): void {
  const whole = <usize>load<u32>(SHAPE, WHOLE);
  const rest = load<u32>(SHAPE, REST);
  let from = BEHIND_Z_PAD;
  for (let done: usize = 0; done < whole; done += BLOCK_BYTES) {
    for (let at: usize = 0; at < BLOCK_BYTES; at += 16) {
      const next = done + at;
      loadFourWords(WORDS + (at << 2), message0 + next, message1 + next, message2 + next, message3 + next);
    }
    compressAll(from);
    from = STATE;
  }
  copyBytes(FIRST, message0 + whole, rest);
  copyBytes(FIRST + BLOCK_BYTES, message1 + whole, rest);
  copyBytes(FIRST + 2 * BLOCK_BYTES, message2 + whole, rest);
  copyBytes(FIRST + 3 * BLOCK_BYTES, message3 + whole, rest);
  loadWords(FIRST);
  compressAll(from);
  compressBlocks(KEPT_BLOCKS_0, load<u32>(SHAPE, KEPT_0));
}

/**
 * Puts DST_prime, padding and length (FIPS 180-4 §5.1.1) behind the first `at` bytes of LAID.
 * @param before - bytes hashed before LAID, whole blocks.
 * @returns how many blocks LAID then is.
 */
function layEnd(at: u32, dst: usize, dstBytes: u32, before: u64): u32 {
  copyBytes(LAID + at, dst, dstBytes);
  const end = at + dstBytes + 1;
  store<u8>(LAID + end - 1, <u8>dstBytes);
  store<u8>(LAID + end, 0x80);
  const blocks = (end + 8) / <u32>BLOCK_BYTES + 1;
  store<u64>(LAID + <usize>blocks * BLOCK_BYTES - 8, bswap((before + end) << 3));
  return blocks;
}

/** Makes the schedules of all of LAID's blocks but the first. */
function keepBlocks(kept: usize, blocks: u32): void {
  for (let block: u32 = 1; block < blocks; block++) {
    splatWords(kept, LAID + <usize>block * BLOCK_BYTES, 16);
    // Only for the schedule that it leaves behind.
    compressKept(INITIAL, kept, false);
    kept += SCHEDULE_BYTES;
  }
}

/** STATE goes on over kept blocks. */
function compressBlocks(kept: usize, blocks: u32): void {
  for (let block: u32 = 0; block < blocks; block++) compressKept(STATE, kept + <usize>block * SCHEDULE_BYTES, true);
}

/** Puts big-endian words at `bytes` into all lanes. */
function splatWords(words: usize, bytes: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) {
    v128.store(words + (i << 4), i32x4.splat(bswap(load<u32>(bytes + (i << 2)))));
  }
}

/** Copies 8 v128. */
// @ts-ignore: decorator
@inline
function copyState(to: usize, from: usize): void {
  for (let i: usize = 0; i < 128; i += 16) v128.store(to + i, v128.load(from + i));
}
