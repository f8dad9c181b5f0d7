import { expect, it } from "vitest";
import { DEFINITION, GATEKEEPER, electionResults, makeElection } from "../../bench/election.ts";

const size = { voters: 40, targets: 4, candidates: 12, seats: 5, balancing: 3 };

it("holds small elections every way, and checks them", () => {
  const [beside, growth, ...more] = electionResults({ whole: size, small: { ...size, voters: 20 }, rounds: 2 });
  expect(beside).toMatchObject({
    rows: ["20 × 4, 12, 5, balanced 3 times", "40 × 4, 12, 5, not balanced", "40 × 4, 12, 5, balanced 3 times"],
    columns: [GATEKEEPER, DEFINITION],
  });
  expect(growth).toMatchObject({
    rows: ["voters", "targets", "candidates", "seats", "balancing"],
    columns: ["a quarter", "half", "whole"],
  });
  for (const { times } of [...beside!.cases, ...growth!.cases]) expect(times.length).toBe(2);
  expect(more).toEqual([]);
});

it("makes the same election each time, with as many different targets as there can be", () => {
  const election = makeElection(size);
  expect(makeElection(size)).toEqual(election);
  for (const { targets } of election.voters) expect(new Set(targets).size).toBe(4);
  expect(makeElection({ ...size, targets: 99 }).voters[0]!.targets.length).toBe(12);
});
