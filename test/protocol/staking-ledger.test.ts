/** What a slash takes of one stake: how much, and of which part. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { slashed } from "../../src/protocol/staking-ledger.ts";
import type { StakingLedger } from "../../src/protocol/state.ts";
import { runs } from "./network.ts";

const value = fc.oneof(fc.bigInt(1n, 20n), fc.bigInt(1n, 1n << 100n));

const stakes = fc
  .tuple(
    fc.oneof(fc.constant(0n), value),
    fc.uniqueArray(fc.nat(12), { maxLength: 6 }),
    fc.array(value, { minLength: 6, maxLength: 6 }),
  )
  .map(([active, eras, values]): StakingLedger => {
    const unlocking = eras.sort((a, b) => a - b).map((era, at) => ({ era, value: values[at]! }));
    const total = unlocking.reduce((sum, chunk) => sum + chunk.value, active);
    return { active, unlocking, total, payee: { tag: "stash", value: undefined }, identityKey: null };
  });

/** Of a total, none, all, or about any part. */
const amountOf = (total: bigint): fc.Arbitrary<bigint> =>
  fc
    .oneof(fc.constantFrom(0n, 1n, total - 1n, total, total + 1n, 2n * total), fc.bigInt(0n, total))
    .map((amount) => (amount < 0n ? 0n : amount));

const cases = stakes.chain((stake) =>
  fc.record({ stake: fc.constant(stake), amount: amountOf(stake.total), firstEra: fc.nat(13) }),
);

it("takes as much as it says, or all, and of nobody's stake more than there is", () => {
  fc.assert(
    fc.property(cases, ({ stake, amount, firstEra }) => {
      const { active, unlocking, total, ...rest } = slashed(stake, amount, firstEra);
      expect(total).toBe(amount < stake.total ? stake.total - amount : 0n);
      expect(unlocking.reduce((sum, chunk) => sum + chunk.value, active)).toBe(total);
      expect(unlocking.every((chunk) => chunk.value > 0n)).toBe(true);
      expect(active).toBeGreaterThanOrEqual(0n);
      expect(rest).toEqual({ payee: stake.payee, identityKey: stake.identityKey });
    }),
    runs(1_000),
  );
});

it("takes in proportion of what answered for the era, and of what did not only when that is gone", () => {
  fc.assert(
    fc.property(cases, ({ stake, amount, firstEra }) => {
      const after = slashed(stake, amount, firstEra);
      const left = (era: number): bigint => after.unlocking.find((chunk) => chunk.era === era)?.value ?? 0n;
      const since = stake.unlocking.filter(({ era }) => era >= firstEra);
      const before = stake.unlocking.filter(({ era }) => era < firstEra);
      const parts: (readonly [had: bigint, has: bigint])[] = [
        [stake.active, after.active],
        ...since.map(({ era, value: had }) => [had, left(era)] as const),
      ];
      const affected = parts.reduce((sum, [had]) => sum + had, 0n);
      if (amount > affected) {
        expect(parts.every(([, has]) => has === 0n)).toBe(true);
      } else {
        for (const { era, value: had } of before) expect(left(era)).toBe(had);
        for (const [had, has] of parts) {
          // Each is rounded up, at the cost of the last ones.
          const exact = affected === 0n ? 0n : (had * amount) / affected;
          expect(had - has).toBeLessThanOrEqual(exact + 1n);
          expect(had - has).toBeGreaterThanOrEqual(exact - BigInt(parts.length));
        }
      }
      for (const [at, { era, value: had }] of before.entries()) {
        if (left(era) < had) for (const later of before.slice(at + 1)) expect(left(later.era)).toBe(0n);
      }
    }),
    runs(1_000),
  );
});
