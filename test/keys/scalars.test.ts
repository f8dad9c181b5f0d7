import { ristretto255 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RISTRETTO255_SCALARS, SCALAR_BYTES, type Scalars, SECP256K1_SCALARS } from "../../src/keys/scalars.ts";

const SUITES: readonly [string, Scalars, { toBytes(n: bigint): Uint8Array; ORDER: bigint }][] = [
  ["secp256k1", SECP256K1_SCALARS, secp256k1.Point.Fn],
  ["ristretto255", RISTRETTO255_SCALARS, ristretto255.Point.Fn],
];

describe.each(SUITES)("scalars of %s", (_, scalars, field) => {
  const n = scalars.order;
  const raw = (value: bigint): Uint8Array => {
    const bytes = Buffer.from(value.toString(16).padStart(64, "0"), "hex");
    return scalars.byteOrder === "big" ? bytes : bytes.reverse();
  };
  const any = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
    fc.bigInt({ min: n - 2n ** 32n, max: n + 2n ** 32n }),
    fc.constantFrom(0n, 1n, n - 1n, n, n + 1n, n + 256n, 2n ** 256n - 1n, 2n ** 255n, 2n ** 252n),
  );

  test("have noble's order and encoding", () => {
    expect(n).toBe(field.ORDER);
    const agrees = (value: bigint): void => {
      expect(Buffer.from(scalars.encode(value))).toEqual(Buffer.from(field.toBytes(value)));
      expect(scalars.decode(scalars.encode(value))).toBe(value);
    };
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: n - 1n }), agrees));
  });

  test("are reduced, and keys besides are not zero", () => {
    const agrees = (value: bigint): void => {
      expect(scalars.isReduced(raw(value))).toBe(value < n);
      expect(scalars.isKey(raw(value))).toBe(value > 0n && value < n);
      expect(scalars.decode(raw(value))).toBe(value < n ? value : null);
    };
    fc.assert(fc.property(any, agrees), { numRuns: 500 });
    for (const length of [0, 31, 33, 64]) {
      const bytes = new Uint8Array(length).fill(1);
      expect([scalars.isReduced(bytes), scalars.isKey(bytes), scalars.decode(bytes)]).toEqual([false, false, null]);
    }
  });

  test("that are not reduced are not encoded", () => {
    for (const value of [-1n, n, n + 1n, 2n ** 256n]) expect(() => scalars.encode(value)).toThrow("whole number");
  });

  test("take a big-endian number in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), (bytes) => {
        const scalar = new Uint8Array(SCALAR_BYTES);
        scalars.place(bytes, scalar);
        expect(scalars.decode(scalar)).toBe(BigInt(`0x${Buffer.from(bytes).toString("hex")}`));
      }),
    );
  });

  test("are drawn from all of 1 to n − 1: no bit is fixed, none is out of range", () => {
    const draws = Array.from({ length: 400 }, () => scalars.random().use((bytes) => scalars.decode(bytes)!));
    expect(draws.every((value) => value > 0n && value < n)).toBe(true);
    expect(new Set(draws).size).toBe(draws.length);
    const bits = n.toString(2).length;
    // Of 400 fair draws, 130 to 270 are on the same side of any line: seven standard deviations.
    const balanced = (ones: number): boolean => ones > 130 && ones < 270;
    for (let bit = 0; bit < Math.min(bits, 252); bit++) {
      const ones = draws.filter((value) => (value >> BigInt(bit)) & 1n).length;
      expect(balanced(ones), `bit ${bit}`).toBe(true);
    }
    expect(balanced(draws.filter((value) => value > n / 2n).length)).toBe(true);
  });
});
