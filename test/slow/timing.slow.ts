/**
 * Evidence by measurement that kernels take no time by which their secrets could be told, after Reparaz, Balasch and
 * Verbauwhede, "dude, is my code constant time?" (2017): a call is timed on inputs of two classes, and Welch's t says
 * whether the classes' times differ (welch.ts). A failure proves a leak. That nothing fails proves none absent; it is
 * worth as much as the calls that must leak, and are found. Why nothing should leak stands in the sources.
 *
 * What makes it hold on a shared machine:
 * - A coin decides the class of each single measurement, so that whatever else the machine does meets both classes
 *   alike. Load takes power from the test and adds no difference.
 * - Inputs are made a thousand at a time, and copied to the same address by the same code before each call. Then the
 *   first-level cache is filled with something else: a table would otherwise lie there as a whole and answer alike at
 *   every index.
 * - 20,000 calls go before that do not count, or 4,000 on the curve: after some 5,000, or 500, V8 has replaced the
 *   baseline tier's code by the optimizing tier's, which is what a rotation runs. A later change of tier would meet both
 *   classes alike.
 *
 * What is decided: |t| < 4.5, the usual limit in leakage assessment, passes. In so many crops and calls, chance alone
 * goes beyond it now and then; so the call is then timed anew, four times as often, which doubles a leak's t and not
 * chance's, and dudect's own limit decides: |t| < 10. Of the calls that must leak, 30 is asked in the same two tries.
 *
 * Limits. The clock advances in steps of some 10 ns; in the mean of 100,000, a difference of a few tenths of a
 * nanosecond still shows in a short call, and of some nanoseconds in the longest: the output has each standard error.
 * What leaks less goes unseen, and so does what tells other classes apart than these, what leaks in another engine,
 * tier or processor, and what leaks by other ways than a call's duration: to one who shares the processor's caches,
 * say. Few lookups in a table of few cache lines, such as an S-box of 256 bytes, come near what is seen at all. Native
 * ciphers (OpenSSL) are not measured.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { measure, type TimedCall } from "./timed-call.ts";
import {
  leakyProduct,
  productByEach,
  productByOne,
  productOfPoints,
  publicKeys,
  scalarArithmetic,
} from "./timed-curve.ts";
import {
  derivation,
  ghashAlone,
  hybridReencryption,
  hybridTagCheck,
  keyExpansion,
  leakyTable,
  leakyTagCheck,
  opening,
  poly1305Alone,
  sealing,
  tagCheck,
} from "./timed-kernels.ts";
import { strongestDifference } from "./welch.ts";

/** Calls that don't count, and those that do. */
interface Calls {
  readonly warmUp: number;
  readonly measurements: number;
}
const CALLS: Calls = { warmUp: 20_000, measurements: 200_000 };
/** Products on the curve run for a tenth of a millisecond and longer. */
const CURVE_CALLS: Calls = { warmUp: 4_000, measurements: 60_000 };
const REPETITION = 4;

const PASSES = 4.5;
const PASSES_REPEATED = 10;
const LEAKS = 30;

const AES = "aes-256-gcm";
const CHACHA = "chacha20-poly1305";
const RECORD = { textBytes: 496, aadBytes: 16 } as const;
const SHORT_RECORD = { textBytes: 240, aadBytes: 78 } as const;
const AAD_ALONE = { textBytes: 0, aadBytes: 1_024 } as const;

const printed: string[] = [];
afterAll(() => {
  process.stdout.write(`Welch's t of two classes of inputs\n${printed.join("")}`);
});

/** |t| of so many measurements, which are printed. Checks besides that what was timed did its work. */
function strength(call: TimedCall, count: number): number {
  const [times, classes] = measure(call, count, `${call.name} ${count}`);
  if (call.outcome !== undefined) expect(call.outcome.read()).toBe(call.outcome.expected);
  const { t, means, error, kept } = strongestDifference(times, classes);
  const columns = [
    `t ${t.toFixed(2).padStart(7)}`,
    `${means.toFixed(2).padStart(8)} ± ${error.toFixed(2).padEnd(6)} ns`,
    `over ${(100 * kept).toFixed(0).padStart(3)} % of ${count}`,
    `median ${medianOf(times).toFixed(0).padStart(5)} ns`,
    call.name,
  ];
  printed.push(`  ${columns.join("  ")}\n`);
  return Math.abs(t);
}

function medianOf(times: Float64Array): number {
  return times.toSorted()[times.length >> 1]!;
}

/** Expects no difference between the classes. */
function expectAlike(call: TimedCall, { warmUp, measurements }: Calls): void {
  measure(call, warmUp, "warm-up");
  if (strength(call, measurements) < PASSES) return;
  expect(strength(call, REPETITION * measurements)).toBeLessThan(PASSES_REPEATED);
}

function expectLeak(call: TimedCall, { warmUp, measurements }: Calls): void {
  measure(call, warmUp, "warm-up");
  if (strength(call, measurements) > LEAKS) return;
  expect(strength(call, REPETITION * measurements)).toBeGreaterThan(LEAKS);
}

describe("a call takes as long for one secret as for another", () => {
  let alone: readonly TimedCall[] = [];
  beforeAll(async () => {
    alone = await Promise.all([ghashAlone(), poly1305Alone()]);
  }, 120_000);

  it.each<[string, () => TimedCall]>([
    ["AES key schedule and GHASH table", keyExpansion],
    ["bitsliced AES", () => sealing("AES-256-GCM seal", AES, RECORD)],
    ["AES-256-GCM re-encryption", () => opening("AES-256-GCM re-encrypt", AES, "Reencrypt", SHORT_RECORD)],
    ["hybrid AES-256-GCM around the native calls", hybridReencryption],
    ["GHASH in AES-256-GCM", () => sealing("AES-256-GCM seal, AAD alone", AES, AAD_ALONE)],
    ["GHASH", () => alone[0]!],
    ["ChaCha20", () => sealing("ChaCha20-Poly1305 seal", CHACHA, RECORD)],
    [
      "ChaCha20-Poly1305 re-encryption",
      () => opening("ChaCha20-Poly1305 re-encrypt", CHACHA, "Reencrypt", SHORT_RECORD),
    ],
    [
      "Poly1305 in ChaCha20-Poly1305",
      () => opening("ChaCha20-Poly1305 verify, AAD alone", CHACHA, "Verify", AAD_ALONE),
    ],
    ["Poly1305", () => alone[1]!],
    ["HKDF-SHA-256 of a contract key", () => derivation("HKDF-SHA-256, contract key", 0, 64)],
    ["HKDF-SHA-256 with a salt", () => derivation("HKDF-SHA-256, salted", 32, 24)],
    ["a tag wrong in its first or last byte, AES-256-GCM", () => tagCheck("tag comparison, AES-256-GCM", AES)],
    ["the same, all tags of a chunk at once", hybridTagCheck],
    ["the same, ChaCha20-Poly1305", () => tagCheck("tag comparison, ChaCha20-Poly1305", CHACHA)],
  ])("%s", (_, make) => expectAlike(make(), CALLS));

  it.each<[string, () => TimedCall]>([
    ["points times 1", () => productByOne("1")],
    ["points times n − 1", () => productByOne("n − 1")],
    ["points times 2^255", () => productByOne("2^255")],
    ["points times 1 each", productByEach],
    ["the generator times a scalar each", productOfPoints],
    ["public keys of 1", publicKeys],
  ])("%s", (_, make) => expectAlike(make(), CURVE_CALLS));

  it("scalars of secp256k1 added and multiplied", () => expectAlike(scalarArithmetic(), CALLS));
});

describe("the same measurement finds", () => {
  it.each<[string, Calls, () => Promise<TimedCall>]>([
    ["a tag comparison that ends at the first difference", CALLS, leakyTagCheck],
    ["lookups at secret addresses", CALLS, leakyTable],
    ["a multiplication that adds for some bits only", CURVE_CALLS, leakyProduct],
  ])("%s", async (_, calls, make) => expectLeak(await make(), calls));
});
