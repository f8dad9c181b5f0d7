/**
 * SHA-256 (FIPS 180-4 §6.2) of four messages at a time: lane l of every v128 belongs to message l.
 *
 *   word i of the state or schedule   | message 0 | message 1 | message 2 | message 3 |   (u32 each)
 *
 * Messages of a group may differ in length. The group runs as long as its longest message; a lane that has finished
 * keeps its state through v128.bitselect while the others go on. Lengths and addresses are public and steer the
 * program; contents never do: no branch and no address depends on them.
 *
 * A message is a list of up to MAX_PIECES pieces lying anywhere in memory, hashed as if they were one: so HMAC and HKDF
 * put a key block before a message without copying it. Everything derived from a message lies in static scratch while
 * a group runs, and sha256Batch zeroes it before it returns. What the engine below keeps in CPU registers and on its
 * own stack is out of reach here.
 */

export const DIGEST_BYTES: usize = 32;
export const BLOCK_BYTES: usize = 64;
/** Messages that run at once: the u32 lanes of a v128. */
export const LANES: u32 = 4;

/** One row of sha256Batch, three little-endian u32 words: addresses of message and digest (32 bytes are written). */
const MESSAGE: usize = 0;
const LENGTH: usize = 4;
const OUT: usize = 8;
const ROW: usize = 12;

/** HKDF-Expand needs most: key block, previous output, info, counter. */
const MAX_PIECES: usize = 4;
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

/** FIPS 180-4 §5.3.3: H(0). */
// prettier-ignore
const INITIAL: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** Swizzle mask that turns the bytes of each u32 around: message words are big-endian. */
// prettier-ignore
const BYTE_SWAP: usize = memory.data<u8>([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12], 16);

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 1584;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/** The lanes' state, 8 v128. */
const STATE: usize = SCRATCH;
/** The message schedule W_0 … W_63, 64 v128. */
const W: usize = SCRATCH + 128;
/** The block that each lane is about to hash, 64 bytes a lane. */
const BLOCKS: usize = SCRATCH + 1152;
/** What the lanes are to hash, LANE_BYTES a lane. */
const GROUP: usize = SCRATCH + 1408;

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
    hashGroup();
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
  memory.fill(GROUP, 0, <usize>LANES * LANE_BYTES);
}

/** Lets a lane take part in the group, with an empty message. */
export function beginLane(lane: u32): void {
  store<u32>(GROUP + <usize>lane * LANE_BYTES, 1, ACTIVE);
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

/** Hashes the group's messages; storeDigest fetches what came out. */
export function hashGroup(): void {
  let blocks = i32x4(0, 0, 0, 0);
  let longest: u32 = 0;
  for (let lane: u32 = 0; lane < LANES; lane++) longest = max(longest, blockCount(lane));
  blocks = i32x4.replace_lane(blocks, 0, blockCount(0));
  blocks = i32x4.replace_lane(blocks, 1, blockCount(1));
  blocks = i32x4.replace_lane(blocks, 2, blockCount(2));
  blocks = i32x4.replace_lane(blocks, 3, blockCount(3));
  for (let i: usize = 0; i < 8; i++) v128.store(STATE + (i << 4), v128.load32_splat(INITIAL + (i << 2)));
  for (let index: u32 = 0; index < longest; index++) {
    for (let lane: u32 = 0; lane < LANES; lane++) {
      if (index < blockCount(lane)) stageBlock(lane, index);
    }
    schedule();
    compress(i32x4.gt_u(blocks, i32x4.splat(index)));
  }
}

/** Writes a lane's digest, big-endian, to `out` (32 bytes). */
export function storeDigest(lane: u32, out: usize): void {
  const word = STATE + ((<usize>lane) << 2);
  for (let i: usize = 0; i < 8; i++) store<u32>(out + (i << 2), bswap(load<u32>(word + (i << 4))));
}

/** Blocks of a lane's padded message (§5.1.1); 0 for a lane that takes no part. */
function blockCount(lane: u32): u32 {
  const group = GROUP + <usize>lane * LANE_BYTES;
  if (load<u32>(group, ACTIVE) == 0) return 0;
  return (load<u32>(group, TOTAL) + 8) / <u32>BLOCK_BYTES + 1;
}

/** Puts block `index` of a lane's padded message into BLOCKS; never reads beyond the message's pieces. */
function stageBlock(lane: u32, index: u32): void {
  const group = GROUP + <usize>lane * LANE_BYTES;
  const block = BLOCKS + <usize>lane * BLOCK_BYTES;
  const from = index * <u32>BLOCK_BYTES;
  const to = from + <u32>BLOCK_BYTES;
  const pieces = load<u32>(group, PIECES);
  let begin: u32 = 0; // where in the message the piece at hand begins
  for (let i: u32 = 0; i < pieces; i++) {
    const piece = group + <usize>i * PIECE_BYTES;
    const end = begin + load<u32>(piece, FIRST_PIECE + 4);
    const first = max(begin, from);
    const last = min(end, to);
    if (first < last) {
      memory.copy(block + (first - from), <usize>load<u32>(piece, FIRST_PIECE) + (first - begin), last - first);
    }
    begin = end;
  }
  const total = begin;
  if (total >= to) return;
  const used = max(total, from) - from;
  memory.fill(block + used, 0, BLOCK_BYTES - used);
  if (total >= from) store<u8>(block + used, 0x80);
  if (index + 1 == blockCount(lane)) store<u64>(block, bswap((<u64>total) << 3), 56);
}

/** Fills W from the staged blocks (§6.2.2 step 1). */
function schedule(): void {
  const swap = v128.load(BYTE_SWAP);
  for (let t: usize = 0; t < 16; t += 4) {
    // Rows are lanes with words t … t+3; transposed, rows are words with lanes 0 … 3.
    const r0 = v128.load(BLOCKS + (t << 2));
    const r1 = v128.load(BLOCKS + (t << 2), 64);
    const r2 = v128.load(BLOCKS + (t << 2), 128);
    const r3 = v128.load(BLOCKS + (t << 2), 192);
    const low01 = v128.shuffle<u32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<u32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<u32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<u32>(r2, r3, 2, 6, 3, 7);
    const w = W + (t << 4);
    v128.store(w, i8x16.swizzle(v128.shuffle<u64>(low01, low23, 0, 2), swap));
    v128.store(w, i8x16.swizzle(v128.shuffle<u64>(low01, low23, 1, 3), swap), 16);
    v128.store(w, i8x16.swizzle(v128.shuffle<u64>(high01, high23, 0, 2), swap), 32);
    v128.store(w, i8x16.swizzle(v128.shuffle<u64>(high01, high23, 1, 3), swap), 48);
  }
  for (let t: usize = 16; t < 64; t++) {
    const w = W + (t << 4);
    const sum = i32x4.add(smallSigma1(v128.load(w - 2 * 16)), v128.load(w - 7 * 16));
    v128.store(w, i32x4.add(i32x4.add(smallSigma0(v128.load(w - 15 * 16)), v128.load(w - 16 * 16)), sum));
  }
}

/**
 * Runs the 64 rounds on STATE and W (§6.2.2 steps 2–4). Names are the standard's.
 * @param running - all ones in the lanes whose block this is; the others keep their state.
 */
function compress(running: v128): void {
  let a = v128.load(STATE);
  let b = v128.load(STATE, 16);
  let c = v128.load(STATE, 32);
  let d = v128.load(STATE, 48);
  let e = v128.load(STATE, 64);
  let f = v128.load(STATE, 80);
  let g = v128.load(STATE, 96);
  let h = v128.load(STATE, 112);
  for (let t: usize = 0; t < 64; t += 4) {
    // Four rounds, so that the eight names come half way round and only swap once.
    h = t1(e, f, g, h, t);
    d = i32x4.add(d, h);
    h = i32x4.add(h, t2(a, b, c));
    g = t1(d, e, f, g, t + 1);
    c = i32x4.add(c, g);
    g = i32x4.add(g, t2(h, a, b));
    f = t1(c, d, e, f, t + 2);
    b = i32x4.add(b, f);
    f = i32x4.add(f, t2(g, h, a));
    e = t1(b, c, d, e, t + 3);
    a = i32x4.add(a, e);
    e = i32x4.add(e, t2(f, g, h));
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
  }
  update(0, a, running);
  update(16, b, running);
  update(32, c, running);
  update(48, d, running);
  update(64, e, running);
  update(80, f, running);
  update(96, g, running);
  update(112, h, running);
}

/** Adds a working variable to its state word in the running lanes. */
// @ts-ignore: decorator
@inline
function update(offset: usize, value: v128, running: v128): void {
  const old = v128.load(STATE + offset);
  v128.store(STATE + offset, v128.bitselect(i32x4.add(old, value), old, running));
}

/** T1 of round t (§6.2.2 step 3). */
// @ts-ignore: decorator
@inline
function t1(e: v128, f: v128, g: v128, h: v128, t: usize): v128 {
  const wk = i32x4.add(v128.load(W + (t << 4)), v128.load32_splat(K + (t << 2)));
  const sigma1 = v128.xor(v128.xor(rotr(e, 6), rotr(e, 11)), rotr(e, 25));
  const ch = v128.bitselect(f, g, e);
  return i32x4.add(i32x4.add(h, wk), i32x4.add(sigma1, ch));
}

/** T2 of a round (§6.2.2 step 3). */
// @ts-ignore: decorator
@inline
function t2(a: v128, b: v128, c: v128): v128 {
  const sigma0 = v128.xor(v128.xor(rotr(a, 2), rotr(a, 13)), rotr(a, 22));
  // Maj: where b and c agree, that; elsewhere a decides.
  const maj = v128.bitselect(a, b, v128.xor(b, c));
  return i32x4.add(sigma0, maj);
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
