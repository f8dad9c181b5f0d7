/** Accounts and keys as Substrate's `ecdsa` scheme has them: secp256k1, BLAKE2b-256. */
import { blake2b } from "@noble/hashes/blake2.js";
import { fromHex, toHex } from "../bytes.ts";
import { type Hex, hexBytes } from "./scale.ts";

/** A compressed secp256k1 public key, 33 bytes: what signs is named by it. */
export type PublicKey = Hex;
/** BLAKE2b-256 of a public key: who is meant, `MultiSigner::Ecdsa` in sp_runtime. */
export type AccountId = Hex;

export const PUBLIC_KEY_BYTES = 33;
export const HASH_BYTES = 32;
/** r and s, 32 bytes each, big-endian, the smaller s; without Substrate's recovery id: messages name their signer. */
export const SIGNATURE_BYTES = 64;

export const publicKeyCodec = hexBytes(PUBLIC_KEY_BYTES);
export const accountIdCodec = hexBytes(HASH_BYTES);
export const hashCodec = hexBytes(HASH_BYTES);
export const signatureCodec = hexBytes(SIGNATURE_BYTES);

/** BLAKE2b with 32 bytes of output. */
export function blake2b256(bytes: Uint8Array): Uint8Array {
  return blake2b(bytes, { dkLen: HASH_BYTES });
}

/** The account of a public key. */
export function accountOf(publicKey: PublicKey): AccountId {
  return toHex(blake2b256(fromHex(publicKey, "a public key")));
}
