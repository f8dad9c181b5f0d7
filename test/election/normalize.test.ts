import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normalize } from "../../src/election/normalize.ts";
import { U128_MAX } from "../../src/election/u128.ts";

const values = fc.array(fc.bigInt({ min: 0n, max: 60n }), { minLength: 1, maxLength: 7 });
const targets = fc.bigInt({ min: 0n, max: 250n });

/** One unit at a time where units are moved one at a time, as the rule is told. */
function normalizeSlowly(input: readonly bigint[], target: bigint): bigint[] {
  const places = [...input.keys()].sort((a, b) => Number(input[a]! - input[b]!) || a - b);
  const output = [...input];
  const sum = input.reduce((a, b) => a + b, 0n);
  const count = BigInt(input.length);
  const [share, rest] = [(target - sum) / count, (target - sum) % count];
  if (target >= sum) {
    let at = 0;
    const steps = [...(share > 0n ? input.map(() => share) : []), ...Array<bigint>(Number(rest)).fill(1n)];
    for (const step of steps) {
      output[places[at]!]! += step;
      if (output[places[at]!]! >= target / count) at = (at + 1) % places.length;
    }
    return output;
  }
  const floor = input[places[0]!]!;
  let at = places.length - 1;
  let left = -rest;
  const leave = (): void => {
    if (output[places[at]!]! <= floor) at = (at + places.length - 1) % places.length;
  };
  for (let times = 0; times < places.length && share < 0n; times++) {
    output[places[at]!]! += share;
    if (output[places[at]!]! < 0n) {
      left -= output[places[at]!]!;
      output[places[at]!] = 0n;
    }
    leave();
  }
  while (left > 0n) {
    if (output[places[at]!] === 0n) at = (at + places.length - 1) % places.length;
    else {
      output[places[at]!]!--;
      left--;
      leave();
    }
  }
  return output;
}

describe("normalize", () => {
  // Published with `normalize` in sp-arithmetic.
  test.each([
    [[8n, 9n, 7n, 10n], 40n, [10n, 10n, 10n, 10n]],
    [[7n, 7n, 7n, 10n], 40n, [11n, 11n, 8n, 10n]],
    [[7n, 8n, 7n, 10n], 40n, [11n, 8n, 11n, 10n]],
    [[8n, 11n, 9n, 10n], 40n, [10n, 11n, 9n, 10n]],
    [[12n, 11n, 13n, 10n], 40n, [10n, 10n, 10n, 10n]],
    [[13n, 12n, 13n, 10n], 40n, [9n, 12n, 9n, 10n]],
    [[1n, 100n, 100n], 10n, [1n, 9n, 0n]],
    [[1n, 8n, 9n], 1n, [0n, 1n, 0n]],
    [[200_000_000n, 150_000_000n, 300_000_000n], 1_000_000_000n, [316_666_668n, 383_333_332n, 300_000_000n]],
  ])("makes %s with the sum %s into %s", (input, target, output) => {
    expect(normalize(input, target)).toEqual(output);
  });

  test("moves units as the rule tells", () => {
    fc.assert(
      fc.property(values, targets, (input, target) => {
        expect(normalize(input, target)).toEqual(normalizeSlowly(input, target));
      }),
      { numRuns: 5_000 },
    );
  });

  test("reaches the sum also where units would be moved for ever", () => {
    const wide = fc.array(fc.bigInt({ min: 0n, max: U128_MAX / 8n }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(wide, fc.bigInt({ min: 0n, max: U128_MAX }), (input, target) => {
        const output = normalize(input, target)!;
        expect(output.reduce((a, b) => a + b)).toBe(target);
        expect(output.every((value) => value >= 0n)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test("has nothing to move where there is nothing, and refuses a sum of more than 128 bits", () => {
    expect(normalize([], 7n)).toEqual([]);
    expect(normalize([U128_MAX, 0n], U128_MAX)).toEqual([U128_MAX, 0n]);
    expect(normalize([U128_MAX, 1n], 1n)).toBe(null);
  });
});
