import { describe, expect, test } from "vitest";
import { pjrCounterExample, slack, standardThreshold } from "../../src/election/pjr.ts";

const voters = [
  { id: 1, stake: 10n, targets: [10, 20, 30, 40, 40] },
  { id: 2, stake: 20n, targets: [10, 20, 30, 40] },
  { id: 3, stake: 30n, targets: [30, 10, 99] },
];
const supports = [20, 40].map((target) => ({
  target,
  total: 15n,
  voters: [
    [1, 5n],
    [2, 10n],
  ] as const,
}));

describe("PJR", () => {
  test("is contradicted by voters that have nobody, by the highest id where several could be given as much", () => {
    expect(standardThreshold(2, voters)).toBe(30n);
    // Voter 3 alone has 30 to give; the others keep 15 where it is.
    expect(pjrCounterExample(supports, [10, 20, 30, 40], voters, 30n)).toBe(30);
    expect(pjrCounterExample(supports, [30, 40, 10, 20], voters, 30n)).toBe(30);
    expect(pjrCounterExample(supports, [10, 20, 30, 40], voters, 31n)).toBe(null);
  });

  test("is not asked of the elected, nor of who is no candidate", () => {
    expect(pjrCounterExample(supports, [20, 40], voters, 1n)).toBe(null);
    expect(pjrCounterExample([], [], [], 0n)).toBe(null);
    expect(standardThreshold(0, voters)).toBe(60n);
  });

  test("a voter can spare what keeps its elected at the threshold, to the nearest unit", () => {
    // 10 of 30 keep a third of 10, 3.33; 10 of 15 keep two thirds, 6.67.
    expect(slack(10n, [{ weight: 10n, backedStake: 30n }], 10n)).toBe(7n);
    expect(slack(10n, [{ weight: 10n, backedStake: 15n }], 10n)).toBe(3n);
    expect(slack(10n, [{ weight: 10n, backedStake: 5n }], 10n)).toBe(0n);
    expect(slack(10n, [], 10n)).toBe(10n);
  });
});
