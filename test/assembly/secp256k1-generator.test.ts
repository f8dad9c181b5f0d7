import { createECDH } from "node:crypto";
import * as nobleSecp256k1 from "@noble/secp256k1";
import { describe, expect, test } from "vitest";
import { publicKeys } from "./secp256k1-batch.ts";
import { KernelInstance } from "./instance.ts";
import { bigEndian, COMPLEMENT, modulo, ORDER, scalarOf } from "./secp256k1-numbers.ts";
import { hexesOf, LAMBDA, progression, scalarBytes, scalarProgression, times } from "./secp256k1-points.ts";

/** Scalars at which a recoding or an addition of the comb may go wrong. */
const EDGES: readonly bigint[] = [
  ...[1n, 2n, 3n, 4n, 30n, 31n, 32n, 33n, 62n, 63n, 64n],
  ...[1n, 2n, 3n, 32n].map((small) => ORDER - small),
  (ORDER - 1n) / 2n,
  (ORDER + 1n) / 2n,
  // 2^256 − 2^bits + c is what recodeComb recodes in another way: c for windows of 5 bits, 15·2^253 − n for others.
  ...[250n, 252n, 253n, 254n, 255n, 256n].flatMap((bits) =>
    [-2n, -1n, 0n, 1n, 2n].map((by) => 2n ** 256n - 2n ** bits + COMPLEMENT + by),
  ),
  15n * 2n ** 253n - ORDER,
  LAMBDA,
  26n * LAMBDA,
  ...Array.from({ length: 52 }, (_, window) => 2n ** BigInt(5 * window)),
  ...[255n, 254n, 128n].map((bits) => 2n ** bits - 1n),
].map(modulo);

describe("public keys", () => {
  test("every scalar that is peculiar, with each other in a batch", () => {
    const keys = EDGES.map((scalar) => times(scalar));
    const expected = { statuses: keys.map(() => 1), points: hexesOf(keys) };
    expect(publicKeys(scalarBytes(EDGES))).toMatchObject(expected);
    // The other lane's.
    const { points } = publicKeys(scalarBytes([5n, ...EDGES]));
    expect(points.slice(1)).toEqual(expected.points);
  });

  const [first, step] = [scalarOf("public keys, first"), scalarOf("public keys, step")];
  const scalars = scalarProgression(2_049, first, step);
  const keys = hexesOf(progression(2_049, times(first), times(step)));

  test.each([0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 1_023, 1_024, 1_025, 1_026, 1_150, 1_151, 2_049])(
    "%i scalars",
    (count) => {
      expect(publicKeys(scalarBytes(scalars.slice(0, count)))).toMatchObject({
        statuses: keys.slice(0, count).map(() => 1),
        points: keys.slice(0, count),
      });
    },
  );

  test("what is no scalar, between good ones in either lane", () => {
    const bad = new Map<number, bigint>([
      [0, 0n],
      [3, ORDER],
      [6, ORDER + 1n],
      [1_023, 2n ** 256n - 1n],
      [1_024, 0n],
    ]);
    const count = 1_025;
    const { statuses, points } = publicKeys(scalarBytes(scalars.slice(0, count).map((k, i) => bad.get(i) ?? k)));
    expect(statuses).toEqual(Array.from({ length: count }, (_, i) => (bad.has(i) ? 0 : 1)));
    expect(points.filter((_, i) => !bad.has(i))).toEqual(keys.slice(0, count).filter((_, i) => !bad.has(i)));
  });

  test("agrees with node:crypto and @noble/secp256k1", () => {
    const { points } = publicKeys(scalarBytes(scalars.slice(0, 8)));
    scalars.slice(0, 8).forEach((scalar, i) => {
      const ecdh = createECDH("secp256k1");
      ecdh.setPrivateKey(bigEndian(scalar));
      expect(points[i]).toBe(ecdh.getPublicKey("hex", "compressed"));
      expect(points[i]).toBe(Buffer.from(nobleSecp256k1.getPublicKey(bigEndian(scalar))).toString("hex"));
    });
  });

  test("the first call, which makes the table, gives what later ones give, in a room full of NaN", () => {
    const kernels = new KernelInstance();
    const work = kernels.alloc(kernels.constant("secp256k1GeneratorWorkBytes"));
    const at = kernels.put(scalarBytes(scalars.slice(0, 5)));
    const [out, valid] = [kernels.alloc(33 * 5), kernels.alloc(5)];
    for (let call = 0; call < 2; call++) {
      kernels.bytes.fill(0xff, work, work + kernels.constant("secp256k1GeneratorWorkBytes"));
      kernels.call("secp256k1PublicKeys", at, 33, out, 5, valid, work);
      expect(Buffer.from(kernels.get(out, 33 * 5)).toString("hex")).toBe(keys.slice(0, 5).join(""));
    }
  });
});
