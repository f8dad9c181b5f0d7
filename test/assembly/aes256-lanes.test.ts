import { createCipheriv, createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const GROUP_BLOCKS = 8;
const STRIDE = 240 + 32;
const EXPANDED_TOGETHER = 16;

let module: WebAssembly.Module;
beforeAll(async () => {
  module = await compileEntry(`
    export { aes256EncryptLanes, aes256ExpandAndEncryptZero, aes256WipeLanes } from "./aes256-lanes";`);
});

/** Reproducible bytes that differ for every label. */
function bytesOf(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(label).digest();
}

function nodeEncrypt(key: Uint8Array, blocks: Uint8Array): Buffer {
  return createCipheriv("aes-256-ecb", key, null).update(blocks);
}

/** Expands keys and returns the address of the first one's round keys and the encrypted zero blocks. */
function expand(kernels: KernelInstance, keys: readonly Uint8Array[]): { roundKeys: number; zeros: Buffer } {
  const roundKeys = kernels.alloc(keys.length * STRIDE);
  const zeros: Buffer[] = [];
  for (let done = 0; done < keys.length; done += EXPANDED_TOGETHER) {
    const together = keys.slice(done, done + EXPANDED_TOGETHER);
    const blocks = kernels.put(bytesOf("not zero", 256), 16);
    const raw = kernels.put(Buffer.concat(together));
    kernels.call("aes256ExpandAndEncryptZero", raw, together.length, roundKeys + done * STRIDE, STRIDE, blocks);
    zeros.push(Buffer.from(kernels.get(blocks, together.length * 16)));
  }
  return { roundKeys, zeros: Buffer.concat(zeros) };
}

/** Encrypts one block for each chosen key, and those that fill up the last group. */
function encrypt(kernels: KernelInstance, roundKeys: number, choice: readonly number[], blocks: Uint8Array): Buffer {
  const full = Math.ceil(choice.length / GROUP_BLOCKS) * GROUP_BLOCKS;
  const lanes = Uint32Array.from({ length: full }, (_, i) => roundKeys + (choice[i] ?? 0) * STRIDE);
  const lanesAt = kernels.put(new Uint8Array(lanes.buffer), 16);
  const at = kernels.alloc(full * 16);
  kernels.bytes.set(blocks, at);
  kernels.call("aes256EncryptLanes", lanesAt, at, full * 16);
  return Buffer.from(kernels.get(at, choice.length * 16));
}

describe("AES-256 with a key for each block", () => {
  test("one to seventeen keys: the zero block of each, and a block in each lane", () => {
    for (let count = 1; count <= 17; count++) {
      const kernels = new KernelInstance(module);
      const keys = Array.from({ length: count }, (_, i) => bytesOf(`key ${i} of ${count}`, 32));
      const { roundKeys, zeros } = expand(kernels, keys);
      const expectedZeros = keys.map((key) => nodeEncrypt(key, new Uint8Array(16)));
      expect(zeros.equals(Buffer.concat(expectedZeros)), `${count} keys`).toBe(true);
      // Turned, so that every key comes to every lane.
      for (let turn = 0; turn < GROUP_BLOCKS; turn++) {
        const choice = Array.from({ length: 3 * GROUP_BLOCKS + turn }, (_, i) => (i + turn) % count);
        const blocks = bytesOf(`blocks ${count} ${turn}`, choice.length * 16);
        const expected = choice.map((key, i) => nodeEncrypt(keys[key]!, blocks.subarray(i * 16, i * 16 + 16)));
        const output = encrypt(kernels, roundKeys, choice, blocks);
        expect(output.equals(Buffer.concat(expected)), `${count} keys turned by ${turn}`).toBe(true);
      }
    }
  });

  test("runs of keys with borders anywhere, one call after the other", () => {
    const keys = Array.from({ length: 20 }, (_, i) => bytesOf(`run key ${i}`, 32));
    const kernels = new KernelInstance(module);
    const { roundKeys } = expand(kernels, keys);
    const run = fc.record({ key: fc.nat(19), blocks: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 12 }), fc.nat(), (runs, seed) => {
        const choice = runs.flatMap(({ key, blocks }) => Array<number>(blocks).fill(key));
        const blocks = bytesOf(`${seed}`, choice.length * 16);
        const expected = choice.map((key, i) => nodeEncrypt(keys[key]!, blocks.subarray(i * 16, i * 16 + 16)));
        expect(encrypt(kernels, roundKeys, choice, blocks).equals(Buffer.concat(expected))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("keys that were expanded where others had been are not taken for those", () => {
    const kernels = new KernelInstance(module);
    const block = bytesOf("expanded anew", 128);
    const roundKeys = kernels.alloc(STRIDE);
    const blocks = kernels.alloc(256);
    for (const label of ["first", "second"]) {
      const key = bytesOf(label, 32);
      kernels.call("aes256ExpandAndEncryptZero", kernels.put(key), 1, roundKeys, STRIDE, blocks);
      const choice = Array<number>(GROUP_BLOCKS).fill(0);
      expect(encrypt(kernels, roundKeys, choice, block).equals(nodeEncrypt(key, block)), label).toBe(true);
    }
  });

  test("a call that trapped between two groups' keys does not leave them taken for each other's", () => {
    const kernels = new KernelInstance(module);
    const key = bytesOf("trapped", 32);
    const { roundKeys } = expand(kernels, [key]);
    const block = bytesOf("trapped block", 128);
    const one = Array<number>(GROUP_BLOCKS).fill(0);
    encrypt(kernels, roundKeys, one, block);
    const lanes = Uint32Array.from({ length: GROUP_BLOCKS }, (_, i) => (i < 4 ? roundKeys : 0xffff_ff00));
    const lanesAt = kernels.put(new Uint8Array(lanes.buffer), 16);
    expect(() => kernels.call("aes256EncryptLanes", lanesAt, kernels.alloc(128), 128)).toThrow("out of bounds");
    expect(encrypt(kernels, roundKeys, one, block).equals(nodeEncrypt(key, block))).toBe(true);
  });

  test("nothing of keys or round keys is left after the wipe, and before it there is", () => {
    const kernels = new KernelInstance(module);
    const keys = Array.from({ length: 16 }, (_, i) => bytesOf(`left ${i}`, 32));
    const { roundKeys } = expand(kernels, keys);
    const heap = kernels.constant("HEAP_BASE");
    const fresh = new KernelInstance(module).get(0, heap);
    const clean = (): boolean => Buffer.from(kernels.get(0, heap)).equals(fresh);
    expect(clean()).toBe(false);
    kernels.call("aes256WipeLanes");
    expect(clean()).toBe(true);
    const choice = Array.from({ length: 40 }, (_, i) => (i * 7) % 16);
    encrypt(kernels, roundKeys, choice, bytesOf("left", 40 * 16));
    expect(clean()).toBe(false);
    kernels.call("aes256WipeLanes");
    expect(clean()).toBe(true);
  });
});
