import { blake2b } from "@noble/hashes/blake2.js";
import { describe, expect, it } from "vitest";
import { Blake2b256 } from "../../src/engine/blake2b.ts";
import { Kernels } from "../../src/engine/kernels.ts";

/** A message of this length that has no symmetry. */
const message = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * i * 7 + i * 31 + seed * 151) & 0xff);
const noble = (bytes: Uint8Array): string => Buffer.from(blake2b(bytes, { dkLen: 32 })).toString("hex");

function hashed(messages: readonly Uint8Array[]): string[] {
  const digests = Buffer.from(new Blake2b256().hashAll(messages.map((each) => [each])));
  return messages.map((_, index) => digests.subarray(index * 32, index * 32 + 32).toString("hex"));
}

describe("BLAKE2b-256", () => {
  it("is that of its reference implementation", () => {
    expect(hashed([Buffer.from("abc"), new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i)])).toEqual([
      "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
      "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
      "39a7eb9fedc19aabc83425c6755dd90e6f9d0c804964a1f4aaeea3b9fb599835",
    ]);
  });

  it("is noble's for every length around the blocks, in both lanes, beside longer and shorter ones", () => {
    const lengths = [0, 1, 7, 8, 63, 64, 65, 127, 128, 129, 255, 256, 257, 383, 384, 385, 1_000, 4_096];
    const messages = lengths.flatMap((length, index) => [
      message(length, index),
      message(lengths.at(-1 - index)!, index + 100),
      message(length, index + 50),
    ]);
    expect(hashed(messages)).toEqual(messages.map(noble));
    expect(hashed(messages.toReversed())).toEqual(messages.toReversed().map(noble));
  });

  it("hashes a short message beside a long one, however little memory lies behind it", () => {
    for (const length of [30_000, 65_536, 200_000]) {
      const messages = [message(length, 1), message(107, 2)];
      expect(hashed(messages)).toEqual(messages.map(noble));
      expect(hashed(messages.toReversed())).toEqual(messages.toReversed().map(noble));
    }
  });

  it("takes a message in pieces, and more messages than a call", () => {
    const whole = message(300, 1);
    const pieces = [whole.subarray(0, 5), whole.subarray(5, 5), whole.subarray(5, 130), whole.subarray(130)];
    const many = Array.from({ length: 2_051 }, (_, index) =>
      index === 2_049 ? pieces : [message(index % 140, index)],
    );
    const digests = Buffer.from(new Blake2b256().hashAll(many));
    for (const [index, each] of many.entries()) {
      expect(digests.subarray(index * 32, index * 32 + 32).toString("hex")).toBe(noble(Buffer.concat(each)));
    }
  });

  it("leaves nothing of a message behind", () => {
    const kernels = new Kernels();
    const marked = Buffer.from("a message that is looked for afterwards, in all of the memory of the kernels");
    new Blake2b256(kernels).hashAll([[marked], [marked, marked]]);
    expect(Buffer.from(kernels.bytes.buffer).includes(marked.subarray(8, 24))).toBe(false);
  });
});
