/**
 * Points of secp256k1 in Jacobian coordinates, a pair at a time: (X : Y : Z) stands for (X/Z², Y/Z³).
 *
 * A point lies as three pairs of elements, X, then Y or W = 2Y, then Z. Doubling goes from W to W, so that no
 * coefficient is larger than what a product can subtract without another carry; the first addition behind doublings
 * goes from W to Y, another one from Y to Y, and `yToW` back.
 *
 *   doubling (a = 0), Hankerson–Menezes–Vanstone 2004 §3.2.2, in W:
 *     E = 3X², D = X W²  (= 4XY²),  X' = E² − 2D,  W' = 2E(D − X') − W⁴,  Z' = W Z
 *   mixed addition, Explicit-Formulas Database madd-2004-hmv, from Y:
 *     H = x Z² − X, R = y Z³ − Y, J = H³, V = X H²,  X' = R² − J − 2V,  Y' = R(V − X') − Y J,  Z' = Z H
 *   the same from W, with twice the Z (madd-2007-bl), for 2y:
 *     H = x Z² − X, r = 2y Z³ − W, I = (2H)², J = H I, V = X I,  X' = r² − J − 2V,  Y' = r(V − X') − W J,  Z' = 2 Z H
 *
 * These formulas are incomplete: where the two points are equal or opposite, or one is infinite, they give Z' = 0, or
 * what means nothing. Callers show that this does not happen. Constant time.
 */
import {
  PAIR_BYTES,
  copy,
  double,
  multiply,
  multiplySubtract,
  square,
  squareSubtract,
  squareSubtractTwice,
  subtract,
  subtractTwice,
  triple,
  twiceSubtract,
} from "./secp256k1-field";

/** Bytes of a pair of points. */
export const JACOBIAN_BYTES: usize = 3 * PAIR_BYTES;
/** Where Y, or W, and Z lie. */
export const Y: usize = PAIR_BYTES;
export const Z: usize = 2 * PAIR_BYTES;

// Scratch, in one piece so that one fill wipes it. Names are those of the formulas above; T is what comes between.
const SCRATCH_BYTES: i32 = 9 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const E: usize = SCRATCH;
const D: usize = SCRATCH + PAIR_BYTES;
const WW: usize = SCRATCH + 2 * PAIR_BYTES;
const T: usize = SCRATCH + 3 * PAIR_BYTES;
const H: usize = SCRATCH;
const R: usize = SCRATCH + 2 * PAIR_BYTES;
const I: usize = SCRATCH + 4 * PAIR_BYTES;
const J: usize = SCRATCH + 5 * PAIR_BYTES;
const V: usize = SCRATCH + 6 * PAIR_BYTES;
const ZZ: usize = SCRATCH + 7 * PAIR_BYTES;
const ZZZ: usize = SCRATCH + 8 * PAIR_BYTES;

/** Zeroes what the formulas left in this file's scratch. */
export function wipeJacobian(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/** p = 2p; from W, to W. */
export function doublePoint(p: usize): void {
  square(T, p);
  triple(E, T);
  square(WW, p + Y);
  multiply(D, p, WW);
  multiply(p + Z, p + Y, p + Z);
  square(WW, WW);
  squareSubtractTwice(p, E, D);
  subtract(D, D, p);
  multiply(T, E, D);
  twiceSubtract(p + Y, T, WW);
}

/** p = p + (x, y), given 2y; from W, to Y. */
export function addPointToW(p: usize, x: usize, twiceY: usize): void {
  square(ZZ, p + Z);
  multiply(ZZZ, p + Z, ZZ);
  multiplySubtract(H, x, ZZ, p);
  multiplySubtract(R, twiceY, ZZZ, p + Y);
  double(T, H);
  square(I, T);
  multiply(p + Z, p + Z, T);
  addBehind(p);
}

/** p = p + (x, y); from Y, to Y. */
export function addPoint(p: usize, x: usize, y: usize): void {
  square(ZZ, p + Z);
  multiply(ZZZ, p + Z, ZZ);
  multiplySubtract(H, x, ZZ, p);
  multiplySubtract(R, y, ZZZ, p + Y);
  square(I, H);
  multiply(p + Z, p + Z, H);
  addBehind(p);
}

/** out = what the last addition, from Y, has multiplied Z by: its H. */
export function ratioOfZ(out: usize): void {
  copy(out, H);
}

/** What both additions end with: X' and Y' from R, I, H and the old X and Y. */
// @ts-ignore: decorator
@inline
function addBehind(p: usize): void {
  multiply(J, H, I);
  multiply(V, p, I);
  squareSubtract(T, R, J);
  subtractTwice(p, T, V);
  subtract(V, V, p);
  multiply(J, p + Y, J);
  multiplySubtract(p + Y, R, V, J);
}

/** Changes a point from Y to W. */
export function yToW(p: usize): void {
  double(p + Y, p + Y);
}
