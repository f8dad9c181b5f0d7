/**
 * Signatures of secp256k1 as src/keys/ecdsa.ts makes them, but for the nonce: it is one of a few, of which the points are known, so
 * that none has to be computed. They are right, whoever verifies them; keys that sign so can be computed from two of them, which
 * is nothing to a simulation.
 */
import { invert } from "@noble/curves/abstract/modular.js";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";
import type { RememberedSignatures } from "./remembered-signatures.ts";

const { order } = SECP256K1_SCALARS;
/** A byte of a hash chooses among them. */
const NONCES = 256;

interface Nonce {
  readonly scalar: Uint8Array;
  readonly point: Uint8Array;
  /** What comes of its point: the first half of a signature. */
  readonly r: bigint;
  readonly inverse: bigint;
}

let shared: PooledNonces | null = null;

export class PooledNonces {
  readonly #curve = new Secp256k1();
  readonly #nonces: readonly Nonce[];

  constructor() {
    const scalars = Array.from({ length: NONCES }, (_, at) => SECP256K1_SCALARS.encode(2n ** 128n + BigInt(at)));
    const { points } = this.#curve.publicKeys(Buffer.concat(scalars));
    const size = points.length / NONCES;
    this.#nonces = scalars.map((scalar, at) => {
      const point = points.slice(at * size, (at + 1) * size);
      return { scalar, point, r: numberOf(point.subarray(1)) % order, inverse: invert(numberOf(scalar), order) };
    });
  }

  /** Those of all runs of this process: they are always the same. */
  static shared(): PooledNonces {
    shared ??= new PooledNonces();
    return shared;
  }

  /** Tells who verifies signatures of their points. */
  teach(signatures: RememberedSignatures): void {
    for (const { scalar, point } of this.#nonces) signatures.learn(scalar, point);
  }

  /** Computes a key's point, which is remembered: whoever verifies what it signs needs it. */
  meet(key: Uint8Array): void {
    this.#curve.publicKeys(key);
  }

  /** r and the smaller s, 32 bytes each. @param hash - of 32 bytes. */
  sign(key: Uint8Array, hash: Uint8Array): Uint8Array<ArrayBuffer> {
    const { r, inverse } = this.#nonces[hash[0]!]!;
    const s = (inverse * ((numberOf(hash) + r * numberOf(key)) % order)) % order;
    return Uint8Array.from([
      ...SECP256K1_SCALARS.encode(r),
      ...SECP256K1_SCALARS.encode(2n * s > order ? order - s : s),
    ]);
  }
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`);
}
