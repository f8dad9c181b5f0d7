/**
 * Contract keys: a PRF of the contract id under a MasterKey (Naor–Pinkas–Reingold 1999), then HKDF.
 *
 *   H = hash_to_group(contract id)                    RFC 9380, secp256k1_XMD:SHA-256_SSWU_RO_
 *   P = s·H                                           s: the MasterKey's scalar
 *   contract key = HKDF-SHA256(ikm = x(P), salt = "", info = label ‖ key suite ‖ cipher suite ‖ rotation id ‖ id)
 *
 * P is evaluated in one place here, by whoever holds the scalar; or by holders of shares of it (partial.ts,
 * combination.ts), for many contracts at once and in either group. In ristretto255, x(P) is P's encoding.
 *
 * x(P), the 32-byte big-endian x-coordinate, stands for P, as SEC 1 §3.3.1 and RFC 9180's DHKEM do: it is what every
 * Diffie–Hellman implementation returns. It loses the sign of y, so two ids would share x(P) only if their points were
 * equal or opposite, which for a hash to a group of 2^256 points is as rare as a collision; and the contract id in `info`
 * would still keep their keys apart.
 */
import { hkdfSync } from "node:crypto";
import { POINT_BYTES, type Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { CONTEXT } from "../context.ts";
import { CONTRACT_ID_BYTES, checkContractId } from "../contract-id.ts";
import { CONTRACT_POINT_DST } from "./contract-points.ts";
import { type Group, KEY_SUITE, type KeySuite, elementCount } from "./group.ts";
import type { MasterKey } from "./master-key.ts";
import { checkRotationId } from "./rotation-id.ts";

/** Bytes of a contract key; both cipher suites use 256-bit keys. */
export const CONTRACT_KEY_BYTES = 32;

/** Bytes of x(P), in either group. */
export const PRF_BYTES = 32;

const LABEL = Buffer.from(CONTEXT.contractKey, "ascii");
/** Bytes of what contractKeyInfo makes. */
export const CONTRACT_KEY_INFO_BYTES = LABEL.length + 2 + 4 + CONTRACT_ID_BYTES;

const EMPTY_SALT = new Uint8Array(0);

/**
 * HKDF's info for one contract key: label ‖ key suite 1 ‖ cipher suite 1 ‖ rotation id 4 (LE) ‖ contract id 32.
 * @param cipherSuite - the suite byte of the sealed states (1 AES-256-GCM, 2 ChaCha20-Poly1305).
 * @throws GatekeeperError INVALID_ARGUMENT when an argument does not fit its field.
 */
export function contractKeyInfo(
  keySuite: KeySuite,
  cipherSuite: number,
  rotationId: number,
  contractId: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return contractInfo(LABEL, keySuite, cipherSuite, rotationId, contractId);
}

/**
 * HKDF's info for a key of any use, which the label says: `contractKeyInfo` with another label.
 * @throws GatekeeperError INVALID_ARGUMENT as that does.
 */
export function contractInfo(
  label: Uint8Array,
  keySuite: KeySuite,
  cipherSuite: number,
  rotationId: number,
  contractId: Uint8Array,
): Uint8Array<ArrayBuffer> {
  checkContractId(contractId);
  checkRotationId(rotationId);
  if (!Number.isInteger(cipherSuite) || cipherSuite < 1 || cipherSuite > 255) {
    throw new GatekeeperError("INVALID_ARGUMENT", `cipher suite ${cipherSuite} is not a number from 1 to 255`);
  }
  const info = new Uint8Array(label.length + 2 + 4 + CONTRACT_ID_BYTES);
  info.set(label);
  info[label.length] = keySuite;
  info[label.length + 1] = cipherSuite;
  new DataView(info.buffer).setUint32(label.length + 2, rotationId, true);
  info.set(contractId, label.length + 6);
  return info;
}

/**
 * x(P) of every element of a batch, PRF_BYTES each: what contract keys are derived from. The caller owns it.
 * @param elements - PRF values P, as `combinePartials` returns them; stay the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when they are not whole elements.
 */
export function prfOutputs(group: Group, elements: Secret): Secret {
  // secp256k1's encoding is a byte, then x; ristretto255's has nothing else.
  const skipped = group.keySuite === KEY_SUITE.secp256k1 ? 1 : 0;
  return elements.use((from) => {
    const count = elementCount(group, from);
    const outputs = new Uint8Array(new ArrayBuffer(count * PRF_BYTES));
    for (let i = 0; i < count; i++) {
      const at = i * group.elementBytes + skipped;
      for (let byte = 0; byte < PRF_BYTES; byte++) outputs[i * PRF_BYTES + byte] = from[at + byte]!;
    }
    return new Secret(outputs);
  });
}

/**
 * A contract key (CONTRACT_KEY_BYTES) of x(P); the caller owns it.
 * @param prf - x(P), PRF_BYTES; lent.
 * @param info - of contractKeyInfo.
 */
export function expandContractKey(prf: Uint8Array, info: Uint8Array): Secret {
  return new Secret(new Uint8Array(hkdfSync("sha256", prf, EMPTY_SALT, info, CONTRACT_KEY_BYTES)));
}

/**
 * Evaluates the PRF of many contracts under one MasterKey (t = 1), in constant time.
 * @param curve - wipes what it computed with.
 * @param masterKey - lent.
 * @param ids - CONTRACT_ID_BYTES each, one after the other.
 * @param use - is lent the x(P) of each contract, PRF_BYTES, in their order; they are wiped behind the last.
 * @throws GatekeeperError KEY_UNAVAILABLE when the MasterKey was disposed, INVALID_ARGUMENT for more than 65,536 ids.
 */
export function contractPrfs(
  curve: Secp256k1,
  masterKey: MasterKey,
  ids: Uint8Array,
  use: (index: number, prf: Uint8Array) => void,
): void {
  const points = masterKey.use((scalar) => curve.partials(ids, CONTRACT_ID_BYTES, CONTRACT_POINT_DST, scalar));
  try {
    const size = POINT_BYTES[curve.form];
    // x comes behind the first byte, in either form.
    for (let at = 0; at < points.length; at += size) use(at / size, points.subarray(at + 1, at + 1 + PRF_BYTES));
  } finally {
    points.fill(0);
  }
}
