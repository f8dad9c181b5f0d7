import { describe, expect, test } from "vitest";
import { makeGraph } from "../../src/election/graph.ts";
import { seqPhragmen } from "../../src/election/seq-phragmen.ts";

/** Winners in the order of election with their backing, and what each voter gives. */
function held(seats: number, ...[candidates, voters]: Parameters<typeof makeGraph<number>>): unknown[] {
  const graph = makeGraph(candidates, voters);
  seqPhragmen(graph, seats);
  const winners = graph.candidates.filter(({ elected }) => elected).sort((a, b) => a.round - b.round);
  return [
    winners.map(({ id, backedStake }) => [id, backedStake]),
    graph.electors.map(({ id, edges }) => [id, edges.map(({ candidate, weight }) => [candidate.id, weight])]),
  ];
}

const POC = [
  { id: 10, stake: 10n, targets: [1, 2] },
  { id: 20, stake: 20n, targets: [1, 3] },
  { id: 30, stake: 30n, targets: [2, 3] },
];

describe("sequential Phragmén", () => {
  test("elects 3 with all of its 50, then 2, whose voter 30 has spent a part", () => {
    expect(held(2, [1, 2, 3], POC)).toEqual([
      [
        [3, 35n],
        [2, 25n],
      ],
      [
        [10, [[2, 10n]]],
        [20, [[3, 20n]]],
        [
          30,
          [
            [2, 15n],
            [3, 15n],
          ],
        ],
      ],
    ]);
  });

  test("takes the first candidate on a tie, and elects those that nobody approves last", () => {
    const voters = [
      { id: 10, stake: 5n, targets: [3] },
      { id: 20, stake: 5n, targets: [2] },
      { id: 30, stake: 0n, targets: [1] },
    ];
    const [winners] = held(5, [9, 1, 2, 3], voters);
    expect(winners).toEqual([
      [2, 5n],
      [3, 5n],
      [9, 0n],
      [1, 0n],
    ]);
  });

  test("elects as many as there are", () => {
    expect(held(3, [], POC)).toEqual([[], []]);
    expect((held(9, [1, 2, 3], POC)[0] as unknown[]).length).toBe(3);
  });
});
