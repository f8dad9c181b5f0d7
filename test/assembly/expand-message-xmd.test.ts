import { expand_message_xmd } from "@noble/curves/abstract/hash-to-curve.js";
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expand, expansionKernel } from "./expansion.ts";
import { bytesOf } from "./kdf-batch.ts";

const SHA256 = secp256k1_hasher.defaults.hash;
const reference = (message: Uint8Array, dst: Uint8Array, ell: number): string =>
  Buffer.from(expand_message_xmd(message, dst, 32 * ell, SHA256)).toString("hex");

/** Compares four messages, or a multiple of four, that differ between lanes. */
async function compare(length: number, dstLength: number, ell: number, count = 4): Promise<void> {
  const messages = Array.from({ length: count }, (_, i) => bytesOf(1000 * length + i, length));
  const dst = bytesOf(dstLength, dstLength);
  const outputs = await expand(messages, dst, ell);
  expect(outputs).toEqual(messages.map((message) => reference(message, dst, ell)));
}

describe("expandFour", () => {
  it("agrees with noble on contract ids under the DST of contract points", async () => {
    const dst = Buffer.from("gatekeeper/v1 contract point with secp256k1_XMD:SHA-256_SSWU_RO_");
    const ids = Array.from({ length: 12 }, (_, i) => bytesOf(i, 32));
    expect(await expand(ids, dst, 3)).toEqual(ids.map((id) => reference(id, dst, 3)));
  });

  it("agrees with noble at every length of the message around the blocks' edges", async () => {
    for (let length = 0; length <= 200; length++) await compare(length, 64, 3);
  });

  it("agrees with noble at every length of the DST", async () => {
    for (let dstLength = 1; dstLength <= 255; dstLength++) await compare(32, dstLength, 3);
  });

  it("agrees with noble where the most is laid out at once", async () => {
    for (const length of [63, 127]) await compare(length, 255, 3);
  });

  it("agrees with noble from one digest to the most there are", async () => {
    for (const ell of [1, 2, 4, 8, 9, 255]) await compare(32, 20, ell);
  });

  it("agrees with noble on any shape, over several groups", async () => {
    const shape = fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 255 }), fc.integer({ min: 1, max: 9 }));
    await fc.assert(fc.asyncProperty(shape, ([length, dstLength, ell]) => compare(length, dstLength, ell, 12)));
  });

  it("takes one message in several lanes", async () => {
    const [one, other] = [bytesOf(1, 40), bytesOf(2, 40)];
    const dst = bytesOf(3, 30);
    const kernel = await expansionKernel();
    const [at, otherAt, tag] = [kernel.put(one), kernel.put(other), kernel.put(dst)];
    const out = kernel.alloc(4 * 96);
    kernel.call("beginExpansion", 40, tag, 30, 3);
    kernel.call("expandFour", out, at, otherAt, at, at);
    const outputs = [0, 1, 2, 3].map((i) => Buffer.from(kernel.get(out + 96 * i, 96)).toString("hex"));
    expect(outputs).toEqual([one, other, one, one].map((message) => reference(message, dst, 3)));
  });

  it("reads nothing behind messages and DST: they may end where the memory ends", async () => {
    for (const length of [5, 32, 64, 100]) {
      const kernel = await expansionKernel();
      const [message, dst] = [bytesOf(length, length), bytesOf(1, 50)];
      const out = kernel.alloc(4 * 96);
      const end = kernel.bytes.length;
      kernel.bytes.set(dst, end - 50);
      kernel.call("beginExpansion", length, end - 50, 50, 3);
      kernel.bytes.set(message, end - length);
      kernel.call("expandFour", out, end - length, end - length, end - length, end - length);
      expect(Buffer.from(kernel.get(out, 96)).toString("hex")).toBe(reference(message, dst, 3));
    }
  });
});

describe("beginExpansion", () => {
  it("traps on a DST of no or of 256 bytes, and on no or 256 digests, before anything is written", async () => {
    const kernel = await expansionKernel();
    const tag = kernel.put(bytesOf(1, 300));
    const before = kernel.get(0, kernel.bytes.length);
    for (const [dstLength, ell] of [
      [0, 3],
      [256, 3],
      [20, 0],
      [20, 256],
    ] as const) {
      expect(() => kernel.call("beginExpansion", 32, tag, dstLength, ell)).toThrow("unreachable");
    }
    expect(Buffer.compare(kernel.bytes, before)).toBe(0);
  });
});
