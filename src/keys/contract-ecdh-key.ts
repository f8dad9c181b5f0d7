/**
 * A contract's EcdhKey: the key pair that users encrypt commands to it with, in the group of the MasterKey.
 *
 *   okm = HKDF-SHA256(ikm = x(P), salt = "", info = label ‖ key suite ‖ cipher suite ‖ rotation id ‖ id), 48 bytes
 *   scalar = OS2IP(okm) modulo the group's order
 *
 * P and the layout of `info` are those of contract-key.ts, so whoever evaluated the PRF has both keys of a contract; the
 * label keeps them apart. 48 bytes make the scalar uniform to within 2^−128, as in RFC 9380 §5.2.
 */
import { hkdfSync } from "node:crypto";
import type { Secret } from "../secret.ts";
import { CONTEXT } from "../context.ts";
import { contractInfo } from "./contract-key.ts";
import { type Group, reduceWide, WIDE_BYTES } from "./group.ts";

const LABEL = Buffer.from(CONTEXT.contractEcdhKey, "ascii");
const EMPTY_SALT = new Uint8Array(0);

/** The caller owns the scalar. */
export interface ContractEcdhKey {
  /** SCALAR_BYTES in the group's byte order. */
  readonly scalar: Secret;
  /** scalar·G, encoded. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

/**
 * @param prf - x(P), 32 bytes; lent.
 * @param cipherSuite - that of the contract's sealed states.
 * @throws GatekeeperError INVALID_ARGUMENT as contractInfo does.
 */
export function contractEcdhKey(
  group: Group,
  prf: Uint8Array,
  cipherSuite: number,
  rotationId: number,
  contractId: Uint8Array,
): ContractEcdhKey {
  const scalar = contractEcdhScalar(group, prf, cipherSuite, rotationId, contractId);
  return { scalar, publicKey: group.multiplyBase([scalar]) };
}

/**
 * Its scalar alone, the caller's: public keys of many are made together by `multiplyBase`.
 * @throws GatekeeperError INVALID_ARGUMENT as contractInfo does.
 */
export function contractEcdhScalar(
  group: Group,
  prf: Uint8Array,
  cipherSuite: number,
  rotationId: number,
  contractId: Uint8Array,
): Secret {
  const info = contractInfo(LABEL, group.keySuite, cipherSuite, rotationId, contractId);
  const okm = new Uint8Array(hkdfSync("sha256", prf, EMPTY_SALT, info, WIDE_BYTES));
  // It is zero once in 2^252 keys; then multiplyBase refuses it.
  const scalar = reduceWide(group, okm);
  okm.fill(0);
  return scalar;
}
