/** The election against its dense twin, on random input in which everything that may overflow does. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Assignment } from "../../src/election/assignment.ts";
import { balance } from "../../src/election/balancing.ts";
import { type ElectionInput, elect } from "../../src/election/election.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { makeGraph } from "../../src/election/graph.ts";
import { phragmms } from "../../src/election/phragmms.ts";
import { ACCURACY } from "../../src/election/ratio.ts";
import { seqPhragmen } from "../../src/election/seq-phragmen.ts";
import { reduceKeepingStake } from "../../src/election/reduce.ts";
import { Dense, type DenseResult, denseStakes } from "./dense.ts";
import { elections } from "./random-election.ts";

/** Null where it can't be held. */
function denseElection({
  seats,
  candidates,
  voters,
  algorithm,
  balance: iterations,
}: ElectionInput<number>): DenseResult | null {
  const dense = new Dense(candidates, voters);
  if (algorithm === "phragmms") return dense.phragmms(seats, iterations).result();
  return dense.seqPhragmen(seats)?.balance(iterations).result() ?? null;
}

function graphElection({
  seats,
  candidates,
  voters,
  algorithm,
  balance: iterations,
}: ElectionInput<number>): DenseResult {
  const graph = makeGraph(candidates, voters);
  if (algorithm === "phragmms") phragmms(graph, seats, iterations, ACCURACY.perbill);
  else {
    seqPhragmen(graph, seats);
    balance(graph.electors, iterations);
  }
  const elected = graph.candidates.filter(({ elected }) => elected).sort((a, b) => a.round - b.round);
  return {
    winners: elected.map(({ id, backedStake }) => [id, backedStake]),
    weights: graph.electors.map(({ id, edges }) => [id, edges.map(({ candidate, weight }) => [candidate.id, weight])]),
  };
}

/** What it returns, or null where it refuses the input. */
function unlessInvalid<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "ELECTION_INVALID") return null;
    throw error;
  }
}

test("winners, backing and weights are those of the definition", () => {
  let refused = 0;
  fc.assert(
    fc.property(elections(), (input) => {
      const wanted = denseElection(input);
      if (wanted === null) refused++;
      expect(unlessInvalid(() => graphElection(input))).toEqual(wanted);
    }),
    { numRuns: 4_000 },
  );
  // Stakes that overflow are drawn, but they are the exception.
  expect(refused).toBeLessThan(1_000);
});

test("a whole election distributes what the definition distributes", () => {
  fc.assert(
    fc.property(elections(), (input) => {
      const voters = input.voters.filter(({ stake }) => stake > 0n);
      const dense = denseElection({ ...input, voters });
      const result = unlessInvalid(() => elect(input));
      if (dense === null) {
        expect(result).toBe(null);
        return;
      }
      const stakes = new Map(voters.map(({ id, stake }) => [id, stake]));
      const staked = dense.weights
        .map(([voter, weights]) => ({ voter, distribution: denseStakes(stakes.get(voter)!, weights) }))
        .filter((each) => each.distribution?.length !== 0);
      if (staked.some(({ distribution }) => distribution === null)) {
        expect(result).toBe(null);
        return;
      }
      expect(result!.assignments).toEqual(reduceKeepingStake(staked as Assignment<number>[]).assignments);
      expect(result!.winners.map(([id]) => id)).toEqual(dense.winners.map(([id]) => id));
    }),
    { numRuns: 1_000 },
  );
});
