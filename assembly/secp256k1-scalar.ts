/**
 * Integers modulo n, the order of the group of secp256k1 (SEC 2 version 2 §2.4.1), in constant time: no branch and no
 * address depends on the value of a scalar. Counts and addresses are public.
 *
 * A scalar is SCALAR_BYTES bytes, the number as eight u32 limbs, the least significant first. Functions named scalar…
 * take and leave scalars below n, unless they say otherwise. As WebAssembly multiplies 32 by 32 bits into 64 and no
 * more, a row of a product is eight such products, each added to its limb and the carry of the one before.
 *
 * n = 2^256 − c, and c is short (129 bits): a product is reduced by putting c times its upper half onto its lower half,
 * as often as it takes.
 *
 * What is computed lies in static scratch. The batches below zero it before they return; a kernel that calls the other
 * functions calls secp256k1ScalarWipe before it returns. What the engine below keeps in CPU registers and on its own
 * stack is out of reach here.
 */

/** A scalar in memory, eight limbs of 32 bits. */
export const SCALAR_BYTES: usize = 32;
/** What one row of secp256k1ScalarReduce takes: 48 bytes, of which 384 bits leave no bias modulo n (RFC 9380 §5). */
const WIDE_BYTES: usize = 48;

/** n. */
// prettier-ignore
export const ORDER: usize = memory.data<u32>([
  0xd0364141, 0xbfd25e8c, 0xaf48a03b, 0xbaaedce6, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff,
], 16);
/** c = 2^256 − n: COMPLEMENT_LIMBS limbs, and zeros. */
// prettier-ignore
export const COMPLEMENT: usize = memory.data<u32>([
  0x2fc9bebf, 0x402da173, 0x50b75fc4, 0x45512319, 0x00000001, 0x00000000, 0x00000000, 0x00000000,
], 16);
const COMPLEMENT_LIMBS: usize = 5;
const ZERO: usize = memory.data<u32>([0, 0, 0, 0, 0, 0, 0, 0], 16);

/** n − 2, the exponent that inverts (Fermat), in nibbles, the most significant first. */
const INVERTING_EXPONENT_NIBBLES: usize = 64;
// prettier-ignore
const INVERTING_EXPONENT: usize = memory.data<u8>([
  0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf,
  0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xe,
  0xb, 0xa, 0xa, 0xe, 0xd, 0xc, 0xe, 0x6, 0xa, 0xf, 0x4, 0x8, 0xa, 0x0, 0x3, 0xb,
  0xb, 0xf, 0xd, 0x2, 0x5, 0xe, 0x8, 0xc, 0xd, 0x0, 0x3, 0x6, 0x4, 0x1, 0x3, 0xf,
]);

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 768;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/** A product, and the same after one fold: sixteen limbs each. */
const PRODUCT: usize = SCRATCH;
const FOLDED: usize = SCRATCH + 64;
/** The operands of a batch's row, and the inverse of what is left of a batch to invert. */
const FACTOR: usize = SCRATCH + 128;
const SECOND: usize = SCRATCH + 160;
const TERM: usize = SCRATCH + 192;
const INVERSE: usize = SCRATCH + 224;
/** a^0 to a^15 of the number that is inverted; the first is never used. */
const POWERS: usize = SCRATCH + 256;

/**
 * Every row: out = a·b + c mod n. Inputs are 32 bytes big-endian, any number below 2^256; outputs are below n.
 * @param a, b, c - `count` inputs each, one after the other.
 * @param out - `count` × 32 bytes, which may be those of a, b or c, and must not overlap them otherwise.
 */
export function secp256k1ScalarMultiplyAdd(a: usize, b: usize, c: usize, out: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const at = <usize>i * SCALAR_BYTES;
    limbsFromBytes(FACTOR, a + at, 8);
    limbsFromBytes(SECOND, b + at, 8);
    scalarMultiply(FACTOR, FACTOR, SECOND);
    limbsFromBytes(TERM, c + at, 8);
    // 2^256 < 2n.
    subtractOrder(TERM, TERM, 0);
    scalarAdd(FACTOR, FACTOR, TERM);
    scalarToBytes(out + at, FACTOR);
  }
  secp256k1ScalarWipe();
}

/**
 * Reduces `count` numbers of 48 bytes, big-endian, modulo n.
 * @param out - `count` × 32 bytes, big-endian; must not overlap `wide`.
 */
export function secp256k1ScalarReduce(wide: usize, out: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    scalarFromWide48(FACTOR, wide + <usize>i * WIDE_BYTES);
    scalarToBytes(out + <usize>i * SCALAR_BYTES, FACTOR);
  }
  secp256k1ScalarWipe();
}

/**
 * Zeroes this file's scratch. The batches do so themselves; this is for kernels that call the other functions, and for
 * a host whose call trapped half way (an address outside memory).
 */
export function secp256k1ScalarWipe(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/**
 * Reads 32 bytes, big-endian.
 * @returns all ones if they are a number from 1 to n − 1, else 0: then `out` is 1, with which a caller can go on
 * computing until it may tell.
 */
export function scalarFromBytes(out: usize, bytes: usize): u32 {
  limbsFromBytes(out, bytes, 8);
  // At least n if and only if adding c carries out of 256 bits.
  let carry: u64 = 0;
  let any: u32 = 0;
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) {
    carry = (carry >> 32) + <u64>load<u32>(out + i) + <u64>load<u32>(COMPLEMENT + i);
    any |= load<u32>(out + i);
  }
  const valid = ~maskOfZero(any) & maskOfZero(<u32>(carry >> 32));
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) store<u32>(out + i, load<u32>(out + i) & valid);
  store<u32>(out, load<u32>(out) | (~valid & 1));
  return valid;
}

/** Writes a scalar as 32 bytes, big-endian. */
export function scalarToBytes(bytes: usize, a: usize): void {
  // In the end, for the bytes may lie where the scalar lies.
  const limbs01 = load<u64>(a);
  const limbs23 = load<u64>(a, 8);
  const limbs45 = load<u64>(a, 16);
  const limbs67 = load<u64>(a, 24);
  store<u64>(bytes, bswap(limbs67));
  store<u64>(bytes, bswap(limbs45), 8);
  store<u64>(bytes, bswap(limbs23), 16);
  store<u64>(bytes, bswap(limbs01), 24);
}

/** Reads 48 bytes, big-endian, and reduces them modulo n (hash_to_field of RFC 9380 §5.2 with L = 48). */
export function scalarFromWide48(out: usize, bytes: usize): void {
  limbsFromBytes(PRODUCT, bytes, 12);
  v128.store(PRODUCT, i64x2.splat(0), WIDE_BYTES);
  reduceProduct(out);
}

/** out = a + b; they may all be one. */
export function scalarAdd(out: usize, a: usize, b: usize): void {
  let carry: u64 = 0;
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) {
    carry = (carry >> 32) + <u64>load<u32>(a + i) + <u64>load<u32>(b + i);
    store<u32>(out + i, <u32>carry);
  }
  subtractOrder(out, out, <u32>(carry >> 32));
}

/** out = a − b; they may all be one. */
export function scalarSubtract(out: usize, a: usize, b: usize): void {
  let borrow: i64 = 0;
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) {
    borrow = (borrow >> 32) + <i64>load<u32>(a + i) - <i64>load<u32>(b + i);
    store<u32>(out + i, <u32>borrow);
  }
  const negative = <u32>(borrow >> 32);
  let carry: u64 = 0;
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) {
    carry = (carry >> 32) + <u64>load<u32>(out + i) + <u64>(load<u32>(ORDER + i) & negative);
    store<u32>(out + i, <u32>carry);
  }
}

/** out = −a; they may be one. */
export function scalarNegate(out: usize, a: usize): void {
  scalarSubtract(out, ZERO, a);
}

/** out = a·b, of any numbers below 2^256; they may all be one. */
export function scalarMultiply(out: usize, a: usize, b: usize): void {
  multiplyWide(PRODUCT, a, b);
  reduceProduct(out);
}

/**
 * Inverts `count` scalars in place, all together with Montgomery's trick and one exponentiation (Fermat).
 * @param scalars - one after the other, none of them zero: a single zero would make all of them zero.
 * @param scratch - count × SCALAR_BYTES, of any content; afterwards as secret as the scalars.
 */
export function scalarInvertAll(scalars: usize, count: u32, scratch: usize): void {
  if (count == 0) return;
  const end = <usize>count * SCALAR_BYTES;
  // Products of each scalar and all before it.
  copyScalar(scratch, scalars);
  for (let at = SCALAR_BYTES; at < end; at += SCALAR_BYTES) {
    scalarMultiply(scratch + at, scratch + at - SCALAR_BYTES, scalars + at);
  }
  invert(INVERSE, scratch + end - SCALAR_BYTES);
  for (let at = end - SCALAR_BYTES; at > 0; at -= SCALAR_BYTES) {
    scalarMultiply(scratch + at, INVERSE, scratch + at - SCALAR_BYTES);
    scalarMultiply(INVERSE, INVERSE, scalars + at);
    copyScalar(scalars + at, scratch + at);
  }
  copyScalar(scalars, INVERSE);
}

/**
 * The product of two numbers below 2^256, as it is.
 * @param product - sixteen limbs; must not overlap a or b.
 */
export function multiplyWide(product: usize, a: usize, b: usize): void {
  copyScalar(product, ZERO);
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) addProduct(product + i, a, load<u32>(b + i));
}

/**
 * Adds the eight limbs at `a`, times b, to the eight at `sum`, and *sets* the limb behind those to the carry. No step
 * exceeds 64 bits: (2^32 − 1)² + 2·(2^32 − 1) = 2^64 − 1.
 */
export function addProduct(sum: usize, a: usize, b: u32): void {
  const factor = <u64>b;
  let x = <u64>load<u32>(a) * factor + <u64>load<u32>(sum);
  store<u32>(sum, <u32>x);
  x = <u64>load<u32>(a, 4) * factor + <u64>load<u32>(sum, 4) + (x >> 32);
  store<u32>(sum, <u32>x, 4);
  x = <u64>load<u32>(a, 8) * factor + <u64>load<u32>(sum, 8) + (x >> 32);
  store<u32>(sum, <u32>x, 8);
  x = <u64>load<u32>(a, 12) * factor + <u64>load<u32>(sum, 12) + (x >> 32);
  store<u32>(sum, <u32>x, 12);
  x = <u64>load<u32>(a, 16) * factor + <u64>load<u32>(sum, 16) + (x >> 32);
  store<u32>(sum, <u32>x, 16);
  x = <u64>load<u32>(a, 20) * factor + <u64>load<u32>(sum, 20) + (x >> 32);
  store<u32>(sum, <u32>x, 20);
  x = <u64>load<u32>(a, 24) * factor + <u64>load<u32>(sum, 24) + (x >> 32);
  store<u32>(sum, <u32>x, 24);
  x = <u64>load<u32>(a, 28) * factor + <u64>load<u32>(sum, 28) + (x >> 32);
  store<u32>(sum, <u32>x, 28);
  store<u32>(sum, <u32>(x >> 32), 32);
}

/** All ones if x is 0, else 0. */
// @ts-ignore: decorator
@inline
export function maskOfZero(x: u32): u32 {
  return ((x | (0 - x)) >>> 31) - 1;
}

/** Copies a scalar. */
// @ts-ignore: decorator
@inline
export function copyScalar(to: usize, from: usize): void {
  const low = v128.load(from);
  const high = v128.load(from, 16);
  v128.store(to, low);
  v128.store(to, high, 16);
}

/**
 * out = PRODUCT mod n, PRODUCT being any number below 2^512.
 *
 * As c < 2^128.35, the first fold leaves less than (c + 1)·2^256, and the second less than 2^256 + c² < 2.62·2^256. The
 * last row puts c times the 0, 1 or 2 at 2^256 onto the rest, which is below 0.62·2^256 where there is a 2: that leaves
 * less than 2^256 + c = n + 2c < 2n.
 */
function reduceProduct(out: usize): void {
  fold(FOLDED, PRODUCT);
  fold(PRODUCT, FOLDED);
  addProduct(PRODUCT, COMPLEMENT, load<u32>(PRODUCT, SCALAR_BYTES));
  subtractOrder(out, PRODUCT, load<u32>(PRODUCT, SCALAR_BYTES));
}

/**
 * to = lower half of `from` + c × its upper half, thirteen limbs. Sixteen are folded; the last three of FOLDED are zero,
 * as nothing is ever put there.
 */
function fold(to: usize, from: usize): void {
  copyScalar(to, from);
  for (let i: usize = 0; i < COMPLEMENT_LIMBS << 2; i += 4) {
    addProduct(to + i, from + SCALAR_BYTES, load<u32>(COMPLEMENT + i));
  }
}

/** out = x mod n, x = top·2^256 + the eight limbs at `low` being below 2n; out may be `low`. */
function subtractOrder(out: usize, low: usize, top: u32): void {
  // x − n = x + c − 2^256: x is at least n if adding c carries out of 256 bits, or did already.
  let carry: u64 = 0;
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) {
    carry = (carry >> 32) + <u64>load<u32>(low + i) + <u64>load<u32>(COMPLEMENT + i);
  }
  const mask = ~maskOfZero((<u32>(carry >> 32)) | top);
  carry = 0;
  for (let i: usize = 0; i < SCALAR_BYTES; i += 4) {
    carry = (carry >> 32) + <u64>load<u32>(low + i) + <u64>(load<u32>(COMPLEMENT + i) & mask);
    store<u32>(out + i, <u32>carry);
  }
}

/** Reads `limbs` limbs from bytes that have the most significant first. */
function limbsFromBytes(out: usize, bytes: usize, limbs: usize): void {
  let from = bytes + (limbs << 2);
  for (const end = out + (limbs << 2); out < end; out += 4) {
    from -= 4;
    store<u32>(out, bswap(load<u32>(from)));
  }
}

/** out = a^(n − 2), nibble by nibble; out must not be `a`. The exponent is public. */
function invert(out: usize, a: usize): void {
  copyScalar(POWERS + SCALAR_BYTES, a);
  for (let i: usize = 2; i < 16; i++) {
    scalarMultiply(POWERS + i * SCALAR_BYTES, POWERS + (i - 1) * SCALAR_BYTES, a);
  }
  copyScalar(out, POWERS + <usize>load<u8>(INVERTING_EXPONENT) * SCALAR_BYTES);
  for (let i: usize = 1; i < INVERTING_EXPONENT_NIBBLES; i++) {
    for (let squarings = 0; squarings < 4; squarings++) scalarMultiply(out, out, out);
    const nibble = <usize>load<u8>(INVERTING_EXPONENT + i);
    if (nibble != 0) scalarMultiply(out, out, POWERS + nibble * SCALAR_BYTES);
  }
}
