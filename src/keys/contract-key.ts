/**
 * Contract keys: a PRF of the contract id under a MasterKey (Naor–Pinkas–Reingold 1999), then HKDF.
 *
 *   H = hash_to_curve(contract id)                    RFC 9380, secp256k1_XMD:SHA-256_SSWU_RO_
 *   P = s·H                                           s: the MasterKey's scalar
 *   contract key = HKDF-SHA256(ikm = x(P), salt = "", info = label ‖ key suite ‖ cipher suite ‖ rotation id ‖ id)
 *
 * x(P), the 32-byte big-endian x-coordinate, stands for P, as SEC 1 §3.3.1 and RFC 9180's DHKEM do: it is what every
 * Diffie–Hellman implementation returns, here OpenSSL's. It loses the sign of y, so two ids would share x(P) only if
 * their points were equal or opposite, which for a hash to a group of 2^256 points is as rare as a collision; and the
 * contract id in `info` would still keep their keys apart.
 *
 * The id is public, so hashing it may take as long as it likes and runs on noble's bigints. The scalar is multiplied by
 * OpenSSL (master-key.ts).
 */
import { type ECDH, hkdfSync } from "node:crypto";
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { CONTEXT } from "./context.ts";
import { CONTRACT_ID_BYTES, checkContractId } from "./contract-id.ts";
import { checkRotationId, forgetScalar, lendToOpenSsl, type MasterKey } from "./master-key.ts";

/** Bytes of a contract key; both cipher suites use 256-bit keys. */
export const CONTRACT_KEY_BYTES = 32;
/** Bytes of a contract point: 4 ‖ x ‖ y (SEC 1 §2.3.3, uncompressed). */
const CONTRACT_POINT_BYTES = 65;

/** The key suite's number in `info`: secp256k1. */
const KEY_SUITE = 1;
const LABEL = Buffer.from(CONTEXT.contractKey, "ascii");
/** Bytes of what contractKeyInfo makes. */
export const CONTRACT_KEY_INFO_BYTES = LABEL.length + 2 + 4 + CONTRACT_ID_BYTES;

const UNCOMPRESSED = 4;
const HASH_TO_CURVE = Object.freeze({ DST: CONTEXT.contractPoint });
const EMPTY_SALT = new Uint8Array(0);

/**
 * The public point H of a contract id, CONTRACT_POINT_BYTES long. It depends on no key: during a rotation it is
 * computed once for both generations.
 * @throws GatekeeperError INVALID_ARGUMENT when the id has not 32 bytes.
 */
export function contractPoint(contractId: Uint8Array): Uint8Array<ArrayBuffer> {
  checkContractId(contractId);
  return Uint8Array.from(secp256k1_hasher.hashToCurve(contractId, HASH_TO_CURVE).toBytes(false));
}

/**
 * HKDF's info for one contract key: label ‖ key suite 1 ‖ cipher suite 1 ‖ rotation id 4 (LE) ‖ contract id 32.
 * @param cipherSuite - the suite byte of the sealed states (1 AES-256-GCM, 2 ChaCha20-Poly1305).
 * @throws GatekeeperError INVALID_ARGUMENT when an argument does not fit its field.
 */
export function contractKeyInfo(
  cipherSuite: number,
  rotationId: number,
  contractId: Uint8Array,
): Uint8Array<ArrayBuffer> {
  checkContractId(contractId);
  checkRotationId(rotationId);
  if (!Number.isInteger(cipherSuite) || cipherSuite < 1 || cipherSuite > 255) {
    throw new GatekeeperError("INVALID_ARGUMENT", `cipher suite ${cipherSuite} is not a number from 1 to 255`);
  }
  const info = new Uint8Array(CONTRACT_KEY_INFO_BYTES);
  info.set(LABEL);
  info[LABEL.length] = KEY_SUITE;
  info[LABEL.length + 1] = cipherSuite;
  new DataView(info.buffer).setUint32(LABEL.length + 2, rotationId, true);
  info.set(contractId, LABEL.length + 6);
  return info;
}

/**
 * Evaluates the PRF under one MasterKey. OpenSSL holds a copy of the scalar until dispose, which clears it. The copies
 * that JavaScript made on the way in are wiped as far as they can be reached.
 */
export class ContractKeyDeriver implements Disposable {
  readonly rotationId: number;
  readonly #ecdh: ECDH;
  #disposed = false;

  /** @param masterKey - copied from; stays the caller's. */
  constructor(masterKey: MasterKey) {
    this.rotationId = masterKey.rotationId;
    this.#ecdh = lendToOpenSsl(masterKey);
  }

  /**
   * x(s·H): 32 bytes, big-endian, leading zeros kept. The caller owns the secret.
   * @param point - of contractPoint, whoever computed it; checked to be on the curve.
   * @throws GatekeeperError INVALID_ARGUMENT when it is no uncompressed point of the curve, KEY_UNAVAILABLE after
   * dispose.
   */
  prf(point: Uint8Array): Secret {
    if (this.#disposed) {
      throw new GatekeeperError("KEY_UNAVAILABLE", `MasterKey ${this.rotationId} was used after it had been wiped`);
    }
    if (point.length !== CONTRACT_POINT_BYTES || point[0] !== UNCOMPRESSED) {
      throw new GatekeeperError("INVALID_ARGUMENT", "a contract point is 65 bytes of which the first is 4");
    }
    try {
      return new Secret(this.#ecdh.computeSecret(point));
    } catch (cause) {
      throw new GatekeeperError("INVALID_ARGUMENT", "a contract point does not lie on secp256k1", {}, { cause });
    }
  }

  /** Wipes the scalar. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    forgetScalar(this.#ecdh);
  }
}

/**
 * One contract key (32 bytes), all in one step; the caller owns it. For single keys, and as the oracle of the batched
 * derivation, whose HKDF runs in WebAssembly so that keys never leave its memory.
 * @throws GatekeeperError as contractPoint, contractKeyInfo and ContractKeyDeriver.prf do.
 */
export function contractKey(deriver: ContractKeyDeriver, cipherSuite: number, contractId: Uint8Array): Secret {
  const info = contractKeyInfo(cipherSuite, deriver.rotationId, contractId);
  using prf = deriver.prf(contractPoint(contractId));
  return prf.use((x) => new Secret(new Uint8Array(hkdfSync("sha256", x, EMPTY_SALT, info, CONTRACT_KEY_BYTES))));
}
