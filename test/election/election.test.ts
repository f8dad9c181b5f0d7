import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ElectionInput, elect } from "../../src/election/election.ts";
import { U128_MAX } from "../../src/election/u128.ts";
import { elections, upstreamStakes } from "./random-election.ts";

const input: ElectionInput<number> = {
  seats: 2,
  candidates: [1, 2, 3],
  voters: [
    { id: 10, stake: 10n, targets: [1, 2] },
    { id: 20, stake: 20n, targets: [1, 3] },
    { id: 30, stake: 30n, targets: [2, 3] },
  ],
  algorithm: "seq-phragmen",
  balance: 4,
};

describe("an election", () => {
  test("has winners, assignments, supports and score", () => {
    expect(elect(input)).toEqual({
      winners: [
        [3, 30n],
        [2, 30n],
      ],
      assignments: [
        { voter: 10, distribution: [[2, 10n]] },
        { voter: 20, distribution: [[3, 20n]] },
        {
          voter: 30,
          distribution: [
            [2, 20n],
            [3, 10n],
          ],
        },
      ],
      supports: [
        {
          target: 2,
          total: 30n,
          voters: [
            [10, 10n],
            [30, 20n],
          ],
        },
        {
          target: 3,
          total: 30n,
          voters: [
            [20, 20n],
            [30, 10n],
          ],
        },
      ],
      score: { minimalStake: 30n, sumStake: 60n, sumStakeSquared: 1_800n },
      pjrCounterExample: null,
    });
  });

  test("has distinct winners, no more than seats, and distributes each voter's stake whole among them", () => {
    fc.assert(
      fc.property(elections(upstreamStakes), (random) => {
        const { winners, assignments, supports, score } = elect(random);
        const ids = winners.map(([id]) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(ids.length).toBeLessThanOrEqual(Math.min(random.seats, random.candidates.length));
        const stakes = new Map(random.voters.map(({ id, stake }) => [id, stake]));
        for (const { voter, distribution } of assignments) {
          expect(distribution.reduce((sum, [, stake]) => sum + stake, 0n)).toBe(stakes.get(voter));
          for (const [target] of distribution) expect(ids).toContain(target);
        }
        for (const { target } of supports) expect(ids).toContain(target);
        const given = supports.reduce((sum, { total }) => sum + total, 0n);
        expect(score.sumStake).toBe(given < U128_MAX ? given : U128_MAX);
      }),
      { numRuns: 1_000 },
    );
  });

  test("by sequential Phragmén, balanced, has PJR where there is anything to represent", () => {
    const large = fc.constant(fc.bigInt({ min: 10n ** 9n, max: 10n ** 12n }));
    fc.assert(
      fc.property(elections(large), (random) => {
        const { supports, pjrCounterExample } = elect({ ...random, algorithm: "seq-phragmen", balance: 50 });
        expect(supports.length === 0 || pjrCounterExample === null).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("does not depend on the order of voters where no two scores come close", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...input.voters], { minLength: 3 }), (voters) => {
        expect(elect({ ...input, voters, balance: 0 }).winners).toEqual(elect({ ...input, balance: 0 }).winners);
        expect(elect({ ...input, voters }).score).toEqual(elect(input).score);
      }),
    );
  });

  test("passes over voters without stake", () => {
    const more = [...input.voters, { id: 40, stake: 0n, targets: [1, 2, 3] }];
    for (const algorithm of ["seq-phragmen", "phragmms"] as const) {
      expect(elect({ ...input, algorithm, voters: more })).toEqual(elect({ ...input, algorithm }));
    }
  });

  test.each<[string, Partial<ElectionInput<number>>, Record<string, unknown>]>([
    ["no seats", { seats: 0 }, { seats: 0 }],
    ["half a seat", { seats: 0.5 }, { seats: 0.5 }],
    ["fewer than no iterations", { balance: -1 }, { balance: -1 }],
    ["a candidate twice", { candidates: [1, 2, 1] }, { candidate: 1 }],
    ["a voter twice", { voters: [input.voters[0]!, input.voters[0]!] }, { voter: 10 }],
    ["a negative stake", { voters: [{ id: 7, stake: -1n, targets: [] }] }, { voter: 7 }],
    ["a stake of 129 bits", { voters: [{ id: 7, stake: U128_MAX + 1n, targets: [] }] }, { voter: 7 }],
  ])("refuses %s", (_, part, detail) => {
    expect(() => elect({ ...input, ...part })).toThrow(expect.objectContaining({ code: "ELECTION_INVALID", detail }));
  });
});
