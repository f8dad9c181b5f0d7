/**
 * Field elements of secp256k1 as bytes and back, and what can be asked of an element: questions whose answer needs its
 * canonical form, from 0 to p − 1. Elements are pairs of secp256k1-field.ts; bytes are 32, big-endian (SEC 1 §2.3.5).
 *
 * Constant time: no branch and no address depends on an element or on bytes.
 */
import { PAIR_BYTES, reduce } from "./secp256k1-field";

/** Limbs 0 and 1 … 4 as whole numbers have 52 and 51 bits. */
const BITS_52: i64 = (1 << 52) - 1;
const BITS_51: i64 = (1 << 51) - 1;
/** Limb 0 of p; the others are BITS_51. */
const P_0: i64 = (1 << 52) - 0x1000003d1;
/** The lowest eight bytes of p; all others are 0xff. */
const P_LOW: u64 = 0xfffffffefffffc2f;

/** The bits of 2^(E_i + 52), to which limb i is added as a whole number of 52 bits. */
// prettier-ignore
const UNSIGNED: usize = memory.data<u64>([
  0x4330000000000000, 0x4670000000000000, 0x49a0000000000000, 0x4cd0000000000000, 0x5000000000000000,
]);
/** 1.5·2^(E_i + 52), from which limb i keeps 51 bits in either direction. */
// prettier-ignore
const SIGNED: usize = memory.data<u64>([
  0x4338000000000000, 0x4678000000000000, 0x49a8000000000000, 0x4cd8000000000000, 0x5008000000000000,
]);
/** 1.5·2^(E_i+1 + 52): what rounds limb i to a multiple of 2^E_i+1. */
// prettier-ignore
const CUTS: usize = memory.data<u64>([
  0x4678000000000000, 0x49a8000000000000, 0x4cd8000000000000, 0x5008000000000000,
]);

/** The pair of which the elements lie as bytes at `lane0` and `lane1`; numbers of p and above stand for what they are mod p. */
export function fromBytes(out: usize, lane0: usize, lane1: usize): void {
  const w0 = words(lane0, lane1, 24);
  const w1 = words(lane0, lane1, 16);
  const w2 = words(lane0, lane1, 8);
  const w3 = words(lane0, lane1, 0);
  const bits51 = i64x2.splat(BITS_51);
  storeUnsigned(out, 0, v128.and(w0, i64x2.splat(BITS_52)));
  storeUnsigned(out, 1, v128.and(v128.or(i64x2.shr_u(w0, 52), i64x2.shl(w1, 12)), bits51));
  storeUnsigned(out, 2, v128.and(v128.or(i64x2.shr_u(w1, 39), i64x2.shl(w2, 25)), bits51));
  storeUnsigned(out, 3, v128.and(v128.or(i64x2.shr_u(w2, 26), i64x2.shl(w3, 38)), bits51));
  storeUnsigned(out, 4, i64x2.shr_u(w3, 13));
  // These limbs are twice as long as reduced ones.
  reduce(out, out);
}

/** Eight bytes of each lane as a number. */
// @ts-ignore: decorator
@inline
function words(lane0: usize, lane1: usize, at: usize): v128 {
  return i64x2.replace_lane(i64x2.splat(bswap(load<u64>(lane0 + at))), 1, bswap(load<u64>(lane1 + at)));
}

// @ts-ignore: decorator
@inline
function storeUnsigned(out: usize, i: usize, limb: v128): void {
  const one = v128.load64_splat(UNSIGNED + (i << 3));
  v128.store(out + (i << 4), f64x2.sub(v128.or(limb, one), one));
}

/** Whether 32 bytes are a number below p: 1 or 0. */
export function isCanonical(bytes: usize): u32 {
  const others = load<u64>(bytes) & load<u64>(bytes, 8) & load<u64>(bytes, 16);
  // One comparison: of an or of two, asc makes a branch on the first.
  return u32((~others | u64(bswap(load<u64>(bytes, 24)) < P_LOW)) != 0);
}

/** Writes the elements, canonical, as bytes to `lane0` and `lane1`. */
export function toBytes(a: usize, lane0: usize, lane1: usize): void {
  canonical(a);
  const t0 = v128.load(LIMBS);
  const t1 = v128.load(LIMBS, 16);
  const t2 = v128.load(LIMBS, 32);
  const t3 = v128.load(LIMBS, 48);
  const t4 = v128.load(LIMBS, 64);
  storeWords(lane0, lane1, 24, v128.or(t0, i64x2.shl(t1, 52)));
  storeWords(lane0, lane1, 16, v128.or(i64x2.shr_u(t1, 12), i64x2.shl(t2, 39)));
  storeWords(lane0, lane1, 8, v128.or(i64x2.shr_u(t2, 25), i64x2.shl(t3, 26)));
  storeWords(lane0, lane1, 0, v128.or(i64x2.shr_u(t3, 38), i64x2.shl(t4, 13)));
}

// @ts-ignore: decorator
@inline
function storeWords(lane0: usize, lane1: usize, at: usize, value: v128): void {
  store<u64>(lane0 + at, bswap(i64x2.extract_lane(value, 0)));
  store<u64>(lane1 + at, bswap(i64x2.extract_lane(value, 1)));
}

/**
 * All ones in the lanes whose element is 0.
 *
 * A reduced element is 0 only if all its limbs are: limb 0 would be the opposite of the others' sum, a multiple of 2^52,
 * and is smaller; so would then limb 1, and so on.
 */
export function isZero(a: usize): v128 {
  let bits = v128.load(a);
  for (let i: usize = 16; i < PAIR_BYTES; i += 16) bits = v128.or(bits, v128.load(a + i));
  // Without the sign: −0 is 0.
  return i64x2.eq(i64x2.shl(bits, 1), i64x2.splat(0));
}

/** All ones in the lanes whose element, canonical, is odd. */
export function isOdd(a: usize): v128 {
  canonical(a);
  return i64x2.sub(i64x2.splat(0), v128.and(v128.load(LIMBS), i64x2.splat(1)));
}

/** Limbs as whole numbers, in units of 2^E_i: what `settle` and `canonical` leave. */
const LIMBS: usize = memory.data(80, 16);

/** Zeroes what the questions and the writing of bytes left behind. */
export function wipeFieldBytes(): void {
  memory.fill(LIMBS, 0, PAIR_BYTES);
}

/**
 * Carries from limb to limb, so that |t_0| ≤ 2^51, |t_1|, |t_2|, |t_3| ≤ 2^50; the number stays what it is, |x| < p.
 */
function settle(a: usize): void {
  let from = f64x2.splat(0);
  for (let i: usize = 0; i < 4; i++) {
    const limb = f64x2.add(v128.load(a + (i << 4)), from);
    const cut = v128.load64_splat(CUTS + (i << 3));
    from = f64x2.sub(f64x2.add(limb, cut), cut);
    storeSigned(i, f64x2.sub(limb, from));
  }
  storeSigned(4, f64x2.add(v128.load(a, 64), from));
}

// @ts-ignore: decorator
@inline
function storeSigned(i: usize, limb: v128): void {
  const base = v128.load64_splat(SIGNED + (i << 3));
  v128.store(LIMBS + (i << 4), i64x2.sub(f64x2.add(limb, base), base));
}

/** LIMBS become those of the element from 0 to p − 1. */
function canonical(a: usize): void {
  settle(a);
  // Borrowing makes all limbs but the last positive: its sign is the number's.
  borrow();
  const negative = i64x2.shr_s(v128.load(LIMBS, 64), 63);
  v128.store(LIMBS, i64x2.add(v128.load(LIMBS), v128.and(negative, i64x2.splat(P_0))));
  const p = v128.and(negative, i64x2.splat(BITS_51));
  for (let i: usize = 16; i < PAIR_BYTES; i += 16) v128.store(LIMBS + i, i64x2.add(v128.load(LIMBS + i), p));
  borrow();
}

/** Takes from each limb but the last what it has above its bits, or lacks, and gives it to the next. */
function borrow(): void {
  const t0 = v128.load(LIMBS);
  v128.store(LIMBS, v128.and(t0, i64x2.splat(BITS_52)));
  let carried = i64x2.shr_s(t0, 52);
  for (let i: usize = 16; i < 64; i += 16) {
    const t = i64x2.add(v128.load(LIMBS + i), carried);
    v128.store(LIMBS + i, v128.and(t, i64x2.splat(BITS_51)));
    carried = i64x2.shr_s(t, 51);
  }
  v128.store(LIMBS, i64x2.add(v128.load(LIMBS, 64), carried), 64);
}
