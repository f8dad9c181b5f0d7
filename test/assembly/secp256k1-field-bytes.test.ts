import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { BUILDS } from "./compile.ts";
import {
  anyPair,
  bytesOfNumber,
  EDGES,
  elementOf,
  extremes,
  FieldInstance,
  Fp,
  LARGEST,
  type Limbs,
  limbsOf,
  numberOf,
  P,
  type Pair,
  PAIR_BYTES,
  pairs,
} from "./field-elements.ts";

const NUMBER_MAX = (1n << 256n) - 1n;
/** Numbers that are not below p. */
const ABOVE = [P, P + 1n, P + 2n, P + 977n, P + (1n << 32n), NUMBER_MAX - 1n, NUMBER_MAX];
/** Numbers whose bits, cut into limbs, are all ones or all zeros somewhere. */
const LIMB_EDGES = [52n, 103n, 154n, 205n].flatMap((at) => [
  NUMBER_MAX >> (256n - at),
  (NUMBER_MAX >> at) << at,
  1n << (at - 1n),
  (1n << (at - 1n)) - 1n,
  (1n << (at - 1n)) + 1n,
  NUMBER_MAX ^ (1n << (at - 1n)),
]);
const NUMBERS = [...EDGES, ...ABOVE, ...LIMB_EDGES];
const ELEMENTS = [...extremes(), ...extremes([1n, 2n, 3n, 4n, 5n]), ...EDGES.map(limbsOf)];

describe.each(BUILDS)("bytes of the field of secp256k1 in the %s build", (build) => {
  let field: FieldInstance;
  let a: number;
  let bytes: number;
  let mask: number;
  beforeAll(async () => {
    field = await FieldInstance.compile(build);
    a = field.alloc(PAIR_BYTES);
    // Bytes lie where they like.
    bytes = field.alloc(1 + 3 * 32) + 1;
    mask = field.alloc(16);
  }, 60_000);

  const fromBytes = (values: readonly [bigint, bigint]): [bigint, bigint] => {
    field.bytes.set(bytesOfNumber(values[0]), bytes + 64);
    field.bytes.set(bytesOfNumber(values[1]), bytes);
    field.call("fromBytes", a, bytes + 64, bytes);
    return field.elements(a);
  };
  const toBytes = (pair: Pair): [bigint, bigint] => {
    field.writePair(a, pair);
    const before = field.get(a, PAIR_BYTES);
    field.call("toBytes", a, bytes + 64, bytes);
    expect(Buffer.compare(field.get(a, PAIR_BYTES), before), "the elements are as they were").toBe(0);
    const read = (at: number): bigint => BigInt(`0x${Buffer.from(field.get(at, 32)).toString("hex")}`);
    return [read(bytes + 64), read(bytes)];
  };
  const ask = (question: "isZeroAt" | "isOddAt", pair: Pair): [boolean, boolean] => {
    field.writePair(a, pair);
    field.call(question, mask, a);
    return field.mask(mask);
  };

  it("become elements, whatever the number", () => {
    for (const [i, value] of NUMBERS.entries()) {
      const other = NUMBERS[(i + 41) % NUMBERS.length]!;
      expect(fromBytes([value, other])).toEqual([value % P, other % P]);
    }
    const number = fc.bigInt({ min: 0n, max: NUMBER_MAX });
    fc.assert(
      fc.property(number, number, (x, y) => {
        expect(fromBytes([x, y])).toEqual([x % P, y % P]);
      }),
      { numRuns: 500 },
    );
  });

  it("are those of the number from 0 to p − 1, whatever the limbs", () => {
    const check = (pair: Pair): void => {
      expect(toBytes(pair)).toEqual(pair.map(elementOf));
    };
    for (const pair of pairs(ELEMENTS, 23)) check(pair);
    fc.assert(fc.property(anyPair, check), { numRuns: 500 });
  });

  it("are canonical below p", () => {
    const isCanonical = (value: Uint8Array): number => {
      field.bytes.set(value, bytes);
      return field.call("isCanonical", bytes);
    };
    for (const value of [...NUMBERS, ...ABOVE.map((above) => above - 1000n)]) {
      expect(isCanonical(bytesOfNumber(value)), value.toString(16)).toBe(value < P ? 1 : 0);
    }
    for (let at = 0; at < 32; at++) {
      for (const from of [P - 1n, P, NUMBER_MAX]) {
        for (const change of [1, 0x10, 0x80, 0xff]) {
          const altered = bytesOfNumber(from);
          altered[at]! ^= change;
          const value = BigInt(`0x${Buffer.from(altered).toString("hex")}`);
          expect(isCanonical(altered), value.toString(16)).toBe(value < P ? 1 : 0);
        }
      }
    }
  });

  it("tell which element is zero", () => {
    const others = [...ELEMENTS.filter((limbs) => numberOf(limbs) !== 0n), ...units()];
    for (const [i, other] of others.entries()) {
      const beside = others[(i + 5) % others.length]!;
      expect(ask("isZeroAt", [other, beside])).toEqual([false, false]);
      expect(ask("isZeroAt", [ZERO, other])).toEqual([true, false]);
      expect(ask("isZeroAt", [other, ZERO])).toEqual([false, true]);
    }
    expect(ask("isZeroAt", [ZERO, ZERO])).toEqual([true, true]);
    fc.assert(
      fc.property(anyPair, (pair) => {
        expect(ask("isZeroAt", pair)).toEqual(pair.map((limbs) => elementOf(limbs) === 0n));
      }),
    );
  });

  it("tell zero in every form that arithmetic gives it", () => {
    const b = field.alloc(PAIR_BYTES);
    const isZero = (at: number): [boolean, boolean] => {
      field.call("isZeroAt", mask, at);
      return field.mask(mask);
    };
    for (const pair of pairs(ELEMENTS, 31)) {
      field.writePair(a, pair);
      field.call("subtract", b, a, a);
      expect(isZero(b)).toEqual([true, true]);
      // Limbs that are 0 become −0.
      field.call("negateWhereAt", b, field.putMask([true, false]));
      expect(isZero(b)).toEqual([true, true]);
      field.call("multiply", b, b, a);
      expect(isZero(b)).toEqual([true, true]);
      // The same number in other limbs, and p less it.
      field.call("fromBytes", b, ...pair.map((limbs) => field.put(bytesOfNumber(Fp.neg(elementOf(limbs))))));
      field.call("add", b, b, a);
      expect(isZero(b)).toEqual([true, true]);
      field.call("square", b, a);
      field.call("multiplySubtract", b, a, a, b);
      expect(isZero(b)).toEqual([true, true]);
    }
  });

  it("are those of 0 where the limbs make p or −p, which reduced ones cannot", () => {
    expect(numberOf(LARGEST)).toBeLessThan(P);
    expect(numberOf(LARGEST.map((limb) => -limb))).toBeGreaterThan(-P);
    expect(fromBytes([P, 0n])).toEqual([0n, 0n]);
    field.call("isZeroAt", mask, a);
    expect(field.mask(mask)).toEqual([true, true]);
  });

  it("tell which element is odd", () => {
    const check = (pair: Pair): void => {
      expect(ask("isOddAt", pair)).toEqual(pair.map((limbs) => (elementOf(limbs) & 1n) === 1n));
    };
    for (const pair of pairs([...ELEMENTS, ...units()], 29)) check(pair);
    fc.assert(fc.property(anyPair, check), { numRuns: 500 });
  });

  it("leave nothing of an element behind when they are wiped", () => {
    const scratch = (): Uint8Array => field.get(0, field.constant("HEAP_BASE"));
    field.call("wipeFieldBytes");
    const wiped = scratch();
    for (const use of [() => toBytes(pairs(ELEMENTS, 3)[6]!), () => ask("isOddAt", pairs(ELEMENTS, 3)[8]!)]) {
      use();
      expect(Buffer.compare(scratch(), wiped), "the control: something was left").not.toBe(0);
      field.call("wipeFieldBytes");
      expect(Buffer.compare(scratch(), wiped)).toBe(0);
    }
  });
});

const ZERO: Limbs = [0n, 0n, 0n, 0n, 0n];

/** Elements of which one limb is ±1, and sums of such that are next to zero in all limbs but the first. */
function units(): Limbs[] {
  const ones = [1n, -1n].flatMap((one) => ZERO.map((_, i) => ZERO.with(i, one)));
  // 2^52·1 − 2^51·1 and the like: other limbs for 2^51, and for what is next to it.
  const half = 1n << 51n;
  return [...ones, [half, -1n, 0n, 0n, 0n], [-half, 1n, 0n, 0n, 0n], [1n - half, 1n, 0n, 0n, 0n]];
}
