/** Elements of secp256k1's field as assembly/secp256k1-field.ts keeps them, read as numbers. */
import type { KernelInstance } from "./instance.ts";

export const P = 2n ** 256n - 2n ** 32n - 977n;
/** E_0 … E_5: limb i is a multiple of 2^E_i, and reduced at most half of 2^E_i+1. */
export const EXPONENTS = [0, 52, 103, 154, 205, 256] as const;
export const PAIR_BYTES = 80;

/** The limbs of a lane of a pair. */
export function limbsAt(kernel: KernelInstance, at: number, lane: number): number[] {
  const doubles = new Float64Array(kernel.memory.buffer, at, PAIR_BYTES / 8);
  return [0, 1, 2, 3, 4].map((i) => doubles[2 * i + lane]!);
}

/** The element of a lane of a pair, from 0 to p − 1. */
export function elementAt(kernel: KernelInstance, at: number, lane: number): bigint {
  const sum = limbsAt(kernel, at, lane).reduce((total, limb) => total + BigInt(limb), 0n);
  return ((sum % P) + P) % P;
}

/** Address of elements as pairs, lane after lane: an even number of them, from 0 to p − 1. */
export function putElements(kernel: KernelInstance, elements: readonly bigint[]): number {
  const at = kernel.alloc((PAIR_BYTES / 2) * elements.length);
  const doubles = new Float64Array(kernel.memory.buffer, at, 5 * elements.length);
  for (const [n, element] of elements.entries()) {
    let rest = element > P / 2n ? element - P : element;
    for (let i = 0; i < 5; i++) {
      const bits = EXPONENTS[i + 1]! - EXPONENTS[i]!;
      // What a limb lacks or has too much, the next one gets; nothing is left for the last to lose.
      const limb = i < 4 ? BigInt.asIntN(bits, rest) : rest;
      doubles[10 * (n >> 1) + 2 * i + (n % 2)] = Number(limb) * 2 ** EXPONENTS[i]!;
      rest = (rest - limb) >> BigInt(bits);
    }
  }
  return at;
}
