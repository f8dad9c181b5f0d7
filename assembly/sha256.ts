/**
 * SHA-256 (FIPS 180-4 §6.2) of four messages at a time: lane l of every v128 belongs to message l.
 *
 *   word i of the state or schedule   | message 0 | message 1 | message 2 | message 3 |   (u32 each)
 *
 * Messages of a group may differ in length. The group runs as long as its longest message; a lane that has finished
 * keeps its state through v128.bitselect while the others go on. Lengths and addresses are public and steer the
 * program; contents never do: no branch and no address depends on them.
 *
 * A message is a list of up to MAX_PIECES pieces lying anywhere in memory, hashed as if they were one. A group may go
 * on from any state: HMAC (hmac-sha256.ts) starts behind its key block, whose state it keeps, and hands digests to the
 * next hash as they lie in STATE, words in lanes, without writing them out as bytes.
 *
 * Everything derived from a message lies in static scratch while a group runs, and sha256Batch zeroes it before it
 * returns. What the engine below keeps in CPU registers and on its own stack is out of reach here.
 */

/** A message schedule of all lanes: W_0 … W_63, a v128 each. */
const SCHEDULE_BYTES: usize = 64 * 16;
export const DIGEST_BYTES: usize = 32;
export const BLOCK_BYTES: usize = 64;
/** Messages that run at once: the u32 lanes of a v128. */
export const LANES: u32 = 4;

/** One row of sha256Batch, three little-endian u32 words: addresses of message and digest (32 bytes are written). */
const MESSAGE: usize = 0;
const LENGTH: usize = 4;
const OUT: usize = 8;
const ROW: usize = 12;

/** HKDF-Expand needs most: previous output, info, counter. */
const MAX_PIECES: usize = 3;
const PIECE_BYTES: usize = 8;
/** A lane of a group: whether it takes part, its pieces' number and total length, and where each piece lies. */
const ACTIVE: usize = 0;
const PIECES: usize = 4;
const TOTAL: usize = 8;
const FIRST_PIECE: usize = 12;
const LANE_BYTES: usize = FIRST_PIECE + MAX_PIECES * PIECE_BYTES;

/** FIPS 180-4 §4.2.2: first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
// prettier-ignore
const K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** FIPS 180-4 §5.3.3: H(0) in all lanes. */
// prettier-ignore
export const INITIAL: usize = memory.data<u32>([
  0x6a09e667, 0x6a09e667, 0x6a09e667, 0x6a09e667,
  0xbb67ae85, 0xbb67ae85, 0xbb67ae85, 0xbb67ae85,
  0x3c6ef372, 0x3c6ef372, 0x3c6ef372, 0x3c6ef372,
  0xa54ff53a, 0xa54ff53a, 0xa54ff53a, 0xa54ff53a,
  0x510e527f, 0x510e527f, 0x510e527f, 0x510e527f,
  0x9b05688c, 0x9b05688c, 0x9b05688c, 0x9b05688c,
  0x1f83d9ab, 0x1f83d9ab, 0x1f83d9ab, 0x1f83d9ab,
  0x5be0cd19, 0x5be0cd19, 0x5be0cd19, 0x5be0cd19,
], 16);

/** Swizzle mask that turns the bytes of each u32 around: message words are big-endian. */
// prettier-ignore
const BYTE_SWAP: usize = memory.data<u8>([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12], 16);

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 1568;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/** The lanes' state, 8 v128; after a hash, their digests. */
export const STATE: usize = SCRATCH;
/** The message schedule W_0 … W_63, SCHEDULE_BYTES. The first 16 words are the block; `compress` appends the others. */
export const WORDS: usize = SCRATCH + 128;
/** The block that each lane is about to hash, 64 bytes a lane. */
const BLOCKS: usize = SCRATCH + 1152;
/** Blocks of each lane's padded message, u32 a lane. */
const BLOCK_COUNTS: usize = SCRATCH + 1408;
/** What the lanes are to hash, LANE_BYTES a lane. */
const GROUP: usize = SCRATCH + 1424;

/** Words that have another 16 rounds later. */
const EXTENDED_WORDS: usize = 48;

/**
 * Hashes `count` messages.
 * @param rows - count × {message, length, out}, each a little-endian u32; `out` receives the digest and must not
 * overlap a message of the batch.
 */
export function sha256Batch(rows: usize, count: u32): void {
  for (let first: u32 = 0; first < count; first += LANES) {
    const lanes = min(LANES, count - first);
    beginGroup();
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const row = rows + <usize>(first + lane) * ROW;
      beginLane(lane);
      addPiece(lane, load<u32>(row, MESSAGE), load<u32>(row, LENGTH));
    }
    hashGroup(INITIAL, 0);
    for (let lane: u32 = 0; lane < lanes; lane++) {
      storeDigest(lane, load<u32>(rows + <usize>(first + lane) * ROW, OUT));
    }
  }
  wipeSha256();
}

/** Zeroes everything that a message left in this file's scratch. */
export function wipeSha256(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/** Starts a new group of four messages; no lane takes part yet. */
export function beginGroup(): void {
  for (let lane: u32 = 0; lane < LANES; lane++) store<u32>(GROUP + <usize>lane * LANE_BYTES, 0, ACTIVE);
}

/** Lets a lane take part in the group, with an empty message. */
export function beginLane(lane: u32): void {
  const group = GROUP + <usize>lane * LANE_BYTES;
  store<u32>(group, 1, ACTIVE);
  store<u32>(group, 0, PIECES);
  store<u32>(group, 0, TOTAL);
}

/** Appends `length` bytes at `at` to a lane's message; they are read when hashGroup runs. */
export function addPiece(lane: u32, at: usize, length: u32): void {
  const group = GROUP + <usize>lane * LANE_BYTES;
  const pieces = load<u32>(group, PIECES);
  const piece = group + <usize>pieces * PIECE_BYTES;
  store<u32>(piece, <u32>at, FIRST_PIECE);
  store<u32>(piece, length, FIRST_PIECE + 4);
  store<u32>(group, pieces + 1, PIECES);
  // Pieces lie in one memory beside this scratch, so neither this sum nor the padded length overflows 32 bits.
  store<u32>(group, load<u32>(group, TOTAL) + length, TOTAL);
}

/**
 * Hashes the group's messages; storeDigest fetches what comes out, which means nothing in lanes that take no part.
 * @param from - the state to go on from, 8 v128: INITIAL or one that STATE held.
 * @param before - bytes hashed already in that state, the same number in all lanes, a multiple of BLOCK_BYTES.
 */
export function hashGroup(from: usize, before: u32): void {
  let longest: u32 = 0;
  for (let lane: u32 = 0; lane < LANES; lane++) {
    const count = blockCount(lane);
    store<u32>(BLOCK_COUNTS + ((<usize>lane) << 2), count);
    longest = max(longest, count);
  }
  const counts = v128.load(BLOCK_COUNTS);
  for (let index: u32 = 0; index < longest; index++) {
    for (let lane: u32 = 0; lane < LANES; lane++) {
      if (index < load<u32>(BLOCK_COUNTS + ((<usize>lane) << 2))) stageBlock(lane, index, before);
    }
    loadWords(BLOCKS);
    compress(index == 0 ? from : STATE, WORDS, EXTENDED_WORDS, i32x4.gt_u(counts, i32x4.splat(index)));
  }
}

/** Writes a lane's digest, big-endian, to `out` (32 bytes). */
export function storeDigest(lane: u32, out: usize): void {
  const word = STATE + ((<usize>lane) << 2);
  for (let i: usize = 0; i < 8; i++) store<u32>(out + (i << 2), bswap(load<u32>(word + (i << 4))));
}

/** Copies `length` bytes forwards. Short pieces are the rule, and memory.copy takes longer to call than they to copy. */
export function copyBytes(to: usize, from: usize, length: u32): void {
  for (; length >= 16; length -= 16) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
  if ((length & 8) != 0) {
    store<u64>(to, load<u64>(from));
    to += 8;
    from += 8;
  }
  for (length &= 7; length > 0; length--) store<u8>(to++, load<u8>(from++));
}

/** Blocks of a lane's padded message (§5.1.1); 0 for a lane that takes no part. */
function blockCount(lane: u32): u32 {
  const group = GROUP + <usize>lane * LANE_BYTES;
  if (load<u32>(group, ACTIVE) == 0) return 0;
  return (load<u32>(group, TOTAL) + 8) / <u32>BLOCK_BYTES + 1;
}

/**
 * Puts block `index` of a lane's padded message into BLOCKS; never reads beyond the message's pieces.
 * @param before - as for hashGroup.
 */
function stageBlock(lane: u32, index: u32, before: u32): void {
  const group = GROUP + <usize>lane * LANE_BYTES;
  const block = BLOCKS + <usize>lane * BLOCK_BYTES;
  const from = index * <u32>BLOCK_BYTES;
  const to = from + <u32>BLOCK_BYTES;
  const total = load<u32>(group, TOTAL);
  if (total < to) clearBlock(block);
  const end = FIRST_PIECE + group + <usize>load<u32>(group, PIECES) * PIECE_BYTES;
  let begin: u32 = 0; // where in the message the piece at hand begins
  for (let piece = FIRST_PIECE + group; piece < end; piece += PIECE_BYTES) {
    const next = begin + load<u32>(piece, 4);
    const first = max(begin, from);
    const last = min(next, to);
    if (first < last) copyBytes(block + (first - from), <usize>load<u32>(piece) + (first - begin), last - first);
    begin = next;
  }
  if (total >= to) return;
  if (total >= from) store<u8>(block + (total - from), 0x80);
  if (total + 8 < to) store<u64>(block, bswap((<u64>total + before) << 3), 56);
}

/** Zeroes the 64 bytes of a block. */
export function clearBlock(block: usize): void {
  const zero = i64x2.splat(0);
  v128.store(block, zero);
  v128.store(block, zero, 16);
  v128.store(block, zero, 32);
  v128.store(block, zero, 48);
}

/**
 * Puts four words of each lane in their place, W_t … W_t+3.
 * @param w - where W_t is to lie.
 * @param lane0, lane1, lane2, lane3 - where the lanes' 16 bytes lie.
 */
export function loadFourWords(w: usize, lane0: usize, lane1: usize, lane2: usize, lane3: usize): void {
  const swap = v128.load(BYTE_SWAP);
  // Rows are lanes with words t … t+3; transposed, rows are words with lanes 0 … 3.
  const r0 = v128.load(lane0);
  const r1 = v128.load(lane1);
  const r2 = v128.load(lane2);
  const r3 = v128.load(lane3);
  const low01 = v128.shuffle<u32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<u32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<u32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<u32>(r2, r3, 2, 6, 3, 7);
  v128.store(w, i8x16.relaxed_swizzle(v128.shuffle<u64>(low01, low23, 0, 2), swap));
  v128.store(w, i8x16.relaxed_swizzle(v128.shuffle<u64>(low01, low23, 1, 3), swap), 16);
  v128.store(w, i8x16.relaxed_swizzle(v128.shuffle<u64>(high01, high23, 0, 2), swap), 32);
  v128.store(w, i8x16.relaxed_swizzle(v128.shuffle<u64>(high01, high23, 1, 3), swap), 48);
}

/** Fills W_0 … W_15 from the lanes' blocks, which lie one after the other at `blocks`. */
export function loadWords(blocks: usize): void {
  for (let t: usize = 0; t < 16; t += 4) {
    const lane0 = blocks + (t << 2);
    loadFourWords(WORDS + (t << 4), lane0, lane0 + 64, lane0 + 128, lane0 + 192);
  }
}

/** STATE becomes what the block in WORDS, which stays there, makes of the state at `from`, in all lanes. */
export function compressAll(from: usize): void {
  compress(from, WORDS, EXTENDED_WORDS, i32x4.splat(-1));
}

/**
 * As compressAll, for a block that may come again.
 * @param words - its schedule, 64 v128: the first 16 words of it, or all, as an earlier call has left them.
 * @param complete - whether it is all.
 */
export function compressKept(from: usize, words: usize, complete: bool): void {
  compress(from, words, complete ? 0 : EXTENDED_WORDS, i32x4.splat(-1));
}

/**
 * Runs the 64 rounds (§6.2.2). Names are the standard's.
 *
 * Rounds also compute the word that is due 16 rounds later: rounds wait for one another, words hardly, so that mixing
 * them fills the processor better than one after the other (a sixth less time on Zen 4).
 * @param from - the state before the block; STATE becomes the one behind it.
 * @param words - the schedule, SCHEDULE_BYTES, of which the first 16 words are given.
 * @param extended - how many rounds compute a word: EXTENDED_WORDS, or 0 where all words are given.
 * @param running - all ones in the lanes whose block this is; the others keep the state.
 */
function compress(from: usize, words: usize, extended: usize, running: v128): void {
  const extendedEnd = words + (extended << 4);
  const end = words + SCHEDULE_BYTES;
  let a = v128.load(from);
  let b = v128.load(from, 16);
  let c = v128.load(from, 32);
  let d = v128.load(from, 48);
  let e = v128.load(from, 64);
  let f = v128.load(from, 80);
  let g = v128.load(from, 96);
  let h = v128.load(from, 112);
  // Maj needs a ⊕ b and b ⊕ c; the one is the other of the round after it.
  let bc = v128.xor(b, c);
  let k = K;
  for (let w = words; w < end; w += 4 * 16) {
    // Four rounds, so that the eight names come half way round and only swap once.
    h = t1(e, f, g, h, w, k);
    d = i32x4.add(d, h);
    let ab = v128.xor(a, b);
    h = t2(a, b, ab, bc, h);
    if (w < extendedEnd) extend(w);
    g = t1(d, e, f, g, w + 16, k + 4);
    c = i32x4.add(c, g);
    bc = v128.xor(h, a);
    g = t2(h, a, bc, ab, g);
    if (w < extendedEnd) extend(w + 16);
    f = t1(c, d, e, f, w + 32, k + 8);
    b = i32x4.add(b, f);
    ab = v128.xor(g, h);
    f = t2(g, h, ab, bc, f);
    if (w < extendedEnd) extend(w + 32);
    e = t1(b, c, d, e, w + 48, k + 12);
    a = i32x4.add(a, e);
    bc = v128.xor(f, g);
    e = t2(f, g, bc, ab, e);
    if (w < extendedEnd) extend(w + 48);
    let swap = a;
    a = e;
    e = swap;
    swap = b;
    b = f;
    f = swap;
    swap = c;
    c = g;
    g = swap;
    swap = d;
    d = h;
    h = swap;
    k += 16;
  }
  update(from, 0, a, running);
  update(from, 16, b, running);
  update(from, 32, c, running);
  update(from, 48, d, running);
  update(from, 64, e, running);
  update(from, 80, f, running);
  update(from, 96, g, running);
  update(from, 112, h, running);
}

/** Puts a state word, and in the running lanes its working variable added to it, into STATE. */
// @ts-ignore: decorator
@inline
function update(from: usize, offset: usize, value: v128, running: v128): void {
  const old = v128.load(from + offset);
  v128.store(STATE + offset, v128.bitselect(i32x4.add(old, value), old, running));
}

/** T1 of a round (step 3), whose word W_t lies at `w` and constant K_t at `k`. */
// @ts-ignore: decorator
@inline
function t1(e: v128, f: v128, g: v128, h: v128, w: usize, k: usize): v128 {
  const wk = i32x4.add(v128.load(w), v128.load32_splat(k));
  const ch = v128.xor(g, v128.and(e, v128.xor(f, g)));
  const sigma1 = v128.xor(v128.xor(rotr(e, 6), rotr(e, 11)), rotr(e, 25));
  return i32x4.add(i32x4.add(i32x4.add(h, wk), ch), sigma1);
}

/**
 * T1 + T2 of a round (step 3).
 * @param ab - a ⊕ b
 * @param bc - b ⊕ c
 */
// @ts-ignore: decorator
@inline
function t2(a: v128, b: v128, ab: v128, bc: v128, t1: v128): v128 {
  // Maj: b, but a where b stands alone: it differs from both a and c.
  const maj = v128.xor(b, v128.and(ab, bc));
  const sigma0 = v128.xor(v128.xor(rotr(a, 2), rotr(a, 13)), rotr(a, 22));
  return i32x4.add(i32x4.add(t1, maj), sigma0);
}

/** W_t+16 from the words at W_t and behind it (step 1). */
// @ts-ignore: decorator
@inline
function extend(w: usize): void {
  const sum = i32x4.add(smallSigma1(v128.load(w, 14 * 16)), v128.load(w, 9 * 16));
  v128.store(w, i32x4.add(i32x4.add(smallSigma0(v128.load(w, 16)), v128.load(w)), sum), 16 * 16);
}

/** σ0 (4.6). */
// @ts-ignore: decorator
@inline
function smallSigma0(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 7), rotr(x, 18)), i32x4.shr_u(x, 3));
}

/** σ1 (4.7). */
// @ts-ignore: decorator
@inline
function smallSigma1(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 17), rotr(x, 19)), i32x4.shr_u(x, 10));
}

// @ts-ignore: decorator
@inline
function rotr(x: v128, by: i32): v128 {
  return v128.or(i32x4.shr_u(x, by), i32x4.shl(x, 32 - by));
}
