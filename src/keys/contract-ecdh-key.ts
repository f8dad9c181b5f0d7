/**
 * A contract's EcdhKey: the key pair that users encrypt commands to it with, in the group of the MasterKey.
 *
 *   okm = HKDF-SHA256(ikm = x(P), salt = "", info = label ‖ key suite ‖ cipher suite ‖ rotation id ‖ id), 48 bytes
 *   scalar = OS2IP(okm) modulo the group's order
 *
 * P and the layout of `info` are those of contract-key.ts, so whoever evaluated the PRF has both keys of a contract; the
 * label keeps them apart. 48 bytes make the scalar uniform to within 2^−128, as in RFC 9380 §5.2.
 */
import { HkdfSha256 } from "../engine/hkdf-sha256.ts";
import type { Secret } from "../secret.ts";
import { CONTEXT } from "../context.ts";
import { contractInfo } from "./contract-key.ts";
import { type Group, reduceWide, WIDE_BYTES } from "./group.ts";

const LABEL = Buffer.from(CONTEXT.contractEcdhKey, "ascii");

/** Made once a thread: it keeps nothing from one derivation to the next. */
let hkdf: HkdfSha256 | undefined;

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
  const [scalar] = contractEcdhScalars(group, cipherSuite, rotationId, [{ prf, contractId }]);
  return { scalar: scalar!, publicKey: group.multiplyBase([scalar!]) };
}

/** A contract with its x(P), which is lent. */
export interface ContractPrf {
  readonly prf: Uint8Array;
  readonly contractId: Uint8Array;
}

/**
 * The scalars alone of many, the caller's: their public keys are made together by `multiplyBase`.
 * @throws GatekeeperError INVALID_ARGUMENT as contractInfo does.
 */
export function contractEcdhScalars(
  group: Group,
  cipherSuite: number,
  rotationId: number,
  contracts: readonly ContractPrf[],
): Secret[] {
  const materials = contracts.map(({ prf, contractId }) => ({
    ikm: prf,
    info: contractInfo(LABEL, group.keySuite, cipherSuite, rotationId, contractId),
  }));
  hkdf ??= new HkdfSha256();
  const okm = hkdf.derive(materials, WIDE_BYTES);
  try {
    // One is zero once in 2^252 keys; then multiplyBase refuses it.
    return contracts.map((_, at) => reduceWide(group, okm.subarray(at * WIDE_BYTES, (at + 1) * WIDE_BYTES)));
  } finally {
    okm.fill(0);
  }
}
