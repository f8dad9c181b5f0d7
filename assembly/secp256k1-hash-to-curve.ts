/**
 * hash_to_curve of the suite secp256k1_XMD:SHA-256_SSWU_RO_ (RFC 9380 §3, §8.7) over batches of messages of one length.
 *
 *   u_0, u_1 = hash_to_field(msg, 2)               §5.2, 48 bytes each, big-endian, mod p
 *   Q_i = map_to_curve_simple_swu(u_i), on E'      secp256k1-sswu.ts
 *   P = iso_map(Q_0 + Q_1)                         §6.6.3, appendix E.1
 *
 * The RFC maps both points to secp256k1 and adds there. An isogeny is a homomorphism: one map, of the sum, does.
 *
 * Its denominators are x_den = (x − a)² and y_den = (x − a)³, a = −k_(2,1)/2: its kernel is where x = a. In X = x − a,
 *
 *   E': y² = X³ + 3aX² + (t/2)X + 7,   iso_map(X, y) = ((X + a + t/X + 28/X²)/9, y(1 − t/X² − 56/X³)/27)
 *
 * with t = 6a² + 2A. A sum comes with a third coordinate z, to be divided out of X as z² and out of y as z³; with 3z in
 * its place what is left is X/9 and y/27, for which a, t and 28 become a/9, t/81 and 28/729.
 *
 * A sum is exceptional where the maps met in one x: it is the double of a point, or the point at infinity. That comes
 * out as x = y = 0, which no point has. So would the kernel, but 7 is not a square, and no point of E' has X = 0.
 * Nothing of this reaches another lane.
 *
 * Constant time: lengths, the count and the DST are public; no branch and no address depends on a message. What comes
 * of messages lies in static scratch and in the caller's, and secp256k1HashToCurve zeroes both.
 */
import { beginExpansion, expandFour, wipeExpansion } from "./expand-message-xmd";
import {
  PAIR_BYTES,
  add,
  double,
  multiply,
  multiplySubtract,
  select,
  square,
  squareSubtract,
  subtract,
  triple,
} from "./secp256k1-field";
import { fromBytes, isZero, wipeFieldBytes } from "./secp256k1-field-bytes";
import { invertAll, wipeFieldPower } from "./secp256k1-field-power";
import { wipePointBytes, writePoints } from "./secp256k1-point-bytes";
import { mapToCurveSswu, wipeSswu } from "./secp256k1-sswu";

/** Digests of an expanded message: two elements of L = 48 bytes. */
const ELL: u32 = 3;
const EXPANDED_BYTES: usize = 96;
const L: usize = 48;
/** Messages that go through the map together: SHA-256's lanes, and two elements each make POWER_PAIRS pairs. */
const GROUP: u32 = 4;

/** Most pairs of messages that are hashed at once: their one inversion is 0.4 % of their time. */
export const HASH_TO_CURVE_PAIRS: usize = 128;
/** Bytes of scratch that hashToCurvePairs takes for as many. */
export const HASH_TO_CURVE_SCRATCH_BYTES: usize = 3 * HASH_TO_CURVE_PAIRS * PAIR_BYTES;
/** Bytes of `work` of secp256k1HashToCurve: the points' coordinates, and scratch. */
export const secp256k1HashToCurveWorkBytes: usize = 2 * HASH_TO_CURVE_PAIRS * PAIR_BYTES + HASH_TO_CURVE_SCRATCH_BYTES;

/** Elements in the form of secp256k1-field.ts, each in both lanes; the large ones' values are given in hexadecimal. */
// prettier-ignore
const CONSTANTS: usize = memory.data<f64>([
  // 2^256 mod p = 2^32 + 977
  4294968273, 4294968273, 0, 0,
  0, 0, 0, 0,
  0, 0,
  // 2a: 0x12523909bc7c23e2083b4d2ae4abddabf92c949be0a1be443ad5a99dd5738f1b
  1593870239633179, 1593870239633179, 2.2086805656503246e+30, 2.2086805656503246e+30,
  3.832737763633643e+45, 3.832737763633643e+45, 6.2396409643527034e+60, 6.2396409643527034e+60,
  8.286906395841682e+75, 8.286906395841682e+75,
  // 3a: 0x9b7b558e9aba35d30c58f3c05701cc81f5c2dee9d0f29d6658407e6c402d54c0
  139007693248657, 139007693248657, -1.7575815524374285e+30, -1.7575815524374285e+30,
  -5.6688748961972095e+45, -5.6688748961972095e+45, -1.6351547261614778e+61, -1.6351547261614778e+61,
  -4.546568502489555e+76, -4.546568502489555e+76,
  // −t/6: 0x177b7e58234965812dd9416bf7f7ce5180c178f423e2b2b89ffd30ced4753083
  -790760044285821, -790760044285821, -9.39631913605228e+29, -9.39631913605228e+29,
  -1.8273384186736148e+44, -1.8273384186736148e+44, 8.845560550897213e+60, 8.845560550897213e+60,
  1.0621389702613985e+76, 1.0621389702613985e+76,
  // 27
  27, 27, 0, 0,
  0, 0, 0, 0,
  0, 0,
  // a/9: 0xd659e6b96e06e58c8eadf6109aed1a898dd7cf5dfe41dfe7589a17a4613112fe
  -1662850792614193, -1662850792614193, -2.6942968579710456e+30, -2.6942968579710456e+30,
  -6.130393202935728e+45, -6.130393202935728e+45, 8.916982956289771e+60, 8.916982956289771e+60,
  -1.8838297850894837e+76, -1.8838297850894837e+76,
  // t/81: 0xc55f260c6f29f87b2c02deb5a1c7b7d4096ced8f19c94818400035453c1d3bcf
  58575772532640, 58575772532640, 1.1964028975069615e+30, 1.1964028975069615e+30,
  1.016285276604737e+46, 1.016285276604737e+46, -1.2082341688871142e+61, -1.2082341688871142e+61,
  -2.651834499367129e+76, -2.651834499367129e+76,
  // 28/729: 0xf8463bb2be54fb6f51d25932377bf62ad79dac6c28bc39975a3fe98586d90191
  -24710979451550, -24710979451550, -1.5719562998714943e+30, -1.5719562998714943e+30,
  -2.944554910603241e+45, -2.944554910603241e+45, -7.335925667069846e+60, -7.335925667069846e+60,
  -3.4944114721823744e+75, -3.4944114721823744e+75,
  // 1
  1, 1, 0, 0,
  0, 0, 0, 0,
  0, 0,
], 16);
const TWO_256: usize = CONSTANTS;
const TWO_A: usize = CONSTANTS + 80;
const THREE_A: usize = CONSTANTS + 160;
const MINUS_SIXTH_T: usize = CONSTANTS + 240;
const TWENTY_SEVEN: usize = CONSTANTS + 320;
const ISO_A: usize = CONSTANTS + 400;
const ISO_T: usize = CONSTANTS + 480;
const ISO_28: usize = CONSTANTS + 560;
const ONE: usize = CONSTANTS + 640;

// Scratch, in one piece so that one fill wipes it.
const STATIC_BYTES: i32 = 384 + 2 * 32 + 3 * 4 * 80 + 6 * 80;
const STATIC: usize = memory.data(STATIC_BYTES, 16);
/** A group's expanded messages. */
const EXPANDED: usize = STATIC;
/** The first 16 bytes of a lane's 48, behind 16 zeros. */
const HIGH_0: usize = STATIC + 384;
const HIGH_1: usize = STATIC + 416;
/** Elements and points of a group: u_0 and u_1 of the first two messages, then of the others; four pairs each. */
const US: usize = STATIC + 448;
const XS: usize = STATIC + 768;
const YS: usize = STATIC + 1088;
/** What u, a sum or an isogeny takes in between. */
const A0: usize = STATIC + 1408;
const A1: usize = A0 + PAIR_BYTES;
const A2: usize = A0 + 2 * PAIR_BYTES;
const A3: usize = A0 + 3 * PAIR_BYTES;
const A4: usize = A0 + 4 * PAIR_BYTES;
const A5: usize = A0 + 5 * PAIR_BYTES;

/**
 * Hashes messages to points.
 * @param messages - count × messageBytes.
 * @param dst - domain separation tag, 1 to 255 bytes; with another length a batch traps before anything is written.
 * @param out - receives count × `size` bytes (secp256k1-point-bytes.ts); for the point at infinity, x = 0.
 * @param size - bytes of a point: 33, compressed, or 65.
 * @param work - secp256k1HashToCurveWorkBytes, at an address that 16 divides; zero afterwards.
 */
export function secp256k1HashToCurve(
  messages: usize,
  messageBytes: u32,
  dst: usize,
  dstBytes: u32,
  out: usize,
  size: usize,
  count: u32,
  work: usize,
): void {
  const ys = work + HASH_TO_CURVE_PAIRS * PAIR_BYTES;
  const scratch = ys + HASH_TO_CURVE_PAIRS * PAIR_BYTES;
  for (let first: u32 = 0; first < count; first += 2 * <u32>HASH_TO_CURVE_PAIRS) {
    const some = min(count - first, 2 * <u32>HASH_TO_CURVE_PAIRS);
    const from = messages + <usize>first * messageBytes;
    hashToCurvePairs(from, messageBytes, dst, dstBytes, some, work, ys, scratch);
    writePoints(out + <usize>first * size, size, work, ys, some);
  }
  memory.fill(work, 0, secp256k1HashToCurveWorkBytes);
  wipePointBytes();
  wipeHashToCurve();
}

/** Zeroes what hashToCurvePairs left in the scratch of this file and of those that it uses. */
export function wipeHashToCurve(): void {
  memory.fill(STATIC, 0, STATIC_BYTES);
  wipeExpansion();
  wipeSswu();
  wipeFieldPower();
  wipeFieldBytes();
}

/**
 * Hashes messages to points, for kernels that go on from there; they call wipeHashToCurve in the end.
 * @param messages, messageBytes, dst, dstBytes - as for secp256k1HashToCurve.
 * @param xs, ys - receive ⌈count / 2⌉ pairs each: the points of messages 2i and 2i + 1 are the lanes of pair i, and the
 * spare lane of an odd count is a copy of the last. x = y = 0 stands for the point at infinity.
 * @param scratch - 3·⌈count / 2⌉ pairs, aligned to 16; the caller's to wipe.
 */
export function hashToCurvePairs(
  messages: usize,
  messageBytes: u32,
  dst: usize,
  dstBytes: u32,
  count: u32,
  xs: usize,
  ys: usize,
  scratch: usize,
): void {
  const pairs = (<usize>(count + 1)) >> 1;
  const cubes = scratch;
  const inverses = scratch + pairs * PAIR_BYTES;
  const prefix = inverses + pairs * PAIR_BYTES;
  beginExpansion(messageBytes, dst, dstBytes, ELL);
  for (let first: u32 = 0; first < count; first += GROUP) {
    expandGroup(messages, messageBytes, first, count - 1);
    const begin = (<usize>first) >> 1;
    const groupPairs = min<usize>(GROUP / 2, pairs - begin);
    for (let i: usize = 0; i < groupPairs; i++) {
      hashToField(US + 2 * i * PAIR_BYTES, EXPANDED + 2 * i * EXPANDED_BYTES);
      hashToField(US + (2 * i + 1) * PAIR_BYTES, EXPANDED + 2 * i * EXPANDED_BYTES + L);
    }
    mapToCurveSswu(XS, YS, US, 2 * groupPairs);
    for (let i: usize = 0; i < groupPairs; i++) {
      const at = (begin + i) * PAIR_BYTES;
      addMapped(xs + at, ys + at, cubes + at, inverses + at, 2 * i * PAIR_BYTES);
    }
  }
  invertAll(inverses, prefix, pairs);
  for (let at: usize = 0; at < pairs * PAIR_BYTES; at += PAIR_BYTES) {
    isogeny(xs + at, ys + at, cubes + at, inverses + at);
  }
}

/** EXPANDED from the messages of number `first` to `first` + 3; those above `last` are the last. */
function expandGroup(messages: usize, messageBytes: u32, first: u32, last: u32): void {
  expandFour(
    EXPANDED,
    messages + <usize>first * messageBytes,
    messages + <usize>min(first + 1, last) * messageBytes,
    messages + <usize>min(first + 2, last) * messageBytes,
    messages + <usize>min(first + 3, last) * messageBytes,
  );
}

/** u = OS2IP of 48 bytes mod p; those of the second lane lie EXPANDED_BYTES behind those of the first. */
function hashToField(u: usize, bytes: usize): void {
  v128.store(HIGH_0, v128.load(bytes), 16);
  v128.store(HIGH_1, v128.load(bytes + EXPANDED_BYTES), 16);
  fromBytes(A0, HIGH_0, HIGH_1);
  fromBytes(A1, bytes + 16, bytes + EXPANDED_BYTES + 16);
  multiply(A0, A0, TWO_256);
  add(u, A0, A1);
}

/**
 * Q_0 + Q_1, by the slope r/z of the line through them: X = x/z², y = −minusY/z³.
 * @param x, minusY - receive what their names say; the isogeny turns the sign.
 * @param cube - receives (3z)³.
 * @param product - receives x·3z, which is zero for the point at infinity.
 * @param at - where in XS and YS the pair of Q_0 lies; that of Q_1 is the next.
 */
function addMapped(x: usize, minusY: usize, cube: usize, product: usize, at: usize): void {
  const x0 = XS + at;
  const y0 = YS + at;
  const x1 = x0 + PAIR_BYTES;
  const y1 = y0 + PAIR_BYTES;
  // The chord's slope, or, where X_0 = X_1, that of the tangent; its z is y_0 + y_1, for that is 2y_0 or makes z zero.
  const z = A0;
  const r = A1;
  subtract(z, x1, x0);
  subtract(r, y1, y0);
  const meeting = isZero(z);
  add(A2, y0, y1);
  select(z, A2, z, meeting);
  // r = 3X² + 6aX + t/2
  add(A2, x0, TWO_A);
  multiplySubtract(A2, A2, x0, MINUS_SIXTH_T);
  triple(A2, A2);
  select(r, A2, r, meeting);

  const zz = A2;
  const zzz = A3;
  square(zz, z);
  multiply(zzz, zz, z);
  add(A4, x0, x1);
  add(A4, A4, THREE_A);
  multiply(A4, A4, zz);
  squareSubtract(x, r, A4);
  multiplySubtract(A4, x0, zz, x);
  multiply(A4, A4, r);
  multiplySubtract(minusY, y0, zzz, A4);
  multiply(cube, zzz, TWENTY_SEVEN);
  triple(A4, z);
  multiply(product, x, A4);
}

/**
 * The isogeny of a sum, in the place of its x and minusY.
 * @param cube - (3z)³
 * @param inverse - 1/(x·3z), or 0 for the point at infinity.
 */
function isogeny(x: usize, y: usize, cube: usize, inverse: usize): void {
  const none = isZero(inverse);
  multiply(A0, x, inverse); // 1/(3z)
  square(A1, A0);
  multiply(A0, A0, A1);
  multiply(A1, A1, x); // X/9
  multiply(A2, A0, y); // −y/27
  multiply(A3, cube, inverse); // 9/X
  multiply(A4, A3, ISO_28);
  add(A5, A4, ISO_T);
  multiply(A5, A5, A3);
  add(A1, A1, ISO_A);
  add(A1, A1, A5);
  double(A4, A4);
  add(A4, A4, ISO_T);
  square(A3, A3);
  multiplySubtract(A4, A4, A3, ONE);
  multiply(A2, A2, A4);
  for (let i: usize = 0; i < PAIR_BYTES; i += 16) {
    v128.store(x + i, v128.andnot(v128.load(A1 + i), none));
    v128.store(y + i, v128.andnot(v128.load(A2 + i), none));
  }
}
