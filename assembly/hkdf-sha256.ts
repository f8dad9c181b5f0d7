/**
 * HKDF-SHA-256 (RFC 5869), extract and expand, of four derivations at a time.
 *
 *   PRK  = HMAC(salt, IKM)                       §2.2; an empty salt is 32 zero bytes, which HMAC pads to the same
 *   T(i) = HMAC(PRK, T(i−1) ‖ info ‖ i)          §2.3; output = T(1) ‖ T(2) ‖ …, cut
 *
 * Derivations of a group may differ in every length; a lane whose output is complete takes no further part. A contract
 * key (no salt, 32 bytes of IKM, 64 of info, 32 of output) costs seven blocks: two for PRK, two for its states in HMAC,
 * three for T(1). PRK goes from one HMAC to the next without leaving SHA-256's lanes.
 *
 * Secrets lie in static scratch while a group runs; hkdfSha256Batch zeroes it before it returns. Lengths are public.
 */
import { authenticate, setKeys, setKeysToTags, wipeHmacSha256 } from "./hmac-sha256";
import { DIGEST_BYTES, LANES, addPiece, beginGroup, beginLane, copyBytes, storeDigest } from "./sha256";

/** One row of hkdfSha256Batch, eight little-endian u32 words: addresses and lengths in bytes. */
const IKM: usize = 0;
const IKM_LENGTH: usize = 4;
const SALT: usize = 8;
const SALT_LENGTH: usize = 12;
const INFO: usize = 16;
const INFO_LENGTH: usize = 20;
const OUT: usize = 24;
const OUT_LENGTH: usize = 28;
const ROW: usize = 32;

/** RFC 5869 §2.3: the counter is one byte. */
const OUT_LENGTH_MAX: u32 = 255 * 32;

// Scratch, in one piece so that one fill wipes it.
const SCRATCH_BYTES: i32 = 48;
const SCRATCH: usize = memory.data(SCRATCH_BYTES, 16);
/** T(i) of the lane whose output ends within it. */
const LAST_T: usize = SCRATCH;
/** The counter byte i, the same in all lanes. */
const COUNTER: usize = SCRATCH + 32;

/**
 * Derives `count` outputs.
 * @param rows - count × {ikm, ikmLength, salt, saltLength, info, infoLength, out, outLength}, each a little-endian
 * u32; `out` receives outLength ≤ 255·32 bytes and must not overlap an input of the batch. A longer output would
 * repeat its counter: it traps before anything is read or written.
 */
export function hkdfSha256Batch(rows: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(rows + <usize>i * ROW, OUT_LENGTH) > OUT_LENGTH_MAX) unreachable();
  }
  for (let first: u32 = 0; first < count; first += LANES) {
    const group = rows + <usize>first * ROW;
    const lanes = min(LANES, count - first);
    extract(group, lanes);
    expand(group, lanes);
  }
  kdfWipe();
}

/**
 * Zeroes the scratch of SHA-256, HMAC and HKDF. Each batch call does so itself before it returns; this is for a host
 * whose call trapped half way (an address outside memory).
 */
export function kdfWipe(): void {
  memory.fill(SCRATCH, 0, SCRATCH_BYTES);
  wipeHmacSha256();
}

/** Makes each lane's PRK its HMAC key. */
function extract(group: usize, lanes: u32): void {
  setKeys(group + SALT, group + SALT_LENGTH, ROW, lanes);
  beginGroup();
  for (let lane: u32 = 0; lane < lanes; lane++) {
    const row = group + <usize>lane * ROW;
    beginLane(lane);
    addPiece(lane, load<u32>(row, IKM), load<u32>(row, IKM_LENGTH));
  }
  authenticate();
  setKeysToTags();
}

/** The outputs, under the keys that extract has set. */
function expand(group: usize, lanes: u32): void {
  let longest: u32 = 0;
  for (let lane: u32 = 0; lane < lanes; lane++) {
    longest = max(longest, load<u32>(group + <usize>lane * ROW, OUT_LENGTH));
  }
  for (let done: u32 = 0; done < longest; done += <u32>DIGEST_BYTES) {
    store<u8>(COUNTER, <u8>(done / <u32>DIGEST_BYTES + 1));
    beginGroup();
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const row = group + <usize>lane * ROW;
      if (load<u32>(row, OUT_LENGTH) <= done) continue;
      beginLane(lane);
      // T(i−1) is what the last turn wrote.
      if (done > 0) addPiece(lane, <usize>load<u32>(row, OUT) + done - DIGEST_BYTES, <u32>DIGEST_BYTES);
      addPiece(lane, load<u32>(row, INFO), load<u32>(row, INFO_LENGTH));
      addPiece(lane, COUNTER, 1);
    }
    authenticate();
    for (let lane: u32 = 0; lane < lanes; lane++) {
      const row = group + <usize>lane * ROW;
      const length = load<u32>(row, OUT_LENGTH);
      if (length > done) storeOutput(lane, <usize>load<u32>(row, OUT) + done, length - done);
    }
  }
}

/** Writes a lane's T(i), cut to the `wanted` bytes that its output still lacks. */
function storeOutput(lane: u32, out: usize, wanted: u32): void {
  if (wanted >= <u32>DIGEST_BYTES) {
    storeDigest(lane, out);
  } else {
    storeDigest(lane, LAST_T);
    copyBytes(out, LAST_T, wanted);
  }
}
