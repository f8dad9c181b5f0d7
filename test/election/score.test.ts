import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ElectionScore, compareScores, isBetterBy, scoreOf } from "../../src/election/score.ts";
import { U128_MAX } from "../../src/election/u128.ts";

const support = (total: bigint): { target: number; total: bigint; voters: [] } => ({ target: 0, total, voters: [] });
const component = fc.bigInt({ min: 0n, max: 4n });
const scores = fc
  .tuple(component, component, component)
  .map(([minimalStake, sumStake, sumStakeSquared]): ElectionScore => ({ minimalStake, sumStake, sumStakeSquared }));

describe("scores", () => {
  test("are the least, the sum and the squares' sum, saturated", () => {
    expect(scoreOf([3n, 2n, 4n].map(support))).toEqual({ minimalStake: 2n, sumStake: 9n, sumStakeSquared: 29n });
    expect(scoreOf([U128_MAX, 1n].map(support))).toEqual({
      minimalStake: 1n,
      sumStake: U128_MAX,
      sumStakeSquared: U128_MAX,
    });
    expect(scoreOf([])).toEqual({ minimalStake: U128_MAX, sumStake: 0n, sumStakeSquared: 0n });
  });

  test("are better without a margin where they compare so", () => {
    fc.assert(
      fc.property(scores, scores, (a, b) => {
        expect(Math.sign(compareScores(a, b))).toBe(-Math.sign(compareScores(b, a)) || 0);
        expect(isBetterBy(a, b, 0n)).toBe(compareScores(a, b) > 0);
      }),
    );
  });
});
