/**
 * AES-256 (FIPS 197), encryption only, in groups of eight blocks; aes-sliced.ts says how they lie and why nothing here
 * depends on a secret but the data. aes256-round-keys.ts makes the round keys.
 *
 * Limits: the caller fills groups up; what the rest of a group holds is encrypted along.
 */
import { fullRound, GROUP_BYTES, placesAfter, slice, substituteBytes } from "./aes-sliced";

export const BLOCK_BYTES: usize = 16;
/** Blocks of a group. */
export const LANES: usize = GROUP_BYTES / BLOCK_BYTES;
export const ROUNDS: usize = 14;

/** Size of one key's round keys, 16-byte aligned. */
export const aes256RoundKeysBytes: usize = (ROUNDS + 1) * BLOCK_BYTES;
/** Size of the sliced round keys of one group: 15 groups, 16-byte aligned. */
export const aes256SlicedKeysBytes: usize = (ROUNDS + 1) * GROUP_BYTES;

/**
 * Groups that take each round in turn. One group's rounds hang on each other; a second group fills the waiting time.
 */
export const INTERLEAVED_BYTES: usize = 2 * GROUP_BYTES;

/**
 * Encrypts each block of one or two groups in place (ECB).
 * @param slicedKeys - sliced round keys of the first group.
 * @param secondKeys - how far behind them those of the second group lie; 0 where they are the same.
 * @param groups - 16-byte aligned.
 * @param bytes - GROUP_BYTES or INTERLEAVED_BYTES.
 */
export function aes256EncryptGroups(slicedKeys: usize, secondKeys: usize, groups: usize, bytes: usize): void {
  const end = groups + bytes;
  for (let group = groups; group < end; group += GROUP_BYTES) slice(group);
  let roundKeys = slicedKeys;
  for (let round: usize = 1; round < ROUNDS; round++) {
    const places = placesAfter(round);
    let key = roundKeys;
    for (let group = groups; group < end; group += GROUP_BYTES) {
      fullRound(group, key, places);
      key += secondKeys;
    }
    roundKeys += GROUP_BYTES;
  }
  for (let group = groups; group < end; group += GROUP_BYTES) {
    finalRound(group, roundKeys);
    slice(group);
    roundKeys += secondKeys;
  }
}

/** AddRoundKey, SubBytes, ShiftRows and the last AddRoundKey; every byte is back at its place. */
function finalRound(group: usize, key: usize): void {
  for (let i: usize = 0; i < GROUP_BYTES; i += 16) {
    v128.store(group + i, v128.xor(v128.load(group + i), v128.load(key + i)));
  }
  substituteBytes(group, group);
  // After 14 rounds the byte of place p lies at s^14(p) = s^-14(p).
  const back = v128.load(placesAfter(ROUNDS), 32);
  for (let i: usize = 0; i < GROUP_BYTES; i += 16) {
    const bytes = i8x16.relaxed_swizzle(v128.load(group + i), back);
    v128.store(group + i, v128.xor(bytes, v128.load(key + GROUP_BYTES + i)));
  }
}
