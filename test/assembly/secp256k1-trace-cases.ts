/**
 * Runs of every kernel of secp256k1 that handles secrets. What is public is the same whatever the bytes are: how many
 * items there are, which of them are malformed, which sums are infinite, and the coefficients of sums.
 *
 * Scalars and points are made of a run's bytes. Bytes of 0 become scalar 1 and a point with an x near 0 and an even y,
 * bytes of 255 become n − 1 and a point with an x near p and an odd y; others nearly stay what they are.
 */
import { ECDH } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import type { KernelInstance } from "./instance.ts";
import type { Contents, TraceCase } from "./trace-cases.ts";

const SCALAR_BYTES = 32;
const POINT_BYTES = 33;
const UNCOMPRESSED_BYTES = 65;
/** What secp256k1ScalarReduce reduces. */
const WIDE_BYTES = 48;
const { n: ORDER, p: FIELD } = secp256k1.Point.CURVE();

/** A kernel over a batch whose last arguments are where points go, the number of items, their statuses, and room. */
interface CurveKernel {
  readonly name: string;
  /** The constant that says how much room it works in. */
  readonly room: string;
  /** Puts the inputs into memory and returns the arguments that come first. */
  lay(run: CurveRun): number[];
  /** Bytes of a point that it makes, where it is told them behind the place for points. */
  readonly outSize?: number;
}

/** One run: memory and contents. */
class CurveRun {
  readonly kernels: KernelInstance;
  /** Which items are to be well formed. */
  readonly valid: readonly boolean[];
  readonly #contents: Contents;

  constructor(kernels: KernelInstance, contents: Contents, valid: readonly boolean[]) {
    this.kernels = kernels;
    this.#contents = contents;
    this.valid = valid;
  }

  /** Fresh scalars, of which some are malformed. */
  scalars(valid = this.valid): Uint8Array[] {
    return valid.map((isValid) => (isValid ? scalarOf : noScalarOf)(this.#contents.bytes(SCALAR_BYTES)));
  }

  points(valid = this.valid): Uint8Array[] {
    return valid.map((isValid) => pointOf(this.#contents.bytes(POINT_BYTES), isValid));
  }

  freshPoints(): Uint8Array[] {
    return this.points(this.valid.map(() => true));
  }

  /** Of those that are malformed, in turns y is off by a bit, the first byte is wrong, and x or y is p or above. */
  uncompressedPoints(): Uint8Array[] {
    return this.freshPoints().map((point, i) => {
      const bytes = ECDH.convertKey(point, "secp256k1", undefined, undefined, "uncompressed") as Buffer;
      if (this.valid[i]) return bytes;
      const turn = i % 4;
      if (turn === 0) return bytes.with(-1, bytes.at(-1)! ^ 1);
      if (turn === 1) return bytes.with(0, 5);
      return bytes.fill(0xff, turn === 2 ? 1 : 33, turn === 2 ? 33 : 65);
    });
  }

  put(items: readonly Uint8Array[]): number {
    return this.kernels.put(Buffer.concat(items));
  }
}

/** The scalar that is nearest. */
function scalarOf(bytes: Uint8Array): Uint8Array {
  const number = numberOf(bytes);
  return bytesOf(number === 0n ? 1n : number < ORDER ? number : ORDER - 1n);
}

/** 0, or n or more. */
function noScalarOf(bytes: Uint8Array): Uint8Array {
  const number = numberOf(bytes);
  return bytesOf(number === 0n ? 0n : number | ORDER);
}

/**
 * A point with an x close to bytes 1 to 32; or what is none because of its first byte, where that was 0, because its x is
 * p or above, or because it is not on the curve.
 */
function pointOf(bytes: Uint8Array, isValid: boolean): Uint8Array {
  const prefix = !isValid && bytes[0] === 0 ? 0 : 2 + (bytes[0]! & 1);
  let x = numberOf(bytes.subarray(1));
  if (isValid && x >= FIELD) x = FIELD - 1n;
  const step = x < FIELD / 2n ? 1n : -1n;
  for (; ; x += step) {
    const point = Buffer.concat([Uint8Array.of(prefix), bytesOf(x)]);
    if (isPoint(point) === isValid) return point;
  }
}

function isPoint(bytes: Uint8Array): boolean {
  try {
    ECDH.convertKey(bytes, "secp256k1");
    return true;
  } catch {
    return false;
  }
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

function bytesOf(number: bigint): Uint8Array {
  return Buffer.from(number.toString(16).padStart(2 * SCALAR_BYTES, "0"), "hex");
}

function opposite(point: Uint8Array): Uint8Array {
  return point.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
}

const MULTIPLY_ALL: CurveKernel = {
  name: "secp256k1MultiplyAll",
  room: "secp256k1MultiplyWorkBytes",
  lay: (run) => [run.put(run.scalars([true])), run.put(run.points()), POINT_BYTES],
};

const MULTIPLY_EACH: CurveKernel = {
  name: "secp256k1MultiplyEach",
  room: "secp256k1MultiplyWorkBytes",
  // A malformed item is so by its scalar or by its point, in turns.
  lay: (run) => [
    run.put(run.scalars(run.valid.map((isValid, i) => isValid || i % 2 === 0))),
    run.put(run.points(run.valid.map((isValid, i) => isValid || i % 2 === 1))),
    POINT_BYTES,
  ],
};

const PUBLIC_KEYS: CurveKernel = {
  name: "secp256k1PublicKeys",
  room: "secp256k1GeneratorWorkBytes",
  lay: (run) => [run.put(run.scalars()), POINT_BYTES],
};

const DECOMPRESS: CurveKernel = {
  name: "secp256k1Convert",
  room: "secp256k1ConvertWorkBytes",
  lay: (run) => [run.put(run.points()), POINT_BYTES],
  outSize: UNCOMPRESSED_BYTES,
};

const COMPRESS: CurveKernel = {
  name: "secp256k1Convert",
  room: "secp256k1ConvertWorkBytes",
  lay: (run) => [run.put(run.uncompressedPoints()), UNCOMPRESSED_BYTES],
  outSize: POINT_BYTES,
};

/** Sums with these coefficients of as many rows of points. */
function combine(coefficients: readonly bigint[], rowsOf: (run: CurveRun) => Uint8Array[][]): CurveKernel {
  return {
    name: "secp256k1Combine",
    room: "secp256k1CombineWorkBytes",
    lay: (run) => {
      const rows = rowsOf(run).map((row) => run.put(row));
      const table = run.kernels.put(new Uint8Array(Uint32Array.from(rows).buffer), 4);
      return [table, POINT_BYTES, run.put(coefficients.map(bytesOf)), coefficients.length];
    },
  };
}

/** Three rows, the second of which has malformed points. */
function anyRows(run: CurveRun): Uint8Array[][] {
  return [run.freshPoints(), run.points(), run.freshPoints()];
}

/** Two rows of which sums that are not valid are infinite. */
function oppositeRows(run: CurveRun): Uint8Array[][] {
  const [first, other] = [run.freshPoints(), run.freshPoints()];
  return [first, other.map((point, i) => (run.valid[i] ? point : opposite(first[i]!)))];
}

/** Rows whose sums are infinite before the last one is added. */
function oppositeAndAnyRow(run: CurveRun): Uint8Array[][] {
  const first = run.freshPoints();
  return [first, first.map(opposite), run.points()];
}

/** A batch in which the items are well formed that `valid` says are. */
function batch(what: string, kernel: CurveKernel, valid: readonly boolean[]): TraceCase {
  return {
    name: `${kernel.name}: ${what}`,
    run(kernels, contents) {
      const inputs = kernel.lay(new CurveRun(kernels, contents, valid));
      const out = kernels.alloc(valid.length * (kernel.outSize ?? POINT_BYTES), 1);
      const statuses = kernels.alloc(valid.length, 1);
      kernels.call(
        kernel.name,
        ...inputs,
        out,
        ...(kernel.outSize === undefined ? [] : [kernel.outSize]),
        valid.length,
        statuses,
        kernels.alloc(kernels.constant(kernel.room)),
      );
      const found = Array.from(kernels.get(statuses, valid.length), (status) => status === 1);
      if (found.join() !== valid.join()) throw new Error(`${kernel.name}: ${found.join()}, not ${valid.join()}`);
    },
  };
}

/** Contract ids, which are as secret here as a scalar, hashed and multiplied. */
function partials(count: number): TraceCase {
  return {
    name: `secp256k1Partials: ${count} ids`,
    run(kernels, contents) {
      const scalar = kernels.put(scalarOf(contents.bytes(SCALAR_BYTES)));
      const [ids, tag] = [kernels.put(contents.bytes(count * 32)), kernels.put(new Uint8Array(20))];
      const out = kernels.alloc(count * POINT_BYTES, 1);
      const work = kernels.alloc(kernels.constant("secp256k1PartialsWorkBytes"));
      kernels.call("secp256k1Partials", scalar, ids, 32, tag, 20, out, POINT_BYTES, count, work);
    },
  };
}

/** A kernel that makes scalars of any bytes, whose last arguments are where they go and how many they are. */
function scalars(name: string, inputs: readonly number[], count: number): TraceCase {
  return {
    name: `${name}: ${count} rows`,
    run(kernels, contents) {
      const at = inputs.map((length) => kernels.put(contents.bytes(count * length)));
      kernels.call(name, ...at, kernels.alloc(count * SCALAR_BYTES, 1), count);
    },
  };
}

/** What kernels are called for that zero scratch, which holds nothing then. */
function wipe(name: string): TraceCase {
  return { name, run: (kernels) => kernels.call(name) };
}

function all(count: number): boolean[] {
  return Array<boolean>(count).fill(true);
}

/** An odd number, in whose pairs one, the other, both and none of the lanes are malformed. */
const MALFORMED = [true, false, false, true, false, false, true, true, true];

export const MULTIPLY_CASES: readonly TraceCase[] = [MULTIPLY_ALL, MULTIPLY_EACH].flatMap((kernel) => [
  batch("one point", kernel, all(1)),
  batch("two points", kernel, all(2)),
  batch("malformed items", kernel, MALFORMED),
]);

export const PUBLIC_KEY_CASES: readonly TraceCase[] = [
  batch("three scalars", PUBLIC_KEYS, all(3)),
  batch("malformed items", PUBLIC_KEYS, MALFORMED),
  // From 64 pairs on, a window of all shares a division.
  batch(
    "many scalars",
    PUBLIC_KEYS,
    Array.from({ length: 127 }, (_, at) => MALFORMED[at % MALFORMED.length]!),
  ),
];

const COMBINE_CASES: readonly TraceCase[] = [
  batch("coefficients 1, 2 and n − 1", combine([1n, 2n, ORDER - 1n], anyRows), MALFORMED),
  batch("coefficients 1 and 1, infinite sums", combine([1n, 1n], oppositeRows), MALFORMED),
  batch("coefficients 1, 1 and 3, infinite at first", combine([1n, 1n, 3n], oppositeAndAnyRow), MALFORMED),
];

export const PARTIAL_CASES: readonly TraceCase[] = [partials(1), partials(3)];

/** All of them. */
export const CURVE_CASES: readonly TraceCase[] = [
  ...MULTIPLY_CASES,
  ...PUBLIC_KEY_CASES,
  ...COMBINE_CASES,
  batch("malformed compressed points", DECOMPRESS, MALFORMED),
  batch("malformed uncompressed points", COMPRESS, MALFORMED),
  // Chunks are of 256 points.
  batch("two chunks", DECOMPRESS, all(257)),
  ...PARTIAL_CASES,
  scalars("secp256k1ScalarMultiplyAdd", [SCALAR_BYTES, SCALAR_BYTES, SCALAR_BYTES], 5),
  scalars("secp256k1ScalarReduce", [WIDE_BYTES], 5),
  wipe("secp256k1Wipe"),
  wipe("secp256k1ScalarWipe"),
];
