/** RFC 9380 §8.7 and appendix E.1 as numbers: the curve E', and its isogeny to secp256k1. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { compileEntry } from "./compile.ts";
import { EXPONENTS, elementAt, limbsAt, PAIR_BYTES } from "./secp256k1-pairs.ts";
import { KernelInstance } from "./instance.ts";

export const Fp = secp256k1.Point.Fp;
export const A = 0x3f8731abdd661adca08a5558f0f5d272e953d363cb6f0e5d405447c01a444533n;
export const B = 1771n;
export const Z = Fp.create(-11n);
/** k_(1,0) … k_(1,3) */
export const K1 = [
  0x8e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38daaaaa8c7n,
  0x7d3d4c80bc321d5b9f315cea7fd44c5d595d2fc0bf63b92dfff1044f17c6581n,
  0x534c328d23f234e6e2a413deca25caece4506144037c40314ecbd0b53d9dd262n,
  0x8e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38e38daaaaa88cn,
] as const;
/** k_(2,0), k_(2,1), 1 */
export const K2 = [
  0xd35771193d94918a9ca34ccbb7b640dd86cd409542f8487d9fe6b745781eb49bn,
  0xedadc6f64383dc1df7c4b2d51b54225406d36b641f5e41bbc52a56612a8c6d14n,
  1n,
] as const;
/** k_(3,0) … k_(3,3) */
export const K3 = [
  0x4bda12f684bda12f684bda12f684bda12f684bda12f684bda12f684b8e38e23cn,
  0xc75e0c32d5cb7c0fa9d0a54b12a0a6d5647ab046d686da6fdffc90fc201d71a3n,
  0x29a6194691f91a73715209ef6512e576722830a201be2018a765e85a9ecee931n,
  0x2f684bda12f684bda12f684bda12f684bda12f684bda12f684bda12f38e38d84n,
] as const;
/** k_(4,0) … k_(4,2), 1 */
export const K4 = [
  0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffff93bn,
  0x7a06534bb8bdb49fd5e9e6632722c2989467c1bfc8e8d978dfb425d2685c2573n,
  0x6484aa716545ca2cf3a70c3fa8fe337e0a3d21162f0d6299a7bf8192bfd2a76fn,
  1n,
] as const;
/** Where the kernel of the isogeny lies. */
export const KERNEL_X = Fp.div(Fp.neg(K2[1]), 2n);

/** A polynomial's value; the constant term first. */
export function evaluate(coefficients: readonly bigint[], x: bigint): bigint {
  return coefficients.reduceRight((sum, coefficient) => Fp.add(Fp.mul(sum, x), coefficient), 0n);
}

/**
 * The table CONSTANTS of assembly/`file`.
 * @throws Error where the lanes differ, or a limb is not as secp256k1-field.ts wants it: reduced
 */
export async function constantsOf(file: string, count: number): Promise<bigint[]> {
  const path = resolve(fileURLToPath(new URL("../../assembly", import.meta.url)), `${file}.ts`);
  const table = "\nconst CONSTANTS: usize";
  const module = await compileEntry(`export { CONSTANTS } from "./${file}";`, (at, source) =>
    at === path ? source.replace(table, table.replace("const", "export const")) : source,
  );
  const kernel = new KernelInstance(module);
  return Array.from({ length: count }, (_, n) => {
    const at = kernel.constant("CONSTANTS") + PAIR_BYTES * n;
    const limbs = limbsAt(kernel, at, 0);
    const alike = limbsAt(kernel, at, 1).every((limb, i) => limb === limbs[i]);
    const reduced = limbs.every(
      (limb, i) => limb % 2 ** EXPONENTS[i]! === 0 && Math.abs(limb) <= 2 ** (EXPONENTS[i + 1]! - 1),
    );
    if (!alike || !reduced) throw new Error(`constant ${n} of ${file}.ts is not in the form of a constant`);
    return elementAt(kernel, at, 0);
  });
}
