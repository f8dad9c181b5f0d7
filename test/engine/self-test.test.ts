import { createCipheriv, createHash, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Blake2b256 } from "../../src/engine/blake2b.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { compileKernels, Kernels } from "../../src/engine/kernels.ts";
import { pageSelfTest } from "../../src/engine/page-self-test.ts";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
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

/** What an instruction on vectors begins with, and what follows it: LEB128. */
const VECTOR = 0xfd;
const INSTRUCTIONS = {
  "v128.and": [0x4e],
  "v128.xor": [0x51],
  "f64x2.add": [0xf0, 0x01],
  "f64x2.sub": [0xf1, 0x01],
  "f64x2.relaxed_madd": [0x87, 0x02],
  "f64x2.relaxed_nmadd": [0x88, 0x02],
} as const;
type Instruction = keyof typeof INSTRUCTIONS;

const wasm = readFileSync(new URL("../../build/kernels.wasm", import.meta.url));

/** Where the built kernels have an instruction. */
function placesOf(instruction: Instruction): number[] {
  const bytes = Buffer.from([VECTOR, ...INSTRUCTIONS[instruction]]);
  return [...wasm.keys()].filter((at) => wasm.subarray(at, at + bytes.length).equals(bytes));
}

/** The built kernels with another instruction at a place. */
function alteredKernels(at: number, instruction: Instruction): Kernels {
  const altered = Buffer.from(wasm);
  altered.set(INSTRUCTIONS[instruction], at + 1);
  return new Kernels(new WebAssembly.Module(altered));
}

/** Whether the check of the curve refuses kernels; any other error is thrown on. */
function curveIsRefused(kernels: Kernels): boolean {
  try {
    new Secp256k1("compressed", kernels);
    return false;
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "KERNEL_SELF_TEST_FAILED") return true;
    throw error;
  }
}

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

  // An or would not do: for one gate of the S-box it is the same.
  it("refuses kernels in which any one exclusive or was made an and, or those of the curve, BLAKE2b and pages do", () => {
    const places = placesOf("v128.xor");
    expect(places.length).toBeGreaterThan(200);
    for (const at of places) {
      const kernels = alteredKernels(at, "v128.and");
      const check = (): void => {
        selfTest(kernels);
        pageSelfTest(kernels);
        new Secp256k1("compressed", kernels);
        new Blake2b256(kernels);
      };
      expect(check, `the instruction at byte ${at}`).toThrow(
        expect.objectContaining({ code: "KERNEL_SELF_TEST_FAILED" }),
      );
    }
  });

  // Without effect are the product of multiplyAddDoubles, which compileKernels asks and not this check, and carries from
  // limb to limb where an element's bytes are made: one in thousands is not 0.
  it.each<[Instruction, Instruction, { all: number; withoutEffect: number }]>([
    ["f64x2.relaxed_madd", "f64x2.relaxed_nmadd", { all: 251, withoutEffect: 1 }],
    ["f64x2.add", "f64x2.sub", { all: 305, withoutEffect: 2 }],
    ["f64x2.sub", "f64x2.add", { all: 356, withoutEffect: 1 }],
  ])(
    "of the curve refuses one in five kernels in which any one %s was made an %s",
    (from, to, { all, withoutEffect }) => {
      const places = placesOf(from);
      expect(places.length).toBeGreaterThan(all / 2);
      const passed = places.filter((at, i) => i % 5 === 0 && !curveIsRefused(alteredKernels(at, to)));
      expect(passed.length, `the instructions at bytes ${passed.join()}`).toBeLessThanOrEqual(withoutEffect);
    },
  );

  it("says so when the file is missing", () => {
    expect(() => compileKernels(new URL("file:///nowhere/kernels.wasm"))).toThrow(
      expect.objectContaining({ code: "KERNEL_UNAVAILABLE" }),
    );
  });
});
