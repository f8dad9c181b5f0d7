/**
 * MasterKey generations in the pre-mainnet mode of one shared key (threshold t = 1): a secp256k1 scalar (SEC 2 §2.4.1)
 * with its rotation id.
 *
 * Limits: whoever holds the scalar holds every contract key of its generation. The scalar stays bytes: it is multiplied
 * in WebAssembly, in constant time, and never becomes a JavaScript number.
 */
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { checkRotationId } from "./rotation-id.ts";
import { SCALAR_BYTES, SECP256K1_SCALARS } from "./scalars.ts";

/** Bytes of a MasterKey's scalar, big-endian. */
export const MASTER_KEY_BYTES = SCALAR_BYTES;

/** One generation of the MasterKey. Owns its scalar: `using key = …` or dispose it, and it is wiped. */
export class MasterKey implements Disposable {
  readonly rotationId: number;
  readonly #scalar: Secret;

  /**
   * @param scalar - 32 bytes, big-endian; taken over: disposed with this key, and also when this throws.
   * @throws GatekeeperError INVALID_ARGUMENT on a rotation id that is not u32, KEY_UNAVAILABLE when the bytes are no
   * scalar from 1 to n − 1.
   */
  constructor(rotationId: number, scalar: Secret) {
    try {
      checkRotationId(rotationId);
      if (!scalar.use((bytes) => SECP256K1_SCALARS.isKey(bytes))) {
        throw new GatekeeperError("KEY_UNAVAILABLE", `MasterKey ${rotationId} is not a secp256k1 scalar`, {
          rotationId,
        });
      }
    } catch (error) {
      scalar[Symbol.dispose]();
      throw error;
    }
    this.rotationId = rotationId;
    this.#scalar = scalar;
  }

  /** Lends the scalar (32 bytes, big-endian) to `body`, which must neither keep nor return it. */
  use<T>(body: (scalar: Uint8Array<ArrayBuffer>) => T): T {
    return this.#scalar.use(body);
  }

  /** A second, independent owner of the same generation. */
  clone(): MasterKey {
    return new MasterKey(this.rotationId, this.#scalar.clone());
  }

  [Symbol.dispose](): void {
    this.#scalar[Symbol.dispose]();
  }
}

/**
 * A new MasterKey from the system's randomness; the caller owns it.
 * @throws GatekeeperError INVALID_ARGUMENT on a rotation id that is not u32.
 */
export function generateMasterKey(rotationId: number): MasterKey {
  return new MasterKey(rotationId, SECP256K1_SCALARS.random());
}
