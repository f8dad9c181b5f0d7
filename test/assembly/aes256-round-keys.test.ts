import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const LANES = 8;
const ROUND_KEYS_BYTES = 240;
const SLICED_KEYS_BYTES = 1920;
const GUARD = 0xa5;

/** FIPS 197 appendix A.3: the words that follow the key's own. */
const A3_KEY = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";
const A3_WORDS =
  "9ba354118e6925afa51a8b5f2067fcde" +
  "a8b09c1a93d194cdbe49846eb75d5b9a" +
  "d59aecb85bf3c917fee94248de8ebe96" +
  "b5a9328a2678a647983122292f6c79b3" +
  "812c81addadf48ba24360af2fab8b464" +
  "98c5bfc9bebd198e268c3ba709e04214" +
  "68007bacb2df331696e939e46c518d80" +
  "c814e20476a9fb8a5025c02d59c58239" +
  "de1369676ccc5a71fa2563959674ee15" +
  "5886ca5d2e2f31d77e0af1fa27cf73c3" +
  "749c47ab18501ddae2757e4f7401905a" +
  "cafaaae3e4d59b349adf6acebd10190d" +
  "fe4890d1e6188d0b046df344706c631e";

let module: WebAssembly.Module;
let kernels: KernelInstance;
beforeAll(async () => {
  module = await compileEntry(`
    export { aes256ExpandKeys, aes256SliceKeys, aes256StoreRoundKeys, aes256WipeRuns } from "./aes256-round-keys";`);
  kernels = new KernelInstance(module);
});

/** Reproducible bytes that differ for every label. */
function bytesOf(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(label).digest();
}

/** Round keys as blocks, `count` times 240 bytes with 16 bytes between them, which stay as they are. */
function roundKeys(keys: readonly Uint8Array[], stride = ROUND_KEYS_BYTES + 16): { at: number; blocks: Buffer[] } {
  const slicedKeys = kernels.alloc(SLICED_KEYS_BYTES + 16);
  kernels.bytes.fill(GUARD, slicedKeys, slicedKeys + SLICED_KEYS_BYTES + 16);
  kernels.call("aes256ExpandKeys", kernels.put(Buffer.concat(keys)), keys.length, slicedKeys);
  const at = kernels.alloc(keys.length * stride + 16);
  kernels.bytes.fill(GUARD, at, at + keys.length * stride + 16);
  kernels.call("aes256StoreRoundKeys", slicedKeys, keys.length, at, stride);
  expect([...kernels.get(slicedKeys + SLICED_KEYS_BYTES, 16)]).toEqual(Array<number>(16).fill(GUARD));
  const blocks = keys.map((_, lane) => Buffer.from(kernels.get(at + lane * stride, ROUND_KEYS_BYTES)));
  for (let lane = 0; lane < keys.length; lane++) {
    const between = kernels.get(at + lane * stride + ROUND_KEYS_BYTES, 16);
    expect([...between], `after key ${lane}`).toEqual(Array<number>(16).fill(GUARD));
  }
  return { at, blocks };
}

/** The schedule's words in FIPS 197's order, out of round keys as they are kept. */
function schedule(blocks: Buffer): string {
  const words = Buffer.alloc(ROUND_KEYS_BYTES);
  for (let round = 0; round < 15; round++) {
    for (let place = 0; place < 16; place++) {
      // ShiftRows takes row r of a state r columns on each round, and is not carried out before the last.
      const [row, column] = [place % 4, place >> 2];
      const shifts = round === 14 ? 0 : round;
      const from = row + 4 * ((column + shifts * (4 - row)) % 4);
      words[round * 16 + from] = blocks[round * 16 + place]! ^ (round === 0 ? 0 : 0x63);
    }
  }
  return words.toString("hex");
}

describe("the key schedule of AES-256", () => {
  test("FIPS 197 appendix A.3, in every lane and among every number of keys", () => {
    const key = Buffer.from(A3_KEY, "hex");
    for (let count = 1; count <= LANES; count++) {
      for (let place = 0; place < count; place++) {
        const keys = Array.from({ length: count }, (_, lane) => (lane === place ? key : bytesOf(`A.3 ${lane}`, 32)));
        expect(schedule(roundKeys(keys).blocks[place]!), `lane ${place} of ${count}`).toBe(A3_KEY + A3_WORDS);
      }
    }
  });

  test("what a key gives depends neither on its lane nor on the other keys", () => {
    const keys = Array.from({ length: LANES }, (_, lane) => bytesOf(`lane ${lane}`, 32));
    const alone = keys.map((key) => roundKeys([key]).blocks[0]!.toString("hex"));
    expect(new Set(alone).size).toBe(LANES);
    for (let turn = 0; turn < LANES; turn++) {
      const turned = keys.map((_, lane) => keys[(lane + turn) % LANES]!);
      roundKeys(turned).blocks.forEach((blocks, lane) => {
        expect(blocks.toString("hex")).toBe(alone[(lane + turn) % LANES]);
      });
    }
  });

  test("slicing gives back, for any choice of keys for the lanes, what those keys expand to", () => {
    const keys = Array.from({ length: LANES }, (_, lane) => bytesOf(`slice ${lane}`, 32));
    const stride = ROUND_KEYS_BYTES + 16;
    const { at } = roundKeys(keys, stride);
    const choices = [
      ...Array.from({ length: LANES - 1 }, (_, border) => Array.from({ length: LANES }, (_, i) => +(i > border))),
      [0, 1, 2, 3, 4, 5, 6, 7],
      [7, 6, 5, 4, 3, 2, 1, 0],
      [3, 3, 3, 3, 3, 3, 3, 3],
      [0, 1, 0, 1, 0, 1, 0, 1],
      [5, 5, 0, 0, 5, 2, 2, 2],
    ];
    for (const choice of choices) {
      const expected = kernels.alloc(SLICED_KEYS_BYTES);
      const chosen = kernels.put(Buffer.concat(choice.map((key) => keys[key]!)));
      kernels.call("aes256ExpandKeys", chosen, LANES, expected);
      const lanes = kernels.put(new Uint8Array(Uint32Array.from(choice, (key) => at + key * stride).buffer), 16);
      const sliced = kernels.alloc(SLICED_KEYS_BYTES);
      kernels.call("aes256SliceKeys", lanes, sliced);
      const same = Buffer.from(kernels.get(sliced, SLICED_KEYS_BYTES)).equals(
        Buffer.from(kernels.get(expected, SLICED_KEYS_BYTES)),
      );
      expect(same, choice.join(" ")).toBe(true);
    }
  });

  test("nothing of a key is left behind but where it was asked for", () => {
    const instance = new KernelInstance(module);
    const slicedKeys = instance.alloc(SLICED_KEYS_BYTES);
    const blocks = instance.alloc(LANES * ROUND_KEYS_BYTES);
    instance.call("aes256ExpandKeys", instance.put(bytesOf("left behind", LANES * 32)), LANES, slicedKeys);
    instance.call("aes256StoreRoundKeys", slicedKeys, LANES, blocks, ROUND_KEYS_BYTES);
    const lanes = Uint32Array.from({ length: LANES }, (_, lane) => blocks + lane * ROUND_KEYS_BYTES);
    instance.call("aes256SliceKeys", instance.put(new Uint8Array(lanes.buffer), 16), slicedKeys);
    instance.call("aes256WipeRuns");
    const heap = instance.constant("HEAP_BASE");
    expect(Buffer.from(instance.get(0, heap)).equals(new KernelInstance(module).get(0, heap))).toBe(true);
  });
});
