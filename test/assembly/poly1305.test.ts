import { poly1305 } from "@noble/ciphers/_poly1305.js";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compileKernel } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x0${toHex(bytes.toReversed())}`);

/** Poly1305 as RFC 8439 §2.5.1 writes it down. */
function reference(key: Uint8Array, message: Uint8Array): string {
  const p = (1n << 130n) - 5n;
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = ((sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * r) % p;
  }
  const tag = (sum + littleEndian(key.subarray(16, 32))) & ((1n << 128n) - 1n);
  return toHex(hex(tag.toString(16).padStart(32, "0")).toReversed());
}

let module: WebAssembly.Module;
beforeAll(async () => {
  module = await compileKernel("poly1305");
}, 60_000);

/** The tag of a message of whole blocks in the single lane map, absorbed in the segments that `cuts` (blocks) give. */
function single(key: Uint8Array, message: Uint8Array, cuts: readonly number[] = []): string {
  const kernel = new KernelInstance(module);
  const last = message.length - 16;
  const tag = kernel.alloc(16);
  const at = kernel.put(message);
  kernel.call("poly1305Start", kernel.put(key), message.length / 16);
  let done = 0;
  for (const cut of [...cuts.map((c) => 16 * c), last]) {
    if (cut <= done || cut > last) continue;
    kernel.call("poly1305Absorb", at + done, cut - done);
    done = cut;
  }
  const words = [message.subarray(last, last + 8), message.subarray(last + 8)].map(littleEndian);
  kernel.call("poly1305Finish", tag, ...words);
  return toHex(kernel.get(tag, 16));
}

/**
 * Two messages of equally many blocks in the pair lane map. A short last block gets its 1 here, and a vector of high
 * bits without its own: the kernel needs whole blocks, but its groups take any high bits.
 */
function pair(keys: readonly Uint8Array[], messages: readonly Uint8Array[]): string[] {
  const kernel = new KernelInstance(module);
  const blocks = Math.ceil(messages[0]!.length / 16);
  const empty = blocks % 2;
  const highBits: number[][] = [];
  const at = messages.map((message, m) => {
    const padded = new Uint8Array(16 * (empty + blocks));
    padded.set(message, 16 * empty);
    if (message.length % 16 !== 0) padded[16 * empty + message.length] = 1;
    const bits = Array.from({ length: empty + blocks }, (_, b) => (b < empty ? 0 : 0x1000000));
    if (message.length % 16 !== 0) bits[empty + blocks - 1] = 0;
    highBits[m] = bits;
    return kernel.put(padded);
  });
  kernel.call("poly1305StartPair", kernel.put(keys[0]!), kernel.put(keys[1]!));
  const groups = (empty + blocks) / 2;
  for (let g = 0; g < groups; g++) {
    const words = [...highBits[0]!.slice(2 * g, 2 * g + 2), ...highBits[1]!.slice(2 * g, 2 * g + 2)];
    const bits = kernel.put(new Uint8Array(Uint32Array.from(words).buffer), 16);
    kernel.call("poly1305Groups", at[0]! + 32 * g, at[1]! + 32 * g, 32, 1, bits, g === groups - 1 ? 1 : 0);
  }
  const tags = kernel.alloc(32);
  kernel.call("poly1305FinishPair", tags, tags + 16);
  return [toHex(kernel.get(tags, 16)), toHex(kernel.get(tags + 16, 16))];
}

const ietf =
  "Any submission to the IETF intended by the Contributor for publication as all or part of an IETF Internet-Draft or " +
  'RFC and any statement made within the context of an IETF activity is considered an "IETF Contribution". Such ' +
  "statements include oral statements in IETF sessions, as well as written and electronic communications made at any " +
  "time or place, which are addressed to";
const r1 = "01".padEnd(32, "0");
const r2 = "02".padEnd(32, "0");
const none = "0".repeat(32);
const ones = "f".repeat(32);
const r10 = "0100000000000000040000000000000000000000000000000000000000000000";
const blocks10 = "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001";

/** RFC 8439: [name, one-time key, message, tag]. */
const published: readonly [string, string, Uint8Array, string][] = [
  [
    "§2.5.2",
    "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
    Buffer.from("Cryptographic Forum Research Group"),
    "a8061dc1305136c6c22b8baf0c0127a9",
  ],
  ["A.3 #1", none + none, new Uint8Array(64), none],
  ["A.3 #2", `${none}36e5f6b5c5e06070f0efca96227a863e`, Buffer.from(ietf), "36e5f6b5c5e06070f0efca96227a863e"],
  ["A.3 #3", `36e5f6b5c5e06070f0efca96227a863e${none}`, Buffer.from(ietf), "f3477e7cd95417af89a6b8794c310cf0"],
  [
    "A.3 #4",
    "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0",
    Buffer.from(
      "'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe:\nAll mimsy were the borogoves,\nAnd the mome raths outgrabe.",
    ),
    "4541669a7eaaee61e708dc7cbcc5eb62",
  ],
  ["A.3 #5", r2 + none, hex(ones), "03".padEnd(32, "0")],
  ["A.3 #6", r2 + ones, hex(r2), "03".padEnd(32, "0")],
  ["A.3 #7", r1 + none, hex(`${ones}f0${"ff".repeat(15)}11${"00".repeat(15)}`), "05".padEnd(32, "0")],
  ["A.3 #8", r1 + none, hex(`${ones}fb${"fe".repeat(15)}${"01".repeat(16)}`), none],
  ["A.3 #9", r2 + none, hex(`fd${"ff".repeat(15)}`), `fa${"ff".repeat(15)}`],
  ["A.3 #10", r10, hex(`${blocks10}${"0".repeat(30)}`), "14000000000000005500000000000000"],
  ["A.3 #11", r10, hex(blocks10.slice(0, 96)), "13".padEnd(32, "0")],
];

describe("Poly1305, RFC 8439", () => {
  it("the reference that these tests use agrees with the published tags and with noble", () => {
    for (const [name, key, message, tag] of published) {
      expect([name, reference(hex(key), message)]).toEqual([name, tag]);
      expect([name, toHex(poly1305(Uint8Array.from(message), hex(key)))]).toEqual([name, tag]);
    }
  });

  it.each(published)("%s in both halves of a pair", (_name, key, message, tag) => {
    const otherKey = new Uint8Array(32).map((_, i) => 7 * i + 3);
    const other = Uint8Array.from(message, (byte, i) => byte ^ (i + 1));
    expect(pair([hex(key), otherKey], [message, other])).toEqual([tag, reference(otherKey, other)]);
    expect(pair([otherKey, hex(key)], [other, message])).toEqual([reference(otherKey, other), tag]);
  });

  it.each(published.filter(([, , message]) => message.length % 16 === 0))("%s alone", (_name, key, message, tag) => {
    expect(single(hex(key), message)).toBe(tag);
  });
});

const p = (1n << 130n) - 5n;
/** A message whose blocks, with their 2^128 bits, are about equal and sum up to `sum` (2^128 or more). */
function blocksThatSumTo(sum: bigint): Uint8Array {
  const blocks = sum / (1n << 129n) + 1n;
  const values = Array.from({ length: Number(blocks) }, () => sum / blocks);
  values[0]! += sum % blocks;
  return Buffer.concat(values.map((value) => hex((value - (1n << 128n)).toString(16).padStart(32, "0")).toReversed()));
}

const extreme = fc.constantFrom(...[0x00, 0x01, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]);
const anyByte = fc.oneof(extreme, fc.integer({ min: 0, max: 255 }));
const block = fc.oneof(
  extreme.map((byte) => new Uint8Array(16).fill(byte)),
  fc.tuple(extreme, extreme).map(([first, rest]) => new Uint8Array(16).fill(rest).fill(first, 0, 1)),
  fc.array(anyByte, { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
);
const oneTimeKey = fc.tuple(block, block).map((halves) => Uint8Array.from(Buffer.concat(halves)));
const message = (blocks: number): fc.Arbitrary<Uint8Array> =>
  fc.array(block, { minLength: blocks, maxLength: blocks }).map((list) => Uint8Array.from(Buffer.concat(list)));

describe("Poly1305 lane maps", () => {
  it("agree with the reference on extreme blocks, keys and lengths, different in every lane", () => {
    const input = fc
      .integer({ min: 1, max: 23 })
      .chain((blocks) => fc.tuple(oneTimeKey, oneTimeKey, message(blocks), message(blocks)));
    fc.assert(
      fc.property(input, ([key, otherKey, first, second]) => {
        const tags = [reference(key, first), reference(otherKey, second)];
        expect(pair([key, otherKey], [first, second])).toEqual(tags);
        expect([single(key, first), single(otherKey, second)]).toEqual(tags);
      }),
      { numRuns: 300 },
    );
  });

  it("give the same tag however a single message is cut into segments", () => {
    const input = fc.tuple(
      oneTimeKey,
      fc.integer({ min: 1, max: 40 }).chain(message),
      fc.array(fc.integer({ min: 0, max: 40 })),
    );
    fc.assert(
      fc.property(input, ([key, text, cuts]) => {
        const ordered = cuts.toSorted((a, b) => a - b);
        expect(single(key, text, ordered)).toBe(reference(key, text));
      }),
    );
  });

  it("reduce sums next to multiples of p and of 2^130 to the one right number", () => {
    const key = hex(r1 + none); // with r = 1 the sum of the blocks is what is to be reduced
    for (const near of [p, 2n * p, 3n * p, 4n * p, 1n << 130n, 1n << 131n, 3n << 130n]) {
      for (let off = -9n; off <= 9n; off++) {
        const message = blocksThatSumTo(near + off);
        const tag = reference(key, message);
        expect(single(key, message)).toBe(tag);
        expect(pair([key, key], [message, message])).toEqual([tag, tag]);
      }
    }
  });

  it("bear the highest limbs for long", () => {
    const key = new Uint8Array(32).fill(0xff);
    for (const byte of [0xff, 0x00]) {
      const text = new Uint8Array(16 * 4001).fill(byte);
      expect(single(key, text)).toBe(reference(key, text));
      expect(pair([key, key], [text, text])).toEqual([reference(key, text), reference(key, text)]);
    }
  });

  it("leave nothing of a key behind when they are wiped", () => {
    const kernel = new KernelInstance(module);
    const pristine = kernel.get(0, kernel.constant("HEAP_BASE"));
    kernel.call("poly1305Start", kernel.put(new Uint8Array(32).fill(0xa7)), 6);
    kernel.call("poly1305Absorb", kernel.put(new Uint8Array(70).fill(0x5b)), 70);
    kernel.call("poly1305Finish", kernel.alloc(16), 1n, 2n);
    expect(kernel.get(0, kernel.constant("HEAP_BASE"))).not.toEqual(pristine);
    kernel.call("poly1305Wipe");
    expect(kernel.get(0, kernel.constant("HEAP_BASE"))).toEqual(pristine);
  });
});
