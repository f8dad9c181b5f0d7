/**
 * Messages from one pRuntime to another, over whatever carries bytes: encrypted to one of the recipient's EcdhKeys,
 * signed by the sender's IdentityKey.
 *
 *   version 1 (=1) | sender 33 | recipient 33 | recipient's EcdhKey 33 | sequence 8 LE | ephemeral key 33 | nonce 12
 *   | ciphertext n | tag 16 | signature 64
 *
 *   Z = x(e·EcdhKey), where e is the secret of the ephemeral key                             SEC 1 §3.3.1
 *   key = HKDF-SHA256(ikm = Z, salt = "", info = label ‖ genesis hash 32 ‖ sender ‖ recipient ‖ EcdhKey ‖ ephemeral key)
 *   AES-256-GCM, AAD = the 153 bytes before the ciphertext
 *   signature: ECDSA over BLAKE2b-256(BLAKE2b-256(context ‖ genesis hash) ‖ all bytes before it), with the smaller s
 *
 * Sender and recipient are IdentityKeys; whose an EcdhKey is, and who is known, the ledger says.
 *
 * - A key has one message: e is drawn for it, and wiped. The nonce is random nevertheless: were an e ever drawn twice,
 *   GCM would still not meet the same key and nonce.
 * - The sender can't open what he sealed, and the recipient can't once it has destroyed the EcdhKey: forward secrecy.
 * - That it comes from the sender, the signature says, and not that Z was shared with him: who has stolen the recipient's
 *   keys can read what is sent to it, and not make it believe that somebody else sent something.
 * - The signature is over the ciphertext. Taken off and replaced by another's it makes no message of his, because key
 *   and AAD name the sender; and they name recipient and chain, so that it can't be passed on.
 * - It is verified before a secret is computed with: points of strangers never meet one.
 * - A message that was opened is not opened again, nor one that many have overtaken (message-sequences.ts).
 *
 * Limits: length, time, sender and recipient show. What node:crypto keeps of a key until the garbage collector comes by,
 * and of a body in memory that it has freed, engine/native-key.ts says.
 */
import { hkdfSync, randomFillSync } from "node:crypto";
import { freeBytes, fromHex, toHex } from "../bytes.ts";
import { Blake2b256 } from "../engine/blake2b.ts";
import { NativeKey } from "../engine/native-key.ts";
import type { Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { CONTEXT } from "../context.ts";
import { SECP256K1_SCALARS } from "../keys/scalars.ts";
import { HASH_BYTES, PUBLIC_KEY_BYTES, type PublicKey, SIGNATURE_BYTES, publicKeyCodec } from "../protocol/account.ts";
import { type Signer, hasLowS } from "../protocol/message.ts";
import { decode, encode, exactBytes, joined, struct, u8, u64 } from "../protocol/scale.ts";
import { Secret } from "../secret.ts";
import type { EcdhKeys } from "./ecdh-keys.ts";
import type { MessageSequences, SequenceRefusal } from "./message-sequences.ts";

/** Bytes of a body at most. */
export const MESSAGE_BODY_BYTES_MAX = 4 * 1024 * 1024;

const VERSION = 1;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SUITE = "aes-256-gcm";
const SIGNATURE_CONTEXT = Buffer.from(CONTEXT.sealedMessage, "ascii");
const KEY_LABEL = Buffer.from(CONTEXT.sealedMessageKey, "ascii");
const EMPTY_SALT = new Uint8Array(0);

const HEADER_BYTES = 1 + 3 * PUBLIC_KEY_BYTES + 8 + PUBLIC_KEY_BYTES + NONCE_BYTES;
/** Sender, recipient and EcdhKey. */
const PARTIES = Object.freeze({ from: 1, to: 1 + 3 * PUBLIC_KEY_BYTES });

/** Bytes that sealing adds. */
export const MESSAGE_OVERHEAD = HEADER_BYTES + TAG_BYTES + SIGNATURE_BYTES;

/** What a message says of itself, read but not yet believed. */
export interface SealedMessageHeader {
  /** IdentityKeys. */
  readonly sender: PublicKey;
  readonly recipient: PublicKey;
  /** That of the recipient's which it was sealed to. */
  readonly ecdhKey: PublicKey;
  readonly sequence: bigint;
  /** Of this message alone. */
  readonly ephemeralKey: PublicKey;
  readonly nonce: Uint8Array;
}

type VersionedHeader = SealedMessageHeader & { readonly version: number };

const headerCodec = struct<VersionedHeader>({
  version: u8,
  sender: publicKeyCodec,
  recipient: publicKeyCodec,
  ecdhKey: publicKeyCodec,
  sequence: u64,
  ephemeralKey: publicKeyCodec,
  nonce: exactBytes(NONCE_BYTES),
});

/** What a message is sealed from. */
export interface MessageToSeal {
  /** Of compressed points; lent. */
  readonly curve: Secp256k1;
  readonly genesisHash: Uint8Array;
  /** An IdentityKey. */
  readonly sender: Signer;
  readonly recipient: { readonly identityKey: PublicKey; readonly ecdhKey: PublicKey };
  /** Above that of every message before, from this sender to this recipient; from 1 on. */
  readonly sequence: bigint;
  /** Stays the caller's. */
  readonly body: Uint8Array;
}

/** What a message is opened with. */
export interface MessageToOpen {
  /** Of compressed points; lent. */
  readonly curve: Secp256k1;
  readonly genesisHash: Uint8Array;
  /** Our IdentityKey. */
  readonly recipient: PublicKey;
  readonly ecdhKeys: EcdhKeys;
  /** Remembers the message if it is opened; sealed by the caller before anything is done that it asks for. */
  readonly sequences: MessageSequences;
  /** Whether messages of this IdentityKey are accepted. */
  readonly isKnown: (sender: PublicKey) => boolean;
  /** From outside. */
  readonly bytes: Uint8Array;
}

/** A message that is what it says. */
export interface OpenedMessage {
  readonly sender: PublicKey;
  readonly sequence: bigint;
  /** The caller's, who disposes it. */
  readonly body: Secret;
}

/** Why a message can't be opened. */
type MessageInvalid =
  /** It is cut off, too long, of another version, or has a key that is no point. */
  | "Malformed"
  /** It is for another IdentityKey. */
  | "NotForUs"
  /** Its sender is none that messages are accepted from. */
  | "UnknownSender"
  /** It was not signed by its sender, for this chain, as it is. */
  | "BadSignature"
  /** It was sealed to an EcdhKey that was destroyed, or never ours. */
  | "UnknownEcdhKey"
  /** Its sender signed it, and sealed it wrongly. */
  | "BadTag"
  | SequenceRefusal;

/** The header of a message, or null where the bytes are none: what is not said is whether the rest is right. */
export function readMessageHeader(bytes: Uint8Array): SealedMessageHeader | null {
  if (bytes.length < MESSAGE_OVERHEAD || bytes.length > MESSAGE_OVERHEAD + MESSAGE_BODY_BYTES_MAX) return null;
  const read = decode(headerCodec, bytes.subarray(0, HEADER_BYTES));
  if (read?.version !== VERSION) return null;
  const { version: _, ...header } = read;
  const keys = [header.sender, header.recipient, header.ecdhKey, header.ephemeralKey];
  return keys.every((key) => key.startsWith("0x02") || key.startsWith("0x03")) ? header : null;
}

/**
 * Seals and signs a message.
 * @throws GatekeeperError INVALID_ARGUMENT when the body is longer than MESSAGE_BODY_BYTES_MAX or something else is out of
 * its range; ELEMENT_INVALID when the EcdhKey is no point.
 */
export function sealMessage({ curve, genesisHash, sender, recipient, sequence, body }: MessageToSeal): Uint8Array {
  checkToSeal(genesisHash, sequence, body);
  using ephemeral = SECP256K1_SCALARS.random();
  const ephemeralKey = ephemeral.use((scalar) => curve.publicKeys(scalar)).points;
  const bytes = new Uint8Array(MESSAGE_OVERHEAD + body.length);
  const { header, text, tag } = partsOf(bytes);
  header.set(
    encode(headerCodec, {
      version: VERSION,
      sender: sender.publicKey,
      recipient: recipient.identityKey,
      ecdhKey: recipient.ecdhKey,
      sequence,
      ephemeralKey: toHex(ephemeralKey),
      nonce: randomFillSync(new Uint8Array(NONCE_BYTES)),
    }),
  );
  const ecdhKey = fromHex(recipient.ecdhKey, "an EcdhKey");
  using key = messageKey(curve, ephemeral, ecdhKey, genesisHash, header);
  if (key === null) throw new GatekeeperError("ELEMENT_INVALID", "the recipient's EcdhKey is no point", { index: 0 });
  const nonce = header.subarray(HEADER_BYTES - NONCE_BYTES);
  key.use((keyBytes) => new NativeKey(SUITE, keyBytes).seal({ nonce, aad: header }, body, { text, tag }));
  bytes.set(sender.sign(signedHash(genesisHash, bytes)), bytes.length - SIGNATURE_BYTES);
  return bytes;
}

/**
 * Opens a message, if it is for us, from somebody who is known, right in every byte, and new.
 * @throws GatekeeperError MESSAGE_INVALID, whose detail.reason is a `MessageInvalid`; then nothing is remembered of it.
 */
export function openMessage(message: MessageToOpen): OpenedMessage {
  const { curve, genesisHash, recipient, ecdhKeys, sequences, isKnown, bytes } = message;
  const read = readMessageHeader(bytes);
  if (read === null) throw invalid("Malformed");
  const { sender, sequence } = read;
  if (read.recipient !== recipient) throw invalid("NotForUs");
  if (!isKnown(sender)) throw invalid("UnknownSender");
  if (!isSigned(curve, genesisHash, sender, bytes)) throw invalid("BadSignature");
  const refusal = sequences.refusal(sender, sequence);
  if (refusal !== null) throw invalid(refusal);
  const secret = ecdhKeys.secretOf(read.ecdhKey);
  if (secret === undefined) throw invalid("UnknownEcdhKey");
  const { header, text, tag } = partsOf(bytes);
  const ephemeralKey = fromHex(read.ephemeralKey, "an ephemeral key");
  using key = messageKey(curve, secret, ephemeralKey, genesisHash, header);
  if (key === null) throw invalid("Malformed");
  const opened = key.use((keyBytes) =>
    new NativeKey(SUITE, keyBytes).open({ nonce: read.nonce, aad: header }, { text, tag }),
  );
  if (opened === null) throw invalid("BadTag");
  const body = new Secret(opened);
  freeBytes(opened);
  sequences.accept(sender, sequence);
  return { sender, sequence, body };
}

function checkToSeal(genesisHash: Uint8Array, sequence: bigint, body: Uint8Array): void {
  if (body.length > MESSAGE_BODY_BYTES_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a body has ${MESSAGE_BODY_BYTES_MAX} bytes at most`);
  }
  if (sequence < 1n) throw new GatekeeperError("INVALID_ARGUMENT", "sequences of messages begin with 1");
  // What follows it in HKDF's info is told from it by its length.
  if (genesisHash.length !== HASH_BYTES) throw new GatekeeperError("INVALID_ARGUMENT", "this is no genesis hash");
}

/** Where the parts of a message lie, but for the signature. */
function partsOf(bytes: Uint8Array): Readonly<Record<"header" | "text" | "tag", Uint8Array>> {
  const tagAt = bytes.length - SIGNATURE_BYTES - TAG_BYTES;
  return {
    header: bytes.subarray(0, HEADER_BYTES),
    text: bytes.subarray(HEADER_BYTES, tagAt),
    tag: bytes.subarray(tagAt, tagAt + TAG_BYTES),
  };
}

/**
 * The key of a message; the caller owns it. Null when the point is none.
 * @param secret - of the ephemeral key or the EcdhKey; lent.
 * @param point - the other one of them.
 */
function messageKey(
  curve: Secp256k1,
  secret: Secret,
  point: Uint8Array,
  genesisHash: Uint8Array,
  header: Uint8Array,
): Secret | null {
  const { points, invalid: none } = secret.use((scalar) => curve.multiplyAll(point, scalar));
  if (none.length > 0) {
    // What it is then means nothing, and may depend on the secret.
    points.fill(0);
    return null;
  }
  const ephemeralKey = header.subarray(HEADER_BYTES - NONCE_BYTES - PUBLIC_KEY_BYTES, HEADER_BYTES - NONCE_BYTES);
  const info = joined([KEY_LABEL, genesisHash, header.subarray(PARTIES.from, PARTIES.to), ephemeralKey]);
  // x stands behind the byte that says which y it is.
  const key = new Secret(new Uint8Array(hkdfSync("sha256", points.subarray(1), EMPTY_SALT, info, KEY_BYTES)));
  points.fill(0);
  return key;
}

/** Made once a thread: it keeps nothing from one message to the next. */
let blake2b: Blake2b256 | undefined;

/** What the sender signs of a message: all but the signature's place. Long ones take the kernels a seventh of noble's time. */
function signedHash(genesisHash: Uint8Array, bytes: Uint8Array): Uint8Array {
  blake2b ??= new Blake2b256();
  const domain = blake2b.hashAll([[SIGNATURE_CONTEXT, genesisHash]]);
  return blake2b.hashAll([[domain, bytes.subarray(0, bytes.length - SIGNATURE_BYTES)]]);
}

function isSigned(curve: Secp256k1, genesisHash: Uint8Array, sender: PublicKey, bytes: Uint8Array): boolean {
  const signature = bytes.subarray(bytes.length - SIGNATURE_BYTES);
  const key = fromHex(sender, "an IdentityKey");
  return hasLowS(signature) && curve.invalidSignatures(signedHash(genesisHash, bytes), signature, key).length === 0;
}

function invalid(reason: MessageInvalid): GatekeeperError {
  return new GatekeeperError("MESSAGE_INVALID", `a message of a pRuntime can't be opened: ${reason}`, { reason });
}
