/**
 * The steps of an AES round (FIPS 197 §5.1), bitsliced: eight blocks at once, without a table, a secret-dependent
 * address or a secret-dependent branch.
 *
 * Layout after Käsper and Schwabe, "Faster and timing-attack resistant AES-GCM" (2009). A group is 8 blocks, 128
 * bytes. Sliced, it is 8 vectors: bit j of byte p of vector i is bit i of byte p of block j. So every block has a bit
 * column of its own and may have a key of its own, the S-box is a circuit of XOR and AND on whole vectors, and the
 * other steps move bytes.
 *
 * The S-box is Boyar and Peralta's circuit of 115 gates (eprint 2009/191) without its four NOT gates: its output lacks
 * the constant 0x63. That goes unchanged through ShiftRows and MixColumns, so the next round key makes up for it.
 */

/** A group of eight blocks. */
export const GROUP_BYTES: usize = 128;

/**
 * Where the bytes of a state lie. ShiftRows is not carried out, its permutation s (byte s(p) goes to place p) is only
 * kept count of: after k rounds the byte of place p lies at s^k(p), and s^4 is the identity. Three rows of indices for
 * each k mod 4: to every byte the one below it in its column, the one two below it, and s^-k.
 */
const PLACES_BYTES: usize = 48;
const PLACES = memory.data<u8>(
  // prettier-ignore
  [
    1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12,
    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0,
    10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
    0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3,
    9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4,
    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
    0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7,
    13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8,
    10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5,
    0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11,
  ],
  16,
);

/** Address of the three rows of PLACES that count after so many rounds. */
// @ts-ignore: decorator
@inline
export function placesAfter(rounds: usize): usize {
  return PLACES + (rounds % 4) * PLACES_BYTES;
}

/** AddRoundKey, SubBytes, ShiftRows and MixColumns on one sliced group. */
// @ts-ignore: decorator
@inline
export function fullRound(group: usize, key: usize, places: usize): void {
  substitute(
    true,
    group,
    places,
    xor(v128.load(group, 112), v128.load(key, 112)),
    xor(v128.load(group, 96), v128.load(key, 96)),
    xor(v128.load(group, 80), v128.load(key, 80)),
    xor(v128.load(group, 64), v128.load(key, 64)),
    xor(v128.load(group, 48), v128.load(key, 48)),
    xor(v128.load(group, 32), v128.load(key, 32)),
    xor(v128.load(group, 16), v128.load(key, 16)),
    xor(v128.load(group), v128.load(key)),
  );
}

/** SubBytes alone, but for the constant 0x63, of the sliced group at `from`; `to` may be the same. */
export function substituteBytes(from: usize, to: usize): void {
  substitute(
    false,
    to,
    0,
    v128.load(from, 112),
    v128.load(from, 96),
    v128.load(from, 80),
    v128.load(from, 64),
    v128.load(from, 48),
    v128.load(from, 32),
    v128.load(from, 16),
    v128.load(from),
  );
}

// @ts-ignore: decorator
@inline
function xor(a: v128, b: v128): v128 {
  return v128.xor(a, b);
}

// @ts-ignore: decorator
@inline
function and(a: v128, b: v128): v128 {
  return v128.and(a, b);
}

/**
 * SubBytes, in the names of the paper; x0 is the highest bit. Here the circuit's first linear layer, and what is to be
 * inverted in GF(2^4): t21 to t24. `invertAndExpand` has the rest; `mix`, known when compiling, tells what comes after.
 * The order of the lines keeps few values alive at a time: the machine has sixteen vector registers.
 */
// @ts-ignore: decorator
@inline
function substitute(
  mix: bool,
  group: usize,
  places: usize,
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  x5: v128,
  x6: v128,
  x7: v128,
): void {
  const y14 = xor(x3, x5);
  const y13 = xor(x0, x6);
  const t0 = xor(x1, x2);
  const y12 = xor(y13, y14);
  const t1 = xor(x4, y12);
  const y15 = xor(t1, x5);
  const y20 = xor(t1, x1);
  const y9 = xor(x3, x0);
  const y11 = xor(y20, y9);
  const y1 = xor(x7, t0);
  const y10 = xor(y15, t0);
  const y17 = xor(y10, y11);
  const t12 = and(y9, y11);
  const t14 = xor(and(y14, y17), t12);
  const y16 = xor(y11, t0);
  const t2 = and(y15, y12);
  const y8 = xor(x0, x5);
  const y4 = xor(y1, x3);
  const t16 = xor(t12, and(y10, y8));
  const t22 = xor(xor(y10, y8), xor(xor(t2, and(y4, x7)), t16));
  const y6 = xor(y15, x7);
  const t7 = and(y13, y16);
  const y7 = xor(x7, y11);
  const y5 = xor(y1, x6);
  const y3 = xor(y8, y5);
  const t21 = xor(xor(t14, xor(t2, and(y3, y6))), y20);
  const y2 = xor(y1, x0);
  const t24 = xor(xor(x0, y16), xor(xor(t7, and(y7, y2)), t16));
  const t23 = xor(xor(xor(t7, and(y1, y5)), t14), xor(y13, y16));
  invertAndExpand(
    mix,
    group,
    places,
    t21,
    t22,
    t23,
    t24,
    x7,
    y1,
    y2,
    y3,
    y4,
    y5,
    y6,
    y7,
    y8,
    y9,
    y10,
    y11,
    y12,
    y13,
    y14,
    y15,
    y16,
    y17,
  );
}

/** The second half of the circuit: the inversion, its products with the input's combinations, the last linear layer. */
// @ts-ignore: decorator
@inline
function invertAndExpand(
  mix: bool,
  group: usize,
  places: usize,
  t21: v128,
  t22: v128,
  t23: v128,
  t24: v128,
  x7: v128,
  y1: v128,
  y2: v128,
  y3: v128,
  y4: v128,
  y5: v128,
  y6: v128,
  y7: v128,
  y8: v128,
  y9: v128,
  y10: v128,
  y11: v128,
  y12: v128,
  y13: v128,
  y14: v128,
  y15: v128,
  y16: v128,
  y17: v128,
): void {
  const t26 = and(t23, t21);
  const t33 = xor(and(xor(t24, t23), xor(t26, t22)), t24);
  const t27 = xor(t24, t26);
  const t25 = xor(t22, t21);
  const t36 = and(t24, xor(t33, t27));
  const t37 = xor(t36, xor(t33, t23));
  const t29 = xor(t22, and(t27, t25));
  const t40 = xor(and(xor(t27, t36), t29), t25);
  const t42 = xor(t33, t29);
  const t43 = xor(t40, t29);
  const z5 = and(y7, t29);
  const t48 = xor(z5, and(y5, t40));
  const z10 = and(y3, t37);
  const z4 = and(t40, y1);
  const t41 = xor(t40, t37);
  const z12 = and(y13, t43);
  const t44 = xor(t33, t37);
  const t45 = xor(t42, t41);
  const z2 = and(t33, x7);
  const z16 = and(t45, y14);
  const z3 = and(y16, t43);
  const z7 = and(t45, y17);
  const t46 = xor(z16, and(y9, t42));
  const t59 = xor(z3, xor(z7, and(y11, t42)));
  const t53 = xor(z3, and(y15, t44));
  const t64 = xor(z4, t59);
  const t58 = xor(z4, t46);
  const t62 = xor(xor(z7, and(y10, t41)), t58);
  const t63 = xor(xor(z10, and(y12, t44)), t58);
  const t66 = xor(and(t37, y6), t63);
  const s0 = xor(t59, t63);
  const s6 = xor(t62, xor(t48, z12));
  const t57 = xor(t53, xor(z2, z12));
  const t65 = xor(xor(t57, and(y2, t29)), t62);
  const s3 = xor(t53, t66);
  const s7 = xor(xor(t57, t46), t48);
  const s5 = xor(xor(z10, and(t33, y4)), t65);
  const s2 = xor(xor(z16, and(y8, t41)), xor(t64, t65));
  const s4 = xor(t66, xor(z5, z2));
  const s1 = xor(t64, s3);
  if (mix) mixColumns(group, places, s0, s1, s2, s3, s4, s5, s6, s7);
  else storeSliced(group, s0, s1, s2, s3, s4, s5, s6, s7);
}

/** Writes a sliced group, highest bit first. */
// @ts-ignore: decorator
@inline
function storeSliced(
  group: usize,
  s0: v128,
  s1: v128,
  s2: v128,
  s3: v128,
  s4: v128,
  s5: v128,
  s6: v128,
  s7: v128,
): void {
  v128.store(group, s7);
  v128.store(group, s6, 16);
  v128.store(group, s5, 32);
  v128.store(group, s4, 48);
  v128.store(group, s3, 64);
  v128.store(group, s2, 80);
  v128.store(group, s1, 96);
  v128.store(group, s0, 112);
}

/**
 * ShiftRows, by way of `places`, and MixColumns. With b, c, d the bytes below s in its column, its new byte is
 * 2s + 3b + c + d = 2m + b + (c + d), where m = s + b, and c + d is m two below. Doubling moves every bit one up (from
 * number i + 1 to i here) and the highest, m0, into s7, s6, s4 and s3 as well.
 */
// @ts-ignore: decorator
@inline
function mixColumns(
  group: usize,
  places: usize,
  s0: v128,
  s1: v128,
  s2: v128,
  s3: v128,
  s4: v128,
  s5: v128,
  s6: v128,
  s7: v128,
): void {
  const below = v128.load(places);
  const twoBelow = v128.load(places, 16);
  const b6 = i8x16.relaxed_swizzle(s6, below);
  const m6 = xor(s6, b6);
  const b5 = i8x16.relaxed_swizzle(s5, below);
  const b7 = i8x16.relaxed_swizzle(s7, below);
  const m7 = xor(s7, b7);
  const b0 = i8x16.relaxed_swizzle(s0, below);
  const m0 = xor(s0, b0);
  v128.store(group, xor(xor(xor(i8x16.relaxed_swizzle(m6, twoBelow), b6), m7), m0), 16);
  const b2 = i8x16.relaxed_swizzle(s2, below);
  v128.store(group, xor(m0, xor(i8x16.relaxed_swizzle(m7, twoBelow), b7)));
  const m5 = xor(b5, s5);
  const b3 = i8x16.relaxed_swizzle(s3, below);
  v128.store(group, xor(xor(i8x16.relaxed_swizzle(m5, twoBelow), b5), m6), 32);
  const b4 = i8x16.relaxed_swizzle(s4, below);
  const m4 = xor(b4, s4);
  const m3 = xor(b3, s3);
  const m2 = xor(b2, s2);
  v128.store(group, xor(m3, xor(b2, i8x16.relaxed_swizzle(m2, twoBelow))), 80);
  const b1 = i8x16.relaxed_swizzle(s1, below);
  const m1 = xor(b1, s1);
  v128.store(group, xor(m1, xor(b0, i8x16.relaxed_swizzle(m0, twoBelow))), 112);
  v128.store(group, xor(m2, xor(b1, i8x16.relaxed_swizzle(m1, twoBelow))), 96);
  v128.store(group, xor(m0, xor(m4, xor(b3, i8x16.relaxed_swizzle(m3, twoBelow)))), 64);
  v128.store(group, xor(m0, xor(xor(b4, i8x16.relaxed_swizzle(m4, twoBelow)), m5)), 48);
}

/**
 * Transposes the 8 by 8 bits that each byte position has in the group's eight vectors: slices, and back. Three stages
 * exchange the high halves of fields of 2, 4 and 8 bits in one vector for the low halves of those in another.
 */
export function slice(group: usize): void {
  let difference: v128;
  let a0 = v128.load(group);
  let a1 = v128.load(group, 16);
  let a2 = v128.load(group, 32);
  let a3 = v128.load(group, 48);
  let a4 = v128.load(group, 64);
  let a5 = v128.load(group, 80);
  let a6 = v128.load(group, 96);
  let a7 = v128.load(group, 112);

  let low = i8x16.splat(0x55);
  difference = and(xor(i64x2.shr_u(a0, 1), a1), low);
  a0 = xor(a0, i64x2.shl(difference, 1));
  a1 = xor(a1, difference);
  difference = and(xor(i64x2.shr_u(a2, 1), a3), low);
  a2 = xor(a2, i64x2.shl(difference, 1));
  a3 = xor(a3, difference);
  difference = and(xor(i64x2.shr_u(a4, 1), a5), low);
  a4 = xor(a4, i64x2.shl(difference, 1));
  a5 = xor(a5, difference);
  difference = and(xor(i64x2.shr_u(a6, 1), a7), low);
  a6 = xor(a6, i64x2.shl(difference, 1));
  a7 = xor(a7, difference);

  low = i8x16.splat(0x33);
  difference = and(xor(i64x2.shr_u(a0, 2), a2), low);
  a0 = xor(a0, i64x2.shl(difference, 2));
  a2 = xor(a2, difference);
  difference = and(xor(i64x2.shr_u(a1, 2), a3), low);
  a1 = xor(a1, i64x2.shl(difference, 2));
  a3 = xor(a3, difference);
  difference = and(xor(i64x2.shr_u(a4, 2), a6), low);
  a4 = xor(a4, i64x2.shl(difference, 2));
  a6 = xor(a6, difference);
  difference = and(xor(i64x2.shr_u(a5, 2), a7), low);
  a5 = xor(a5, i64x2.shl(difference, 2));
  a7 = xor(a7, difference);

  low = i8x16.splat(0x0f);
  difference = and(xor(i64x2.shr_u(a0, 4), a4), low);
  a0 = xor(a0, i64x2.shl(difference, 4));
  a4 = xor(a4, difference);
  difference = and(xor(i64x2.shr_u(a1, 4), a5), low);
  a1 = xor(a1, i64x2.shl(difference, 4));
  a5 = xor(a5, difference);
  difference = and(xor(i64x2.shr_u(a2, 4), a6), low);
  a2 = xor(a2, i64x2.shl(difference, 4));
  a6 = xor(a6, difference);
  difference = and(xor(i64x2.shr_u(a3, 4), a7), low);
  a3 = xor(a3, i64x2.shl(difference, 4));
  a7 = xor(a7, difference);
  storeSliced(group, a7, a6, a5, a4, a3, a2, a1, a0);
}
