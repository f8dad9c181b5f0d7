import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ACCURACY, ratioAsNumber, ratioOf, timesNearest, timesUp } from "../../src/election/ratio.ts";

const { percent, perbill, peru16 } = ACCURACY;

describe("ratios", () => {
  test("are rounded down, and are one where the whole is nothing or smaller than the part", () => {
    expect(ratioOf(989n, 1_000n, percent)).toBe(98n);
    expect(ratioOf(2n, 3n, perbill)).toBe(666_666_666n);
    expect(ratioOf(0n, 3n, perbill)).toBe(0n);
    expect(ratioOf(3n, 3n, perbill)).toBe(perbill);
    expect(ratioOf(4n, 3n, perbill)).toBe(perbill);
    expect(ratioOf(0n, 0n, perbill)).toBe(perbill);
  });

  test("are the same as numbers, also just below, at and just above whole numbers of parts", () => {
    const same = (p: bigint, q: bigint): void => {
      expect(ratioAsNumber(p, q, Number(q), perbill)).toBe(Number(ratioOf(p, q, perbill)));
    };
    const stakes = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
    fc.assert(fc.property(stakes, stakes, same));
    const parts = fc.bigInt({ min: 0n, max: perbill });
    const scales = fc.bigInt({ min: 1n, max: 10n ** 25n });
    fc.assert(
      fc.property(parts, scales, fc.integer({ min: -1, max: 1 }), (ratio, scale, more) => {
        const p = ratio * scale + BigInt(more);
        same(p < 0n ? 0n : p, perbill * scale);
      }),
      { numRuns: 2_000 },
    );
    same(0n, 0n);
    same(2n, 1n);
  });

  test("times a value are rounded to the nearest, down in the middle", () => {
    expect(timesNearest(34n, 10n, percent)).toBe(3n);
    expect(timesNearest(36n, 10n, percent)).toBe(4n);
    expect(timesNearest(35n, 10n, percent)).toBe(3n);
    expect(timesNearest(32_768n, 1n, peru16)).toBe(1n);
    expect(timesNearest(32_767n, 1n, peru16)).toBe(0n);
    expect(timesNearest(perbill, 2n ** 128n - 1n, perbill)).toBe(2n ** 128n - 1n);
  });

  test("times a value are rounded up where that is asked", () => {
    expect(timesUp(34n, 10n, percent)).toBe(4n);
    expect(timesUp(30n, 10n, percent)).toBe(3n);
    expect(timesUp(0n, 10n, percent)).toBe(0n);
  });
});
