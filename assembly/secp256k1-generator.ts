/**
 * Multiples of the generator of secp256k1 by secret scalars, in constant time.
 *
 * k·G = Σ d_j·2^(5j)·G with the odd digits d_j of secp256k1-glv.ts, whose head has the order of the additions and
 * recodeComb the proof that they never meet equal or opposite points: 51 additions. Of many scalars they are affine, each
 * of a whole batch with one division (Montgomery's trick); of few, whom a division would cost more than all the rest, they
 * are Jacobian, with one division at the end. The addends come from a table of odd multiples, of which every lane reads all
 * 16 entries of a window and keeps one by masks. Windows of 4 and 6 bits take longer: more additions, more to read.
 *
 * The table is public. The first call computes it, in some 2 ms.
 */
import { PAIR_BYTES, copy, negateWhere, setSmall } from "./secp256k1-field";
import { addAll, doubleAll, toAffineAll } from "./secp256k1-affine";
import { COMB_WINDOWS, COMB_WINDOW_BITS } from "./secp256k1-glv";
import { JACOBIAN_BYTES, Y, Z, addPoint } from "./secp256k1-jacobian";
import { GENERATOR_X, GENERATOR_Y } from "./secp256k1-point-bytes";

/** Pairs of scalars that are worked on together: enough that a division costs each little. */
export const GENERATOR_PAIRS: usize = 512;
/** Fewer pairs than these are multiplied without a division for each window. */
const MANY_PAIRS: usize = 64;
/** Entries of a window: 1, 3, … 31 times 2^(5j)·G. */
const ENTRIES: usize = 1 << (COMB_WINDOW_BITS - 1);
/** An entry is one point: its ten limbs, those of x first. */
const ENTRY_BYTES: usize = PAIR_BYTES;
const WINDOW_BYTES: usize = ENTRIES * ENTRY_BYTES;
/** The table: 52 windows of 16 entries of 80 bytes. */
const TABLE_BYTES: i32 = 66560;
const TABLE: usize = memory.data(TABLE_BYTES, 16);
let tableIsMade: bool = false;
/** Bytes of the digits of one scalar. */
export const GENERATOR_DIGITS_BYTES: usize = <usize>COMB_WINDOWS;
/** Room that multiplyGenerator works in. */
export const GENERATOR_SCRATCH_BYTES: usize = 4 * GENERATOR_PAIRS * PAIR_BYTES;

/** Computes the table in GENERATOR_SCRATCH_BYTES at `work`. */
function makeTable(work: usize): void {
  // A window's point in both lanes: one lane would do, but nothing here has less than two.
  const windows = <usize>COMB_WINDOWS;
  const column = windows * PAIR_BYTES;
  const x = work;
  const y = work + column;
  const x2 = work + 2 * column;
  const y2 = work + 3 * column;
  const divisions = work + 4 * column;
  copy(x, GENERATOR_X);
  copy(y, GENERATOR_Y);
  for (let at: usize = PAIR_BYTES; at < column; at += PAIR_BYTES) {
    copy(x + at, x + at - PAIR_BYTES);
    copy(y + at, y + at - PAIR_BYTES);
    for (let i: u32 = 0; i < COMB_WINDOW_BITS; i++) {
      doubleAll(x + at, y + at, PAIR_BYTES, x + at, y + at, PAIR_BYTES, 1, divisions);
    }
  }
  doubleAll(x2, y2, PAIR_BYTES, x, y, PAIR_BYTES, windows, divisions);
  storeEntries(TABLE, x, y);
  for (let entry: usize = 1; entry < ENTRIES; entry++) {
    addAll(x, y, PAIR_BYTES, x, y, PAIR_BYTES, x2, y2, PAIR_BYTES, windows, divisions);
    storeEntries(TABLE + entry * ENTRY_BYTES, x, y);
  }
}

/** Stores one entry of each window. */
function storeEntries(entry: usize, x: usize, y: usize): void {
  for (let window: u32 = 0; window < COMB_WINDOWS; window++) {
    storeTwo(entry, 0, v128.load(x), v128.load(x, 16));
    storeTwo(entry, 16, v128.load(x, 32), v128.load(x, 48));
    storeTwo(entry, 32, v128.load(x, 64), v128.load(y));
    storeTwo(entry, 48, v128.load(y, 16), v128.load(y, 32));
    storeTwo(entry, 64, v128.load(y, 48), v128.load(y, 64));
    entry += WINDOW_BYTES;
    x += PAIR_BYTES;
    y += PAIR_BYTES;
  }
}

/** Stores lane 0 of two limbs. */
// @ts-ignore: decorator
@inline
function storeTwo(entry: usize, at: usize, limb: v128, next: v128): void {
  v128.store(entry + at, v128.shuffle<u64>(limb, next, 0, 2));
}

/**
 * (x, y) = k·G for `pairs` pairs of scalars.
 * @param xs, ys - receive the coordinates.
 * @param digits - of the first scalar (recodeComb); the others' follow, GENERATOR_DIGITS_BYTES each.
 * @param pairs - at most GENERATOR_PAIRS.
 * @param work - GENERATOR_SCRATCH_BYTES; what is left there is secret.
 */
export function multiplyGenerator(xs: usize, ys: usize, digits: usize, pairs: usize, work: usize): void {
  if (!tableIsMade) makeTable(work);
  tableIsMade = true;
  if (pairs < MANY_PAIRS) {
    multiplyFew(xs, ys, digits, pairs, work);
    return;
  }
  const addendX = work;
  const addendY = work + GENERATOR_PAIRS * PAIR_BYTES;
  const divisions = work + 2 * GENERATOR_PAIRS * PAIR_BYTES;
  findAll(xs, ys, TABLE, digits, pairs);
  for (let window: usize = 1; window < <usize>COMB_WINDOWS; window++) {
    findAll(addendX, addendY, TABLE + window * WINDOW_BYTES, digits + window, pairs);
    addAll(xs, ys, PAIR_BYTES, xs, ys, PAIR_BYTES, addendX, addendY, PAIR_BYTES, pairs, divisions);
  }
}

/** As multiplyGenerator, in Jacobian coordinates. */
function multiplyFew(xs: usize, ys: usize, digits: usize, pairs: usize, work: usize): void {
  const addendX = work;
  const addendY = work + PAIR_BYTES;
  const points = work + 2 * PAIR_BYTES;
  for (let i: usize = 0; i < pairs; i++) {
    const point = points + i * JACOBIAN_BYTES;
    const digits0 = digits + 2 * i * GENERATOR_DIGITS_BYTES;
    const digits1 = digits0 + GENERATOR_DIGITS_BYTES;
    find(point, point + Y, TABLE, load<i8>(digits0), load<i8>(digits1));
    setSmall(point + Z, 1);
    for (let window: usize = 1; window < <usize>COMB_WINDOWS; window++) {
      const entries = TABLE + window * WINDOW_BYTES;
      find(addendX, addendY, entries, load<i8>(digits0 + window), load<i8>(digits1 + window));
      addPoint(point, addendX, addendY);
    }
  }
  toAffineAll(xs, ys, points, pairs, points + pairs * JACOBIAN_BYTES);
}

/** Looks a digit of each scalar up in a window. */
function findAll(xs: usize, ys: usize, window: usize, digits: usize, pairs: usize): void {
  for (let i: usize = 0; i < pairs; i++) {
    find(xs, ys, window, load<i8>(digits), load<i8>(digits + GENERATOR_DIGITS_BYTES));
    xs += PAIR_BYTES;
    ys += PAIR_BYTES;
    digits += 2 * GENERATOR_DIGITS_BYTES;
  }
}

/** Looks an odd digit up in each lane. */
function find(x: usize, y: usize, window: usize, digit0: i32, digit1: i32): void {
  const sign0 = digit0 >> 31;
  const sign1 = digit1 >> 31;
  // An odd digit's size is 2i + 1.
  const index0 = i64x2.splat(((digit0 ^ sign0) - sign0) >> 1);
  const index1 = i64x2.splat(((digit1 ^ sign1) - sign1) >> 1);
  let index = i64x2.splat(0);
  const one = i64x2.splat(1);
  let a0 = index;
  let a1 = index;
  let a2 = index;
  let a3 = index;
  let a4 = index;
  let b0 = index;
  let b1 = index;
  let b2 = index;
  let b3 = index;
  let b4 = index;
  for (let entry = window; entry < window + WINDOW_BYTES; entry += ENTRY_BYTES) {
    const mask0 = i64x2.eq(index, index0);
    const mask1 = i64x2.eq(index, index1);
    index = i64x2.add(index, one);
    let limbs = v128.load(entry);
    a0 = v128.or(a0, v128.and(limbs, mask0));
    b0 = v128.or(b0, v128.and(limbs, mask1));
    limbs = v128.load(entry, 16);
    a1 = v128.or(a1, v128.and(limbs, mask0));
    b1 = v128.or(b1, v128.and(limbs, mask1));
    limbs = v128.load(entry, 32);
    a2 = v128.or(a2, v128.and(limbs, mask0));
    b2 = v128.or(b2, v128.and(limbs, mask1));
    limbs = v128.load(entry, 48);
    a3 = v128.or(a3, v128.and(limbs, mask0));
    b3 = v128.or(b3, v128.and(limbs, mask1));
    limbs = v128.load(entry, 64);
    a4 = v128.or(a4, v128.and(limbs, mask0));
    b4 = v128.or(b4, v128.and(limbs, mask1));
  }
  v128.store(x, v128.shuffle<u64>(a0, b0, 0, 2));
  v128.store(x, v128.shuffle<u64>(a0, b0, 1, 3), 16);
  v128.store(x, v128.shuffle<u64>(a1, b1, 0, 2), 32);
  v128.store(x, v128.shuffle<u64>(a1, b1, 1, 3), 48);
  v128.store(x, v128.shuffle<u64>(a2, b2, 0, 2), 64);
  v128.store(y, v128.shuffle<u64>(a2, b2, 1, 3));
  v128.store(y, v128.shuffle<u64>(a3, b3, 0, 2), 16);
  v128.store(y, v128.shuffle<u64>(a3, b3, 1, 3), 32);
  v128.store(y, v128.shuffle<u64>(a4, b4, 0, 2), 48);
  v128.store(y, v128.shuffle<u64>(a4, b4, 1, 3), 64);
  negateWhere(y, i64x2.replace_lane(i64x2.splat(sign0), 1, sign1));
}
