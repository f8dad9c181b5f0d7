/** The system's randomness from a seed, so that a run which is repeated draws the same keys, polynomials and nonces. */
import crypto, { createCipheriv, createHash } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/** Replaces `randomFillSync` and `randomBytes` in this process until it is disposed. */
export class SeededRandomness implements Disposable {
  readonly #system = { randomFillSync: crypto.randomFillSync, randomBytes: crypto.randomBytes };
  readonly #stream;
  #witness: ((drawn: Uint8Array) => void) | null = null;

  constructor(seed: number) {
    const key = createHash("sha256").update(`simulation ${seed}`).digest();
    this.#stream = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
    this.#replace({
      randomFillSync: (bytes: Uint8Array, offset = 0, size = bytes.length - offset) => {
        bytes.set(this.#draw(size), offset);
        return bytes;
      },
      randomBytes: (size: number) => this.#draw(size),
    });
  }

  /** Shows whatever is drawn during a call to a witness. */
  witnessed<T>(witness: (drawn: Uint8Array) => void, call: () => T): T {
    this.#witness = witness;
    try {
      return call();
    } finally {
      this.#witness = null;
    }
  }

  [Symbol.dispose](): void {
    this.#replace(this.#system);
  }

  #draw(size: number): Buffer {
    const drawn = this.#stream.update(new Uint8Array(size));
    this.#witness?.(drawn);
    return drawn;
  }

  #replace(sources: { readonly randomFillSync: unknown; readonly randomBytes: unknown }): void {
    Object.assign(crypto, sources);
    syncBuiltinESMExports();
  }
}
