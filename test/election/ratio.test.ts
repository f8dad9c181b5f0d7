import { describe, expect, test } from "vitest";
import { ACCURACY, ratioOf, timesNearest, timesUp } from "../../src/election/ratio.ts";

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
