/**
 * The key schedule of AES-256 (FIPS 197 §5.2) for up to eight keys at once, and what becomes of its round keys.
 *
 * Two forms. In a group's sliced keys, lane j has the round keys of block j, whatever its key: what aes256.ts encrypts
 * with. A key's own round keys are 15 blocks of 16 bytes, and slicing those of any eight keys gives a group's. In both
 * forms bytes lie where those of the state lie when they are added, and all but the first round's include the constant
 * 0x63 that the sliced S-box leaves out.
 *
 * Expanded and sliced, the round keys of one key take 1,920 bytes; as blocks, 240. Slicing them anew for each group of
 * mixed keys costs less than reading eight times as much from a cache that many keys no longer fit.
 */
import { GROUP_BYTES, placesAfter, slice, substituteBytes } from "./aes-sliced";
import { aes256RoundKeysBytes, BLOCK_BYTES, LANES, ROUNDS } from "./aes256";

export const KEY_BYTES: usize = 32;
/** What SubBytes adds last, and the sliced S-box leaves out. */
const SUBSTITUTION_CONSTANT: i32 = 0x63;

/** Places of the bytes that the schedule takes from a round key: its last word in every word, as it is and rotated. */
const LAST_WORD = memory.data<u8>([12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15], 16);
const LAST_WORD_ROTATED = memory.data<u8>([13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12], 16);
/** Places that move the words of a vector up by one and by two, zeros behind them. */
const ONE_WORD_UP = memory.data<u8>([128, 128, 128, 128, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 16);
const TWO_WORDS_UP = memory.data<u8>([128, 128, 128, 128, 128, 128, 128, 128, 0, 1, 2, 3, 4, 5, 6, 7], 16);

/** Bit 0, 1, 2 or 3 of the nibble v set, for v = 0 to 15. */
const NIBBLES_WITH_BIT = memory.data<u8>(
  // prettier-ignore
  [
    0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255,
    0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255,
    0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255,
    0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
  ],
  16,
);

/**
 * Neighbouring lanes of one key: NIBBLES_WITH_BIT where a byte's bits are lanes, none set but theirs; then a word, the
 * address of the key's round keys. It is not secret, and wiped all the same: some rows of secret tables look like it, and a
 * search of memory for those should find none.
 */
const RUN_BYTES: usize = 80;
const RUN_KEYS: usize = 64;
const runs = memory.data(640, 16);

/**
 * Expands `count` (1 to 8) keys into the sliced keys of a group whose lane j has key j. Lanes beyond the last key hold
 * the zero key.
 * @param keys - count × 32 bytes, any alignment; the caller wipes them.
 * @param slicedKeys - aes256SlicedKeysBytes, 16-byte aligned; as secret as the keys.
 */
export function aes256ExpandKeys(keys: usize, count: usize, slicedKeys: usize): void {
  memory.fill(slicedKeys, 0, 2 * GROUP_BYTES);
  for (let lane: usize = 0; lane < count; lane++) {
    const block = slicedKeys + lane * BLOCK_BYTES;
    v128.store(block, v128.load(keys + lane * KEY_BYTES));
    v128.store(block + GROUP_BYTES, v128.load(keys + lane * KEY_BYTES, BLOCK_BYTES));
  }
  slice(slicedKeys);
  slice(slicedKeys + GROUP_BYTES);
  for (let round: usize = 2; round <= ROUNDS; round++) nextRoundKey(slicedKeys + round * GROUP_BYTES, round);
  for (let round: usize = 0; round <= ROUNDS; round++) placeRoundKey(slicedKeys + round * GROUP_BYTES, round);
}

/**
 * Four words of the schedule. Each is the sum of the word before it and the one eight before it, so all are sums over
 * the round key two before, and the substituted last word of the one before comes into every one.
 */
function nextRoundKey(key: usize, round: usize): void {
  substituteBytes(key - GROUP_BYTES, key);
  const lastWord = v128.load(round % 2 == 0 ? LAST_WORD_ROTATED : LAST_WORD);
  const oneUp = v128.load(ONE_WORD_UP);
  const twoUp = v128.load(TWO_WORDS_UP);
  for (let bit: usize = 0; bit < 8; bit++) {
    const at = key + bit * 16;
    let words = v128.load(at - 2 * GROUP_BYTES);
    words = v128.xor(words, i8x16.relaxed_swizzle(words, oneUp));
    words = v128.xor(words, i8x16.relaxed_swizzle(words, twoUp));
    words = v128.xor(words, i8x16.relaxed_swizzle(v128.load(at), lastWord));
    v128.store(at, v128.xor(words, substitutionConstant(bit)));
  }
  if (round % 2 != 0) return;
  // The round constants are 1, 2, 4 to 64, in the first byte of a word.
  const at = key + (round / 2 - 1) * 16;
  v128.store(at, v128.xor(v128.load(at), i32x4.splat(0xff)));
}

/** Puts a round key's bytes where those of the state lie when it is added, and adds what the S-box before left out. */
function placeRoundKey(key: usize, round: usize): void {
  if (round == 0) return;
  // The last one is added when every byte is back at its place.
  const places = v128.load(placesAfter(round == ROUNDS ? 0 : round), 32);
  for (let bit: usize = 0; bit < 8; bit++) {
    const at = key + bit * 16;
    v128.store(at, v128.xor(i8x16.relaxed_swizzle(v128.load(at), places), substitutionConstant(bit)));
  }
}

/** The constant of SubBytes in a sliced vector of every byte's bit number `bit`. */
// @ts-ignore: decorator
@inline
function substitutionConstant(bit: usize): v128 {
  return i8x16.splat((0 - ((SUBSTITUTION_CONSTANT >> (bit as i32)) & 1)) as i8);
}

/**
 * Takes sliced keys apart: the round keys of lane j go to `roundKeys` + j × `stride`.
 * @param slicedKeys - as aes256ExpandKeys wrote them; scratch afterwards, and still secret.
 */
export function aes256StoreRoundKeys(slicedKeys: usize, count: usize, roundKeys: usize, stride: usize): void {
  for (let at: usize = 0; at < aes256RoundKeysBytes; at += BLOCK_BYTES) {
    slice(slicedKeys);
    for (let lane: usize = 0; lane < count; lane++) {
      v128.store(roundKeys + lane * stride + at, v128.load(slicedKeys + lane * BLOCK_BYTES));
    }
    slicedKeys += GROUP_BYTES;
  }
}

/**
 * Makes the sliced keys of a group whose block j has the round keys at word j of `lanes`: eight addresses. Neighbours
 * of the same key are one run, and the fewer the runs, the less there is to do.
 */
export function aes256SliceKeys(lanes: usize, slicedKeys: usize): void {
  const end = writeRuns(lanes);
  const nibble = i8x16.splat(15);
  for (let at: usize = 0; at < aes256RoundKeysBytes; at += BLOCK_BYTES) {
    let k0 = i64x2.splat(0);
    let k1 = k0;
    let k2 = k0;
    let k3 = k0;
    let k4 = k0;
    let k5 = k0;
    let k6 = k0;
    let k7 = k0;
    for (let run = runs; run < end; run += RUN_BYTES) {
      const bytes = v128.load(<usize>load<u32>(run, RUN_KEYS) + at);
      const low = v128.and(bytes, nibble);
      const high = v128.and(i16x8.shr_u(bytes, 4), nibble);
      k0 = v128.or(k0, i8x16.relaxed_swizzle(v128.load(run), low));
      k1 = v128.or(k1, i8x16.relaxed_swizzle(v128.load(run, 16), low));
      k2 = v128.or(k2, i8x16.relaxed_swizzle(v128.load(run, 32), low));
      k3 = v128.or(k3, i8x16.relaxed_swizzle(v128.load(run, 48), low));
      k4 = v128.or(k4, i8x16.relaxed_swizzle(v128.load(run), high));
      k5 = v128.or(k5, i8x16.relaxed_swizzle(v128.load(run, 16), high));
      k6 = v128.or(k6, i8x16.relaxed_swizzle(v128.load(run, 32), high));
      k7 = v128.or(k7, i8x16.relaxed_swizzle(v128.load(run, 48), high));
    }
    v128.store(slicedKeys, k0);
    v128.store(slicedKeys, k1, 16);
    v128.store(slicedKeys, k2, 32);
    v128.store(slicedKeys, k3, 48);
    v128.store(slicedKeys, k4, 64);
    v128.store(slicedKeys, k5, 80);
    v128.store(slicedKeys, k6, 96);
    v128.store(slicedKeys, k7, 112);
    slicedKeys += GROUP_BYTES;
  }
}

/** Zeroes the runs of the last group. */
export function aes256WipeRuns(): void {
  memory.fill(runs, 0, LANES * RUN_BYTES);
}

/** Writes the runs of a group's lanes; returns where they end. */
function writeRuns(lanes: usize): usize {
  let run = runs;
  const end = lanes + LANES * 4;
  let bit: i32 = 1;
  while (lanes < end) {
    const keys = load<u32>(lanes);
    let mask: i32 = 0;
    do {
      mask |= bit;
      bit <<= 1;
      lanes += 4;
    } while (lanes < end && load<u32>(lanes) == keys);
    const bits = i8x16.splat(mask as i8);
    for (let i: usize = 0; i < 64; i += 16) v128.store(run + i, v128.and(bits, v128.load(NIBBLES_WITH_BIT + i)));
    store<u32>(run, keys, RUN_KEYS);
    run += RUN_BYTES;
  }
  return run;
}
