/**
 * Secret scalars of secp256k1 as signed odd digits, for multiplications of a fixed schedule, in constant time: no
 * branch and no address depends on a scalar.
 *
 * Odd digits (Joye and Tunstall, "Exponent recoding and regular exponentiation algorithms", 2009). An odd t with
 * |t| < 2^(w·m) is Σ d_j·2^(w·j), j = 0 … m − 1, in exactly one way with all d_j odd and |d_j| < 2^w: none is zero. As
 * Σ (2^w − 1)·2^(w·j) = 2^(w·m) − 1, the w bits at w·j of u = (t + 2^(w·m) − 1)/2 are (d_j + 2^w − 1)/2; and as t is
 * odd, u is t >> 1 (arithmetic) plus 2^(w·m − 1), which turns over the top bit.
 *
 * Any point P (recodeShared). Multiplying by λ, where λ² + λ + 1 = 0 modulo n, is the endomorphism (x, y) → (βx, y)
 * (Gallant, Lambert and Vanstone, CRYPTO 2001), so k becomes t1 + t2·λ of half the length, and k·P is computed by
 *
 *   acc = d1·P + d2·λP, of the digits d1 of t1 and d2 of t2 in window 32;
 *   in windows 31 to 0: acc = 16·acc, acc = acc + d1·P, acc = acc + d2·λP.
 *
 * The generator G (recodeComb): acc = d_0·G; in windows 1 to the top: acc = acc + d_j·(2^(w·j)·G).
 *
 * Both may use incomplete additions, which are wrong where acc is plus or minus the addend, or infinity. P has order n,
 * so that depends on k alone; splitScalar and recodeComb prove that no k leads there, as they recode the one that
 * would in another way.
 *
 * Scalars and halves lie in static scratch: a kernel calls wipeRecoding before it returns. Digits are as secret as k.
 */
import {
  COMPLEMENT,
  ORDER,
  SCALAR_BYTES,
  addProduct,
  copyScalar,
  maskOfZero,
  multiplyWide,
  secp256k1ScalarWipe,
} from "./secp256k1-scalar";

/** Windows of recodeShared and their bits: digits are odd, from −15 to 15. */
export const SHARED_WINDOW_BITS: u32 = 4;
export const SHARED_WINDOWS: u32 = 33;

/**
 * Windows of recodeComb and their bits: digits are odd, from −31 to 31. Its proof needs
 * COMB_WINDOW_BITS × COMB_WINDOWS ≥ 258 and COMB_TOP from 223 to 255: 6 × 43 and 7 × 37 would do too.
 */
export const COMB_WINDOW_BITS: u32 = 5;
export const COMB_WINDOWS: u32 = 52;
/** What the top digit counts is 2^COMB_TOP. */
const COMB_TOP: u32 = COMB_WINDOW_BITS * (COMB_WINDOWS - 1);
/** The top limb of 2^256 − 2^(COMB_TOP + 1) + c, the scalar that recodeComb gives another representative. */
const COMB_EXCEPTION_TOP_LIMB: u32 = <u32>(0 - ((<u64>1) << (COMB_TOP + 1 - 224)));

// The lattice of all (a, b) with a + b·λ = 0 modulo n has the basis v1 = (a1, b1), v2 = (a2, a1), where
//   a1 = 0x3086d221a7d46bcde86c90e49284eb15, b1 = −0xe4437ed6010e88286f547fa90abfe4c3, a2 = a1 − b1.
// Its vectors are subtracted: what is kept is −a1, −a2 and −b1, modulo 2^256.
// prettier-ignore
const MINUS_A1: usize = memory.data<u32>([
  0x6d7b14eb, 0x17936f1b, 0x582b9432, 0xcf792dde, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff,
], 16);
// prettier-ignore
const MINUS_A2: usize = memory.data<u32>([
  0x62bb3028, 0xa83eef72, 0x571d0c09, 0xeb35af08, 0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff,
], 16);
// prettier-ignore
const MINUS_B1: usize = memory.data<u32>([
  0x0abfe4c3, 0x6f547fa9, 0x010e8828, 0xe4437ed6, 0x00000000, 0x00000000, 0x00000000, 0x00000000,
], 16);
/** g1 = 2^384·a1/n and g2 = 2^384·(−b1)/n, both rounded to the nearest whole number (as libsecp256k1 has them). */
// prettier-ignore
const G1: usize = memory.data<u32>([
  0x45dbb031, 0xe893209a, 0x71e8ca7f, 0x3daa8a14, 0x9284eb15, 0xe86c90e4, 0xa7d46bcd, 0x3086d221,
], 16);
// prettier-ignore
const G2: usize = memory.data<u32>([
  0x8ac47f71, 0x1571b4ae, 0x9df506c6, 0x221208ac, 0x0abfe4c4, 0x6f547fa9, 0x010e8828, 0xe4437ed6,
], 16);
/** Bytes of c1 and c2, which are below 2^128. */
const QUOTIENT_BYTES: usize = 16;

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 352;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const PRODUCT: usize = SCRATCH;
/** c1 and c2. */
const QUOTIENT1: usize = SCRATCH + 64;
const QUOTIENT2: usize = SCRATCH + 80;
/** The halves while rows are added to them: twelve limbs, of which the upper four mean nothing. */
const FIRST: usize = SCRATCH + 96;
const SECOND: usize = SCRATCH + 160;
/** Both halves of recodeShared. */
const HALVES: usize = SCRATCH + 224;
/** What recodeComb recodes, nine limbs. */
const REPRESENTATIVE: usize = SCRATCH + 288;

/** Zeroes the scratch of this file and of secp256k1-scalar.ts. */
export function wipeRecoding(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
  secp256k1ScalarWipe();
}

/**
 * The digits of both halves of a scalar other than zero.
 * @param digits - receives 2 × SHARED_WINDOWS i8, the lowest window first, in each that of t1 and then that of t2.
 */
export function recodeShared(digits: usize, k: usize): void {
  splitScalar(HALVES, k);
  writeDigits(digits, 2, HALVES, SHARED_WINDOW_BITS, SHARED_WINDOWS);
  writeDigits(digits + 1, 2, HALVES + SCALAR_BYTES, SHARED_WINDOW_BITS, SHARED_WINDOWS);
}

/**
 * Splits a scalar k other than zero: k = t1 + t2·λ modulo n, with t1 and t2 odd and |t1|, |t2| < 2^130.
 *
 * Size. (k, 0) = x·v1 + y·v2 with x = k·a1/n, y = k·(−b1)/n, as a1·a1 − a2·b1 = n. c1 = ⌊k·g1/2^384⌉, c2 = ⌊k·g2/2^384⌉
 * are within 1/2 + 2^−129 of x and y, for rounding g1 and g2 has moved those by k/2^385 at most. So
 * s = (k, 0) − c1·v1 − c2·v2 = p·v1 + q·v2 with |p|, |q| ≤ 1/2 + 2^−129. v1 is (odd, odd) and v2 is (even, odd): taking
 * off e·v1 + f·v2, each 0 or 1, makes both halves odd, and leaves
 *   |t1| ≤ (3/2 + 2^−129)·(a1 + a2) < 1.91·2^128,  |t2| ≤ (3/2 + 2^−129)·(a1 − b1) < 1.63·2^128.
 *
 * When the ladder of this file's head goes wrong. Let N(a, b) = a² − ab + b² ≤ 3·max(|a|, |b|)², whose root is a norm.
 * In the lattice N is b²·(λ² + λ + 1) modulo n, a multiple of n: all its vectors but (0, 0) have N ≥ n and a coordinate
 * of at least √(n/3) > 0.57·2^128. In window 32, acc is plus or minus the addend if (d1, ∓d2) is in the lattice, but
 * that is too short. In a later one let A·P + B·λP be the acc that the window before has left; A is odd, as its last
 * digit is. This window goes wrong if one of these is in the lattice (acc was infinity; acc = ±d1·P; then acc is
 * infinity or ±d2·λP):
 *   (A, B),  (16A ∓ d1, 16B),  (16A + d1, 16B),  (16A + d1, 16B ∓ d2).
 * None is (0, 0), for the first coordinates are odd. All are within 30 of (A', B') = (16A + d1, 16B + d2), or shorter.
 * Before the last window |A'| and |B'| are below 2^130/16 + 1, so nothing is long enough. In the last, (A, B) is as
 * short, and (A', B') = (t1, t2) is not in the lattice as k is not 0. What is left is, up to vectors of the lattice,
 *   (s1 − 2·d1, s2 − d2),  (s1, s2 − d2),  (s1, s2 − 2·d2).
 * As N(v1) = N(v2) = n and N(v1 + v2) = 3n, N(s) = n·(p² + p·q + q²) ≤ 3n·(1/2 + 2^−129)², and what is taken from s has
 * a norm of at most √3·30: the difference has one below √n, and is in the lattice only if it is (0, 0). That is, s is
 * (2·d1, d2), (0, d2) or (0, 2·d2). Modulo 32, where d2 = t2 + 16, −b1 = 3 and a1 = 21:
 *   the first two have s1 even and s2 odd, so e = f = 1 and d2 = s2 + 3 − 21 + 16 = s2 − 2, which is not s2;
 *   the third has both even, so e = 1, f = 0 and d2 = 2·d2 + 3 + 16, so d2 = 13.
 * Hence only s = (0, 26), k = 26·λ, goes wrong. There f = 2 instead: both halves stay odd, |t1| = a1 + 2·a2 is below
 * 2.36·2^128, and d2 = 26 + 3 − 42 + 16 = 3, so that s2 is neither d2 nor 2·d2.
 * @param halves - receives t1 and t2, each as 8 limbs modulo 2^256 (two's complement).
 */
export function splitScalar(halves: usize, k: usize): void {
  roundedQuotient(QUOTIENT1, k, G1);
  roundedQuotient(QUOTIENT2, k, G2);
  copyScalar(FIRST, k);
  memory.fill(SECOND, 0, SCALAR_BYTES);
  for (let i: usize = 0; i < QUOTIENT_BYTES; i += 4) {
    takeOff(i, load<u32>(QUOTIENT1 + i), load<u32>(QUOTIENT2 + i));
  }
  const e = ~load<u32>(FIRST) & 1;
  const f = e ^ (~load<u32>(SECOND) & 1);
  takeOff(0, e, f + (2 & maskOfEqual(FIRST, 0) & maskOfEqual(SECOND, 26)));
  copyScalar(halves, FIRST);
  copyScalar(halves + SCALAR_BYTES, SECOND);
}

/**
 * The digits of a scalar k other than zero, or rather of an odd x that is k modulo n.
 *
 * x = k if k is odd, else k + n, so x < 2n. Let T be COMB_TOP, S the sum over all windows but the top one, d the
 * top digit: |S| < 2^T and x = S + d·2^T > 0, so d ≥ 1. All sums up to S are odd and below 2^T < n in magnitude, so none
 * is infinity. Before the top window they are shorter than the addend, and their sum with it and difference from it are
 * below 2^T too: no addition goes wrong. The last one does if x, which is not 0 modulo n, or S − d·2^T is a multiple of
 * n. The latter, say −m·n, is x − 2·d·2^T and so odd, as m is; it is negative and above −(d + 1)·2^T. As
 * (d − 1)·2^T < x < 2^257 and d is odd, (d + 1)·2^T ≤ 2^257 < 3n: so m = 1, and (d − 1)·2^T < n < (d + 1)·2^T. With
 * n = 2^256 − c, c < 2^T and d odd, that is d + 1 = 2^(256 − T) and
 *   x = 2·d·2^T − n = 2^256 − 2^(T + 1) + c,
 * which is below n, so it is k itself. There x = k + 2n = 3·2^256 − 2^(T + 1) − c < 2^258 instead. Then
 * d = 3·2^(256 − T) − 3 and S = 2^T − c, and S − d·2^T = 4·(2^T − c) − 3n is no multiple of n, as 2^T − c is none.
 * @param digits - receives COMB_WINDOWS i8, the lowest window first. The top one is positive.
 */
export function recodeComb(digits: usize, k: usize): void {
  let difference = load<u32>(k, 28) ^ COMB_EXCEPTION_TOP_LIMB;
  for (let i: usize = 0; i < 28; i += 4) difference |= load<u32>(k + i) ^ load<u32>(COMPLEMENT + i);
  copyScalar(REPRESENTATIVE, k);
  addProduct(REPRESENTATIVE, ORDER, (~load<u32>(k) & 1) | (2 & maskOfZero(difference)));
  writeDigits(digits, 1, REPRESENTATIVE, COMB_WINDOW_BITS, COMB_WINDOWS);
}

/** quotient = k·g/2^384 to the nearest whole number, of QUOTIENT_BYTES. */
function roundedQuotient(quotient: usize, k: usize, g: usize): void {
  multiplyWide(PRODUCT, k, g);
  let carry = <u64>(load<u32>(PRODUCT, 44) >>> 31);
  for (let i: usize = 0; i < QUOTIENT_BYTES; i += 4) {
    carry += <u64>load<u32>(PRODUCT + 48 + i);
    store<u32>(quotient + i, <u32>carry);
    carry >>= 32;
  }
}

/** (FIRST, SECOND) = (FIRST, SECOND) − (e·v1 + f·v2)·2^(8·offset), each modulo 2^256. */
function takeOff(offset: usize, e: u32, f: u32): void {
  addProduct(FIRST + offset, MINUS_A1, e);
  addProduct(FIRST + offset, MINUS_A2, f);
  addProduct(SECOND + offset, MINUS_B1, e);
  addProduct(SECOND + offset, MINUS_A1, f);
}

/** All ones if the eight limbs at `a` are this small number, else 0. */
function maskOfEqual(a: usize, value: u32): u32 {
  let difference = load<u32>(a) ^ value;
  for (let i: usize = 4; i < SCALAR_BYTES; i += 4) difference |= load<u32>(a + i);
  return maskOfZero(difference);
}

/**
 * Writes the `windows` odd digits of `bits` bits each (at most 7) of an odd number; see the head of this file.
 * @param digits - where the lowest goes; the next ones lie `stride` bytes further each.
 * @param t - the number in two's complement; bits up to the last window's are read, and the byte behind them.
 */
function writeDigits(digits: usize, stride: usize, t: usize, bits: u32, windows: u32): void {
  const ones: u32 = (1 << bits) - 1;
  let bit: u32 = 1;
  for (let window: u32 = 1; window < windows; window++) {
    store<i8>(digits, <i8>(2 * bitsAt(t, bit, ones) - ones));
    digits += stride;
    bit += bits;
  }
  store<i8>(digits, <i8>(2 * (bitsAt(t, bit, ones) ^ (1 << (bits - 1))) - ones));
}

// @ts-ignore: decorator
@inline
function bitsAt(t: usize, bit: u32, ones: u32): u32 {
  return ((<u32>load<u16>(t + (bit >> 3))) >> (bit & 7)) & ones;
}
