import { createHash } from "node:crypto";
import { normalizeZ, pippenger } from "@noble/curves/abstract/curve.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const { Point } = secp256k1;
const N = Point.Fn.ORDER;
/** The longest weight. */
const MAX = (1n << 128n) - 1n;
const WEIGHT_BITS = 128;
/** What the kernel works on at once. */
const CHUNK_POINTS = 4096;
const INFINITY = "infinity";

const built = await compileEntry(
  `export * from "./secp256k1-multi-scalar"; export { readPoints, writePoints } from "./secp256k1-point-bytes";`,
);
const kernel = new KernelInstance(built);

/** A term w·P of a sum, P = k·G: of every point here the logarithm is known, so that one multiplication makes the sum. */
interface Term {
  readonly k: bigint;
  readonly w: bigint;
}

const modulo = (a: bigint): bigint => ((a % N) + N) % N;
const pointBytes = new Map<bigint, Uint8Array>();
function bytesOfPoint(k: bigint): Uint8Array {
  let bytes = pointBytes.get(modulo(k));
  if (bytes === undefined) {
    bytes = (pointBytes.has(modulo(-k)) ? pointOf(-k).negate() : Point.BASE.multiply(modulo(k))).toBytes(true);
    pointBytes.set(modulo(k), bytes);
  }
  return bytes;
}
const pointOf = (k: bigint): typeof Point.BASE => Point.fromBytes(bytesOfPoint(k));
const bytesOfWeight = (w: bigint): Uint8Array => Buffer.from(w.toString(16).padStart(32, "0"), "hex");
const concat = (terms: readonly Term[], bytes: (term: Term) => Uint8Array): Uint8Array =>
  Buffer.concat(terms.map(bytes));
const pointsOf = (terms: readonly Term[]): Uint8Array => concat(terms, ({ k }) => bytesOfPoint(k));
const weightsOf = (terms: readonly Term[]): Uint8Array => concat(terms, ({ w }) => bytesOfWeight(w));

function reference(terms: readonly Term[]): string {
  const k = modulo(terms.reduce((sum, term) => sum + term.k * term.w, 0n));
  return k === 0n ? INFINITY : Buffer.from(bytesOfPoint(k)).toString("hex");
}

/** Numbers that look random, the same in every run. */
function random(seed: string, bits: number): bigint {
  const hash = createHash("sha256").update(seed).digest("hex");
  return BigInt(`0x${hash}`) & ((1n << BigInt(bits)) - 1n);
}
const randomWeight = (seed: string): bigint => random(`weight ${seed}`, WEIGHT_BITS);

/**
 * The logarithms of two series of points. Doubled ones: sums of some, each once, are hardly ever equal or opposite, so
 * that most additions are plain. Steps: such sums often are.
 */
const FIRST = random("first", 250);
const STEP = random("step", 250);
const LENGTH = CHUNK_POINTS + 100;
const doubled: bigint[] = [];
const steps: bigint[] = [];
for (let i = 0, k = FIRST; i < LENGTH; i++, k = modulo(2n * k)) {
  doubled.push(k);
  steps.push(modulo(FIRST + BigInt(i) * STEP));
}
function keep(ks: readonly bigint[], next: (point: typeof Point.BASE) => typeof Point.BASE): void {
  const points = [Point.BASE.multiply(FIRST)];
  while (points.length < LENGTH) points.push(next(points.at(-1)!));
  normalizeZ(Point, points).forEach((point, i) => {
    pointBytes.set(ks[i]!, point.toBytes(true));
  });
}
keep(doubled, (point) => point.double());
const step = Point.BASE.multiply(STEP);
keep(steps, (point) => point.add(step));

/** `count` terms of a series with random weights. */
const series = (ks: readonly bigint[], count: number): Term[] =>
  ks.slice(0, count).map((k, i) => ({ k, w: randomWeight(`${i}`) }));
const different = (count: number): Term[] => series(doubled, count);

const WORK_BYTES = kernel.constant("secp256k1MultiScalarWorkBytes");
const SUM_BYTES = kernel.constant("MULTI_SCALAR_BYTES");
const GUARD = 0xa5;
const GUARD_BYTES = 64;
/** A room that holds rubbish, with a guard behind it. */
function room(bytes: number): number {
  const at = kernel.alloc(bytes + GUARD_BYTES);
  kernel.bytes.fill(0xff, at, at + bytes);
  kernel.bytes.fill(GUARD, at + bytes, at + bytes + GUARD_BYTES);
  return at;
}
function expectGuarded(at: number, bytes: number): void {
  expect(kernel.get(at + bytes, GUARD_BYTES)).toEqual(new Uint8Array(GUARD_BYTES).fill(GUARD));
}

const points = kernel.alloc(33 * LENGTH);
const weights = kernel.alloc(16 * LENGTH);
const valid = kernel.alloc(LENGTH);
const out = kernel.alloc(33);
const work = room(WORK_BYTES);

/** The kernel's sum, of points of which all must be valid. */
function run(terms: readonly Term[]): string {
  kernel.bytes.set(pointsOf(terms), points);
  kernel.bytes.set(weightsOf(terms), weights);
  kernel.bytes.fill(GUARD, out, out + 33);
  const finite = kernel.call("secp256k1MultiScalar", points, 33, weights, out, terms.length, valid, work);
  expect(kernel.get(valid, terms.length)).toEqual(new Uint8Array(terms.length).fill(1));
  if (finite === 1) return Buffer.from(kernel.get(out, 33)).toString("hex");
  expect(finite).toBe(0);
  expect(kernel.get(out, 33), "nothing is written").toEqual(new Uint8Array(33).fill(GUARD));
  return INFINITY;
}
function expectRight(terms: readonly Term[]): void {
  expect(run(terms)).toBe(reference(terms));
}

describe("secp256k1MultiScalar of different points with random weights", () => {
  /** Sizes for every number of windows. */
  const sizes = [31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 400, 700, 1000, 1800, 2600];

  test.each([
    ["no sums meet", doubled],
    ["many sums meet", steps],
  ])("agrees with @noble/curves where %s", (_, ks) => {
    for (let count = 0; count <= 20; count++) expectRight(series(ks, count));
    for (const count of sizes) expectRight(series(ks, count));
  });

  test("agrees with @noble/curves where a chunk of points ends", () => {
    for (const more of [-1, 0, 1, 2, 99]) expectRight(different(CHUNK_POINTS + more));
    expectRight(series(steps, CHUNK_POINTS + 99));
  });

  test("agrees with the multi-scalar of @noble/curves, which knows no logarithms", () => {
    const terms = different(40);
    const sum = pippenger(
      Point,
      terms.map(({ k }) => pointOf(k)),
      terms.map(({ w }) => w),
    );
    expect(run(terms)).toBe(sum.toHex(true));
  });
});

describe("weights", () => {
  const edges = [0n, 1n, 2n, 3n, 1n << 64n, (1n << 64n) - 1n, 1n << 127n, (1n << 127n) - 1n, MAX - 1n, MAX];

  test("of every edge agree alone and beside all others", () => {
    for (const w of edges) expectRight([{ k: FIRST, w }]);
    expectRight(different(edges.length).map(({ k }, i) => ({ k, w: edges[i]! })));
    expectRight(different(300).map(({ k }, i) => ({ k, w: edges[i % edges.length]! })));
  });

  test("of one bit, or all bits up to one, agree for every bit", () => {
    const single = Array.from({ length: WEIGHT_BITS }, (_, bit) => 1n << BigInt(bit));
    for (const w of single) expectRight([{ k: STEP, w }]);
    expectRight(different(WEIGHT_BITS).map(({ k }, i) => ({ k, w: single[i]! })));
    expectRight(different(WEIGHT_BITS).map(({ k }, i) => ({ k, w: 2n * single[i]! - 1n })));
  });

  test("that are all 0 make infinity", () => {
    for (const count of [1, 2, 255]) expect(run(different(count).map(({ k }) => ({ k, w: 0n })))).toBe(INFINITY);
  });

  test("that are all the same, so that one bucket of each window holds everything, agree", () => {
    for (const w of [1n, MAX, randomWeight("same")]) {
      for (const count of [2, 3, 64, 1000]) expectRight(different(count).map(({ k }) => ({ k, w })));
    }
  });

  test("that are small agree: every bucket of the lowest window is met", () => {
    expectRight(different(1500).map(({ k }, i) => ({ k, w: BigInt(i % 700) })));
  });
});

describe("points that are equal or opposite", () => {
  const random1000 = different(1000);

  test("agree where all are equal", () => {
    for (const count of [2, 3, 7, 64, 255, 1000]) {
      expectRight(random1000.slice(0, count).map(({ w }) => ({ k: STEP, w })));
      expectRight(random1000.slice(0, count).map(() => ({ k: STEP, w: MAX })));
    }
  });

  test("agree where all are one point or its opposite", () => {
    for (const count of [2, 3, 7, 64, 255, 1000]) {
      expectRight(random1000.slice(0, count).map(({ w }, i) => ({ k: i % 3 === 0 ? -STEP : STEP, w })));
    }
  });

  test("make infinity where every one meets its opposite with the same weight, side by side or far away", () => {
    for (const count of [1, 2, 3, 32, 128, 500]) {
      const some = random1000.slice(0, count);
      const opposites = some.map(({ k, w }) => ({ k: -k, w }));
      expect(run(some.flatMap((term, i) => [term, opposites[i]!]))).toBe(INFINITY);
      expect(run([...some, ...opposites])).toBe(INFINITY);
      expect(run([...some, ...opposites.toReversed()])).toBe(INFINITY);
      const last = { k: FIRST, w: 5n };
      expect(run([...some, ...opposites, last])).toBe(reference([last]));
      expect(run([last, ...some, ...opposites])).toBe(reference([last]));
    }
  });

  test("agree where buckets that became infinite are filled again by the next chunk", () => {
    const half = different(CHUNK_POINTS / 2);
    const next = different(50).map(({ k, w }) => ({ k: k + 1n, w }));
    expectRight([...half, ...half.map(({ k, w }) => ({ k: -k, w })), ...next]);
  });

  test("make infinity where a last point undoes all others", () => {
    for (const count of [1, 2, 10, 100]) {
      const some = random1000.slice(0, count);
      const w = randomWeight("last");
      const total = some.reduce((sum, term) => sum + term.k * term.w, 0n);
      const k = modulo(-total * Point.Fn.inv(w));
      expect(run([...some, { k, w }])).toBe(INFINITY);
    }
  });

  test("agree where what the higher windows make is what a lower one adds, or its opposite, at every bit", () => {
    for (let bit = 1n; bit < WEIGHT_BITS; bit++) {
      const high = { k: STEP, w: 1n << bit };
      for (const sign of [1n, -1n]) {
        const low = { k: sign * (STEP << bit), w: 1n };
        expectRight([high, low]);
        expectRight([high, low, { k: FIRST, w: 2n }, { k: FIRST, w: 1n }]);
        expectRight([high, { k: sign * (STEP << (bit - 1n)), w: 2n }, { k: FIRST, w: 1n }]);
      }
    }
  });

  test("agree in random batches of few points and few weights, where sums meet at every stage", () => {
    const few = fc.record({
      k: fc.constantFrom(1n, -1n, 2n, -2n, 3n, -3n, 4n, -4n, 16n, -16n),
      w: fc.oneof(
        fc.bigInt({ min: 0n, max: 20n }),
        fc.bigInt({ min: 0n, max: MAX }),
        fc.constantFrom(MAX, MAX - 1n, 1n << 127n, 0x10842108421084210842108421084210n),
      ),
    });
    fc.assert(fc.property(fc.array(few, { maxLength: 60 }), expectRight), { numRuns: 300 });
  });

  test("agree in random batches of few points with weights of any size, up to a thousand", () => {
    const counts = fc.integer({ min: 61, max: 1000 });
    fc.assert(
      fc.property(
        counts,
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 128 }),
        fc.nat(),
        (n, ks, bits, s) => {
          const terms = Array.from({ length: n }, (_, i) => {
            const k = 1n + random(`${s} k ${i}`, ks);
            return { k: i % 2 === 0 ? k : -k, w: random(`${s} w ${i}`, bits) };
          });
          expectRight(terms);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("bytes that are no point", () => {
  test("are told, and their neighbours are not touched", () => {
    const terms = different(9);
    const bytes = Buffer.from(pointsOf(terms));
    bytes[33 * 3] = 4;
    bytes.fill(0xff, 33 * 8 + 1);
    kernel.bytes.set(bytes, points);
    kernel.bytes.set(weightsOf(terms), weights);
    expect(kernel.call("secp256k1MultiScalar", points, 33, weights, out, terms.length, valid, work)).toBe(1);
    expect([...kernel.get(valid, 9)]).toEqual([1, 1, 1, 0, 1, 1, 1, 1, 0]);
    const withGenerator = terms.map(({ k, w }, i) => ({ k: i === 3 || i === 8 ? 1n : k, w }));
    expect(Buffer.from(kernel.get(out, 33)).toString("hex")).toBe(reference(withGenerator));
  });
});

describe("points in their longer form", () => {
  test("agree, and so is their sum written", () => {
    const long = (k: bigint): Uint8Array => pointOf(k).toBytes(false);
    const longOut = kernel.alloc(65);
    for (const count of [1, 8, 9, CHUNK_POINTS + 3]) {
      const terms = different(count);
      const longPoints = kernel.put(concat(terms, ({ k }) => long(k)));
      kernel.bytes.set(weightsOf(terms), weights);
      expect(kernel.call("secp256k1MultiScalar", longPoints, 65, weights, longOut, count, valid, work)).toBe(1);
      const sum = terms.reduce((k, term) => k + term.k * term.w, 0n);
      expect(kernel.get(longOut, 65)).toEqual(long(sum));
    }
  });
});

describe("a sum given its points in parts", () => {
  const count = 600;
  const terms = different(count);
  const xs = kernel.alloc(40 * LENGTH);
  const ys = kernel.alloc(40 * LENGTH);
  const outX = kernel.alloc(80);
  const outY = kernel.alloc(80);

  /** Adds terms from coordinates whose spare lane, if the count is odd, is rubbish. */
  function addPart(sum: number, part: readonly Term[]): void {
    const partPoints = kernel.put(pointsOf(part));
    kernel.call("readPoints", xs, ys, partPoints, 33, part.length, valid);
    if (part.length % 2 === 1) {
      for (const at of [xs, ys]) {
        const lanes = new Float64Array(kernel.memory.buffer, at + 80 * ((part.length - 1) / 2), 10);
        for (let limb = 0; limb < 5; limb++) lanes[2 * limb + 1] = Number.NaN;
      }
    }
    kernel.call("addToSum", sum, xs, ys, kernel.put(weightsOf(part)), part.length);
  }
  /** What both lanes of the result are. */
  function end(sum: number): string[] {
    if (kernel.call("endSum", sum, outX, outY) === 0) return [INFINITY];
    const two = kernel.alloc(66);
    kernel.call("writePoints", two, 33, outX, outY, 2);
    return [0, 33].map((at) => Buffer.from(kernel.get(two + at, 33)).toString("hex"));
  }

  test("is that of all of them, whatever number was said and whatever lies in its room; both lanes hold it", () => {
    for (const said of [0, 1, count, 10_000, 65_535]) {
      const sum = room(SUM_BYTES);
      kernel.call("beginSum", sum, said);
      for (const [from, to] of [
        [0, 1],
        [1, 4],
        [4, 4],
        [4, 201],
        [201, count],
      ]) {
        addPart(sum, terms.slice(from, to));
      }
      expect(end(sum)).toEqual([reference(terms), reference(terms)]);
      expectGuarded(sum, SUM_BYTES);
    }
  });

  test("is right where a part is longer than a chunk", () => {
    const long = different(LENGTH - 1);
    const sum = room(SUM_BYTES);
    kernel.call("beginSum", sum, long.length);
    addPart(sum, long);
    expect(end(sum)).toEqual([reference(long), reference(long)]);
  });

  test("does not notice another sum beside it", () => {
    const others = terms.map(({ k }, i) => ({ k, w: randomWeight(`other ${i}`) }));
    const sum = room(SUM_BYTES);
    const other = room(SUM_BYTES);
    kernel.call("beginSum", sum, count);
    kernel.call("beginSum", other, 50);
    addPart(sum, terms.slice(0, 300));
    addPart(other, others);
    addPart(sum, terms.slice(300));
    expect(end(sum)).toEqual([reference(terms), reference(terms)]);
    expect(end(other)).toEqual([reference(others), reference(others)]);
  });

  test("is infinity where the parts undo each other", () => {
    const sum = room(SUM_BYTES);
    kernel.call("beginSum", sum, count);
    addPart(sum, terms.slice(0, 301));
    addPart(
      sum,
      terms.slice(0, 301).map(({ k, w }) => ({ k: -k, w })),
    );
    expect(end(sum)).toEqual([INFINITY]);
  });
});

test("the kernel writes nothing behind its room", () => {
  expectRight(different(CHUNK_POINTS + 99));
  expectGuarded(work, WORK_BYTES);
});
