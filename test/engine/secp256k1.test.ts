import { secp256k1 as noble, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { afterEach, describe, expect, it, test, vi } from "vitest";
import { Kernels } from "../../src/engine/kernels.ts";
import {
  CURVE_BATCH_MAX,
  POINT_BYTES as BYTES_BY_FORM,
  SCALAR_BYTES,
  Secp256k1,
  SIGNATURE_BYTES,
} from "../../src/engine/secp256k1.ts";
import { bigEndian, fromBigEndian, limbs, modulo, ORDER, scalarOf } from "../assembly/secp256k1-numbers.ts";
import { LAMBDA, Point, pointBytes, pointsOf, rawPoint, scalarBytes, times } from "../assembly/secp256k1-points.ts";
import { foundIn, type Searched } from "./leftovers.ts";

const POINT_BYTES = BYTES_BY_FORM.compressed;

afterEach(() => vi.restoreAllMocks());

const secp256k1 = new Secp256k1();
const POINTS = pointsOf("engine, secp256k1", 5);
const SCALARS = POINTS.map((_, i) => scalarOf(`engine, secp256k1, scalar ${i}`));
const K = SCALARS[0]!;
const NO_POINT = rawPoint(2, 5n);
const DST = Buffer.from("engine, secp256k1, a domain separation tag");
const hashToCurve = (message: Uint8Array): InstanceType<typeof noble.Point> =>
  secp256k1_hasher.hashToCurve(message, { DST }) as InstanceType<typeof noble.Point>;
const ONE = bigEndian(1n);

/** Signatures over different hashes, each by another key. */
const SIGNED = POINTS.map((_, i) => {
  const secret = bigEndian(scalarOf(`engine, ECDSA key ${i}`));
  const hash = bigEndian(scalarOf(`engine, ECDSA hash ${i}`));
  return { hash, signature: noble.sign(hash, secret, { prehash: false }), key: noble.getPublicKey(secret) };
});
const HASHES = Buffer.concat(SIGNED.map(({ hash }) => hash));
const SIGNATURES = Buffer.concat(SIGNED.map(({ signature }) => signature));
const KEYS = Buffer.concat(SIGNED.map(({ key }) => key));

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

describe("secp256k1 over batches", () => {
  test("public keys", () => {
    const { points, invalid } = secp256k1.publicKeys(scalarBytes(SCALARS));
    expect(hex(points)).toBe(hex(pointBytes(SCALARS.map((scalar) => times(scalar)))));
    expect(invalid).toEqual([]);
  });

  test("points times one scalar", () => {
    const { points, invalid } = secp256k1.multiplyAll(pointBytes(POINTS), bigEndian(K));
    expect(hex(points)).toBe(hex(pointBytes(POINTS.map((point) => times(K, point)))));
    expect(invalid).toEqual([]);
  });

  test("points times a scalar each", () => {
    const { points, invalid } = secp256k1.multiplyEach(pointBytes(POINTS), scalarBytes(SCALARS));
    expect(hex(points)).toBe(hex(pointBytes(POINTS.map((point, i) => times(SCALARS[i]!, point)))));
    expect(invalid).toEqual([]);
  });

  test("sums with coefficients", () => {
    const rows = [POINTS, POINTS.toReversed(), POINTS.map((point) => point.double())];
    const coefficients = [K, 1n, ORDER - 5n];
    const { points, invalid } = secp256k1.combine(rows.map(pointBytes), scalarBytes(coefficients));
    const sums = POINTS.map((_, i) =>
      rows.reduce((sum, row, j) => sum.add(times(coefficients[j]!, row[i]!)), Point.ZERO),
    );
    expect(hex(points)).toBe(hex(pointBytes(sums)));
    expect(invalid).toEqual([]);
  });

  test("messages hashed to the curve, and times one scalar", () => {
    const messages = Buffer.concat(SCALARS.map((scalar) => bigEndian(scalar)));
    const hashed = SCALARS.map((scalar) => hashToCurve(bigEndian(scalar)));
    for (const form of ["compressed", "uncompressed"] as const) {
      const curve = new Secp256k1(form);
      const bytesOf = (points: readonly InstanceType<typeof noble.Point>[]): string =>
        points.map((point) => point.toHex(form === "compressed")).join("");
      expect(hex(curve.hashToCurve(messages, 32, DST))).toBe(bytesOf(hashed));
      const partials = curve.partials(messages, 32, DST, bigEndian(K));
      expect(hex(partials)).toBe(bytesOf(hashed.map((point) => point.multiply(K))));
    }
  });

  test("a sum with weights", () => {
    const weights = POINTS.map((_, i) => 2n ** 127n + 12345678901234567890n * BigInt(i));
    const sum = POINTS.reduce((so, point, i) => so.add(times(weights[i]!, point)), Point.ZERO);
    const bytes = Buffer.concat(weights.map((weight) => bigEndian(weight).subarray(16)));
    expect(secp256k1.multiScalar(pointBytes(POINTS), bytes)).toEqual({ point: sum.toBytes(true), invalid: [] });
    const both = pointBytes([POINTS[0]!, POINTS[0]!.negate()]);
    expect(secp256k1.multiScalar(both, Buffer.alloc(32, 7))).toEqual({ point: null, invalid: [] });
    expect(secp256k1.multiScalar(Buffer.concat([both, NO_POINT]), Buffer.alloc(48, 7)).invalid).toEqual([2]);
  });

  test("points in the other form and back", () => {
    const uncompressed = new Secp256k1("uncompressed");
    const long = uncompressed.convert(Buffer.concat([pointBytes(POINTS), NO_POINT]), "compressed");
    expect(long.invalid).toEqual([POINTS.length]);
    const points = long.points.subarray(0, BYTES_BY_FORM.uncompressed * POINTS.length);
    expect(hex(points)).toBe(POINTS.map((point) => point.toHex(false)).join(""));
    expect(hex(secp256k1.convert(points, "uncompressed").points)).toBe(hex(pointBytes(POINTS)));
  });

  test("scalars", () => {
    const [a, b, c] = [SCALARS, SCALARS.toReversed(), SCALARS.map((scalar) => ORDER - scalar)];
    const made = secp256k1.multiplyAddScalars(scalarBytes(a), scalarBytes(b), scalarBytes(c));
    expect(hex(made)).toBe(hex(scalarBytes(a.map((scalar, i) => modulo(scalar * b[i]! + c[i]!)))));
  });

  test("signatures", () => {
    expect(secp256k1.invalidSignatures(HASHES, SIGNATURES, KEYS)).toEqual([]);
  });

  test("empty batches", () => {
    const none = new Uint8Array(0);
    const nothing = { points: none, invalid: [] };
    expect(secp256k1.publicKeys(none)).toEqual(nothing);
    expect(secp256k1.multiplyAll(none, ONE)).toEqual(nothing);
    expect(secp256k1.multiplyEach(none, none)).toEqual(nothing);
    expect(secp256k1.invalid(none)).toEqual([]);
    expect(secp256k1.combine([none, none], scalarBytes([1n, 2n]))).toEqual(nothing);
    expect(secp256k1.combine([], none)).toEqual(nothing);
    expect(secp256k1.invalidSignatures(none, none, none)).toEqual([]);
    expect(secp256k1.hashToCurve(none, 32, DST)).toEqual(none);
    expect(secp256k1.partials(none, 32, DST, ONE)).toEqual(none);
    expect(secp256k1.multiScalar(none, none)).toEqual({ point: null, invalid: [] });
    expect(secp256k1.multiplyAddScalars(none, none, none)).toEqual(none);
  });

  it("leaves what it is given alone", () => {
    const given = [scalarBytes(SCALARS), pointBytes(POINTS), HASHES, SIGNATURES, KEYS, bigEndian(K)] as const;
    const copies = given.map((bytes) => Buffer.from(bytes));
    secp256k1.publicKeys(given[0]);
    secp256k1.multiplyEach(given[1], given[0]);
    secp256k1.multiplyAll(given[1], given[5]);
    secp256k1.combine([given[1], given[1]], scalarBytes([1n, 2n]));
    secp256k1.invalidSignatures(given[2], given[3], given[4]);
    expect(given).toEqual(copies);
  });
});

describe("secp256k1 names", () => {
  const bad = [1, 2, 255, 256, 299];
  const among = (good: Uint8Array, none: Uint8Array): Buffer =>
    Buffer.concat(Array.from({ length: 300 }, (_, i) => (bad.includes(i) ? none : good)));
  const points = among(POINTS[0]!.toBytes(true), NO_POINT);

  it("points that are none, ascending", () => {
    expect(secp256k1.invalid(points)).toEqual(bad);
    expect(secp256k1.multiplyAll(points, bigEndian(K)).invalid).toEqual(bad);
    expect(secp256k1.multiplyEach(points, among(bigEndian(K), bigEndian(K))).invalid).toEqual(bad);
    const good = among(POINTS[1]!.toBytes(true), POINTS[1]!.toBytes(true));
    expect(secp256k1.combine([good, points], scalarBytes([K, 1n])).invalid).toEqual(bad);
  });

  it("scalars that are none, each with a good point", () => {
    const scalars = among(bigEndian(K), bigEndian(ORDER));
    expect(secp256k1.publicKeys(scalars).invalid).toEqual(bad);
    const good = among(POINTS[1]!.toBytes(true), POINTS[1]!.toBytes(true));
    expect(secp256k1.multiplyEach(good, scalars).invalid).toEqual(bad);
    expect(secp256k1.multiplyEach(points, scalars.fill(0, 0, SCALAR_BYTES)).invalid).toEqual([0, ...bad]);
  });

  it("sums that are infinite", () => {
    const minus = among(POINTS[0]!.toBytes(true), POINTS[1]!.negate().toBytes(true));
    const plus = among(POINTS[0]!.toBytes(true), POINTS[1]!.toBytes(true));
    expect(secp256k1.combine([plus, minus], scalarBytes([1n, 1n])).invalid).toEqual(bad);
    expect(secp256k1.combine([plus, minus], scalarBytes([K, K])).invalid).toEqual(bad);
  });

  it("signatures that are not valid", () => {
    const [first] = SIGNED;
    const hashes = among(first!.hash, first!.hash);
    const keys = among(first!.key, first!.key);
    const signatures = among(first!.signature, SIGNED[1]!.signature);
    expect(secp256k1.invalidSignatures(hashes, signatures, keys)).toEqual(bad);
  });

  it("65,536 points at most", () => {
    const most = Buffer.alloc(POINT_BYTES * CURVE_BATCH_MAX, POINTS[0]!.toBytes(true));
    most[POINT_BYTES * (CURVE_BATCH_MAX - 1)] = 0;
    expect(secp256k1.invalid(most)).toEqual([CURVE_BATCH_MAX - 1]);
  });
});

describe("secp256k1 refuses", () => {
  const two = pointBytes(POINTS.slice(0, 2));
  const bytes = (length: number): Uint8Array => new Uint8Array(length);
  const tooMany = (size: number): Uint8Array => bytes(size * (CURVE_BATCH_MAX + 1));

  test.each<readonly [string, () => unknown]>([
    ["scalars that are not whole", () => secp256k1.publicKeys(bytes(SCALAR_BYTES + 1))],
    ["a piece of a scalar", () => secp256k1.publicKeys(bytes(SCALAR_BYTES - 1))],
    ["65,537 scalars", () => secp256k1.publicKeys(tooMany(SCALAR_BYTES))],
    ["points that are not whole", () => secp256k1.multiplyAll(bytes(POINT_BYTES - 1), ONE)],
    ["uncompressed points", () => secp256k1.multiplyAll(POINTS[0]!.toBytes(false), ONE)],
    ["65,537 points", () => secp256k1.multiplyAll(tooMany(POINT_BYTES), ONE)],
    ["no scalar", () => secp256k1.multiplyAll(two, bytes(0))],
    ["a short scalar", () => secp256k1.multiplyAll(two, ONE.subarray(1))],
    ["a long scalar", () => secp256k1.multiplyAll(two, bytes(SCALAR_BYTES + 1))],
    ["two scalars", () => secp256k1.multiplyAll(two, scalarBytes([1n, 1n]))],
    ["the scalar 0", () => secp256k1.multiplyAll(two, bigEndian(0n))],
    ["the scalar 0 for no points", () => secp256k1.multiplyAll(bytes(0), bigEndian(0n))],
    ["the scalar n", () => secp256k1.multiplyAll(two, bigEndian(ORDER))],
    ["the scalar 2^256 − 1", () => secp256k1.multiplyAll(two, bigEndian(2n ** 256n - 1n))],
    ["fewer scalars than points", () => secp256k1.multiplyEach(two, ONE)],
    ["more scalars than points", () => secp256k1.multiplyEach(two, scalarBytes([1n, 1n, 1n]))],
    ["points to multiply that are not whole", () => secp256k1.multiplyEach(bytes(1), ONE)],
    ["65,537 of both", () => secp256k1.multiplyEach(tooMany(POINT_BYTES), tooMany(SCALAR_BYTES))],
    ["points to validate that are not whole", () => secp256k1.invalid(bytes(POINT_BYTES + 1))],
    ["65,537 points to validate", () => secp256k1.invalid(tooMany(POINT_BYTES))],
    ["rows of different lengths", () => secp256k1.combine([two, two.subarray(POINT_BYTES)], scalarBytes([1n, 1n]))],
    ["rows that are not whole", () => secp256k1.combine([two.subarray(1)], ONE)],
    ["fewer coefficients than rows", () => secp256k1.combine([two, two], ONE)],
    ["more coefficients than rows", () => secp256k1.combine([two], scalarBytes([1n, 1n]))],
    ["coefficients without rows", () => secp256k1.combine([], ONE)],
    ["the coefficient 0", () => secp256k1.combine([two, two], scalarBytes([1n, 0n]))],
    ["the coefficient n", () => secp256k1.combine([two, two], scalarBytes([ORDER, 1n]))],
    ["messages that are not whole", () => secp256k1.hashToCurve(bytes(33), 32, DST)],
    ["messages of no bytes", () => secp256k1.hashToCurve(bytes(0), 0, DST)],
    ["messages of half a byte", () => secp256k1.partials(bytes(1), 0.5, DST, ONE)],
    ["65,537 messages", () => secp256k1.hashToCurve(tooMany(1), 1, DST)],
    ["no tag", () => secp256k1.hashToCurve(bytes(32), 32, bytes(0))],
    ["a tag of 256 bytes", () => secp256k1.partials(bytes(32), 32, bytes(256), ONE)],
    ["messages times 0", () => secp256k1.partials(bytes(32), 32, DST, bigEndian(0n))],
    ["messages times n", () => secp256k1.partials(bytes(32), 32, DST, bigEndian(ORDER))],
    ["messages times a piece of a scalar", () => secp256k1.partials(bytes(32), 32, DST, bytes(31))],
    ["fewer weights than points", () => secp256k1.multiScalar(two, bytes(16))],
    ["weights that are not whole", () => secp256k1.multiScalar(two, bytes(33))],
    ["points to convert that are in another form", () => secp256k1.convert(two, "uncompressed")],
    ["fewer summands than factors", () => secp256k1.multiplyAddScalars(bytes(64), bytes(64), bytes(32))],
    ["scalars to multiply that are not whole", () => secp256k1.multiplyAddScalars(bytes(33), bytes(33), bytes(33))],
    ["hashes that are not whole", () => secp256k1.invalidSignatures(bytes(31), SIGNATURES, KEYS)],
    ["fewer signatures", () => secp256k1.invalidSignatures(HASHES, SIGNATURES.subarray(SIGNATURE_BYTES), KEYS)],
    ["more public keys", () => secp256k1.invalidSignatures(HASHES, SIGNATURES, Buffer.concat([KEYS, KEYS]))],
    ["signatures for no hashes", () => secp256k1.invalidSignatures(bytes(0), SIGNATURES, bytes(0))],
    [
      "65,537 signatures",
      () => secp256k1.invalidSignatures(tooMany(SCALAR_BYTES), tooMany(SIGNATURE_BYTES), tooMany(POINT_BYTES)),
    ],
  ])("%s", (_, call) => {
    expect(call).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(hex(secp256k1.publicKeys(ONE).points)).toBe(Point.BASE.toHex(true));
  });
});

/** The methods that secrets go through, each with both lanes of one pair. */
const SECRET_CALLS = {
  publicKeys: (curve: Secp256k1) => curve.publicKeys(scalarBytes([K, K])),
  multiplyAll: (curve: Secp256k1) => curve.multiplyAll(pointBytes([POINTS[0]!, POINTS[0]!]), bigEndian(K)),
  multiplyEach: (curve: Secp256k1) => curve.multiplyEach(pointBytes([POINTS[0]!, POINTS[0]!]), scalarBytes([K, K])),
  combine: (curve: Secp256k1) => {
    const row = pointBytes([POINTS[0]!, POINTS[0]!]);
    return curve.combine([row, row], scalarBytes([1n, K]));
  },
};
type SecretCall = keyof typeof SECRET_CALLS;
const ALL_CALLS = Object.keys(SECRET_CALLS) as SecretCall[];
const PAIR_BYTES = 80;
const PAIRS = 128;

/** Where a call traps: at what it reads, which are points behind their scalars, or at the points it writes. */
type TrapAt = "read" | "write";

/** An instance whose kernels are told that points lie where there is no memory. */
function trapping(at: TrapAt): Kernels {
  const kernels = new Kernels();
  // Its check is passed before.
  new Secp256k1("compressed", kernels);
  const call = kernels.call.bind(kernels);
  vi.spyOn(kernels, "call").mockImplementation((name, ...args) => {
    if (name.endsWith("Wipe")) return call(name, ...args);
    // Last of the arguments are what is read, a size, room for the points that are written, count, statuses and work.
    return call(name, ...args.with(at === "read" ? -6 : -4, kernels.bytes.length));
  });
  return kernels;
}

/** The memory of an instance that trapped and whose owner did not wipe it. */
function spilled(name: SecretCall, at: TrapAt = "write"): Uint8Array<ArrayBuffer> {
  const kernels = trapping(at);
  vi.spyOn(kernels, "wipe").mockImplementation(() => undefined);
  expect(() => SECRET_CALLS[name](new Secp256k1("compressed", kernels))).toThrow("out of bounds");
  return kernels.bytes.slice();
}

/** The element in lane 0 of a pair: limbs, all whole numbers, that add up to it. */
function element(pair: Uint8Array): bigint {
  const view = new DataView(pair.buffer, pair.byteOffset, pair.byteLength);
  let sum = 0n;
  for (let limb = 0; limb < PAIR_BYTES; limb += 16) sum += BigInt(view.getFloat64(limb, true));
  return Point.Fp.create(sum);
}

/** What `base` and its powers make of digits, the least significant first. */
function digitsValue(base: bigint, digits: readonly number[]): bigint {
  return digits.reduceRight((sum, digit) => base * sum + BigInt(digit), 0n);
}

/** The digits of K that public keys are made of, found where a trap left them. */
function combDigits(): Searched {
  const { memory, end } = workOf("publicKeys", "secp256k1GeneratorWorkBytes");
  const bytes = memory.slice(end - 1024 * 52).subarray(0, 52);
  expect(modulo(digitsValue(32n, [...new Int8Array(bytes.buffer, 0, 52)]))).toBe(K);
  return { name: "digits", bytes };
}

/** The same of both halves of K for other products. */
function sharedDigits(name: SecretCall): Searched {
  const { memory, end } = workOf(name, "secp256k1MultiplyWorkBytes");
  const bytes = memory.slice(end - 2 * PAIRS * 66).subarray(0, 66);
  const digits = [...new Int8Array(bytes.buffer, 0, 66)];
  const [first, second] = [0, 1].map((half) =>
    digitsValue(
      16n,
      digits.filter((_, i) => i % 2 === half),
    ),
  );
  expect(modulo(first! + second! * LAMBDA)).toBe(K);
  return { name: "digits", bytes };
}

/** x of 15·P as the table of a product has it, in both lanes: times the square of a number that all entries have in them. */
function tableEntry(name: SecretCall): Searched {
  const combined = name === "combine";
  const { memory, end } = workOf(name, combined ? "secp256k1CombineWorkBytes" : "secp256k1MultiplyWorkBytes");
  // 32 pairs of a table; 3 of a result and 2 for divisions go to each of 128 pairs; behind them are digits, if any.
  const table = end - (combined ? 0 : 2 * PAIRS * 66) - (32 + 5 * PAIRS) * PAIR_BYTES;
  const entry = (at: number): Uint8Array<ArrayBuffer> =>
    memory.slice(table + at * PAIR_BYTES, table + (at + 1) * PAIR_BYTES);
  const bytes = entry(7);
  // The first three are written over in a sum.
  const square = Point.Fp.div(element(entry(5)), times(11n, POINTS[0]!).x);
  expect(Point.Fp.div(element(bytes), square)).toBe(times(15n, POINTS[0]!).x);
  return { name: "the table", bytes };
}

/** The memory of a call that trapped, and where the kernel's room to work in ends. */
function workOf(name: SecretCall, workBytes: string): { memory: Uint8Array; end: number } {
  const kernels = new Kernels();
  return { memory: spilled(name), end: kernels.alloc(kernels.constant(workBytes)) + kernels.constant(workBytes) };
}

/** What must not stay of a call. */
function secretsOf(name: SecretCall): Searched[] {
  const scalar = [
    { name: "the scalar", bytes: bigEndian(K) },
    { name: "the scalar's limbs", bytes: limbs(K) },
  ];
  if (name === "publicKeys") return [...scalar, combDigits()];
  // Coefficients of sums are public, their points are not.
  if (name === "combine") return [tableEntry(name), { name: "a point", bytes: bigEndian(POINTS[0]!.x) }];
  return [...scalar, sharedDigits(name), tableEntry(name)];
}

describe("secp256k1 leaves nothing behind", () => {
  test.each(ALL_CALLS)("%s", (name) => {
    const secrets = secretsOf(name);
    // The control: without a wipe, all of them are found.
    const left = [spilled(name, "write"), ...(name.startsWith("multiply") ? [spilled(name, "read")] : [])];
    const found = left.flatMap((memory) => foundIn(memory, secrets));
    expect(new Set(found)).toEqual(new Set(secrets.map((secret) => secret.name)));

    const kernels = new Kernels();
    const curve = new Secp256k1("compressed", kernels);
    const { points } = SECRET_CALLS[name](curve);
    const results = [{ name: "a result", bytes: points.subarray(1, POINT_BYTES) }];
    expect(foundIn(kernels.bytes, [...secrets, ...results])).toEqual([]);

    for (const at of ["read", "write"] as const) {
      const trapped = trapping(at);
      expect(() => SECRET_CALLS[name](new Secp256k1("compressed", trapped))).toThrow("out of bounds");
      expect(foundIn(trapped.bytes, [...secrets, ...results])).toEqual([]);
    }
  });

  test("of any method: host memory is zeros, and the kernels' own what it was", () => {
    const kernels = new Kernels();
    const curve = new Secp256k1("compressed", kernels);
    const base = kernels.constant("HEAP_BASE");
    // The first public key makes the generator's table, which stays.
    curve.publicKeys(ONE);
    const own = Buffer.from(kernels.bytes.subarray(0, base));
    const calls = [
      ...ALL_CALLS.map((name) => () => SECRET_CALLS[name](curve)),
      () => curve.invalid(Buffer.concat([pointBytes(POINTS), NO_POINT])),
      () => curve.partials(HASHES, 32, DST, bigEndian(K)),
      () => curve.hashToCurve(HASHES, 32, DST),
      () => curve.multiScalar(pointBytes(POINTS), Buffer.alloc(16 * POINTS.length, 3)),
      () => curve.multiplyAddScalars(HASHES, HASHES, HASHES),
      () => curve.invalidSignatures(HASHES, SIGNATURES, KEYS),
      () => curve.invalidSignatures(HASHES, SIGNATURES.subarray().fill(0, 0, 32), KEYS),
    ];
    for (const call of calls) {
      call();
      expect(kernels.bytes.subarray(base).every((byte) => byte === 0)).toBe(true);
      expect(own.equals(kernels.bytes.subarray(0, base))).toBe(true);
    }
    for (const refused of [
      () => curve.multiplyAll(pointBytes(POINTS), bigEndian(ORDER)),
      () => curve.combine([pointBytes(POINTS), pointBytes(POINTS)], scalarBytes([K, 0n])),
    ]) {
      expect(refused).toThrow("from 1 to n − 1");
      expect(kernels.bytes.subarray(base).every((byte) => byte === 0)).toBe(true);
      expect(own.equals(kernels.bytes.subarray(0, base))).toBe(true);
    }
  });

  test("the kernels zero their room and scratch themselves, before their owner does", () => {
    for (const name of ALL_CALLS) {
      const kernels = new Kernels();
      new Secp256k1("compressed", kernels);
      const secrets = secretsOf(name).filter((secret) => !["the scalar", "a point"].includes(secret.name));
      vi.spyOn(kernels, "wipe").mockImplementation(() => undefined);
      const { points } = SECRET_CALLS[name](new Secp256k1("compressed", kernels));
      // The control: the result, which is its owner's to wipe, is still there.
      const result = { name: "a result", bytes: points.subarray(1, POINT_BYTES) };
      expect(foundIn(kernels.bytes, [...secrets, result]), name).toEqual(["a result"]);
    }
  });
});

test("the order that a result's bytes have is that of SEC 1", () => {
  const { points } = secp256k1.publicKeys(bigEndian(K));
  const { x, y } = times(K);
  expect(points[0]).toBe(2 + Number(y & 1n));
  expect(fromBigEndian(points.subarray(1))).toBe(x);
});
