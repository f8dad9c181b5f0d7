/**
 * The product's kernels of secp256k1 over a batch of bytes. Their room to work in and room for results hold what a
 * kernel must not rely on; and every call fails where a kernel wrote beside its room, or left anything in that to work
 * in or in its scratch.
 */
import { expect } from "vitest";
import { KernelInstance } from "./instance.ts";
import { POINT_BYTES } from "./secp256k1-points.ts";

const SCALAR_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Around everything that a kernel may write. */
const GUARD_BYTES = 96;
/** What memory holds before a call. */
const DIRT = 0xa5;

const kernels = new KernelInstance();
// The first public key makes the generator's table, which is public and stays.
const first = [
  kernels.put(Buffer.alloc(SCALAR_BYTES, 1)),
  POINT_BYTES,
  kernels.alloc(POINT_BYTES),
  1,
  kernels.alloc(1),
];
kernels.call("secp256k1PublicKeys", ...first, kernels.alloc(kernels.constant("secp256k1GeneratorWorkBytes")));
kernels.reset();

/** What a kernel returned and wrote. */
export interface BatchResult {
  readonly returned: number;
  /** A byte an item: 1 where it is valid, else 0. */
  readonly statuses: readonly number[];
  /** The points in hex, those of invalid items too. */
  readonly points: readonly string[];
}

/** k·P of every point. */
export function multiplyAll(points: Uint8Array, scalar: Uint8Array, inPlace = false): BatchResult {
  const count = points.length / POINT_BYTES;
  return run("secp256k1MultiplyAll", "secp256k1MultiplyWorkBytes", [scalar, points], count, inPlace ? 1 : "fresh");
}

/** k_i·P_i. */
export function multiplyEach(points: Uint8Array, scalars: Uint8Array, inPlace = false): BatchResult {
  const count = points.length / POINT_BYTES;
  return run("secp256k1MultiplyEach", "secp256k1MultiplyWorkBytes", [scalars, points], count, inPlace ? 1 : "fresh");
}

/** k_i·G. */
export function publicKeys(scalars: Uint8Array): BatchResult {
  return run("secp256k1PublicKeys", "secp256k1GeneratorWorkBytes", [scalars], scalars.length / SCALAR_BYTES, "fresh");
}

/** Which are points; they are written again as they were read. */
export function convert(points: Uint8Array): BatchResult {
  const count = points.length / POINT_BYTES;
  const args = [putGuarded(points), POINT_BYTES];
  return finish("secp256k1Convert", "secp256k1ConvertWorkBytes", args, count, "fresh", [POINT_BYTES]);
}

/** Which signatures are valid. */
export function verifyEcdsa(hashes: Uint8Array, signatures: Uint8Array, publicKeys: Uint8Array): readonly number[] {
  const count = signatures.length / SIGNATURE_BYTES;
  const inputs = [hashes, signatures, publicKeys];
  return run("secp256k1VerifyEcdsa", "secp256k1EcdsaWorkBytes", inputs, count, "none").statuses;
}

/** Σ_j c_j·P_ij. */
export function combine(rows: readonly Uint8Array[], coefficients: Uint8Array): BatchResult {
  const count = rows[0]!.length / POINT_BYTES;
  const table = kernels.alloc(4 * rows.length);
  rows.forEach((row, j) => {
    const at = putGuarded(row);
    new DataView(kernels.memory.buffer).setUint32(table + 4 * j, at, true);
  });
  const args = [table, POINT_BYTES, putGuarded(coefficients), rows.length];
  return finish("secp256k1Combine", "secp256k1CombineWorkBytes", args, count, "fresh");
}

/** @param out - where points go: to room of their own, over input number `out`, or nowhere. */
function run(
  kernel: string,
  workBytes: string,
  inputs: readonly Uint8Array[],
  count: number,
  out: "fresh" | "none" | number,
): BatchResult {
  const args = inputs.map((bytes) => putGuarded(bytes));
  const sized = out === "none" ? args : [...args, POINT_BYTES];
  return finish(kernel, workBytes, sized, count, typeof out === "number" ? args[out]! : out);
}

function putGuarded(bytes: Uint8Array): number {
  const at = dirtyRoom(bytes.length, 1);
  kernels.bytes.set(bytes, at);
  return at;
}

/** Address of room with dirt in it and around it. */
function dirtyRoom(size: number, align: number): number {
  const at = kernels.alloc(size + 2 * GUARD_BYTES, align);
  kernels.bytes.fill(DIRT, at, at + size + 2 * GUARD_BYTES);
  return at + GUARD_BYTES;
}

function finish(
  kernel: string,
  workBytes: string,
  inputs: readonly number[],
  count: number,
  out: "fresh" | "none" | number,
  behindOut: readonly number[] = [],
): BatchResult {
  const points = out === "fresh" ? dirtyRoom(count * POINT_BYTES, 1) : out;
  const valid = dirtyRoom(count, 1);
  const room = kernels.constant(workBytes);
  const work = dirtyRoom(room, 16);
  const end = kernels.reset();
  const before = kernels.get(0, end);
  const written = points === "none" ? [] : [points, ...behindOut];
  const returned = kernels.call(kernel, ...inputs, ...written, count, valid, work);
  const after = kernels.get(0, end);
  expect(Buffer.compare(after.subarray(work, work + room), Buffer.alloc(room)), "the room is zeroed").toBe(0);
  const statuses = [...after.subarray(valid, valid + count)];
  const made = points === "none" ? [] : pointsIn(after.subarray(points, points + count * POINT_BYTES));
  // But for what it was to write, memory is what it was.
  after.set(before.subarray(work, work + room), work);
  after.set(before.subarray(valid, valid + count), valid);
  if (points !== "none") after.set(before.subarray(points, points + count * POINT_BYTES), points);
  expect(firstDifference(after, before), "nothing else has changed").toBe(-1);
  return { returned, statuses, points: made };
}

function pointsIn(bytes: Uint8Array): string[] {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.match(new RegExp(`.{${2 * POINT_BYTES}}`, "g")) ?? [];
}

/** An address at which two memories differ, or −1. */
function firstDifference(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b) === 0 ? -1 : a.findIndex((byte, at) => byte !== b[at]);
}
