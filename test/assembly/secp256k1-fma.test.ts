import { readFileSync } from "node:fs";
import binaryen from "binaryen";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { BUILDS, compileKernel } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const FRACTION = (1n << 52n) - 1n;

/** A double as a whole number of 2^−1100. */
function scaled(x: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(x).buffer)[0]!;
  const exponent = (bits >> 52n) & 0x7ffn;
  if (exponent === 0n) return 0n;
  const size = ((bits & FRACTION) | (1n << 52n)) << (exponent + 25n);
  return x < 0 ? -size : size;
}

/** a·b + c, rounded once: Number() rounds a bigint to the nearest double, to the even one of two. */
function reference(a: number, b: number, c: number): number {
  const sum = scaled(a) * scaled(b) + (scaled(c) << 1100n);
  if (sum === 0n) return 0;
  // What Number() would not take is dropped, but for whether there is any of it.
  const drop = Math.max(0, (sum < 0n ? -sum : sum).toString(2).length - 200);
  const kept = sum >> BigInt(drop);
  const exponent = drop - 2201;
  const some = kept << BigInt(drop) === sum ? 0n : 1n;
  return Number((kept << 1n) | some) * 2 ** Math.floor(exponent / 2) * 2 ** Math.ceil(exponent / 2);
}

/** Of an odd number, modulo 2^52. */
function inverse(n: bigint): bigint {
  let x = n;
  for (let bits = 3; bits < 52; bits *= 2) x = BigInt.asUintN(52, x * (2n - n * x));
  return x;
}

const MANTISSA = fc.bigInt({ min: 0n, max: FRACTION });
/** Doubles of up to `bits` bits, one of them always set, times 2^exponent. */
const double = (bits: number, exponent: fc.Arbitrary<number>): fc.Arbitrary<number> =>
  fc
    .tuple(fc.oneof(MANTISSA, fc.constantFrom(0n, 1n, 3n, FRACTION, FRACTION >> 1n)), exponent, fc.boolean())
    .map(([mantissa, by, negative]) => {
      const size = Number((mantissa >> BigInt(53 - bits)) | (1n << BigInt(bits - 1))) * 2 ** by;
      return negative ? -size : size;
    });
const EXPONENT = fc.integer({ min: -150, max: 200 });

describe.each(BUILDS)("the multiply-add of the %s build", (build) => {
  let kernel: KernelInstance;
  const madd = (a: number, b: number, c: number): number => kernel.call("multiplyAddDoubles", a, b, c);
  beforeAll(async () => {
    kernel = new KernelInstance(await compileKernel("secp256k1-fma", undefined, build));
  }, 60_000);

  it("rounds once where a product and a cut that is larger are added, and leaves the rest of the product", () => {
    const operands = fc.tuple(double(52, EXPONENT), double(51, EXPONENT), fc.constantFrom(53, 54));
    fc.assert(
      fc.property(operands, ([a, b, bits]) => {
        // The product has 103 bits, of which the sum keeps the upper 51 or 52.
        const exponent = Math.ceil(Math.log2(Math.abs(a)) + Math.log2(Math.abs(b)));
        const cut = (25 / 16) * 2 ** (exponent + 54 - bits);
        const sum = madd(a, b, cut);
        expect(sum).toBe(reference(a, b, cut));
        expect(madd(a, b, cut - sum)).toBe(reference(a, b, cut - sum));
      }),
      { numRuns: 2000 },
    );
  });

  it("rounds ties to even, and what is next to a tie to the nearest", () => {
    const cut = (25 / 16) * 2 ** 52;
    const odd = fc.bigInt({ min: 0n, max: (1n << 49n) - 1n }).map((n) => 2n * n + 1n);
    fc.assert(
      fc.property(odd, fc.constantFrom(-1n, 0n, 1n), fc.constantFrom(1, -1), (n, off, sign) => {
        // n·m is an odd multiple of 2^51, or next to it: a tie, as the cut keeps multiples of 2^52.
        const m = BigInt.asUintN(52, inverse(n) * ((1n << 51n) + off));
        const a = sign * Number(n);
        const b = Number(m) * 2 ** -52;
        expect(madd(a, b, cut)).toBe(reference(a, b, cut));
      }),
      { numRuns: 2000 },
    );
  });

  it("is exact where the result is a double", () => {
    const input = fc.tuple(double(26, EXPONENT), double(27, EXPONENT));
    fc.assert(
      fc.property(input, ([a, b]) => {
        expect(madd(a, b, 0)).toBe(a * b);
        expect(madd(a, b, -a * b)).toBe(0);
        expect(madd(a, b, a * b)).toBe(2 * a * b);
      }),
    );
    const wide = fc.tuple(double(53, EXPONENT), double(53, EXPONENT));
    fc.assert(
      fc.property(wide, ([a, b]) => {
        expect(madd(a, b, -a * b)).toBe(reference(a, b, -a * b));
      }),
      { numRuns: 2000 },
    );
  });

  it("is not that of two roundings", () => {
    expect(madd(1 + 2 ** -30, 1 + 2 ** -30, -(1 + 2 ** -29))).toBe(2 ** -60);
    expect((1 + 2 ** -30) * (1 + 2 ** -30) - (1 + 2 ** -29)).toBe(0);
  });
});

describe("the built kernels", () => {
  const multiplyAdds = (file: string): number => {
    const module = binaryen.readBinary(readFileSync(new URL(`../../build/${file}`, import.meta.url)));
    const found = module.emitText().split("relaxed_madd").length - 1;
    module.dispose();
    return found;
  };

  it("have relaxed multiply-adds, or none at all", () => {
    expect(multiplyAdds("kernels.wasm")).toBeGreaterThan(0);
    expect(multiplyAdds("kernels-unfused.wasm")).toBe(0);
  });
});
