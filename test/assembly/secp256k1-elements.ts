/** Pairs of field elements of secp256k1 as numbers, in and out of the memory of a build that has them as bytes too. */
import { KernelInstance } from "./instance.ts";
import { bigEndian, fromBigEndian, SCALAR_BYTES } from "./secp256k1-numbers.ts";

export const PAIR_BYTES = 80;
/** What an entry has to export beside what it is for. */
export const ELEMENT_EXPORTS = `export { fromBytes, toBytes } from "./secp256k1-field-bytes";`;

/** An element in lane 0 and one in lane 1. */
export type Pair = readonly [bigint, bigint];

export class ElementInstance extends KernelInstance {
  readonly #lane0 = this.alloc(2 * SCALAR_BYTES);

  /** Address of pairs, `stride` bytes from one to the next. */
  putPairs(pairs: readonly Pair[], stride = PAIR_BYTES): number {
    const at = this.alloc(Math.max(0, (pairs.length - 1) * stride) + PAIR_BYTES);
    pairs.forEach((pair, i) => {
      this.setPair(at + i * stride, pair);
    });
    return at;
  }

  setPair(at: number, pair: Pair): void {
    pair.forEach((element, lane) => {
      this.bytes.set(bigEndian(element), this.#lane0 + lane * SCALAR_BYTES);
    });
    this.call("fromBytes", at, this.#lane0, this.#lane0 + SCALAR_BYTES);
  }

  pairAt(at: number): Pair {
    this.call("toBytes", at, this.#lane0, this.#lane0 + SCALAR_BYTES);
    const [lane0, lane1] = [0, SCALAR_BYTES].map((lane) => fromBigEndian(this.get(this.#lane0 + lane, SCALAR_BYTES)));
    return [lane0!, lane1!];
  }

  pairsAt(at: number, count: number, stride = PAIR_BYTES): Pair[] {
    return Array.from({ length: count }, (_, i) => this.pairAt(at + i * stride));
  }
}
