/**
 * The calls of secp256k1 that timing.slow.ts times, of a pair of items: the kernels do no less for one. Of what a call
 * is named after, class 0 has one value, and class 1 a random one; all else is random in both.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { Kernels } from "../../src/engine/kernels.ts";
import { POINT_BYTES as BYTES_BY_FORM, SCALAR_BYTES } from "../../src/engine/secp256k1.ts";
import { compileEntry } from "../assembly/compile.ts";
import type { TimedCall } from "./timed-call.ts";

const { Point } = secp256k1;
const POINT_BYTES = BYTES_BY_FORM.compressed;
const PAIR = 2;
/** Both statuses when both items are well formed, as an outcome. */
const BOTH_VALID = 0x0101;
/** Rows of arithmetic on scalars, which are short. */
const ROWS = 4;

/** Points without any order: finding one takes long, and two random ones of these are random enough. */
const POINTS = Array.from({ length: 256 }, (_, i) => Point.BASE.multiply(BigInt(i + 2) ** 29n).toBytes(true));

const TWO_TO_255 = 1n << 255n;

function bytesOf(scalar: bigint): Uint8Array {
  return Buffer.from(scalar.toString(16).padStart(2 * SCALAR_BYTES, "0"), "hex");
}

/** Makes points of the last bytes of an input; what comes before are scalars, for random bytes are some. */
function makePoints(input: Uint8Array, count: number): void {
  for (let i = 1; i <= count; i++) {
    const at = input.length - i * POINT_BYTES;
    input.set(POINTS[input[at]!]!, at);
  }
}

/** What is timed: a kernel over one scalar or two, then two points or none, in what room, and what class 0 has. */
interface Product {
  readonly name: string;
  readonly kernel: string;
  readonly room: "secp256k1MultiplyWorkBytes" | "secp256k1GeneratorWorkBytes";
  readonly scalars: number;
  readonly points: number;
  readonly special: { readonly scalar: bigint } | { readonly point: Uint8Array };
}

function product(timed: Product, kernels = new Kernels()): TimedCall {
  const { name, kernel, special } = timed;
  const scalarsBytes = timed.scalars * SCALAR_BYTES;
  const inputBytes = scalarsBytes + timed.points * POINT_BYTES;
  const input = kernels.alloc(inputBytes);
  const inputs = timed.points === 0 ? [input, POINT_BYTES] : [input, input + scalarsBytes, POINT_BYTES];
  const out = kernels.alloc(PAIR * POINT_BYTES);
  const statuses = kernels.alloc(PAIR);
  const room = kernels.alloc(kernels.constant(timed.room));
  const item = "scalar" in special ? bytesOf(special.scalar) : special.point;
  const [from, to] = "scalar" in special ? [0, scalarsBytes] : [scalarsBytes, inputBytes];
  return {
    name,
    kernels,
    input,
    inputBytes,
    shape: (kind, random) => {
      makePoints(random, timed.points);
      if (kind === 0) for (let at = from; at < to; at += item.length) random.set(item, at);
    },
    prepare: () => undefined,
    run: () => kernels.call(kernel, ...inputs, out, PAIR, statuses, room),
    outcome: { expected: BOTH_VALID, read: () => 256 * kernels.bytes[statuses]! + kernels.bytes[statuses + 1]! },
  };
}

const BY_ONE = {
  kernel: "secp256k1MultiplyAll",
  room: "secp256k1MultiplyWorkBytes",
  scalars: 1,
  points: PAIR,
} as const;
const BY_EACH = { ...BY_ONE, kernel: "secp256k1MultiplyEach", scalars: PAIR } as const;
const KEYS = { kernel: "secp256k1PublicKeys", room: "secp256k1GeneratorWorkBytes", scalars: PAIR, points: 0 } as const;

/** Points times one scalar, which is 1, n − 1 or 2^255 in class 0: what a multiplication that adapts might favour. */
export function productByOne(special: "1" | "n − 1" | "2^255"): TimedCall {
  const scalar = { "1": 1n, "n − 1": Point.CURVE().n - 1n, "2^255": TWO_TO_255 }[special];
  return product({ ...BY_ONE, name: `secp256k1, one scalar, ${special}`, special: { scalar } });
}

/** Points times a scalar each, which is 1 in class 0. */
export function productByEach(): TimedCall {
  return product({ ...BY_EACH, name: "secp256k1, a scalar each, 1", special: { scalar: 1n } });
}

/** Points, which are the generator in class 0, times a scalar each. */
export function productOfPoints(): TimedCall {
  return product({ ...BY_EACH, name: "secp256k1, points", special: { point: Point.BASE.toBytes(true) } });
}

/** Public keys of scalars that are 1 in class 0. */
export function publicKeys(): TimedCall {
  return product({ ...KEYS, name: "secp256k1, public keys, 1", special: { scalar: 1n } });
}

/** a·b + c of four rows, which are all zeros in class 0. */
export function scalarArithmetic(): TimedCall {
  const kernels = new Kernels();
  const columnBytes = ROWS * SCALAR_BYTES;
  const inputBytes = 3 * columnBytes;
  const input = kernels.alloc(inputBytes);
  const out = kernels.alloc(columnBytes);
  return {
    name: "secp256k1, scalars a·b + c",
    kernels,
    input,
    inputBytes,
    shape: (kind, random) => {
      if (kind === 0) random.fill(0);
    },
    prepare: () => undefined,
    run: () =>
      kernels.call("secp256k1ScalarMultiplyAdd", input, input + columnBytes, input + 2 * columnBytes, out, ROWS),
  };
}

/** Must leak: two points times one scalar by doubling and adding, where bits that are 0 cost no addition. */
export async function leakyProduct(): Promise<TimedCall> {
  const module = await compileEntry(`
    import { PAIR_BYTES, copy, double, setSmall } from "./secp256k1-field";
    import { Y, Z, addPointToW, doublePoint, yToW } from "./secp256k1-jacobian";
    import { readPoints } from "./secp256k1-point-bytes";
    export { secp256k1MultiplyWorkBytes } from "./secp256k1";
    export function leakyMultiply(
      scalar: usize, points: usize, size: usize, out: usize, count: u32, valid: usize, room: usize,
    ): void {
      const y = room + PAIR_BYTES;
      const twiceY = room + 2 * PAIR_BYTES;
      const sum = room + 3 * PAIR_BYTES;
      readPoints(room, y, points, size, count, valid);
      double(twiceY, y);
      copy(sum, room);
      copy(sum + Y, y);
      setSmall(sum + Z, 1);
      let isW = false;
      for (let bit: usize = 0; bit < 256; bit++) {
        if (!isW) yToW(sum);
        doublePoint(sum);
        isW = ((load<u8>(scalar + (bit >> 3)) >> <u8>(7 - (bit & 7))) & 1) == 0;
        if (!isW) addPointToW(sum, room, twiceY);
      }
    }`);
  const name = "must leak: doubling and adding";
  return product({ ...BY_ONE, name, kernel: "leakyMultiply", special: { scalar: TWO_TO_255 } }, new Kernels(module));
}
