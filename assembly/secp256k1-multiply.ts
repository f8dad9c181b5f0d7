/**
 * Many points of secp256k1 times secret scalars, one for all or each its own, in constant time.
 *
 * Scalars come as the digits of secp256k1-glv.ts, whose head has the ladder and the proof that no scalar leads its
 * incomplete additions astray: 33 windows of four doublings and two mixed additions, of odd multiples of P and of
 * λP = (βx, y), up to 15. They lie in a pair's table of 2.5 KiB, which stays in the processor's first cache while its
 * ladder runs, and are affine without a division: on another curve (fillTable). One division for all points makes the
 * results affine (Montgomery's trick).
 *
 * A digit is looked up by reading all eight entries and keeping one by masks, which may differ between lanes.
 */
import { PAIR_BYTES, copy, double, multiply, negateWhere, setSmall, square } from "./secp256k1-field";
import { toAffineAll } from "./secp256k1-affine";
import { JACOBIAN_BYTES, Y, Z, addPoint, ratioOfZ, addPointToW, doublePoint, yToW } from "./secp256k1-jacobian";
import { SHARED_WINDOWS } from "./secp256k1-glv";

/** Pairs of points that are multiplied together. */
export const MULTIPLY_PAIRS: usize = 128;
/** Odd multiples of a point: 1, 3, … 15. */
const ENTRIES: usize = 8;
/** A pair's table: x, βx, y and 2y of each entry. */
const BETA_X: usize = ENTRIES * PAIR_BYTES;
const TABLE_Y: usize = 2 * ENTRIES * PAIR_BYTES;
const TWICE_Y: usize = 3 * ENTRIES * PAIR_BYTES;
const TABLE_BYTES: usize = 4 * ENTRIES * PAIR_BYTES;
/** Bytes of the digits of one scalar. */
export const DIGITS_BYTES: usize = 2 * <usize>SHARED_WINDOWS;

/** Room that multiplyPairs works in: a table, results, divisions. */
export const MULTIPLY_SCRATCH_BYTES: usize = TABLE_BYTES + MULTIPLY_PAIRS * (JACOBIAN_BYTES + 2 * PAIR_BYTES);

/** β, a cube root of 1 in the field: λ(x, y) = (βx, y). 0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501ee */
// prettier-ignore
const BETA: usize = memory.data<f64>([
  -1851403876892178.0, -1851403876892178.0,
  -8.656422209276198e+29, -8.656422209276198e+29,
  1.1642480835907459e+45, 1.1642480835907459e+45,
  1.1351706734624326e+61, 1.1351706734624326e+61,
  5.559457564832988e+76, 5.559457564832988e+76,
], 16);

// Scratch, in one piece so that one fill wipes it: what was looked up; 2P and the last multiple of P;
// z, and powers of what an entry is multiplied by.
const SCRATCH_BYTES: i32 = 11 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const FOUND_X: usize = SCRATCH;
const FOUND_Y: usize = SCRATCH + PAIR_BYTES;
const TWICE: usize = SCRATCH + 2 * PAIR_BYTES;
const MULTIPLE: usize = SCRATCH + 5 * PAIR_BYTES;
const SCALE: usize = SCRATCH + 8 * PAIR_BYTES;
const SCALE_2: usize = SCRATCH + 9 * PAIR_BYTES;
const SCALE_3: usize = SCRATCH + 10 * PAIR_BYTES;

/** Zeroes this file's scratch. */
export function wipeMultiply(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/**
 * Multiplies points in place: (x, y) = k·(x, y).
 * @param xs, ys - `pairs` pairs of coordinates, at most MULTIPLY_PAIRS, of points of the curve.
 * @param digits - those of the first point's scalar (recodeShared); point i's lie i × `stride` bytes further.
 * @param work - MULTIPLY_SCRATCH_BYTES; what is left there is secret.
 */
export function multiplyPairs(xs: usize, ys: usize, pairs: usize, digits: usize, stride: usize, work: usize): void {
  const results = work + TABLE_BYTES;
  const divisions = results + MULTIPLY_PAIRS * JACOBIAN_BYTES;
  for (let i: usize = 0; i < pairs; i++) {
    const result = results + i * JACOBIAN_BYTES;
    const lane0 = digits + 2 * i * stride;
    fillTable(work, xs + i * PAIR_BYTES, ys + i * PAIR_BYTES);
    ladder(result, work, lane0, lane0 + stride);
    multiply(result + Z, result + Z, SCALE);
  }
  toAffineAll(xs, ys, results, pairs, divisions);
}

/** βx and 2y of each entry. */
function fillSecondHalf(table: usize): void {
  for (let at = table; at < table + ENTRIES * PAIR_BYTES; at += PAIR_BYTES) {
    multiply(at + BETA_X, at, BETA);
    double(at + TWICE_Y, at + TABLE_Y);
  }
}

/**
 * The table of a pair P. Its entries are affine not on the curve itself but on one that (x, y) ↦ (xz², yz³) takes it to, with
 * a z that is left in SCALE. Neither the formulas nor β depend on what is added to x³ there, so the ladder is the same, and
 * its result's Z, times z, is the one on the curve.
 *
 * Where 2P = (X : Y : Z) is (X, Y), P is (xZ², yZ³), and 3P, 5P, … take a mixed addition each, none of equal or opposite
 * points. Each multiplies Z by its H, so an entry comes to the last one's Z by the product of all H behind it.
 */
function fillTable(table: usize, x: usize, y: usize): void {
  copy(TWICE, x);
  double(TWICE + Y, y);
  setSmall(TWICE + Z, 1);
  doublePoint(TWICE);
  // (4X : 4W : 2Z) is the same point with Y = W/2 behind it.
  double(TWICE, TWICE);
  double(TWICE, TWICE);
  double(TWICE + Y, TWICE + Y);
  double(TWICE + Y, TWICE + Y);
  double(TWICE + Z, TWICE + Z);
  square(SCALE_2, TWICE + Z);
  multiply(SCALE_3, SCALE_2, TWICE + Z);
  multiply(MULTIPLE, x, SCALE_2);
  multiply(MULTIPLE + Y, y, SCALE_3);
  setSmall(MULTIPLE + Z, 1);
  copy(table, MULTIPLE);
  copy(table + TABLE_Y, MULTIPLE + Y);
  const last = table + (ENTRIES - 1) * PAIR_BYTES;
  for (let entry = table + PAIR_BYTES; entry <= last; entry += PAIR_BYTES) {
    addPoint(MULTIPLE, TWICE, TWICE + Y);
    copy(entry, MULTIPLE);
    copy(entry + TABLE_Y, MULTIPLE + Y);
    ratioOfZ(entry + BETA_X);
  }
  multiply(SCALE, MULTIPLE + Z, TWICE + Z);
  // What is left of the H behind an entry comes to where its own is.
  for (let entry = last; entry > table; entry -= PAIR_BYTES) {
    const before = entry - PAIR_BYTES;
    const ratio = entry + BETA_X;
    square(SCALE_2, ratio);
    multiply(SCALE_3, SCALE_2, ratio);
    multiply(before, before, SCALE_2);
    multiply(before + TABLE_Y, before + TABLE_Y, SCALE_3);
    if (before > table) multiply(before + BETA_X, before + BETA_X, ratio);
  }
  fillSecondHalf(table);
}

/** point = k0·P in lane 0 and k1·P in lane 1, Jacobian with Y, of the table of a pair P. */
function ladder(point: usize, table: usize, digits0: usize, digits1: usize): void {
  const top = DIGITS_BYTES - 2;
  find(point, point + Y, table, TABLE_Y, load<i8>(digits0 + top), load<i8>(digits1 + top));
  setSmall(point + Z, 1);
  find(FOUND_X, FOUND_Y, table + BETA_X, TABLE_Y - BETA_X, load<i8>(digits0 + top, 1), load<i8>(digits1 + top, 1));
  addPoint(point, FOUND_X, FOUND_Y);
  for (let at = top; at > 0;) {
    at -= 2;
    yToW(point);
    doublePoint(point);
    doublePoint(point);
    doublePoint(point);
    doublePoint(point);
    find(FOUND_X, FOUND_Y, table, TWICE_Y, load<i8>(digits0 + at), load<i8>(digits1 + at));
    addPointToW(point, FOUND_X, FOUND_Y);
    find(FOUND_X, FOUND_Y, table + BETA_X, TABLE_Y - BETA_X, load<i8>(digits0 + at, 1), load<i8>(digits1 + at, 1));
    addPoint(point, FOUND_X, FOUND_Y);
  }
}

/**
 * Looks an odd digit up in each lane: ±1, ±3, … ±15 times the point.
 * @param xs - eight pairs; `ys` further lie those that the sign is for.
 */
function find(outX: usize, outY: usize, xs: usize, ys: usize, digit0: i32, digit1: i32): void {
  const sign0 = digit0 >> 31;
  const sign1 = digit1 >> 31;
  // An odd digit's size is 2i + 1.
  const index = pairOf(((digit0 ^ sign0) - sign0) >> 1, ((digit1 ^ sign1) - sign1) >> 1);
  const m0 = i64x2.eq(index, i64x2.splat(0));
  const m1 = i64x2.eq(index, i64x2.splat(1));
  const m2 = i64x2.eq(index, i64x2.splat(2));
  const m3 = i64x2.eq(index, i64x2.splat(3));
  const m4 = i64x2.eq(index, i64x2.splat(4));
  const m5 = i64x2.eq(index, i64x2.splat(5));
  const m6 = i64x2.eq(index, i64x2.splat(6));
  const m7 = i64x2.eq(index, i64x2.splat(7));
  for (let limb: usize = 0; limb < PAIR_BYTES; limb += 16) {
    v128.store(outX + limb, kept(xs + limb, m0, m1, m2, m3, m4, m5, m6, m7));
    v128.store(outY + limb, kept(xs + ys + limb, m0, m1, m2, m3, m4, m5, m6, m7));
  }
  negateWhere(outY, pairOf(sign0, sign1));
}

// @ts-ignore: decorator
@inline
function pairOf(lane0: i32, lane1: i32): v128 {
  return i64x2.replace_lane(i64x2.splat(lane0), 1, lane1);
}

/** The limb of the entry whose mask is all ones. */
// @ts-ignore: decorator
@inline
function kept(limb: usize, m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128, m6: v128, m7: v128): v128 {
  const l01 = v128.or(v128.and(v128.load(limb), m0), v128.and(v128.load(limb, 80), m1));
  const l23 = v128.or(v128.and(v128.load(limb, 160), m2), v128.and(v128.load(limb, 240), m3));
  const l45 = v128.or(v128.and(v128.load(limb, 320), m4), v128.and(v128.load(limb, 400), m5));
  const l67 = v128.or(v128.and(v128.load(limb, 480), m6), v128.and(v128.load(limb, 560), m7));
  return v128.or(v128.or(l01, l23), v128.or(l45, l67));
}
