/** A long record by itself, with native ciphers: paths.ts says which of its two ways, `passes` and `plaintext`. */
import type { Kernels } from "./kernels.ts";
import { discard, moveText, type NativeKey } from "./native-key.ts";
import { ROW, ROW_WORDS, RecordStatus } from "./rows.ts";
import { NONCE_BYTES, TAG_BYTES, type Verb } from "./suite.ts";

const BLOCK_BYTES = 16;
const ZEROS = new Uint8Array(BLOCK_BYTES);

/** Its keys; the new one counts for a re-encryption. */
export interface LongKeys {
  readonly key: NativeKey;
  readonly newKey: NativeKey;
}

/** What a row names, as views of the kernels' memory. */
interface Views {
  readonly words: Uint32Array;
  readonly nonce: Uint8Array;
  readonly text: Uint8Array;
  readonly tag: Uint8Array;
  readonly aad: Uint8Array;
  readonly newAad: Uint8Array;
  readonly newNonce: Uint8Array;
}

/** Runs a verb over one row with the native AEAD. */
export function runPlaintext(kernels: Kernels, verb: Verb, row: number, { key, newKey }: LongKeys): void {
  const { words, nonce, text, tag, aad, newAad, newNonce } = viewsOf(kernels, row);
  if (verb === "Seal") {
    key.seal({ nonce, aad }, text, { text, tag });
  } else {
    const plaintext = key.open({ nonce, aad }, { text, tag });
    if (plaintext === null) {
      words[ROW.status] = RecordStatus.tagMismatch;
      return;
    }
    try {
      if (verb === "Open") {
        text.set(plaintext);
      } else {
        nonce.set(newNonce);
        newKey.seal({ nonce, aad: newAad }, plaintext, { text, tag });
      }
    } finally {
      discard(plaintext);
    }
  }
  words[ROW.status] = RecordStatus.done;
}

/**
 * Verifies or re-encrypts one row without its plaintext, each of its keys being of whichever suite.
 * @param tagAt - where the kernels' memory has room for a tag; what is left there is secret.
 */
export function runPasses(
  kernels: Kernels,
  verb: "Verify" | "Reencrypt",
  row: number,
  { key, newKey }: LongKeys,
  tagAt: number,
): void {
  const { words, nonce, text, aad, newAad, newNonce } = viewsOf(kernels, row);
  if (key.suite === "aes-256-gcm") {
    key.gcmHash(nonce, hashed(aad, text), kernels.bytes, tagAt);
    kernels.call("aes256GcmHybridCheck", row, tagAt);
  } else {
    kernels.run(key.suite, "Verify", row, 1);
  }
  if (verb === "Verify" || words[ROW.status] !== RecordStatus.done) return;
  moveText(text, key.keystream(nonce), newKey.keystream(newNonce));
  if (newKey.suite === "aes-256-gcm") {
    newKey.gcmHash(newNonce, hashed(newAad, text), kernels.bytes, tagAt);
    kernels.call("aes256GcmHybridRetag", row, tagAt);
  } else {
    kernels.call("chacha20Poly1305Retag", row);
  }
}

/** What GHASH takes before the lengths: the AAD in whole blocks, then the ciphertext. */
function hashed(aad: Uint8Array, text: Uint8Array): readonly Uint8Array[] {
  return [aad, ZEROS.subarray(0, -aad.length & (BLOCK_BYTES - 1)), text];
}

function viewsOf(kernels: Kernels, row: number): Views {
  const { bytes } = kernels;
  const words = new Uint32Array(bytes.buffer, row, ROW_WORDS);
  const view = (at: number, length: number): Uint8Array => bytes.subarray(at, at + length);
  const textAt = words[ROW.text]!;
  const length = words[ROW.length]!;
  return {
    words,
    nonce: view(textAt - NONCE_BYTES, NONCE_BYTES),
    text: view(textAt, length),
    tag: view(textAt + length, TAG_BYTES),
    aad: view(words[ROW.aad]!, words[ROW.aadLength]!),
    newAad: view(words[ROW.newAad]!, words[ROW.newAadLength]!),
    newNonce: view(words[ROW.newNonce]!, NONCE_BYTES),
  };
}
