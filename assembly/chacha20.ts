/**
 * ChaCha20 (RFC 8439 §2.3): four blocks at once, each with a key, a nonce and a counter of its own.
 *
 * Lane map: word i of the sixteen state words is one vector, and its lane l belongs to block l.
 * The counter is 32 bits wide; callers stay below 2^32 blocks (256 GiB) under one nonce.
 * No branch and no address depends on a key, a nonce or a keystream byte.
 */

export const BLOCK_BYTES: usize = 64;

/** "expand 32-byte k", each of its four words in every lane. */
const SIGMA = memory.data<u32>(
  [
    0x61707865, 0x61707865, 0x61707865, 0x61707865, 0x3320646e, 0x3320646e, 0x3320646e, 0x3320646e, 0x79622d32,
    0x79622d32, 0x79622d32, 0x79622d32, 0x6b206574, 0x6b206574, 0x6b206574, 0x6b206574,
  ],
  16,
);
/** Byte orders that rotate each 32-bit lane left by 16 and by 8: one swizzle instead of two shifts and an or. */
const ROTATE_16 = memory.data<u8>([2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13], 16);
const ROTATE_8 = memory.data<u8>([3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14], 16);

/** What setLane was given: for each lane its key (32 bytes), then counter and nonce (16). */
const LANE_BYTES: usize = 48;
const LANES = memory.data(192, 16);
/** State words 4–15 before the rounds, lane-sliced; words 0–3 are SIGMA. */
const INITIAL = memory.data(192, 16);

/** Gives one of the four lanes its key (32 bytes), nonce (12 bytes, and 4 readable bytes before them) and counter. */
// @ts-ignore: decorator
@inline
export function chacha20SetLane(lane: usize, key: usize, nonce: usize, counter: u32): void {
  const to = LANES + lane * LANE_BYTES;
  v128.store(to, v128.load(key));
  v128.store(to, v128.load(key, 16), 16);
  // One load brings the nonce to words 13–15; the counter replaces whatever lies before it.
  v128.store(to, i32x4.replace_lane(v128.load(nonce - 4), 0, counter), 32);
}

/** Writes the four lanes' blocks one after the other: 256 bytes. */
export function chacha20Blocks(out: usize): void {
  sliceLanes();
  rounds(out, false, i32x4.splat(0));
}

/**
 * The same with lanes 0 and 1, and lanes 2 and 3, folded (XORed together) where the 32-bit lanes of the vector at
 * `fold` are all ones: a folded lane's own keystream stays in registers and never reaches memory.
 */
export function chacha20FoldedBlocks(out: usize, fold: usize): void {
  sliceLanes();
  rounds(out, true, v128.load(fold));
}

/** Zeroes keys, nonces and counters. */
export function chacha20Wipe(): void {
  memory.fill(LANES, 0, 192);
  memory.fill(INITIAL, 0, 192);
}

/** Turns what setLane was given into lane-sliced state words. */
// @ts-ignore: decorator
@inline
function sliceLanes(): void {
  for (let part: usize = 0; part < 48; part += 16) {
    const from = LANES + part;
    const to = INITIAL + 4 * part;
    const a = v128.load(from);
    const b = v128.load(from, 48);
    const c = v128.load(from, 96);
    const d = v128.load(from, 144);
    storeTransposed(to, 16, a, b, c, d);
  }
}

/** Stores the columns of the 4 × 4 words a, b, c, d, `stride` bytes apart. */
// @ts-ignore: decorator
@inline
function storeTransposed(to: usize, stride: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ab01, cd01, 0, 2));
  v128.store(to + stride, v128.shuffle<i64>(ab01, cd01, 1, 3));
  v128.store(to + 2 * stride, v128.shuffle<i64>(ab23, cd23, 0, 2));
  v128.store(to + 3 * stride, v128.shuffle<i64>(ab23, cd23, 1, 3));
}

/** Stores state words 4q … 4q+3 of the four blocks, folded first where asked. */
// @ts-ignore: decorator
@inline
function storeWords(to: usize, fold: bool, mask: v128, a: v128, b: v128, c: v128, d: v128): void {
  if (fold) storeTransposed(to, BLOCK_BYTES, folded(a, mask), folded(b, mask), folded(c, mask), folded(d, mask));
  else storeTransposed(to, BLOCK_BYTES, a, b, c, d);
}

// @ts-ignore: decorator
@inline
function folded(word: v128, mask: v128): v128 {
  return v128.xor(word, v128.and(v128.shuffle<i32>(word, word, 1, 0, 3, 2), mask));
}

// @ts-ignore: decorator
@inline
function rotl(word: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(word, bits), i32x4.shr_u(word, 32 - bits));
}

/** Twenty rounds in locals; every line is half a step of a quarter round: a += b, then d = (d ^ a) <<< n. */
// @ts-ignore: decorator
@inline
function rounds(out: usize, fold: bool, mask: v128): void {
  const r16 = v128.load(ROTATE_16);
  const r8 = v128.load(ROTATE_8);
  let x0 = v128.load(SIGMA);
  let x1 = v128.load(SIGMA, 16);
  let x2 = v128.load(SIGMA, 32);
  let x3 = v128.load(SIGMA, 48);
  let x4 = v128.load(INITIAL);
  let x5 = v128.load(INITIAL, 16);
  let x6 = v128.load(INITIAL, 32);
  let x7 = v128.load(INITIAL, 48);
  let x8 = v128.load(INITIAL, 64);
  let x9 = v128.load(INITIAL, 80);
  let xa = v128.load(INITIAL, 96);
  let xb = v128.load(INITIAL, 112);
  let xc = v128.load(INITIAL, 128);
  let xd = v128.load(INITIAL, 144);
  let xe = v128.load(INITIAL, 160);
  let xf = v128.load(INITIAL, 176);
  for (let i = 0; i < 10; i++) {
    xc = i8x16.relaxed_swizzle(v128.xor(xc, (x0 = i32x4.add(x0, x4))), r16);
    xd = i8x16.relaxed_swizzle(v128.xor(xd, (x1 = i32x4.add(x1, x5))), r16);
    xe = i8x16.relaxed_swizzle(v128.xor(xe, (x2 = i32x4.add(x2, x6))), r16);
    xf = i8x16.relaxed_swizzle(v128.xor(xf, (x3 = i32x4.add(x3, x7))), r16);
    x4 = rotl(v128.xor(x4, (x8 = i32x4.add(x8, xc))), 12);
    x5 = rotl(v128.xor(x5, (x9 = i32x4.add(x9, xd))), 12);
    x6 = rotl(v128.xor(x6, (xa = i32x4.add(xa, xe))), 12);
    x7 = rotl(v128.xor(x7, (xb = i32x4.add(xb, xf))), 12);
    xc = i8x16.relaxed_swizzle(v128.xor(xc, (x0 = i32x4.add(x0, x4))), r8);
    xd = i8x16.relaxed_swizzle(v128.xor(xd, (x1 = i32x4.add(x1, x5))), r8);
    xe = i8x16.relaxed_swizzle(v128.xor(xe, (x2 = i32x4.add(x2, x6))), r8);
    xf = i8x16.relaxed_swizzle(v128.xor(xf, (x3 = i32x4.add(x3, x7))), r8);
    x4 = rotl(v128.xor(x4, (x8 = i32x4.add(x8, xc))), 7);
    x5 = rotl(v128.xor(x5, (x9 = i32x4.add(x9, xd))), 7);
    x6 = rotl(v128.xor(x6, (xa = i32x4.add(xa, xe))), 7);
    x7 = rotl(v128.xor(x7, (xb = i32x4.add(xb, xf))), 7);

    xf = i8x16.relaxed_swizzle(v128.xor(xf, (x0 = i32x4.add(x0, x5))), r16);
    xc = i8x16.relaxed_swizzle(v128.xor(xc, (x1 = i32x4.add(x1, x6))), r16);
    xd = i8x16.relaxed_swizzle(v128.xor(xd, (x2 = i32x4.add(x2, x7))), r16);
    xe = i8x16.relaxed_swizzle(v128.xor(xe, (x3 = i32x4.add(x3, x4))), r16);
    x5 = rotl(v128.xor(x5, (xa = i32x4.add(xa, xf))), 12);
    x6 = rotl(v128.xor(x6, (xb = i32x4.add(xb, xc))), 12);
    x7 = rotl(v128.xor(x7, (x8 = i32x4.add(x8, xd))), 12);
    x4 = rotl(v128.xor(x4, (x9 = i32x4.add(x9, xe))), 12);
    xf = i8x16.relaxed_swizzle(v128.xor(xf, (x0 = i32x4.add(x0, x5))), r8);
    xc = i8x16.relaxed_swizzle(v128.xor(xc, (x1 = i32x4.add(x1, x6))), r8);
    xd = i8x16.relaxed_swizzle(v128.xor(xd, (x2 = i32x4.add(x2, x7))), r8);
    xe = i8x16.relaxed_swizzle(v128.xor(xe, (x3 = i32x4.add(x3, x4))), r8);
    x5 = rotl(v128.xor(x5, (xa = i32x4.add(xa, xf))), 7);
    x6 = rotl(v128.xor(x6, (xb = i32x4.add(xb, xc))), 7);
    x7 = rotl(v128.xor(x7, (x8 = i32x4.add(x8, xd))), 7);
    x4 = rotl(v128.xor(x4, (x9 = i32x4.add(x9, xe))), 7);
  }
  storeWords(out, fold, mask, sum(x0, SIGMA), sum(x1, SIGMA + 16), sum(x2, SIGMA + 32), sum(x3, SIGMA + 48));
  storeWords(out + 16, fold, mask, word(x4, 0), word(x5, 1), word(x6, 2), word(x7, 3));
  storeWords(out + 32, fold, mask, word(x8, 4), word(x9, 5), word(xa, 6), word(xb, 7));
  storeWords(out + 48, fold, mask, word(xc, 8), word(xd, 9), word(xe, 10), word(xf, 11));
}

// @ts-ignore: decorator
@inline
function sum(word: v128, initial: usize): v128 {
  return i32x4.add(word, v128.load(initial));
}

// @ts-ignore: decorator
@inline
function word(x: v128, i: usize): v128 {
  return sum(x, INITIAL + 16 * i);
}
