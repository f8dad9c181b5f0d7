/**
 * Buckets that points of secp256k1 are added to, in variable time.
 *
 * A bucket holds an affine point or is empty, which stands for infinity. Additions wait in a queue until there are
 * thousands of them, and then share one division (Montgomery's trick); two are made at a time, one in each lane. They are
 * right for any points of the curve. That two of them have the same x is rare, and found by one test for all: it makes
 * the product of the denominators zero. Only then every addition is looked at.
 *
 * A slot is how a point lies outside of lanes: SLOT_BYTES, the limbs of x and then those of y, as doubles, reduced as
 * secp256k1-field.ts has it. Buckets and queue lie in a room of the caller's, BUCKETS_BYTES.
 */
import {
  PAIR_BYTES,
  add,
  double,
  multiply,
  multiplySubtract,
  negateWhere,
  select,
  setSmall,
  square,
  squareSubtract,
  subtract,
  triple,
} from "./secp256k1-field";
import { isZero } from "./secp256k1-field-bytes";
import { invert } from "./secp256k1-field-power";

/** Bytes of a slot. */
export const SLOT_BYTES: usize = 80;
/** Where y lies in it. */
const SLOT_Y: usize = 40;

/** Buckets in a room: 12 × 2^9 + 2^8, what secp256k1-multi-scalar.ts takes most. */
export const BUCKETS_MAX: usize = 6400;
/** Additions that share a division: so many that it costs each 3 ns. */
const QUEUE_LENGTH: usize = 2048;
const QUEUE_PAIRS: usize = QUEUE_LENGTH / 2;

// The room: slots of the buckets, and a byte each, 1 if it holds a point, 0 if it is empty.
const FILLED: usize = BUCKETS_MAX * SLOT_BYTES;
/** Additions that wait: bucket u32, and the address u32 of a slot, plus 1 if its point's opposite is to be added. */
const QUEUE: usize = FILLED + BUCKETS_MAX;
const ADDITION_BYTES: usize = 8;
/** Denominators of the slopes of a queue, and the products of those before each. */
const DENOMINATORS: usize = QUEUE + QUEUE_LENGTH * ADDITION_BYTES;
const PREFIXES: usize = DENOMINATORS + QUEUE_PAIRS * PAIR_BYTES;
/** Bytes of a room, at an address that 16 divides. */
export const BUCKETS_BYTES: usize = PREFIXES + (QUEUE_PAIRS + 1) * PAIR_BYTES;

// Scratch, in one piece so that one fill wipes it. Points a (a bucket's) and b of an addition, its slope, what comes
// between; the inverse of a product, and of a denominator.
const SCRATCH_BYTES: i32 = 8 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const A_X: usize = SCRATCH;
const A_Y: usize = SCRATCH + PAIR_BYTES;
const B_X: usize = SCRATCH + 2 * PAIR_BYTES;
const B_Y: usize = SCRATCH + 3 * PAIR_BYTES;
const SLOPE: usize = SCRATCH + 4 * PAIR_BYTES;
const T: usize = SCRATCH + 5 * PAIR_BYTES;
const PRODUCT: usize = SCRATCH + 6 * PAIR_BYTES;
const INVERSE: usize = SCRATCH + 7 * PAIR_BYTES;

/** Zeroes this file's scratch. */
export function wipeBuckets(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/** Empties all buckets of a room. */
export function emptyBuckets(room: usize): void {
  memory.fill(room + FILLED, 0, BUCKETS_MAX);
}

/** Whether a bucket holds a point. */
// @ts-ignore: decorator
@inline
export function isFilled(room: usize, bucket: u32): bool {
  return load<u8>(room + FILLED + bucket) != 0;
}

/** A bucket's slot. */
// @ts-ignore: decorator
@inline
export function bucketSlot(room: usize, bucket: u32): usize {
  return room + <usize>bucket * SLOT_BYTES;
}

/** Puts a pair of points into two slots that follow each other. */
export function pairToSlots(slots: usize, x: usize, y: usize): void {
  scatter(slots, slots + SLOT_BYTES, x);
  scatter(slots + SLOT_Y, slots + SLOT_BYTES + SLOT_Y, y);
}

/** The pair with a slot's point in both lanes. */
export function slotToPair(x: usize, y: usize, slot: usize): void {
  gather(x, slot, slot);
  gather(y, slot + SLOT_Y, slot + SLOT_Y);
}

/**
 * Has a slot's point, or its opposite, added to a bucket, now or when enough additions wait.
 * @param waiting - the number of those that wait; none of them is to the same bucket or of it.
 * @param addend - the slot's address, plus 1 for the opposite.
 * @returns the number of those that wait now.
 */
export function enqueue(room: usize, waiting: usize, bucket: u32, addend: usize): usize {
  if (!isFilled(room, bucket)) {
    const slot = bucketSlot(room, bucket);
    gatherAddends(addend, addend);
    scatter(slot, slot, B_X);
    scatter(slot + SLOT_Y, slot + SLOT_Y, B_Y);
    store<u8>(room + FILLED + bucket, 1);
    return waiting;
  }
  const addition = room + QUEUE + waiting * ADDITION_BYTES;
  store<u32>(addition, bucket);
  store<u32>(addition, <u32>addend, 4);
  if (++waiting < QUEUE_LENGTH) return waiting;
  addQueue(room, waiting);
  return 0;
}

/** Makes the additions that wait. */
export function addQueue(room: usize, waiting: usize): void {
  if (waiting == 0) return;
  // An odd one's spare lane makes the same addition, with the same result.
  const end = room + QUEUE + waiting * ADDITION_BYTES;
  if ((waiting & 1) != 0) store<u64>(end, load<u64>(end - ADDITION_BYTES));
  const pairs = (waiting + 1) >> 1;
  const product = room + PREFIXES + pairs * PAIR_BYTES;
  multiplyDenominators(room, pairs, false);
  // One zero makes the product zero: two points of one addition have the same x.
  const complete = v128.any_true(isZero(product));
  if (complete) multiplyDenominators(room, pairs, true);
  invert(PRODUCT, product, 1);
  for (let i = pairs; i > 0;) {
    i--;
    const denominator = room + DENOMINATORS + i * PAIR_BYTES;
    multiply(INVERSE, PRODUCT, room + PREFIXES + i * PAIR_BYTES);
    multiply(PRODUCT, PRODUCT, denominator);
    addPair(room, room + QUEUE + 2 * i * ADDITION_BYTES, complete);
  }
}

/**
 * Computes the denominators of the slopes of pairs of additions, b_x − a_x, and the products of those before each.
 * @param complete - whether to take 2·a_y where that is zero: no point of the curve has y = 0.
 */
function multiplyDenominators(room: usize, pairs: usize, complete: bool): void {
  let prefix = room + PREFIXES;
  let denominator = room + DENOMINATORS;
  setSmall(prefix, 1);
  for (let i: usize = 0; i < pairs; i++) {
    const pair = room + QUEUE + 2 * i * ADDITION_BYTES;
    const a0 = bucketSlot(room, load<u32>(pair));
    const a1 = bucketSlot(room, load<u32>(pair, 8));
    gather(A_X, a0, a1);
    gather(B_X, (<usize>load<u32>(pair, 4)) & ~1, (<usize>load<u32>(pair, 12)) & ~1);
    subtract(denominator, B_X, A_X);
    if (complete) {
      gather(A_Y, a0 + SLOT_Y, a1 + SLOT_Y);
      double(T, A_Y);
      select(denominator, T, denominator, isZero(denominator));
    }
    multiply(prefix + PAIR_BYTES, prefix, denominator);
    prefix += PAIR_BYTES;
    denominator += PAIR_BYTES;
  }
}

/**
 * Makes a pair of additions, given INVERSE, that of the denominators.
 * @param complete - whether points may have the same x, and then either be the same or have no sum.
 */
function addPair(room: usize, pair: usize, complete: bool): void {
  const bucket0 = load<u32>(pair);
  const bucket1 = load<u32>(pair, 8);
  const a0 = bucketSlot(room, bucket0);
  const a1 = bucketSlot(room, bucket1);
  gather(A_X, a0, a1);
  gather(A_Y, a0 + SLOT_Y, a1 + SLOT_Y);
  gatherAddends(load<u32>(pair, 4), load<u32>(pair, 12));
  subtract(T, B_Y, A_Y);
  if (complete) {
    subtract(SLOPE, B_X, A_X);
    const same = isZero(SLOPE);
    const infinite = v128.andnot(same, isZero(T));
    if (i64x2.extract_lane(infinite, 0)) store<u8>(room + FILLED + bucket0, 0);
    if (i64x2.extract_lane(infinite, 1)) store<u8>(room + FILLED + bucket1, 0);
    // Of equal points the slope is that of the tangent, 3x²/2y.
    square(SLOPE, A_X);
    triple(SLOPE, SLOPE);
    select(T, SLOPE, T, same);
  }
  multiply(SLOPE, T, INVERSE);
  add(T, A_X, B_X);
  squareSubtract(B_X, SLOPE, T);
  subtract(T, A_X, B_X);
  multiplySubtract(B_Y, SLOPE, T, A_Y);
  scatter(a0, a1, B_X);
  scatter(a0 + SLOT_Y, a1 + SLOT_Y, B_Y);
}

/** The pair of the elements at `lane0` and `lane1` in slots. */
// @ts-ignore: decorator
@inline
function gather(out: usize, lane0: usize, lane1: usize): void {
  v128.store(out, v128.load64_lane(lane1, v128.load64_zero(lane0), 1));
  v128.store(out, v128.load64_lane(lane1, v128.load64_zero(lane0, 8), 1, 8), 16);
  v128.store(out, v128.load64_lane(lane1, v128.load64_zero(lane0, 16), 1, 16), 32);
  v128.store(out, v128.load64_lane(lane1, v128.load64_zero(lane0, 24), 1, 24), 48);
  v128.store(out, v128.load64_lane(lane1, v128.load64_zero(lane0, 32), 1, 32), 64);
}

/** B = the points of two addends, slots' addresses plus 1 where the opposite is meant. */
// @ts-ignore: decorator
@inline
function gatherAddends(addend0: usize, addend1: usize): void {
  const slot0 = addend0 & ~1;
  const slot1 = addend1 & ~1;
  gather(B_X, slot0, slot1);
  gather(B_Y, slot0 + SLOT_Y, slot1 + SLOT_Y);
  const odd = i64x2.replace_lane(i64x2.splat(addend0 & 1), 1, addend1 & 1);
  negateWhere(B_Y, i64x2.neg(odd));
}

/** Stores the elements of a pair in slots. */
// @ts-ignore: decorator
@inline
function scatter(lane0: usize, lane1: usize, pair: usize): void {
  for (let limb: usize = 0; limb < SLOT_Y; limb += 8) {
    const both = v128.load(pair + 2 * limb);
    v128.store64_lane(lane0 + limb, both, 0);
    v128.store64_lane(lane1 + limb, both, 1);
  }
}
