/**
 * The ways in which records can be encrypted, and the one place that decides among them. The bytes that come out are
 * the same whichever is taken.
 *
 *   wasm       everything in WebAssembly.
 *   hybrid     AES-256-GCM: the keystreams of a chunk of records come from one native AES-ECB call a key; the rest
 *              is WebAssembly. A re-encryption has no plaintext in memory.
 *   passes     a long record by itself: two native keystream passes that commute, the new key's first, so that what
 *              lies between them is not the plaintext; tags natively (AES-256-GCM) or in WebAssembly. Re-encryption,
 *              within a suite or to the other, and verification only.
 *   plaintext  a long record by itself, with the native AEAD. A re-encryption so is the fastest, and has the plaintext
 *              in memory between its decryption and its encryption: only where the caller said that it may. Sealing
 *              and opening have it there by their nature.
 *
 * The thresholds of `MEASURED` are those of `npm run bench:thresholds` on the machine that README.md names; on another
 * machine the choice may not be the fastest, and is as right.
 */
import { createCipheriv } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import { STATE_BYTES_MAX } from "./sealed-state.ts";
import { ALL_SUITES, KEY_BYTES, NONCE_BYTES, type Suite, TAG_BYTES, type Verb } from "./suite.ts";

/** Where each way begins to pay: numbers from 0 on, Infinity too. */
export interface Paths {
  /** Blocks of keystream under one key (and one new key) from which AES-256-GCM goes the hybrid way. */
  readonly hybridBlocks: number;
  /** Bytes to be hashed of a chunk from which its old tags are checked by one native hash. */
  readonly checkBytes: number;
  /** Bytes of a text from which a record goes by itself, natively; at the latest where it is too long for `hybrid`. */
  readonly longBytes: Readonly<Record<Suite, number>>;
  /** The same for a re-encryption from one suite to the other. */
  readonly betweenBytes: number;
  /** The same for a re-encryption within a suite that may have the plaintext in memory. */
  readonly plaintextBytes: Readonly<Record<Suite, number>>;
}

export type Path = "wasm" | "hybrid" | "passes" | "plaintext";

/** No text is as long. */
const NEVER = STATE_BYTES_MAX + 1;
const NEITHER = { "aes-256-gcm": NEVER, "chacha20-poly1305": NEVER } as const;

/** The longest text whose keystream, with three blocks before it, fits the 128 KiB that the hybrid way has for it. */
export const HYBRID_BYTES_MAX = 131_024;

/** No native cipher at all. */
export const WASM_ONLY: Paths = {
  hybridBlocks: Number.POSITIVE_INFINITY,
  checkBytes: Number.POSITIVE_INFINITY,
  longBytes: NEITHER,
  betweenBytes: NEVER,
  plaintextBytes: NEITHER,
};

/** What an engine goes by unless it is told otherwise; WASM_ONLY where a native cipher is missing. */
export const MEASURED: Paths = nativeCiphersAreHere()
  ? {
      hybridBlocks: 160,
      checkBytes: 8_000,
      longBytes: { "aes-256-gcm": 20_480, "chacha20-poly1305": 8_192 },
      betweenBytes: 4_096,
      plaintextBytes: NEITHER,
    }
  : WASM_ONLY;

/** The same, for who lets plaintexts be in memory. */
export const MEASURED_WITH_PLAINTEXT: Paths =
  MEASURED === WASM_ONLY
    ? WASM_ONLY
    : { ...MEASURED, plaintextBytes: { "aes-256-gcm": 12_288, "chacha20-poly1305": 8_192 } };

/** Native wherever it can be, for tests and checks of those ways. */
export const NATIVE_ALWAYS: Paths =
  MEASURED === WASM_ONLY
    ? WASM_ONLY
    : {
        hybridBlocks: 0,
        checkBytes: 0,
        longBytes: { "aes-256-gcm": 1_000, "chacha20-poly1305": 1_000 },
        betweenBytes: 1_000,
        plaintextBytes: NEITHER,
      };

/**
 * Under a negative threshold the rows after the first would be left out, and under NaN a text of any length would go the
 * hybrid way.
 * @throws GatekeeperError INVALID_ARGUMENT unless all thresholds are 0 or more.
 */
export function checkPaths(paths: Paths): void {
  const { hybridBlocks, checkBytes, longBytes, betweenBytes, plaintextBytes } = paths;
  const bytes = ALL_SUITES.flatMap((suite) => [longBytes[suite], plaintextBytes[suite]]);
  if ([hybridBlocks, checkBytes, betweenBytes, ...bytes].every((threshold) => threshold >= 0)) return;
  throw new GatekeeperError("INVALID_ARGUMENT", "every threshold of an engine's paths is a number from 0 on");
}

/** Bytes of a text from which a record goes by itself; past any text if none does. */
export function longRecordBytes(paths: Paths, suite: Suite, verb: Verb): number {
  // There is no native Poly1305 to verify with.
  if (verb === "Verify" && suite === "chacha20-poly1305") return NEVER;
  const mayBeHybrid = suite === "aes-256-gcm" && paths.hybridBlocks < Number.POSITIVE_INFINITY;
  const most = mayBeHybrid ? HYBRID_BYTES_MAX + 1 : NEVER;
  return Math.min(most, paths.longBytes[suite], verb === "Reencrypt" ? paths.plaintextBytes[suite] : NEVER);
}

/**
 * Bytes of a text from which a record that goes from one suite to the other does so by `passes`; shorter ones go by
 * `wasm`, as `hybrid` is a way within AES-256-GCM, and `plaintext` is never taken.
 */
export function longRecordBytesBetween({ betweenBytes }: Paths): number {
  return Math.min(NEVER, betweenBytes);
}

/**
 * Decides for records under one key (and one new key).
 * @param blocks - of their texts, and one more for each.
 * @param longest - bytes of the longest text; from longRecordBytes on it is the only one.
 */
export function choosePath(paths: Paths, suite: Suite, verb: Verb, blocks: number, longest: number): Path {
  if (longest >= longRecordBytes(paths, suite, verb)) {
    if (verb === "Verify") return "passes";
    return verb !== "Reencrypt" || longest >= paths.plaintextBytes[suite] ? "plaintext" : "passes";
  }
  return suite === "aes-256-gcm" && blocks >= paths.hybridBlocks ? "hybrid" : "wasm";
}

/** Decides for records that go from one suite to the other; `longest` is as above. */
export function choosePathBetween(paths: Paths, longest: number): Path {
  return longest >= longRecordBytesBetween(paths) ? "passes" : "wasm";
}

/** Tried out, as a policy (FIPS, for one) can refuse a cipher that is listed. */
function nativeCiphersAreHere(): boolean {
  const key = new Uint8Array(KEY_BYTES);
  try {
    for (const suite of ALL_SUITES) {
      createCipheriv(suite as "aes-256-gcm", key, new Uint8Array(NONCE_BYTES), { authTagLength: TAG_BYTES });
    }
    createCipheriv("aes-256-ecb", key, null);
    for (const name of ["aes-256-ctr", "chacha20"]) createCipheriv(name, key, new Uint8Array(16));
    return true;
  } catch {
    return false;
  }
}
