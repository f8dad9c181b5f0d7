/**
 * BLAKE2b with 32 bytes of output and no key (RFC 7693) of two messages at a time: lane l of every v128 belongs to
 * message l.
 *
 *   word i of state, work vector or block   | message 0 | message 1 |   (u64 each)
 *
 * Messages of a pair may differ in length. The pair runs as long as its longer message; a lane that has finished keeps
 * its state through v128.bitselect. Lengths and addresses are public and steer the program, contents never do; all that
 * is derived from a message lies in static scratch, which is zero again when blake2b256Batch returns.
 */

const BLOCK_BYTES: u32 = 128;
const DIGEST_BYTES: u32 = 32;
const ROUNDS: u32 = 12;

/** One row of blake2b256Batch, three little-endian u32 words: address and length of a message, where its digest goes. */
const MESSAGE: usize = 0;
const LENGTH: usize = 4;
const OUT: usize = 8;
const ROW: usize = 12;

/** RFC 7693 §2.6: the initial values of SHA-512. */
// prettier-ignore
const IV: usize = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);

/** RFC 7693 §2.7: which words of the block the rounds take; rounds 10 and 11 are rounds 0 and 1 again. */
// prettier-ignore
const SIGMA: usize = memory.data<u8>([
   0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,
  14, 10,  4,  8,  9, 15, 13,  6,  1, 12,  0,  2, 11,  7,  5,  3,
  11,  8, 12,  0,  5,  2, 15, 13, 10, 14,  3,  6,  7,  1,  9,  4,
   7,  9,  3,  1, 13, 12, 11, 14,  2,  6,  5, 10,  4,  0, 15,  8,
   9,  0,  5,  7,  2,  4, 10, 15, 14,  1, 11, 12,  6,  8,  3, 13,
   2, 12,  6, 10,  0, 11,  8,  3,  4, 13,  7,  5, 15, 14,  1,  9,
  12,  5,  1, 15, 14, 13,  4, 10,  0,  7,  6,  3,  9,  2,  8, 11,
  13, 11,  7, 14, 12,  1,  3,  9,  5,  0, 15,  4,  8,  6,  2, 10,
   6, 15, 14,  9, 11,  3,  0,  8, 12,  2, 13,  7,  1,  4, 10,  5,
  10,  2,  8,  4,  7,  6,  1,  5, 15, 11,  9, 14,  3, 12, 13,  0,
   0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,
  14, 10,  4,  8,  9, 15, 13,  6,  1, 12,  0,  2, 11,  7,  5,  3,
]);

// Scratch, in one piece so that one fill wipes it: state h (8 v128), work vector v (16), block m (16), the lanes' bytes.
const SCRATCH_BYTES: i32 = 128 + 256 + 256 + 256;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
const H: usize = SCRATCH;
const V: usize = SCRATCH + 128;
const M: usize = SCRATCH + 384;
const BLOCKS: usize = SCRATCH + 640;

/** BLAKE2b-256 of `count` messages by their rows. */
export function blake2b256Batch(rows: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i += 2) {
    const first = rows + <usize>i * ROW;
    // An odd one out is hashed twice, to the same place.
    hashPair(first, i + 1 < count ? first + ROW : first);
  }
  blake2bWipe();
}

/** Zeroes the scratch. */
export function blake2bWipe(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
}

function hashPair(a: usize, b: usize): void {
  // RFC 7693 §2.5: no key, fan-out and depth 1.
  for (let i: usize = 0; i < 8; i++) v128.store(H + (i << 4), v128.load64_splat(IV + (i << 3)));
  v128.store(H, v128.xor(v128.load(H), i64x2.splat(0x01010000 ^ (<i64>DIGEST_BYTES))));
  const blocks = max(blocksOf(a), blocksOf(b));
  for (let block: u32 = 0; block < blocks; block++) {
    fillBlock(a, block, BLOCKS);
    fillBlock(b, block, BLOCKS + <usize>BLOCK_BYTES);
    for (let i: usize = 0; i < 16; i++) {
      const words = v128.load64_splat(BLOCKS + (i << 3));
      v128.store(M + (i << 4), v128.load64_lane(BLOCKS + <usize>BLOCK_BYTES + (i << 3), words, 1));
    }
    compress(
      i64x2.replace_lane(i64x2.splat(<i64>counter(a, block)), 1, <i64>counter(b, block)),
      lanes(block + 1 >= blocksOf(a), block + 1 >= blocksOf(b)),
      lanes(block < blocksOf(a), block < blocksOf(b)),
    );
  }
  writeDigest(a, 0);
  writeDigest(b, 8);
}

/** At least one: the empty message is a block of zeros. */
// @ts-ignore: decorator
@inline
function blocksOf(row: usize): u32 {
  const length = load<u32>(row, LENGTH);
  return length == 0 ? 1 : (length + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/** Bytes of the message up to the end of a block. */
// @ts-ignore: decorator
@inline
function counter(row: usize, block: u32): u32 {
  return min(load<u32>(row, LENGTH), (block + 1) * BLOCK_BYTES);
}

/** All bits of a lane that is chosen, none of others. */
// @ts-ignore: decorator
@inline
function lanes(first: bool, second: bool): v128 {
  return i64x2.replace_lane(i64x2.splat(-(<i64>first)), 1, -(<i64>second));
}

/**
 * The bytes of a block, with zeros behind the message's end. Of a block that it does not have, the place may be behind the
 * memory, where memory.copy traps even if it is to copy nothing.
 */
function fillBlock(row: usize, block: u32, to: usize): void {
  const from = block * BLOCK_BYTES;
  const length = load<u32>(row, LENGTH);
  const size = from < length ? min(length - from, BLOCK_BYTES) : 0;
  if (size > 0) memory.copy(to, <usize>load<u32>(row, MESSAGE) + <usize>from, size);
  memory.fill(to + <usize>size, 0, <usize>(BLOCK_BYTES - size));
}

/** RFC 7693 §3.2, for the lanes that are active. */
function compress(bytes: v128, last: v128, active: v128): void {
  for (let i: usize = 0; i < 8; i++) {
    v128.store(V + (i << 4), v128.load(H + (i << 4)));
    v128.store(V + ((i + 8) << 4), v128.load64_splat(IV + (i << 3)));
  }
  v128.store(V, v128.xor(v128.load(V, 12 * 16), bytes), 12 * 16);
  v128.store(V, v128.xor(v128.load(V, 14 * 16), last), 14 * 16);
  for (let round: u32 = 0; round < ROUNDS; round++) {
    const sigma = SIGMA + <usize>(round << 4);
    mix(0, 4, 8, 12, sigma, 0);
    mix(1, 5, 9, 13, sigma, 2);
    mix(2, 6, 10, 14, sigma, 4);
    mix(3, 7, 11, 15, sigma, 6);
    mix(0, 5, 10, 15, sigma, 8);
    mix(1, 6, 11, 12, sigma, 10);
    mix(2, 7, 8, 13, sigma, 12);
    mix(3, 4, 9, 14, sigma, 14);
  }
  for (let i: usize = 0; i < 8; i++) {
    const h = v128.load(H + (i << 4));
    const next = v128.xor(h, v128.xor(v128.load(V + (i << 4)), v128.load(V + ((i + 8) << 4))));
    v128.store(H + (i << 4), v128.bitselect(next, h, active));
  }
}

/** G of RFC 7693 §3.1 on words a, b, c, d of the work vector. */
// @ts-ignore: decorator
@inline
function mix(a: usize, b: usize, c: usize, d: usize, sigma: usize, place: usize): void {
  let va = v128.load(V + (a << 4));
  let vb = v128.load(V + (b << 4));
  let vc = v128.load(V + (c << 4));
  let vd = v128.load(V + (d << 4));
  va = i64x2.add(i64x2.add(va, vb), v128.load(M + ((<usize>load<u8>(sigma + place)) << 4)));
  vd = v128.xor(vd, va);
  // To the right by 32, 24, 16 bits: bytes change places; by 63: to the left by one.
  vd = i8x16.shuffle(vd, vd, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  vc = i64x2.add(vc, vd);
  vb = v128.xor(vb, vc);
  vb = i8x16.shuffle(vb, vb, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
  va = i64x2.add(i64x2.add(va, vb), v128.load(M + ((<usize>load<u8>(sigma + place + 1)) << 4)));
  vd = v128.xor(vd, va);
  vd = i8x16.shuffle(vd, vd, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
  vc = i64x2.add(vc, vd);
  vb = v128.xor(vb, vc);
  vb = v128.or(i64x2.add(vb, vb), i64x2.shr_u(vb, 63));
  v128.store(V + (a << 4), va);
  v128.store(V + (b << 4), vb);
  v128.store(V + (c << 4), vc);
  v128.store(V + (d << 4), vd);
}

/** The first half of a lane's state. */
function writeDigest(row: usize, lane: usize): void {
  const out = <usize>load<u32>(row, OUT);
  for (let i: usize = 0; i < 4; i++) store<u64>(out + (i << 3), load<u64>(H + (i << 4) + lane));
}
