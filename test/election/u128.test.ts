import { expect, test } from "vitest";
import { U128_MAX, mulDivDown, saturatingAdd, saturatingMul, saturatingSub } from "../../src/election/u128.ts";

test("sums, products and differences saturate", () => {
  expect(saturatingAdd(U128_MAX - 1n, 1n)).toBe(U128_MAX);
  expect(saturatingAdd(U128_MAX, 1n)).toBe(U128_MAX);
  expect(saturatingMul(2n ** 64n, 2n ** 64n)).toBe(U128_MAX);
  expect(saturatingMul(2n ** 64n, 2n ** 64n - 1n)).toBe(2n ** 128n - 2n ** 64n);
  expect(saturatingSub(3n, 3n)).toBe(0n);
  expect(saturatingSub(3n, 4n)).toBe(0n);
  expect(saturatingSub(4n, 3n)).toBe(1n);
});

test("a product is divided whole, rounded down", () => {
  expect(mulDivDown(U128_MAX, U128_MAX, U128_MAX)).toBe(U128_MAX);
  expect(mulDivDown(U128_MAX, U128_MAX - 1n, U128_MAX)).toBe(U128_MAX - 1n);
  expect(mulDivDown(7n, 2n, 3n)).toBe(4n);
  expect(mulDivDown(U128_MAX, 2n, 1n)).toBe(U128_MAX);
  expect(mulDivDown(1n, 1n, 0n)).toBe(U128_MAX);
});
