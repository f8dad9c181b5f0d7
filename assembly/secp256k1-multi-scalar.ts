/**
 * One sum of many points of secp256k1 with weights of 128 bits, M = Σ w_i·P_i, in variable time: branches and addresses
 * depend on the weights, and on which points have one x, and on nothing else of the points.
 *
 * Pippenger's bucket method (as in Bernstein, Doumen, Lange, Oosterwijk, "Faster batch forgery identification", 2012). A
 * weight is cut into windows; its digit in one is signed, from −2^(c−1) to 2^(c−1), where c is the window's width. Every
 * window has a bucket for each size of a digit but 0, to which the point or its opposite is added, and of its buckets
 * B_0, B_1, … then takes Σ (j+1)·B_j. All these are the additions of secp256k1-buckets.ts, right for equal points,
 * opposite ones and infinity; what is left, Horner's rule over the bits, has additions of its own that are.
 *
 * A sum is begun, given points as often as one likes, and ended. Until then it lies in a room of the caller's, who wipes
 * it if the points are no public ones. Any weights give the right result, but only those that look random give it fast: a bucket takes one
 * point a round, and a round has a division. Where all weights are the same, a point takes some 10 µs.
 */
import { PAIR_BYTES, double, setSmall } from "./secp256k1-field";
import { isZero } from "./secp256k1-field-bytes";
import { toAffineAll } from "./secp256k1-affine";
import {
  BUCKETS_BYTES,
  BUCKETS_MAX,
  SLOT_BYTES,
  addQueue,
  bucketSlot,
  emptyBuckets,
  enqueue,
  isFilled,
  pairToSlots,
  slotToPair,
  wipeBuckets,
} from "./secp256k1-buckets";
import { Y, Z, addPointToW, doublePoint, yToW } from "./secp256k1-jacobian";
import { readPoints, writePoints } from "./secp256k1-point-bytes";

/** Bytes of a weight, big-endian. */
export const WEIGHT_BYTES: usize = 16;
/** What the windows hold together: a weight and, as the highest digit is signed like the others, a bit more. */
const WINDOWED_BITS: u32 = 129;
/** These have BUCKETS_MAX. With fewer windows, more than 4,352 points would take fewer additions, but more cache. */
const WINDOWS_MIN: u32 = 13;
/** Fewer than 60 points would take fewer additions with more windows; their time goes elsewhere. */
const WINDOWS_MAX: u32 = 24;
/** Points whose digits are listed before the buckets take them: so many that most rounds fill a queue. */
const CHUNK_POINTS: usize = 4096;

// The room of a sum: that of its buckets; the number of windows, u32; then of each window, and of what would follow the
// last one, its width and its first bucket, u32 both.
const WINDOWS: usize = BUCKETS_BYTES;
const WINDOW_BYTES: usize = 8;
/** Slots of the chunk's points. */
const POINTS: usize = WINDOWS + 8 + (<usize>WINDOWS_MAX + 1) * WINDOW_BYTES;
/**
 * Lists of what is to be added to each bucket. A link is a u16, 0 at the end of a list, else twice the point's number in
 * the chunk plus 2, and plus 1 if its opposite is meant. A head for each bucket; a next for each window of each point.
 */
const HEADS: usize = POINTS + CHUNK_POINTS * SLOT_BYTES;
const NEXTS: usize = HEADS + 2 * BUCKETS_MAX;
/** Bytes of a sum's room, at an address that 16 divides, for any number of points. */
export const MULTI_SCALAR_BYTES: usize = NEXTS + 2 * CHUNK_POINTS * <usize>WINDOWS_MAX;

// Scratch, in one piece so that one fill wipes it: the sum of all windows, Jacobian, and what is added to it.
const SCRATCH_BYTES: i32 = 5 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const SUM: usize = SCRATCH;
const ADDEND_X: usize = SCRATCH + 3 * PAIR_BYTES;
const ADDEND_Y: usize = SCRATCH + 4 * PAIR_BYTES;

/** Zeroes the scratch of this file and of the buckets. */
export function wipeMultiScalar(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
  wipeBuckets();
}

/**
 * Begins a sum.
 * @param count - of the points to come; another number than those that come is right but slow.
 */
export function beginSum(work: usize, count: u32): void {
  let windows = WINDOWS_MIN;
  for (let more = windows + 1; more <= WINDOWS_MAX; more++) {
    if (additions(more, count) < additions(windows, count)) windows = more;
  }
  store<u32>(work + WINDOWS, windows);
  let bucket: u32 = 0;
  for (let i: u32 = 0; i <= windows; i++) {
    const window = windowAt(work, i);
    store<u32>(window, widthOf(i, windows));
    store<u32>(window, bucket, 4);
    bucket += 1 << (widthOf(i, windows) - 1);
  }
  emptyBuckets(work);
  memory.fill(work + HEADS, 0, 2 * BUCKETS_MAX);
}

/** About how many additions a sum takes: in each window one a point, but for each bucket's first, and two a bucket. */
function additions(windows: u32, count: u32): u32 {
  let all = windows * count;
  for (let i: u32 = 0; i < windows; i++) all += 1 << (widthOf(i, windows) - 1);
  return all;
}

/** Bits of window i: all have as many, or one more. */
function widthOf(i: u32, windows: u32): u32 {
  return (WINDOWED_BITS * (i + 1)) / windows - (WINDOWED_BITS * i) / windows;
}

// @ts-ignore: decorator
@inline
function windowAt(work: usize, i: u32): usize {
  return work + WINDOWS + 8 + <usize>i * WINDOW_BYTES;
}

/**
 * Adds points to a sum.
 * @param xs, ys - pairs of coordinates, as readPoints has them; if count is odd, the last lane means nothing.
 * @param weights - count × WEIGHT_BYTES.
 */
export function addToSum(work: usize, xs: usize, ys: usize, weights: usize, count: u32): void {
  for (let first: usize = 0; first < <usize>count; first += CHUNK_POINTS) {
    const some = min(CHUNK_POINTS, <usize>count - first);
    const at = (first >> 1) * PAIR_BYTES;
    for (let i: usize = 0; i < (some + 1) >> 1; i++) {
      pairToSlots(work + POINTS + 2 * i * SLOT_BYTES, xs + at + i * PAIR_BYTES, ys + at + i * PAIR_BYTES);
    }
    makeLists(work, weights + first * WEIGHT_BYTES, some);
    addLists(work);
  }
}

/** Puts the chunk's points into the lists of the buckets that their digits ask for. */
function makeLists(work: usize, weights: usize, count: usize): void {
  const last = windowAt(work, load<u32>(work + WINDOWS));
  let next = work + NEXTS;
  for (let i: usize = 0; i < count; i++, weights += WEIGHT_BYTES) {
    let high = bswap(load<u64>(weights));
    let low = bswap(load<u64>(weights, 8));
    let carry: u64 = 0;
    for (let window = windowAt(work, 0); window < last; window += WINDOW_BYTES, next += 2) {
      const width = <u64>load<u32>(window);
      const digit = (low & (((<u64>1) << width) - 1)) + carry;
      low = (low >> width) | (high << (64 - width));
      high >>= width;
      carry = u64(digit > (<u64>1) << (width - 1));
      const size = carry != 0 ? ((<u64>1) << width) - digit : digit;
      if (size == 0) continue;
      const head = work + HEADS + 2 * (<usize>load<u32>(window, 4) + <usize>size - 1);
      store<u16>(next, load<u16>(head));
      store<u16>(head, <u16>(2 * i + 2 + <usize>carry));
    }
  }
}

/** Adds to the buckets what is in their lists, in rounds of one point for each. */
function addLists(work: usize): void {
  const windows = load<u32>(work + WINDOWS);
  let busy = true;
  while (busy) {
    busy = false;
    let waiting: usize = 0;
    for (let i: u32 = 0; i < windows; i++) {
      const nexts = work + NEXTS + 2 * <usize>i;
      const end = load<u32>(windowAt(work, i + 1), 4);
      for (let bucket = load<u32>(windowAt(work, i), 4); bucket < end; bucket++) {
        const head = work + HEADS + 2 * <usize>bucket;
        const link = <usize>load<u16>(head);
        if (link == 0) continue;
        const point = (link >> 1) - 1;
        store<u16>(head, load<u16>(nexts + 2 * point * <usize>windows));
        waiting = enqueue(work, waiting, bucket, (work + POINTS + point * SLOT_BYTES) | (link & 1));
        busy = true;
      }
    }
    addQueue(work, waiting);
  }
}

/**
 * Ends a sum.
 * @param outX, outY - receive a pair of coordinates, the sum in both lanes.
 * @returns false if the sum is infinity; then they receive nothing.
 */
export function endSum(work: usize, outX: usize, outY: usize): bool {
  addBuckets(work);
  const windows = load<u32>(work + WINDOWS);
  let finite = false;
  // Horner's rule over the bits, the highest first.
  for (let i = windows; i > 0;) {
    const window = windowAt(work, --i);
    const bucket = load<u32>(window, 4);
    const top = load<u32>(window) - 1;
    if (finite) doublePoint(SUM);
    for (let bit = top; bit > 0;) {
      bit--;
      if (finite) doublePoint(SUM);
      finite = addBucket(work, bucket + (1 << bit), finite);
    }
    finite = addBucket(work, bucket, finite);
  }
  if (!finite) return false;
  // (4X : 4W : 2Z) is the same point with Y = W/2 behind it.
  double(SUM, SUM);
  double(SUM, SUM);
  double(SUM + Y, SUM + Y);
  double(SUM + Y, SUM + Y);
  double(SUM + Z, SUM + Z);
  toAffineAll(outX, outY, SUM, 1, work + POINTS);
  return true;
}

/**
 * Adds the buckets of each window up: B_0 becomes the sum of all, and B_j with j = 2^l that of all whose number has bit l,
 * so that Σ (j+1)·B_j of before is B_0 + Σ 2^l·B_(2^l) of then.
 *
 * Round t adds to each bucket without bit t that with it, if below bit t they have none, or only one: bit l, for whose
 * sum they are. The former with bit t stay as they are, and are from then on what the sum for bit t is made of.
 */
function addBuckets(work: usize): void {
  const windows = load<u32>(work + WINDOWS);
  // The last window is as wide as any.
  const rounds = load<u32>(windowAt(work, windows - 1)) - 1;
  for (let round: u32 = 0; round < rounds; round++) {
    const distance: u32 = 1 << round;
    let waiting: usize = 0;
    for (let i: u32 = 0; i < windows; i++) {
      const end = load<u32>(windowAt(work, i + 1), 4);
      for (let j = load<u32>(windowAt(work, i), 4); j + distance < end; j += 2 * distance) {
        for (let bit: u32 = distance; bit > 0; bit >>= 1) {
          // Of bits below `distance`: none, then each alone.
          const bucket = j + (bit & (distance - 1));
          if (!isFilled(work, bucket + distance)) continue;
          waiting = enqueue(work, waiting, bucket, bucketSlot(work, bucket + distance));
        }
      }
    }
    addQueue(work, waiting);
  }
}

/**
 * SUM = SUM + a bucket, from W to W.
 * @param finite - whether SUM is a point.
 * @returns whether it is one now.
 */
function addBucket(work: usize, bucket: u32, finite: bool): bool {
  if (!isFilled(work, bucket)) return finite;
  slotToPair(ADDEND_X, ADDEND_Y, bucketSlot(work, bucket));
  double(ADDEND_Y, ADDEND_Y);
  if (finite) {
    addPointToW(SUM, ADDEND_X, ADDEND_Y);
    yToW(SUM);
    if (!v128.any_true(isZero(SUM + Z))) return true;
    // The points had the same x. Then X' is r², and r the difference of their y: if not 0, they were opposite.
    if (!v128.any_true(isZero(SUM))) return false;
  }
  memory.copy(SUM, ADDEND_X, 2 * PAIR_BYTES);
  setSmall(SUM + Z, 1);
  if (finite) doublePoint(SUM);
  return true;
}

/** Room for the coordinates of a chunk's points. */
const COORDINATES: usize = CHUNK_POINTS * PAIR_BYTES;
/** Bytes of `work` of secp256k1MultiScalar. */
export const secp256k1MultiScalarWorkBytes: usize = COORDINATES + MULTI_SCALAR_BYTES;

/**
 * out = Σ w_i·P_i, in variable time.
 * @param points - count × `size` bytes, COMPRESSED_BYTES or UNCOMPRESSED_BYTES.
 * @param weights - count × WEIGHT_BYTES.
 * @param out - receives `size` bytes, if the sum is a point.
 * @param valid - receives a byte a point: 1, or 0 where the bytes are no point; then the sum means nothing.
 * @param work - secp256k1MultiScalarWorkBytes, at an address that 16 divides; the host wipes it, and calls secp256k1Wipe.
 * @returns 1, or 0 if the sum is infinity.
 */
export function secp256k1MultiScalar(
  points: usize,
  size: usize,
  weights: usize,
  out: usize,
  count: u32,
  valid: usize,
  work: usize,
): u32 {
  const xs = work;
  const ys = work + COORDINATES / 2;
  const sum = work + COORDINATES;
  beginSum(sum, count);
  for (let first: usize = 0; first < <usize>count; first += CHUNK_POINTS) {
    const some = <u32>min(CHUNK_POINTS, <usize>count - first);
    readPoints(xs, ys, points + first * size, size, some, valid + first);
    addToSum(sum, xs, ys, weights + first * WEIGHT_BYTES, some);
  }
  if (!endSum(sum, xs, ys)) return 0;
  writePoints(out, size, xs, ys, 1);
  return 1;
}
