/**
 * Powers of field elements of secp256k1: inverse, square root, and what hash-to-curve takes for both at once.
 *
 *   1 / a = a^(p − 2)                                 Fermat
 *   √a = ± a^((p + 1)/4), if a is a square            p ≡ 3 (mod 4)
 *   a^((p − 3)/4)                                     RFC 9380 §F.2.1.2, c1 = (q − 3)/4
 *
 * The exponents have 223 ones in a row, then 0, then 22 ones; the chain that makes 2^223 − 1 out of 2^22 − 1 is that of
 * libsecp256k1. Elements are arrays of pairs, as secp256k1-field.ts has them: a chain of squarings waits for itself, and
 * several side by side keep the processor busy.
 *
 * Constant time: the exponents are public, the elements may be secret.
 */
import { PAIR_BYTES, copy, multiply, setSmall, square } from "./secp256k1-field";
import { isZero } from "./secp256k1-field-bytes";

/** Most pairs of one array. */
export const POWER_PAIRS: usize = 4;
const ARRAY_BYTES: usize = PAIR_BYTES * POWER_PAIRS;

// Scratch, in one piece so that one fill wipes it. X_n is a^(2^n − 1), n ones in a row.
const SCRATCH_BYTES: i32 = 6 * 4 * 80 + 3 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const X2: usize = SCRATCH;
const X3: usize = SCRATCH + ARRAY_BYTES;
const X22: usize = SCRATCH + 2 * ARRAY_BYTES;
const X44: usize = SCRATCH + 3 * ARRAY_BYTES;
/** What the chain is at, and what it was at before. */
const X: usize = SCRATCH + 4 * ARRAY_BYTES;
const BEFORE: usize = SCRATCH + 5 * ARRAY_BYTES;
/** Of invertAll: the product of the elements so far, or its inverse; an element without its zeros; an inverse. */
const PRODUCT: usize = SCRATCH + 6 * ARRAY_BYTES;
const FACTOR: usize = PRODUCT + PAIR_BYTES;
const INVERSE: usize = PRODUCT + 2 * PAIR_BYTES;

/** Zeroes what the powers left in this file's scratch. */
export function wipeFieldPower(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/** out = 1 / a; 0 for 0. */
export function invert(out: usize, a: usize, pairs: usize): void {
  ones223(a, pairs);
  squareTimes(X, X, 23, pairs);
  multiplyEach(X, X, X22, pairs);
  squareTimes(X, X, 5, pairs);
  multiplyEach(X, X, a, pairs);
  squareTimes(X, X, 3, pairs);
  multiplyEach(X, X, X2, pairs);
  squareTimes(X, X, 2, pairs);
  multiplyEach(out, X, a, pairs);
}

/** out = a^((p + 1)/4), a square root of a if it has one. */
export function squareRoot(out: usize, a: usize, pairs: usize): void {
  ones223(a, pairs);
  squareTimes(X, X, 23, pairs);
  multiplyEach(X, X, X22, pairs);
  squareTimes(X, X, 6, pairs);
  multiplyEach(X, X, X2, pairs);
  squareTimes(out, X, 2, pairs);
}

/** out = a^((p − 3)/4) */
export function powerC1(out: usize, a: usize, pairs: usize): void {
  ones223(a, pairs);
  squareTimes(X, X, 23, pairs);
  multiplyEach(X, X, X22, pairs);
  squareTimes(X, X, 5, pairs);
  multiplyEach(X, X, a, pairs);
  squareTimes(X, X, 3, pairs);
  multiplyEach(out, X, X2, pairs);
}

/**
 * Inverts an array of any length with one power (Montgomery's trick): a_i = 1 / a_i, and 0 for 0.
 * @param prefix - room for as many pairs; the products of all elements before each, wiped by the caller if secret.
 */
export function invertAll(a: usize, prefix: usize, pairs: usize): void {
  invertArray(a, prefix, pairs, true);
}

/** As invertAll, for elements of which none is 0: one alone would make all of them 0. */
export function invertNonzero(a: usize, prefix: usize, pairs: usize): void {
  invertArray(a, prefix, pairs, false);
}

// @ts-ignore: decorator
@inline
function invertArray(a: usize, prefix: usize, pairs: usize, zeros: bool): void {
  const bytes = pairs * PAIR_BYTES;
  setSmall(PRODUCT, 1);
  for (let at: usize = 0; at < bytes; at += PAIR_BYTES) {
    copy(prefix + at, PRODUCT);
    if (zeros) replaceZeros(FACTOR, a + at);
    multiply(PRODUCT, PRODUCT, zeros ? FACTOR : a + at);
  }
  invert(PRODUCT, PRODUCT, 1);
  for (let at = bytes; at > 0;) {
    at -= PAIR_BYTES;
    const element = a + at;
    const zero = zeros ? replaceZeros(FACTOR, element) : i64x2.splat(0);
    multiply(INVERSE, PRODUCT, prefix + at);
    multiply(PRODUCT, PRODUCT, zeros ? FACTOR : element);
    for (let i: usize = 0; i < PAIR_BYTES; i += 16) v128.store(element + i, v128.andnot(v128.load(INVERSE + i), zero));
  }
}

/** out = a, or 1 in the lanes where a is 0, which are returned as a mask: one zero would make all of a product zero. */
function replaceZeros(out: usize, a: usize): v128 {
  const zero = isZero(a);
  copy(out, a);
  v128.store(out, v128.bitselect(f64x2.splat(1), v128.load(a), zero));
  return zero;
}

/** X = a^(2^223 − 1); X2 and X22 stay for what follows. */
function ones223(a: usize, pairs: usize): void {
  squareTimes(X2, a, 1, pairs);
  multiplyEach(X2, X2, a, pairs);
  squareTimes(X3, X2, 1, pairs);
  multiplyEach(X3, X3, a, pairs);
  squareTimes(X, X3, 3, pairs);
  multiplyEach(X, X, X3, pairs); // 6
  squareTimes(X, X, 3, pairs);
  multiplyEach(X, X, X3, pairs); // 9
  squareTimes(X, X, 2, pairs);
  multiplyEach(BEFORE, X, X2, pairs); // 11
  squareTimes(X, BEFORE, 11, pairs);
  multiplyEach(X22, X, BEFORE, pairs);
  squareTimes(X, X22, 22, pairs);
  multiplyEach(X44, X, X22, pairs);
  squareTimes(X, X44, 44, pairs);
  multiplyEach(BEFORE, X, X44, pairs); // 88
  squareTimes(X, BEFORE, 88, pairs);
  multiplyEach(X, X, BEFORE, pairs); // 176
  squareTimes(X, X, 44, pairs);
  multiplyEach(X, X, X44, pairs); // 220
  squareTimes(X, X, 3, pairs);
  multiplyEach(X, X, X3, pairs); // 223
}

/** out = a^(2^times), times at least 1. */
function squareTimes(out: usize, a: usize, times: i32, pairs: usize): void {
  for (let at: usize = 0; at < pairs * PAIR_BYTES; at += PAIR_BYTES) square(out + at, a + at);
  for (let i = 1; i < times; i++) {
    for (let at: usize = 0; at < pairs * PAIR_BYTES; at += PAIR_BYTES) square(out + at, out + at);
  }
}

/** out = a·b */
function multiplyEach(out: usize, a: usize, b: usize, pairs: usize): void {
  for (let at: usize = 0; at < pairs * PAIR_BYTES; at += PAIR_BYTES) multiply(out + at, a + at, b + at);
}
