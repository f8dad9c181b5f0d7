import { createCipheriv, createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const GROUP_BYTES = 128;
const LANES = 8;

let kernels: KernelInstance;
beforeAll(async () => {
  const module = await compileEntry(`
    export { aes256EncryptGroups, aes256SlicedKeysBytes } from "./aes256";
    export { aes256ExpandKeys } from "./aes256-round-keys";`);
  kernels = new KernelInstance(module);
});

/** Reproducible bytes that differ for every label. */
function bytesOf(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(label).digest();
}

/** Sliced keys of up to sixteen keys: one group's, or two groups'. */
function expand(keys: readonly Uint8Array[]): number {
  const size = kernels.constant("aes256SlicedKeysBytes");
  const slicedKeys = kernels.alloc(2 * size);
  const raw = kernels.put(Buffer.concat(keys));
  kernels.call("aes256ExpandKeys", raw, Math.min(keys.length, LANES), slicedKeys);
  if (keys.length > LANES) {
    kernels.call("aes256ExpandKeys", raw + LANES * 32, keys.length - LANES, slicedKeys + size);
  }
  return slicedKeys;
}

/** The same key in all lanes. */
function expandOne(key: Uint8Array): number {
  return expand(Array<Uint8Array>(LANES).fill(key));
}

/** Encrypts two groups a call, and the last one alone, all with the first group's keys. */
function encrypt(slicedKeys: number, blocks: Uint8Array, secondKeys = 0): Buffer {
  const at = kernels.put(blocks, 16);
  for (let done = 0; done < blocks.length; done += 2 * GROUP_BYTES) {
    const bytes = Math.min(blocks.length - done, 2 * GROUP_BYTES);
    kernels.call("aes256EncryptGroups", slicedKeys, secondKeys, at + done, bytes);
  }
  return Buffer.from(kernels.get(at, blocks.length));
}

function nodeEncrypt(key: Uint8Array, blocks: Uint8Array): Buffer {
  return createCipheriv("aes-256-ecb", key, null).update(blocks);
}

describe("AES-256", () => {
  test("FIPS 197 appendix C.3, in every lane", () => {
    const key = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
    const block = Buffer.from("00112233445566778899aabbccddeeff", "hex");
    const output = encrypt(expandOne(key), Buffer.concat(Array<Buffer>(LANES).fill(block)));
    for (let lane = 0; lane < LANES; lane++) {
      expect(output.subarray(lane * 16, lane * 16 + 16).toString("hex")).toBe("8ea2b7ca516745bfeafc49904b496089");
    }
  });

  test("and there alone, among other keys and other blocks", () => {
    const key = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
    const block = Buffer.from("00112233445566778899aabbccddeeff", "hex");
    for (let place = 0; place < LANES; place++) {
      const keys = Array.from({ length: LANES }, (_, lane) => (lane === place ? key : bytesOf(`beside ${lane}`, 32)));
      const blocks = bytesOf("beside", GROUP_BYTES);
      blocks.set(block, place * 16);
      const output = encrypt(expand(keys), blocks);
      expect(output.subarray(place * 16, place * 16 + 16).toString("hex")).toBe("8ea2b7ca516745bfeafc49904b496089");
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
    const output = encrypt(expandOne(key), Buffer.concat([blocks, blocks]));
    expect(output.toString("hex")).toBe(expected + expected);
  });

  test("every byte value in every place of a block", () => {
    const key = bytesOf("every byte value", 32);
    const blocks = Buffer.alloc(256 * 16 * 16);
    for (let place = 0; place < 16; place++) {
      for (let value = 0; value < 256; value++) blocks[(place * 256 + value) * 16 + place] = value;
    }
    expect(encrypt(expandOne(key), blocks).equals(nodeEncrypt(key, blocks))).toBe(true);
  });

  test("one to nine groups, different data in every lane, agree with node:crypto", () => {
    for (let groups = 1; groups <= 9; groups++) {
      const key = bytesOf(`key ${groups}`, 32);
      const blocks = bytesOf(`blocks ${groups}`, groups * GROUP_BYTES);
      expect(encrypt(expandOne(key), blocks).equals(nodeEncrypt(key, blocks))).toBe(true);
    }
  });

  test("a key of its own in every lane of two groups", () => {
    const keys = Array.from({ length: 2 * LANES }, (_, lane) => bytesOf(`lane key ${lane}`, 32));
    const blocks = bytesOf("lane blocks", 2 * GROUP_BYTES);
    const output = encrypt(expand(keys), blocks, kernels.constant("aes256SlicedKeysBytes"));
    const expected = keys.map((key, lane) => nodeEncrypt(key, blocks.subarray(lane * 16, lane * 16 + 16)));
    expect(output.equals(Buffer.concat(expected))).toBe(true);
  });
});
