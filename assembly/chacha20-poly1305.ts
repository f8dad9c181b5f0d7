/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) over a batch: seal, open, verify and fused re-encryption of the rows that
 * descriptor.ts describes. Texts of 0 bytes to 16 MiB, so the 32-bit block counter never overflows.
 *
 * Fused re-encryption: c' = c ⊕ (keystream(old) ⊕ keystream(new)). Both keystreams come out of the same four-block
 * call, lanes (old, new, old, new), and are XORed in registers before anything is stored (chacha20FoldedBlocks). What
 * reaches memory is ciphertext and the folded keystream, which is c ⊕ c' and tells nothing about the plaintext; only
 * block 0, the one-time keys, is stored as it is. So no plaintext byte and no keystream that would give one is ever
 * stored, and a record is changed only after its old tag matched. What the compiler spills to the machine's own stack
 * is out of a WebAssembly program's reach.
 *
 * No branch and no address depends on a key, a keystream, a text or a tag, but for the outcome of the tag check, which
 * the status publishes. Each kernel zeroes its scratch before it returns.
 */
import {
  AAD,
  AAD_LENGTH,
  DONE,
  KEY,
  LENGTH,
  NEW_AAD,
  NEW_AAD_LENGTH,
  NEW_KEY,
  NEW_NONCE,
  NONCE_BYTES,
  PENDING,
  ROW_BYTES,
  STATUS,
  TAG_BYTES,
  TAG_MISMATCH,
  TEXT,
} from "./descriptor";
import { BLOCK_BYTES, chacha20Blocks, chacha20FoldedBlocks, chacha20SetLane, chacha20Wipe } from "./chacha20";
import {
  headMask,
  paddedTail,
  poly1305Absorb,
  poly1305Finish,
  poly1305FinishPair,
  poly1305Groups,
  poly1305PairBits,
  poly1305Start,
  poly1305StartPair,
  poly1305Wipe,
} from "./poly1305";

/** Bytes of a key context: the key as it is, for ChaCha20 has no key schedule. */
export const chacha20Poly1305KeyBytes: usize = 32;

/** Four blocks of ChaCha20. */
const STREAM_BYTES: usize = 256;
const STREAM = memory.data(256, 16);
/** From one pair of blocks to the next in STREAM. */
const PAIR_BYTES: usize = 128;
/** One-time keys of a record, old and new, where they must outlive STREAM. */
const ONE_TIME_BYTES: usize = 64;
const ONE_TIME = memory.data(64, 16);
/** One-time keys of the next row, made in a lane that this row had left over. */
const CARRIED = memory.data(64, 16);
const TAGS = memory.data(32, 16);

/** Both Poly1305 messages of a fused record. Longer records gain nothing from it and go another way. */
const STAGE_BYTES: usize = 2048;
const OLD_STAGE = memory.data(2048, 16);
const NEW_STAGE = memory.data(2048, 16);

/** Which pairs of lanes chacha20FoldedBlocks folds: entry 1 the first, 2 the second, 3 both. */
const FOLD = memory.data<i32>([0, 0, 0, 0, -1, -1, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1], 16);

/**
 * Makes `count` key contexts of `chacha20Poly1305KeyBytes` each at `contexts` from as many 32-byte keys at `keys`, any
 * alignment. Whoever owns them wipes them.
 */
export function chacha20Poly1305ExpandKeys(keys: usize, count: u32, contexts: usize): void {
  // A context is the key itself, where vectors can be loaded from.
  memory.copy(contexts, keys, usize(count) * chacha20Poly1305KeyBytes);
}

/** Seals the pending rows. */
export function chacha20Poly1305Seal(rows: usize, count: u32): void {
  for (const end = rows + usize(count) * ROW_BYTES; rows < end; rows += ROW_BYTES) {
    if (load<u32>(rows, STATUS) != PENDING) continue;
    const text = load<usize>(rows, TEXT);
    const length = load<usize>(rows, LENGTH);
    firstBlocks(rows);
    poly1305Start(STREAM, macBlocks(load<usize>(rows, AAD_LENGTH), length));
    poly1305Absorb(load<usize>(rows, AAD), load<usize>(rows, AAD_LENGTH));
    applyStream(rows, true);
    poly1305Finish(text + length, load<usize>(rows, AAD_LENGTH), length);
    store<u32>(rows, DONE, STATUS);
  }
  chacha20Poly1305Wipe();
}

/** Opens the pending rows whose tag matches; the others stay as they are, TAG_MISMATCH. */
export function chacha20Poly1305Open(rows: usize, count: u32): void {
  for (const end = rows + usize(count) * ROW_BYTES; rows < end; rows += ROW_BYTES) {
    if (load<u32>(rows, STATUS) != PENDING) continue;
    firstBlocks(rows);
    const matches = tagMatches(rows, STREAM);
    if (matches) applyStream(rows, false);
    store<u32>(rows, matches ? DONE : TAG_MISMATCH, STATUS);
  }
  chacha20Poly1305Wipe();
}

/** Checks the pending rows' tags and changes nothing but their status. Four rows' one-time keys come from one call. */
export function chacha20Poly1305Verify(rows: usize, count: u32): void {
  const end = rows + usize(count) * ROW_BYTES;
  for (; rows < end; rows += 4 * ROW_BYTES) {
    const lanes = min<usize>(4, (end - rows) / ROW_BYTES);
    let pending = 0;
    for (let lane: usize = 0; lane < lanes; lane++) {
      const row = rows + lane * ROW_BYTES;
      if (load<u32>(row, STATUS) != PENDING) continue;
      chacha20SetLane(lane, load<usize>(row, KEY), load<usize>(row, TEXT) - NONCE_BYTES, 0);
      pending++;
    }
    if (pending == 0) continue;
    chacha20Blocks(STREAM);
    for (let lane: usize = 0; lane < lanes; lane++) {
      const row = rows + lane * ROW_BYTES;
      if (load<u32>(row, STATUS) != PENDING) continue;
      store<u32>(row, tagMatches(row, STREAM + lane * BLOCK_BYTES) ? DONE : TAG_MISMATCH, STATUS);
    }
  }
  chacha20Poly1305Wipe();
}

/** Moves the pending rows whose old tag matches to their new key, AAD and nonce; the others stay, TAG_MISMATCH. */
export function chacha20Poly1305Reencrypt(rows: usize, count: u32): void {
  let carried = false;
  for (const end = rows + usize(count) * ROW_BYTES; rows < end; rows += ROW_BYTES) {
    if (load<u32>(rows, STATUS) != PENDING) continue;
    const following = rows + ROW_BYTES;
    const next = following < end && load<u32>(following, STATUS) == PENDING ? following : 0;
    if (carried) takeCarried();
    carried = fits(rows) ? reencryptStaged(rows, next, carried) : reencryptInPlace(rows, carried);
  }
  chacha20Poly1305Wipe();
}

/**
 * Gives a record whose text the host has moved to NEW_KEY and the new nonce already that nonce and its tag under the new
 * AAD, and marks it done.
 */
export function chacha20Poly1305Retag(row: usize): void {
  const text = load<usize>(row, TEXT);
  const length = load<usize>(row, LENGTH);
  const aadLength = load<usize>(row, NEW_AAD_LENGTH);
  for (let lane: u32 = 0; lane < 4; lane++) {
    chacha20SetLane(lane, load<usize>(row, NEW_KEY), load<usize>(row, NEW_NONCE), 0);
  }
  chacha20Blocks(STREAM);
  poly1305Start(STREAM, macBlocks(aadLength, length));
  poly1305Absorb(load<usize>(row, NEW_AAD), aadLength);
  poly1305Absorb(text, length);
  poly1305Finish(TAGS + TAG_BYTES, aadLength, length);
  finishRow(row, text, length);
  chacha20Poly1305Wipe();
}

/** Zeroes all scratch: keys, keystreams, one-time keys. The kernels do so themselves before they return. */
export function chacha20Poly1305Wipe(): void {
  chacha20Wipe();
  poly1305Wipe();
  memory.fill(STREAM, 0, STREAM_BYTES);
  memory.fill(ONE_TIME, 0, ONE_TIME_BYTES);
  memory.fill(CARRIED, 0, ONE_TIME_BYTES);
  memory.fill(TAGS, 0, 2 * TAG_BYTES);
  memory.fill(OLD_STAGE, 0, STAGE_BYTES);
  memory.fill(NEW_STAGE, 0, STAGE_BYTES);
}

/** Blocks of `length` bytes padded with zeros. */
// @ts-ignore: decorator
@inline
function paddedBlocks(length: usize): usize {
  return (length + 15) / 16;
}

/** Blocks of the Poly1305 message: AAD, text, and their lengths. */
// @ts-ignore: decorator
@inline
export function macBlocks(aadLength: usize, length: usize): usize {
  return paddedBlocks(aadLength) + paddedBlocks(length) + 1;
}

/** Blocks 0–3 under the row's key into STREAM: the one-time key, and the keystream of the first 192 bytes. */
function firstBlocks(row: usize): void {
  setLanes(row, 0);
  chacha20Blocks(STREAM);
}

/** The four lanes: the row's key, blocks `counter` and the three after it. */
function setLanes(row: usize, counter: u32): void {
  const key = load<usize>(row, KEY);
  const nonce = load<usize>(row, TEXT) - NONCE_BYTES;
  for (let lane: u32 = 0; lane < 4; lane++) chacha20SetLane(lane, key, nonce, counter + lane);
}

/** Whether the row's tag is right for its text as it stands, given its one-time key. */
export function tagMatches(row: usize, oneTimeKey: usize): bool {
  const text = load<usize>(row, TEXT);
  const length = load<usize>(row, LENGTH);
  const aadLength = load<usize>(row, AAD_LENGTH);
  poly1305Start(oneTimeKey, macBlocks(aadLength, length));
  poly1305Absorb(load<usize>(row, AAD), aadLength);
  poly1305Absorb(text, length);
  poly1305Finish(TAGS, aadLength, length);
  return sameTag(TAGS, text + length);
}

/** Compares whole tags at once; only the outcome is branched on. */
// @ts-ignore: decorator
@inline
function sameTag(a: usize, b: usize): bool {
  return !v128.any_true(v128.xor(v128.load(a), v128.load(b)));
}

/** XORs the row's text with its keystream, whose first 192 bytes firstBlocks made; absorbs what comes out if asked. */
function applyStream(row: usize, absorb: bool): void {
  let text = load<usize>(row, TEXT);
  let left = load<usize>(row, LENGTH);
  let stream = STREAM + BLOCK_BYTES;
  let room = STREAM_BYTES - BLOCK_BYTES;
  let counter: u32 = 0;
  while (left != 0) {
    const part = min(left, room);
    xorText(text, stream, part);
    if (absorb) poly1305Absorb(text, part);
    text += part;
    left -= part;
    if (left == 0) break;
    counter += 4;
    setLanes(row, counter);
    chacha20Blocks(STREAM);
    stream = STREAM;
    room = STREAM_BYTES;
  }
}

/** text ^= stream. Whole vectors are stored: past a short end the tag's bytes are written back as they are. */
// @ts-ignore: decorator
@inline
function xorText(text: usize, stream: usize, length: usize): void {
  const whole = length & ~15;
  let at: usize = 0;
  for (; at < whole; at += 16) v128.store(text + at, v128.xor(v128.load(text + at), v128.load(stream + at)));
  const tail = length & 15;
  if (tail == 0) return;
  v128.store(text + at, v128.xor(v128.load(text + at), v128.and(v128.load(stream + at), headMask(tail))));
}

/** Whether both Poly1305 messages of a row fit in their stages and are equally long, as a pair must be. */
// @ts-ignore: decorator
@inline
function fits(row: usize): bool {
  const aadBlocks = paddedBlocks(load<usize>(row, AAD_LENGTH));
  if (aadBlocks != paddedBlocks(load<usize>(row, NEW_AAD_LENGTH))) return false;
  // One more for an empty first block. Each term is bounded first, so that no sum can wrap.
  const textBlocks = paddedBlocks(load<usize>(row, LENGTH));
  const room = STAGE_BYTES / 16;
  return aadBlocks < room && textBlocks < room && aadBlocks + textBlocks + 2 <= room;
}

/** A pair of lanes: the row's block `counter` under the old and under the new key. */
// @ts-ignore: decorator
@inline
function setPair(lane: usize, row: usize, counter: u32): void {
  chacha20SetLane(lane, load<usize>(row, KEY), load<usize>(row, TEXT) - NONCE_BYTES, counter);
  chacha20SetLane(lane + 1, load<usize>(row, NEW_KEY), load<usize>(row, NEW_NONCE), counter);
}

/** Two pairs of blocks into STREAM. All are folded but blocks 0, whose one-time keys are needed apart. */
// @ts-ignore: decorator
@inline
function pairBlocks(foldFirst: bool, foldSecond: bool): void {
  chacha20FoldedBlocks(STREAM, FOLD + (usize(foldFirst) + usize(foldSecond) * 2) * 16);
}

/** Keeps the one-time keys of a pair of blocks 0. */
// @ts-ignore: decorator
@inline
function keepOneTimeKeys(to: usize, blocks: usize): void {
  v128.store(to, v128.load(blocks));
  v128.store(to, v128.load(blocks, 16), 16);
  v128.store(to, v128.load(blocks, 64), 32);
  v128.store(to, v128.load(blocks, 80), 48);
}

// @ts-ignore: decorator
@inline
function takeCarried(): void {
  for (let at: usize = 0; at < ONE_TIME_BYTES; at += 16) v128.store(ONE_TIME + at, v128.load(CARRIED + at));
}

/**
 * Re-encrypts a record whose messages fit in the stages: old and new ciphertext are built there, authenticated side by
 * side, and the new one is copied to the record only if the old tag matched.
 * @param next - the next row if it is pending, else 0: a pair of lanes that this one leaves over makes its block 0.
 * @param carried - this row's one-time keys were made so.
 * @returns whether the next row's were.
 */
function reencryptStaged(row: usize, next: usize, carried: bool): bool {
  const text = load<usize>(row, TEXT);
  const length = load<usize>(row, LENGTH);
  const aadLength = load<usize>(row, AAD_LENGTH);
  const newAadLength = load<usize>(row, NEW_AAD_LENGTH);
  const empty = macBlocks(aadLength, length) & 1;
  v128.store(OLD_STAGE, i64x2.splat(0));
  v128.store(NEW_STAGE, i64x2.splat(0));
  let staged = empty * 16;
  stagePadded(OLD_STAGE + staged, load<usize>(row, AAD), aadLength);
  stagePadded(NEW_STAGE + staged, load<usize>(row, NEW_AAD), newAadLength);
  staged += paddedBlocks(aadLength) * 16;
  const textAt = staged;

  const blocks: u32 = 1 + u32((length + BLOCK_BYTES - 1) / BLOCK_BYTES);
  let carriesOn = false;
  for (let block: u32 = carried ? 1 : 0; block < blocks; block += 2) {
    const both = block + 1 < blocks;
    setPair(0, row, block);
    if (both) setPair(2, row, block + 1);
    else if (next != 0) setPair(2, next, 0);
    // Unless it is the next row's block 0, the second pair is a text block or left from before: folded in any case.
    pairBlocks(block != 0, both || next == 0);
    if (block == 0) keepOneTimeKeys(ONE_TIME, STREAM);
    else stageText(staged, text, length, block, STREAM);
    if (both) {
      stageText(staged, text, length, block + 1, STREAM + PAIR_BYTES);
    } else if (next != 0) {
      keepOneTimeKeys(CARRIED, STREAM + PAIR_BYTES);
      carriesOn = true;
    }
  }
  staged += paddedBlocks(length) * 16;
  store<u64>(OLD_STAGE + staged, aadLength);
  store<u64>(OLD_STAGE + staged, length, 8);
  store<u64>(NEW_STAGE + staged, newAadLength);
  store<u64>(NEW_STAGE + staged, length, 8);

  poly1305StartPair(ONE_TIME, ONE_TIME + 32);
  const firstBits = poly1305PairBits(empty != 0);
  const steps = staged / 32;
  poly1305Groups(OLD_STAGE, NEW_STAGE, 32, steps, firstBits, false);
  const lastBits = steps == 0 ? firstBits : poly1305PairBits(false);
  poly1305Groups(OLD_STAGE + 32 * steps, NEW_STAGE + 32 * steps, 32, 1, lastBits, true);
  poly1305FinishPair(TAGS, TAGS + TAG_BYTES);
  if (!sameTag(TAGS, text + length)) {
    store<u32>(row, TAG_MISMATCH, STATUS);
    return carriesOn;
  }
  for (let at: usize = 0; at < length; at += 16) v128.store(text + at, v128.load(NEW_STAGE + textAt + at));
  finishRow(row, text, length);
  return carriesOn;
}

/** The new tag from TAGS (over what a last whole vector wrote past the text), the new nonce, and the status. */
// @ts-ignore: decorator
@inline
function finishRow(row: usize, text: usize, length: usize): void {
  v128.store(text + length, v128.load(TAGS + TAG_BYTES));
  const nonce = load<usize>(row, NEW_NONCE);
  store<u64>(text - NONCE_BYTES, load<u64>(nonce));
  store<u32>(text - NONCE_BYTES + 8, load<u32>(nonce, 8));
  store<u32>(row, DONE, STATUS);
}

/** Copies `length` bytes to a stage, padded with zeros to whole blocks. */
// @ts-ignore: decorator
@inline
function stagePadded(to: usize, from: usize, length: usize): void {
  const whole = length & ~15;
  let at: usize = 0;
  for (; at < whole; at += 16) v128.store(to + at, v128.load(from + at));
  if ((length & 15) != 0) v128.store(to + at, paddedTail(from + length, length & 15));
}

/** Puts text block `block` (1, 2, …) into the old stage as it is and into the new one XORed with the folded stream. */
// @ts-ignore: decorator
@inline
function stageText(staged: usize, text: usize, length: usize, block: u32, stream: usize): void {
  const begin = usize(block - 1) * BLOCK_BYTES;
  const part = min(BLOCK_BYTES, length - begin);
  const from = text + begin;
  const to = staged + begin;
  const whole = part & ~15;
  let at: usize = 0;
  for (; at < whole; at += 16) {
    const ciphertext = v128.load(from + at);
    v128.store(OLD_STAGE + to + at, ciphertext);
    v128.store(NEW_STAGE + to + at, v128.xor(ciphertext, v128.load(stream + at)));
  }
  const tail = part & 15;
  if (tail == 0) return;
  const ciphertext = paddedTail(from + part, tail);
  v128.store(OLD_STAGE + to + at, ciphertext);
  v128.store(NEW_STAGE + to + at, v128.xor(ciphertext, v128.and(v128.load(stream + at), headMask(tail))));
}

/**
 * Re-encrypts a record of any size where it lies: first the old tag is checked over the whole of it, then it is XORed
 * with the folded keystream, two blocks a call, and absorbed into the new tag.
 * @param carried - its one-time keys are in ONE_TIME already.
 * @returns false: it makes nothing for the next row.
 */
function reencryptInPlace(row: usize, carried: bool): bool {
  if (!carried) {
    setPair(0, row, 0);
    pairBlocks(false, true); // the second pair is whatever lay there: it must not come out unfolded
    keepOneTimeKeys(ONE_TIME, STREAM);
  }
  if (!tagMatches(row, ONE_TIME)) {
    store<u32>(row, TAG_MISMATCH, STATUS);
    return false;
  }
  const text = load<usize>(row, TEXT);
  const length = load<usize>(row, LENGTH);
  const aadLength = load<usize>(row, NEW_AAD_LENGTH);
  poly1305Start(ONE_TIME + 32, macBlocks(aadLength, length));
  poly1305Absorb(load<usize>(row, NEW_AAD), aadLength);
  let block: u32 = 1;
  for (let at: usize = 0; at < length; at += PAIR_BYTES, block += 2) {
    setPair(0, row, block);
    setPair(2, row, block + 1);
    pairBlocks(true, true);
    const part = min(PAIR_BYTES, length - at);
    xorText(text + at, STREAM, min(BLOCK_BYTES, part));
    if (part > BLOCK_BYTES) xorText(text + at + BLOCK_BYTES, STREAM + PAIR_BYTES, part - BLOCK_BYTES);
    poly1305Absorb(text + at, part);
  }
  poly1305Finish(TAGS + TAG_BYTES, aadLength, length);
  finishRow(row, text, length);
  return false;
}
