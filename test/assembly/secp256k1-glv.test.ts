import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { compileBytes, compileEntry, compileKernel } from "./compile.ts";
import { KernelInstance } from "./instance.ts";
import {
  anyNumber,
  COMPLEMENT,
  EDGE_NUMBERS,
  fromLimbs,
  limbs,
  modulo,
  ORDER,
  SCALAR_BYTES,
  scalarOf,
} from "./secp256k1-numbers.ts";
import { traced, Tracer } from "./trace.ts";

/** A root of λ² + λ + 1 modulo n, and β with λ·(x, y) = (βx, y). */
const LAMBDA = 0x5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72n;
const BETA = 0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501een;

/** An instance of the source, with a scalar's place and room for digits. */
class Recoder {
  readonly kernels: KernelInstance;
  readonly #k: number;
  readonly #out: number;

  constructor(module: WebAssembly.Module) {
    this.kernels = new KernelInstance(module);
    this.#k = this.kernels.alloc(SCALAR_BYTES);
    this.#out = this.kernels.alloc(128);
  }

  /** t1 and t2. */
  split(k: bigint): [bigint, bigint] {
    this.#call("splitScalar", k);
    return [0, SCALAR_BYTES].map((at) =>
      BigInt.asIntN(256, fromLimbs(this.kernels.get(this.#out + at, SCALAR_BYTES))),
    ) as [bigint, bigint];
  }

  /** The digits of t1 and t2 of every window, the lowest first. */
  shared(k: bigint): [number, number][] {
    this.#call("recodeShared", k);
    const windows = this.kernels.constant("SHARED_WINDOWS");
    const digits = this.#digits(2 * windows);
    return Array.from({ length: windows }, (_, j) => [digits[2 * j]!, digits[2 * j + 1]!]);
  }

  comb(k: bigint): number[] {
    this.#call("recodeComb", k);
    return [...this.#digits(this.kernels.constant("COMB_WINDOWS"))];
  }

  #call(name: string, k: bigint): void {
    this.kernels.bytes.set(limbs(k), this.#k);
    this.kernels.bytes.fill(0, this.#out, this.#out + 128);
    this.kernels.call(name, this.#out, this.#k);
  }

  /** The digits written; nothing is written behind them. */
  #digits(count: number): Int8Array {
    expect(this.kernels.get(this.#out + count, 128 - count).every((byte) => byte === 0)).toBe(true);
    return new Int8Array(this.kernels.get(this.#out, count).buffer);
  }
}

let recoder: Recoder;
beforeAll(async () => {
  recoder = new Recoder(await compileKernel("secp256k1-glv"));
});

/** Adds multiples of a point of order n, known by their scalars, as an incomplete formula does. */
function addIncomplete(acc: bigint, addend: bigint): bigint {
  if (acc === 0n || acc === addend || modulo(acc + addend) === 0n) throw new Exceptional();
  return modulo(acc + addend);
}

class Exceptional extends Error {}

/** The scalar that the ladder of secp256k1-glv.ts multiplies by, or "exceptional". */
function ladder(digits: readonly (readonly [number, number])[]): bigint | "exceptional" {
  const [top, ...lower] = digits.toReversed().map(([d1, d2]) => [BigInt(d1), BigInt(d2) * LAMBDA].map(modulo));
  return unlessExceptional(() =>
    lower.reduce(
      (acc, [first, second]) => addIncomplete(addIncomplete(modulo(16n * acc), first!), second!),
      addIncomplete(top![0]!, top![1]!),
    ),
  );
}

/** The scalar that the comb multiplies by, or "exceptional". */
function comb(digits: readonly number[], bits: bigint): bigint | "exceptional" {
  const addends = digits.map((digit, j) => modulo(BigInt(digit) << (bits * BigInt(j))));
  return unlessExceptional(() => addends.reduce(addIncomplete));
}

function unlessExceptional(run: () => bigint): bigint | "exceptional" {
  try {
    return run();
  } catch (error) {
    if (error instanceof Exceptional) return "exceptional";
    throw error;
  }
}

/** The scalars of a list, but zero, each once and reduced. */
function scalars(list: readonly bigint[]): bigint[] {
  return [...new Set(list.map(modulo))].filter((k) => k !== 0n);
}

function range(from: number, to: number): bigint[] {
  return Array.from({ length: to - from + 1 }, (_, i) => BigInt(from + i));
}

const RANDOM = Array.from({ length: 300 }, (_, i) => scalarOf(`random ${i}`));

/** Scalars whose halves are as long as they get: near the corners of the cell around (0, 0). */
function cornerScalars([v1, v2]: readonly [Vector, Vector]): bigint[] {
  const corners = [
    [1n, 1n],
    [1n, -1n],
    [-1n, 1n],
    [-1n, -1n],
  ] as const;
  return corners.flatMap(([p, q]) =>
    range(-6, 6).flatMap((off) => [
      (p * v1[0] + q * v2[0]) / 2n + off + ((p * v1[1] + q * v2[1]) / 2n) * LAMBDA,
      (p * v1[0] + q * v2[0]) / 2n + ((p * v1[1] + q * v2[1]) / 2n + off) * LAMBDA,
    ]),
  );
}

/** Scalars of which one of the two quotients is rounded up to a multiple of 2^32, 2^64 or 2^96. */
function carryingScalars(numerators: readonly bigint[]): bigint[] {
  return numerators.flatMap((numerator) =>
    [32n, 64n, 96n].flatMap((limb) =>
      range(1, 5).map((multiple) => ((4n * (multiple << limb) - 1n) * ORDER) / (4n * numerator)),
    ),
  );
}

type Vector = readonly [bigint, bigint];

/** The short basis that Gallant, Lambert and Vanstone find with Euclid's algorithm (§4), as v1 and v2 of the source. */
function shortBasis(): [Vector, Vector] {
  let [before, rest] = [
    [ORDER, 0n],
    [LAMBDA, 1n],
  ] as [[bigint, bigint], [bigint, bigint]];
  const step = (): void => {
    const quotient = before[0] / rest[0];
    [before, rest] = [rest, [before[0] - quotient * rest[0], before[1] - quotient * rest[1]]];
  };
  while (rest[0] ** 2n >= ORDER) step();
  const v2: Vector = [before[0], -before[1]];
  const v1: Vector = [rest[0], -rest[1]];
  return [v1, v2];
}

/** 2^384·x/n to the nearest whole number. */
function roundedG(x: bigint): bigint {
  return (2n ** 385n * x + ORDER) / (2n * ORDER);
}

describe("the constants", () => {
  const [v1, v2] = shortBasis();

  test("λ is the endomorphism", () => {
    expect(modulo(LAMBDA * LAMBDA + LAMBDA + 1n)).toBe(0n);
    for (const point of [secp256k1.Point.BASE, secp256k1.Point.BASE.multiply(scalarOf("point"))]) {
      const { x, y } = point.toAffine();
      const p = secp256k1.Point.Fp.ORDER;
      expect(point.multiply(LAMBDA).toAffine()).toEqual({ x: (BETA * x) % p, y });
    }
  });

  test("v1 and v2 are the short basis, with the shape and the norms that the proof uses", () => {
    const a1 = 0x3086d221a7d46bcde86c90e49284eb15n;
    const b1 = -0xe4437ed6010e88286f547fa90abfe4c3n;
    expect([v1, v2]).toEqual([
      [a1, b1],
      [a1 - b1, a1],
    ]);
    const norm = ([a, b]: Vector): bigint => a * a - a * b + b * b;
    expect([norm(v1), norm(v2), norm([v1[0] + v2[0], v1[1] + v2[1]])]).toEqual([ORDER, ORDER, 3n * ORDER]);
    expect(v1[0] * v2[1] - v2[0] * v1[1]).toBe(ORDER);
  });

  test("are those of the basis, kept negative, and of the rounded quotients", async () => {
    const everything = (_path: string, source: string): string => source.replaceAll(/^const /gm, "export const ");
    const kernels = new KernelInstance(await compileEntry('export * from "./secp256k1-glv";', everything));
    const constant = (name: string): bigint => fromLimbs(kernels.get(kernels.constant(name), SCALAR_BYTES));
    const negative = (x: bigint): bigint => BigInt.asUintN(256, -x);
    expect(constant("MINUS_A1")).toBe(negative(v1[0]));
    expect(constant("MINUS_A2")).toBe(negative(v2[0]));
    expect(constant("MINUS_B1")).toBe(negative(v1[1]));
    expect(constant("G1")).toBe(roundedG(v2[1]));
    expect(constant("G2")).toBe(roundedG(-v1[1]));
  });
});

describe("splitScalar and recodeShared", () => {
  const [v1, v2] = shortBasis();
  const EXCEPTION = modulo(26n * LAMBDA);
  const takeOff = ([a, b]: Vector, [c1, c2]: Vector): Vector => [
    a - c1 * v1[0] - c2 * v2[0],
    b - c1 * v1[1] - c2 * v2[1],
  ];
  /** In digits and their multiples, all that the proof speaks of and more. */
  const NEAR_ZERO = range(-64, 64).flatMap((s1) => range(-64, 64).map((s2) => s1 + s2 * LAMBDA));
  const OTHERS = [
    ...range(1, 300).flatMap((x) => [x, -x, x * LAMBDA, -x * LAMBDA, x * LAMBDA * LAMBDA]),
    ...EDGE_NUMBERS,
    ...cornerScalars([v1, v2]),
    ...carryingScalars([v2[1], -v1[1]]),
    ...RANDOM,
  ];

  test("halves are odd, below 2^130, and make up the scalar; digits are odd and make up the halves", () => {
    const check = (k: bigint): void => {
      const halves = recoder.split(k);
      expect(modulo(halves[0] + halves[1] * LAMBDA)).toBe(k);
      const digits = recoder.shared(k);
      for (const i of [0, 1] as const) {
        expect(BigInt.asUintN(1, halves[i])).toBe(1n);
        expect(halves[i] < 2n ** 130n && halves[i] > -(2n ** 130n)).toBe(true);
        expect(digits.every((pair) => Math.abs(pair[i] % 2) === 1 && Math.abs(pair[i]) <= 15)).toBe(true);
        expect(digits.reduceRight((sum, pair) => 16n * sum + BigInt(pair[i]), 0n)).toBe(halves[i]);
      }
    };
    scalars(OTHERS).forEach(check);
    fc.assert(
      fc.property(anyNumber, (x) => {
        check((x % (ORDER - 1n)) + 1n);
      }),
    );
  });

  test("halves are Babai's and the vectors taken off, within the bounds of the proof", () => {
    for (const k of scalars(OTHERS)) {
      const quotients = [v2[1], -v1[1]].map((numerator) => {
        const quotient = (k * roundedG(numerator) + 2n ** 383n) >> 384n;
        const error = k * numerator - quotient * ORDER;
        // p or q, times n and 2^129.
        expect(2n ** 129n * (error < 0n ? -error : error) <= ORDER * (2n ** 128n + 1n)).toBe(true);
        return quotient;
      }) as [bigint, bigint];
      const [s1, s2] = takeOff([k, 0n], quotients);
      const [even1, even2] = [1n - BigInt.asUintN(1, s1), 1n - BigInt.asUintN(1, s2)];
      const more = k === EXCEPTION ? 2n : 0n;
      expect(recoder.split(k)).toEqual(takeOff([s1, s2], [even1, (even1 ^ even2) + more]));
    }
  });

  test("the ladder multiplies by the scalar, and never comes by an exceptional addition", () => {
    for (const k of scalars([...NEAR_ZERO, ...OTHERS])) {
      const result = ladder(recoder.shared(k));
      if (result !== k) expect.fail(`${k}: ${result}`);
    }
  });

  test("without another split for 26·λ, that would be exceptional, and no other near zero", async () => {
    const careless = new Recoder(
      await compileKernel("secp256k1-glv", {
        from: "f + (2 & maskOfEqual(FIRST, 0) & maskOfEqual(SECOND, 26))",
        to: "f",
      }),
    );
    const exceptional = scalars(NEAR_ZERO).filter((k) => ladder(careless.shared(k)) === "exceptional");
    expect(exceptional).toEqual([EXCEPTION]);
    const differing = scalars([...NEAR_ZERO, ...OTHERS]).filter(
      (k) => careless.split(k).join() !== recoder.split(k).join(),
    );
    expect(differing).toEqual(exceptional);
  });
});

describe("recodeComb", () => {
  /** For `bits` × `windows`: where the sum of two multiples of 2^(bits·j) and of n is short, and what is next to it. */
  function candidates(bits: bigint, windows: number): bigint[] {
    const near = [-2n, -1n, 0n, 1n, 2n];
    const tops = range(-3, 3).flatMap((m) =>
      range(windows - 3, windows - 1).flatMap((j) =>
        range(0, 2 ** Number(bits)).map((d) => (d << (bits * j)) - m * ORDER),
      ),
    );
    return scalars([
      ...tops.flatMap((x) => near.map((off) => x + off)),
      ...range(1, 300).flatMap((x) => [x, -x]),
      ...EDGE_NUMBERS,
      ...RANDOM,
    ]);
  }

  function checkComb(combs: Recoder, bits: bigint, windows: number): void {
    expect([combs.kernels.constant("COMB_WINDOW_BITS"), combs.kernels.constant("COMB_WINDOWS")]).toEqual([
      Number(bits),
      windows,
    ]);
    for (const k of candidates(bits, windows)) {
      const digits = combs.comb(k);
      if (digits.some((digit) => Math.abs(digit % 2) !== 1 || Math.abs(digit) >= 2 ** Number(bits))) {
        expect.fail(`${k}: ${digits.join()}`);
      }
      const result = comb(digits, bits);
      if (result !== k) expect.fail(`${k}: ${result}`);
      expect(digits.at(-1)).toBeGreaterThan(0);
    }
  }

  test("digits are odd, and the comb multiplies by the scalar without an exceptional addition", () => {
    checkComb(recoder, 5n, 52);
    fc.assert(
      fc.property(anyNumber, (x) => {
        const k = (x % (ORDER - 1n)) + 1n;
        expect(comb(recoder.comb(k), 5n)).toBe(k);
      }),
    );
  });

  test.each([
    [6, 43],
    [7, 37],
  ])("so it does with windows of %i bits, %i of them", async (bits, windows) => {
    const edit = {
      from: "COMB_WINDOW_BITS: u32 = 5;\nexport const COMB_WINDOWS: u32 = 52;",
      to: `COMB_WINDOW_BITS: u32 = ${bits};\nexport const COMB_WINDOWS: u32 = ${windows};`,
    };
    checkComb(new Recoder(await compileKernel("secp256k1-glv", edit)), BigInt(bits), windows);
  });

  test("without another representative, 2^256 − n would be exceptional, and no other candidate", async () => {
    const careless = new Recoder(
      await compileKernel("secp256k1-glv", { from: " | (2 & maskOfZero(difference))", to: "" }),
    );
    const exceptional = candidates(5n, 52).filter((k) => comb(careless.comb(k), 5n) === "exceptional");
    expect(exceptional).toEqual([COMPLEMENT]);
  });
});

describe("secrets", () => {
  const NAMES = ["recodeShared", "recodeComb"];

  test.each(NAMES)("%s leaves nothing behind but the digits, once wipeRecoding was called", async (name) => {
    const module = await compileKernel("secp256k1-glv");
    const instance = new KernelInstance(module);
    const k = instance.put(limbs(scalarOf("left behind")), 16);
    instance.call(name, instance.alloc(128), k);
    const heap = instance.constant("HEAP_BASE");
    const untouched = new KernelInstance(module).get(0, heap);
    expect(Buffer.compare(instance.get(0, heap), untouched)).not.toBe(0);
    instance.call("wipeRecoding");
    expect(Buffer.compare(instance.get(0, heap), untouched)).toBe(0);
  });

  test.each(NAMES)("%s takes the same way for all scalars", async (name) => {
    const tracer = new Tracer(traced(await compileBytes('export * from "./secp256k1-glv";')));
    const ways = [1n, ORDER - 1n, modulo(26n * LAMBDA), COMPLEMENT, 2n ** 255n, ...RANDOM.slice(0, 8)];
    const difference = tracer.firstDifference(ways, (instance, k) => {
      instance.call(name, instance.alloc(128), instance.put(limbs(k), 16));
      instance.call("wipeRecoding");
    });
    expect(difference).toBe(null);
  });
});
