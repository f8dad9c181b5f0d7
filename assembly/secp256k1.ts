/**
 * What the host calls of secp256k1: batches of points and scalars as bytes, in and out, in chunks of what fits the
 * processor's caches.
 *
 * Points are compressed or not, as `size` says: 33 or 65 bytes each (secp256k1-point-bytes.ts), in and out. Scalars are 32
 * bytes, big-endian, from 1 to n − 1. A batch may hold what is neither: its status is 0, its outcome means nothing, and
 * its neighbours don't notice. Rooms named `work` belong to the host; every kernel leaves them and the scratch of the
 * files that it used zeroed.
 */
import { PAIR_BYTES } from "./secp256k1-field";
import { wipeFieldBytes } from "./secp256k1-field-bytes";
import { wipeFieldPower } from "./secp256k1-field-power";
import { wipeAffine } from "./secp256k1-affine";
import { wipeJacobian } from "./secp256k1-jacobian";
import { COMBINE_SUMS, COMBINE_WORK_BYTES, combineRows } from "./secp256k1-combine";
import { ECDSA_SIGNATURES, ECDSA_WORK_BYTES, verifySignatures } from "./secp256k1-ecdsa";
import {
  GENERATOR_DIGITS_BYTES,
  GENERATOR_PAIRS,
  GENERATOR_SCRATCH_BYTES,
  multiplyGenerator,
} from "./secp256k1-generator";
import { HASH_TO_CURVE_SCRATCH_BYTES, hashToCurvePairs, wipeHashToCurve } from "./secp256k1-hash-to-curve";
import { recodeComb, recodeShared, wipeRecoding } from "./secp256k1-glv";
import { wipeMultiScalar } from "./secp256k1-multi-scalar";
import {
  DIGITS_BYTES,
  MULTIPLY_PAIRS,
  MULTIPLY_SCRATCH_BYTES,
  multiplyPairs,
  wipeMultiply,
} from "./secp256k1-multiply";
import { COMPRESSED_BYTES, readPoints, wipePointBytes, writePoints } from "./secp256k1-point-bytes";
import { SCALAR_BYTES, scalarFromBytes } from "./secp256k1-scalar";

/** Room for the coordinates of a chunk's points. */
const MULTIPLY_COORDINATES: usize = 2 * MULTIPLY_PAIRS * PAIR_BYTES;
/** Bytes of `work` of secp256k1MultiplyAll and secp256k1MultiplyEach. */
export const secp256k1MultiplyWorkBytes: usize =
  MULTIPLY_COORDINATES + MULTIPLY_SCRATCH_BYTES + 2 * MULTIPLY_PAIRS * DIGITS_BYTES;

/**
 * out = k·P for every point, in constant time.
 * @param scalar - 32 bytes.
 * @param points, out - count × `size` bytes; they may be one.
 * @param valid - receives a byte a point: 1, or 0 where the bytes are no point.
 * @param work - secp256k1MultiplyWorkBytes, at an address that 16 divides.
 * @returns 1, or 0 if the scalar is none: then nothing was written.
 */
export function secp256k1MultiplyAll(
  scalar: usize,
  points: usize,
  size: usize,
  out: usize,
  count: u32,
  valid: usize,
  work: usize,
): u32 {
  const digits = work + MULTIPLY_COORDINATES + MULTIPLY_SCRATCH_BYTES;
  const isScalar = scalarFromBytes(work, scalar) & 1;
  if (isScalar != 0) {
    recodeShared(digits, work);
    for (let first: u32 = 0; first < count; first += 2 * <u32>MULTIPLY_PAIRS) {
      const at = <usize>first * size;
      multiplyChunk(
        points + at,
        size,
        out + at,
        min(count - first, 2 * <u32>MULTIPLY_PAIRS),
        valid + first,
        digits,
        0,
        work,
      );
    }
  }
  memory.fill(work, 0, secp256k1MultiplyWorkBytes);
  secp256k1Wipe();
  return isScalar;
}

/**
 * out_i = k_i·P_i, in constant time.
 * @param scalars - count × 32 bytes.
 * @param points, size, out, valid, work - as for secp256k1MultiplyAll; `valid` is 0 also where the scalar is none.
 */
export function secp256k1MultiplyEach(
  scalars: usize,
  points: usize,
  size: usize,
  out: usize,
  count: u32,
  valid: usize,
  work: usize,
): void {
  const digits = work + MULTIPLY_COORDINATES + MULTIPLY_SCRATCH_BYTES;
  for (let first: u32 = 0; first < count; first += 2 * <u32>MULTIPLY_PAIRS) {
    const some = min(count - first, 2 * <u32>MULTIPLY_PAIRS);
    const at = <usize>first * size;
    // Digits before points: readPoints sets `valid`, and a scalar that is none clears it again.
    for (let i: u32 = 0; i < some; i++) {
      scalarFromBytes(work, scalars + <usize>(first + i) * SCALAR_BYTES);
      recodeShared(digits + <usize>i * DIGITS_BYTES, work);
    }
    // The spare lane of an odd count takes the first scalar's digits: a point without any would spoil the divisions.
    memory.copy(digits + <usize>some * DIGITS_BYTES, digits, <usize>(some & 1) * DIGITS_BYTES);
    multiplyChunk(points + at, size, out + at, some, valid + first, digits, DIGITS_BYTES, work);
    for (let i: u32 = 0; i < some; i++) {
      const isScalar = scalarFromBytes(work, scalars + <usize>(first + i) * SCALAR_BYTES);
      store<u8>(valid + first + i, load<u8>(valid + first + i) & (<u8>isScalar));
    }
  }
  memory.fill(work, 0, secp256k1MultiplyWorkBytes);
  secp256k1Wipe();
}

function multiplyChunk(
  points: usize,
  size: usize,
  out: usize,
  count: u32,
  valid: usize,
  digits: usize,
  stride: usize,
  work: usize,
): void {
  const xs = work;
  const ys = work + MULTIPLY_PAIRS * PAIR_BYTES;
  readPoints(xs, ys, points, size, count, valid);
  multiplyPairs(xs, ys, (<usize>count + 1) >> 1, digits, stride, work + MULTIPLY_COORDINATES);
  writePoints(out, size, xs, ys, count);
}

/** Room for the coordinates of a chunk's points, then for hashing or multiplying them, then the digits. */
const PARTIALS_ROOM: usize = max(HASH_TO_CURVE_SCRATCH_BYTES, MULTIPLY_SCRATCH_BYTES);
/** Bytes of `work` of secp256k1Partials. */
export const secp256k1PartialsWorkBytes: usize = MULTIPLY_COORDINATES + PARTIALS_ROOM + DIGITS_BYTES;

/**
 * out = k·hash_to_curve(message) of every message, in constant time. No message is known that hashes to infinity, nor can
 * one be found; it would make its whole chunk mean nothing.
 * @param scalar - 32 bytes.
 * @param messages - count × `messageBytes`.
 * @param dst - the domain separation tag, 1 to 255 bytes.
 * @param out - count × `size` bytes.
 * @param work - secp256k1PartialsWorkBytes, at an address that 16 divides.
 * @returns 1, or 0 if the scalar is none: then nothing was written.
 */
export function secp256k1Partials(
  scalar: usize,
  messages: usize,
  messageBytes: u32,
  dst: usize,
  dstBytes: u32,
  out: usize,
  size: usize,
  count: u32,
  work: usize,
): u32 {
  const ys = work + MULTIPLY_PAIRS * PAIR_BYTES;
  const room = work + MULTIPLY_COORDINATES;
  const digits = room + PARTIALS_ROOM;
  const isScalar = scalarFromBytes(work, scalar) & 1;
  if (isScalar != 0) {
    recodeShared(digits, work);
    for (let first: u32 = 0; first < count; first += 2 * <u32>MULTIPLY_PAIRS) {
      const some = min(count - first, 2 * <u32>MULTIPLY_PAIRS);
      const from = messages + <usize>first * <usize>messageBytes;
      hashToCurvePairs(from, messageBytes, dst, dstBytes, some, work, ys, room);
      multiplyPairs(work, ys, (<usize>some + 1) >> 1, digits, 0, room);
      writePoints(out + <usize>first * size, size, work, ys, some);
    }
  }
  memory.fill(work, 0, secp256k1PartialsWorkBytes);
  secp256k1Wipe();
  return isScalar;
}

/** Bytes of `work` of secp256k1Convert. */
export const secp256k1ConvertWorkBytes: usize = MULTIPLY_COORDINATES;

/**
 * Reads points, tells which are some, and writes them in the same form or the other.
 * @param points - count × `size` bytes.
 * @param out - count × `outSize` bytes, apart from the points, or, in the same form, the same.
 * @param valid - receives a byte a point: 1, or 0 where the bytes are no point.
 * @param work - secp256k1ConvertWorkBytes, at an address that 16 divides.
 */
export function secp256k1Convert(
  points: usize,
  size: usize,
  out: usize,
  outSize: usize,
  count: u32,
  valid: usize,
  work: usize,
): void {
  const ys = work + MULTIPLY_PAIRS * PAIR_BYTES;
  for (let first: u32 = 0; first < count; first += 2 * <u32>MULTIPLY_PAIRS) {
    const some = min(count - first, 2 * <u32>MULTIPLY_PAIRS);
    readPoints(work, ys, points + <usize>first * size, size, some, valid + first);
    writePoints(out + <usize>first * outSize, outSize, work, ys, some);
  }
  memory.fill(work, 0, secp256k1ConvertWorkBytes);
  secp256k1Wipe();
}

/** Room for the coordinates of a chunk's public keys. */
const GENERATOR_COORDINATES: usize = 2 * GENERATOR_PAIRS * PAIR_BYTES;
/** Bytes of `work` of secp256k1PublicKeys. */
export const secp256k1GeneratorWorkBytes: usize =
  GENERATOR_COORDINATES + GENERATOR_SCRATCH_BYTES + 2 * GENERATOR_PAIRS * GENERATOR_DIGITS_BYTES;

/**
 * out_i = k_i·G, in constant time.
 * @param scalars - count × 32 bytes.
 * @param out - count × `size` bytes.
 * @param valid - receives a byte a scalar: 1, or 0 where the bytes are none.
 * @param work - secp256k1GeneratorWorkBytes, at an address that 16 divides.
 */
export function secp256k1PublicKeys(
  scalars: usize,
  size: usize,
  out: usize,
  count: u32,
  valid: usize,
  work: usize,
): void {
  const xs = work;
  const ys = work + GENERATOR_PAIRS * PAIR_BYTES;
  const scratch = work + GENERATOR_COORDINATES;
  const digits = scratch + GENERATOR_SCRATCH_BYTES;
  for (let first: u32 = 0; first < count; first += 2 * <u32>GENERATOR_PAIRS) {
    const some = min(count - first, 2 * <u32>GENERATOR_PAIRS);
    for (let i: u32 = 0; i < some; i++) {
      const isScalar = scalarFromBytes(xs, scalars + <usize>(first + i) * SCALAR_BYTES);
      store<u8>(valid + first + i, <u8>(isScalar & 1));
      recodeComb(digits + <usize>i * GENERATOR_DIGITS_BYTES, xs);
    }
    memory.copy(digits + <usize>some * GENERATOR_DIGITS_BYTES, digits, <usize>(some & 1) * GENERATOR_DIGITS_BYTES);
    multiplyGenerator(xs, ys, digits, (<usize>some + 1) >> 1, scratch);
    writePoints(out + <usize>first * size, size, xs, ys, some);
  }
  memory.fill(work, 0, secp256k1GeneratorWorkBytes);
  secp256k1Wipe();
}

/** Bytes of `work` of secp256k1Combine. */
export const secp256k1CombineWorkBytes: usize = COMBINE_WORK_BYTES;

/**
 * out_i = Σ_j c_j·P_ij, in constant time but for the coefficients, which are public.
 * @param rows - `terms` addresses (u32), of count × `size` bytes each; one at least, if there is anything to compute.
 * @param coefficients - `terms` × 32 bytes, from 1 to n − 1.
 * @param out - count × `size` bytes, apart from the rows.
 * @param valid - receives a byte a sum: 1, or 0 where one of its points is none, or the sum is infinite.
 * @param work - secp256k1CombineWorkBytes, at an address that 16 divides.
 * @returns 1, or 0 if a coefficient is none: then nothing was written.
 */
export function secp256k1Combine(
  rows: usize,
  size: usize,
  coefficients: usize,
  terms: u32,
  out: usize,
  count: u32,
  valid: usize,
  work: usize,
): u32 {
  let areScalars: u32 = 1;
  for (let term: usize = 0; term < <usize>terms; term++) {
    areScalars &= scalarFromBytes(work, coefficients + term * SCALAR_BYTES);
  }
  if (areScalars != 0) {
    for (let first: u32 = 0; first < count; first += COMBINE_SUMS) {
      const at = <usize>first * size;
      combineRows(rows, size, at, coefficients, terms, out + at, valid + first, min(count - first, COMBINE_SUMS), work);
    }
  }
  memory.fill(work, 0, COMBINE_WORK_BYTES);
  secp256k1Wipe();
  return areScalars;
}

/** Bytes of `work` of secp256k1VerifyEcdsa. */
export const secp256k1EcdsaWorkBytes: usize = ECDSA_WORK_BYTES;

/**
 * Verifies ECDSA signatures, all of them public.
 * @param hashes - count × 32 bytes.
 * @param signatures - count × 64 bytes, r and s.
 * @param publicKeys - count × 33 bytes, compressed.
 * @param valid - receives a byte a signature: 1 where it is valid, else 0.
 * @param work - secp256k1EcdsaWorkBytes, at an address that 16 divides.
 */
export function secp256k1VerifyEcdsa(
  hashes: usize,
  signatures: usize,
  publicKeys: usize,
  count: u32,
  valid: usize,
  work: usize,
): void {
  for (let first: u32 = 0; first < count; first += ECDSA_SIGNATURES) {
    verifySignatures(
      hashes + <usize>first * SCALAR_BYTES,
      signatures + <usize>first * 2 * SCALAR_BYTES,
      publicKeys + <usize>first * COMPRESSED_BYTES,
      valid + first,
      min(count - first, ECDSA_SIGNATURES),
      work,
    );
  }
  memory.fill(work, 0, ECDSA_WORK_BYTES);
  secp256k1Wipe();
}

/** Zeroes the scratch of everything that this file uses; kernels do so themselves before they return. */
export function secp256k1Wipe(): void {
  wipeAffine();
  wipeFieldBytes();
  wipeFieldPower();
  wipeHashToCurve();
  wipeJacobian();
  wipeMultiScalar();
  wipeMultiply();
  wipePointBytes();
  wipeRecoding();
}
