/**
 * The known-answer check of the kernels of secp256k1, which every Secp256k1 runs before its first batch: a WebAssembly
 * file that was altered, a machine that miscomputes, or one whose multiply-add rounds twice, is refused.
 *
 * Batches have an odd number of items, of which each lane meets some: with scalars and points of a sample, what is none,
 * equal points and opposite ones, and signatures, of which one was published. The digests of what comes out are constants
 * here; test/engine/secp256k1-self-test.test.ts computes them anew with @noble/curves.
 */
import { createHash } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import type { Points, Secp256k1 } from "./secp256k1.ts";
import { failed, sampleByte } from "./self-test.ts";

/** What comes out of a batch of points. */
interface Answer {
  /** The items that it must refuse. */
  readonly invalid: readonly number[];
  /** SHA-256 of the other points, one after the other. */
  readonly digest: string;
}

type PointsMethod = "publicKeys" | "multiplyAll" | "multiplyEach" | "combine" | "partials" | "multiScalar";

/** What the sample's batches come to. */
export const CURVE_EXPECTED: Readonly<Record<PointsMethod, Answer>> = {
  publicKeys: { invalid: [0], digest: "0bc317f742c6a910ba3286912c16c73990dd01ebb0489c871c7984c8155c3ede" },
  multiplyAll: { invalid: [0], digest: "d9889fdfec64fd1d87fc824b1fe299c719e9af5b78958b0f6d2f102670bb6f77" },
  multiplyEach: { invalid: [0], digest: "c47a84fcfdc63f75e33b8245682ff62ad4793c7596423c3a554aec82e0f28df1" },
  partials: { invalid: [], digest: "6d9709251b4767f222012c274fcdb2a21a6e61838802be088123c6e1d9b694c1" },
  multiScalar: { invalid: [], digest: "ab1bde87a00f261ae77de19387db7174191d68156ed88656c87c7854907134d4" },
  combine: { invalid: [1], digest: "f81c7dbe794f3899ff41049e230b77db1724726c98a472386ec96ea879f53c78" },
};

/** RFC 9380 appendix J.8.1: what the message hashes to, compressed. */
export const PUBLISHED_HASH = {
  message: "abc",
  dst: "QUUX-V01-CS02-with-secp256k1_XMD:SHA-256_SSWU_RO_",
  point: "023377e01eab42db296b512293120c6cee72b6ecf9f9205760bd9ff11fb3cb2c4b",
} as const;

/** Deterministic ECDSA over secp256k1 with SHA-256: https://bitcointalk.org/index.php?topic=285142.msg3299061 */
export const PUBLISHED_SIGNATURE = {
  privateKey: "f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181",
  message: "Alan Turing",
  r: "7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c",
  s: "58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea",
} as const;

const SCALAR_BYTES = 32;
const POINT_BYTES = 33;
const UNCOMPRESSED_BYTES = 65;
/** n (SEC 2 §2.4.1), the least number that is above every scalar. */
const ORDER = Buffer.from("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "hex");
const ZERO = Buffer.alloc(SCALAR_BYTES);
const ONE = Buffer.from([...ZERO.subarray(1), 1]);
/** x = 5: 5³ + 7 is no square. */
const NO_POINT = Buffer.from([2, ...ZERO.subarray(1), 5]);

/** Number `n` of the sample's scalars: a pattern, as self-test.ts has them. */
function sampleScalar(n: number): Buffer {
  return Buffer.from(Array.from(ZERO, (_, i) => sampleByte(n, i)));
}

/**
 * Runs the check. Nothing of the sample is left in the kernels' memory.
 * @param curve, uncompressed - of the same kernels, for points in either form.
 * @throws GatekeeperError KERNEL_SELF_TEST_FAILED, naming the kernel.
 */
export function secp256k1SelfTest(curve: Secp256k1, uncompressed: Secp256k1): void {
  try {
    checkHash(curve);
    checkSignatures(curve, checkPoints(curve, uncompressed));
  } catch (error) {
    // A method that refuses the sample's scalars, which are some, is as wrong.
    if (error instanceof GatekeeperError && error.code === "INVALID_ARGUMENT") throw failed("secp256k1 scalars");
    throw error;
  }
}

/** The published hash, and an odd number of others times a scalar. */
function checkHash(curve: Secp256k1): void {
  const { message, dst, point } = PUBLISHED_HASH;
  const hashed = curve.hashToCurve(Buffer.from(message), message.length, Buffer.from(dst));
  if (Buffer.from(hashed).toString("hex") !== point) throw failed("secp256k1 hash to curve");
  const messages = Buffer.concat([14, 15, 16].map(sampleScalar));
  const points = curve.partials(messages, SCALAR_BYTES, Buffer.from(dst), sampleScalar(11));
  check("partials", { points, invalid: [] });
}

/**
 * Each batch takes the points that those before have made, so that many are read. The sample's scalars are some that make
 * every limb of an x, as it is read, overflow in two of those points at least, and not in all.
 * @returns the public key of the published signature.
 */
function checkPoints(curve: Secp256k1, uncompressed: Secp256k1): Buffer {
  const privateKey = Buffer.from(PUBLISHED_SIGNATURE.privateKey, "hex");
  const scalars = Buffer.concat([ORDER, sampleScalar(10), privateKey]);
  const [, a, b] = check("publicKeys", curve.publicKeys(scalars)) as Triple;
  const factor = sampleScalar(11);
  const [, c, d] = check("multiplyAll", curve.multiplyAll(Buffer.concat([NO_POINT, a, b]), factor)) as Triple;
  const factors = Buffer.concat([ORDER, sampleScalar(12), sampleScalar(13)]);
  const [, e, f] = check("multiplyEach", curve.multiplyEach(Buffer.concat([a, c, d]), factors)) as Triple;
  const opposite = Buffer.from(d);
  opposite[0]! ^= 1;
  // Twice a point, infinity, and another sum.
  const rows = [Buffer.concat([a, b, e]), Buffer.concat([c, opposite, f])];
  const [g, , h] = check("combine", curve.combine(rows, Buffer.concat([factor, ONE]))) as Triple;
  const all = Buffer.concat([a, b, c, d, e, f, g, h]);
  // Their weights are 128 bits of the sample's scalars; the same point twice meets itself in a bucket.
  const weights = Buffer.concat([20, 21, 22, 23, 24, 25, 26, 27, 20].map((n) => sampleScalar(n).subarray(16)));
  const { point: sum, invalid: none } = curve.multiScalar(Buffer.concat([all, a]), weights);
  check("multiScalar", { points: sum ?? Uint8Array.of(), invalid: none });
  const { points, invalid } = uncompressed.convert(Buffer.concat([all, NO_POINT]), "compressed");
  const back = curve.convert(points.subarray(0, 8 * UNCOMPRESSED_BYTES), "uncompressed");
  if (invalid.join() !== "8" || back.invalid.length > 0 || Buffer.compare(back.points, all) !== 0) {
    throw failed("secp256k1 convert");
  }
  return b;
}

type Triple = readonly [Buffer, Buffer, Buffer];

/** The points of a batch, each by itself. */
function check(method: PointsMethod, { points, invalid }: Points): readonly Buffer[] {
  const items = Array.from({ length: points.length / POINT_BYTES }, (_, i) =>
    Buffer.from(points.subarray(i * POINT_BYTES, (i + 1) * POINT_BYTES)),
  );
  const expected = CURVE_EXPECTED[method];
  const hash = createHash("sha256");
  for (const [i, item] of items.entries()) if (!expected.invalid.includes(i)) hash.update(item);
  if (invalid.join() !== expected.invalid.join() || hash.digest("hex") !== expected.digest) {
    throw failed(`secp256k1 ${method}`);
  }
  return items;
}

/** Right signatures and wrong ones in both lanes. */
function checkSignatures(curve: Secp256k1, publicKey: Buffer): void {
  const { message } = PUBLISHED_SIGNATURE;
  const r = Buffer.from(PUBLISHED_SIGNATURE.r, "hex");
  const s = Buffer.from(PUBLISHED_SIGNATURE.s, "hex");
  const hash = createHash("sha256").update(message).digest();
  const hashes = Buffer.concat([hash, ONE, ONE, hash, hash]);
  const signatures = Buffer.concat([r, s, r, s, r, s, r, s, r, ZERO]);
  const publicKeys = Buffer.concat(Array<Buffer>(5).fill(publicKey));
  if (curve.invalidSignatures(hashes, signatures, publicKeys).join() !== "1,2,4") throw failed("secp256k1 ECDSA");
}
