import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkQuorum, lagrangeCoefficient, reweighting } from "../../src/keys/lagrange.ts";
import { GROUPS } from "./groups.ts";

const quorums = fc
  .uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 12 })
  .map((indices) => indices.sort((a, b) => a - b));
const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });

describe.each(GROUPS)("Lagrange coefficients modulo the order of $name", ({ group }) => {
  const n = group.scalars.order;

  test("give f(0) of every polynomial of lower degree than the quorum has members", () => {
    const value = fc.bigInt({ min: 0n, max: n - 1n });
    const interpolates = (quorum: readonly number[], coefficients: readonly bigint[]): void => {
      const polynomial = coefficients.slice(0, quorum.length);
      const at = (x: bigint): bigint => polynomial.reduceRight((sum, a) => (sum * x + a) % n, 0n);
      const sum = quorum.reduce((so, i) => so + lagrangeCoefficient(n, quorum, i) * at(BigInt(i)), 0n);
      expect(sum % n).toBe(at(0n));
    };
    fc.assert(fc.property(quorums, fc.array(value, { minLength: 1, maxLength: 12 }), interpolates));
  });

  test("are known for small quorums", () => {
    expect(lagrangeCoefficient(n, [7], 7)).toBe(1n);
    expect([1, 2].map((i) => lagrangeCoefficient(n, [1, 2], i))).toEqual([2n, n - 1n]);
    expect([1, 2, 3].map((i) => lagrangeCoefficient(n, [1, 2, 3], i))).toEqual([3n, n - 3n, 1n]);
  });

  test("are scalars other than zero", () => {
    const inRange = (quorum: readonly number[]): void => {
      for (const i of quorum) {
        const coefficient = lagrangeCoefficient(n, quorum, i);
        expect(coefficient > 0n && coefficient < n).toBe(true);
      }
    };
    fc.assert(fc.property(quorums, inRange));
  });

  test("are turned into those of another quorum", () => {
    const turns = (a: readonly number[], b: readonly number[]): void => {
      const from = [...new Set([9, ...a])].sort((x, y) => x - y);
      const to = [...new Set([9, ...b])].sort((x, y) => x - y);
      const factor = reweighting(n, from, to, 9);
      expect((factor * lagrangeCoefficient(n, from, 9)) % n).toBe(lagrangeCoefficient(n, to, 9));
      expect(reweighting(n, null, to, 9)).toBe(lagrangeCoefficient(n, to, 9));
      expect(reweighting(n, from, from, 9)).toBe(1n);
    };
    fc.assert(fc.property(quorums, quorums, turns));
  });

  test("belong to members only", () => {
    expect(() => lagrangeCoefficient(n, [1, 2], 3)).toThrow(refused);
    expect(() => reweighting(n, [1, 2], [1, 3], 2)).toThrow(refused);
    expect(() => reweighting(n, [1, 3], [1, 2], 2)).toThrow(refused);
  });
});

describe("a quorum", () => {
  test.each([[[1]], [[65_535]], [[1, 2, 3]], [[3, 500, 65_535]]])("%j", (quorum) => {
    expect(() => checkQuorum(quorum)).not.toThrow();
  });

  test.each([[[]], [[0]], [[0, 1]], [[65_536]], [[-1]], [[1.5]], [[Number.NaN]], [[2, 1]], [[1, 1]], [[1, 2, 2]]])(
    "is not %j",
    (quorum) => {
      expect(() => checkQuorum(quorum)).toThrow(refused);
      expect(() => lagrangeCoefficient(7n, quorum, 1)).toThrow(refused);
    },
  );
});
