/** Lays out batches for the ChaCha20-Poly1305 kernels and checks what a call may and may not have written. */
import { createCipheriv } from "node:crypto";
import { expect } from "vitest";
import type { KernelInstance } from "./instance.ts";

export const PENDING = 0;
export const DONE = 1;
export const TAG_MISMATCH = 2;
export const SKIPPED = 3;

export type Operation = "Seal" | "Open" | "Verify" | "Reencrypt";

/** A key, a nonce and associated data. */
export interface Binding {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
}

/** One row: a record as it lies before the call, and what it is under. */
export interface Record extends Binding {
  /** Text, to be sealed, or ciphertext. */
  readonly text: Uint8Array;
  /** 16 bytes; whatever they are when the text is to be sealed. */
  readonly tag: Uint8Array;
  /** What re-encryption moves it to. */
  readonly to?: Binding;
  /** PENDING unless given. */
  readonly status?: number;
}

/** A record after the call. */
export interface Outcome {
  readonly status: number;
  readonly nonce: string;
  readonly text: string;
  readonly tag: string;
}

const GUARD = 0xc3;

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** What OpenSSL makes of a plaintext: ciphertext and tag. */
export function sealed({ key, nonce, aad }: Binding, plaintext: Uint8Array): { text: Uint8Array; tag: Uint8Array } {
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { text, tag: cipher.getAuthTag() };
}

/**
 * Runs one batch. Records lie unaligned and close together with guard bytes between them; afterwards everything at and
 * above HEAP_BASE but nonce, text, tag and status of the rows is what it was, or the test fails.
 */
export function runBatch(kernel: KernelInstance, operation: Operation, records: readonly Record[]): Outcome[] {
  const contexts = new Map<Uint8Array, number>();
  const context = (key: Uint8Array): number => {
    const known = contexts.get(key);
    if (known !== undefined) return known;
    const at = kernel.alloc(kernel.constant("chacha20Poly1305KeyBytes"));
    kernel.call("chacha20Poly1305ExpandKeys", kernel.put(key), 1, at);
    contexts.set(key, at);
    return at;
  };
  const guarded = (bytes: Uint8Array): number => {
    const at = kernel.alloc(bytes.length + 2, 1) + 1;
    kernel.bytes.fill(GUARD, at - 1, at + bytes.length + 1);
    kernel.bytes.set(bytes, at);
    return at;
  };
  const rows = kernel.alloc(40 * records.length);
  const words: number[] = [];
  const texts = records.map(({ key, nonce, aad, text, tag, to, status }) => {
    const at = guarded(Buffer.concat([nonce, text, tag])) + 12;
    words.push(at, text.length, guarded(aad), aad.length, context(key));
    if (to === undefined) words.push(0, 0, 0, 0);
    else words.push(guarded(to.aad), to.aad.length, context(to.key), guarded(to.nonce));
    words.push(status ?? PENDING);
    return at;
  });
  kernel.bytes.set(new Uint8Array(Uint32Array.from(words).buffer), rows);

  const heap = kernel.constant("HEAP_BASE");
  const before = kernel.bytes.slice(heap);
  kernel.call(`chacha20Poly1305${operation}`, rows, records.length);
  const after = kernel.bytes.slice(heap);
  const outcomes = texts.map((at, i) => ({
    status: kernel.bytes[rows + 40 * i + 36]!,
    nonce: toHex(kernel.get(at - 12, 12)),
    text: toHex(kernel.get(at, records[i]!.text.length)),
    tag: toHex(kernel.get(at + records[i]!.text.length, 16)),
  }));
  texts.forEach((at, i) => {
    const length = records[i]!.text.length;
    const first = (operation === "Reencrypt" ? at - 12 : at) - heap;
    const end = at + length + (operation === "Open" ? 0 : 16) - heap;
    if (operation !== "Verify" && (records[i]!.status ?? PENDING) === PENDING) {
      after.set(before.subarray(first, end), first);
    }
    const status = rows + 40 * i + 36 - heap;
    after.set(before.subarray(status, status + 4), status);
  });
  expect(Buffer.compare(after, before)).toBe(0);
  return outcomes;
}
