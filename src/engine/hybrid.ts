/**
 * The hybrid way of AES-256-GCM: kernels and native AES take turns over chunks of rows that share their keys.
 * assembly/aes256-gcm-hybrid.ts says what each step does and why the check of all tags at once is sound.
 */
import { GatekeeperError } from "../errors.ts";
import type { Kernels } from "./kernels.ts";
import type { NativeKey } from "./native-key.ts";
import { NONCE_BYTES, type Verb } from "./suite.ts";

const OPERATION: Readonly<Record<Verb, number>> = { Seal: 0, Open: 1, Verify: 2, Reencrypt: 3 };
/** Keystreams are made in few sizes, multiples of one of these; so are the areas for them. native-key.ts says why. */
const SHORT_STEP = 1024;
const LONG_STEP = 8 * 1024;
/** The nonce of the check. What it gives is not published; batch-check.md covers a record with the same nonce. */
const CHECK_NONCE = new Uint8Array(NONCE_BYTES);

/** A key as the hybrid way needs it. */
export interface HybridKey {
  readonly native: NativeKey;
  /** Address of its context, which takes the table of its hash key. */
  readonly context: number;
  /** Whether that is there. */
  known: boolean;
}

/** Makes the table of a key's hash key, without any row to run. */
export function learnHashKey(kernels: Kernels, key: HybridKey): void {
  if (key.known) return;
  kernels.call("aes256GcmHybridChunk", OPERATION.Verify, 0, 0);
  makeKeystream(kernels, key, "aes256GcmKeystream");
  kernels.call("aes256GcmHybridWipe");
}

/** Encrypts an area of keystream, which begins with what makes the key known. */
function makeKeystream(kernels: Kernels, key: HybridKey, area: "aes256GcmKeystream" | "aes256GcmNewKeystream"): void {
  const at = kernels.constant(area);
  const length = kernels.constant("hybridKeystreamBytes");
  const step = length <= LONG_STEP ? SHORT_STEP : LONG_STEP;
  key.native.encryptBlocks(kernels.bytes, { at, length }, Math.ceil(length / step) * step);
  if (!key.known) kernels.call("aes256GcmHashKey", at, key.context);
  key.known = true;
}

/**
 * Runs a verb over the rows between two addresses, all under `key` and, for a re-encryption, to go under `newKey`.
 * @param check - from how many bytes on the tags of a chunk are checked together, and where a tag has room.
 * @throws GatekeeperError KERNEL_SELF_TEST_FAILED: right tags were refused, which no input can bring about
 */
export function runHybrid(
  kernels: Kernels,
  verb: Verb,
  rows: { readonly from: number; readonly end: number },
  keys: { readonly key: HybridKey; readonly newKey: HybridKey },
  check: { readonly bytes: number; readonly tag: number },
): void {
  const operation = OPERATION[verb];
  const { bytes: memory } = kernels;
  const stream = kernels.constant("aes256GcmStream");
  for (let row = rows.from; row < rows.end;) {
    const end = kernels.call("aes256GcmHybridChunk", operation, row, rows.end);
    makeKeystream(kernels, keys.key, "aes256GcmKeystream");
    if (verb === "Reencrypt") makeKeystream(kernels, keys.newKey, "aes256GcmNewKeystream");
    const bytes = kernels.constant("hybridStreamBytes");
    let hashed = 0;
    let checked = 0;
    if (verb !== "Seal" && bytes >= check.bytes) hashed = kernels.call("aes256GcmHybridStream", operation, row, end);
    if (hashed !== 0) {
      keys.key.native.gcmHash(CHECK_NONCE, [memory.subarray(stream, stream + bytes)], memory, check.tag);
      checked = kernels.call("aes256GcmHybridMatches", keys.key.context, check.tag);
    }
    const mismatched = kernels.call("aes256GcmHybridFinish", operation, row, end, checked);
    if (hashed !== 0 && checked === 0 && mismatched === 0) throw disagree();
    row = end;
  }
  kernels.call("aes256GcmHybridWipe");
}

/** Right tags always pass together, so each by itself can't have passed without that. */
function disagree(): GatekeeperError {
  return new GatekeeperError(
    "KERNEL_SELF_TEST_FAILED",
    "the tags of a batch were refused together and right one by one: this machine miscomputes; nothing was changed",
    { kernel: "AES-256-GCM tags" },
  );
}
