/**
 * A pRuntime's IdentityKey: the secp256k1 key by which it is known on chain, for as long as it lives. What it signs are
 * messages to the chain, its registration, and messages to other pRuntimes.
 *
 * It signs and does nothing else, so that no key agreement can be turned into a signature or the other way round; for
 * key agreement there are EcdhKeys, which come and go (ecdh-keys.ts).
 */
import { toHex } from "../bytes.ts";
import { Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { Ecdsa } from "../keys/ecdsa.ts";
import { SECP256K1_SCALARS } from "../keys/scalars.ts";
import type { PublicKey } from "../protocol/account.ts";
import type { Signer } from "../protocol/message.ts";
import type { Secret } from "../secret.ts";

/** Owns its scalar: `using key = …` or dispose it, and it is wiped. */
export class IdentityKey implements Signer, Disposable {
  readonly publicKey: PublicKey;
  readonly #secret: Secret;
  readonly #ecdsa: Ecdsa;

  /**
   * @param secret - 32 bytes, big-endian; taken over: disposed with this key, and also when this throws.
   * @param curve - of compressed points; lent for as long as this lives.
   * @throws GatekeeperError KEY_UNAVAILABLE when the bytes are no scalar from 1 to n − 1; KERNEL_UNAVAILABLE or
   * KERNEL_SELF_TEST_FAILED.
   */
  constructor(secret: Secret, curve: Secp256k1 = new Secp256k1()) {
    try {
      if (!secret.use((bytes) => SECP256K1_SCALARS.isKey(bytes))) {
        throw new GatekeeperError("KEY_UNAVAILABLE", "an IdentityKey is no secp256k1 scalar");
      }
      this.publicKey = toHex(secret.use((bytes) => curve.publicKeys(bytes)).points);
      this.#ecdsa = new Ecdsa(curve);
    } catch (error) {
      secret[Symbol.dispose]();
      throw error;
    }
    this.#secret = secret;
  }

  /** A new one, from the system's randomness; the caller owns it. @throws GatekeeperError as the constructor does. */
  static generate(curve?: Secp256k1): IdentityKey {
    return new IdentityKey(SECP256K1_SCALARS.random(), curve);
  }

  /**
   * Signs a hash in constant time, deterministically (keys/ecdsa.ts).
   * @throws GatekeeperError INVALID_ARGUMENT for another length than 32 bytes, KEY_UNAVAILABLE after dispose,
   * KERNEL_SELF_TEST_FAILED when this machine miscomputed.
   */
  sign(hash: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#ecdsa.sign(this.#secret, hash);
  }

  /** Lends the scalar (32 bytes, big-endian), to be sealed, to `body`, which must neither keep nor return it. */
  use<T>(body: (scalar: Uint8Array<ArrayBuffer>) => T): T {
    return this.#secret.use(body);
  }

  [Symbol.dispose](): void {
    this.#secret[Symbol.dispose]();
  }
}
