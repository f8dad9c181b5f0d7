import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compileEntry } from "./compile.ts";
import { hashed, hashToCurve, mapped, type Point, type Size, SIZES, written } from "./curve-batch.ts";
import { elementAt, P } from "./secp256k1-pairs.ts";
import { KernelInstance } from "./instance.ts";
import { A, B, constantsOf, evaluate, Fp, K1, K2, K3, K4, KERNEL_X, Z } from "./isogenous-curve.ts";
import { bytesOf } from "./kdf-batch.ts";

const DST = Buffer.from("gatekeeper/v1 contract point with secp256k1_XMD:SHA-256_SSWU_RO_");
const messagesOf = (seed: number, count: number, length: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => bytesOf(1000 * seed + i, length));

describe("secp256k1HashToCurve", () => {
  function compare(messages: readonly Uint8Array[], dst: Uint8Array = DST, sizes: readonly Size[] = SIZES): void {
    const expected = messages.map((message) => hashed(message, dst));
    for (const size of sizes) {
      expect(hashToCurve(messages, dst, size)).toEqual(expected.map((point) => written(point, size)));
    }
  }

  it("agrees with noble on batches of 0 to 9 messages, each different", () => {
    for (let count = 0; count <= 9; count++) compare(messagesOf(count, count, 32));
  });

  it.each([257, 300])("agrees with noble on %i messages: more than one chunk", (count) => {
    compare(messagesOf(count, count, 32));
  });

  it("agrees with noble at every length from 0 to 100", () => {
    for (let length = 0; length <= 100; length++) compare(messagesOf(length, 2, length), DST, [33]);
  });

  it("agrees with noble on any messages under any DST", () => {
    const batch = fc
      .nat(100)
      .chain((length) => fc.array(fc.uint8Array({ minLength: length, maxLength: length }), { maxLength: 9 }));
    fc.assert(
      fc.property(batch, fc.uint8Array({ minLength: 1, maxLength: 255 }), (messages, dst) => compare(messages, dst)),
    );
  });

  it("traps on a DST of no or of 256 bytes before anything is written", () => {
    const kernel = new KernelInstance();
    const [at, out] = [kernel.put(bytesOf(1, 300)), kernel.alloc(33)];
    const work = kernel.alloc(kernel.constant("secp256k1HashToCurveWorkBytes"));
    const before = kernel.get(0, kernel.bytes.length);
    for (const dstBytes of [0, 256]) {
      expect(() => kernel.call("secp256k1HashToCurve", at, 32, at, dstBytes, out, 33, 1, work)).toThrow("unreachable");
    }
    expect(Buffer.compare(kernel.bytes, before)).toBe(0);
  });
});

/** In place of the expansion: a message of 96 bytes is what it expands to. */
const NO_EXPANSION = `
  import { copyBytes } from "./sha256";
  export function beginExpansion(messageBytes: u32, dst: usize, dstBytes: u32, ell: u32): void {}
  export function expandFour(out: usize, message0: usize, message1: usize, message2: usize, message3: usize): void {
    copyBytes(out, message0, 96);
    copyBytes(out + 96, message1, 96);
    copyBytes(out + 192, message2, 96);
    copyBytes(out + 288, message3, 96);
  }
  export function wipeExpansion(): void {}
`;

type Us = readonly [u0: bigint, u1: bigint];
/** Two numbers below 2^384 as the bytes that hash_to_field reads them from. */
const wide = (us: Us): Uint8Array => Buffer.from(us.map((u) => u.toString(16).padStart(96, "0")).join(""), "hex");
const sum = ([u0, u1]: Us): Point => mapped(Fp.create(u0)).add(mapped(Fp.create(u1)));
const random = (seed: number): bigint => Fp.create(BigInt(`0x${Buffer.from(bytesOf(seed, 48)).toString("hex")}`));

describe("from expanded messages on", () => {
  let withoutExpansion: WebAssembly.Module;
  beforeAll(async () => {
    withoutExpansion = await compileEntry('export * from "./secp256k1-hash-to-curve";', (path, source) =>
      path.endsWith("/expand-message-xmd.ts") ? NO_EXPANSION : source,
    );
  }, 60_000);

  function compare(batch: readonly Us[]): void {
    const expected = batch.map((us) => written(sum(us), 65));
    expect(hashToCurve(batch.map(wide), DST, 65, new KernelInstance(withoutExpansion))).toEqual(expected);
  }

  it("numbers of p and above stand for what they are mod p", () => {
    const edges = [0n, 1n, P - 1n, P, P + 1n, 2n ** 256n - 1n, 2n ** 256n, 2n ** 256n + P, 2n ** 384n - 1n];
    const near = [...edges, P * (2n ** 128n - 1n), P * 2n ** 127n + 1n, 2n ** 383n, (2n ** 128n - 1n) << 256n];
    const batch = near.map((u, i): Us => [u, near[(i + 5) % near.length]!]);
    compare(batch);
    const any = fc.bigInt(0n, 2n ** 384n - 1n);
    fc.assert(fc.property(fc.array(fc.tuple(any, any)), compare));
  });

  // Zu² = −1: the map's other exception beside u = 0, and with the same x.
  const root11 = Fp.inv(Fp.sqrt(11n));
  // t and −1 − t are one t² + t, of which x_1 is made, where t = Zu².
  const [met, metToo] = meetingInX();

  function meetingInX(): Us {
    for (let u = 2n; ; u++) {
      const t = Fp.mul(Z, Fp.sqr(u));
      const other = Fp.div(Fp.sub(-1n, t), Z);
      const isSquare = Fp.pow(other, (P - 1n) / 2n) === 1n;
      if (!isSquare) continue;
      const pair: Us = [u, Fp.sqrt(other)];
      const [one, too] = pair.map(mapped);
      if (one!.x === too!.x) return pair;
    }
  }

  const a = random(1);
  const exceptions: readonly (readonly [what: string, us: Us, infinity: boolean | null])[] = [
    ["u = 0 beside another", [0n, a], false],
    ["another beside u = 0", [a, 0n], false],
    ["u = 0 twice: a point is doubled", [0n, 0n], false],
    ["Zu² = −1 beside another", [root11, a], false],
    ["−u beside another, Zu² = −1", [a, P - root11], false],
    ["Zu² = −1 twice", [root11, root11], false],
    ["u and −u, Zu² = −1", [root11, P - root11], true],
    ["u = 0 and Zu² = −1: the same x", [0n, root11], null],
    ["u = 0 and −u, Zu² = −1: the same x", [0n, P - root11], null],
    ["u twice: a point is doubled", [a, a], false],
    ["u and −u: opposite points", [a, P - a], true],
    ["−u and u", [P - a, a], true],
    ["u and u + p", [a, a + P], false],
    ["two u with one x", [met, metToo], null],
    ["two u with one x, one negated", [met, P - metToo], null],
  ];

  it.each(exceptions)("%s", (_, us, infinity) => {
    if (infinity !== null) expect(sum(us).is0()).toBe(infinity);
    for (let place = 0; place < 6; place++) {
      compare(Array.from({ length: 6 }, (_ignored, i): Us => [random(10 + i), random(20 + i)]).with(place, us));
    }
    compare([us]);
  });

  it("of pairs that meet in x, one is the double of a point and the other is none", () => {
    for (const [one, other] of [
      [sum([0n, root11]), sum([0n, P - root11])],
      [sum([met, metToo]), sum([met, P - metToo])],
    ] as const) {
      expect([one.is0(), other.is0()].toSorted()).toEqual([false, true]);
    }
  });

  it("all of them in one batch, and nothing but points at infinity", () => {
    const batch = exceptions.map(([, us]) => us);
    compare(batch);
    compare(Array<Us>(7).fill([a, P - a]));
  });
});

describe("hashToCurvePairs", () => {
  let module: WebAssembly.Module;
  beforeAll(async () => {
    module = await compileEntry(
      'export { HASH_TO_CURVE_PAIRS, HASH_TO_CURVE_SCRATCH_BYTES, hashToCurvePairs, wipeHashToCurve } from "./secp256k1-hash-to-curve";',
    );
  }, 60_000);

  it.each([1, 2, 3, 7, 8, 21])("leaves the points of %i messages in pairs, the last twice if they are odd", (count) => {
    const kernel = new KernelInstance(module);
    const ids = messagesOf(count, count, 32);
    const pairs = Math.ceil(count / 2);
    const [at, tag] = [kernel.put(Buffer.concat(ids)), kernel.put(DST)];
    const [xs, ys, scratch] = [kernel.alloc(80 * pairs), kernel.alloc(80 * pairs), kernel.alloc(3 * 80 * pairs)];
    const before = kernel.get(0, kernel.bytes.length);
    kernel.call("hashToCurvePairs", at, 32, tag, DST.length, count, xs, ys, scratch);
    const lanes = ids.length % 2 === 0 ? ids : [...ids, ids.at(-1)!];
    for (const [i, id] of lanes.entries()) {
      const { x, y } = hashed(id, DST);
      const [pair, lane] = [80 * (i >> 1), i % 2];
      expect([elementAt(kernel, xs + pair, lane), elementAt(kernel, ys + pair, lane)]).toEqual([x, y]);
    }
    kernel.call("wipeHashToCurve");
    for (const area of [xs, ys]) kernel.bytes.fill(0, area, area + 80 * pairs);
    kernel.bytes.fill(0, scratch, scratch + 3 * 80 * pairs);
    expect(Buffer.compare(kernel.bytes, before), "the memory outside the outputs is as it was").toBe(0);
  });
});

describe("the isogeny's short form", () => {
  const a = KERNEL_X;
  const t = Fp.add(Fp.mul(6n, Fp.sqr(a)), Fp.mul(2n, A));
  const ninth = Fp.inv(9n);
  const twentySeventh = Fp.inv(27n);

  it("is the RFC's: denominators are powers of x − a, and the rest agrees at more places than its degree", () => {
    expect([...K2]).toEqual([Fp.sqr(a), Fp.mul(-2n, a), 1n]);
    expect([...K4]).toEqual(
      [Fp.neg(Fp.pow(a, 3n)), Fp.mul(3n, Fp.sqr(a)), Fp.mul(-3n, a), 1n].map((x) => Fp.create(x)),
    );
    for (let x = 1n; x <= 5n; x++) {
      const X = Fp.sub(x, a);
      expect(evaluate(K1, x)).toBe(Fp.mul(ninth, evaluate([28n, t, a, 1n], X)));
      expect(evaluate(K3, x)).toBe(Fp.mul(twentySeventh, evaluate([Fp.create(-56n), Fp.neg(t), 0n, 1n], X)));
      expect(evaluate([B, A, 0n, 1n], x)).toBe(evaluate([7n, Fp.div(t, 2n), Fp.mul(3n, a), 1n], X));
    }
  });

  it("has no point in its kernel: 7 is not a square", () => {
    expect(evaluate([B, A, 0n, 1n], a)).toBe(7n);
    expect(Fp.pow(7n, (P - 1n) / 2n)).toBe(P - 1n);
  });

  it("has these constants", async () => {
    const scaled = [Fp.mul(a, ninth), Fp.div(t, 81n), Fp.div(28n, 729n)];
    const expected = [2n ** 256n, 2n * a, 3n * a, Fp.neg(Fp.div(t, 6n)), 27n, ...scaled, 1n];
    expect(await constantsOf("secp256k1-hash-to-curve", 9)).toEqual(expected.map((x) => Fp.create(x)));
  });
});
