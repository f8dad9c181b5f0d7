/**
 * Verification of many ECDSA signatures over secp256k1 (SEC 1 §4.1.4). Everything about them is public.
 *
 *   u1 = z / s, u2 = r / s (mod n),  R = u1·G + u2·Q;  valid if R is not infinite and x(R) mod n = r
 *
 * Both products are the constant-time ones that secrets need: being batches, they are fast enough. s and n − s are both
 * accepted; who wants signatures that nobody else can alter refuses the larger one before.
 */
import { PAIR_BYTES, select } from "./secp256k1-field";
import { addAllComplete } from "./secp256k1-affine";
import { toBytes } from "./secp256k1-field-bytes";
import { GENERATOR_DIGITS_BYTES, GENERATOR_SCRATCH_BYTES, multiplyGenerator } from "./secp256k1-generator";
import { recodeComb, recodeShared } from "./secp256k1-glv";
import { DIGITS_BYTES, MULTIPLY_PAIRS, MULTIPLY_SCRATCH_BYTES, multiplyPairs } from "./secp256k1-multiply";
import { COMPRESSED_BYTES, readPoints } from "./secp256k1-point-bytes";
import { SCALAR_BYTES, scalarFromBytes, scalarFromWide48, scalarInvertAll, scalarMultiply } from "./secp256k1-scalar";

/** Signatures that are verified together. */
export const ECDSA_SIGNATURES: u32 = 2 * <u32>MULTIPLY_PAIRS;
/** r and s. */
const SIGNATURE_BYTES: usize = 64;
const HASH_BYTES: usize = 32;

// Where things lie in `work`: coordinates of u2·Q and u1·G, r, s, z or u1, u2, and what goes with them.
const COORDINATES_BYTES: usize = MULTIPLY_PAIRS * PAIR_BYTES;
const SCALARS_BYTES: usize = <usize>ECDSA_SIGNATURES * SCALAR_BYTES;
const GX: usize = 2 * COORDINATES_BYTES;
const RS: usize = 4 * COORDINATES_BYTES;
const SS: usize = RS + SCALARS_BYTES;
const U1: usize = SS + SCALARS_BYTES;
const U2: usize = U1 + SCALARS_BYTES;
/** A mask a pair: lanes whose two products are opposite. */
const OPPOSITE: usize = U2 + SCALARS_BYTES;
const G_DIGITS: usize = OPPOSITE + 16 * MULTIPLY_PAIRS;
const Q_DIGITS: usize = G_DIGITS + <usize>ECDSA_SIGNATURES * GENERATOR_DIGITS_BYTES;
/** A number of 32 bytes behind 16 zeros, as scalarFromWide48 takes it, and the scalar that it makes. */
const WIDE: usize = Q_DIGITS + <usize>ECDSA_SIGNATURES * DIGITS_BYTES;
const WIDE_ZEROS: usize = 16;
const REDUCED: usize = WIDE + WIDE_ZEROS + SCALAR_BYTES;
const SCRATCH: usize = REDUCED + SCALAR_BYTES;
/** Bytes of `work` of verifySignatures. */
export const ECDSA_WORK_BYTES: usize = SCRATCH + max(MULTIPLY_SCRATCH_BYTES, GENERATOR_SCRATCH_BYTES);

/**
 * Verifies signatures.
 * @param hashes - count × 32 bytes; z is what they are mod n.
 * @param signatures - count × 64 bytes, r and s, big-endian.
 * @param publicKeys - count × 33 bytes.
 * @param valid - receives a byte a signature: 1, or 0 where it is not valid or something of it malformed.
 * @param count - at most ECDSA_SIGNATURES.
 * @param work - ECDSA_WORK_BYTES.
 */
export function verifySignatures(
  hashes: usize,
  signatures: usize,
  publicKeys: usize,
  valid: usize,
  count: u32,
  work: usize,
): void {
  const pairs = (<usize>count + 1) >> 1;
  const ys = work + COORDINATES_BYTES;
  const gx = work + GX;
  const gy = gx + COORDINATES_BYTES;
  readPoints(work, ys, publicKeys, COMPRESSED_BYTES, count, valid);
  readSignatures(hashes, signatures, valid, count, work);
  multiplyPairs(work, ys, pairs, work + Q_DIGITS, DIGITS_BYTES, work + SCRATCH);
  multiplyGenerator(gx, gy, work + G_DIGITS, pairs, work + SCRATCH);
  addAllComplete(gx, gy, work, ys, pairs, work + OPPOSITE, work + SCRATCH);
  for (let i: u32 = 0; i < count; i += 2) comparePair(valid, i, count, work);
}

/** Fills r, and the digits of u1 and u2; `valid` becomes 0 where r or s is no scalar. */
function readSignatures(hashes: usize, signatures: usize, valid: usize, count: u32, work: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = i * SCALAR_BYTES;
    const r = signatures + i * SIGNATURE_BYTES;
    const isScalar = scalarFromBytes(work + RS + at, r) & scalarFromBytes(work + SS + at, r + SCALAR_BYTES);
    store<u8>(valid + i, load<u8>(valid + i) & (<u8>isScalar));
  }
  scalarInvertAll(work + SS, count, work + U1);
  for (let i: usize = 0; i < <usize>count; i++) {
    const at = i * SCALAR_BYTES;
    reduce(work + U1 + at, hashes + i * HASH_BYTES, work);
    scalarMultiply(work + U1 + at, work + U1 + at, work + SS + at);
    scalarMultiply(work + U2 + at, work + RS + at, work + SS + at);
    recodeShared(work + Q_DIGITS + i * DIGITS_BYTES, work + U2 + at);
    // Zero has no odd digits that avoid infinity, which would spoil the divisions. Any other scalar's will do.
    const u1 = work + (isZeroScalar(work + U1 + at) != 0 ? U2 : U1) + at;
    recodeComb(work + G_DIGITS + i * GENERATOR_DIGITS_BYTES, u1);
  }
  // The spare lane of an odd count takes the digits of the first signature: any will do.
  const odd = <usize>(count & 1);
  memory.copy(work + Q_DIGITS + <usize>count * DIGITS_BYTES, work + Q_DIGITS, odd * DIGITS_BYTES);
  const digits = work + G_DIGITS;
  memory.copy(digits + <usize>count * GENERATOR_DIGITS_BYTES, digits, odd * GENERATOR_DIGITS_BYTES);
}

/** out = 32 bytes, big-endian, mod n. */
function reduce(out: usize, bytes: usize, work: usize): void {
  v128.store(work + WIDE, i64x2.splat(0));
  memory.copy(work + WIDE + WIDE_ZEROS, bytes, SCALAR_BYTES);
  scalarFromWide48(out, work + WIDE);
}

/** Clears `valid` where x(R) mod n is not r. */
function comparePair(valid: usize, first: u32, count: u32, work: usize): void {
  const pair = (<usize>first) >> 1;
  const x = work + pair * PAIR_BYTES;
  // Where z is 0, so is u1: R is u2·Q, whatever has been added to it.
  const zero0 = isZeroScalar(work + U1 + <usize>first * SCALAR_BYTES);
  const zero1 = first + 1 < count ? isZeroScalar(work + U1 + <usize>(first + 1) * SCALAR_BYTES) : 0;
  const zero = i64x2.replace_lane(i64x2.splat(-(<i64>zero0)), 1, -(<i64>zero1));
  select(x, x, x + GX, zero);
  const infinite = v128.andnot(v128.load(work + OPPOSITE + (pair << 4)), zero);
  // Bytes go where coordinates of this pair of u1·G were, which nobody needs any more.
  const bytes = x + GX;
  toBytes(x, bytes, bytes + SCALAR_BYTES);
  const r = work + RS + <usize>first * SCALAR_BYTES;
  compareOne(valid + first, bytes, r, i64x2.extract_lane(infinite, 0), work);
  if (first + 1 == count) return;
  compareOne(valid + first + 1, bytes + SCALAR_BYTES, r + SCALAR_BYTES, i64x2.extract_lane(infinite, 1), work);
}

function compareOne(valid: usize, x: usize, r: usize, infinite: i64, work: usize): void {
  const reduced = work + REDUCED;
  reduce(reduced, x, work);
  const different = v128.or(
    v128.xor(v128.load(reduced), v128.load(r)),
    v128.xor(v128.load(reduced, 16), v128.load(r, 16)),
  );
  if (infinite != 0 || v128.any_true(different)) store<u8>(valid, 0);
}

/** 1 or 0. */
function isZeroScalar(a: usize): u32 {
  return u32(!v128.any_true(v128.or(v128.load(a), v128.load(a, 16))));
}
