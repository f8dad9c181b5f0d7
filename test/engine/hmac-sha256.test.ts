import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { HmacSha256 } from "../../src/engine/hmac-sha256.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import { Secret } from "../../src/secret.ts";

const bytes = fc.uint8Array({ maxLength: 200 });

describe("HMAC-SHA-256", () => {
  const hmac = new HmacSha256();

  test("is node:crypto's, of a message in any pieces", () => {
    const agrees = (key: Uint8Array, pieces: readonly Uint8Array[]): void => {
      using secret = new Secret(key.slice());
      using tag = hmac.tag(secret, pieces);
      const expected = createHmac("sha256", key).update(Buffer.concat(pieces)).digest("hex");
      expect(tag.use((actual) => Buffer.from(actual).toString("hex"))).toBe(expected);
    };
    fc.assert(fc.property(bytes, fc.array(bytes, { maxLength: 4 }), agrees));
  });

  test("leaves nothing of key, message and tag in the kernels' memory", () => {
    const kernels = new Kernels();
    const own = new HmacSha256(kernels);
    const [key, message] = [Buffer.from("a key of this test only........."), Buffer.from("a message that is secret")];
    using secret = new Secret(Uint8Array.from(key));
    using tag = own.tag(secret, [message]);
    const memory = Buffer.from(kernels.bytes.buffer);
    for (const left of [key, message, createHmac("sha256", key).update(message).digest()]) {
      expect(memory.includes(left.subarray(0, 16))).toBe(false);
    }
    expect(tag.length).toBe(32);
  });

  test("is not used when the kernels compute something else", () => {
    const kernels = new Kernels();
    vi.spyOn(kernels, "call").mockReturnValue(0);
    expect(() => new HmacSha256(kernels)).toThrow(expect.objectContaining({ code: "KERNEL_SELF_TEST_FAILED" }));
  });
});
