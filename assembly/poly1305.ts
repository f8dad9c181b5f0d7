/**
 * Poly1305 (RFC 8439 §2.5) on four 16-byte blocks at once, for messages of whole blocks: the AEAD of §2.8 pads its
 * segments with zeros, so it makes no others.
 *
 * Numbers mod p = 2^130 − 5 are five limbs of 26 bits; one limb of four numbers is a vector of 32-bit lanes.
 * Two lane maps, which differ in the multipliers alone:
 *   pair     lanes 0, 1 are neighbouring blocks of one message, lanes 2, 3 of another, each under its own key;
 *   single   lanes 0–3 are neighbouring blocks of one message.
 * With k blocks of a message side by side (2 or 4), lane j sums every k-th block by Horner's rule in r^k; the last
 * group is multiplied by (r^k, …, r) instead, and the lanes' sum is the message's value. A message whose number of
 * blocks is no multiple of k begins with empty blocks: zeros without the 2^128 bit, which add nothing.
 *
 * Bounds: a limb that multiply leaves is < 2^26 + 2^10 and a block's < 2^26, so their sum < 2^27.01; a multiplier's
 * limb is < 2^26.01, five times it < 2^28.34; five products are < 2^57.7 and far from overflowing 64 bits.
 * No branch and no address depends on a key or a message byte.
 */

const LIMBS_BYTES: usize = 80;
/** A multiplier is its limbs 0–4, then five times its limbs 1–4: what passes 2^130 comes back times 5. */
const MULTIPLIER_BYTES: usize = 144;

/** The 2^128 bit, in its limb. Read from word 3 − e on, it leaves out the first e lanes (e = 0 … 3). */
const HIGH_BITS = memory.data<u32>([0, 0, 0, 0x1000000, 0x1000000, 0x1000000, 0x1000000], 16);
const ALL_WHOLE = HIGH_BITS + 12;
/** The same where both messages of a pair begin with an empty block. */
const PAIR_HIGH_BITS = memory.data<u32>([0, 0x1000000, 0, 0x1000000], 16);
/** 26 ones, and 32: loaded, because a splatted constant is built anew at each use. */
const LOW_26 = memory.data<u64>([0x3ffffff, 0x3ffffff], 16);
const LOW_26_NARROW = memory.data<u32>([0x3ffffff, 0x3ffffff, 0x3ffffff, 0x3ffffff], 16);
const LOW_32 = memory.data<u64>([0xffffffff, 0xffffffff], 16);
const CLAMP = memory.data<u32>([0x0fffffff, 0x0ffffffc, 0x0ffffffc, 0x0ffffffc], 16);

const SCRATCH_BYTES: usize = 704;
const SCRATCH = memory.data(704, 16);
/** The lanes' sums so far. */
const SUM = SCRATCH;
/** r of the messages, in lanes (first, other, first, other). */
const POWER_1 = SUM + LIMBS_BYTES;
/** What every group but the last is multiplied by: r^k. */
const STEP = POWER_1 + MULTIPLIER_BYTES;
/** What the last group is multiplied by: (r^k, …, r). */
const LAST = STEP + MULTIPLIER_BYTES;
/** Products of two lanes, not packed into 32-bit lanes. */
const PRODUCT = LAST + MULTIPLIER_BYTES;
/** The second halves of the one-time keys. */
const PADS = PRODUCT + LIMBS_BYTES;
/** Blocks of a single message that wait until four are there. */
const GROUP = PADS + 32;
const GROUP_BYTES: usize = 64;
if (GROUP + GROUP_BYTES > SCRATCH + SCRATCH_BYTES) unreachable();

/** How many bytes wait in GROUP, and where its 2^128 bits are. */
let waiting: usize = 0;
let groupBits: usize = ALL_WHOLE;

/** Starts two messages of equally many blocks, each under a 32-byte one-time key. */
export function poly1305StartPair(key: usize, otherKey: usize): void {
  startKeys(key, otherKey);
  for (let i: usize = 0; i < LIMBS_BYTES; i += 16) {
    const squares = v128.load(PRODUCT + i);
    v128.store(STEP + i, v128.shuffle<i32>(squares, squares, 0, 0, 2, 2));
    v128.store(LAST + i, v128.shuffle<i32>(squares, v128.load(POWER_1 + i), 0, 4, 2, 5));
  }
  scale(STEP);
  scale(LAST);
}

/** Starts a single message of `blocks` blocks under a 32-byte one-time key. */
export function poly1305Start(key: usize, blocks: usize): void {
  startKeys(key, key);
  for (let i: usize = 0; i < LIMBS_BYTES; i += 16) {
    const square = v128.load(PRODUCT + i);
    v128.store(STEP + i, v128.shuffle<i32>(square, square, 0, 0, 0, 0));
    v128.store(LAST + i, v128.shuffle<i32>(square, v128.load(POWER_1 + i), 0, 4, 0, 5));
  }
  scale(STEP);
  multiplyTwo(LAST, STEP); // (r², r) · r² = (r⁴, r³)
  for (let i: usize = 0; i < LIMBS_BYTES; i += 16) {
    const powers = v128.load(PRODUCT + i);
    v128.store(STEP + i, v128.shuffle<i32>(powers, powers, 0, 0, 0, 0));
    v128.store(LAST + i, v128.shuffle<i32>(powers, v128.load(LAST + i), 0, 2, 4, 5));
  }
  scale(STEP);
  scale(LAST);
  const empty: usize = (4 - (blocks % 4)) % 4;
  const zero = v128.xor(v128.load(GROUP), v128.load(GROUP));
  v128.store(GROUP, zero);
  v128.store(GROUP, zero, 16);
  v128.store(GROUP, zero, 32);
  waiting = empty * 16;
  groupBits = ALL_WHOLE - empty * 4;
}

/** Where the first group of a pair has its 2^128 bits: for poly1305Groups. */
// @ts-ignore: decorator
@inline
export function poly1305PairBits(emptyBlock: bool): usize {
  return emptyBlock ? PAIR_HIGH_BITS : ALL_WHOLE;
}

/**
 * Adds `groups` groups: lanes 0, 1 from `low`, lanes 2, 3 from `high`, both then moving on by `stride`.
 * @param firstBits - address of the first group's 2^128 bits; the other groups are of whole blocks.
 * @param last - these groups end the message (then there is one).
 */
export function poly1305Groups(
  low: usize,
  high: usize,
  stride: usize,
  groups: usize,
  firstBits: usize,
  last: bool,
): void {
  const multiplier = last ? LAST : STEP;
  const mask = v128.load(LOW_26_NARROW);
  const wide = v128.load(LOW_26);
  let bits = v128.load(firstBits);
  for (; groups != 0; groups--) {
    const a = v128.load(low);
    const b = v128.load(low, 16);
    const c = v128.load(high);
    const d = v128.load(high, 16);
    const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    const w0 = v128.shuffle<i64>(ab01, cd01, 0, 2);
    const w1 = v128.shuffle<i64>(ab01, cd01, 1, 3);
    const w2 = v128.shuffle<i64>(ab23, cd23, 0, 2);
    const w3 = v128.shuffle<i64>(ab23, cd23, 1, 3);
    const a0 = i32x4.add(v128.load(SUM), v128.and(w0, mask));
    const a1 = i32x4.add(v128.load(SUM, 16), limb(w0, w1, 26, mask));
    const a2 = i32x4.add(v128.load(SUM, 32), limb(w1, w2, 20, mask));
    const a3 = i32x4.add(v128.load(SUM, 48), limb(w2, w3, 14, mask));
    const a4 = i32x4.add(v128.load(SUM, 64), v128.or(i32x4.shr_u(w3, 8), bits));
    multiplyLanes(false, a0, a1, a2, a3, a4, multiplier, wide);
    multiplyLanes(true, a0, a1, a2, a3, a4, multiplier, wide);
    bits = v128.load(ALL_WHOLE);
    low += stride;
    high += stride;
  }
}

/** Adds a segment of a single message, padded with zeros to whole blocks. The message's last block is not added so. */
export function poly1305Absorb(from: usize, length: usize): void {
  while (waiting != 0 && length >= 16) {
    wait(v128.load(from));
    from += 16;
    length -= 16;
  }
  const groups = length / GROUP_BYTES;
  if (groups != 0) {
    poly1305Groups(from, from + 32, GROUP_BYTES, groups, ALL_WHOLE, false);
    from += groups * GROUP_BYTES;
    length &= GROUP_BYTES - 1;
  }
  for (; length >= 16; length -= 16, from += 16) wait(v128.load(from));
  if (length != 0) wait(paddedTail(from + length, length));
}

/** Adds the last block of a single message, given as two numbers, and writes the tag. */
export function poly1305Finish(tag: usize, first: u64, second: u64): void {
  store<u64>(GROUP + 48, first);
  store<u64>(GROUP + 56, second);
  poly1305Groups(GROUP, GROUP + 32, GROUP_BYTES, 1, groupBits, true);
  waiting = 0;
  for (let i: usize = 0; i < LIMBS_BYTES; i += 16) {
    const limb = v128.load(SUM + i);
    v128.store(SUM + i, i32x4.add(limb, v128.shuffle<i32>(limb, limb, 2, 3, 0, 1)));
  }
  finishLanes(tag, PRODUCT);
}

/** Writes the tags of a pair whose last group was added. */
export function poly1305FinishPair(tag: usize, otherTag: usize): void {
  finishLanes(tag, otherTag);
}

/** Zeroes everything that depends on a key or a message. */
export function poly1305Wipe(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

/** Indices 0–15, then ones that swizzle to zero: read from byte 16 − t on, they take the last t bytes of a vector. */
const TAIL = memory.data<u8>(
  [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
  ],
  16,
);

/** The `count` (1 … 15) bytes before `end`, then zeros. Reads 16 bytes before `end` and none behind it. */
// @ts-ignore: decorator
@inline
export function paddedTail(end: usize, count: usize): v128 {
  return i8x16.swizzle(v128.load(end - 16), v128.load(TAIL + 16 - count));
}

/** All ones in the first `count` (0 … 15) bytes, then zeros. */
// @ts-ignore: decorator
@inline
export function headMask(count: usize): v128 {
  return i8x16.ge_s(v128.load(TAIL + 16 - count), i8x16.splat(0));
}

function wait(block: v128): void {
  v128.store(GROUP + waiting, block);
  waiting += 16;
  if (waiting == GROUP_BYTES) {
    poly1305Groups(GROUP, GROUP + 32, GROUP_BYTES, 1, groupBits, false);
    groupBits = ALL_WHOLE;
    waiting = 0;
  }
}

/** Keys into POWER_1 and PADS, their squares into PRODUCT's two lanes; the sum so far is 0. */
function startKeys(key: usize, otherKey: usize): void {
  const mask = v128.load(LOW_26_NARROW);
  const clamp = v128.load(CLAMP);
  const r = v128.and(v128.load(key), clamp);
  const other = v128.and(v128.load(otherKey), clamp);
  const w01 = v128.shuffle<i32>(r, other, 0, 4, 1, 5);
  const w23 = v128.shuffle<i32>(r, other, 2, 6, 3, 7);
  const w0 = v128.shuffle<i64>(w01, w01, 0, 0);
  const w1 = v128.shuffle<i64>(w01, w01, 1, 1);
  const w2 = v128.shuffle<i64>(w23, w23, 0, 0);
  const w3 = v128.shuffle<i64>(w23, w23, 1, 1);
  v128.store(POWER_1, v128.and(w0, mask));
  v128.store(POWER_1, limb(w0, w1, 26, mask), 16);
  v128.store(POWER_1, limb(w1, w2, 20, mask), 32);
  v128.store(POWER_1, limb(w2, w3, 14, mask), 48);
  v128.store(POWER_1, i32x4.shr_u(w3, 8), 64);
  scale(POWER_1);
  v128.store(PADS, v128.load(key, 16));
  v128.store(PADS, v128.load(otherKey, 16), 16);
  multiplyTwo(POWER_1, POWER_1);
  const zero = v128.xor(r, r);
  v128.store(SUM, zero);
  v128.store(SUM, zero, 16);
  v128.store(SUM, zero, 32);
  v128.store(SUM, zero, 48);
  v128.store(SUM, zero, 64);
}

/** The 26 bits that begin at bit `shift` of w and go on in the next word. */
// @ts-ignore: decorator
@inline
function limb(w: v128, next: v128, shift: i32, mask: v128): v128 {
  return v128.and(v128.or(i32x4.shr_u(w, shift), i32x4.shl(next, 32 - shift)), mask);
}

/** Completes a multiplier whose limbs are there. */
// @ts-ignore: decorator
@inline
function scale(multiplier: usize): void {
  const l1 = v128.load(multiplier, 16);
  const l2 = v128.load(multiplier, 32);
  const l3 = v128.load(multiplier, 48);
  const l4 = v128.load(multiplier, 64);
  v128.store(multiplier, i32x4.add(l1, i32x4.shl(l1, 2)), 80);
  v128.store(multiplier, i32x4.add(l2, i32x4.shl(l2, 2)), 96);
  v128.store(multiplier, i32x4.add(l3, i32x4.shl(l3, 2)), 112);
  v128.store(multiplier, i32x4.add(l4, i32x4.shl(l4, 2)), 128);
}

/** Lanes 0, 1 of limbs · multiplier into the two lanes of PRODUCT. */
function multiplyTwo(limbs: usize, multiplier: usize): void {
  const a0 = v128.load(limbs);
  const a1 = v128.load(limbs, 16);
  const a2 = v128.load(limbs, 32);
  const a3 = v128.load(limbs, 48);
  const a4 = v128.load(limbs, 64);
  multiplyLanes(false, a0, a1, a2, a3, a4, multiplier, v128.load(LOW_26));
}

/**
 * Lanes 0, 1 of a · multiplier into PRODUCT or (`high`) lanes 2, 3, packed with PRODUCT into SUM: schoolbook columns,
 * then one carry chain in two interleaved strands.
 */
// @ts-ignore: decorator
@inline
function multiplyLanes(
  high: bool,
  a0: v128,
  a1: v128,
  a2: v128,
  a3: v128,
  a4: v128,
  multiplier: usize,
  mask: v128,
): void {
  const r0 = v128.load(multiplier);
  const r1 = v128.load(multiplier, 16);
  const r2 = v128.load(multiplier, 32);
  const r3 = v128.load(multiplier, 48);
  const r4 = v128.load(multiplier, 64);
  const s1 = v128.load(multiplier, 80);
  const s2 = v128.load(multiplier, 96);
  const s3 = v128.load(multiplier, 112);
  const s4 = v128.load(multiplier, 128);
  let d0 = column(high, a0, r0, a1, s4, a2, s3, a3, s2, a4, s1);
  let d1 = column(high, a0, r1, a1, r0, a2, s4, a3, s3, a4, s2);
  let d2 = column(high, a0, r2, a1, r1, a2, r0, a3, s4, a4, s3);
  let d3 = column(high, a0, r3, a1, r2, a2, r1, a3, r0, a4, s4);
  let d4 = column(high, a0, r4, a1, r3, a2, r2, a3, r1, a4, r0);
  d1 = i64x2.add(d1, carry(d0));
  d4 = i64x2.add(d4, carry(d3));
  d2 = i64x2.add(d2, carry(d1));
  const wrapped = carry(d4);
  d0 = i64x2.add(v128.and(d0, mask), i64x2.add(wrapped, i64x2.shl(wrapped, 2)));
  d3 = i64x2.add(v128.and(d3, mask), carry(d2));
  d1 = i64x2.add(v128.and(d1, mask), carry(d0));
  d4 = i64x2.add(v128.and(d4, mask), carry(d3));
  if (high) {
    pack(0, v128.and(d0, mask));
    pack(16, d1);
    pack(32, v128.and(d2, mask));
    pack(48, v128.and(d3, mask));
    pack(64, d4);
  } else {
    v128.store(PRODUCT, v128.and(d0, mask));
    v128.store(PRODUCT, d1, 16);
    v128.store(PRODUCT, v128.and(d2, mask), 32);
    v128.store(PRODUCT, v128.and(d3, mask), 48);
    v128.store(PRODUCT, d4, 64);
  }
}

// @ts-ignore: decorator
@inline
function pack(at: usize, d: v128): void {
  v128.store(SUM + at, v128.shuffle<i32>(v128.load(PRODUCT + at), d, 0, 2, 4, 6));
}

// @ts-ignore: decorator
@inline
function column(
  high: bool,
  a: v128,
  p: v128,
  b: v128,
  q: v128,
  c: v128,
  r: v128,
  d: v128,
  s: v128,
  e: v128,
  t: v128,
): v128 {
  const ab = i64x2.add(product(high, a, p), product(high, b, q));
  const cd = i64x2.add(product(high, c, r), product(high, d, s));
  return i64x2.add(i64x2.add(ab, cd), product(high, e, t));
}

// @ts-ignore: decorator
@inline
function product(high: bool, a: v128, b: v128): v128 {
  return high ? i64x2.extmul_high_i32x4_u(a, b) : i64x2.extmul_low_i32x4_u(a, b);
}

// @ts-ignore: decorator
@inline
function carry(d: v128): v128 {
  return i64x2.shr_u(d, 26);
}

/**
 * Adds SUM's lanes 0 + 1 and 2 + 3, reduces both mod p, adds the pads mod 2^128 and writes the two tags.
 * The sums' limbs are < 2^28.1. The first pass leaves all limbs < 2^26 but limb 0, which the wrap may lift by 5 · 4;
 * the second wraps only if the value passed 2^130, and then limb 0 is so small that it cannot carry again.
 */
function finishLanes(tag: usize, otherTag: usize): void {
  const mask = v128.load(LOW_26);
  let h0 = lanePairs(0);
  let h1 = lanePairs(16);
  let h2 = lanePairs(32);
  let h3 = lanePairs(48);
  let h4 = lanePairs(64);
  for (let pass = 0; pass < 2; pass++) {
    h1 = i64x2.add(h1, carry(h0));
    h2 = i64x2.add(h2, carry(h1));
    h3 = i64x2.add(h3, carry(h2));
    h4 = i64x2.add(h4, carry(h3));
    const wrapped = carry(h4);
    h0 = i64x2.add(v128.and(h0, mask), i64x2.add(wrapped, i64x2.shl(wrapped, 2)));
    h1 = v128.and(h1, mask);
    h2 = v128.and(h2, mask);
    h3 = v128.and(h3, mask);
    h4 = v128.and(h4, mask);
  }
  // g = h + 5 − 2^130 is negative exactly where h < p: there h stays, elsewhere g is taken, by mask.
  const g0 = i64x2.add(h0, i64x2.splat(5));
  const g1 = i64x2.add(h1, carry(g0));
  const g2 = i64x2.add(h2, carry(g1));
  const g3 = i64x2.add(h3, carry(g2));
  const g4 = i64x2.sub(i64x2.add(h4, carry(g3)), i64x2.splat(0x4000000));
  const below = i64x2.shr_s(g4, 63);
  h0 = v128.bitselect(h0, v128.and(g0, mask), below);
  h1 = v128.bitselect(h1, v128.and(g1, mask), below);
  h2 = v128.bitselect(h2, v128.and(g2, mask), below);
  h3 = v128.bitselect(h3, v128.and(g3, mask), below);
  h4 = v128.bitselect(h4, v128.and(g4, mask), below);
  const first = v128.or(v128.or(h0, i64x2.shl(h1, 26)), i64x2.shl(h2, 52));
  const second = v128.or(v128.or(i64x2.shr_u(h2, 12), i64x2.shl(h3, 14)), i64x2.shl(h4, 40));
  addPad(tag, i64x2.extract_lane(first, 0), i64x2.extract_lane(second, 0), PADS);
  addPad(otherTag, i64x2.extract_lane(first, 1), i64x2.extract_lane(second, 1), PADS + 16);
}

/** Lanes 0 + 1 and 2 + 3 of a limb of SUM, as 64-bit lanes. */
// @ts-ignore: decorator
@inline
function lanePairs(limb: usize): v128 {
  const lanes = v128.load(SUM + limb);
  return v128.and(i32x4.add(lanes, v128.shuffle<i32>(lanes, lanes, 1, 0, 3, 2)), v128.load(LOW_32));
}

// @ts-ignore: decorator
@inline
function addPad(tag: usize, first: u64, second: u64, pad: usize): void {
  const low = first + load<u64>(pad);
  store<u64>(tag, low);
  store<u64>(tag, second + load<u64>(pad, 8) + u64(low < first), 8);
}
