/** Random elections for property tests: ties, self-votes, unknown and repeated targets, stakes from 0 to 2^128 − 1. */
import fc from "fast-check";
import type { ElectionInput } from "../../src/election/election.ts";

const MAX = 2n ** 128n - 1n;

const ordinary = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const small = fc.bigInt({ min: 0n, max: 12n });
const huge = fc.bigInt({ min: 0n, max: 40n }).map((less) => MAX - less);
const wide = fc.bigInt({ min: 0n, max: MAX });

/** Stakes of one kind for all voters, so that ties and saturation are not rare. */
const stakeKinds = fc.constantFrom(
  small,
  ordinary,
  fc.oneof(small, ordinary),
  fc.constantFrom(1n, 100n),
  wide,
  huge,
  fc.oneof(small, ordinary, wide, huge),
);

/** With stakes as upstream takes them: from 0 to 2^64 − 1. */
export const upstreamStakes = fc.constantFrom(small, ordinary, fc.oneof(small, ordinary), fc.constantFrom(1n, 100n));

/** @param kinds - of stakes; every kind that there is, if left out. */
export function elections(kinds: fc.Arbitrary<fc.Arbitrary<bigint>> = stakeKinds): fc.Arbitrary<ElectionInput<number>> {
  return fc.tuple(kinds, fc.integer({ min: 1, max: 8 })).chain(([stakes, count]) => {
    const candidates = [...Array(count).keys()];
    // Ids from `count` on are no candidates; voters share ids with candidates, so some vote for themselves.
    const targets = fc.array(fc.integer({ min: 0, max: count }), { maxLength: 7 });
    const voter = fc.record({ id: fc.integer({ min: 0, max: 30 }), stake: stakes, targets });
    return fc.record({
      seats: fc.integer({ min: 1, max: count + 1 }),
      candidates: fc.shuffledSubarray(candidates, { minLength: 1 }),
      voters: fc.uniqueArray(voter, { selector: ({ id }) => id, maxLength: 12 }),
      algorithm: fc.constantFrom("seq-phragmen" as const, "phragmms" as const),
      balance: fc.integer({ min: 0, max: 5 }),
    });
  });
}
