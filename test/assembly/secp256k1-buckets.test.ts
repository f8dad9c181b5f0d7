import { secp256k1 } from "@noble/curves/secp256k1.js";
import { describe, expect, test } from "vitest";
import { compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const { Point } = secp256k1;
const EMPTY = "empty";
/** What shares a division. */
const QUEUE_LENGTH = 2048;
/** The points that are added: ±1, ±2, … times the generator. */
const POINTS = 64;

const kernel = new KernelInstance(
  await compileEntry(
    `export * from "./secp256k1-buckets"; export { readPoints, writePoints } from "./secp256k1-point-bytes";`,
  ),
);
const SLOT_BYTES = kernel.constant("SLOT_BYTES");
const ROOM_BYTES = kernel.constant("BUCKETS_BYTES");
const BUCKETS_MAX = kernel.constant("BUCKETS_MAX");
const multiples = Array.from({ length: 3 * POINTS }, (_, i) => Point.BASE.multiply(BigInt(i + 1)).toBytes(true));

/** Slots of the generator's multiples from 1. */
const slots = kernel.alloc(POINTS * SLOT_BYTES);
{
  const xs = kernel.alloc(40 * POINTS);
  const ys = kernel.alloc(40 * POINTS);
  const bytes = kernel.put(Buffer.concat(multiples.slice(0, POINTS)));
  kernel.call("readPoints", xs, ys, bytes, 33, POINTS, kernel.alloc(POINTS));
  for (let i = 0; i < POINTS; i += 2) kernel.call("pairToSlots", slots + i * SLOT_BYTES, xs + 40 * i, ys + 40 * i);
}
/** The address that means k times the generator, k not 0. */
const addend = (k: number): number => slots + (Math.abs(k) - 1) * SLOT_BYTES + (k < 0 ? 1 : 0);

/** A multiple of the generator as hex, for comparison with a bucket. */
function expected(k: number): string {
  if (k === 0) return EMPTY;
  const bytes = Buffer.from(multiples[Math.abs(k) - 1]!);
  bytes[0]! ^= k < 0 ? 1 : 0;
  return bytes.toString("hex");
}

const room = kernel.alloc(ROOM_BYTES + 64);
const x = kernel.alloc(80);
const y = kernel.alloc(80);
const out = kernel.alloc(66);
function held(bucket: number): string {
  if (kernel.call("isFilled", room, bucket) === 0) return EMPTY;
  kernel.call("slotToPair", x, y, kernel.call("bucketSlot", room, bucket));
  kernel.call("writePoints", out, 33, x, y, 2);
  const [lane0, lane1] = [0, 33].map((at) => Buffer.from(kernel.get(out + at, 33)).toString("hex"));
  expect(lane1, "a slot's point fills both lanes").toBe(lane0);
  return lane0!;
}

/** Empties a room of rubbish, then adds in rounds of one addend a bucket, 0 for none; what buckets then hold. */
function addRounds(rounds: readonly (readonly number[])[]): string[] {
  kernel.bytes.fill(0xff, room, room + ROOM_BYTES);
  kernel.call("emptyBuckets", room);
  for (const round of rounds) {
    let waiting = 0;
    round.forEach((k, bucket) => {
      if (k !== 0) waiting = kernel.call("enqueue", room, waiting, bucket, addend(k));
    });
    kernel.call("addQueue", room, waiting);
  }
  return rounds[0]!.map((_, bucket) => held(bucket));
}
function expectRight(rounds: readonly (readonly number[])[]): void {
  const sums = rounds[0]!.map((_, bucket) => rounds.reduce((sum, round) => sum + round[bucket]!, 0));
  expect(addRounds(rounds)).toEqual(sums.map(expected));
}

describe("additions to buckets", () => {
  /** What a bucket gets first and then: nothing, or points that differ, are equal, or opposite. */
  const kinds: [number, number][] = [
    [0, 0],
    [0, 5],
    [0, -5],
    [6, 0],
    [-6, 0],
    [7, 9],
    [-7, 9],
    [7, -9],
    [-7, -9],
    [11, 11],
    [-11, -11],
    [12, -12],
    [-12, 12],
  ];

  test("of every kind are right beside every other, in either lane", () => {
    for (const a of kinds) {
      expectRight([[a[0]], [a[1]]]);
      for (const b of kinds) {
        expectRight([
          [a[0], b[0]],
          [a[1], b[1]],
        ]);
        for (const c of kinds) {
          expectRight([
            [a[0], b[0], c[0]],
            [a[1], b[1], c[1]],
          ]);
        }
      }
    }
  });

  test("go on from what they made, and fill again what became empty", () => {
    expectRight([
      [1, 2, 3, 4, -5],
      [1, -2, 3, -4, -5],
      [2, 0, -6, 9, 10],
      [-4, 7, 0, -9, 1],
      [3, -7, 8, 9, -1],
      [3, 8, 8, -9, 2],
    ]);
  });

  test("are right in all buckets of a room, however many queues they fill", () => {
    for (const buckets of [QUEUE_LENGTH - 1, QUEUE_LENGTH, QUEUE_LENGTH + 1, 2 * QUEUE_LENGTH + 3, BUCKETS_MAX]) {
      const first = Array.from({ length: buckets }, (_, i) => (i % (POINTS / 2)) + 1);
      // Different from the first, but in one bucket that doubles, at the first queue's end, and one that empties, at its begin.
      const second = first.map((k) => -k - POINTS / 2);
      second[0] = -first[0]!;
      second[QUEUE_LENGTH - 2] = first[QUEUE_LENGTH - 2]!;
      expectRight([first, second]);
    }
  });

  test("write nothing behind their room", () => {
    const guard = new Uint8Array(64).fill(0xa5);
    kernel.bytes.set(guard, room + ROOM_BYTES);
    const all = Array.from({ length: BUCKETS_MAX }, (_, i) => (i % POINTS) + 1);
    addRounds([all, all]);
    expect(kernel.get(room + ROOM_BYTES, 64)).toEqual(guard);
  });
});
