/**
 * map_to_curve_simple_swu (RFC 9380 §6.6.2, appendix F.2) onto E': y² = g(x) = x³ + Ax + B, the curve of §8.7 from
 * which a 3-isogeny leads to secp256k1; Z = −11. Elements are pairs of secp256k1-field.ts.
 *
 * The RFC's formulas in other variables. With c = −B/A, W = cZu² and V = W(W + c), the two candidates for x are
 *
 *   x_1 = c + c³/V,   x_2 = c + W³/V,   g(x_1) = c³ G/V³,   g(x_2) = W³ G/V³,   G = V³ + (3c² + A)V² + 3c⁴V + c⁶
 *
 * c is a square, Z and −1 are not: W = −U² for U = √(−cZ)·u. One power serves for everything (p ≡ 3 mod 4):
 *
 *   q = (GV)^((p − 3)/4),   h = Gq,   m = hq = χ/V,   where χ = χ(GV) is 1 if g(x_1) is a square, and −1 if not
 *   T = √c³ if χ = 1, U³ if χ = −1;   x = c + mT²,   y = ± h·mT, as odd as u
 *
 * V is c² times the RFC's tv2. Where that is zero, u = 0 or Zu² = −1, the RFC has x_1 = B/(ZA) = −c/Z, and V becomes
 * −c²/(1 + 1/Z); g(x_1) is a square then (§H.2). GV is never zero: E' has a prime order, hence no point with y = 0.
 *
 * x is given as X = x − a, from where the isogeny's kernel lies (secp256k1-hash-to-curve.ts).
 *
 * Constant time: no branch and no address depends on u. Scratch is zeroed by wipeSswu.
 */
import { PAIR_BYTES, add, multiply, multiplySubtract, negateWhere, select, square, subtract } from "./secp256k1-field";
import { isOdd, isZero } from "./secp256k1-field-bytes";
import { POWER_PAIRS, powerC1 } from "./secp256k1-field-power";

/** Elements in the form of secp256k1-field.ts, each in both lanes; their values in hexadecimal above them. */
// prettier-ignore
const CONSTANTS: usize = memory.data<f64>([
  // √(−cZ): 0xc8f2c7602cff7c2f9b9e99e46e7c19a980e7021ecc24751b9a76c9279a16a508
  1910026081315033, 1910026081315033, 2.4400238917870596e+30, 2.4400238917870596e+30,
  -8.650453650820934e+45, -8.650453650820934e+45, -6.128912615560016e+60, -6.128912615560016e+60,
  -2.490056649056981e+76, -2.490056649056981e+76,
  // c: 0x0bc56cee718538b2a00c4df5d3e87b0c6df4ff98e82d74fdaa01d58e8d2345c3
  516283206682051, 516283206682051, 1.973331376756567e+30, 1.973331376756567e+30,
  -5.244988440487713e+44, -5.244988440487713e+44, -1.1734255878048422e+61, -1.1734255878048422e+61,
  5.324262023205137e+75, 5.324262023205137e+75,
  // −c²/(1 + 1/Z): 0xd0d598b3ed46bb28505723d26f498f1161c9562f9dbd80c8fb35291568b8bdc3
  1452551106511252, 1452551106511252, 3.772541879862641e+30, 3.772541879862641e+30,
  -4.068573399662113e+45, -4.068573399662113e+45, -7.781636211240063e+60, -7.781636211240063e+60,
  -2.1333624390935707e+76, -2.1333624390935707e+76,
  // 3c² + A: 0x63121cd86d8dede30b3f968f645bc0a098d1a284d76a3ac4c1c34c0efca97c77
  928052182350967, 928052182350967, 3.835803508323047e+29, 3.835803508323047e+29,
  2.0461480202750333e+45, 2.0461480202750333e+45, 2.2315372479047263e+61, 2.2315372479047263e+61,
  4.481097434069298e+76, 4.481097434069298e+76,
  // −3c⁴: 0x1a0b7a9c695764633ac2940408244beeb80076fdd1ca29daa0d316587cf1934a
  868994239271754, 868994239271754, -1.7275771982456597e+29, -1.7275771982456597e+29,
  8.094414803756765e+44, 8.094414803756765e+44, 7.050626041588865e+60, 7.050626041588865e+60,
  1.1780415610777211e+76, 1.1780415610777211e+76,
  // −c⁶: 0x09ef78ac3ee5749ca528d111e58833dbe8f484c851d3dc916af073cd0c770c10
  127324514618384, 127324514618384, -4.4114526900522255e+30, -4.4114526900522255e+30,
  8.746409675895393e+45, 8.746409675895393e+45, -1.8299978962698492e+61, -1.8299978962698492e+61,
  4.493924939027646e+75, 4.493924939027646e+75,
  // √c³: 0xa8dbf539e583cee070b745f28e26e0f6582ea4dc8fbf9f647eac17e9f862e2a7
  -1099601949825416, -1099601949825416, -2.8077258365674434e+30, -2.8077258365674434e+30,
  -1.0550956245378283e+46, -1.0550956245378283e+46, 2.390596719444993e+61, 2.390596719444993e+61,
  -3.941489867939834e+76, -3.941489867939834e+76,
  // a − c: 0x7d63af966cb8d93e6411589f9e6d73c98ea14ab508236a247368ff3fdd967fe2
  -1971150048034846, -1971150048034846, 4.2016113069815153e+30, 4.2016113069815153e+30,
  -8.977113815782091e+45, -8.977113815782091e+45, -1.0856932347919059e+61, -1.0856932347919059e+61,
  5.671523579337383e+76, 5.671523579337383e+76,
  // 1
  1, 1, 0, 0,
  0, 0, 0, 0,
  0, 0,
], 16);
const SIGMA: usize = CONSTANTS;
const C: usize = CONSTANTS + 80;
const EXCEPTIONAL_V: usize = CONSTANTS + 160;
const ALPHA: usize = CONSTANTS + 240;
const MINUS_BETA: usize = CONSTANTS + 320;
const MINUS_GAMMA: usize = CONSTANTS + 400;
const ROOT_C3: usize = CONSTANTS + 480;
const A_MINUS_C: usize = CONSTANTS + 560;
const ONE: usize = CONSTANTS + 640;

// Scratch, in one piece so that one fill wipes it: arrays of POWER_PAIRS pairs, and two pairs.
const SCRATCH_BYTES: i32 = 4 * 4 * 80 + 2 * 80;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const ARRAY_BYTES: usize = PAIR_BYTES * POWER_PAIRS;
const U3: usize = SCRATCH;
const V: usize = SCRATCH + ARRAY_BYTES;
const G: usize = SCRATCH + 2 * ARRAY_BYTES;
/** GV, then q. */
const Q: usize = SCRATCH + 3 * ARRAY_BYTES;
const S: usize = SCRATCH + 4 * ARRAY_BYTES;
const T: usize = S + PAIR_BYTES;

/** Zeroes what the map left in this file's scratch. */
export function wipeSswu(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/**
 * Maps an array of elements u.
 * @param xs, ys - receive the points' X = x − a and y; no array overlaps another.
 * @param pairs - at most POWER_PAIRS.
 */
export function mapToCurveSswu(xs: usize, ys: usize, us: usize, pairs: usize): void {
  const bytes = pairs * PAIR_BYTES;
  for (let at: usize = 0; at < bytes; at += PAIR_BYTES) prepare(us + at, U3 + at, V + at, G + at, Q + at);
  powerC1(Q, Q, pairs);
  for (let at: usize = 0; at < bytes; at += PAIR_BYTES) {
    finish(xs + at, ys + at, us + at, U3 + at, V + at, G + at, Q + at);
  }
}

/** U³, V, G and GV. */
function prepare(u: usize, u3: usize, v: usize, g: usize, gv: usize): void {
  multiply(S, u, SIGMA);
  square(T, S);
  multiply(u3, T, S);
  // W(W + c) = U²(U² − c)
  subtract(S, T, C);
  multiply(v, T, S);
  select(v, EXCEPTIONAL_V, v, isZero(v));
  add(S, v, ALPHA);
  multiplySubtract(S, S, v, MINUS_BETA);
  multiplySubtract(g, S, v, MINUS_GAMMA);
  multiply(gv, g, v);
}

/** X and y. */
function finish(x: usize, y: usize, u: usize, u3: usize, v: usize, g: usize, q: usize): void {
  multiply(y, g, q); // h
  multiply(x, y, q); // m
  multiplySubtract(S, x, v, ONE); // χ − 1
  select(T, ROOT_C3, u3, isZero(S));
  multiply(S, x, T);
  multiply(y, y, S);
  multiplySubtract(x, S, T, A_MINUS_C);
  const uIsOdd = isOdd(u);
  negateWhere(y, v128.xor(uIsOdd, isOdd(y)));
}
