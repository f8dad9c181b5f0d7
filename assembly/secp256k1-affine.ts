/**
 * Batches of affine points of secp256k1: arrays of pairs, all x and all y, as secp256k1-field.ts has elements. A slope
 * takes a division, and a batch of them takes one (Montgomery's trick), which makes an affine addition of many points
 * cheaper than a Jacobian one.
 *
 * Constant time.
 */
import {
  PAIR_BYTES,
  add,
  copy,
  double,
  multiply,
  multiplySubtract,
  select,
  setSmall,
  square,
  squareSubtract,
  subtract,
  triple,
} from "./secp256k1-field";
import { isZero } from "./secp256k1-field-bytes";
import { invertNonzero } from "./secp256k1-field-power";
import { JACOBIAN_BYTES, Y, Z } from "./secp256k1-jacobian";

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 4 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const SLOPE: usize = SCRATCH;
const T: usize = SCRATCH + PAIR_BYTES;
const X3: usize = SCRATCH + 2 * PAIR_BYTES;
const U: usize = SCRATCH + 3 * PAIR_BYTES;

/** Zeroes what this file's functions left in its scratch. */
export function wipeAffine(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/**
 * out = a + b for `pairs` pairs of points, none of which is the other or its opposite. Pair i of an array lies
 * i × its stride behind where it begins; `out` may be a or b.
 * @param work - room for 2 × pairs elements, wiped by the caller if secret.
 */
export function addAll(
  outX: usize,
  outY: usize,
  outStride: usize,
  aX: usize,
  aY: usize,
  aStride: usize,
  bX: usize,
  bY: usize,
  bStride: usize,
  pairs: usize,
  work: usize,
): void {
  for (let i: usize = 0; i < pairs; i++) subtract(work + i * PAIR_BYTES, bX + i * bStride, aX + i * aStride);
  invertNonzero(work, work + pairs * PAIR_BYTES, pairs);
  for (let i: usize = 0; i < pairs; i++) {
    const x = aX + i * aStride;
    const y = aY + i * aStride;
    subtract(T, bY + i * bStride, y);
    multiply(SLOPE, T, work + i * PAIR_BYTES);
    add(T, x, bX + i * bStride);
    finishSum(outX + i * outStride, outY + i * outStride, x, y);
  }
}

/** The point of a slope in SLOPE through (x, y), and with T, the sum of both x. */
// @ts-ignore: decorator
@inline
function finishSum(outX: usize, outY: usize, x: usize, y: usize): void {
  squareSubtract(X3, SLOPE, T);
  subtract(T, x, X3);
  multiplySubtract(outY, SLOPE, T, y);
  copy(outX, X3);
}

/** out = 2a for `pairs` pairs of points; strides and `work` as for addAll. */
export function doubleAll(
  outX: usize,
  outY: usize,
  outStride: usize,
  aX: usize,
  aY: usize,
  aStride: usize,
  pairs: usize,
  work: usize,
): void {
  for (let i: usize = 0; i < pairs; i++) double(work + i * PAIR_BYTES, aY + i * aStride);
  invertNonzero(work, work + pairs * PAIR_BYTES, pairs);
  for (let i: usize = 0; i < pairs; i++) {
    const x = aX + i * aStride;
    square(T, x);
    triple(T, T);
    multiply(SLOPE, T, work + i * PAIR_BYTES);
    double(T, x);
    finishSum(outX + i * outStride, outY + i * outStride, x, aY + i * aStride);
  }
}

/**
 * a = a + b for any points of the curve, also where they are equal. Where they are opposite the sum has no affine form:
 * a keeps what it was, and the lane's mask at `opposite` (a v128 a pair) is all ones, where it is 0 otherwise.
 * @param work - room for 3 × pairs elements, wiped by the caller if secret.
 */
export function addAllComplete(
  aX: usize,
  aY: usize,
  bX: usize,
  bY: usize,
  pairs: usize,
  opposite: usize,
  work: usize,
): void {
  const numerators = work + 2 * pairs * PAIR_BYTES;
  for (let i: usize = 0; i < pairs; i++) {
    const at = i * PAIR_BYTES;
    subtract(work + at, bX + at, aX + at);
    subtract(numerators + at, bY + at, aY + at);
    const sameX = isZero(work + at);
    const sameY = isZero(numerators + at);
    // Of equal points the slope is that of the tangent, 3x²/2y.
    square(T, aX + at);
    triple(T, T);
    double(U, aY + at);
    select(work + at, U, work + at, sameX);
    select(numerators + at, T, numerators + at, sameX);
    v128.store(opposite + (i << 4), v128.andnot(sameX, sameY));
  }
  invertNonzero(work, work + pairs * PAIR_BYTES, pairs);
  for (let i: usize = 0; i < pairs; i++) {
    const at = i * PAIR_BYTES;
    multiply(SLOPE, numerators + at, work + at);
    add(T, aX + at, bX + at);
    squareSubtract(X3, SLOPE, T);
    subtract(T, aX + at, X3);
    multiplySubtract(U, SLOPE, T, aY + at);
    const keep = v128.load(opposite + (i << 4));
    select(aX + at, aX + at, X3, keep);
    select(aY + at, aY + at, U, keep);
  }
}

/**
 * The affine forms of `pairs` pairs of Jacobian points, none of them infinite; from Y.
 * @param work - room for 2 × pairs elements, wiped by the caller if secret.
 */
export function toAffineAll(outX: usize, outY: usize, points: usize, pairs: usize, work: usize): void {
  for (let i: usize = 0; i < pairs; i++) copy(work + i * PAIR_BYTES, points + i * JACOBIAN_BYTES + Z);
  invertNonzero(work, work + pairs * PAIR_BYTES, pairs);
  for (let i: usize = 0; i < pairs; i++) {
    const point = points + i * JACOBIAN_BYTES;
    const inverse = work + i * PAIR_BYTES;
    square(T, inverse);
    multiply(outX + i * PAIR_BYTES, point, T);
    multiply(T, T, inverse);
    multiply(outY + i * PAIR_BYTES, point + Y, T);
  }
}

/** All ones in the lanes whose (x, y) satisfies y² = x³ + 7. */
export function isOnCurve(x: usize, y: usize): v128 {
  square(T, x);
  setSmall(U, -7);
  multiplySubtract(T, T, x, U);
  squareSubtract(T, y, T);
  return isZero(T);
}
