/**
 * Many points of secp256k1 times secret scalars, one for all or each its own, in constant time.
 *
 * Scalars come as the digits of secp256k1-glv.ts, whose head has the ladder and the proof that no scalar leads its
 * incomplete additions astray: 33 windows of four doublings and two mixed additions, of odd multiples of P and of
 * λP = (βx, y), up to 15. The odd multiples are affine, so that of all points they cost eight divisions (Montgomery's
 * trick), and a pair's table of 2.5 KiB stays in the processor's first cache while its ladder runs.
 *
 * A digit is looked up by reading all eight entries and keeping one by masks, which may differ between lanes.
 */
import { PAIR_BYTES, copy, double, multiply, negateWhere, setSmall } from "./secp256k1-field";
import { addAll, doubleAll, toAffineAll } from "./secp256k1-affine";
import { JACOBIAN_BYTES, Y, Z, addPoint, addPointToW, doublePoint, yToW } from "./secp256k1-jacobian";
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

/** Room that multiplyPairs works in: tables, results, divisions. */
export const MULTIPLY_SCRATCH_BYTES: usize = MULTIPLY_PAIRS * (TABLE_BYTES + JACOBIAN_BYTES + 2 * PAIR_BYTES);

/** β, a cube root of 1 in the field: λ(x, y) = (βx, y). 0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501ee */
// prettier-ignore
const BETA: usize = memory.data<f64>([
  -1851403876892178.0, -1851403876892178.0,
  -8.656422209276198e+29, -8.656422209276198e+29,
  1.1642480835907459e+45, 1.1642480835907459e+45,
  1.1351706734624326e+61, 1.1351706734624326e+61,
  5.559457564832988e+76, 5.559457564832988e+76,
], 16);

// Scratch, in one piece so that one fill wipes it: what was looked up.
const SCRATCH_BYTES: i32 = 2 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const FOUND_X: usize = SCRATCH;
const FOUND_Y: usize = SCRATCH + PAIR_BYTES;

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
  const results = work + MULTIPLY_PAIRS * TABLE_BYTES;
  const divisions = results + MULTIPLY_PAIRS * JACOBIAN_BYTES;
  fillTables(xs, ys, pairs, work, divisions);
  for (let i: usize = 0; i < pairs; i++) {
    const lane0 = digits + 2 * i * stride;
    ladder(results + i * JACOBIAN_BYTES, work + i * TABLE_BYTES, lane0, lane0 + stride);
  }
  toAffineAll(xs, ys, results, pairs, divisions);
}

/** The tables of all pairs. */
function fillTables(xs: usize, ys: usize, pairs: usize, tables: usize, divisions: usize): void {
  const y = tables + TABLE_Y;
  // 2P is kept where 2y of the first two entries will be.
  const x2 = tables + TWICE_Y;
  const y2 = x2 + PAIR_BYTES;
  for (let i: usize = 0; i < pairs; i++) {
    copy(tables + i * TABLE_BYTES, xs + i * PAIR_BYTES);
    copy(y + i * TABLE_BYTES, ys + i * PAIR_BYTES);
  }
  doubleAll(x2, y2, TABLE_BYTES, tables, y, TABLE_BYTES, pairs, divisions);
  for (let at: usize = PAIR_BYTES; at < ENTRIES * PAIR_BYTES; at += PAIR_BYTES) {
    const before = at - PAIR_BYTES;
    addAll(
      tables + at,
      y + at,
      TABLE_BYTES,
      tables + before,
      y + before,
      TABLE_BYTES,
      x2,
      y2,
      TABLE_BYTES,
      pairs,
      divisions,
    );
  }
  for (let table = tables; table < tables + pairs * TABLE_BYTES; table += TABLE_BYTES) {
    for (let at = table; at < table + ENTRIES * PAIR_BYTES; at += PAIR_BYTES) {
      multiply(at + BETA_X, at, BETA);
      double(at + TWICE_Y, at + TABLE_Y);
    }
  }
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
