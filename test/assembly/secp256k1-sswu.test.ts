import { mapToCurveSimpleSWU } from "@noble/curves/abstract/hash-to-curve.js";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { compileKernel } from "./compile.ts";
import { elementAt, P, PAIR_BYTES, putElements } from "./secp256k1-pairs.ts";
import { KernelInstance } from "./instance.ts";
import { A, B, constantsOf, Fp, KERNEL_X, Z } from "./isogenous-curve.ts";

const map = mapToCurveSimpleSWU(Fp, { A, B, Z });
/** The kernel's X is the map's x less that of the isogeny's kernel. */
const reference = (u: bigint): readonly bigint[] => {
  const { x, y } = map(u);
  return [Fp.sub(x, KERNEL_X), y];
};

describe("mapToCurveSswu", () => {
  let module: WebAssembly.Module;
  beforeAll(async () => {
    module = await compileKernel("secp256k1-sswu");
  }, 60_000);

  /** Maps elements, lane after lane, up to eight; checks that nothing else is different in memory afterwards. */
  function mapped(us: readonly bigint[]): bigint[][] {
    const kernel = new KernelInstance(module);
    const pairs = us.length / 2;
    const at = putElements(kernel, us);
    const [xs, ys] = [kernel.alloc(PAIR_BYTES * pairs), kernel.alloc(PAIR_BYTES * pairs)];
    kernel.call("mapToCurveSswu", xs, ys, at, pairs);
    expect(us.map((_, i) => elementAt(kernel, at + PAIR_BYTES * (i >> 1), i % 2))).toEqual(us);
    return us.map((_, i) => [xs, ys].map((area) => elementAt(kernel, area + PAIR_BYTES * (i >> 1), i % 2)));
  }

  const root11 = Fp.inv(Fp.sqrt(11n));
  /** The exceptions u = 0 and Zu² = −1, and the ends of the field. */
  const edges = [0n, root11, P - root11, 1n, P - 1n, 2n, P - 2n, (P - 1n) / 2n, (P + 1n) / 2n, 2n ** 255n];

  it("agrees with noble on the exceptions and at the ends of the field, in either lane and any pair", () => {
    for (let turn = 0; turn < edges.length; turn++) {
      const us = Array.from({ length: 8 }, (_, i) => edges[(turn + i) % edges.length]!);
      expect(mapped(us)).toEqual(us.map(reference));
    }
  });

  it("agrees with noble on any elements, different in each lane, one to four pairs", () => {
    const pair = fc.tuple(fc.bigInt(0n, P - 1n), fc.bigInt(0n, P - 1n));
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 4 }), (pairs) => {
        expect(mapped(pairs.flat())).toEqual(pairs.flat().map(reference));
      }),
    );
  });

  it("leaves nothing of the elements in its scratch when it was wiped", async () => {
    const kernel = new KernelInstance(
      await compileKernel("secp256k1-sswu", {
        from: "export function wipeSswu(): void {",
        to: "export { wipeFieldBytes } from './secp256k1-field-bytes';\nexport { wipeFieldPower } from './secp256k1-field-power';\nexport function wipeSswu(): void {",
      }),
    );
    const at = putElements(kernel, [123n, 456n]);
    const out = kernel.alloc(2 * PAIR_BYTES);
    const before = kernel.get(0, kernel.bytes.length);
    kernel.call("mapToCurveSswu", out, out + PAIR_BYTES, at, 1);
    kernel.bytes.fill(0, out, out + 2 * PAIR_BYTES);
    for (const name of ["wipeFieldBytes", "wipeFieldPower"]) kernel.call(name);
    expect(Buffer.compare(kernel.bytes, before), "the control: something was left").not.toBe(0);
    kernel.call("wipeSswu");
    expect(Buffer.compare(kernel.bytes, before)).toBe(0);
  });
});

describe("the constants", () => {
  it("are what follows from the RFC's A, B and Z, and from where the isogeny's kernel lies", async () => {
    const c = Fp.div(Fp.neg(B), A);
    const power = (exponent: bigint): bigint => Fp.pow(c, exponent);
    const [sigma, ...others] = await constantsOf("secp256k1-sswu", 9);
    const root = others[5]!;
    expect(Fp.sqr(sigma!)).toBe(Fp.neg(Fp.mul(c, Z)));
    expect(Fp.sqr(root)).toBe(power(3n));
    expect(others).toEqual([
      c,
      Fp.neg(Fp.div(power(2n), Fp.add(1n, Fp.inv(Z)))),
      Fp.add(Fp.mul(3n, power(2n)), A),
      Fp.neg(Fp.mul(3n, power(4n))),
      Fp.neg(power(6n)),
      root,
      Fp.sub(KERNEL_X, c),
      1n,
    ]);
  });
});
