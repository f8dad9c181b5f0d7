import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deal } from "../../src/keys/dealer.ts";
import type { DealingTerms, PreviousSharing } from "../../src/keys/dealing.ts";
import { Share } from "../../src/keys/shamir.ts";
import { dealerWeights, sharingOutcome } from "../../src/keys/sharing.ts";
import { crafted } from "./crafted-dealing.ts";
import { GROUPS, hex, numberOf, secretOf } from "./groups.ts";
import { interpolated } from "./interpolation.ts";
import {
  finished,
  generated,
  generationTerms,
  type Held,
  receiversOf,
  refreshed,
  refreshTerms,
  reshared,
  resharingTerms,
  upTo,
} from "./session.ts";

/** Every way to choose k of these. */
function choices<T>(items: readonly T[], k: number): T[][] {
  if (k === 0) return [[]];
  return items.flatMap((item, i) => choices(items.slice(i + 1), k - 1).map((others) => [item, ...others]));
}

describe.each(GROUPS)("sharings in $name", ({ group, oracle }) => {
  const n = group.scalars.order;
  const refused = (message: RegExp): unknown =>
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
  const keyOf = (shares: readonly Share[]): string =>
    hex(oracle.multiply(group.generator, interpolated(group, shares, 0)));

  /** Any t shares are of the key, and t − 1 of another; every share is the one that everybody computes. */
  function expectSound(held: Held, publicKey = held.publicKey): void {
    expect(hex(held.publicKey)).toBe(hex(publicKey));
    for (const quorum of choices(held.shares, held.minShares)) expect(keyOf(quorum)).toBe(hex(publicKey));
    for (const few of choices(held.shares, held.minShares - 1)) {
      if (few.length > 0) expect(keyOf(few)).not.toBe(hex(publicKey));
    }
    expect([...held.verificationShares.keys()]).toEqual(held.shares.map(({ index }) => index));
    for (const { index, secret } of held.shares) {
      const expected = oracle.multiply(group.generator, numberOf(group, secret));
      expect(hex(held.verificationShares.get(index)!)).toBe(hex(expected));
    }
  }

  test.each([
    [1, 1],
    [1, 3],
    [2, 3],
    [3, 5],
    [4, 4],
  ])("a key is generated %i of %i, and nobody's dealing is the key", (minShares, count) => {
    const held = generated(group, minShares, count);
    expectSound(held);
    expect(hex(generated(group, minShares, count).publicKey)).not.toBe(hex(held.publicKey));
  });

  test("a key is generated of those dealings that qualified, by receivers whose indices have gaps", () => {
    const receivers = receiversOf(group, [2, 5, 64, 65_535]);
    const terms = generationTerms({ group, minShares: 2, receivers });
    const dealers = [65_535, 2, 5];
    const dealings = dealers.map((dealer) => ({ dealer, dealing: deal(terms, dealer) }));
    const held = finished(terms, receivers, dealings.slice(0, 2));
    expectSound(held);
    const constants = dealings.map(({ dealing }) => dealing.commitments.slice(0, group.elementBytes));
    expect(hex(held.publicKey)).toBe(hex(oracle.add(constants[0]!, constants[1]!)));
    const all = finished(terms, receivers, dealings);
    expectSound(all);
    expect(hex(all.publicKey)).toBe(hex(oracle.add(held.publicKey, constants[2]!)));
    // In whatever order.
    expect(sharingOutcome(terms, dealings.toReversed())).toEqual(sharingOutcome(terms, dealings));
  });

  test("handed on from 2 of 3 to 3 of 5 to 2 of 4, the key stays, and old and new shares don't go together", () => {
    const first = generated(group, 2, 3);
    const second = reshared(first, group, 3, 5, [3, 1]);
    const third = reshared(second, group, 2, 4, [2, 5, 4]);
    for (const held of [first, second, third]) expectSound(held, first.publicKey);
    const sharings = [first, second, third];
    for (const [a, b] of choices(sharings, 2) as [Held, Held][]) {
      // Less than a threshold of each, however they are mixed, and more than one in all.
      for (const some of choices(a.shares, a.minShares - 1)) {
        for (const others of choices(b.shares, b.minShares - 1)) {
          const mix = [...some, ...others.filter(({ index }) => some.every((share) => share.index !== index))];
          expect(keyOf(mix)).not.toBe(hex(first.publicKey));
        }
      }
    }
  });

  test("whichever holders hand it on, the key is the same, and the shares are others", () => {
    const first = generated(group, 2, 3);
    const handed = choices([1, 2, 3], 2).map((dealers) => reshared(first, group, 2, 3, dealers));
    for (const held of handed) expectSound(held, first.publicKey);
    const values = [first, ...handed].flatMap(({ shares }) => shares.map(({ secret }) => numberOf(group, secret)));
    expect(new Set(values).size).toBe(12);
  });

  test("a key that everybody has is handed on to a threshold, and back", () => {
    const first = generated(group, 1, 2);
    const second = reshared(first, group, 2, 3, [2]);
    expectSound(second, first.publicKey);
    expectSound(reshared(second, group, 1, 2, [1, 3]), first.publicKey);
  });

  test("refreshed, the key stays and every share changes; t − 1 old and t − 1 new ones are nothing", () => {
    const before = generated(group, 3, 5);
    const after = refreshed(before, group);
    const later = refreshed(after, group, "again");
    for (const held of [before, after, later]) expectSound(held, before.publicKey);
    for (const [i, share] of after.shares.entries()) {
      expect(numberOf(group, share.secret)).not.toBe(numberOf(group, before.shares[i]!.secret));
    }
    let mixes = 0;
    for (const old of choices(before.shares, 2)) {
      for (const fresh of choices(after.shares, 2)) {
        const others = fresh.filter(({ index }) => old.every((share) => share.index !== index));
        // Those of both generations whose indices differ, and each of them without the other.
        for (const mix of [[...old, ...others], ...choices([...old, ...others], 3)]) {
          if (mix.length < 3) continue;
          if (mix.every((share) => old.includes(share)) || mix.every((share) => fresh.includes(share))) continue;
          expect(keyOf(mix)).not.toBe(hex(before.publicKey));
          mixes++;
        }
      }
    }
    expect(mixes).toBeGreaterThan(200);
  });

  test("what a session makes is the sum of its polynomials, whatever they are", () => {
    const coefficient = fc.oneof(fc.bigInt({ min: 1n, max: n - 1n }), fc.constantFrom(1n, 2n, n - 1n));
    const polynomials = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 2 }))
      .chain(([t, more]) =>
        fc.array(fc.array(coefficient, { minLength: t, maxLength: t }), { minLength: t, maxLength: t + more }),
      );
    const receivers = receiversOf(group, upTo(4));
    const sums = (dealt: bigint[][]): void => {
      const minShares = dealt[0]!.length;
      const terms = generationTerms({ group, minShares, receivers });
      const qualified = dealt.map((coefficients, i) => ({
        dealer: i + 1,
        dealing: crafted(terms, i + 1, { coefficients }),
      }));
      const joint = upTo(minShares).map((k) => dealt.reduce((sum, each) => (sum + each[k - 1]!) % n, 0n));
      const at = (x: number): bigint => joint.reduceRight((sum, each) => (sum * BigInt(x) + each) % n, 0n);
      const outcome = sharingOutcome(terms, qualified);
      if ([...joint, ...upTo(4).map(at)].includes(0n)) {
        expect(outcome).toBeNull();
        return;
      }
      expect(hex(outcome!.publicKey)).toBe(hex(oracle.multiply(group.generator, joint[0]!)));
      for (const x of upTo(4)) {
        const expected = oracle.multiply(group.generator, at(x));
        expect(hex(outcome!.verificationShares.get(x)!)).toBe(hex(expected));
      }
    };
    fc.assert(fc.property(polynomials, sums), { numRuns: 20 });
  });

  describe("come to nothing, so that the session is repeated,", () => {
    const receivers = receiversOf(group, [1, 2, 3]);
    const generation = generationTerms({ group, minShares: 2, receivers });
    const outcomeOf = (terms: DealingTerms, polynomials: bigint[][]): unknown =>
      sharingOutcome(
        terms,
        polynomials.map((coefficients, i) => ({ dealer: i + 1, dealing: crafted(terms, i + 1, { coefficients }) })),
      );

    test("where the key would be the identity", () => {
      expect(
        outcomeOf(generation, [
          [5n, 1n],
          [n - 5n, 2n],
        ]),
      ).toBeNull();
      expect(
        outcomeOf(generation, [
          [5n, 1n],
          [n - 4n, 2n],
        ]),
      ).not.toBeNull();
    });

    test("where a share would be zero", () => {
      expect(
        outcomeOf(generation, [
          [5n, 1n],
          [n - 11n, 1n],
        ]),
      ).toBeNull();
    });

    test("where a lower degree than t − 1 would be left, so that fewer shares stood for the key", () => {
      expect(
        outcomeOf(generation, [
          [5n, 1n],
          [6n, n - 1n],
        ]),
      ).toBeNull();
    });

    test("where a refresh would leave shares as they are, or make one zero", () => {
      const held = generated(group, 3, 3);
      const refresh = refreshTerms({ group, minShares: 3, receivers }, held);
      const none = [
        [4n, 6n],
        [5n, 7n],
      ];
      expect(outcomeOf(refresh, [...none, [n - 8n, n - 12n]])).not.toBeNull();
      // Σ f(x) = x² − 2·x: nothing changes at 2.
      expect(outcomeOf(refresh, [...none, [n - 11n, n - 12n]])).toBeNull();
      // Receiver 1's share becomes zero.
      const value = numberOf(group, held.shares[0]!.secret);
      expect(outcomeOf(refresh, [...none, [(2n * n - 10n - value) % n, n - 12n]])).toBeNull();
    });

    test("not where partial sums vanish", () => {
      expect(
        outcomeOf(generation, [
          [5n, 1n],
          [n - 5n, n - 1n],
          [9n, 4n],
        ]),
      ).not.toBeNull();
    });
  });

  test("are made by as many dealers as make them safe, each once", () => {
    const held = generated(group, 2, 3);
    const receivers = receiversOf(group, upTo(3));
    const generation = generationTerms({ group, minShares: 2, receivers });
    const refresh = refreshTerms({ group, minShares: 2, receivers }, held);
    const resharing = resharingTerms({ group, minShares: 3, receivers }, held);
    for (const terms of [generation, refresh]) {
      expect(dealerWeights(terms, [3, 1])).toEqual([1n, 1n]);
      expect(dealerWeights(terms, [3, 1, 2])).toEqual([1n, 1n, 1n]);
      expect(() => dealerWeights(terms, [2])).toThrow(refused(/too few/));
      expect(() => dealerWeights(terms, [])).toThrow(refused(/too few/));
      expect(() => dealerWeights(terms, [2, 2])).toThrow(refused(/counts once/));
      expect(() => sharingOutcome(terms, [])).toThrow(refused(/too few/));
    }
    // λ of 1 and 3: 3/2 and −1/2; the threshold is the previous one.
    const [third, first] = dealerWeights(resharing, [3, 1]) as [bigint, bigint];
    expect([(2n * third) % n, (2n * first) % n]).toEqual([n - 1n, 3n]);
    expect(() => dealerWeights(resharing, [1, 2, 3])).toThrow(refused(/3 dealers do not hand on/));
    expect(() => dealerWeights(resharing, [1])).toThrow(refused(/1 dealers do not hand on/));
    expect(() => dealerWeights(resharing, [1, 1])).toThrow(refused(/counts once/));
    expect(() => dealerWeights(resharing, [1, 4])).toThrow(refused(/dealer 4 has no share/));
    expect(() => dealerWeights(generation, [0, 4])).toThrow(refused(/index 0 of a dealer/));
    expect(() => sharingOutcome({ ...generation, minShares: 4 }, [])).toThrow(refused(/4 of 3/));
  });

  test("of dealings that were not checked, or of another key than the previous one, are refused", () => {
    const held = generated(group, 2, 3);
    const receivers = receiversOf(group, upTo(3));
    const resharing = resharingTerms({ group, minShares: 2, receivers }, held);
    const dealings = [1, 2].map((dealer) => ({ dealer, dealing: deal(resharing, held.shares[dealer - 1]!) }));
    const { publicKey } = generated(group, 2, 3);
    const previous: PreviousSharing = { ...held, publicKey };
    expect(() => sharingOutcome({ ...resharing, previous }, dealings)).toThrow(refused(/another key/));
    const stranger = crafted(resharing, 2, { coefficients: [3n, 4n] });
    expect(() => sharingOutcome(resharing, [dealings[0]!, { dealer: 2, dealing: stranger }])).toThrow(
      refused(/another key/),
    );
    const short = { ...dealings[1]!.dealing, commitments: group.generator };
    expect(() => sharingOutcome(resharing, [dealings[0]!, { dealer: 2, dealing: short }])).toThrow(refused(/./));
    expect(sharingOutcome(resharing, dealings)).not.toBeNull();
  });

  test("a share of zero can't be dealt, so that it could not be handed on either", () => {
    using zero = new Share(1, secretOf(group, 0n));
    const held = generated(group, 2, 3);
    const terms = resharingTerms({ group, minShares: 2, receivers: receiversOf(group, upTo(3)) }, held);
    expect(() => deal(terms, zero)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
