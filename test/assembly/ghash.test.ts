import { createHash } from "node:crypto";
import { ghash as nobleGhash } from "@noble/ciphers/_polyval.js";
import { beforeAll, describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

let module: WebAssembly.Module;
let kernels: KernelInstance;
beforeAll(async () => {
  module = await compileEntry(`
    import { ghash, ghashExpand, ghashTableBytes } from "./ghash";
    export { ghashExpand, ghashTableBytes };
    export function hash(out: usize, table: usize, aad: usize, aadLength: usize, text: usize, length: usize): void {
      v128.store(out, ghash(table, aad, aadLength, text, length));
    }`);
  kernels = new KernelInstance(module);
});

/** Reproducible bytes that differ for every label. */
function bytesOf(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(label).digest();
}

function expand(h: Uint8Array): number {
  const table = kernels.alloc(kernels.constant("ghashTableBytes"));
  kernels.call("ghashExpand", kernels.put(h), table);
  return table;
}

/** GHASH with the kernel; texts lie unaligned, between other bytes. */
function hash(table: number, aad: Uint8Array, text: Uint8Array): string {
  const out = kernels.alloc(16);
  kernels.put(Buffer.alloc(17, 0xa5));
  const aadAt = kernels.put(aad);
  kernels.put(Buffer.alloc(3, 0x5a));
  const textAt = kernels.put(text);
  kernels.put(Buffer.alloc(16, 0x99));
  kernels.call("hash", out, table, aadAt, aad.length, textAt, text.length);
  return Buffer.from(kernels.get(out, 16)).toString("hex");
}

/** GHASH of the standard, one bit at a time (SP 800-38D §6.3). */
function slowProduct(x: bigint, y: bigint): bigint {
  let z = 0n;
  let v = y;
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v;
    v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
  }
  return z;
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((16 - (bytes.length % 16)) % 16)]);
}

function blocksOf(aad: Uint8Array, text: Uint8Array): Buffer {
  const lengths = Buffer.alloc(16);
  lengths.writeBigUInt64BE(BigInt(aad.length) * 8n);
  lengths.writeBigUInt64BE(BigInt(text.length) * 8n, 8);
  return Buffer.concat([padded(aad), padded(text), lengths]);
}

function slowHash(h: Uint8Array, aad: Uint8Array, text: Uint8Array): string {
  const key = BigInt(`0x${Buffer.from(h).toString("hex")}`);
  let y = 0n;
  const blocks = blocksOf(aad, text);
  for (let at = 0; at < blocks.length; at += 16) {
    y = slowProduct(y ^ BigInt(`0x${blocks.toString("hex", at, at + 16)}`), key);
  }
  return y.toString(16).padStart(32, "0");
}

describe("GHASH", () => {
  test("the GCM specification's test case 4, and its case 16 of AES-256", () => {
    const aad = Buffer.from("feedfacedeadbeeffeedfacedeadbeefabaddad2", "hex");
    const case4 = Buffer.from(
      "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e" +
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
      "hex",
    );
    const case16 = Buffer.from(
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
      "hex",
    );
    const h4 = Buffer.from("b83b533708bf535d0aa6e52980d53b78", "hex");
    const h16 = Buffer.from("acbef20579b4b8ebce889bac8732dad7", "hex");
    expect(hash(expand(h4), aad, case4)).toBe("698e57f70e6ecc7fd9463b7260a9ae5f");
    expect(hash(expand(h16), aad, case16)).toBe("8bd0c4d8aacd391e67cca447e8c38f65");
  });

  test("every bit of H and of a block", () => {
    for (let bit = 0; bit < 128; bit++) {
      const h = Buffer.alloc(16);
      h[bit >> 3] = 0x80 >> (bit & 7);
      const table = expand(h);
      for (let other = bit % 3; other < 128; other += 3) {
        const text = Buffer.alloc(16);
        text[other >> 3] = 0x80 >> (other & 7);
        expect(hash(table, new Uint8Array(), text)).toBe(slowHash(h, new Uint8Array(), text));
      }
    }
  });

  test("every bit of H, where its second to fourth power count", () => {
    const text = bytesOf("powers", 7 * 16);
    for (let bit = 0; bit < 128; bit++) {
      const h = bytesOf(`powers ${bit}`, 16);
      // The last byte of a square is reduced twice: H with nothing but low bits is all that.
      if (bit % 2 === 0) h.fill(0);
      h[bit >> 3] = h[bit >> 3]! | (0x80 >> (bit & 7));
      const table = expand(h);
      for (const length of [48, 64, 112]) {
        const part = text.subarray(0, length);
        expect(hash(table, new Uint8Array(), part), `bit ${bit}`).toBe(slowHash(h, new Uint8Array(), part));
      }
    }
    const ones = Buffer.alloc(16, 0xff);
    expect(hash(expand(ones), ones, text)).toBe(slowHash(ones, ones, text));
  });

  test("every pair of lengths up to 70 agrees with the standard's own loop", { timeout: 120_000 }, () => {
    const h = bytesOf("pairs of lengths", 16);
    const table = expand(h);
    const bytes = bytesOf("pairs of lengths: bytes", 200);
    for (let aad = 0; aad <= 70; aad++) {
      for (let text = aad % 2; text <= 70; text += 2) {
        const [a, t] = [bytes.subarray(0, aad), bytes.subarray(100, 100 + text)];
        expect(hash(table, a, t), `${aad} and ${text} bytes`).toBe(slowHash(h, a, t));
      }
    }
  });

  test("long inputs agree with @noble/ciphers", () => {
    for (const [aadLength, textLength] of [
      [8192, 1000],
      [8209, 65537],
      [15, 300_001],
      [0, 1 << 20],
    ] as const) {
      const h = bytesOf(`H ${textLength}`, 16);
      const aad = bytesOf(`aad ${textLength}`, aadLength);
      const text = bytesOf(`text ${textLength}`, textLength);
      const expected = Buffer.from(nobleGhash(blocksOf(aad, text), h)).toString("hex");
      expect(hash(expand(h), aad, text)).toBe(expected);
    }
  });

  test("making a table leaves nothing of the hash key behind", () => {
    const instance = new KernelInstance(module);
    const table = instance.alloc(instance.constant("ghashTableBytes"));
    const h = instance.put(bytesOf("nothing left", 16));
    instance.call("ghashExpand", h, table);
    const heap = instance.constant("HEAP_BASE");
    expect(Buffer.from(instance.get(0, heap)).equals(new KernelInstance(module).get(0, heap))).toBe(true);
  });
});
