/**
 * The nonces of deterministic ECDSA (RFC 6979 §3.2), with HMAC-SHA-256, for an order of 256 bits: a generator from the
 * secret key and the hash that is signed, whose every output is a nonce if it lies from 1 to n − 1.
 *
 * As a hash is as long as the order, T of step h is one V, and bits2int changes nothing. Whether an output lies in its
 * range is the one thing that steers the program, and says nothing of the nonce: outputs are as good as random, so those
 * that are thrown away (one in 2^128) are independent of the one that is kept.
 */
import type { HmacSha256 } from "../engine/hmac-sha256.ts";
import { Secret } from "../secret.ts";
import { SCALAR_BYTES, SECP256K1_SCALARS } from "./scalars.ts";

const ZERO_BYTE = Uint8Array.of(0);
const ONE_BYTE = Uint8Array.of(1);

/** The nonces for one hash under one key. Owns its state: `using nonces = …`, and it is wiped. */
export class DeterministicNonces implements Disposable {
  readonly #hmac: HmacSha256;
  #key: Secret;
  #value: Secret;
  #used = false;

  /**
   * Steps a to g.
   * @param hmac - lent for as long as this lives.
   * @param secretKey - a scalar from 1 to n − 1; stays the caller's.
   * @param hash - the hash modulo n, SCALAR_BYTES.
   */
  constructor(hmac: HmacSha256, secretKey: Secret, hash: Uint8Array) {
    this.#hmac = hmac;
    this.#value = new Secret(new Uint8Array(SCALAR_BYTES).fill(1));
    this.#key = new Secret(new Uint8Array(SCALAR_BYTES));
    secretKey.use((x) => {
      this.#mix([ZERO_BYTE, x, hash]);
      this.#mix([ONE_BYTE, x, hash]);
    });
  }

  /** Step h: the next nonce, to be asked for again if the one before made no signature. The caller owns it. */
  next(): Secret {
    for (;;) {
      if (this.#used) this.#mix([ZERO_BYTE]);
      this.#used = true;
      this.#step();
      if (this.#value.use((bytes) => SECP256K1_SCALARS.isKey(bytes))) return this.#value.clone();
    }
  }

  [Symbol.dispose](): void {
    this.#key[Symbol.dispose]();
    this.#value[Symbol.dispose]();
  }

  /** K = HMAC_K(V ‖ pieces), V = HMAC_K(V). */
  #mix(pieces: readonly Uint8Array[]): void {
    using old = this.#key;
    this.#key = this.#value.use((value) => this.#hmac.tag(old, [value, ...pieces]));
    this.#step();
  }

  /** V = HMAC_K(V). */
  #step(): void {
    using old = this.#value;
    this.#value = old.use((value) => this.#hmac.tag(this.#key, [value]));
  }
}
