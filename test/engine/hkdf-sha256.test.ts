import { hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { HkdfSha256 } from "../../src/engine/hkdf-sha256.ts";
import { Kernels } from "../../src/engine/kernels.ts";

const bytes = fc.uint8Array({ maxLength: 200 });
const NO_SALT = new Uint8Array(0);

describe("HKDF-SHA-256", () => {
  const hkdf = new HkdfSha256();

  test("is node:crypto's, of any number of secrets", () => {
    const agrees = (materials: readonly { ikm: Uint8Array; info: Uint8Array }[], length: number): void => {
      const expected = materials.map(({ ikm, info }) => Buffer.from(hkdfSync("sha256", ikm, NO_SALT, info, length)));
      expect(Buffer.from(hkdf.derive(materials, length))).toEqual(Buffer.concat(expected));
    };
    const materials = fc.array(fc.record({ ikm: bytes, info: bytes }), { maxLength: 9 });
    fc.assert(fc.property(materials, fc.integer({ min: 1, max: 100 }), agrees));
  });

  test("leaves nothing of a secret and its output in the kernels' memory", () => {
    const kernels = new Kernels();
    const own = new HkdfSha256(kernels);
    const ikm = Buffer.from("a secret of this test only, of 32 bytes");
    const output = own.derive([{ ikm, info: NO_SALT }], 48);
    const memory = Buffer.from(kernels.bytes.buffer);
    for (const left of [ikm, Buffer.from(output)]) expect(memory.includes(left.subarray(0, 16))).toBe(false);
  });

  test("is not used when the kernels compute something else", () => {
    const kernels = new Kernels();
    vi.spyOn(kernels, "call").mockReturnValue(0);
    expect(() => new HkdfSha256(kernels)).toThrow(expect.objectContaining({ code: "KERNEL_SELF_TEST_FAILED" }));
  });
});
