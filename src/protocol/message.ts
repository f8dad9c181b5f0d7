/**
 * Messages: a call with who asks, how many he sent before, and his signature.
 *
 *   signer 33 | sequence 4 LE | call n | signature 64
 *
 * What is signed, by ECDSA over secp256k1 with the smaller s as Substrate's `ecdsa` pairs do, is BLAKE2b-256(domain ‖
 * all but the signature), where the domain is BLAKE2b-256(context ‖ genesis hash): a message belongs to one chain, and
 * has one signature at a time that counts.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { fromHex, toHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import type { Secret } from "../secret.ts";
import {
  type AccountId,
  HASH_BYTES,
  type PublicKey,
  SIGNATURE_BYTES,
  accountIdCodec,
  blake2b256,
  publicKeyCodec,
} from "./account.ts";
import { type Call, type Registration, callCodec } from "./call.ts";
import { boundedBytes, decode, encode, exactBytes, joined, struct, u32 } from "./scale.ts";

/** A message, read but not yet believed. */
export interface Message {
  readonly signer: PublicKey;
  readonly sequence: number;
  readonly call: Call;
  readonly signature: Uint8Array;
}

/** Who signs messages: an account's key on the host (`accountSigner`), or the IdentityKey of a pRuntime. */
export interface Signer {
  readonly publicKey: PublicKey;
  /**
   * r and s of an ECDSA signature with the smaller s, SIGNATURE_BYTES.
   * @param hash - HASH_BYTES, public.
   */
  sign(hash: Uint8Array): Uint8Array;
}

/** What a signature is about. */
type Registered = Omit<Registration, "proof">;

const messageCodec = struct<Message>({
  signer: publicKeyCodec,
  sequence: u32,
  call: callCodec,
  signature: exactBytes(SIGNATURE_BYTES),
});

const registeredCodec = struct<Registered & { readonly operator: AccountId }>({
  operator: accountIdCodec,
  identityKey: publicKeyCodec,
  ecdhKey: publicKeyCodec,
  attestation: boundedBytes(Number.MAX_SAFE_INTEGER),
  sequence: u32,
});

/** The message in these bytes, or null if they are none. */
export function readMessage(bytes: Uint8Array): Message | null {
  return decode(messageCodec, bytes);
}

/** 32 bytes that stand for the messages of one chain. They leave room in BLAKE2b's block for a short message. */
export function messageDomain(genesisHash: Uint8Array): Uint8Array {
  return blake2b256(joined([Buffer.from(CONTEXT.message, "ascii"), genesisHash]));
}

/**
 * The 32 bytes that a message's signature signs.
 * @param bytes - the whole message.
 */
export function messageHash(domain: Uint8Array, bytes: Uint8Array): Uint8Array {
  return blake2b256(joined([domain, bytes.subarray(0, bytes.length - SIGNATURE_BYTES)]));
}

/** 32 bytes that stand for the registrations of one chain. */
export function registrationDomain(genesisHash: Uint8Array): Uint8Array {
  return blake2b256(joined([Buffer.from(CONTEXT.workerRegistration, "ascii"), genesisHash]));
}

/** What an IdentityKey signs behind that domain, to be registered by an operator. */
export function registrationBytes(operator: AccountId, registered: Registered): Uint8Array {
  const { identityKey, ecdhKey, attestation, sequence } = registered;
  return registeredCodec.enc({ operator, identityKey, ecdhKey, attestation, sequence });
}

/**
 * Signs a message.
 * @param sequence - of the messages that its account has sent, the number.
 * @throws GatekeeperError INVALID_ARGUMENT when a value of the call is out of its bounds.
 */
export function signMessage(signer: Signer, genesisHash: Uint8Array, sequence: number, call: Call): Uint8Array {
  const signature = new Uint8Array(SIGNATURE_BYTES);
  const unsigned = encode(messageCodec, { signer: signer.publicKey, sequence, call, signature });
  unsigned.set(signer.sign(messageHash(messageDomain(genesisHash), unsigned)), unsigned.length - SIGNATURE_BYTES);
  return unsigned;
}

/**
 * Signs a registration with the IdentityKey that is registered.
 * @param signer - of `registered.identityKey`.
 */
export function signRegistration(
  signer: Signer,
  genesisHash: Uint8Array,
  operator: AccountId,
  registered: Registered,
): Registration {
  const hash = blake2b256(joined([registrationDomain(genesisHash), registrationBytes(operator, registered)]));
  return { ...registered, proof: toHex(signer.sign(hash)) };
}

/**
 * Signs with the secret key of an account, on the host.
 * @param key - 32 bytes, a scalar; stays the caller's, who disposes it when the signer signs no more. noble holds it as a
 * bigint meanwhile.
 */
export function accountSigner(key: Secret): Signer {
  return { publicKey: publicKeyOf(key), sign: (hash) => sign(key, hash) };
}

/** The public key of a secret scalar of 32 bytes. */
export function publicKeyOf(key: Secret): PublicKey {
  return key.use((bytes) => toHex(secp256k1.getPublicKey(bytes)));
}

/**
 * ECDSA of a hash, deterministic (RFC 6979), with the smaller s.
 * @param key - stays the caller's.
 */
export function sign(key: Secret, hash: Uint8Array): Uint8Array {
  return key.use((bytes) => secp256k1.sign(hash, bytes, { prehash: false, lowS: true }));
}

/** n ÷ 2, rounded down: the greatest s of a signature that counts. */
const HALF_ORDER = fromHex(
  "0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0",
  "half the order of secp256k1",
);

/** Whether a signature has the smaller of its two possible s. */
export function hasLowS(signature: Uint8Array): boolean {
  return Buffer.compare(signature.subarray(HASH_BYTES), HALF_ORDER) <= 0;
}
