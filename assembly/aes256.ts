/**
 * AES-256 (FIPS 197), encryption only, bitsliced: eight blocks at once, without a table, a secret-dependent address
 * or a secret-dependent branch.
 *
 * Layout after Käsper and Schwabe, "Faster and timing-attack resistant AES-GCM" (2009). A group is 8 blocks, 128
 * bytes. Sliced, it is 8 vectors: bit j of byte p of vector i is bit i of byte p of block j. So every block has a bit
 * column of its own and may have a key of its own, the S-box is a circuit of XOR and AND on whole vectors, and the
 * other steps move bytes. Bytes lie row by row (p = 4 * row + column), which makes a row one 32-bit lane.
 *
 * The S-box is Boyar and Peralta's circuit of 115 gates (eprint 2009/191) without its four NOT gates: their constant
 * 0x63 goes unchanged through ShiftRows and MixColumns, so it is folded into the round keys.
 */
export const BLOCK_BYTES: usize = 16;
/** A group of eight blocks. */
export const GROUP_BYTES: usize = 128;

const ROUNDS: usize = 14;
const KEY_WORDS: usize = 8;
const SCHEDULE_WORDS: usize = 4 * (ROUNDS + 1);

/** Size of the sliced round keys: 15 groups, 16-byte aligned. */
export const aes256RoundKeysBytes: usize = (ROUNDS + 1) * GROUP_BYTES;

/**
 * Groups that take each round in turn. One group's rounds hang on each other; a second group fills the waiting time.
 */
const INTERLEAVED_BYTES: usize = 2 * GROUP_BYTES;

/** ShiftRows of bytes that lie column by column (as in FIPS 197), into rows: the first round. */
const COLUMNS_TO_SHIFTED_ROWS = memory.data<u8>([0, 4, 8, 12, 5, 9, 13, 1, 10, 14, 2, 6, 15, 3, 7, 11], 16);
/** ShiftRows of rows into rows. */
const ROWS_TO_SHIFTED_ROWS = memory.data<u8>([0, 1, 2, 3, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14], 16);
/** ShiftRows of rows into columns: the last round. */
const ROWS_TO_SHIFTED_COLUMNS = memory.data<u8>([0, 5, 10, 15, 1, 6, 11, 12, 2, 7, 8, 13, 3, 4, 9, 14], 16);
/** Columns into rows, and back. */
const TRANSPOSED = memory.data<u8>([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], 16);

/** The key schedule's words, then the S-box's eight vectors. Secret while the key is expanded, zeros otherwise. */
const schedule = memory.data((SCHEDULE_WORDS * 4 + GROUP_BYTES) as i32, 16);
const sliced = schedule + SCHEDULE_WORDS * 4;

/**
 * Encrypts each block in place (ECB).
 * @param roundKeys - what aes256ExpandKey wrote.
 * @param groups - 16-byte aligned.
 * @param bytes - a multiple of GROUP_BYTES.
 */
export function aes256EncryptGroups(roundKeys: usize, groups: usize, bytes: usize): void {
  const end = groups + bytes;
  while (groups < end) {
    const next = min(groups + INTERLEAVED_BYTES, end);
    encryptInterleaved(roundKeys, groups, next);
    groups = next;
  }
}

function encryptInterleaved(roundKeys: usize, groups: usize, end: usize): void {
  for (let group = groups; group < end; group += GROUP_BYTES) slice(group);
  const lastRound = roundKeys + (ROUNDS - 1) * GROUP_BYTES;
  let shiftRows = COLUMNS_TO_SHIFTED_ROWS;
  for (let key = roundKeys; key < lastRound; key += GROUP_BYTES) {
    for (let group = groups; group < end; group += GROUP_BYTES) fullRound(group, key, shiftRows);
    shiftRows = ROWS_TO_SHIFTED_ROWS;
  }
  for (let group = groups; group < end; group += GROUP_BYTES) {
    finalRound(group, lastRound);
    slice(group);
  }
}

/** AddRoundKey, SubBytes, ShiftRows and MixColumns on one sliced group. */
function fullRound(group: usize, key: usize, shiftRows: usize): void {
  substitute(
    true,
    group,
    shiftRows,
    xor(v128.load(group, 112), v128.load(key, 112)),
    xor(v128.load(group, 96), v128.load(key, 96)),
    xor(v128.load(group, 80), v128.load(key, 80)),
    xor(v128.load(group, 64), v128.load(key, 64)),
    xor(v128.load(group, 48), v128.load(key, 48)),
    xor(v128.load(group, 32), v128.load(key, 32)),
    xor(v128.load(group, 16), v128.load(key, 16)),
    xor(v128.load(group), v128.load(key)),
  );
}

/** AddRoundKey, SubBytes, ShiftRows and the last AddRoundKey; the bytes of a block lie column by column again. */
function finalRound(group: usize, key: usize): void {
  for (let i: usize = 0; i < GROUP_BYTES; i += 16) {
    v128.store(group + i, xor(v128.load(group + i), v128.load(key + i)));
  }
  substituteBytes(group);
  const shiftRows = v128.load(ROWS_TO_SHIFTED_COLUMNS);
  for (let i: usize = 0; i < GROUP_BYTES; i += 16) {
    const shifted = i8x16.relaxed_swizzle(v128.load(group + i), shiftRows);
    v128.store(group + i, xor(shifted, v128.load(key + GROUP_BYTES + i)));
  }
}

/** SubBytes alone, in place. */
function substituteBytes(group: usize): void {
  substitute(
    false,
    group,
    0,
    v128.load(group, 112),
    v128.load(group, 96),
    v128.load(group, 80),
    v128.load(group, 64),
    v128.load(group, 48),
    v128.load(group, 32),
    v128.load(group, 16),
    v128.load(group),
  );
}

// @ts-ignore: decorator
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline
function and(a: v128, b: v128): v128 {
  return v128.and(a, b);
}

/**
 * SubBytes: the circuit's first linear layer and the inversion in GF(2^8), in the names of the paper; x0 is the
 * highest bit. `products` has the rest of the circuit; what comes after is told by `mix`, known when compiling.
 */
// @ts-ignore: decorator
@inline
function substitute(
  mix: bool,
  group: usize,
  shiftRows: usize,
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  x5: v128,
  x6: v128,
  x7: v128,
): void {
  const y14 = xor(x3, x5);
  const y13 = xor(x0, x6);
  const y9 = xor(x0, x3);
  const y8 = xor(x0, x5);
  const t0 = xor(x1, x2);
  const y1 = xor(t0, x7);
  const y4 = xor(y1, x3);
  const y12 = xor(y13, y14);
  const y2 = xor(y1, x0);
  const y5 = xor(y1, x6);
  const y3 = xor(y5, y8);
  const t1 = xor(x4, y12);
  const y15 = xor(t1, x5);
  const y20 = xor(t1, x1);
  const y6 = xor(y15, x7);
  const y10 = xor(y15, t0);
  const y11 = xor(y20, y9);
  const y7 = xor(x7, y11);
  const y17 = xor(y10, y11);
  const y19 = xor(y10, y8);
  const y16 = xor(t0, y11);
  const y21 = xor(y13, y16);
  const y18 = xor(x0, y16);

  const t2 = and(y12, y15);
  const t4 = xor(and(y3, y6), t2);
  const t6 = xor(and(y4, x7), t2);
  const t7 = and(y13, y16);
  const t9 = xor(and(y5, y1), t7);
  const t11 = xor(and(y2, y7), t7);
  const t12 = and(y9, y11);
  const t14 = xor(and(y14, y17), t12);
  const t16 = xor(and(y8, y10), t12);
  const t21 = xor(xor(t4, t14), y20);
  const t22 = xor(xor(t6, t16), y19);
  const t23 = xor(xor(t9, t14), y21);
  const t24 = xor(xor(t11, t16), y18);

  const t25 = xor(t21, t22);
  const t26 = and(t21, t23);
  const t27 = xor(t24, t26);
  const t29 = xor(and(t25, t27), t22);
  const t33 = xor(and(xor(t22, t26), xor(t23, t24)), t24);
  const t36 = and(t24, xor(t27, t33));
  const t37 = xor(t36, xor(t23, t33));
  const t40 = xor(t25, and(t29, xor(t27, t36)));
  products(
    mix,
    group,
    shiftRows,
    t29,
    t33,
    t37,
    t40,
    x7,
    y1,
    y2,
    y3,
    y4,
    y5,
    y6,
    y7,
    y8,
    y9,
    y10,
    y11,
    y12,
    y13,
    y14,
    y15,
    y16,
    y17,
  );
}

/** The second half of the circuit: the inverse times the input's combinations, and the last linear layer. */
// @ts-ignore: decorator
@inline
function products(
  mix: bool,
  group: usize,
  shiftRows: usize,
  t29: v128,
  t33: v128,
  t37: v128,
  t40: v128,
  x7: v128,
  y1: v128,
  y2: v128,
  y3: v128,
  y4: v128,
  y5: v128,
  y6: v128,
  y7: v128,
  y8: v128,
  y9: v128,
  y10: v128,
  y11: v128,
  y12: v128,
  y13: v128,
  y14: v128,
  y15: v128,
  y16: v128,
  y17: v128,
): void {
  const t41 = xor(t40, t37);
  const t42 = xor(t29, t33);
  const t43 = xor(t29, t40);
  const t44 = xor(t33, t37);
  const t45 = xor(t42, t41);
  const z2 = and(t33, x7);
  const z3 = and(t43, y16);
  const z4 = and(t40, y1);
  const z5 = and(t29, y7);
  const z7 = and(t45, y17);
  const z10 = and(t37, y3);
  const z12 = and(t43, y13);
  const z16 = and(t45, y14);

  const t46 = xor(and(t42, y9), z16);
  const t48 = xor(z5, and(t40, y5));
  const t53 = xor(and(t44, y15), z3);
  const t57 = xor(xor(z2, z12), t53);
  const t58 = xor(z4, t46);
  const t59 = xor(z3, xor(and(t42, y11), z7));
  const t62 = xor(xor(z7, and(t41, y10)), t58);
  const t63 = xor(xor(and(t44, y12), z10), t58);
  const t64 = xor(z4, t59);
  const t65 = xor(xor(and(t29, y2), t57), t62);
  const t66 = xor(and(t37, y6), t63);
  const s0 = xor(t59, t63);
  const s6 = xor(xor(z12, t48), t62);
  const s7 = xor(t48, xor(t46, t57));
  const s3 = xor(t53, t66);
  const s4 = xor(xor(z2, z5), t66);
  const s5 = xor(xor(z10, and(t33, y4)), t65);
  const s1 = xor(t64, s3);
  const s2 = xor(xor(z16, and(t41, y8)), xor(t64, t65));
  if (mix) mixColumns(group, shiftRows, s0, s1, s2, s3, s4, s5, s6, s7);
  else storeSliced(group, s0, s1, s2, s3, s4, s5, s6, s7);
}

/** Writes a sliced group, highest bit first. */
// @ts-ignore: decorator
@inline
function storeSliced(
  group: usize,
  s0: v128,
  s1: v128,
  s2: v128,
  s3: v128,
  s4: v128,
  s5: v128,
  s6: v128,
  s7: v128,
): void {
  v128.store(group, s7);
  v128.store(group, s6, 16);
  v128.store(group, s5, 32);
  v128.store(group, s4, 48);
  v128.store(group, s3, 64);
  v128.store(group, s2, 80);
  v128.store(group, s1, 96);
  v128.store(group, s0, 112);
}

/** Each row takes the row below it, the last one the first. */
// @ts-ignore: decorator
@inline
function nextRow(a: v128): v128 {
  return v128.shuffle<i32>(a, a, 1, 2, 3, 0);
}

/** Each row takes the second row below it. */
// @ts-ignore: decorator
@inline
function overNextRow(a: v128): v128 {
  return v128.shuffle<i32>(a, a, 2, 3, 0, 1);
}

/**
 * ShiftRows and MixColumns. With b the row below a, c and d those after it, a column's new byte is
 * 2a + 3b + c + d = 2(a + b) + b + (c + d); doubling moves bit i to i + 1 and the highest bit into 0, 1, 3 and 4.
 */
// @ts-ignore: decorator
@inline
function mixColumns(
  group: usize,
  shiftRows: usize,
  s0: v128,
  s1: v128,
  s2: v128,
  s3: v128,
  s4: v128,
  s5: v128,
  s6: v128,
  s7: v128,
): void {
  const rows = v128.load(shiftRows);
  let a = i8x16.relaxed_swizzle(s0, rows);
  let b = nextRow(a);
  const top = xor(a, b);
  let sum = top;
  const high = xor(b, overNextRow(top));

  a = i8x16.relaxed_swizzle(s1, rows);
  b = nextRow(a);
  sum = xor(a, b);
  v128.store(group, xor(high, sum), 112);
  let rest = xor(b, overNextRow(sum));

  a = i8x16.relaxed_swizzle(s2, rows);
  b = nextRow(a);
  sum = xor(a, b);
  v128.store(group, xor(rest, sum), 96);
  rest = xor(b, overNextRow(sum));

  a = i8x16.relaxed_swizzle(s3, rows);
  b = nextRow(a);
  sum = xor(a, b);
  v128.store(group, xor(rest, sum), 80);
  rest = xor(b, overNextRow(sum));

  a = i8x16.relaxed_swizzle(s4, rows);
  b = nextRow(a);
  sum = xor(a, b);
  v128.store(group, xor(xor(rest, sum), top), 64);
  rest = xor(b, overNextRow(sum));

  a = i8x16.relaxed_swizzle(s5, rows);
  b = nextRow(a);
  sum = xor(a, b);
  v128.store(group, xor(xor(rest, sum), top), 48);
  rest = xor(b, overNextRow(sum));

  a = i8x16.relaxed_swizzle(s6, rows);
  b = nextRow(a);
  sum = xor(a, b);
  v128.store(group, xor(rest, sum), 32);
  rest = xor(b, overNextRow(sum));

  a = i8x16.relaxed_swizzle(s7, rows);
  b = nextRow(a);
  sum = xor(a, b);
  v128.store(group, xor(xor(rest, sum), top), 16);
  v128.store(group, xor(xor(b, overNextRow(sum)), top));
}

/** Transposes the 8 by 8 bits that each byte position has in the group's eight vectors: slices, and back. */
function slice(group: usize): void {
  exchangePairs(group, 16, 32, 64, 1, i8x16.splat(0x55));
  exchangePairs(group, 32, 16, 64, 2, i8x16.splat(0x33));
  exchangePairs(group, 64, 16, 32, 4, i8x16.splat(0x0f));
}

/** One stage of the transposition: exchanges `bits` of the four pairs of vectors that lie `distance` apart. */
// @ts-ignore: decorator
@inline
function exchangePairs(group: usize, distance: usize, i: usize, j: usize, bits: i32, low: v128): void {
  exchange(group, distance, bits, low);
  exchange(group + i, distance, bits, low);
  exchange(group + j, distance, bits, low);
  exchange(group + i + j, distance, bits, low);
}

/** Exchanges the high bits of each field in the first vector with the low bits of the same field in the second. */
// @ts-ignore: decorator
@inline
function exchange(first: usize, distance: usize, bits: i32, low: v128): void {
  const a = v128.load(first);
  const b = v128.load(first + distance);
  const difference = and(xor(i64x2.shr_u(a, bits), b), low);
  v128.store(first + distance, xor(b, difference));
  v128.store(first, xor(a, i64x2.shl(difference, bits)));
}

/**
 * Expands a key into sliced round keys (FIPS 197 §5.2), the same key for all eight blocks. SubWord takes the sliced
 * circuit, so no table is read here either.
 * @param key - 32 bytes, any alignment; the caller wipes them.
 * @param roundKeys - aes256RoundKeysBytes, 16-byte aligned.
 */
export function aes256ExpandKey(key: usize, roundKeys: usize): void {
  memory.copy(schedule, key, KEY_WORDS * 4);
  let roundConstant: u32 = 1;
  for (let i = KEY_WORDS; i < SCHEDULE_WORDS; i++) {
    const word = schedule + i * 4;
    let previous = load<u32>(word - 4);
    if (i % KEY_WORDS == 0) {
      previous = substituteWord(rotr(previous, 8)) ^ roundConstant;
      roundConstant <<= 1;
    } else if (i % KEY_WORDS == 4) {
      previous = substituteWord(previous);
    }
    store<u32>(word, load<u32>(word - KEY_WORDS * 4) ^ previous);
  }
  for (let round: usize = 0; round <= ROUNDS; round++) sliceRoundKey(round, roundKeys + round * GROUP_BYTES);
  memory.fill(schedule, 0, SCHEDULE_WORDS * 4 + GROUP_BYTES);
}

/** SubWord of FIPS 197: bit 0 of each byte of vector i carries bit i; what the other bits carry is dropped. */
function substituteWord(word: u32): u32 {
  const bytes = i32x4.splat(word);
  for (let bit: usize = 0; bit < 8; bit++) v128.store(sliced + bit * 16, i16x8.shr_u(bytes, bit as i32));
  substituteBytes(sliced);
  let substituted: u32 = 0x63636363;
  for (let bit: usize = 0; bit < 8; bit++) substituted ^= (load<u32>(sliced + bit * 16) & 0x01010101) << (bit as u32);
  return substituted;
}

/** Slices one round key. The first and the last meet bytes that lie column by column, the others rows. */
function sliceRoundKey(round: usize, roundKey: usize): void {
  let bytes = v128.load(schedule + round * BLOCK_BYTES);
  if (round != 0) bytes = xor(bytes, i8x16.splat(0x63));
  if (round != 0 && round != ROUNDS) bytes = i8x16.relaxed_swizzle(bytes, v128.load(TRANSPOSED));
  for (let bit: usize = 0; bit < 8; bit++) {
    const mask = i8x16.splat(((1 as i32) << (bit as i32)) as i8);
    v128.store(roundKey + bit * 16, i8x16.eq(and(bytes, mask), mask));
  }
}
