import { describe, expect, test } from "vitest";
import { balance } from "../../src/election/balancing.ts";
import { type Graph, makeGraph } from "../../src/election/graph.ts";

/** All candidates elected, none backed yet. */
function electedGraph(
  candidates: readonly number[],
  voters: readonly [stake: bigint, targets: number[]][],
): Graph<number> {
  const graph = makeGraph(
    candidates,
    voters.map(([stake, targets], index) => ({ id: 100 + index, stake, targets })),
  );
  for (const candidate of graph.candidates) candidate.elected = true;
  return graph;
}

function weightsOf({ electors }: Graph<number>): bigint[][] {
  return electors.map(({ edges }) => edges.map(({ weight }) => weight));
}

describe("balancing", () => {
  test("levels what a voter backs, and gives the odd unit to its first", () => {
    const graph = electedGraph([1, 2, 3], [[11n, [3, 1, 2]]]);
    // A unit apart they stay, so it never ends by itself.
    expect(balance(graph.electors, 9)).toBe(9);
    expect(weightsOf(graph)).toEqual([[4n, 4n, 3n]]);
    expect(graph.candidates.map(({ backedStake }) => backedStake)).toEqual([4n, 3n, 4n]);
  });

  test("leaves out who is backed above the level", () => {
    const graph = electedGraph([1, 2, 3], [[12n, [1, 2, 3]]]);
    const [first, second, third] = graph.candidates;
    [first!.backedStake, second!.backedStake, third!.backedStake] = [2n, 4n, 30n];
    balance(graph.electors, 1);
    expect(weightsOf(graph)).toEqual([[7n, 5n, 0n]]);
    expect(graph.candidates.map(({ backedStake }) => backedStake)).toEqual([9n, 9n, 30n]);
  });

  test("goes on until nobody gains, and not at all where no iteration is asked for", () => {
    const voters: [bigint, number[]][] = [
      [10n, [1, 2]],
      [10n, [2, 3]],
      [10n, [3, 1]],
    ];
    const graph = electedGraph([1, 2, 3], voters);
    expect(balance(graph.electors, 0)).toBe(0);
    expect(weightsOf(graph).flat()).toEqual(Array(6).fill(0n));
    const iterations = balance(graph.electors, 100);
    expect(iterations).toBeLessThan(20);
    expect(graph.candidates.map(({ backedStake }) => backedStake)).toEqual([10n, 10n, 10n]);
  });

  test("does not touch voters with one elected target, nor edges to others", () => {
    const graph = electedGraph([1, 2, 3], [[10n, [1, 2]]]);
    graph.candidates[1]!.elected = false;
    expect(balance(graph.electors, 3)).toBe(1);
    expect(weightsOf(graph)).toEqual([[0n, 0n]]);
  });
});
