/**
 * One key in the hands of node:crypto, that is OpenSSL, for what the processor does faster than WebAssembly can.
 *
 * node:crypto returns its results in buffers of its own. Each text or keystream is copied to where it belongs, filled
 * with zeros and given back at once (a tag is wiped if it is secret): left to the garbage collector, every call would get
 * fresh memory and pay for its page faults, which takes longer than the encryption.
 *
 * Limits: what OpenSSL and V8 hold of the key itself goes when the garbage collector finds this object unused. And
 * `update` writes its result to memory that is a block longer than it, copies it to a buffer that fits, and frees the
 * first as it is: a copy that no program can reach or wipe, until the allocator gives that memory away again. It does so
 * at the next request of the same size, mostly: that is why keystreams come in few sizes, and `overwriteFreed` asks for
 * each once more. A Cipheriv that made a tag keeps it as long as itself, and its memory is not wiped either.
 */
import { type Cipheriv, createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { freeBytes } from "../bytes.ts";
import { KEY_BYTES, type Suite, TAG_BYTES } from "./suite.ts";

const AUTH_TAG = { authTagLength: TAG_BYTES } as const;
/** A text that is moved by itself goes in pieces: they stay in the processor's cache. */
const PIECE_BYTES = 128 * 1024;
/** Of an AEAD's stream cipher, the first block of text: block 0 or 1 is what the tag takes. */
const CTR_COUNTER = Uint8Array.of(0, 0, 0, 2);
const CHACHA_COUNTER = Uint8Array.of(1, 0, 0, 0);

const PUBLIC_BLOCKS = new Uint8Array(128 * 1024);

/** Lengths of the results of `encryptBlocks` since they were overwritten last. */
const freedLengths = new Set<number>();

/** Made once: one for each batch would take longer than it does. */
let publicCipher: Cipheriv | undefined;

/** Where bytes lie in a memory. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

/** An AEAD's inputs but for the key and the text. */
export interface RecordInputs {
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
}

/** What an AEAD makes of a text, where it lies. */
export interface SealedText {
  readonly text: Uint8Array;
  readonly tag: Uint8Array;
}

/** A key of one suite. */
export class NativeKey {
  readonly suite: Suite;
  readonly #key: KeyObject;
  #ecb: Cipheriv | undefined;

  /** @param key - 32 bytes, copied; the caller wipes them. */
  constructor(suite: Suite, key: Uint8Array) {
    this.suite = suite;
    this.#key = createSecretKey(key);
  }

  /**
   * Encrypts whole AES blocks in place, each by itself.
   * @param taken - how many bytes to take, at most 128 KiB; those past the length are read, and stay as they are.
   */
  encryptBlocks(memory: Uint8Array, { at, length }: Span, taken: number): void {
    this.#ecb ??= createCipheriv("aes-256-ecb", this.#key, null).setAutoPadding(false);
    const encrypted = this.#ecb.update(memory.subarray(at, at + taken));
    freedLengths.add(taken);
    memory.set(encrypted.subarray(0, length), at);
    discard(encrypted);
  }

  /**
   * GCM's tag over AAD and no text, where the AAD is these pieces in a row.
   * @param to - where its 16 bytes go. They tell the hash key together with what else is known: the caller wipes them.
   */
  gcmHash(nonce: Uint8Array, pieces: readonly Uint8Array[], memory: Uint8Array, to: number): void {
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce, AUTH_TAG);
    for (const piece of pieces) cipher.setAAD(piece);
    cipher.final();
    const tag = cipher.getAuthTag();
    memory.set(tag, to);
    tag.fill(0);
  }

  /** The AEAD's keystream for a text under `nonce`, to be added to it from its beginning on. */
  keystream(nonce: Uint8Array): Cipheriv {
    return this.suite === "aes-256-gcm"
      ? createCipheriv("aes-256-ctr", this.#key, Buffer.concat([nonce, CTR_COUNTER]))
      : createCipheriv("chacha20", this.#key, Buffer.concat([CHACHA_COUNTER, nonce]));
  }

  /** Encrypts a plaintext to `text`, which may be where it lies, and writes the tag. */
  seal({ nonce, aad }: RecordInputs, plaintext: Uint8Array, { text, tag }: SealedText): void {
    const cipher = createCipheriv(this.suite as "aes-256-gcm", this.#key, nonce, AUTH_TAG);
    cipher.setAAD(aad, { plaintextLength: plaintext.length });
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    text.set(ciphertext);
    tag.set(cipher.getAuthTag());
    discard(ciphertext);
  }

  /**
   * Decrypts a text if its tag is right.
   * @returns the plaintext, which the caller discards, or null.
   */
  open({ nonce, aad }: RecordInputs, { text, tag }: SealedText): Buffer<ArrayBuffer> | null {
    const decipher = createDecipheriv(this.suite as "aes-256-gcm", this.#key, nonce, AUTH_TAG);
    decipher.setAAD(aad, { plaintextLength: text.length });
    decipher.setAuthTag(tag);
    const plaintext = decipher.update(text);
    try {
      decipher.final();
    } catch {
      discard(plaintext);
      return null;
    }
    return plaintext;
  }
}

/**
 * Moves a text from one keystream to another in place, without the plaintext: the new one is added first. What lies
 * between the two additions is under both; as it would tell the new keystream to who knows the old ciphertext, it is
 * wiped.
 */
export function moveText(text: Uint8Array, from: Cipheriv, to: Cipheriv): void {
  for (let at = 0; at < text.length; at += PIECE_BYTES) {
    const piece = text.subarray(at, at + PIECE_BYTES);
    const under = to.update(piece);
    const moved = from.update(under);
    discard(under);
    piece.set(moved);
    discard(moved);
  }
  // A stream cipher keeps the keystream of its last, partial block until it is told that nothing follows.
  to.final();
  from.final();
}

/** Makes node:crypto write something public where it has written keystreams before: see the limits above. */
export function overwriteFreed(): void {
  if (freedLengths.size === 0) return;
  publicCipher ??= createCipheriv("aes-256-ecb", new Uint8Array(KEY_BYTES), null).setAutoPadding(false);
  for (const length of freedLengths) discard(publicCipher.update(PUBLIC_BLOCKS.subarray(0, length)));
  freedLengths.clear();
}

/** Wipes what node:crypto returned and gives its memory back. */
export function discard(bytes: Uint8Array): void {
  bytes.fill(0);
  freeBytes(bytes);
}
