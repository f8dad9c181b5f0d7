import { createCipheriv, createHash, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { compileKernels, Kernels } from "../../src/engine/kernels.ts";
import {
  EXPECTED,
  HKDF_SAMPLE_EXPECTED,
  HKDF_SAMPLE_INFO_BYTES,
  HKDF_SAMPLE_KEYS,
  SAMPLE_LENGTHS,
  sampleAadBytes,
  sampleByte,
  sampleNewAadBytes,
  selfTest,
} from "../../src/engine/self-test.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";

const pattern = (n: number, bytes: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, i) => sampleByte(n, i)));
const key = (index: number): Buffer => pattern(200 + index, 32);

/** The sample as node:crypto seals it, and as it is after re-encryption. */
function expected(suite: Suite): { sealed: string; reencrypted: string } {
  const seal = (keyIndex: number, nonce: Buffer, aad: Buffer, text: Buffer): Buffer => {
    const cipher = createCipheriv(suite as "aes-256-gcm", key(keyIndex), nonce, { authTagLength: 16 });
    cipher.setAAD(aad, { plaintextLength: text.length });
    return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  };
  const digest = (boxes: Buffer[]): string => createHash("sha256").update(Buffer.concat(boxes)).digest("hex");
  const box = (n: number): Buffer => pattern(n, 12 + SAMPLE_LENGTHS[n]! + 16);
  const text = (n: number): Buffer => box(n).subarray(12, 12 + SAMPLE_LENGTHS[n]!);
  const aad = (n: number): Buffer => pattern(50 + n, sampleAadBytes(n));
  const newAad = (n: number): Buffer => pattern(150 + n, sampleNewAadBytes(n));
  const nonces = pattern(100, 12 * SAMPLE_LENGTHS.length);
  const records = SAMPLE_LENGTHS.map((_, n) => n);
  return {
    sealed: digest(records.map((n) => seal(n % 2, box(n).subarray(0, 12), aad(n), text(n)))),
    reencrypted: digest(
      records.map((n) => seal(2 + (n % 2), nonces.subarray(n * 12, n * 12 + 12), newAad(n), text(n))),
    ),
  };
}

/** Second bytes of the instructions v128.and and v128.xor. An or would not do: for one gate of the S-box it is the same. */
const V128_AND = 0x4e;
const V128_XOR = 0x51;

describe("the known-answer check", () => {
  it.each(ALL_SUITES)("expects of %s what node:crypto computes", (suite) => {
    expect(EXPECTED[suite]).toEqual(expected(suite));
  });

  it("expects of the derivation of contract keys what node:crypto computes", () => {
    const keys = Array.from({ length: HKDF_SAMPLE_KEYS }, (_, n) =>
      Buffer.from(hkdfSync("sha256", pattern(n, 32), "", pattern(100 + n, HKDF_SAMPLE_INFO_BYTES), 32)),
    );
    expect(createHash("sha256").update(Buffer.concat(keys)).digest("hex")).toBe(HKDF_SAMPLE_EXPECTED);
  });

  it("passes on the built kernels and leaves nothing of the sample behind", () => {
    const kernels = new Kernels();
    selfTest(kernels);
    for (const index of [0, 1, 2, 3]) expect(Buffer.from(kernels.bytes).includes(key(index))).toBe(false);
  });

  it("refuses kernels in which any one exclusive or was made an and", () => {
    const wasm = readFileSync(new URL("../../build/kernels.wasm", import.meta.url));
    const places = [...wasm.keys()].filter((at) => wasm[at] === 0xfd && wasm[at + 1] === V128_XOR);
    expect(places.length).toBeGreaterThan(200);
    for (const at of places) {
      const altered = Buffer.from(wasm);
      altered[at + 1] = V128_AND;
      const kernels = new Kernels(new WebAssembly.Module(altered));
      expect(() => selfTest(kernels), `the instruction at byte ${at}`).toThrow(
        expect.objectContaining({ code: "KERNEL_SELF_TEST_FAILED" }),
      );
    }
  });

  it("says so when the file is missing", () => {
    expect(() => compileKernels(new URL("file:///nowhere/kernels.wasm"))).toThrow(
      expect.objectContaining({ code: "KERNEL_UNAVAILABLE" }),
    );
  });
});
