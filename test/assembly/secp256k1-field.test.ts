import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { BUILDS } from "./compile.ts";
import {
  anyPair,
  EDGES,
  elementOf,
  extremes,
  FieldInstance,
  Fp,
  LARGEST,
  type Limbs,
  limbsOf,
  type Pair,
  PAIR_BYTES,
  pairs,
} from "./field-elements.ts";

/** What a function writes, of elements in the order of its parameters. */
type Expected = (a: bigint, b: bigint, c: bigint) => bigint;

const TWO = Fp.create(2n);
const FUNCTIONS: readonly (readonly [name: string, operands: number, expected: Expected])[] = [
  ["multiply", 2, (a, b) => Fp.mul(a, b)],
  ["multiplySubtract", 3, (a, b, c) => Fp.sub(Fp.mul(a, b), c)],
  ["square", 1, (a) => Fp.sqr(a)],
  ["squareSubtract", 2, (a, c) => Fp.sub(Fp.sqr(a), c)],
  ["squareSubtractTwice", 2, (a, c) => Fp.sub(Fp.sqr(a), Fp.mul(TWO, c))],
  ["reduce", 1, (a) => a],
  ["add", 2, (a, b) => Fp.add(a, b)],
  ["subtract", 2, (a, b) => Fp.sub(a, b)],
  ["double", 1, (a) => Fp.mul(a, TWO)],
  ["triple", 1, (a) => Fp.mul(a, 3n)],
  ["subtractTwice", 2, (a, b) => Fp.sub(a, Fp.mul(TWO, b))],
  ["twiceSubtract", 2, (a, b) => Fp.sub(Fp.mul(TWO, a), b)],
  ["copy", 1, (a) => a],
];

/** What differs from the ends of limbs, so that what products leave in a column is not zero. */
const LESS: Limbs = [0x2_5a7b_1357n, 0x1_8642_9bdfn, 0x3_0f1e_2d3dn, 0x1_7182_8183n, 0x2_c0ff_ee01n];
const EXTREMES = [...extremes(), ...extremes(LESS)];
const ORDINARY = EDGES.map(limbsOf);
/**
 * Limbs of 0x8000000124f82000…07ffffffffffff, whose square was wrong: twice the product of the first and the last is
 * beyond the lower end of the binade that a cut of 3/2·2^(E_5 + 52) is in the middle of.
 */
const PAST_THE_BINADE: Limbs = [(1n << 51n) + (1n << 32n) + 976n, 0n, 0n, 0n, 600_001n - (1n << 50n)];

describe.each(BUILDS)("the field of secp256k1 in the %s build", (build) => {
  let field: FieldInstance;
  beforeAll(async () => {
    field = await FieldInstance.compile(build);
  }, 60_000);

  /** Calls a function on each row of operands, which are pairs, and compares both lanes of what it writes. */
  function check(
    name: string,
    expected: Expected,
    rows: readonly (readonly Pair[])[],
    outIs: number | null = null,
  ): void {
    const operands = rows[0]!.length;
    const places = Array.from({ length: operands }, () => field.alloc(PAIR_BYTES));
    const out = outIs === null ? field.alloc(PAIR_BYTES) : places[outIs]!;
    for (const row of rows) {
      for (const [i, pair] of row.entries()) field.writePair(places[i]!, pair);
      field.call(name, out, ...places);
      const [a, b, c] = row;
      for (const lane of [0, 1] as const) {
        const value = expected(elementOf(a![lane]), elementOf((b ?? a!)[lane]), elementOf((c ?? a!)[lane]));
        const found = field.elements(out)[lane];
        if (found !== value) expect.fail(`${name} of ${row.map((pair) => pair[lane]).join(" | ")}, lane ${lane}`);
      }
    }
  }

  describe.each(FUNCTIONS)("%s", (name, operands, expected) => {
    const rowsOf = (...columns: Pair[][]): Pair[][] =>
      columns[0]!.map((_, i) => columns.slice(0, operands).map((column) => column[i % column.length]!));

    it("agrees with noble on elements at the ends of the field and next to powers of two", () => {
      check(name, expected, rowsOf(pairs(ORDINARY, 7), pairs(ORDINARY.toReversed(), 3), pairs(ORDINARY, 11)));
      const few = ORDINARY.slice(0, 10);
      const table = few.flatMap((a) => few.map((b) => [a, b] as const));
      const columns = [0, 1].map((side) =>
        pairs(
          table.map((both) => both[side]!),
          5,
        ),
      );
      check(name, expected, rowsOf(columns[0]!, columns[1]!, columns[0]!.toReversed()));
    });

    it("agrees with noble where all limbs are at the ends of what they may be, whatever their signs", () => {
      const table = EXTREMES.flatMap((a) => (operands === 1 ? [[a, a]] : EXTREMES.map((b) => [a, b])));
      const columns = [0, 1].map((side) =>
        pairs(
          table.map((both) => both[side]!),
          37,
        ),
      );
      check(name, expected, rowsOf(columns[0]!, columns[1]!, columns[1]!.toReversed()));
    });

    it("agrees with noble on any elements, and in place of any operand", () => {
      const row = fc.array(anyPair, { minLength: operands, maxLength: operands });
      fc.assert(
        fc.property(row, (operandsOf) => {
          for (const outIs of [null, ...operandsOf.keys()]) check(name, expected, [operandsOf], outIs);
        }),
        { numRuns: 300 },
      );
    });

    it("agrees with noble where all operands and the result are one", () => {
      const at = field.alloc(PAIR_BYTES);
      for (const pair of [...pairs(EXTREMES, 5), ...pairs(ORDINARY, 5)]) {
        field.writePair(at, pair);
        field.call(name, at, ...Array.from({ length: operands }, () => at));
        const [a, b] = pair.map(elementOf) as [bigint, bigint];
        expect(field.elements(at)).toEqual([expected(a, a, a), expected(b, b, b)]);
      }
    });
  });

  it("squares what leaves the binade of a cut that is in its middle", () => {
    const near = Array.from({ length: 500 }, (_, i) =>
      PAST_THE_BINADE.with(4, PAST_THE_BINADE[4]! + 30011n * BigInt(i)),
    );
    for (const [name, operands, expected] of FUNCTIONS.filter(([each]) => each.startsWith("square"))) {
      check(
        name,
        expected,
        pairs(near, 3).map((pair) => [pair, pair].slice(0, operands)),
      );
    }
  });

  it("goes on being exact in a long chain", () => {
    const at = field.putPairs([[EXTREMES[5]!, PAST_THE_BINADE]]);
    let [a, b] = [elementOf(EXTREMES[5]!), elementOf(PAST_THE_BINADE)];
    for (let i = 0; i < 3000; i++) {
      field.call("squareSubtractTwice", at, at, at);
      field.call("triple", at, at);
      [a, b] = [a, b].map((x) => Fp.mul(3n, Fp.sub(Fp.sqr(x), Fp.mul(2n, x)))) as [bigint, bigint];
    }
    expect(field.elements(at)).toEqual([a, b]);
  });

  it("reduces limbs of 53 bits", () => {
    const full = 1n << 53n;
    const wide = extremes().map((limbs) => limbs.map((limb, i) => (limb < 0n ? -full : full) - BigInt(i) * limb));
    const rows = pairs([...wide, ...wide.map((limbs) => limbs.map((limb) => limb / 3n))], 3);
    check(
      "reduce",
      (a) => a,
      rows.map((pair) => [pair.map((limbs) => limbs.map(clamp)) as unknown as Pair]),
    );
    function clamp(limb: bigint): bigint {
      return limb > full ? full : limb < -full ? -full : limb;
    }
  });

  it("changes signs where a mask is set, and selects by one", () => {
    const [a, b] = [pairs(EXTREMES, 3)[9]!, pairs(ORDINARY, 3)[9]!];
    for (const lanes of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const mask = field.putMask(lanes);
      const [at, other, out] = [field.putPairs([a]), field.putPairs([b]), field.alloc(PAIR_BYTES)];
      field.call("selectAt", out, at, other, mask);
      expect(field.elements(out)).toEqual(lanes.map((set, lane) => elementOf((set ? a : b)[lane]!)));
      field.call("negateWhereAt", at, mask);
      expect(field.elements(at)).toEqual(
        lanes.map((set, lane) => (set ? Fp.neg(elementOf(a[lane]!)) : elementOf(a[lane]!))),
      );
      field.call("selectAt", other, at, other, mask);
      expect(field.elements(other)).toEqual(
        lanes.map((set, lane) => (set ? Fp.neg(elementOf(a[lane]!)) : elementOf(b[lane]!))),
      );
    }
  });

  it("sets small numbers", () => {
    const out = field.putPairs([[LARGEST, LARGEST]]);
    for (const n of [0, 1, 7, 2 ** 51]) {
      field.call("setSmall", out, n);
      expect(field.elements(out)).toEqual([BigInt(n), BigInt(n)]);
    }
  });
});
