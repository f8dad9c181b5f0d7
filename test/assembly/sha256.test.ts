import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KernelInstance } from "./instance.ts";
import { bytesOf, runKdf, SHA256 } from "./kdf-batch.ts";

const reference = (message: Uint8Array): string => createHash("sha256").update(message).digest("hex");
const run = (messages: readonly Uint8Array[]): string[] =>
  runKdf(
    SHA256,
    messages.map((message) => ({ inputs: [message], outLength: 32 })),
  ).map((digest) => digest.toString("hex"));
const ascii = (text: string): Uint8Array => Buffer.from(text, "ascii");

describe("FIPS 180-4", () => {
  const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const TWO_BLOCKS = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
  const FOUR_BLOCKS = "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1";
  const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const MILLION = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

  test("the examples, one in each lane", () => {
    const messages = [
      ascii("abc"),
      ascii("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
      ascii(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
      ),
      ascii(""),
    ];
    expect(run(messages)).toEqual([ABC, TWO_BLOCKS, FOUR_BLOCKS, EMPTY]);
    expect(run(messages.toReversed())).toEqual([EMPTY, FOUR_BLOCKS, TWO_BLOCKS, ABC]);
  });

  test("a million times the letter a, beside short messages", () => {
    const million = new Uint8Array(1_000_000).fill(0x61);
    expect(run([ascii("abc"), million, ascii("")])).toEqual([ABC, MILLION, EMPTY]);
  });
});

describe("sha256Batch", () => {
  test("agrees with node:crypto for every length around the padding's edges, in every lane", () => {
    const messages = Array.from({ length: 260 }, (_, length) => bytesOf(length, length));
    expect(run(messages)).toEqual(messages.map(reference));
    const shifted = messages.slice(1);
    expect(run(shifted)).toEqual(shifted.map(reference));
  });

  test("agrees with node:crypto when the lanes' lengths differ widely", () => {
    const message = fc.uint8Array({ maxLength: 700 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 9 }), (messages) => {
        expect(run(messages)).toEqual(messages.map(reference));
      }),
    );
  });

  test("keeps a finished lane's digest while another lane runs on", () => {
    for (let long = 0; long < 4; long++) {
      const messages = Array.from({ length: 4 }, (_, lane) => bytesOf(lane, lane === long ? 5000 : 10 * lane));
      expect(run(messages)).toEqual(messages.map(reference));
    }
  });

  test("does nothing for an empty batch", () => {
    expect(run([])).toEqual([]);
  });

  test("hashes a message that ends where the memory ends", () => {
    const instance = new KernelInstance();
    const out = instance.alloc(32);
    const table = instance.alloc(12);
    const length = 77;
    const at = instance.bytes.length - length;
    instance.bytes.set(bytesOf(1, length), at);
    instance.bytes.set(new Uint8Array(Uint32Array.of(at, length, out).buffer), table);
    instance.call("sha256Batch", table, 1);
    expect(Buffer.from(instance.get(out, 32)).toString("hex")).toBe(reference(bytesOf(1, length)));
  });
});
