import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compileKernel } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

interface Lane {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly counter: number;
}

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** One block by OpenSSL. */
function reference({ key, nonce, counter }: Lane): Uint8Array {
  const iv = Buffer.alloc(16);
  iv.writeUInt32LE(counter);
  iv.set(nonce, 4);
  return createCipheriv("chacha20", key, iv).update(Buffer.alloc(64));
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!);
}

let module: WebAssembly.Module;
beforeAll(async () => {
  module = await compileKernel("chacha20");
}, 60_000);

function setLanes(kernel: KernelInstance, lanes: readonly Lane[]): void {
  lanes.forEach((lane, l) => {
    const nonce = kernel.alloc(16) + 4;
    kernel.bytes.set(lane.nonce, nonce);
    kernel.call("chacha20SetLane", l, kernel.put(lane.key), nonce, lane.counter);
  });
}

function blocks(lanes: readonly Lane[]): Uint8Array[] {
  const kernel = new KernelInstance(module);
  setLanes(kernel, lanes);
  const out = kernel.alloc(256);
  kernel.call("chacha20Blocks", out);
  return lanes.map((_, l) => kernel.get(out + 64 * l, 64));
}

const key = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");

describe("ChaCha20, RFC 8439", () => {
  const zeros = new Uint8Array(32);
  const cases = [
    {
      name: "§2.3.2",
      lane: { key, nonce: hex("000000090000004a00000000"), counter: 1 },
      block: `10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e
        d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e`,
    },
    {
      name: "A.1 #1",
      lane: { key: zeros, nonce: zeros.slice(0, 12), counter: 0 },
      block: `76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7
        da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586`,
    },
    {
      name: "A.1 #2",
      lane: { key: zeros, nonce: zeros.slice(0, 12), counter: 1 },
      block: `9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed
        29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f`,
    },
    {
      name: "A.1 #3",
      lane: { key: hex(`${"00".repeat(31)}01`), nonce: zeros.slice(0, 12), counter: 1 },
      block: `3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a
        8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0`,
    },
    {
      name: "A.1 #4",
      lane: { key: hex(`00ff${"00".repeat(30)}`), nonce: zeros.slice(0, 12), counter: 2 },
      block: `72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca
        13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096`,
    },
    {
      name: "A.1 #5",
      lane: { key: zeros, nonce: hex("000000000000000000000002"), counter: 0 },
      block: `c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7
        8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d`,
    },
  ];

  it("gives the published blocks, in every lane and beside each other", () => {
    for (let first = 0; first < cases.length; first++) {
      const four = [0, 1, 2, 3].map((lane) => cases[(first + lane) % cases.length]!);
      const computed = blocks(four.map(({ lane }) => lane));
      expect(computed.map(toHex)).toEqual(four.map(({ block }) => block.replace(/\s/g, "")));
    }
  });

  it("§2.4.2: encrypts the sunscreen text", () => {
    const text = Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const nonce = hex("000000000000004a00000000");
    const stream = Buffer.concat(blocks([1, 2, 3, 4].map((counter) => ({ key, nonce, counter }))));
    expect(toHex(xor(text, stream))).toBe(
      "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b3571639d624e65152ab" +
        "8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab77937365af90bbf74a35be6b40b8eedf2785e42" +
        "874d",
    );
  });

  it("§2.6.2: begins block 0 with the one-time key", () => {
    const lane = {
      key: hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
      nonce: hex("000000000001020304050607"),
      counter: 0,
    };
    const [block] = blocks([lane, lane, lane, lane]);
    expect(toHex(block!.subarray(0, 32))).toBe("8ad5a08b905f81cc815040274ab29471a833b637e3fd0da508dbb8e2fdd1a646");
  });
});

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length }) as fc.Arbitrary<Uint8Array>;
const lane: fc.Arbitrary<Lane> = fc.record({ key: bytes(32), nonce: bytes(12), counter: fc.nat({ max: 0xffffffff }) });
const fourLanes = fc.tuple(lane, lane, lane, lane);

describe("ChaCha20 on four lanes", () => {
  it("agrees with OpenSSL, each lane with its own key, nonce and counter", () => {
    fc.assert(
      fc.property(fourLanes, (lanes) => {
        expect(blocks(lanes).map(toHex)).toEqual(lanes.map((l) => toHex(reference(l))));
      }),
    );
  });

  it("folds the pairs that the mask names, and leaves no unfolded block of theirs in memory", () => {
    fc.assert(
      fc.property(fourLanes, fc.boolean(), fc.boolean(), (lanes, foldFirst, foldSecond) => {
        const kernel = new KernelInstance(module);
        setLanes(kernel, lanes);
        const out = kernel.alloc(256);
        const mask = [foldFirst, foldFirst, foldSecond, foldSecond].map((fold) => (fold ? -1 : 0));
        const fold = kernel.put(new Uint8Array(Int32Array.from(mask).buffer), 16);
        kernel.call("chacha20FoldedBlocks", out, fold);
        const raw = lanes.map(reference);
        const expected = raw.map((block, l) => (mask[l] === 0 ? block : xor(block, raw[l ^ 1]!)));
        expect(expected.map(toHex)).toEqual(raw.map((_, l) => toHex(kernel.get(out + 64 * l, 64))));
        const memory = Buffer.from(kernel.memory.buffer);
        raw.forEach((block, l) => {
          for (let at = 0; at < 64; at += 8) {
            expect(memory.includes(Buffer.from(block.subarray(at, at + 8)))).toBe(mask[l] === 0);
          }
        });
      }),
      { numRuns: 40 },
    );
  });

  it("forgets its lanes when it is wiped", () => {
    const kernel = new KernelInstance(module);
    const secret = new Uint8Array(32).map((_, i) => 0x80 + 5 * i);
    setLanes(
      kernel,
      [1, 2, 3, 4].map((counter) => ({ key: secret, nonce: hex("a1a2a3a4a5a6a7a8a9aaabac"), counter })),
    );
    const out = kernel.alloc(256);
    kernel.call("chacha20Blocks", out);
    kernel.call("chacha20Wipe");
    const below = Buffer.from(kernel.get(0, kernel.constant("HEAP_BASE")));
    for (let at = 0; at < 32; at += 4) {
      const word = Buffer.from(secret.subarray(at, at + 4));
      expect(below.includes(word)).toBe(false);
      expect(below.includes(Buffer.concat([word, word, word, word]))).toBe(false);
    }
  });
});
