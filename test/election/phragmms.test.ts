import { expect, test } from "vitest";
import { makeGraph } from "../../src/election/graph.ts";
import { phragmms } from "../../src/election/phragmms.ts";
import { ACCURACY } from "../../src/election/ratio.ts";

/** Winners in the order of election, with their backing. */
function winnersOf(seats: number, iterations: number, ...input: Parameters<typeof makeGraph<number>>): unknown[] {
  const graph = makeGraph(...input);
  phragmms(graph, seats, iterations, ACCURACY.perbill);
  const winners = graph.candidates.filter(({ elected }) => elected).sort((a, b) => a.round - b.round);
  return winners.map(({ id, backedStake }) => [id, backedStake]);
}

test("a line of voters, each between two candidates, elects every second one", () => {
  // Published with `phragmms` in sp-npos-elections.
  const voters = [
    { id: 2, stake: 2_000n, targets: [11] },
    ...[11, 21, 31, 41, 51, 61].map((target) => ({ id: target * 10, stake: 1_000n, targets: [target, target + 10] })),
  ];
  expect(winnersOf(4, 2, [11, 21, 31, 41, 51, 61, 71], voters)).toEqual([
    [11, 3_000n],
    [31, 2_000n],
    [51, 1_500n],
    [61, 1_500n],
  ]);
});

test("many large stakes do not overflow", () => {
  // Published with it, too.
  const voters = Array.from({ length: 1_000 }, (_, i) => ({ id: 10 + i, stake: 2n ** 64n - 1n, targets: [1, 2, 3] }));
  voters.push({ id: 2, stake: 2n ** 64n - 1n, targets: [1, 3] });
  expect(winnersOf(2, 2, [1, 2, 3], voters).map((winner) => (winner as number[])[0])).toEqual([1, 3]);
});

test("whom nobody with stake approves is not elected", () => {
  const voters = [
    { id: 10, stake: 5n, targets: [1] },
    { id: 11, stake: 0n, targets: [2] },
  ];
  expect(winnersOf(3, 1, [3, 2, 1], voters)).toEqual([[1, 5n]]);
});
