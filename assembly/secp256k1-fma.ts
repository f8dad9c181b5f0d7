/**
 * The multiply-add of the field: a·b + c, rounded once.
 *
 * Relaxed SIMD has it as one instruction, but leaves it to the machine whether that rounds once or twice: x86-64 without
 * FMA3 rounds twice. So there are two builds (asconfig.json), and src/engine/kernels.ts takes the one for its machine:
 * FUSED = 1 with the instruction, FUSED = 0 with what follows, which makes a multiplication of points take eight times as long.
 *
 * Dekker's product (A floating-point technique for extending the available precision, 1971) gives p, which is a·b
 * rounded, and the error e = a·b − p, exactly. With s = p + c rounded and its error t, a·b + c = s + (t + e). Where t + e
 * fits in 53 bits, the last addition is the only one that rounds, and the result is that of one instruction;
 * test/assembly/secp256k1-field-bounds.test.ts proves that it fits wherever the field calls this.
 */

/** 2^27 + 1: what cuts a double into two halves of 26 bits (Veltkamp). */
const SPLIT: f64 = 134217729;

/** a·b + c, rounded once. Where |c| < |a·b|, the sum of c and the rounded a·b must need no rounding. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return FUSED ? f64x2.relaxed_madd(a, b, c) : emulated(a, b, c);
}

// @ts-ignore: decorator
@inline
function emulated(a: v128, b: v128, c: v128): v128 {
  const aHigh = highHalf(a);
  const bHigh = highHalf(b);
  const aLow = f64x2.sub(a, aHigh);
  const bLow = f64x2.sub(b, bHigh);
  const p = f64x2.mul(a, b);
  let e = f64x2.sub(f64x2.mul(aHigh, bHigh), p);
  e = f64x2.add(e, f64x2.mul(aHigh, bLow));
  e = f64x2.add(e, f64x2.mul(aLow, bHigh));
  e = f64x2.add(e, f64x2.mul(aLow, bLow));
  const s = f64x2.add(c, p);
  const t = f64x2.sub(p, f64x2.sub(s, c));
  return f64x2.add(s, f64x2.add(t, e));
}

// @ts-ignore: decorator
@inline
function highHalf(x: v128): v128 {
  const scaled = f64x2.mul(x, f64x2.splat(SPLIT));
  return f64x2.sub(scaled, f64x2.sub(scaled, x));
}

/** a·b + c by what this build multiplies and adds with: one number, for whoever must know whether it rounds once. */
export function multiplyAddDoubles(a: f64, b: f64, c: f64): f64 {
  return f64x2.extract_lane(madd(f64x2.splat(a), f64x2.splat(b), f64x2.splat(c)), 0);
}
