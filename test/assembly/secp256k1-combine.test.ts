import { describe, expect, test } from "vitest";
import { combine } from "./secp256k1-batch.ts";
import { ORDER, modulo, scalarOf } from "./secp256k1-numbers.ts";
import {
  hexesOf,
  LAMBDA,
  Point,
  POINT_BYTES,
  pointBytes,
  pointsOf,
  progression,
  rawPoint,
  scalarBytes,
  times,
} from "./secp256k1-points.ts";

const { Fn } = Point;

/** The Lagrange coefficients at 0 of these places. */
function lagrange(places: readonly bigint[]): bigint[] {
  return places.map((place) =>
    places
      .filter((other) => other !== place)
      .reduce((product, other) => Fn.mul(product, Fn.div(other, modulo(other - place))), 1n),
  );
}

/** f(place) of the polynomial with these coefficients. */
function evaluate(polynomial: readonly bigint[], place: bigint): bigint {
  return polynomial.reduceRight((sum, coefficient) => modulo(sum * place + coefficient), 0n);
}

/** Σ c_j·P_ji of every i, by noble. */
function sums(rows: readonly (readonly Point[])[], coefficients: readonly bigint[]): Point[] {
  return rows[0]!.map((_, i) => rows.reduce((sum, row, j) => sum.add(times(coefficients[j]!, row[i]!)), Point.ZERO));
}

function valid(points: readonly Point[]): object {
  return { returned: 1, statuses: points.map(() => 1), points: hexesOf(points) };
}

/** For sums of which some are infinite: statuses and, of the others, points. */
function expectSums(rows: readonly (readonly Point[])[], coefficients: readonly bigint[]): void {
  const expected = sums(rows, coefficients);
  const { returned, statuses, points } = combine(rows.map(pointBytes), scalarBytes(coefficients));
  expect(returned).toBe(1);
  expect(statuses).toEqual(expected.map((sum) => (sum.is0() ? 0 : 1)));
  const finite = (_: unknown, i: number): boolean => !expected[i]!.is0();
  expect(points.filter(finite)).toEqual(hexesOf(expected.filter(finite)));
}

describe("sums with public coefficients", () => {
  test.each([
    [1, 1],
    [2, 3],
    [3, 5],
    [7, 9],
  ])("Lagrange coefficients of %i of %i shares reconstruct", (threshold, holders) => {
    const polynomial = Array.from({ length: threshold }, (_, i) => scalarOf(`combine, coefficient ${i}`));
    const secret = polynomial[0]!;
    const bases = pointsOf("combine, bases", 5);
    const places = Array.from({ length: holders }, (_, i) => BigInt(i + 1)).slice(-threshold);
    const partials = places.map((place) => bases.map((base) => times(evaluate(polynomial, place), base)));
    const expected = valid(bases.map((base) => times(secret, base)));
    const coefficients = lagrange(places);
    expect(combine(partials.map(pointBytes), scalarBytes(coefficients))).toEqual(expected);
    // The same where each has multiplied its partials with its coefficient already.
    const scaled = partials.map((row, j) => row.map((partial) => times(coefficients[j]!, partial)));
    const ones = scalarBytes(coefficients.map(() => 1n));
    expect(combine(scaled.map(pointBytes), ones)).toEqual(expected);
  });

  // a + i·d, b + i·e, with coefficients: sums of a progression are one.
  const [a, d, b, e] = pointsOf("combine, progressions", 4) as [Point, Point, Point, Point];
  const [c0, c1] = [scalarOf("combine, c0"), scalarOf("combine, c1")];
  const rows = [progression(513, a, d), progression(513, b, e)] as const;
  const combined = progression(513, times(c0, a).add(times(c1, b)), times(c0, d).add(times(c1, e)));
  const added = progression(513, a.add(b), d.add(e));

  test.each([0, 1, 2, 3, 8, 9, 255, 256, 257, 258, 513])("%i sums", (count) => {
    const input = rows.map((row) => pointBytes(row.slice(0, count)));
    expect(combine(input, scalarBytes([c0, c1]))).toEqual(valid(combined.slice(0, count)));
    expect(combine(input, scalarBytes([1n, 1n]))).toEqual(valid(added.slice(0, count)));
  });

  test("coefficients that are peculiar, 1 in the first row or a later one", () => {
    const points = ["r", "s", "t"].map((row) => pointsOf(`combine, row ${row}`, 3));
    const peculiar = [
      1n,
      2n,
      3n,
      ORDER - 1n,
      2n ** 64n,
      2n ** 192n,
      2n ** 248n,
      1n << 8n,
      LAMBDA,
      modulo(26n * LAMBDA),
    ];
    for (const coefficient of peculiar) {
      expectSums(points, [coefficient, 1n, c0]);
      expectSums(points, [1n, coefficient, 1n]);
      expectSums(points, [c1, 1n, coefficient]);
    }
    expectSums([points[0]!], [1n]);
    expectSums([points[0]!], [c0]);
  });

  test("partial sums that equal the next point, are its opposite, or infinite, in either lane", () => {
    const [p, q, r] = pointsOf("combine, exceptions", 3) as [Point, Point, Point];
    const minus = (point: Point): Point => point.negate();
    // Each column is a sum of four.
    const columns = [
      [p, q, r, p],
      [p, p, p, p],
      [p, p, p.double(), q],
      [p, minus(p), q, r],
      [p, minus(p), p, q],
      [p, minus(p), minus(p), q],
      [p, minus(p), q, minus(q)],
      [p, minus(p), q, q],
      [p, q, minus(p.add(q)), r],
      [p, q, minus(p.add(q)), p],
      [p, q, p.add(q), minus(p.add(q).double())],
      [p, q, r, minus(p.add(q).add(r))],
      [p, p, minus(p), minus(p)],
      [p, minus(p), p, minus(p)],
    ];
    const transposed = (of: readonly Point[][]): Point[][] => [0, 1, 2, 3].map((j) => of.map((column) => column[j]!));
    expectSums(transposed(columns), [1n, 1n, 1n, 1n]);
    expectSums(transposed([columns[0]!, ...columns]), [1n, 1n, 1n, 1n]);
    for (const column of columns) expectSums(transposed([column]), [1n, 1n, 1n, 1n]);
    // The same by coefficients: c·P + (n − c)·P, c·P + c·P, and 3P − 2P.
    expectSums(
      [
        [p, p, q],
        [p, q, q],
      ],
      [c0, ORDER - c0],
    );
    expectSums(
      [
        [p, p, q],
        [p, q, q],
      ],
      [c0, c0],
    );
    expectSums(
      [
        [p, p, q],
        [p, q, minus(q)],
        [p.double(), r, q],
      ],
      [3n, 1n, ORDER - 2n],
    );
    expectSums(
      [
        [p, p],
        [p, p],
        [p, q],
      ],
      [1n, ORDER - 1n, ORDER - 1n],
    );
  });

  test("what is no point, in any row, spoils the sums that it belongs to, and no other", () => {
    const input = rows.map((row) => pointBytes(row.slice(0, 300)));
    const bad = new Map([
      [0, 0],
      [3, 1],
      [4, 0],
      [5, 1],
      [255, 0],
      [256, 1],
      [299, 1],
    ]);
    for (const [i, j] of bad) rawPoint(2, 5n).copy(input[j]!, i * POINT_BYTES);
    for (const [coefficients, expected] of [
      [[c0, c1], combined],
      [[1n, 1n], added],
    ] as const) {
      const { statuses, points } = combine(input, scalarBytes(coefficients));
      expect(statuses).toEqual(Array.from({ length: 300 }, (_, i) => (bad.has(i) ? 0 : 1)));
      const others = (_: unknown, i: number): boolean => !bad.has(i);
      expect(points.filter(others)).toEqual(hexesOf(expected.slice(0, 300)).filter(others));
    }
  });

  test.each([0n, ORDER, ORDER + 1n, 2n ** 256n - 1n])("the coefficient %i is refused, and nothing written", (none) => {
    const input = rows.map((row) => pointBytes(row.slice(0, 2)));
    const untouched = Buffer.alloc(POINT_BYTES, 0xa5).toString("hex");
    for (const coefficients of [
      [none, c1],
      [c0, none],
      [1n, none],
    ]) {
      expect(combine(input, scalarBytes(coefficients))).toEqual({
        returned: 0,
        statuses: [0xa5, 0xa5],
        points: [untouched, untouched],
      });
    }
  });
});
