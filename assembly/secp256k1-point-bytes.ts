/**
 * Points of secp256k1 as bytes and back (SEC 1 §2.3.3, §2.3.4), in either form:
 *
 *   compressed, 33 bytes      2 or 3 for an even or odd y, then x, big-endian; to read one takes a square root
 *   uncompressed, 65 bytes    4, then x and y; to read one is forty times as fast
 *
 * Bytes are hostile: a point that is none is told by its status, and the generator takes its place, so that what is
 * computed of its neighbours in the same batch is right. The curve has prime order, so every point on it but infinity,
 * which these bytes can't name, is one of the group.
 *
 * Constant time in all but whether a point is valid, which its status tells anyhow: points may be secret.
 */
import { isOnCurve } from "./secp256k1-affine";
import {
  PAIR_BYTES,
  copy,
  multiplySubtract,
  negateWhere,
  select,
  setSmall,
  square,
  squareSubtract,
} from "./secp256k1-field";
import { fromBytes, isCanonical, isOdd, isZero, toBytes } from "./secp256k1-field-bytes";
import { POWER_PAIRS, squareRoot } from "./secp256k1-field-power";

/** Bytes of a point, compressed and not. */
export const COMPRESSED_BYTES: usize = 33;
export const UNCOMPRESSED_BYTES: usize = 65;
const COORDINATE_BYTES: usize = 32;
/** What stands before the x of a compressed point with an even y (1 more for an odd one), and of an uncompressed one. */
const EVEN: u32 = 2;
const UNCOMPRESSED: u32 = 4;

/** The generator (SEC 2 §2.4.1): x = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798 … */
// prettier-ignore
export const GENERATOR_X: usize = memory.data<f64>([
  705178180786072.0, 705178180786072.0,
  -2.917265955962896e+30, -2.917265955962896e+30,
  -8.406420319255834e+45, -8.406420319255834e+45,
  -6.952929167032352e+60, -6.952929167032352e+60,
  5.506626302227735e+76, 5.506626302227735e+76,
], 16);
/** … and y = 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8. */
// prettier-ignore
export const GENERATOR_Y: usize = memory.data<f64>([
  2199641648059576.0, 2199641648059576.0,
  -4.3852414048832387e+30, -4.3852414048832387e+30,
  -1.1038114471129795e+46, -1.1038114471129795e+46,
  7.064035608032757e+60, 7.064035608032757e+60,
  3.267051002075881e+76, 3.267051002075881e+76,
], 16);

// Scratch, in one piece so that one fill wipes it: what one call of squareRoot takes and gives.
const SCRATCH_BYTES: i32 = 2 * 4 * 80 + 2 * 80 + 32;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const SQUARES: usize = SCRATCH;
const ROOTS: usize = SCRATCH + POWER_PAIRS * PAIR_BYTES;
const MINUS_7: usize = ROOTS + POWER_PAIRS * PAIR_BYTES;
const T: usize = MINUS_7 + PAIR_BYTES;
/** Where the bytes of a lane go that no point asked for. */
const NOWHERE: usize = T + PAIR_BYTES;

/** Zeroes this file's scratch. */
export function wipePointBytes(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/**
 * Reads points into pairs of coordinates.
 * @param points - count × `size`; if count is odd, the last point fills both lanes of the last pair.
 * @param size - COMPRESSED_BYTES or UNCOMPRESSED_BYTES.
 * @param valid - receives a byte a point: 1, or 0 where the bytes are no point and the generator takes its place.
 */
export function readPoints(xs: usize, ys: usize, points: usize, size: usize, count: u32, valid: usize): void {
  const pairs = (<usize>count + 1) >> 1;
  if (size == UNCOMPRESSED_BYTES) {
    for (let i: usize = 0; i < pairs; i++) {
      readUncompressed(xs + i * PAIR_BYTES, ys + i * PAIR_BYTES, points, 2 * <u32>i, count, valid);
    }
    return;
  }
  setSmall(MINUS_7, -7);
  for (let first: usize = 0; first < pairs; first += POWER_PAIRS) {
    const some = min(POWER_PAIRS, pairs - first);
    for (let i: usize = 0; i < some; i++) {
      const x = xs + (first + i) * PAIR_BYTES;
      const index = 2 * <u32>(first + i);
      fromBytes(x, pointAt(points, size, index, count) + 1, pointAt(points, size, index + 1, count) + 1);
      square(T, x);
      multiplySubtract(SQUARES + i * PAIR_BYTES, T, x, MINUS_7);
    }
    squareRoot(ROOTS, SQUARES, some);
    for (let i: usize = 0; i < some; i++) {
      const at = (first + i) * PAIR_BYTES;
      finishCompressed(xs + at, ys + at, i * PAIR_BYTES, points, 2 * <u32>(first + i), count, valid);
    }
  }
}

/** Address of point `index`, or of the last one. */
// @ts-ignore: decorator
@inline
function pointAt(points: usize, size: usize, index: u32, count: u32): usize {
  return points + <usize>min(index, count - 1) * size;
}

/** Takes the root with the right sign as y. */
function finishCompressed(x: usize, y: usize, at: usize, points: usize, index: u32, count: u32, valid: usize): void {
  const lane0 = pointAt(points, COMPRESSED_BYTES, index, count);
  const lane1 = pointAt(points, COMPRESSED_BYTES, index + 1, count);
  squareSubtract(T, ROOTS + at, SQUARES + at);
  const formed = pairOf(isCompressed(lane0), isCompressed(lane1));
  copy(y, ROOTS + at);
  negateWhere(y, v128.xor(isOdd(y), pairOf(load<u8>(lane0) & 1, load<u8>(lane1) & 1)));
  keepGood(x, y, v128.and(isZero(T), formed), index, count, valid);
}

/** Whether the prefix is 2 or 3 and x is below p: 1 or 0. */
function isCompressed(point: usize): u32 {
  return u32(((<u32>load<u8>(point)) & ~1) == EVEN) & isCanonical(point + 1);
}

function readUncompressed(x: usize, y: usize, points: usize, index: u32, count: u32, valid: usize): void {
  const lane0 = pointAt(points, UNCOMPRESSED_BYTES, index, count);
  const lane1 = pointAt(points, UNCOMPRESSED_BYTES, index + 1, count);
  fromBytes(x, lane0 + 1, lane1 + 1);
  fromBytes(y, lane0 + 1 + COORDINATE_BYTES, lane1 + 1 + COORDINATE_BYTES);
  const formed = pairOf(isUncompressed(lane0), isUncompressed(lane1));
  keepGood(x, y, v128.and(isOnCurve(x, y), formed), index, count, valid);
}

/** Whether the prefix is 4, and x and y are below p: 1 or 0. */
function isUncompressed(point: usize): u32 {
  const canonical = isCanonical(point + 1) & isCanonical(point + 1 + COORDINATE_BYTES);
  return u32(<u32>load<u8>(point) == UNCOMPRESSED) & canonical;
}

/** Puts the generator into the lanes that are no points, and says which are. */
function keepGood(x: usize, y: usize, good: v128, index: u32, count: u32, valid: usize): void {
  select(x, x, GENERATOR_X, good);
  select(y, y, GENERATOR_Y, good);
  store<u8>(valid + index, <u8>(i64x2.extract_lane(good, 0) & 1));
  if (index + 1 < count) store<u8>(valid + index + 1, <u8>(i64x2.extract_lane(good, 1) & 1));
}

/** All ones in the lanes of a 1, zeros in those of a 0. */
// @ts-ignore: decorator
@inline
function pairOf(lane0: u32, lane1: u32): v128 {
  return i64x2.replace_lane(i64x2.splat(-(<i64>lane0)), 1, -(<i64>lane1));
}

/** Writes pairs of coordinates as count points of `size` bytes: COMPRESSED_BYTES or UNCOMPRESSED_BYTES. */
export function writePoints(points: usize, size: usize, xs: usize, ys: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i += 2, xs += PAIR_BYTES, ys += PAIR_BYTES) {
    const lane0 = points + <usize>i * size;
    const lane1 = lane0 + size;
    const two = i + 1 < count;
    toBytes(xs, lane0 + 1, two ? lane1 + 1 : NOWHERE);
    if (size == UNCOMPRESSED_BYTES) {
      toBytes(ys, lane0 + 1 + COORDINATE_BYTES, two ? lane1 + 1 + COORDINATE_BYTES : NOWHERE);
      store<u8>(lane0, <u8>UNCOMPRESSED);
      if (two) store<u8>(lane1, <u8>UNCOMPRESSED);
    } else {
      const odd = isOdd(ys);
      store<u8>(lane0, <u8>(EVEN + ((<u32>i64x2.extract_lane(odd, 0)) & 1)));
      if (two) store<u8>(lane1, <u8>(EVEN + ((<u32>i64x2.extract_lane(odd, 1)) & 1)));
    }
  }
}
