import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Assignment } from "../../src/election/assignment.ts";
import { assignmentsOf, flowOf } from "../../src/election/flow.ts";
import { removeCycles } from "../../src/election/reduce-cycles.ts";
import { removeSquares } from "../../src/election/reduce-squares.ts";
import { reduce, reduceKeepingStake } from "../../src/election/reduce.ts";
import { toSupports } from "../../src/election/support.ts";

/** Assignments as they are told: a voter, then target:stake. */
function told(...rows: readonly string[]): Assignment<number>[] {
  return rows.map((row) => {
    const [voter, ...edges] = row.split(" ");
    const distribution = edges.map((edge): [number, bigint] => {
      const [target, stake] = edge.split(":");
      return [Number(target), BigInt(stake!)];
    });
    return { voter: Number(voter), distribution };
  });
}

function edgesOf(assignments: readonly Assignment<number>[]): number {
  return assignments.reduce((sum, { distribution }) => sum + distribution.length, 0);
}

/** @param firstTarget - from 0 to 20 voters vote for themselves and for each other's namesakes. */
function flows(firstTarget: number, leastStake: bigint): fc.Arbitrary<Assignment<number>[]> {
  const edge = fc.tuple(
    fc.integer({ min: firstTarget, max: firstTarget + 8 }),
    fc.bigInt({ min: leastStake, max: 9n }),
  );
  const distribution = fc.uniqueArray(edge, { selector: ([target]) => target, maxLength: 8 });
  const row = fc.record({ voter: fc.integer({ min: 0, max: 20 }), distribution });
  return fc.uniqueArray(row, { selector: ({ voter }) => voter, maxLength: 15 });
}

/** Whether edges make no cycle: each joins two parts that were apart. */
function isForest(assignments: readonly Assignment<number>[]): boolean {
  const parts = new Map<string, string>();
  const partOf = (node: string): string => {
    const above = parts.get(node) ?? node;
    return above === node ? node : partOf(above);
  };
  return assignments.every(({ voter, distribution }) =>
    distribution.every(([target]) => {
      const [a, b] = [partOf(`voter ${voter}`), partOf(`target ${target}`)];
      parts.set(a, b);
      return a !== b;
    }),
  );
}

describe("reduce", () => {
  test("leaves a forest where no voter is a target and every edge has stake, and nothing to reduce", () => {
    fc.assert(
      fc.property(flows(100, 1n), (before) => {
        const { assignments } = reduce(before);
        expect(isForest(assignments)).toBe(true);
        expect(reduce(assignments)).toEqual({ assignments, removed: 0 });
      }),
      { numRuns: 2_000 },
    );
  });

  test("keeps what voters give and targets get, and adds no edge", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 100).chain((first) => flows(first, 0n)),
        (before) => {
          const { assignments: after, removed } = reduceKeepingStake(before);
          const totals = (assignments: readonly Assignment<number>[]): [number, bigint][] =>
            toSupports(assignments)
              .filter(({ total }) => total > 0n)
              .map(({ target, total }) => [target, total]);
          expect(totals(after)).toEqual(totals(before));
          expect(edgesOf(before) - edgesOf(after)).toBe(removed);
          for (const [index, { voter, distribution }] of before.entries()) {
            expect(after[index]!.voter).toBe(voter);
            const given = (each: Assignment<number>["distribution"]): bigint =>
              each.reduce((sum, [, n]) => sum + n, 0n);
            expect(given(after[index]!.distribution)).toBe(given(distribution));
            const targets = new Set(distribution.map(([target]) => target));
            expect(after[index]!.distribution.every(([target]) => targets.has(target))).toBe(true);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("loses stake where upstream does, unless it is to keep it", () => {
    const before = told("4 3:1 0:1", "0 0:2 3:5 1:5", "6 3:2 1:3 0:2");
    const stakeIn = (assignments: readonly Assignment<number>[]): bigint =>
      assignments.flatMap(({ distribution }) => distribution).reduce((sum, [, stake]) => sum + stake, 0n);
    expect(stakeIn(before)).toBe(21n);
    expect(stakeIn(reduce(before).assignments)).toBeLessThan(21n);
    expect(stakeIn(reduceKeepingStake(before).assignments)).toBe(21n);
    expect(isForest(reduceKeepingStake(before).assignments)).toBe(true);
  });

  test("moves the lightest edge's stake, the last of those that are alike", () => {
    // Published with `reduce` in sp-npos-elections.
    const flow = flowOf(told("4 100:100 102:100 104:100", "5 100:100 102:100 104:100"), false);
    removeSquares(flow);
    expect(assignmentsOf(flow)).toEqual(told("4 100:200 104:100", "5 102:200 104:100"));
  });

  test("uses the first of two edges to one target", () => {
    // Published with it, too.
    const { assignments } = reduce(told("1 10:15 20:5", "2 10:15 20:15 10:1 20:1"));
    expect(assignments).toEqual(told("1 10:20", "2 10:10 20:20 10:1 20:1"));
  });

  test("drops an edge of a cycle that has nothing and gets nothing", () => {
    const flow = flowOf(told("1 10:0 20:0", "2 10:5 20:7"), false);
    expect(removeCycles(flow)).toBe(2);
    expect(assignmentsOf(flow)).toEqual(told("1", "2 10:5 20:7"));
  });

  test("refuses a voter that is there twice, and one whose doubled edges go round by themselves", () => {
    const refused = expect.objectContaining({ code: "ELECTION_INVALID" });
    expect(() => reduce(told("1 10:1", "1 20:1"))).toThrow(refused);
    expect(() => reduce(told("1 10:5 10:1", "2 10:5 10:1"))).toThrow(refused);
  });
});
