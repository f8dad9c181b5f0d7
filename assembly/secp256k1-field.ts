/**
 * The field of secp256k1, GF(p) with p = 2^256 − 2^32 − 977 (SEC 2 §2.4.1), two elements at a time: lane l of every
 * v128 belongs to element l.
 *
 * An element is five doubles, x = x_0 + x_1 + x_2 + x_3 + x_4. Limb i is a multiple of 2^E_i, E = 0, 52, 103, 154, 205,
 * and signed. It is *reduced* when |x_i| ≤ 2^(E_i+1 − 1) (1 + 2^−14), E_5 = 256; then |x| < p. Every function takes
 * reduced elements and gives reduced ones, where its comment does not say otherwise; `out` may be one of the operands.
 *
 * Products are exact. E_i + E_j is E_i+j or one more (E_5 … E_9 = 256, 308, 359, 410, 461), so a product of limbs
 * belongs to column i + j without a shift. With cut_k = 25/16·2^(E_k+1 + 52), fma(a, b, cut_k) − cut_k is a·b rounded to
 * a multiple of 2^E_k+1: it goes to column k + 1, and what is left of a·b, fma(a, b, −that), to column k. Columns from 5
 * on are folded: 2^256 ≡ 2^256 κ, κ = (2^32 + 977)·2^−256. No operation of this file rounds, but those with a cut, which
 * are meant to: test/assembly/secp256k1-field-bounds.test.ts runs this very source over bounds instead of numbers and
 * proves of each that its result is a multiple of a power of two that 53 bits reach.
 *
 * Magnitudes are in units U_k = 2^(E_k+1 − 1), a reduced limb of column k, and leave out what is below 2^−14. What a
 * column keeps of a product is at most 1 U_k; what it hands on, a_i·b_j in the first five columns, at most 1 U_k+1.
 * A cut lies in the binade of multiples of 2^E_k+1, 9/16 of the binade's length above its lower end. In squares a_i·2a_j
 * takes up to half of that length and a little more: it may leave the binade at the upper end, where it is rounded to a
 * multiple of twice as much and up to 2 U_k stay, but not at the lower end, where it would be rounded to a multiple of
 * half as much. From a cut in the middle, 3/2·2^(E_k+1 + 52), limbs near their ends would get there.
 *
 * Constant time: no branch and no address depends on an element.
 *
 * It takes a multiply-add that rounds once. Relaxed SIMD lets a machine round twice; there secp256k1-fma.ts makes one.
 */
import { madd } from "./secp256k1-fma";

/** Bytes of a pair of elements: five v128. */
export const PAIR_BYTES: usize = 80;

/** cut_0 … cut_8, then −κ and κ, each in both lanes. */
// prettier-ignore
const CONSTANTS: usize = memory.data<f64>([
  3.1691265005705735e+31, 3.1691265005705735e+31, // 25/16·2^104
  7.136238463529799e+46, 7.136238463529799e+46, // 25/16·2^155
  1.6069380442589903e+62, 1.6069380442589903e+62, // 25/16·2^206
  3.618502788666131e+77, 3.618502788666131e+77, // 25/16·2^257
  8.148143905337944e+92, 8.148143905337944e+92, // 25/16·2^308
  3.6695977855841144e+108, 3.6695977855841144e+108, // 25/16·2^360
  8.263199609878107e+123, 8.263199609878107e+123, // 25/16·2^411
  1.8607071341967536e+139, 1.8607071341967536e+139, // 25/16·2^462
  4.1899399781070616e+154, 4.1899399781070616e+154, // 25/16·2^513
  -3.709206994441089e-68, -3.709206994441089e-68,
  3.709206994441089e-68, 3.709206994441089e-68,
], 16);

// @ts-ignore: decorator
@inline
function cut(k: usize): v128 {
  return v128.load(CONSTANTS + (k << 4));
}

/** Minus the part of a·b that belongs to the next column: a·b rounded. */
// @ts-ignore: decorator
@inline
function minusHigh(a: v128, b: v128, cut: v128): v128 {
  return f64x2.sub(cut, madd(a, b, cut));
}

/** The part of `x` that belongs to the next column: x rounded. */
// @ts-ignore: decorator
@inline
function high(x: v128, cut: v128): v128 {
  return f64x2.sub(f64x2.add(x, cut), cut);
}

/** out = a·b */
export function multiply(out: usize, a: usize, b: usize): void {
  product(out, a, b, 0, 0);
}

/** out = a·b − c */
export function multiplySubtract(out: usize, a: usize, b: usize, c: usize): void {
  product(out, a, b, c, 1);
}

/** out = a² */
export function square(out: usize, a: usize): void {
  squared(out, a, 0, 0);
}

/** out = a² − c */
export function squareSubtract(out: usize, a: usize, c: usize): void {
  squared(out, a, c, 1);
}

/** out = a² − 2c */
export function squareSubtractTwice(out: usize, a: usize, c: usize): void {
  squared(out, a, c, 2);
}

/** out = a·b − times·c, times 0 or 1. */
// @ts-ignore: decorator
@inline
function product(out: usize, a: usize, b: usize, c: usize, times: i32): void {
  const a0 = v128.load(a);
  const a1 = v128.load(a, 16);
  const a2 = v128.load(a, 32);
  const a3 = v128.load(a, 48);
  const a4 = v128.load(a, 64);
  const b0 = v128.load(b);
  const b1 = v128.load(b, 16);
  const b2 = v128.load(b, 32);
  const b3 = v128.load(b, 48);
  const b4 = v128.load(b, 64);

  // Columns 8 … 5: l_k is what stays in column k, m_k minus what goes to column k + 1.
  let m8 = minusHigh(a4, b4, cut(8));
  const l8 = madd(a4, b4, m8);

  let m = minusHigh(a3, b4, cut(7));
  let m7 = m;
  let l7 = madd(a3, b4, m);
  m = minusHigh(a4, b3, cut(7));
  m7 = f64x2.add(m7, m);
  l7 = f64x2.add(l7, madd(a4, b3, m));

  m = minusHigh(a2, b4, cut(6));
  let m6 = m;
  let l6 = madd(a2, b4, m);
  m = minusHigh(a3, b3, cut(6));
  m6 = f64x2.add(m6, m);
  l6 = f64x2.add(l6, madd(a3, b3, m));
  m = minusHigh(a4, b2, cut(6));
  m6 = f64x2.add(m6, m);
  l6 = f64x2.add(l6, madd(a4, b2, m));

  m = minusHigh(a1, b4, cut(5));
  let m5 = m;
  let l5 = madd(a1, b4, m);
  m = minusHigh(a2, b3, cut(5));
  m5 = f64x2.add(m5, m);
  l5 = f64x2.add(l5, madd(a2, b3, m));
  m = minusHigh(a3, b2, cut(5));
  m5 = f64x2.add(m5, m);
  l5 = f64x2.add(l5, madd(a3, b2, m));
  m = minusHigh(a4, b1, cut(5));
  m5 = f64x2.add(m5, m);
  l5 = f64x2.add(l5, madd(a4, b1, m));
  m = high(l5, cut(5));
  m5 = f64x2.sub(m5, m);
  l5 = f64x2.sub(l5, m);

  // Columns 4 … 0, each with what is folded into it.
  m = minusHigh(a0, b4, cut(4));
  let m4 = m;
  let l4 = madd(a0, b4, m);
  m = minusHigh(a1, b3, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(a1, b3, m));
  m = minusHigh(a2, b2, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(a2, b2, m));
  m = minusHigh(a3, b1, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(a3, b1, m));
  m = minusHigh(a4, b0, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(a4, b0, m));
  const minusKappa = cut(9);
  m = minusHigh(m8, minusKappa, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(m8, minusKappa, m));
  m = high(l4, cut(4));
  m4 = f64x2.sub(m4, m);
  l4 = f64x2.sub(l4, m);

  const kappa = cut(10);
  m = minusHigh(a0, b3, cut(3));
  let m3 = m;
  let l3 = madd(a0, b3, m);
  m = minusHigh(a1, b2, cut(3));
  m3 = f64x2.add(m3, m);
  l3 = f64x2.add(l3, madd(a1, b2, m));
  m = minusHigh(a2, b1, cut(3));
  m3 = f64x2.add(m3, m);
  l3 = f64x2.add(l3, madd(a2, b1, m));
  m = minusHigh(a3, b0, cut(3));
  m3 = f64x2.add(m3, m);
  l3 = f64x2.add(l3, madd(a3, b0, m));
  const c8 = f64x2.sub(l8, m7);
  m = minusHigh(c8, kappa, cut(3));
  m3 = f64x2.add(m3, m);
  l3 = f64x2.add(l3, madd(c8, kappa, m));
  m = high(l3, cut(3));
  m3 = f64x2.sub(m3, m);
  l3 = f64x2.sub(l3, m);

  m = minusHigh(a0, b2, cut(2));
  let m2 = m;
  let l2 = madd(a0, b2, m);
  m = minusHigh(a1, b1, cut(2));
  m2 = f64x2.add(m2, m);
  l2 = f64x2.add(l2, madd(a1, b1, m));
  m = minusHigh(a2, b0, cut(2));
  m2 = f64x2.add(m2, m);
  l2 = f64x2.add(l2, madd(a2, b0, m));
  const c7 = f64x2.sub(l7, m6);
  m = minusHigh(c7, kappa, cut(2));
  m2 = f64x2.add(m2, m);
  l2 = f64x2.add(l2, madd(c7, kappa, m));

  m = minusHigh(a0, b1, cut(1));
  let m1 = m;
  let l1 = madd(a0, b1, m);
  m = minusHigh(a1, b0, cut(1));
  m1 = f64x2.add(m1, m);
  l1 = f64x2.add(l1, madd(a1, b0, m));
  const c6 = f64x2.sub(l6, m5);
  m = minusHigh(c6, kappa, cut(1));
  m1 = f64x2.add(m1, m);
  l1 = f64x2.add(l1, madd(c6, kappa, m));

  m = minusHigh(a0, b0, cut(0));
  let m0 = m;
  let l0 = madd(a0, b0, m);
  const c5 = f64x2.sub(l5, m4);
  m = minusHigh(c5, kappa, cut(0));
  m0 = f64x2.add(m0, m);
  l0 = f64x2.add(l0, madd(c5, kappa, m));

  // |l_0| … |l_4| ≤ 2, 3, 4, 1, 1 U; |m_0| … |m_3| ≤ 1, 2, 3, 4 U. Column 0 bears 4 U, the others 8.
  l1 = f64x2.sub(l1, m0);
  l2 = f64x2.sub(l2, m1);
  l3 = f64x2.sub(l3, m2);
  l4 = f64x2.sub(l4, m3);
  if (times == 1) {
    l0 = f64x2.sub(l0, v128.load(c));
    l1 = f64x2.sub(l1, v128.load(c, 16));
    l2 = f64x2.sub(l2, v128.load(c, 32));
    l3 = f64x2.sub(l3, v128.load(c, 48));
    l4 = f64x2.sub(l4, v128.load(c, 64));
  }
  carry(out, l0, l1, l2, l3, l4);
}

/** out = a² − times·c, times 0, 1 or 2. */
// @ts-ignore: decorator
@inline
function squared(out: usize, a: usize, c: usize, times: i32): void {
  const a0 = v128.load(a);
  const a1 = v128.load(a, 16);
  const a2 = v128.load(a, 32);
  const a3 = v128.load(a, 48);
  const a4 = v128.load(a, 64);
  const b4 = f64x2.add(a4, a4);
  const b3 = f64x2.add(a3, a3);
  const b2 = f64x2.add(a2, a2);
  const b1 = f64x2.add(a1, a1);

  let m8 = minusHigh(a4, a4, cut(8));
  const l8 = madd(a4, a4, m8);

  let m7 = minusHigh(a3, b4, cut(7));
  const l7 = madd(a3, b4, m7);

  let m = minusHigh(a2, b4, cut(6));
  let m6 = m;
  let l6 = madd(a2, b4, m);
  m = minusHigh(a3, a3, cut(6));
  m6 = f64x2.add(m6, m);
  l6 = f64x2.add(l6, madd(a3, a3, m));

  m = minusHigh(a1, b4, cut(5));
  let m5 = m;
  let l5 = madd(a1, b4, m);
  m = minusHigh(a2, b3, cut(5));
  m5 = f64x2.add(m5, m);
  l5 = f64x2.add(l5, madd(a2, b3, m));
  m = high(l5, cut(5));
  m5 = f64x2.sub(m5, m);
  l5 = f64x2.sub(l5, m);

  m = minusHigh(a0, b4, cut(4));
  let m4 = m;
  let l4 = madd(a0, b4, m);
  m = minusHigh(a1, b3, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(a1, b3, m));
  m = minusHigh(a2, a2, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(a2, a2, m));
  const minusKappa = cut(9);
  m = minusHigh(m8, minusKappa, cut(4));
  m4 = f64x2.add(m4, m);
  l4 = f64x2.add(l4, madd(m8, minusKappa, m));
  m = high(l4, cut(4));
  m4 = f64x2.sub(m4, m);
  l4 = f64x2.sub(l4, m);

  const kappa = cut(10);
  m = minusHigh(a0, b3, cut(3));
  let m3 = m;
  let l3 = madd(a0, b3, m);
  m = minusHigh(a1, b2, cut(3));
  m3 = f64x2.add(m3, m);
  l3 = f64x2.add(l3, madd(a1, b2, m));
  const c8 = f64x2.sub(l8, m7);
  m = minusHigh(c8, kappa, cut(3));
  m3 = f64x2.add(m3, m);
  l3 = f64x2.add(l3, madd(c8, kappa, m));
  m = high(l3, cut(3));
  m3 = f64x2.sub(m3, m);
  l3 = f64x2.sub(l3, m);

  m = minusHigh(a0, b2, cut(2));
  let m2 = m;
  let l2 = madd(a0, b2, m);
  m = minusHigh(a1, a1, cut(2));
  m2 = f64x2.add(m2, m);
  l2 = f64x2.add(l2, madd(a1, a1, m));
  const c7 = f64x2.sub(l7, m6);
  m = minusHigh(c7, kappa, cut(2));
  m2 = f64x2.add(m2, m);
  l2 = f64x2.add(l2, madd(c7, kappa, m));
  if (times == 2) {
    m = high(l2, cut(2));
    m2 = f64x2.sub(m2, m);
    l2 = f64x2.sub(l2, m);
  }

  let m1 = minusHigh(a0, b1, cut(1));
  let l1 = madd(a0, b1, m1);
  const c6 = f64x2.sub(l6, m5);
  m = minusHigh(c6, kappa, cut(1));
  m1 = f64x2.add(m1, m);
  l1 = f64x2.add(l1, madd(c6, kappa, m));

  let m0 = minusHigh(a0, a0, cut(0));
  let l0 = madd(a0, a0, m0);
  const c5 = f64x2.sub(l5, m4);
  m = minusHigh(c5, kappa, cut(0));
  m0 = f64x2.add(m0, m);
  l0 = f64x2.add(l0, madd(c5, kappa, m));
  if (times == 2) {
    m = high(l0, cut(0));
    m0 = f64x2.sub(m0, m);
    l0 = f64x2.sub(l0, m);
  }

  // As in `product`; where 2c is still to come, |l_0| and |l_2| ≤ 1 U.
  l1 = f64x2.sub(l1, m0);
  l2 = f64x2.sub(l2, m1);
  l3 = f64x2.sub(l3, m2);
  l4 = f64x2.sub(l4, m3);
  // The condition is decided when this is compiled; a loop that is never entered would be kept.
  if (times == 1 || times == 2) {
    l0 = f64x2.sub(l0, v128.load(c));
    l1 = f64x2.sub(l1, v128.load(c, 16));
    l2 = f64x2.sub(l2, v128.load(c, 32));
    l3 = f64x2.sub(l3, v128.load(c, 48));
    l4 = f64x2.sub(l4, v128.load(c, 64));
  }
  if (times == 2) {
    l0 = f64x2.sub(l0, v128.load(c));
    l1 = f64x2.sub(l1, v128.load(c, 16));
    l2 = f64x2.sub(l2, v128.load(c, 32));
    l3 = f64x2.sub(l3, v128.load(c, 48));
    l4 = f64x2.sub(l4, v128.load(c, 64));
  }
  carry(out, l0, l1, l2, l3, l4);
}

/** Stores limbs of at most 53 bits, reduced. */
// @ts-ignore: decorator
@inline
function carry(out: usize, l0: v128, l1: v128, l2: v128, l3: v128, l4: v128): void {
  const h0 = high(l0, cut(0));
  const h1 = high(l1, cut(1));
  const h2 = high(l2, cut(2));
  const h3 = high(l3, cut(3));
  const h4 = high(l4, cut(4));
  v128.store(out, madd(h4, cut(10), f64x2.sub(l0, h0)));
  v128.store(out, f64x2.add(f64x2.sub(l1, h1), h0), 16);
  v128.store(out, f64x2.add(f64x2.sub(l2, h2), h1), 32);
  v128.store(out, f64x2.add(f64x2.sub(l3, h3), h2), 48);
  v128.store(out, f64x2.add(f64x2.sub(l4, h4), h3), 64);
}

/** out = a, reduced, from limbs of up to 53 bits. */
export function reduce(out: usize, a: usize): void {
  carry(out, v128.load(a), v128.load(a, 16), v128.load(a, 32), v128.load(a, 48), v128.load(a, 64));
}

/** out = a + b */
export function add(out: usize, a: usize, b: usize): void {
  carry(
    out,
    f64x2.add(v128.load(a), v128.load(b)),
    f64x2.add(v128.load(a, 16), v128.load(b, 16)),
    f64x2.add(v128.load(a, 32), v128.load(b, 32)),
    f64x2.add(v128.load(a, 48), v128.load(b, 48)),
    f64x2.add(v128.load(a, 64), v128.load(b, 64)),
  );
}

/** out = a − b */
export function subtract(out: usize, a: usize, b: usize): void {
  carry(
    out,
    f64x2.sub(v128.load(a), v128.load(b)),
    f64x2.sub(v128.load(a, 16), v128.load(b, 16)),
    f64x2.sub(v128.load(a, 32), v128.load(b, 32)),
    f64x2.sub(v128.load(a, 48), v128.load(b, 48)),
    f64x2.sub(v128.load(a, 64), v128.load(b, 64)),
  );
}

/** out = 2a */
export function double(out: usize, a: usize): void {
  add(out, a, a);
}

/** out = 3a */
export function triple(out: usize, a: usize): void {
  const a0 = v128.load(a);
  const a1 = v128.load(a, 16);
  const a2 = v128.load(a, 32);
  const a3 = v128.load(a, 48);
  const a4 = v128.load(a, 64);
  carry(
    out,
    f64x2.add(f64x2.add(a0, a0), a0),
    f64x2.add(f64x2.add(a1, a1), a1),
    f64x2.add(f64x2.add(a2, a2), a2),
    f64x2.add(f64x2.add(a3, a3), a3),
    f64x2.add(f64x2.add(a4, a4), a4),
  );
}

/** out = a − 2b */
export function subtractTwice(out: usize, a: usize, b: usize): void {
  const b0 = v128.load(b);
  const b1 = v128.load(b, 16);
  const b2 = v128.load(b, 32);
  const b3 = v128.load(b, 48);
  const b4 = v128.load(b, 64);
  carry(
    out,
    f64x2.sub(f64x2.sub(v128.load(a), b0), b0),
    f64x2.sub(f64x2.sub(v128.load(a, 16), b1), b1),
    f64x2.sub(f64x2.sub(v128.load(a, 32), b2), b2),
    f64x2.sub(f64x2.sub(v128.load(a, 48), b3), b3),
    f64x2.sub(f64x2.sub(v128.load(a, 64), b4), b4),
  );
}

/** out = 2a − b */
export function twiceSubtract(out: usize, a: usize, b: usize): void {
  const a0 = v128.load(a);
  const a1 = v128.load(a, 16);
  const a2 = v128.load(a, 32);
  const a3 = v128.load(a, 48);
  const a4 = v128.load(a, 64);
  carry(
    out,
    f64x2.sub(f64x2.add(a0, a0), v128.load(b)),
    f64x2.sub(f64x2.add(a1, a1), v128.load(b, 16)),
    f64x2.sub(f64x2.add(a2, a2), v128.load(b, 32)),
    f64x2.sub(f64x2.add(a3, a3), v128.load(b, 48)),
    f64x2.sub(f64x2.add(a4, a4), v128.load(b, 64)),
  );
}

/** Changes the sign of the elements in the lanes where `mask` is all ones. */
export function negateWhere(a: usize, mask: v128): void {
  const sign = v128.and(mask, i64x2.splat(i64.MIN_VALUE));
  for (let i: usize = 0; i < PAIR_BYTES; i += 16) v128.store(a + i, v128.xor(v128.load(a + i), sign));
}

/** out = a in the lanes where `mask` is all ones, b in those where it is zero. */
export function select(out: usize, a: usize, b: usize, mask: v128): void {
  for (let i: usize = 0; i < PAIR_BYTES; i += 16) {
    v128.store(out + i, v128.bitselect(v128.load(a + i), v128.load(b + i), mask));
  }
}

/** out = a */
export function copy(out: usize, a: usize): void {
  for (let i: usize = 0; i < PAIR_BYTES; i += 16) v128.store(out + i, v128.load(a + i));
}

/** out = n in both lanes, for a small whole number. */
export function setSmall(out: usize, n: f64): void {
  v128.store(out, f64x2.splat(n));
  for (let i: usize = 16; i < PAIR_BYTES; i += 16) v128.store(out + i, f64x2.splat(0));
}
