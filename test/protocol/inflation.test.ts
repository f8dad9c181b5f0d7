import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type InflationCurve, eraPayout } from "../../src/protocol/inflation.ts";

const POLKADOT: InflationCurve = {
  minimum: 25_000_000,
  maximum: 100_000_000,
  idealStake: 750_000_000,
  falloff: 50_000_000,
};
const YEAR = 31_557_600_000;
const ISSUANCE = 10n ** 19n;

/** The curve in floating point, as its paper has it. */
function yearly(curve: InflationCurve, x: number): number {
  const [min, max, ideal, falloff] = [curve.minimum, curve.maximum, curve.idealStake, curve.falloff].map(
    (part) => part / 1e9,
  ) as [number, number, number, number];
  return min + (max - min) * (x <= ideal ? x / ideal : 2 ** ((ideal - x) / falloff));
}

describe("an era's payout", () => {
  test.each([
    [0n, 25n],
    [75n, 100n],
    [80n, 625n],
  ])("is Polkadot's with %i %% at stake", (percent, inflation) => {
    const payout = eraPayout(POLKADOT, (ISSUANCE * percent) / 100n, ISSUANCE, YEAR);
    // 2.5 % at nothing, 10 % at the ideal, 6.25 % a falloff beyond.
    const expected = (ISSUANCE * inflation) / (inflation === 625n ? 10_000n : 1_000n);
    expect(payout >= expected - 10n && payout <= expected).toBe(true);
  });

  test("is the curve of the paper, to twelve digits", () => {
    const curves = fc.record({
      minimum: fc.integer({ min: 0, max: 100_000_000 }),
      maximum: fc.integer({ min: 100_000_000, max: 1_000_000_000 }),
      idealStake: fc.integer({ min: 10_000_000, max: 1_000_000_000 }),
      falloff: fc.integer({ min: 1_000_000, max: 1_000_000_000 }),
    });
    fc.assert(
      fc.property(curves, fc.integer({ min: 0, max: 1_000_000_000 }), (curve, part) => {
        const payout = Number(eraPayout(curve, (ISSUANCE * BigInt(part)) / 1_000_000_000n, ISSUANCE, YEAR));
        const expected = yearly(curve, part / 1e9) * Number(ISSUANCE);
        expect(Math.abs(payout - expected)).toBeLessThanOrEqual(1 + 1e-12 * Number(ISSUANCE));
      }),
      { numRuns: 500 },
    );
  });

  test("grows with time, and is nothing where there is nothing", () => {
    const halfYear = eraPayout(POLKADOT, ISSUANCE / 2n, ISSUANCE, YEAR / 2);
    expect(eraPayout(POLKADOT, ISSUANCE / 2n, ISSUANCE, YEAR) - 2n * halfYear).toBeLessThanOrEqual(1n);
    expect(eraPayout(POLKADOT, 0n, 0n, YEAR)).toBe(0n);
    expect(eraPayout(POLKADOT, 5n, 10n, 0)).toBe(0n);
  });

  test("is the least inflation's where far too much is at stake", () => {
    const steep = { ...POLKADOT, falloff: 1_000_000, idealStake: 10_000_000 };
    const payout = eraPayout(steep, ISSUANCE, ISSUANCE, YEAR);
    expect(payout).toBe((ISSUANCE * 25n) / 1_000n);
  });
});
