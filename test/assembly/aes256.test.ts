import { createCipheriv, createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { compileKernel } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const GROUP_BYTES = 128;

let module: WebAssembly.Module;
let kernels: KernelInstance;
beforeAll(async () => {
  module = await compileKernel("aes256");
  kernels = new KernelInstance(module);
});

/** Reproducible bytes that differ for every label. */
function bytesOf(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(label).digest();
}

function expand(key: Uint8Array): number {
  const roundKeys = kernels.alloc(kernels.constant("aes256RoundKeysBytes"));
  kernels.call("aes256ExpandKey", kernels.put(key), roundKeys);
  return roundKeys;
}

function encrypt(roundKeys: number, blocks: Uint8Array): Buffer {
  const at = kernels.put(blocks, 16);
  kernels.call("aes256EncryptGroups", roundKeys, at, blocks.length);
  return Buffer.from(kernels.get(at, blocks.length));
}

function nodeEncrypt(key: Uint8Array, blocks: Uint8Array): Buffer {
  return createCipheriv("aes-256-ecb", key, null).update(blocks);
}

describe("AES-256", () => {
  test("FIPS 197 appendix C.3", () => {
    const key = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
    const block = Buffer.from("00112233445566778899aabbccddeeff", "hex");
    const output = encrypt(expand(key), Buffer.concat(Array<Buffer>(8).fill(block)));
    for (let lane = 0; lane < 8; lane++) {
      expect(output.subarray(lane * 16, lane * 16 + 16).toString("hex")).toBe("8ea2b7ca516745bfeafc49904b496089");
    }
  });

  test("NIST SP 800-38A F.1.5, a block a lane", () => {
    const key = Buffer.from("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "hex");
    const blocks = Buffer.from(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
      "hex",
    );
    const expected =
      "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870" +
      "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7";
    const output = encrypt(expand(key), Buffer.concat([blocks, blocks]));
    expect(output.toString("hex")).toBe(expected + expected);
  });

  test("every byte value in every place of a block", () => {
    const key = bytesOf("every byte value", 32);
    const blocks = Buffer.alloc(256 * 16 * 16);
    for (let place = 0; place < 16; place++) {
      for (let value = 0; value < 256; value++) blocks[(place * 256 + value) * 16 + place] = value;
    }
    expect(encrypt(expand(key), blocks).equals(nodeEncrypt(key, blocks))).toBe(true);
  });

  test("one to nine groups, different data in every lane, agree with node:crypto", () => {
    for (let groups = 1; groups <= 9; groups++) {
      const key = bytesOf(`key ${groups}`, 32);
      const blocks = bytesOf(`blocks ${groups}`, groups * GROUP_BYTES);
      expect(encrypt(expand(key), blocks).equals(nodeEncrypt(key, blocks))).toBe(true);
    }
  });

  test("a key of its own in every lane", () => {
    const size = kernels.constant("aes256RoundKeysBytes");
    const keys = Array.from({ length: 8 }, (_, lane) => bytesOf(`lane key ${lane}`, 32));
    const mixed = Buffer.alloc(size);
    keys.forEach((key, lane) => {
      kernels.get(expand(key), size).forEach((byte, i) => {
        mixed[i] = mixed[i]! | (byte & (1 << lane));
      });
    });
    const blocks = bytesOf("lane blocks", GROUP_BYTES);
    const output = encrypt(kernels.put(mixed, 16), blocks);
    const expected = keys.map((key, lane) => nodeEncrypt(key, blocks.subarray(lane * 16, lane * 16 + 16)));
    expect(output.equals(Buffer.concat(expected))).toBe(true);
  });

  test("neither key nor schedule is left behind, and nothing beside the round keys is written", () => {
    const key = bytesOf("left behind", 32);
    const at = kernels.put(key);
    const size = kernels.constant("aes256RoundKeysBytes");
    const around = kernels.alloc(size + 64) + 32;
    kernels.bytes.fill(0xa5, around - 32, around + size + 32);
    kernels.call("aes256ExpandKey", at, around);
    const guards = [...kernels.get(around - 32, 32), ...kernels.get(around + size, 32)];
    expect(guards).toEqual(Array<number>(64).fill(0xa5));
    kernels.bytes.fill(0, at, at + 32);
    kernels.bytes.fill(0, around, around + size);
    const memory = Buffer.from(kernels.memory.buffer);
    for (let word = 0; word < 32; word += 8) expect(memory.includes(key.subarray(word, word + 8))).toBe(false);
    // Below HEAP_BASE, where the key schedule was, all is as in an instance that never saw a key.
    const heap = kernels.constant("HEAP_BASE");
    expect(Buffer.from(kernels.get(0, heap)).equals(new KernelInstance(module).get(0, heap))).toBe(true);
  });
});
