import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeHeader,
  encodeHeader,
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD_BYTES,
  sealedAad,
  STATE_BYTES_MAX,
  STORAGE_KEY_BYTES_MAX,
} from "../../src/engine/sealed-state.ts";
import { ALL_SUITES } from "../../src/engine/suite.ts";
import * as page from "../../src/store/page.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("a sealed state's header", () => {
  it("has the bytes that the format says", () => {
    const header = { suite: "aes-256-gcm", rotationId: 0x01020304, writeVersion: 0x1112131415161718n } as const;
    expect(hex(encodeHeader(header))).toBe("0101" + "04030201" + "1817161514131211");
    expect(hex(encodeHeader({ ...header, suite: "chacha20-poly1305" }))).toBe("0102" + "04030201" + "1817161514131211");
  });

  it("is read as it was written, up to the largest numbers", () => {
    const headers = fc.record({
      suite: fc.constantFrom(...ALL_SUITES),
      rotationId: fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1)),
      writeVersion: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(headers, fc.nat(100), (header, textBytes) => {
        // Somewhere in a larger buffer, as it lies in a page.
        const sealed = Buffer.alloc(7 + SEALED_OVERHEAD_BYTES + textBytes, 0xff).subarray(7);
        sealed.set(encodeHeader(header));
        expect(decodeHeader(sealed)).toEqual(header);
      }),
    );
  });

  it("is refused when the sealed state is too short, or of an unknown version or suite", () => {
    const invalid = expect.objectContaining({ code: "SEALED_STATE_INVALID" });
    const sealed = Buffer.alloc(SEALED_OVERHEAD_BYTES);
    sealed.set(encodeHeader({ suite: "aes-256-gcm", rotationId: 1, writeVersion: 1n }));
    for (let length = 0; length < SEALED_OVERHEAD_BYTES; length++) {
      expect(() => decodeHeader(sealed.subarray(0, length))).toThrow(invalid);
    }
    for (let version = 0; version < 256; version++) {
      const other = Buffer.from(sealed);
      other[0] = version;
      if (version !== 1) expect(() => decodeHeader(other)).toThrow(invalid);
    }
    for (let suite = 0; suite < 256; suite++) {
      const other = Buffer.from(sealed);
      other[1] = suite;
      if (suite !== 1 && suite !== 2) expect(() => decodeHeader(other)).toThrow(invalid);
    }
  });
});

it("the AAD is header, contract id and storage key, whatever follows the header", () => {
  const sealed = Uint8Array.from({ length: 60 }, (_, i) => i);
  const contract = new Uint8Array(32).fill(0xcc);
  const key = Uint8Array.of(1, 2, 3);
  const expected = `${hex(sealed.subarray(0, 14))}${"cc".repeat(32)}010203`;
  expect(hex(sealedAad(sealed, contract, key))).toBe(expected);
  expect(hex(sealedAad(sealed.subarray(0, 14), contract, key))).toBe(expected);
  expect(sealedAad(sealed, contract, new Uint8Array(0))).toHaveLength(46);
});

it("has the limits that the store's pages have", () => {
  expect(SEALED_OVERHEAD_BYTES).toBe(page.SEALED_BYTES_MIN);
  expect(SEALED_OVERHEAD_BYTES + STATE_BYTES_MAX).toBe(page.SEALED_BYTES_MAX);
  expect(STORAGE_KEY_BYTES_MAX).toBe(page.STORAGE_KEY_BYTES_MAX);
  expect(SEALED_HEADER_BYTES).toBe(14);
});
