/**
 * Elements of the field of secp256k1 as the kernels hold them, for tests that feed them in and read them back limb by
 * limb: what they are is worked out with bigints here, not by the kernels.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { expect } from "vitest";
import { type Build, compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

export const { Fp } = secp256k1.Point;
export const P = Fp.ORDER;
export const PAIR_BYTES = 80;

/** Limb i is a whole number times 2^EXPONENTS[i]. */
const EXPONENTS = [0n, 52n, 103n, 154n, 205n, 256n];

/** The whole numbers of the five limbs. */
export type Limbs = readonly bigint[];

/** The largest whole number that limb i may be when the element is reduced: half of its range and 2^−14 of that. */
export const LARGEST: Limbs = [0, 1, 2, 3, 4].map((i) => {
  const half = 1n << (EXPONENTS[i + 1]! - EXPONENTS[i]! - 1n);
  return half + (half >> 14n);
});

/** The number that limbs make, which may be negative. */
export function numberOf(limbs: Limbs): bigint {
  return limbs.reduce((sum, limb, i) => sum + (limb << EXPONENTS[i]!), 0n);
}

/** The element that limbs are. */
export function elementOf(limbs: Limbs): bigint {
  return Fp.create(numberOf(limbs));
}

/** The reduced limbs of a number from 0 to 2^256 − 1, or of that less p. */
export function limbsOf(element: bigint): bigint[] {
  let rest = element;
  // So that the last limb need not be more than half of its range.
  if (rest >= 1n << 255n) rest -= P;
  return [0, 1, 2, 3, 4].map((i) => {
    if (i === 4) return rest;
    const bits = EXPONENTS[i + 1]! - EXPONENTS[i]!;
    const limb = BigInt.asIntN(Number(bits), rest);
    rest = (rest - limb) >> bits;
    return limb;
  });
}

/** Elements at the ends of the field, around its middle, and next to powers of two. */
export const EDGES: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, P - 1n, P - 2n, P - 3n, (P - 1n) / 2n, (P + 1n) / 2n, (P + 3n) / 2n],
  ...Array.from({ length: 256 }, (_, k) => [1n << BigInt(k), P - (1n << BigInt(k)), (1n << BigInt(k)) - 1n]).flat(),
];

/** Limbs at the ends of what reduced ones may be, with every combination of signs; `less` is what they lack of it. */
export function extremes(less: Limbs = [0n, 0n, 0n, 0n, 0n]): Limbs[] {
  return Array.from({ length: 32 }, (_, signs) =>
    LARGEST.map((limb, i) => ((signs >> i) & 1 ? less[i]! - limb : limb - less[i]!)),
  );
}

const limb = (i: number): fc.Arbitrary<bigint> => {
  const largest = LARGEST[i]!;
  const anywhere = fc.bigInt({ min: -largest, max: largest });
  const end = fc.bigInt({ min: 0n, max: largest >> 12n }).map((less) => largest - less);
  return fc.oneof(
    anywhere,
    end,
    end.map((value) => -value),
    fc.constantFrom(0n, 1n, -1n, largest, -largest),
  );
};

/** Any reduced limbs, often at the ends of what they may be. */
export const anyLimbs: fc.Arbitrary<Limbs> = fc.tuple(limb(0), limb(1), limb(2), limb(3), limb(4));

/** The elements of a pair: lane 0, lane 1. */
export type Pair = readonly [Limbs, Limbs];
export const anyPair: fc.Arbitrary<Pair> = fc.tuple(anyLimbs, anyLimbs);

/** Elements two by two, each beside the one `apart` places on, so that lanes differ. */
export function pairs(elements: readonly Limbs[], apart = 1): Pair[] {
  return elements.map((element, i) => [element, elements[(i + apart) % elements.length]!]);
}

/** What takes or gives vectors, which JavaScript cannot, with an address in place of each. */
const ENTRY = `
  export * from "./secp256k1-field";
  export { fromBytes, toBytes, isCanonical, wipeFieldBytes } from "./secp256k1-field-bytes";
  export * from "./secp256k1-field-power";
  import { negateWhere, select } from "./secp256k1-field";
  import { isOdd, isZero } from "./secp256k1-field-bytes";
  export function negateWhereAt(a: usize, mask: usize): void { negateWhere(a, v128.load(mask)); }
  export function selectAt(out: usize, a: usize, b: usize, mask: usize): void { select(out, a, b, v128.load(mask)); }
  export function isZeroAt(mask: usize, a: usize): void { v128.store(mask, isZero(a)); }
  export function isOddAt(mask: usize, a: usize): void { v128.store(mask, isOdd(a)); }
`;

/** The field in one build, and elements in its memory. */
export class FieldInstance extends KernelInstance {
  static async compile(build: Build): Promise<FieldInstance> {
    return new FieldInstance(await compileEntry(ENTRY, undefined, build));
  }

  /** Address of an array of pairs. */
  putPairs(values: readonly Pair[]): number {
    const at = this.alloc(PAIR_BYTES * values.length);
    for (const [i, pair] of values.entries()) this.writePair(at + PAIR_BYTES * i, pair);
    return at;
  }

  writePair(at: number, pair: Pair): void {
    const doubles = new Float64Array(this.memory.buffer, at, 10);
    for (const [lane, limbs] of pair.entries()) {
      for (const [i, limb] of limbs.entries()) doubles[2 * i + lane] = Number(limb) * 2 ** Number(EXPONENTS[i]!);
    }
  }

  /** The elements of a pair, after checking that they are reduced. */
  elements(at: number): [bigint, bigint] {
    const doubles = new Float64Array(this.memory.buffer, at, 10);
    const read = (lane: number): bigint => {
      const limbs = LARGEST.map((largest, i) => {
        // BigInt() throws when that is not whole.
        const value = BigInt(doubles[2 * i + lane]! * 2 ** -Number(EXPONENTS[i]!));
        if (value > largest || value < -largest) expect.fail(`limb ${i} is not reduced: ${value}`);
        return value;
      });
      return elementOf(limbs);
    };
    return [read(0), read(1)];
  }

  /** A mask as booleans. */
  mask(at: number): [boolean, boolean] {
    const [a, b] = new BigInt64Array(this.memory.buffer, at, 2);
    for (const lane of [a!, b!]) expect(lane === 0n || lane === -1n).toBe(true);
    return [a === -1n, b === -1n];
  }

  putMask(lanes: readonly [boolean, boolean]): number {
    return this.put(new Uint8Array(BigInt64Array.from(lanes, (lane) => (lane ? -1n : 0n)).buffer), 16);
  }
}

/** 32 bytes, big-endian. */
export function bytesOfNumber(value: bigint): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));
}
