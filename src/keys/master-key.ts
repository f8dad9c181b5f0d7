/**
 * MasterKey generations in the pre-mainnet mode of one shared key (threshold t = 1): a secp256k1 scalar (SEC 2 §2.4.1)
 * with its rotation id.
 *
 * Limits: whoever holds the scalar holds every contract key of its generation. The scalar stays bytes here; OpenSSL
 * multiplies it (ECDH of node:crypto: a Montgomery ladder with a fixed schedule), so it never becomes a JavaScript
 * number.
 */
import { createECDH, type ECDH, randomFillSync } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";

/** Bytes of a MasterKey's scalar, big-endian. */
export const MASTER_KEY_BYTES = 32;
/** Rotation ids are u32: sealed states hold them in four bytes. */
export const ROTATION_ID_MAX = 0xffff_ffff;

const CURVE = "secp256k1";
/** What takes a forgotten scalar's place in OpenSSL. */
const SCALAR_ONE = Uint8Array.from({ length: MASTER_KEY_BYTES }, (_, i) => (i === MASTER_KEY_BYTES - 1 ? 1 : 0));
/** The order n of the group, big-endian. */
const ORDER = Buffer.from("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "hex");

/** @throws GatekeeperError INVALID_ARGUMENT when it is not a whole number from 0 to ROTATION_ID_MAX. */
export function checkRotationId(rotationId: number): void {
  if (!Number.isInteger(rotationId) || rotationId < 0 || rotationId > ROTATION_ID_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `rotation id ${rotationId} is not a whole number below 2^32`);
  }
}

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
      if (!scalar.use(isScalar)) {
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

  /** The public key, compressed (33 bytes, SEC 1 §2.3.3). */
  publicKey(): Uint8Array<ArrayBuffer> {
    const ecdh = lendToOpenSsl(this);
    const publicKey = Uint8Array.from(ecdh.getPublicKey(null, "compressed"));
    forgetScalar(ecdh);
    return publicKey;
  }

  [Symbol.dispose](): void {
    this.#scalar[Symbol.dispose]();
  }
}

/** OpenSSL with a copy of the scalar, to be wiped with `forgetScalar`. */
export function lendToOpenSsl(masterKey: MasterKey): ECDH {
  const ecdh = createECDH(CURVE);
  masterKey.use((scalar) => ecdh.setPrivateKey(scalar));
  return ecdh;
}

/** Wipes OpenSSL's copy: it clears a private key when another one takes its place. */
export function forgetScalar(ecdh: ECDH): void {
  ecdh.setPrivateKey(SCALAR_ONE);
}

/**
 * A new MasterKey from the system's randomness; the caller owns it.
 * @throws GatekeeperError INVALID_ARGUMENT on a rotation id that is not u32.
 */
export function generateMasterKey(rotationId: number): MasterKey {
  const bytes = new Uint8Array(MASTER_KEY_BYTES);
  // Drawing again keeps the scalar uniform; it happens once in 2^128 draws.
  do randomFillSync(bytes);
  while (!isScalar(bytes));
  return new MasterKey(rotationId, new Secret(bytes));
}

/** Whether 1 ≤ s < n, big-endian. No branch depends on a byte until the answer, which is true of every real key. */
function isScalar(bytes: Uint8Array): boolean {
  if (bytes.length !== MASTER_KEY_BYTES) return false;
  let borrow = 0;
  let any = 0;
  for (let i = MASTER_KEY_BYTES - 1; i >= 0; i--) {
    borrow = (bytes[i]! - ORDER[i]! - borrow) >>> 31;
    any |= bytes[i]!;
  }
  return borrow === 1 && any !== 0;
}
