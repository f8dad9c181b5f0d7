/**
 * AES-256 (FIPS 197), encryption only, in groups of eight blocks; aes-sliced.ts says how they lie and why nothing here
 * depends on a secret but the data.
 *
 * Limits: the caller fills groups up; what the rest of a group holds is encrypted along.
 */
import { fullRound, GROUP_BYTES, placesAfter, slice, substituteBytes } from "./aes-sliced";

export const BLOCK_BYTES: usize = 16;
const ROUNDS: usize = 14;
const KEY_WORDS: usize = 8;
const SCHEDULE_WORDS: usize = 4 * (ROUNDS + 1);

/** Size of the sliced round keys: 15 groups, 16-byte aligned. */
export const aes256RoundKeysBytes: usize = (ROUNDS + 1) * GROUP_BYTES;

/**
 * Groups that take each round in turn. One group's rounds hang on each other; a second group fills the waiting time.
 */
const INTERLEAVED_BYTES: usize = 2 * GROUP_BYTES;

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
  let key = roundKeys;
  for (let round: usize = 1; round < ROUNDS; round++) {
    const places = placesAfter(round);
    for (let group = groups; group < end; group += GROUP_BYTES) fullRound(group, key, places);
    key += GROUP_BYTES;
  }
  for (let group = groups; group < end; group += GROUP_BYTES) {
    finalRound(group, key);
    slice(group);
  }
}

/** AddRoundKey, SubBytes, ShiftRows and the last AddRoundKey; every byte is back at its place. */
function finalRound(group: usize, key: usize): void {
  for (let i: usize = 0; i < GROUP_BYTES; i += 16) {
    v128.store(group + i, v128.xor(v128.load(group + i), v128.load(key + i)));
  }
  substituteBytes(group);
  // After 14 rounds the byte of place p lies at s^14(p) = s^-14(p).
  const back = v128.load(placesAfter(ROUNDS), 32);
  for (let i: usize = 0; i < GROUP_BYTES; i += 16) {
    const bytes = i8x16.relaxed_swizzle(v128.load(group + i), back);
    v128.store(group + i, v128.xor(bytes, v128.load(key + GROUP_BYTES + i)));
  }
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

/** Slices one round key, its bytes where those of the state lie when it is added. */
function sliceRoundKey(round: usize, roundKey: usize): void {
  let bytes = v128.load(schedule + round * BLOCK_BYTES);
  if (round != 0) bytes = v128.xor(bytes, i8x16.splat(0x63));
  if (round != ROUNDS) bytes = i8x16.relaxed_swizzle(bytes, v128.load(placesAfter(round), 32));
  for (let bit: usize = 0; bit < 8; bit++) {
    const mask = i8x16.splat(((<i32>1) << (bit as i32)) as i8);
    v128.store(roundKey + bit * 16, i8x16.eq(v128.and(bytes, mask), mask));
  }
}
