/**
 * GHASH (NIST SP 800-38D §6.4) with tables that are read in a fixed order and indexed within registers only.
 *
 * A product with a fixed element H is looked up by nibbles. Nibble v of a block's byte, at its high or low half,
 * stands for an element of degree below 8; the table holds that element times H, reduced, for each of the 16 values of
 * v, byte by byte: row i has byte i of the 16 products, so one swizzle of row i by the block's 16 nibbles looks up
 * byte i of 16 products at once. Byte i of the product that belongs to the block's byte k counts at position i + k:
 * Horner's rule over i, a shift by one byte a row, adds them up to 31 bytes, and one reduction brings those to 16.
 *
 * Four blocks are taken together (Y' = (Y + B1) H^4 + B2 H^3 + B3 H^2 + B4 H): they share shifts and reduction.
 * Bit order as in the standard: the highest bit of byte 0 is the coefficient of x^0.
 */

const BLOCK_BYTES: usize = 16;
/** Blocks that are taken together, and powers of H in a table. */
const FOLDED: usize = 4;
const FOLD_BYTES: usize = FOLDED * BLOCK_BYTES;
/** Row i of a table: for H^4, H^3, H^2, H the products' byte i for a high nibble, then for a low nibble. */
const ROW_BYTES: usize = FOLDED * 2 * 16;

/** Size of a table, which is to be 16-byte aligned. */
export const ghashTableBytes: usize = 16 * ROW_BYTES;

/**
 * A byte that lies 16 positions above counts x^128 = 1 + x + x^2 + x^7 times. That is two bytes: one at its own place
 * in the block, one just after. Looked up by nibbles: first byte by high and by low half, second byte likewise.
 */
const REDUCED = memory.data<u8>(
  // prettier-ignore
  [
    0, 28, 56, 36, 112, 108, 72, 84, 225, 253, 217, 197, 145, 141, 169, 181,
    0, 1, 3, 2, 7, 6, 4, 5, 14, 15, 13, 12, 9, 8, 10, 11,
    0, 32, 64, 96, 128, 160, 192, 224, 0, 32, 64, 96, 128, 160, 192, 224,
    0, 194, 132, 70, 8, 202, 140, 78, 16, 210, 148, 86, 24, 218, 156, 94,
  ],
  16,
);

/** Indices that move the last n bytes of a vector to its front, zeros behind them, begin at 16 - n. */
const LAST_BYTES_FIRST = memory.data<u8>(
  // prettier-ignore
  [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
  ],
  16,
);

/** The low half of each byte. In memory, because a constant would be built anew at each use. */
const LOW_NIBBLES = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15], 16);

/** Four blocks that do not lie together in memory, gathered. AAD and ciphertext: public. */
const gathered = memory.data(64, 16);
/** Two blocks that are no text. Secret while a table is made, zeros otherwise. */
const factors = memory.data(32, 16);

/** All bytes in reverse: the coefficient of x^0 becomes the highest bit of a little-endian number. */
const REVERSED = memory.data<u8>([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 16);
/** x^64 for the bit that leaves the high half of such a number, x^128 = 1 + x + x^2 + x^7 for the low half's. */
const CARRIES = memory.data<u64>([0x8000000000000000, 0xe100000000000000], 16);
/** The square of a nibble: its bits with a zero after each. */
const SQUARED = memory.data<u8>([0, 2, 8, 10, 32, 34, 40, 42, 128, 130, 136, 138, 160, 162, 168, 170], 16);
/** Four times each byte of word 0, 1, 2 or 3. */
const FOUR_OF_EACH = memory.data<u8>(
  // prettier-ignore
  [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3,
    4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7,
    8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 11,
    12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15,
  ],
  16,
);

/**
 * Makes the table of a hash key.
 * @param h - the hash key H, 16 bytes; the caller wipes them.
 * @param table - ghashTableBytes, 16-byte aligned.
 */
export function ghashExpand(h: usize, table: usize): void {
  const power = v128.load(h);
  writePower(power, table + 96);
  const power2 = square(power);
  writePower(power2, table + 64);
  writePower(square(power2), table);
  v128.store(factors, power2, 16);
  writePower(foldLastTwo(table, factors - 2 * BLOCK_BYTES), table + 32);
  v128.store(factors, i64x2.splat(0), 16);
}

/** Writes the 16 rows of one power; the number's lowest byte comes first, as Horner's rule begins with byte 15. */
function writePower(power: v128, column: usize): void {
  const m0 = i8x16.relaxed_swizzle(power, v128.load(REVERSED));
  const m1 = timesX(m0);
  const m2 = timesX(m1);
  const m3 = timesX(m2);
  const m4 = timesX(m3);
  const m5 = timesX(m4);
  const m6 = timesX(m5);
  writeProducts(column, m0, m1, m2, m3);
  writeProducts(column + 16, m4, m5, m6, timesX(m6));
}

/** A byte-reversed element, one bit to the right. */
// @ts-ignore: decorator
@inline
function timesX(element: v128): v128 {
  const leaving = i32x4.shl(element, 31);
  const carries = i32x4.shr_s(i32x4.shuffle(leaving, leaving, 2, 2, 0, 0), 31);
  return v128.xor(i64x2.shr_u(element, 1), v128.and(carries, v128.load(CARRIES)));
}

/**
 * Writes 16 rows: for each byte of the elements m0 to m3, that byte of all 16 sums that a nibble can select of them. The
 * sums over a nibble's low half are four neighbouring bytes of a row, those over its high half come four times each.
 */
function writeProducts(row: usize, m0: v128, m1: v128, m2: v128, m3: v128): void {
  const zero = i64x2.splat(0);
  const m23 = v128.xor(m2, m3);
  const l01 = firstBytes(zero, m3);
  const l23 = firstBytes(m2, m23);
  const m01 = v128.xor(m0, m1);
  const h01 = firstBytes(zero, m1);
  const h23 = firstBytes(m0, m01);
  writeFourRows(row, firstPairs(l01, l23), firstPairs(h01, h23));
  writeFourRows(row + 4 * ROW_BYTES, lastPairs(l01, l23), lastPairs(h01, h23));
  const l01Last = lastBytes(zero, m3);
  const l23Last = lastBytes(m2, m23);
  const h01Last = lastBytes(zero, m1);
  const h23Last = lastBytes(m0, m01);
  writeFourRows(row + 8 * ROW_BYTES, firstPairs(l01Last, l23Last), firstPairs(h01Last, h23Last));
  writeFourRows(row + 12 * ROW_BYTES, lastPairs(l01Last, l23Last), lastPairs(h01Last, h23Last));
}

/** Word k of `low` has the four sums over a low half for row k, word k of `high` those over a high half. */
// @ts-ignore: decorator
@inline
function writeFourRows(row: usize, low: v128, high: v128): void {
  v128.store(row, sums(i32x4.shuffle(low, low, 0, 0, 0, 0), high, 0));
  v128.store(row + ROW_BYTES, sums(i32x4.shuffle(low, low, 1, 1, 1, 1), high, 16));
  v128.store(row + 2 * ROW_BYTES, sums(i32x4.shuffle(low, low, 2, 2, 2, 2), high, 32));
  v128.store(row + 3 * ROW_BYTES, sums(i32x4.shuffle(low, low, 3, 3, 3, 3), high, 48));
}

// @ts-ignore: decorator
@inline
function sums(low: v128, high: v128, places: usize): v128 {
  return v128.xor(low, i8x16.relaxed_swizzle(high, v128.load(FOUR_OF_EACH + places)));
}

/** The first eight bytes of two vectors, in turn. */
// @ts-ignore: decorator
@inline
function firstBytes(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** Their last eight bytes. */
// @ts-ignore: decorator
@inline
function lastBytes(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** The first four pairs of bytes of two vectors, in turn. */
// @ts-ignore: decorator
@inline
function firstPairs(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Their last four pairs. */
// @ts-ignore: decorator
@inline
function lastPairs(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** The square of an element: no sum mixes its bits, so they only move apart. */
function square(element: v128): v128 {
  const nibble = v128.load(LOW_NIBBLES);
  const zero = i64x2.splat(0);
  const h = i8x16.relaxed_swizzle(v128.load(SQUARED), v128.and(i16x8.shr_u(element, 4), nibble));
  const l = i8x16.relaxed_swizzle(v128.load(SQUARED), v128.and(element, nibble));
  const high = lastBytes(h, l);
  const reduced = reduce(firstBytes(h, l), high, nibble, zero);
  // Byte 31, which no product has, counts at place 16 too, and is to be reduced once more.
  return reduce(reduced, secondByte(shiftIn(high, zero), nibble), nibble, zero);
}

/**
 * GHASH of AAD and ciphertext, each filled up with zeros to whole blocks, and the block of their lengths.
 * @param table - what ghashExpand wrote.
 */
export function ghash(table: usize, aad: usize, aadLength: usize, text: usize, textLength: usize): v128 {
  const aadBlocks = blocksOf(aadLength);
  // Zero blocks in front change nothing and make the number of blocks a multiple of four.
  let held: usize = (FOLDED - ((aadBlocks + blocksOf(textLength) + 1) % FOLDED)) % FOLDED;
  for (let i: usize = 0; i < held; i++) v128.store(gathered + i * BLOCK_BYTES, i64x2.splat(0));
  let half = held >= FOLDED / 2;
  let y = absorb(i64x2.splat(0), table, held, half, aad, aadLength);
  half = half && held + aadBlocks < FOLDED;
  held = (held + aadBlocks) % FOLDED;
  y = absorb(y, table, held, half, text, textLength);
  half = half && held + blocksOf(textLength) < FOLDED;
  store<u64>(gathered + FOLD_BYTES - BLOCK_BYTES, bswap((aadLength as u64) << 3));
  store<u64>(gathered + FOLD_BYTES - BLOCK_BYTES, bswap((textLength as u64) << 3), 8);
  return foldGathered(y, table, half);
}

/**
 * GHASH of blocks that lie together.
 * @param bytes - a multiple of 64: as many blocks of zeros stand in front as it takes.
 * @param half - whether those are two or three.
 */
export function ghashBlocks(table: usize, blocks: usize, bytes: usize, half: bool): v128 {
  if (!half) return fold(i64x2.splat(0), table, blocks, bytes);
  return fold(foldLastTwo(table, blocks), table, blocks + FOLD_BYTES, bytes - FOLD_BYTES);
}

/** What the block of lengths, which comes last, adds to a hash: its product with H. */
export function ghashLengths(table: usize, aadLength: usize, textLength: usize): v128 {
  v128.store(gathered + FOLD_BYTES / 2, i64x2.splat(0));
  store<u64>(gathered + FOLD_BYTES - BLOCK_BYTES, bswap((aadLength as u64) << 3));
  store<u64>(gathered + FOLD_BYTES - BLOCK_BYTES, bswap((textLength as u64) << 3), 8);
  return foldLastTwo(table, gathered);
}

/** Number of blocks that hold `length` bytes. */
// @ts-ignore: decorator
@inline
export function blocksOf(length: usize): usize {
  return (length + (BLOCK_BYTES - 1)) / BLOCK_BYTES;
}

/**
 * Takes in `length` bytes; `held` blocks wait in `gathered` before, and fewer than four afterwards.
 * @param half - whether the first two of those waiting are zeros before everything.
 */
function absorb(y: v128, table: usize, held: usize, half: bool, from: usize, length: usize): v128 {
  if (held != 0) {
    const taken = min(length, (FOLDED - held) * BLOCK_BYTES);
    gather(gathered + held * BLOCK_BYTES, from, taken);
    if (held + blocksOf(taken) < FOLDED) return y;
    y = foldGathered(y, table, half);
    from += taken;
    length -= taken;
  }
  const whole = length - (length % FOLD_BYTES);
  y = fold(y, table, from, whole);
  gather(gathered, from + whole, length - whole);
  return blocksOf(length - whole) == FOLDED ? foldGathered(y, table, false) : y;
}

/** Copies bytes and fills the last block up with zeros. */
function gather(to: usize, from: usize, length: usize): void {
  for (; length >= BLOCK_BYTES; length -= BLOCK_BYTES) {
    v128.store(to, v128.load(from));
    to += BLOCK_BYTES;
    from += BLOCK_BYTES;
  }
  if (length != 0) v128.store(to, loadPartial(from, length));
}

/**
 * The 1 to 15 bytes at `from`, zeros behind them. Reads the 16 bytes that end with them: never past the end of what
 * was handed in, and constants of this module lie before everything that is.
 */
// @ts-ignore: decorator
@inline
export function loadPartial(from: usize, length: usize): v128 {
  const back = BLOCK_BYTES - length;
  return i8x16.relaxed_swizzle(v128.load(from - back), v128.load(LAST_BYTES_FIRST + back));
}

/** Y after the four gathered blocks; with `half`, Y and the first two of them are zeros. */
function foldGathered(y: v128, table: usize, half: bool): v128 {
  return half ? foldLastTwo(table, gathered) : fold(y, table, gathered, FOLD_BYTES);
}

/** Y after `bytes` (a multiple of FOLD_BYTES) more at `blocks`. */
function fold(y: v128, table: usize, blocks: usize, bytes: usize): v128 {
  const nibble = v128.load(LOW_NIBBLES);
  const zero = i64x2.splat(0);
  for (const end = blocks + bytes; blocks < end; blocks += FOLD_BYTES) {
    const b1 = v128.xor(y, v128.load(blocks));
    const b2 = v128.load(blocks, 16);
    const b3 = v128.load(blocks, 32);
    const b4 = v128.load(blocks, 48);
    const h1 = v128.and(i16x8.shr_u(b1, 4), nibble);
    const h2 = v128.and(i16x8.shr_u(b2, 4), nibble);
    const h3 = v128.and(i16x8.shr_u(b3, 4), nibble);
    const h4 = v128.and(i16x8.shr_u(b4, 4), nibble);
    const l1 = v128.and(b1, nibble);
    const l2 = v128.and(b2, nibble);
    const l3 = v128.and(b3, nibble);
    const l4 = v128.and(b4, nibble);
    let low = zero;
    let high = zero;
    // Two rows a turn: V8 spills when it meets all of them in a line.
    for (let row = table; row < table + ghashTableBytes; row += 2 * ROW_BYTES) {
      high = shiftIn(low, high);
      low = v128.xor(shiftIn(zero, low), lookUp(row, h1, l1, h2, l2));
      low = v128.xor(low, lookUp(row + 64, h3, l3, h4, l4));
      high = shiftIn(low, high);
      low = v128.xor(shiftIn(zero, low), lookUp(row + ROW_BYTES, h1, l1, h2, l2));
      low = v128.xor(low, lookUp(row + ROW_BYTES + 64, h3, l3, h4, l4));
    }
    y = reduce(low, high, nibble, zero);
  }
  return y;
}

/** As `fold` from Y = 0 on, where the first two of the four blocks are zeros. */
function foldLastTwo(table: usize, blocks: usize): v128 {
  const nibble = v128.load(LOW_NIBBLES);
  const zero = i64x2.splat(0);
  const b3 = v128.load(blocks, 32);
  const b4 = v128.load(blocks, 48);
  const h3 = v128.and(i16x8.shr_u(b3, 4), nibble);
  const h4 = v128.and(i16x8.shr_u(b4, 4), nibble);
  const l3 = v128.and(b3, nibble);
  const l4 = v128.and(b4, nibble);
  let low = zero;
  let high = zero;
  for (let row = table; row < table + ghashTableBytes; row += ROW_BYTES) {
    high = shiftIn(low, high);
    low = v128.xor(shiftIn(zero, low), lookUp(row + 64, h3, l3, h4, l4));
  }
  return reduce(low, high, nibble, zero);
}

/** All bytes of `vector` one position up; the last byte of `below` comes in at the front. */
// @ts-ignore: decorator
@inline
function shiftIn(below: v128, vector: v128): v128 {
  return i8x16.shuffle(below, vector, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

/** One byte of the products of two blocks with two powers, for each of their bytes. */
// @ts-ignore: decorator
@inline
function lookUp(row: usize, h: v128, l: v128, nextH: v128, nextL: v128): v128 {
  let sum = i8x16.relaxed_swizzle(v128.load(row), h);
  sum = v128.xor(sum, i8x16.relaxed_swizzle(v128.load(row, 16), l));
  sum = v128.xor(sum, i8x16.relaxed_swizzle(v128.load(row, 32), nextH));
  return v128.xor(sum, i8x16.relaxed_swizzle(v128.load(row, 48), nextL));
}

/** The 31 bytes `low`, `high` modulo x^128 + x^7 + x^2 + x + 1. */
// @ts-ignore: decorator
@inline
function reduce(low: v128, high: v128, nibble: v128, zero: v128): v128 {
  const h = v128.and(i16x8.shr_u(high, 4), nibble);
  const l = v128.and(high, nibble);
  const first = v128.xor(
    i8x16.relaxed_swizzle(v128.load(REDUCED), h),
    i8x16.relaxed_swizzle(v128.load(REDUCED, 16), l),
  );
  return v128.xor(v128.xor(low, first), shiftIn(zero, secondByte(high, nibble)));
}

/** What each byte of `high` counts one place above its own in the reduced block. */
// @ts-ignore: decorator
@inline
function secondByte(high: v128, nibble: v128): v128 {
  const h = v128.and(i16x8.shr_u(high, 4), nibble);
  const l = v128.and(high, nibble);
  return v128.xor(i8x16.relaxed_swizzle(v128.load(REDUCED, 32), h), i8x16.relaxed_swizzle(v128.load(REDUCED, 48), l));
}
