import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkThreshold,
  dealShares,
  evaluateCommitments,
  isShareIndex,
  Polynomial,
  Share,
  verificationShare,
  verifyShare,
} from "../../src/keys/shamir.ts";
import { Secret } from "../../src/secret.ts";
import { GROUPS, hex, numberOf, secretOf, split } from "./groups.ts";
import { interpolated } from "./interpolation.ts";

const refused = (code: string, detail = {}): unknown =>
  expect.objectContaining({ code, detail: expect.objectContaining(detail) });

describe.each(GROUPS)("sharing a secret of $name", ({ group, oracle }) => {
  const n = group.scalars.order;
  const thresholds = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 3 }))
    .map(([minShares, more]) => ({ minShares, maxShares: minShares + more }));

  test("any t shares recover it, t − 1 give something else", () => {
    const recovers = (value: bigint, threshold: { minShares: number; maxShares: number }, seed: number): void => {
      using secret = secretOf(group, value);
      const { shares } = dealShares(group, secret, threshold);
      expect(shares.map(({ index }) => index)).toEqual(Array.from({ length: threshold.maxShares }, (_, i) => i + 1));
      const chosen = [...shares].sort((a, b) => ((a.index * seed) % 101) - ((b.index * seed) % 101));
      expect(interpolated(group, chosen.slice(0, threshold.minShares), 0)).toBe(value);
      expect(interpolated(group, chosen, 0)).toBe(value);
      if (threshold.minShares > 1) {
        expect(interpolated(group, chosen.slice(0, threshold.minShares - 1), 0)).not.toBe(value);
      }
      expect(numberOf(group, secret)).toBe(value);
    };
    const secrets = fc.oneof(fc.bigInt({ min: 1n, max: n - 1n }), fc.constantFrom(1n, n - 1n));
    fc.assert(fc.property(secrets, thresholds, fc.integer({ min: 1, max: 100 }), recovers), { numRuns: 20 });
  });

  test("with t = 1 every share is the secret, and its public key the only commitment", () => {
    using secret = group.scalars.random();
    const { shares, commitments } = dealShares(group, secret, { minShares: 1, maxShares: 3 });
    expect(shares.map((share) => numberOf(group, share.secret))).toEqual(Array(3).fill(numberOf(group, secret)));
    expect(hex(commitments)).toBe(hex(group.multiplyBase([secret])));
    for (const share of shares) expect(hex(verificationShare(group, commitments, share.index))).toBe(hex(commitments));
  });

  test("every share is the one that its commitments say, and no other is", () => {
    using secret = group.scalars.random();
    const { shares, commitments } = dealShares(group, secret, { minShares: 3, maxShares: 4 });
    expect(commitments.length).toBe(3 * group.elementBytes);
    expect(hex(split(group, commitments)[0]!)).toBe(hex(group.multiplyBase([secret])));
    for (const share of shares) {
      expect(() => verifyShare(group, commitments, share)).not.toThrow();
      const expected = oracle.multiply(group.generator, numberOf(group, share.secret));
      expect(hex(verificationShare(group, commitments, share.index))).toBe(hex(expected));
    }
    const [first, second] = shares as [Share, Share];
    const wrong = [
      new Share(1, second.secret.clone()),
      new Share(2, first.secret.clone()),
      new Share(1, secretOf(group, n - numberOf(group, first.secret))),
      new Share(1, secretOf(group, 0n)),
      new Share(1, new Secret(new Uint8Array(32).fill(255))),
      new Share(1, new Secret(new Uint8Array(31).fill(1))),
    ];
    for (const share of wrong) {
      expect(() => verifyShare(group, commitments, share)).toThrow(refused("SHARE_INVALID", { receiver: share.index }));
    }
    const other = dealShares(group, secret, { minShares: 3, maxShares: 4 });
    expect(() => verifyShare(group, other.commitments, first)).toThrow(refused("SHARE_INVALID"));
  });

  test("two dealings of one secret have different shares", () => {
    using secret = group.scalars.random();
    const deal = (): string[] =>
      dealShares(group, secret, { minShares: 2, maxShares: 3 }).shares.map(({ secret: share }) => share.use(hex));
    expect(new Set([...deal(), ...deal()]).size).toBe(6);
  });

  test("verification shares exist for any index, and follow the polynomial", () => {
    using polynomial = new Polynomial(
      group,
      [4n, 3n, 2n].map((value) => secretOf(group, value)),
    );
    const commitments = polynomial.commitments();
    for (const index of [1, 2, 7, 65_535]) {
      const value = (4n + 3n * BigInt(index) + 2n * BigInt(index) ** 2n) % n;
      using share = polynomial.evaluate(index);
      expect(numberOf(group, share.secret)).toBe(value);
      expect(hex(verificationShare(group, commitments, index))).toBe(hex(oracle.multiply(group.generator, value)));
    }
    for (const index of [0, -1, 65_536, 0.5]) {
      expect(() => polynomial.evaluate(index)).toThrow(refused("INVALID_ARGUMENT"));
      expect(() => verificationShare(group, commitments, index)).toThrow(refused("INVALID_ARGUMENT"));
    }
  });

  test("commitments are evaluated at any index, however many, equal, opposite or sparse", () => {
    const at = (coefficients: readonly bigint[], index: number, lowest: 0 | 1): Uint8Array | null => {
      const commitments = group.multiplyBase(coefficients.map((value) => secretOf(group, value)));
      return evaluateCommitments(group, commitments, index, lowest);
    };
    const check = (coefficients: readonly bigint[], index: number, lowest: 0 | 1): void => {
      const value = coefficients.reduceRight((sum, each) => (sum * BigInt(index) + each) % n, 0n);
      const expected = (value * BigInt(index) ** BigInt(lowest)) % n;
      const result = at(coefficients, index, lowest);
      if (expected === 0n) expect(result).toBeNull();
      else expect(hex(result!)).toBe(hex(oracle.multiply(group.generator, expected)));
    };
    const coefficient = fc.oneof(fc.bigInt({ min: 1n, max: n - 1n }), fc.constantFrom(1n, n - 1n, 2n));
    const indices = fc.oneof(fc.integer({ min: 1, max: 64 }), fc.constantFrom(1, 2, 255, 256, 257, 65_535));
    const polynomials = fc.array(coefficient, { minLength: 1, maxLength: 40 });
    fc.assert(fc.property(polynomials, indices, fc.constantFrom(0, 1), check), { numRuns: 30 });
    for (const index of [1, 2, 3, 64, 65_535]) {
      for (const lowest of [0, 1] as const) {
        check(Array(33).fill(7n), index, lowest);
        check(
          Array.from({ length: 34 }, (_, k) => (k % 2 === 0 ? 5n : n - 5n)),
          index,
          lowest,
        );
      }
    }
    // Pieces that vanish, of those that the sum is cut into at 65,535, of nine powers or, from x on, eight: (x − 65,535)·q.
    const vanishing = (length: number): bigint[] => {
      const q = Array.from({ length: length - 1 }, (_, k) => BigInt(k + 2));
      return Array.from({ length }, (_, k) => ((q[k - 1] ?? 0n) + (n - 65_535n) * (q[k] ?? 0n)) % n);
    };
    for (const [length, lowest] of [
      [9, 0],
      [8, 1],
    ] as const) {
      const some = Array<bigint>(length).fill(3n);
      const none = vanishing(length);
      for (const pieces of [none, [...none, ...some], [...some, ...none], [...some, ...none, ...some]]) {
        check(pieces, 65_535, lowest);
      }
      expect(at([...none, ...none], 65_535, lowest)).toBeNull();
      // Two pieces that are opposite.
      expect(at(vanishing(length + 3), 65_535, lowest)).toBeNull();
    }
  });

  test("commitments are evaluated at share indices, and are there", () => {
    for (const index of [0, -1, 65_536, 0.5]) {
      expect(() => evaluateCommitments(group, group.generator, index)).toThrow(refused("INVALID_ARGUMENT"));
    }
    expect(() => evaluateCommitments(group, new Uint8Array(0), 1)).toThrow(refused("INVALID_ARGUMENT"));
    expect(() => evaluateCommitments(group, group.generator.subarray(1), 1)).toThrow(refused("INVALID_ARGUMENT"));
    const bad = new Uint8Array(2 * group.elementBytes).fill(255);
    expect(() => evaluateCommitments(group, bad, 1)).toThrow(refused("ELEMENT_INVALID"));
  });

  test("a dealer whose share is zero for somebody is refused by that index", () => {
    // f(x) = x − 3: zero at 3.
    using polynomial = new Polynomial(group, [secretOf(group, n - 3n), secretOf(group, 1n)]);
    const commitments = polynomial.commitments();
    expect(() => verificationShare(group, commitments, 3)).toThrow(refused("SHARE_INVALID", { receiver: 3 }));
    expect(() => verifyShare(group, commitments, polynomial.evaluate(3))).toThrow(refused("SHARE_INVALID"));
    expect(() => verifyShare(group, commitments, polynomial.evaluate(4))).not.toThrow();
  });

  test("commitments that are no elements are named", () => {
    using secret = group.scalars.random();
    const { commitments, shares } = dealShares(group, secret, { minShares: 3, maxShares: 3 });
    const bad = Uint8Array.from(commitments).fill(255, group.elementBytes, 2 * group.elementBytes);
    expect(() => verificationShare(group, bad, 1)).toThrow(refused("ELEMENT_INVALID", { index: 1 }));
    expect(() => verifyShare(group, bad, shares[0]!)).toThrow(refused("ELEMENT_INVALID", { index: 1 }));
    expect(() => verificationShare(group, commitments.subarray(1), 1)).toThrow(refused("INVALID_ARGUMENT"));
    expect(() => verificationShare(group, new Uint8Array(0), 1)).toThrow(refused("INVALID_ARGUMENT"));
  });

  test("what is no secret is not dealt", () => {
    for (const bad of [secretOf(group, 0n), new Secret(new Uint8Array(32).fill(255)), new Secret(new Uint8Array(5))]) {
      expect(() => dealShares(group, bad, { minShares: 2, maxShares: 3 })).toThrow(refused("INVALID_ARGUMENT"));
    }
  });

  test("a polynomial wipes its coefficients, and copies the constant", () => {
    using constant = group.scalars.random();
    const polynomial = Polynomial.random(group, constant, 3);
    expect(polynomial.commitments().length).toBe(3 * group.elementBytes);
    polynomial[Symbol.dispose]();
    expect(() => polynomial.evaluate(1)).toThrow(refused("KEY_UNAVAILABLE"));
    expect(() => polynomial.commitments()).toThrow(refused("KEY_UNAVAILABLE"));
    expect(numberOf(group, constant)).toBeGreaterThan(0n);
  });
});

describe("a threshold", () => {
  test.each([
    [1, 1],
    [1, 9],
    [5, 9],
    [65_535, 65_535],
  ])("%i of %i", (minShares, maxShares) => {
    expect(() => checkThreshold({ minShares, maxShares })).not.toThrow();
  });

  test.each([
    [0, 3],
    [-1, 3],
    [4, 3],
    [1.5, 3],
    [1, 65_536],
    [1, 0],
    [Number.NaN, 3],
    [1, Number.POSITIVE_INFINITY],
  ])("is not %d of %d", (minShares, maxShares) => {
    const { group } = GROUPS[0]!;
    const impossible = refused("INVALID_ARGUMENT");
    expect(() => checkThreshold({ minShares, maxShares })).toThrow(impossible);
    expect(() => dealShares(group, group.scalars.random(), { minShares, maxShares })).toThrow(impossible);
  });
});

describe("a share", () => {
  test("has an index from 1 to 65535, and else takes its secret with it", () => {
    expect([1, 65_535].every(isShareIndex)).toBe(true);
    for (const index of [0, -1, 65_536, 1.5, Number.NaN]) {
      const secret = new Secret(new Uint8Array(32));
      expect(() => new Share(index, secret)).toThrow(refused("INVALID_ARGUMENT"));
      expect(() => secret.use(() => 0)).toThrow("wiped");
    }
  });

  test("wipes its secret on dispose and prints nothing of it", () => {
    const secret = new Secret(new Uint8Array(32).fill(0x7b));
    const share = new Share(1, secret);
    expect(inspect(share)).not.toMatch(/7b|123/);
    expect(JSON.stringify(share)).toBe('{"index":1,"secret":"[secret]"}');
    share[Symbol.dispose]();
    expect(() => secret.use(() => 0)).toThrow("wiped");
  });
});
