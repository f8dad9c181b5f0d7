/** What dealing, opening and combining leave in memory: nothing that is secret but what they return. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { deal } from "../../src/keys/dealer.ts";
import { combineSubShares, complain, openSubShare } from "../../src/keys/receiver.ts";
import { Share } from "../../src/keys/shamir.ts";
import { proveTrial } from "../../src/keys/trial-partial.ts";
import { Secret } from "../../src/secret.ts";
import { crafted } from "./crafted-dealing.ts";
import { GROUPS, secretOf } from "./groups.ts";
import { GENESIS, generated, generationTerms, receiversOf, refreshTerms, resharingTerms, upTo } from "./session.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(GROUPS)("secrets in $name", ({ group }) => {
  const held = generated(group, 2, 3);
  const [own] = held.shares as [Share];
  const receivers = receiversOf(group, upTo(3));
  const [first] = receivers;
  const generation = generationTerms({ group, minShares: 2, receivers });
  const resharing = resharingTerms({ group, minShares: 2, receivers }, held);
  const refresh = refreshTerms({ group, minShares: 2, receivers }, held);

  /** Which scalars, and which multiples of elements, that were made meanwhile are still there. */
  function leftBy<T>(act: () => T): { result: T; made: number; secrets: Secret[]; points: Uint8Array<ArrayBuffer>[] } {
    const secrets: Secret[] = [];
    const points: Uint8Array<ArrayBuffer>[] = [];
    const keep = <S extends object>(list: S[], value: S): S => {
      list.push(value);
      return value;
    };
    const { random } = group.scalars;
    const { multiplyAdd, multiplyAll } = group;
    const { clone } = Secret.prototype;
    vi.spyOn(group.scalars, "random").mockImplementation(() => keep(secrets, random.call(group.scalars)));
    vi.spyOn(group, "multiplyAdd").mockImplementation((...args) => keep(secrets, multiplyAdd.apply(group, args)));
    vi.spyOn(group, "multiplyAll").mockImplementation((...args) => {
      const multiples = multiplyAll.apply(group, args);
      points.push(multiples);
      return multiples;
    });
    vi.spyOn(Secret.prototype, "clone").mockImplementation(function (this: Secret) {
      return keep(secrets, clone.call(this));
    });
    const result = act();
    vi.restoreAllMocks();
    const isThere = (secret: Secret): boolean => {
      try {
        return secret.use(() => true);
      } catch {
        return false;
      }
    };
    return {
      result,
      made: secrets.length + points.length,
      secrets: secrets.filter(isThere),
      points: points.filter((bytes) => bytes.some((byte) => byte !== 0)),
    };
  }

  test.each<[string, () => unknown]>([
    ["a generation", () => deal(generation, 1)],
    ["a resharing", () => deal(resharing, own)],
    ["a refresh", () => deal(refresh, 1)],
  ])("of a dealer are gone once it has dealt in %s", (_, act) => {
    const { made, secrets, points } = leftBy(act);
    expect(made).toBeGreaterThan(8);
    expect([secrets, points]).toEqual([[], []]);
  });

  test("of a receiver are gone but for what it opened", () => {
    const dealing = deal(generation, 2);
    const { result, made, secrets, points } = leftBy(() => openSubShare(generation, 2, dealing, 1, first!.secret));
    expect(made).toBe(1);
    expect([secrets, points]).toEqual([[], []]);
    expect(result.secret.length).toBe(32);
  });

  test("of a receiver who complains are gone but for the point, which is no secret then", () => {
    const dealing = crafted(generation, 2, { coefficients: [3n, 4n], sent: new Map([[1, new Uint8Array(32)]]) });
    const { result, secrets, points } = leftBy(() => complain(generation, 2, dealing, 1, first!.secret));
    expect(secrets).toEqual([]);
    expect(points[0]).toBe(result.point);
    // The other is t3 of the proof, as public as that.
    expect(points.length).toBe(3);
    const good = deal(generation, 2);
    const refused = leftBy(() => expect(() => complain(generation, 2, good, 1, first!.secret)).toThrow("is good"));
    expect([refused.made, refused.secrets, refused.points]).toEqual([1, [], []]);
  });

  test("of sums are gone but for the share, whether there is one or not", () => {
    const subShares = (...values: bigint[]) =>
      values.map((value, i) => ({ dealer: i + 1, share: new Share(1, secretOf(group, value)) }));
    const { result, made, secrets } = leftBy(() => combineSubShares(generation, subShares(1n, 2n, 3n)));
    expect(made).toBe(3);
    expect(secrets).toEqual([result.secret]);
    const renewed = leftBy(() => combineSubShares(refresh, subShares(1n, 2n), own));
    expect(renewed.secrets).toEqual([renewed.result.secret]);
    const none = leftBy(() => {
      const opposite = subShares(1n, group.scalars.order - 1n);
      expect(() => combineSubShares(generation, opposite)).toThrow("is zero");
      const strangers = [...subShares(1n), { dealer: 2, share: new Share(2, secretOf(group, 1n)) }];
      expect(() => combineSubShares(generation, strangers)).toThrow("different receivers");
    });
    expect([none.made > 2, none.secrets]).toEqual([true, []]);
  });

  test("of a trial are gone", () => {
    const { made, secrets } = leftBy(() => proveTrial(group, GENESIS, GENESIS, 1, own));
    expect(made).toBeGreaterThan(3);
    expect(secrets).toEqual([]);
  });
});
