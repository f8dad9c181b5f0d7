/** What pruntime/sealed-message.ts describes, written once more on noble alone. */
import { gcm } from "@noble/ciphers/aes.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** A message to seal; keys are secret where it says so, else compressed points. */
export interface ReferenceMessage {
  readonly genesis: Uint8Array;
  readonly senderSecret: Uint8Array;
  readonly recipient: Uint8Array;
  readonly ecdhKey: Uint8Array;
  readonly sequence: bigint;
  readonly ephemeralSecret: Uint8Array;
  readonly nonce: Uint8Array;
  readonly body: Uint8Array;
}

const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1");
const publicOf = (secret: Uint8Array): Uint8Array => secp256k1.getPublicKey(secret, true);

function keyFor(
  genesis: Uint8Array,
  secret: Uint8Array,
  point: Uint8Array,
  parties: readonly Uint8Array[],
): Uint8Array {
  const shared = secp256k1.getSharedSecret(secret, point, true).subarray(1);
  const info = Buffer.concat([ascii("gatekeeper/v1 key of a sealed message"), genesis, ...parties]);
  return hkdf(sha256, shared, undefined, info, 32);
}

/** The hash that is signed, of all bytes before the signature. */
export function referenceHash(genesis: Uint8Array, signed: Uint8Array): Uint8Array {
  const domain = blake2b(Buffer.concat([ascii("gatekeeper/v1 sealed message"), genesis]), { dkLen: 32 });
  return blake2b(Buffer.concat([domain, signed]), { dkLen: 32 });
}

/** A message whose last 64 bytes are replaced by a signature of the bytes before. */
export function signedAnew(genesis: Uint8Array, secret: Uint8Array, bytes: Uint8Array): Uint8Array {
  const signed = bytes.subarray(0, -64);
  const signature = secp256k1.sign(referenceHash(genesis, signed), secret, { prehash: false, lowS: true });
  return Uint8Array.from(Buffer.concat([signed, signature]));
}

export function referenceSeal(message: ReferenceMessage): Uint8Array {
  const { genesis, senderSecret, recipient, ecdhKey, ephemeralSecret, nonce, body } = message;
  const sequence = Buffer.alloc(8);
  sequence.writeBigUInt64LE(message.sequence);
  const parties = [publicOf(senderSecret), recipient, ecdhKey];
  const ephemeralKey = publicOf(ephemeralSecret);
  const header = Buffer.concat([Buffer.of(1), ...parties, sequence, ephemeralKey, nonce]);
  const key = keyFor(genesis, ephemeralSecret, ecdhKey, [...parties, ephemeralKey]);
  const box = gcm(key, nonce, header).encrypt(body);
  return signedAnew(genesis, senderSecret, Buffer.concat([header, box, Buffer.alloc(64)]));
}

/** What is in a message; throws where anything is wrong. */
export function referenceOpen(genesis: Uint8Array, ecdhSecret: Uint8Array, bytes: Uint8Array): ReferenceOpened {
  const at = (from: number, size: number): Uint8Array => bytes.subarray(from, from + size);
  const [version, sender, recipient, ecdhKey] = [bytes[0], at(1, 33), at(34, 33), at(67, 33)];
  const [ephemeralKey, nonce, header] = [at(108, 33), at(141, 12), at(0, 153)];
  const hash = referenceHash(genesis, bytes.subarray(0, -64));
  if (version !== 1) throw new Error("another version");
  if (!secp256k1.verify(bytes.subarray(-64), hash, sender, { prehash: false, lowS: true }))
    throw new Error("signature");
  const key = keyFor(genesis, ecdhSecret, ephemeralKey, [sender, recipient, ecdhKey, ephemeralKey]);
  const body = gcm(key, nonce, header).decrypt(bytes.subarray(153, -64));
  return { sender, recipient, ecdhKey, sequence: Buffer.from(bytes).readBigUInt64LE(100), body };
}

export interface ReferenceOpened {
  readonly sender: Uint8Array;
  readonly recipient: Uint8Array;
  readonly ecdhKey: Uint8Array;
  readonly sequence: bigint;
  readonly body: Uint8Array;
}
