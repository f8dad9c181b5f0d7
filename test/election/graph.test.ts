import { expect, test } from "vitest";
import { makeGraph, normalizeEdges } from "../../src/election/graph.ts";
import { U128_MAX } from "../../src/election/u128.ts";

test("only targets that are candidates count, each once; voters without any are left out", () => {
  const { candidates, electors } = makeGraph<number | string>(
    [1, "1", 2],
    [
      { id: 7, stake: 5n, targets: ["1", 9, 1, "1"] },
      { id: 8, stake: 6n, targets: [9] },
      { id: 1, stake: U128_MAX, targets: [1] },
    ],
  );
  expect(candidates.map(({ id, approvalStake }) => [id, approvalStake])).toEqual([
    [1, U128_MAX],
    ["1", 5n],
    [2, 0n],
  ]);
  expect(electors.map(({ id, edges }) => [id, edges.map(({ candidate }) => candidate.id)])).toEqual([
    [7, ["1", 1]],
    [1, [1]],
  ]);
});

test("edges that can't be normalised stay as they are", () => {
  const { electors, candidates } = makeGraph([1, 2], [{ id: 7, stake: 5n, targets: [1, 2] }]);
  const { edges } = electors[0]!;
  for (const edge of edges) edge.weight = U128_MAX;
  expect(normalizeEdges(edges, 5n)).toBe(false);
  expect(edges.map(({ weight }) => weight)).toEqual([U128_MAX, U128_MAX]);
  expect(candidates.map(({ backedStake }) => backedStake)).toEqual([0n, 0n]);
});
