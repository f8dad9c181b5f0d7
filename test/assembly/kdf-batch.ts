/** Lays out batches for the SHA-256, HMAC and HKDF kernels, and looks for what a call left in memory. */
import { expect } from "vitest";
import { KernelInstance } from "./instance.ts";

/** The bytes of one row's inputs, in the order of the kernel's row, and how many bytes it is to write. */
export interface KdfRow {
  readonly inputs: readonly Uint8Array[];
  readonly outLength: number;
}

/** Which kernel, and whether its rows say how long the output is. */
export interface KdfKernel {
  readonly name: "sha256Batch" | "hmacSha256Batch" | "hkdfSha256Batch";
  readonly rowHasOutLength: boolean;
}

export const SHA256: KdfKernel = { name: "sha256Batch", rowHasOutLength: false };
export const HMAC_SHA256: KdfKernel = { name: "hmacSha256Batch", rowHasOutLength: false };
export const HKDF_SHA256: KdfKernel = { name: "hkdfSha256Batch", rowHasOutLength: true };

/**
 * Runs one batch on a fresh instance and returns the outputs, after checking that the call wrote nothing but them: the
 * rest of the memory, the kernels' scratch included, is byte for byte what it was before.
 */
export function runKdf(kernel: KdfKernel, rows: readonly KdfRow[]): Buffer[] {
  const instance = new KernelInstance();
  const words: number[] = [];
  const outs: number[] = [];
  for (const { inputs, outLength } of rows) {
    for (const input of inputs) words.push(instance.put(input), input.length);
    const out = instance.alloc(outLength, 1);
    outs.push(out);
    words.push(out);
    if (kernel.rowHasOutLength) words.push(outLength);
  }
  const table = instance.put(new Uint8Array(Uint32Array.from(words).buffer), 4);
  const before = instance.get(0, instance.bytes.length);

  instance.call(kernel.name, table, rows.length);

  const results = rows.map(({ outLength }, i) => Buffer.from(instance.get(outs[i]!, outLength)));
  for (const [i, { outLength }] of rows.entries()) instance.bytes.fill(0, outs[i]!, outs[i]! + outLength);
  expect(Buffer.compare(instance.bytes, before), "the memory outside the outputs is as it was").toBe(0);
  return results;
}

/** `length` bytes that differ between seeds. */
export function bytesOf(seed: number, length: number): Uint8Array {
  let state = (seed + 1) * 0x9e3779b1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
