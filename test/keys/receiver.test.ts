import { describe, expect, test } from "vitest";
import { deal } from "../../src/keys/dealer.ts";
import { combineSubShares, complain, type DealtSubShare, openSubShare } from "../../src/keys/receiver.ts";
import { Share } from "../../src/keys/shamir.ts";
import { sharingOutcome } from "../../src/keys/sharing.ts";
import { crafted, valueAt } from "./crafted-dealing.ts";
import { GROUPS, numberOf, secretOf } from "./groups.ts";
import { interpolated } from "./interpolation.ts";
import { generated, generationTerms, receiversOf, refreshTerms, resharingTerms, upTo } from "./session.ts";

describe.each(GROUPS)("a receiver in $name", ({ group }) => {
  const n = group.scalars.order;
  const held = generated(group, 2, 3);
  const receivers = receiversOf(group, upTo(3));
  const generation = generationTerms({ group, minShares: 2, receivers });
  const resharing = resharingTerms({ group, minShares: 2, receivers }, held);
  const refresh = refreshTerms({ group, minShares: 2, receivers }, held);
  const refused = (message: RegExp): unknown =>
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
  const subShare = (dealer: number, index: number, value: bigint): DealtSubShare => ({
    dealer,
    share: new Share(index, secretOf(group, value)),
  });

  test("opens what it was sent, keeps its dealing key, and is told whose sub-share is bad", () => {
    const dealing = crafted(generation, 3, { coefficients: [5n, 6n], sent: new Map([[2, group.scalars.encode(1n)]]) });
    for (const { index, secret } of receivers) {
      const open = (): Share => openSubShare(generation, 3, dealing, index, secret);
      if (index === 2) {
        expect(open).toThrow(expect.objectContaining({ code: "SHARE_INVALID", detail: { dealer: 3, receiver: 2 } }));
      } else {
        expect(numberOf(group, open().secret)).toBe(valueAt(generation, [5n, 6n], index));
      }
      expect(numberOf(group, secret)).toBeGreaterThan(0n);
    }
  });

  test("neither opens nor complains with another dealing key, nor in a session that it is not in", () => {
    const dealing = deal(generation, 1);
    const [first, second] = receivers.map(({ secret }) => secret);
    for (const act of [openSubShare, complain]) {
      expect(() => act(generation, 1, dealing, 1, second!)).toThrow(refused(/dealing key/));
      expect(() => act(generation, 1, dealing, 4, first!)).toThrow(refused(/4 is no receiver/));
      expect(() => act(generation, 0, dealing, 1, first!)).toThrow(refused(/of a dealer/));
      expect(() => act({ ...generation, minShares: 9 }, 1, dealing, 1, first!)).toThrow(refused(/9 of 3/));
      expect(() => act(resharing, 4, dealing, 1, first!)).toThrow(refused(/dealer 4 has no share/));
    }
  });

  test("adds sub-shares of a generation, in any order", () => {
    const all = [subShare(1, 2, n - 1n), subShare(2, 2, 5n), subShare(3, 2, 7n)];
    for (const order of [all, all.toReversed()]) {
      using share = combineSubShares(generation, order);
      expect([share.index, numberOf(group, share.secret)]).toEqual([2, 11n]);
    }
    expect(all.map(({ share }) => numberOf(group, share.secret))).toEqual([n - 1n, 5n, 7n]);
  });

  test("weights those of a resharing", () => {
    // f(1) = 10 and f(3) = 30 of f(x) = 10·x: 0 at 0; λ are 3/2 and −1/2.
    const sum = (a: bigint, b: bigint): bigint =>
      numberOf(group, combineSubShares(resharing, [subShare(3, 1, b), subShare(1, 1, a)]).secret);
    expect((2n * sum(10n, 32n)) % n).toBe(n - 2n);
    expect(sum(4n, 4n)).toBe(4n);
  });

  test("adds those of a refresh to its old share", () => {
    const [old] = held.shares as [Share];
    using share = combineSubShares(refresh, [subShare(1, 1, 3n), subShare(2, 1, 4n)], old);
    expect(numberOf(group, share.secret)).toBe((numberOf(group, old.secret) + 7n) % n);
  });

  test("takes as many dealers as make a key, each once, and sub-shares of its own", () => {
    const combine =
      (...shares: DealtSubShare[]) =>
      () =>
        combineSubShares(generation, shares);
    expect(combine()).toThrow(refused(/0 qualified dealers are too few/));
    expect(combine(subShare(1, 1, 1n))).toThrow(refused(/1 qualified dealers are too few/));
    expect(combine(subShare(1, 1, 1n), subShare(1, 1, 2n))).toThrow(refused(/counts once/));
    expect(combine(subShare(1, 1, 1n), subShare(2, 2, 2n))).toThrow(refused(/different receivers/));
    expect(combine(subShare(1, 4, 1n), subShare(2, 4, 2n))).toThrow(refused(/4 is no receiver/));
    const [old] = held.shares as [Share];
    const three = upTo(3).map((dealer) => subShare(dealer, 1, 1n));
    expect(() => combineSubShares({ ...refresh, minShares: 3 }, three, old)).toThrow(refused(/keeps the threshold/));
    expect(() => combineSubShares(resharing, three)).toThrow(refused(/3 dealers do not hand on/));
    expect(() => combineSubShares(resharing, three.slice(2))).toThrow(refused(/1 dealers do not hand on/));
    expect(() => combineSubShares(resharing, [subShare(1, 1, 1n), subShare(4, 1, 1n)])).toThrow(refused(/dealer 4/));
  });

  test("has an old share in a refresh, and in nothing else, by type and at run time", () => {
    const [first, second] = held.shares as [Share, Share];
    const shares = [subShare(1, 1, 1n), subShare(2, 1, 2n)];
    // @ts-expect-error: a refresh without the old share would make a share of zero
    expect(() => combineSubShares(refresh, shares)).toThrow(refused(/refreshes the share/));
    // @ts-expect-error: a new key has nothing to do with an old share
    expect(() => combineSubShares(generation, shares, first)).toThrow(refused(/in a refresh/));
    // @ts-expect-error: an old share was dealt already
    expect(() => combineSubShares(resharing, shares, first)).toThrow(refused(/in a refresh/));
    expect(() => combineSubShares(refresh, shares, second)).toThrow(refused(/refreshes the share/));
    const others = new Share(1, second.secret.clone());
    expect(() => combineSubShares(refresh, shares, others)).toThrow(
      expect.objectContaining({ code: "SHARE_INVALID", detail: { receiver: 1 } }),
    );
    using zero = new Share(1, secretOf(group, 0n));
    expect(() => combineSubShares(refresh, shares, zero)).toThrow(expect.objectContaining({ code: "SHARE_INVALID" }));
  });

  test("has no share of zero, where the session has no outcome either", () => {
    // f + g is zero at 2, though neither is.
    const polynomials = [
      [5n, 1n],
      [n - 9n, 1n],
    ];
    const dealings = polynomials.map((coefficients, i) => ({
      dealer: i + 1,
      dealing: crafted(generation, i + 1, { coefficients }),
    }));
    const subShares = dealings.map(({ dealer, dealing }) => ({
      dealer,
      share: openSubShare(generation, dealer, dealing, 2, receivers[1]!.secret),
    }));
    expect(() => combineSubShares(generation, subShares)).toThrow(
      expect.objectContaining({ code: "SHARE_INVALID", detail: { receiver: 2 } }),
    );
    expect(sharingOutcome(generation, dealings)).toBeNull();
  });

  test("combines what recovers the key", () => {
    expect(interpolated(group, held.shares.slice(0, 2), 0)).toBe(interpolated(group, held.shares.slice(1), 0));
  });
});
