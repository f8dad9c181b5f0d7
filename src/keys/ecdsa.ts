/**
 * ECDSA over secp256k1 (SEC 1 §4.1.3) of a hash of 32 bytes: nonces of RFC 6979, the smaller s, in constant time.
 *
 *   R = k·G,  r = x(R) mod n,  s = k⁻¹·(z + r·d) mod n
 *
 * Of what is secret, the key d and the nonce k, nothing becomes a JavaScript number: R is made by the kernel that
 * multiplies the generator in constant time, and products modulo n by the kernel of scalars. Only the inverse is taken
 * with bigints, in a time that tells of its argument, and of a blinded one:
 *
 *   s = (b·k)⁻¹ · b·(z + r·d)  for a random b
 *
 * b is uniform from 1 to n − 1 and k is not 0, so b·k is uniform too, whatever k, d and the signature are: neither the
 * time that it is inverted in nor a bigint that the garbage collector has not found yet tells anything of them. b is used
 * once and wiped, and k⁻¹ never comes into being.
 *
 * What the program branches on:
 * - whether k is out of its range, or r or s is 0. No signature comes of that, and the next nonce is as good as
 *   independent of this one. (r is 0 for the two points with x = n; there is none with x = 0.)
 * - whether s is the larger one, so that n − s is given out. k and n − k lead to the same r and to s and n − s, so given
 *   the key and the signature that comes out, both were equally likely: which it was tells nothing of either. That
 *   comparison and subtraction are done with bigints.
 *
 * What is given out has been verified. Under a nonce that depends on nothing but key and hash, a right signature and one
 * that was miscomputed would give d together.
 */
import { invert } from "@noble/curves/abstract/modular.js";
import { bytesToNumberBE } from "@noble/curves/utils.js";
import { HmacSha256 } from "../engine/hmac-sha256.ts";
import { POINT_BYTES, SIGNATURE_BYTES, Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { Secret, secretCopy } from "../secret.ts";
import { DeterministicNonces } from "./deterministic-nonces.ts";
import { SCALAR_BYTES, SECP256K1_SCALARS } from "./scalars.ts";

/** Bytes of a hash that is signed. */
const HASH_BYTES = 32;
const ZERO = new Uint8Array(SCALAR_BYTES);
const ONE = SECP256K1_SCALARS.encode(1n);

/** k·G and d·G. */
interface PublicPoints {
  readonly nonce: Uint8Array;
  readonly key: Uint8Array;
}

/** Signs, on kernels of its own. */
export class Ecdsa {
  readonly #curve: Secp256k1;
  readonly #hmac: HmacSha256;

  /**
   * @param curve - of compressed points; lent for as long as this lives.
   * @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation.
   */
  constructor(curve: Secp256k1 = new Secp256k1(), hmac: HmacSha256 = new HmacSha256()) {
    this.#curve = curve;
    this.#hmac = hmac;
  }

  /**
   * r and s, 32 bytes each, big-endian.
   * @param key - a scalar from 1 to n − 1, big-endian; stays the caller's.
   * @param hash - 32 bytes, public.
   * @throws GatekeeperError INVALID_ARGUMENT when one of them is none, KERNEL_SELF_TEST_FAILED when this machine
   * miscomputed: do not use it.
   */
  sign(key: Secret, hash: Uint8Array): Uint8Array<ArrayBuffer> {
    if (hash.length !== HASH_BYTES) {
      throw new GatekeeperError("INVALID_ARGUMENT", `what is signed has ${HASH_BYTES} bytes, not ${hash.length}`);
    }
    if (!key.use((bytes) => SECP256K1_SCALARS.isKey(bytes))) {
      throw new GatekeeperError("INVALID_ARGUMENT", "a key that signs is a number from 1 to n − 1");
    }
    const z = this.#curve.multiplyAddScalars(hash, ONE, ZERO);
    using nonces = new DeterministicNonces(this.#hmac, key, z);
    for (;;) {
      using nonce = nonces.next();
      const points = this.#publicPoints(nonce, key);
      const r = this.#curve.multiplyAddScalars(points.nonce.subarray(1), ONE, ZERO);
      const s = isZero(r) ? r : this.#secondHalf(key, nonce, r, z);
      if (isZero(s)) continue;
      const signature = new Uint8Array(SIGNATURE_BYTES);
      signature.set(r);
      signature.set(smaller(s), SCALAR_BYTES);
      if (this.#curve.invalidSignatures(hash, signature, points.key).length === 0) return signature;
      throw new GatekeeperError("KERNEL_SELF_TEST_FAILED", "a signature came out wrong: this machine miscomputes");
    }
  }

  /** Two points cost as much as one. */
  #publicPoints(nonce: Secret, key: Secret): PublicPoints {
    const scalars = secretCopy(new Uint8Array(2 * SCALAR_BYTES));
    nonce.use((bytes) => scalars.set(bytes));
    key.use((bytes) => scalars.set(bytes, SCALAR_BYTES));
    const { points } = this.#curve.publicKeys(scalars);
    scalars.fill(0);
    const size = POINT_BYTES.compressed;
    return { nonce: points.subarray(0, size), key: points.subarray(size) };
  }

  /** k⁻¹·(z + r·d). */
  #secondHalf(key: Secret, nonce: Secret, r: Uint8Array, z: Uint8Array): Uint8Array<ArrayBuffer> {
    using blinding = SECP256K1_SCALARS.random();
    using sum = key.use((d) => this.#multiplyAdd(d, r, z));
    using blindedSum = blinding.use((b) => sum.use((bytes) => this.#multiplyAdd(bytes, b, ZERO)));
    using blindedNonce = blinding.use((b) => nonce.use((k) => this.#multiplyAdd(k, b, ZERO)));
    const inverse = blindedNonce.use((bytes) => invert(bytesToNumberBE(bytes), SECP256K1_SCALARS.order));
    const factor = SECP256K1_SCALARS.encode(inverse);
    return blindedSum.use((bytes) => this.#curve.multiplyAddScalars(bytes, factor, ZERO));
  }

  #multiplyAdd(a: Uint8Array, b: Uint8Array, c: Uint8Array): Secret {
    return new Secret(this.#curve.multiplyAddScalars(a, b, c));
  }
}

/** The smaller of s and n − s. */
function smaller(s: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { order } = SECP256K1_SCALARS;
  const value = bytesToNumberBE(s);
  return 2n * value > order ? SECP256K1_SCALARS.encode(order - value) : s;
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
