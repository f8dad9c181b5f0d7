import { describe, expect, test } from "vitest";
import { deal } from "../../src/keys/dealer.ts";
import { type DealingTerms, dealingFault } from "../../src/keys/dealing.ts";
import { openSubShare } from "../../src/keys/receiver.ts";
import { Share } from "../../src/keys/shamir.ts";
import { BAD_RISTRETTO255, BAD_SECP256K1, BAD_UNCOMPRESSED_SECP256K1 } from "./bad-elements.ts";
import { GROUPS, hex, numberOf, secretOf, split } from "./groups.ts";
import { interpolated } from "./interpolation.ts";
import {
  generated,
  generationTerms,
  type KeyedReceiver,
  receiversOf,
  refreshTerms,
  resharingTerms,
  upTo,
} from "./session.ts";

const BAD = [BAD_UNCOMPRESSED_SECP256K1, BAD_SECP256K1, BAD_RISTRETTO255];

describe.each(GROUPS.map((each, i) => ({ ...each, bad: BAD[i]! })))("a dealer in $name", ({ group, bad }) => {
  const held = generated(group, 3, 4);
  const [, own] = held.shares as [Share, Share];
  const receivers = receiversOf(group, upTo(4));
  const generation = generationTerms({ group, minShares: 3, receivers });
  const resharing = resharingTerms({ group, minShares: 2, receivers }, held);
  const refresh = refreshTerms({ group, minShares: 3, receivers }, held);
  const opened = (terms: DealingTerms, dealing = deal(generation, 2)): Share[] =>
    receivers.map(({ index, secret }) => openSubShare(terms, 2, dealing, index, secret));

  test("of a generation draws a constant, another one each time", () => {
    const dealings = [deal(generation, 2), deal(generation, 2)];
    const constants = dealings.map((dealing) => {
      const shares = opened(generation, dealing);
      const constant = interpolated(group, shares.slice(0, 3), 0);
      expect(interpolated(group, shares.slice(1), 0)).toBe(constant);
      expect(interpolated(group, shares.slice(1, 3), 0)).not.toBe(constant);
      const [commitment] = split(group, dealing.commitments);
      expect(hex(commitment!)).toBe(hex(group.multiplyBase([secretOf(group, constant)])));
      return constant;
    });
    expect(constants[0]).not.toBe(constants[1]);
  });

  test("of a resharing deals its own share, by another polynomial each time", () => {
    const dealings = [deal(resharing, own), deal(resharing, own)];
    for (const dealing of dealings) {
      expect(interpolated(group, opened(resharing, dealing).slice(0, 2), 0)).toBe(numberOf(group, own.secret));
      expect(interpolated(group, opened(resharing, dealing), 0)).toBe(numberOf(group, own.secret));
    }
    const [a, b] = dealings.map((dealing) => hex(dealing.commitments.subarray(group.elementBytes)));
    expect(a).not.toBe(b);
    expect(numberOf(group, own.secret)).toBeGreaterThan(0n);
  });

  test("of a refresh deals zero, and of a refresh with t = 2 too, where one coefficient is left", () => {
    for (const dealing of [deal(refresh, 2), deal(refresh, 2)]) {
      const shares = opened(refresh, dealing);
      expect(interpolated(group, shares.slice(0, 3), 0)).toBe(0n);
      expect(interpolated(group, shares, 0)).toBe(0n);
      expect(interpolated(group, shares.slice(0, 2), 0)).not.toBe(0n);
      expect(numberOf(group, shares[0]!.secret)).toBeGreaterThan(0n);
    }
    const pair = generated(group, 2, 3);
    const keyed = receiversOf(group, upTo(3));
    const terms = refreshTerms({ group, minShares: 2, receivers: keyed }, pair);
    const dealing = deal(terms, 3);
    expect(dealingFault(terms, 3, dealing)).toBeNull();
    const [a, b] = keyed.map(({ index, secret }) => openSubShare(terms, 3, dealing, index, secret)) as [Share, Share];
    expect(interpolated(group, [a, b], 0)).toBe(0n);
  });

  test("has another ephemeral key for each dealing, and proves all of it", () => {
    const dealings = Array.from({ length: 4 }, () => deal(generation, 2));
    expect(new Set(dealings.map(({ ephemeralKey }) => hex(ephemeralKey))).size).toBe(4);
    for (const dealing of dealings) expect(dealingFault(generation, 2, dealing)).toBeNull();
  });

  test("does not deal a share that its verification share does not go with", () => {
    const other = new Share(2, held.shares[2]!.secret.clone());
    expect(() => deal(resharing, other)).toThrow(
      expect.objectContaining({ code: "SHARE_INVALID", detail: { receiver: 2 } }),
    );
    expect(() => deal(resharing, new Share(5, own.secret.clone()))).toThrow("dealer 5 has no share");
  });

  test("deals what goes with the kind of session, by type and at run time", () => {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    // @ts-expect-error: a resharing hands on a share
    expect(() => deal(resharing, 2)).toThrow(refused);
    // @ts-expect-error: a generation makes a new key; with the old share as its constant it would be the old one's
    expect(() => deal(generation, own)).toThrow(refused);
    // @ts-expect-error: a refresh adds zero
    expect(() => deal(refresh, own)).toThrow(refused);
    // @ts-expect-error: there is nothing to hand on without a previous sharing
    const without: DealingTerms = { ...generation, kind: "resharing" };
    expect(without.kind).toBe("resharing");
    // @ts-expect-error: a new key has no previous sharing
    const previous: DealingTerms = { ...generation, previous: held };
    expect(previous.kind).toBe("generation");
    expect(() => deal(generation, 0)).toThrow(refused);
    expect(() => deal({ ...generation, minShares: 0 }, 2)).toThrow(refused);
  });

  test("does not encrypt to a dealing key that is none", () => {
    const element = Object.values(bad)[0]!;
    const wrong: KeyedReceiver[] = [{ ...receivers[0]!, dealingKey: element }, ...receivers.slice(1)];
    expect(() => deal(generationTerms({ group, minShares: 3, receivers: wrong }), 2)).toThrow(
      expect.objectContaining({ code: "ELEMENT_INVALID" }),
    );
  });
});
