/**
 * Sums of points of secp256k1 with the same few public coefficients, for a batch of sums: how partials become the points
 * that contract keys come from, Σ c_j·P_ij with Lagrange coefficients c_j (Shamir 1979), or 1 where gatekeepers have
 * multiplied them in already.
 *
 * Constant time in the points, which may be secret. That a sum is infinite is told by its status.
 */
import { PAIR_BYTES, select } from "./secp256k1-field";
import { addAllComplete } from "./secp256k1-affine";
import { recodeShared } from "./secp256k1-glv";
import { DIGITS_BYTES, MULTIPLY_PAIRS, MULTIPLY_SCRATCH_BYTES, multiplyPairs } from "./secp256k1-multiply";
import { readPoints, writePoints } from "./secp256k1-point-bytes";
import { SCALAR_BYTES, scalarFromBytes } from "./secp256k1-scalar";

/** Sums that are computed together. */
export const COMBINE_SUMS: u32 = 2 * <u32>MULTIPLY_PAIRS;

// Where things lie in `work`: the sums, what is added to them, masks of lanes, statuses of one row.
const COORDINATES_BYTES: usize = MULTIPLY_PAIRS * PAIR_BYTES;
const ADDEND: usize = 2 * COORDINATES_BYTES;
const INFINITE: usize = 4 * COORDINATES_BYTES;
const OPPOSITE: usize = INFINITE + 16 * MULTIPLY_PAIRS;
const STATUSES: usize = OPPOSITE + 16 * MULTIPLY_PAIRS;
const SCALAR: usize = STATUSES + <usize>COMBINE_SUMS;
const DIGITS: usize = SCALAR + SCALAR_BYTES;
const SCRATCH: usize = (DIGITS + DIGITS_BYTES + 15) & ~15;
/** Bytes of `work` of combineRows. */
export const COMBINE_WORK_BYTES: usize = SCRATCH + MULTIPLY_SCRATCH_BYTES;

/**
 * out_i = Σ_j c_j·P_ij.
 * @param rows - `terms` addresses (u32): row j's points.
 * @param size - bytes of a point (secp256k1-point-bytes.ts).
 * @param offset - bytes behind each of them at which to begin.
 * @param coefficients - `terms` × 32 bytes, from 1 to n − 1.
 * @param valid - receives a byte a sum: 1, or 0 where one of its points is none, or the sum is infinite.
 * @param count - at most COMBINE_SUMS.
 * @param work - COMBINE_WORK_BYTES; what is left there may be secret.
 */
export function combineRows(
  rows: usize,
  size: usize,
  offset: usize,
  coefficients: usize,
  terms: u32,
  out: usize,
  valid: usize,
  count: u32,
  work: usize,
): void {
  const pairs = (<usize>count + 1) >> 1;
  readTerm(work, <usize>load<u32>(rows) + offset, size, coefficients, valid, count, work);
  memory.fill(work + INFINITE, 0, pairs << 4);
  for (let term: usize = 1; term < <usize>terms; term++) {
    const points = <usize>load<u32>(rows + (term << 2)) + offset;
    readTerm(work + ADDEND, points, size, coefficients + term * SCALAR_BYTES, work + STATUSES, count, work);
    for (let i: u32 = 0; i < count; i++) store<u8>(valid + i, load<u8>(valid + i) & load<u8>(work + STATUSES + i));
    addTerm(pairs, work);
  }
  for (let i: u32 = 0; i < count; i++) {
    if (load<u64>(work + INFINITE + ((<usize>i) << 3)) != 0) store<u8>(valid + i, 0);
  }
  writePoints(out, size, work, work + COORDINATES_BYTES, count);
}

/** Reads points, times a coefficient, into pairs of coordinates. */
function readTerm(
  xs: usize,
  points: usize,
  size: usize,
  coefficient: usize,
  valid: usize,
  count: u32,
  work: usize,
): void {
  const ys = xs + COORDINATES_BYTES;
  readPoints(xs, ys, points, size, count, valid);
  if (isOne(coefficient)) return;
  scalarFromBytes(work + SCALAR, coefficient);
  recodeShared(work + DIGITS, work + SCALAR);
  multiplyPairs(xs, ys, (<usize>count + 1) >> 1, work + DIGITS, 0, work + SCRATCH);
}

/** Whether 32 bytes, which are public, are the number 1. */
function isOne(bytes: usize): bool {
  const others = load<u64>(bytes) | load<u64>(bytes, 8) | load<u64>(bytes, 16);
  return others == 0 && bswap(load<u64>(bytes, 24)) == 1;
}

/** Adds the addends to the sums, some of which may be infinite, or become it. */
function addTerm(pairs: usize, work: usize): void {
  const addend = work + ADDEND;
  const ys = COORDINATES_BYTES;
  addAllComplete(work, work + ys, addend, addend + ys, pairs, work + OPPOSITE, work + SCRATCH);
  for (let i: usize = 0; i < pairs; i++) {
    const x = work + i * PAIR_BYTES;
    const mask = work + INFINITE + (i << 4);
    const infinite = v128.load(mask);
    select(x, x + ADDEND, x, infinite);
    select(x + ys, x + ys + ADDEND, x + ys, infinite);
    v128.store(mask, v128.andnot(v128.load(work + OPPOSITE + (i << 4)), infinite));
  }
}
