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
  limbsOf,
  P,
  type Pair,
  PAIR_BYTES,
  pairs,
} from "./field-elements.ts";

/** POWER_PAIRS of the source. */
const PAIRS_MAX = 4;
const ELEMENTS = [...extremes(), ...EDGES.filter((_, i) => i < 10 || i % 9 === 0).map(limbsOf)];
const ZERO = [0n, 0n, 0n, 0n, 0n];

const inverse = (a: bigint): bigint => (a === 0n ? 0n : Fp.inv(a));
const POWERS: readonly (readonly [name: string, expected: (a: bigint) => bigint])[] = [
  ["invert", inverse],
  ["squareRoot", (a) => Fp.pow(a, (P + 1n) / 4n)],
  ["powerC1", (a) => Fp.pow(a, (P - 3n) / 4n)],
];

describe.each(BUILDS)("powers in the field of secp256k1 in the %s build", (build) => {
  let field: FieldInstance;
  beforeAll(async () => {
    field = await FieldInstance.compile(build);
  }, 60_000);

  const elements = (at: number, count: number): [bigint, bigint][] =>
    Array.from({ length: count }, (_, i) => field.elements(at + PAIR_BYTES * i));
  const mapped = (values: readonly Pair[], expected: (a: bigint) => bigint): bigint[][] =>
    values.map((pair) => pair.map((limbs) => expected(elementOf(limbs))));

  describe.each(POWERS)("%s", (name, expected) => {
    it("agrees with noble on elements at all ends, in arrays of every length", () => {
      const all = pairs(ELEMENTS, 13);
      for (let at = 0, count = 1; at < all.length; at += count, count = (count % PAIRS_MAX) + 1) {
        const some = all.slice(at, at + count);
        const a = field.putPairs(some);
        // One more, which is not to be touched.
        const out = field.putPairs([...some.toReversed(), all[0]!]);
        field.call(name, out, a, some.length);
        expect(elements(out, some.length)).toEqual(mapped(some, expected));
        expect(field.elements(out + PAIR_BYTES * some.length)).toEqual(all[0]!.map(elementOf));
        expect(elements(a, some.length)).toEqual(mapped(some, (each) => each));
      }
    });

    it("agrees with noble on any elements, also in place", () => {
      fc.assert(
        fc.property(fc.array(anyPair, { minLength: 1, maxLength: PAIRS_MAX }), (some) => {
          const a = field.putPairs(some);
          field.call(name, a, a, some.length);
          expect(elements(a, some.length)).toEqual(mapped(some, expected));
        }),
        { numRuns: 50 },
      );
    });
  });

  it("give a root of every square, and of what is none the root of its negative", () => {
    fc.assert(
      fc.property(anyPair, (pair) => {
        const [a, out] = [field.putPairs([pair]), field.alloc(PAIR_BYTES)];
        const values = pair.map(elementOf);
        field.call("squareRoot", out, a, 1);
        const isSquare = values.map((value) => value === 0n || Fp.pow(value, (P - 1n) / 2n) === 1n);
        expect(field.elements(out).map((root) => Fp.sqr(root))).toEqual(
          values.map((value, lane) => (isSquare[lane] ? value : Fp.neg(value))),
        );
      }),
      { numRuns: 50 },
    );
    // 4 is a square and −4 is none.
    const [a, out] = [field.putPairs([[limbsOf(4n), limbsOf(P - 4n)]]), field.alloc(PAIR_BYTES)];
    field.call("squareRoot", out, a, 1);
    expect(field.elements(out).map((root) => Fp.sqr(root))).toEqual([4n, 4n]);
  });

  describe("invertAll, and invertNonzero where no element is zero", () => {
    function check(values: readonly Pair[], alter: (at: number) => void = () => undefined, by = "invertAll"): void {
      const at = field.putPairs([...values, values[0]!]);
      const prefix = field.putPairs([...values, values[0]!]);
      alter(at);
      field.call(by, at, prefix, values.length);
      expect(elements(at, values.length)).toEqual(mapped(values, inverse));
      for (const place of [at, prefix]) {
        const behind = field.elements(place + PAIR_BYTES * values.length);
        expect(behind, "what lies behind is as it was").toEqual(values[0]!.map(elementOf));
      }
    }

    it("agrees with noble on arrays of one to many pairs", () => {
      const all = pairs(
        ELEMENTS.filter((limbs) => elementOf(limbs) !== 0n),
        13,
      );
      for (const count of [1, 2, 3, 7, all.length]) {
        check(all.slice(0, count));
        check(all.slice(0, count), undefined, "invertNonzero");
      }
    });

    it("leaves zeros zero and inverts all else beside them, wherever they are", () => {
      const five = pairs(ELEMENTS, 13).slice(3, 8);
      // Bit i of `zeros` is for lane i & 1 of pair i >> 1.
      for (let zeros = 0; zeros < 1 << 10; zeros = zeros < 64 ? zeros + 1 : zeros + 61) {
        const zeroed = five.map((pair, i) => pair.map((limbs, l) => ((zeros >> (2 * i + l)) & 1 ? ZERO : limbs)));
        check(zeroed as unknown as Pair[]);
      }
      for (const count of [1, 2, 9]) check(Array.from({ length: count }, () => [ZERO, ZERO] as const));
    });

    it("takes −0 for zero", () => {
      check(
        [
          [ZERO, ELEMENTS[3]!],
          [ELEMENTS[4]!, ZERO],
        ],
        (at) => {
          field.call("negateWhereAt", at, field.putMask([true, false]));
          field.call("negateWhereAt", at + PAIR_BYTES, field.putMask([false, true]));
        },
      );
    });

    it("agrees with noble on any elements", () => {
      const pair = fc.oneof(
        anyPair,
        anyPair,
        fc.tuple(fc.constant(ZERO), anyPair).map(([zero, [, a]]) => [zero, a] as const),
      );
      fc.assert(
        fc.property(fc.array(pair, { minLength: 1, maxLength: 20 }), (values) => check(values)),
        { numRuns: 30 },
      );
    });
  });

  it("leave nothing of an element behind when they are wiped", () => {
    const scratch = (): Uint8Array => field.get(0, field.constant("HEAP_BASE"));
    const wipe = (): void => {
      field.call("wipeFieldPower");
      field.call("wipeFieldBytes");
    };
    wipe();
    const wiped = scratch();
    const at = field.putPairs(pairs(ELEMENTS, 3).slice(0, PAIRS_MAX));
    for (const name of ["invert", "squareRoot", "powerC1", "invertAll", "invertNonzero"]) {
      const out = field.alloc(PAIR_BYTES * PAIRS_MAX);
      if (["invertAll", "invertNonzero"].includes(name)) field.call(name, at, out, PAIRS_MAX);
      else field.call(name, out, at, PAIRS_MAX);
      expect(Buffer.compare(scratch(), wiped), "the control: something was left").not.toBe(0);
      wipe();
      expect(Buffer.compare(scratch(), wiped)).toBe(0);
    }
  });
});
