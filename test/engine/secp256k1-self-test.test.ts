import { createHash } from "node:crypto";
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { describe, expect, it } from "vitest";
import { Kernels } from "../../src/engine/kernels.ts";
import {
  CURVE_EXPECTED,
  PUBLISHED_HASH,
  PUBLISHED_SIGNATURE,
  secp256k1SelfTest,
} from "../../src/engine/secp256k1-self-test.ts";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { sampleByte, selfTest } from "../../src/engine/self-test.ts";
import { foundIn } from "./leftovers.ts";

const { Point } = secp256k1;

/** Number `n` of the sample's scalars. */
function scalarBytes(n: number): Buffer {
  return Buffer.from(Array.from({ length: 32 }, (_, i) => sampleByte(n, i)));
}

function scalar(n: number): bigint {
  return BigInt(`0x${scalarBytes(n).toString("hex")}`);
}

function digestOf(points: readonly InstanceType<typeof Point>[]): string {
  const hash = createHash("sha256");
  for (const point of points) hash.update(point.toBytes(true));
  return hash.digest("hex");
}

describe("the known-answer check of the curve", () => {
  it("expects the points that noble computes", () => {
    const factor = scalar(11);
    const [a, b] = [
      Point.BASE.multiply(scalar(10)),
      Point.BASE.multiply(BigInt(`0x${PUBLISHED_SIGNATURE.privateKey}`)),
    ];
    const [c, d] = [a.multiply(factor), b.multiply(factor)];
    const [e, f] = [c.multiply(scalar(12)), d.multiply(scalar(13))];
    const [g, h] = [a.multiply(factor).add(c), e.multiply(factor).add(f)];
    const digests = Object.entries(CURVE_EXPECTED).map(([method, { digest }]) => [method, digest]);
    expect(Object.fromEntries(digests)).toEqual({
      publicKeys: digestOf([a, b]),
      multiplyAll: digestOf([c, d]),
      multiplyEach: digestOf([e, f]),
      partials: digestOf(
        [14, 15, 16].map((n) =>
          (secp256k1_hasher.hashToCurve(scalarBytes(n), { DST: PUBLISHED_HASH.dst }) as typeof a).multiply(factor),
        ),
      ),
      multiScalar: digestOf([
        [a, b, c, d, e, f, g, h, a]
          .map((point, i) => point.multiply(scalar(i === 8 ? 20 : 20 + i) & (2n ** 128n - 1n)))
          .reduce((sum, point) => sum.add(point)),
      ]),
      combine: digestOf([g, h]),
    });
  });

  it("holds the signature that was published, which noble makes too", () => {
    const { privateKey, message, r, s } = PUBLISHED_SIGNATURE;
    const signature = secp256k1.sign(Buffer.from(message), Buffer.from(privateKey, "hex"));
    expect(Buffer.from(signature).toString("hex")).toBe(r + s);
  });

  it("passes on the built kernels and leaves nothing of the sample behind", () => {
    const kernels = new Kernels();
    new Secp256k1("compressed", kernels);
    const scalars = [10, 11, 12, 13].map((n) => ({ name: `scalar ${n}`, bytes: scalarBytes(n) }));
    const privateKey = Buffer.from(PUBLISHED_SIGNATURE.privateKey, "hex");
    const points = [...scalars.map(({ bytes }) => bytes), privateKey].map((bytes, i) => ({
      name: `public key ${i}`,
      bytes: secp256k1.getPublicKey(bytes).subarray(1),
    }));
    const searched = [...scalars, { name: "private key", bytes: privateKey }, ...points];
    expect(foundIn(kernels.bytes, searched)).toEqual([]);
    const host = kernels.bytes.subarray(kernels.constant("HEAP_BASE"));
    expect(Buffer.from(host).equals(new Uint8Array(host.length))).toBe(true);
  });

  it("gives back what was allocated in kernels that are shared, and works behind others", () => {
    const kernels = new Kernels();
    const before = kernels.alloc(1);
    kernels.alloc(1_000_000);
    const curve = new Secp256k1("compressed", kernels);
    expect(kernels.alloc(1)).toBe(before);
    selfTest(kernels);
    secp256k1SelfTest(curve, new Secp256k1("uncompressed", kernels));
  });
});
