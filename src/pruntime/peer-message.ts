/**
 * What pRuntimes say to each other, inside messages that are sealed (sealed-message.ts).
 *
 * Partials are key material: the bytes of a reply are made in one piece of memory, which its sender wipes, and read where
 * they were opened, which its recipient wipes.
 */
import { type Codec, Enum, compact } from "scale-ts";
import { CONTRACT_ID_BYTES } from "../contract-id.ts";
import { GatekeeperError } from "../errors.ts";
import { PROOF_BYTES } from "../keys/dleq.ts";
import { SIGNATURE_BYTES } from "../protocol/account.ts";
import {
  type Hex,
  boundedBytes,
  boundedVector,
  decodeBuffer,
  encode,
  exactBytes,
  hexBytes,
  lentBytes,
  nullable,
  struct,
  u32,
  wordCodec,
} from "../protocol/scale.ts";
import { REQUEST_CONTRACTS_MAX } from "../protocol/partials-evidence.ts";
import { type Secret, secretCopy } from "../secret.ts";

/** More than there are gatekeepers. */
const QUORUM_MAX = 1_024;
/** An uncompressed point of secp256k1 a contract, which no other group's elements are longer than. */
const PARTIALS_BYTES_MAX = REQUEST_CONTRACTS_MAX * 65;
const NONCE_BYTES = 32;

/** Asks for partials of contracts that are the sender's to run: keys/partial-request.ts, as far as it is not known anyway. */
export interface PartialsRequest {
  readonly nonce: Hex;
  /** The key session that made the sharing whose shares they are to be of. */
  readonly epoch: number;
  readonly rotationId: number;
  readonly quorum: readonly number[] | null;
  /** Their ids in a row, CONTRACT_ID_BYTES each: 1 to REQUEST_CONTRACTS_MAX. */
  readonly contracts: Uint8Array;
}

/** One partial a contract, and the proof for all of them. */
export interface PartialsReply {
  /** The request's. */
  readonly nonce: Hex;
  readonly proof: Uint8Array;
  /** Of all that the proof is about, by the gatekeeper: protocol/partials-evidence.ts. */
  readonly signature: Uint8Array;
  /** Key material. Of a message that was decoded it lies where the message does. */
  readonly partials: Uint8Array;
}

/** Why a gatekeeper gives no partials, by what its own ledger says: its place in the list is its encoding. */
export const PARTIALS_REFUSALS = [
  /** The sharing is not in force there: any more, or yet. */
  "UnknownSharing",
  /** It has no share of it. */
  "NoShare",
  /** A contract is not the sender's to run or to rotate there: any more, or yet. */
  "NotAssigned",
  /** The quorum is none that it is in, or there are no contracts. */
  "BadRequest",
] as const;
export type PartialsRefusal = (typeof PARTIALS_REFUSALS)[number];

/** A gatekeeper gives no partials. */
export interface PartialsRefused {
  /** The request's. */
  readonly nonce: Hex;
  readonly reason: PartialsRefusal;
  /** How far it has followed the chain. */
  readonly height: number;
}

/** A list that only grows at its end. */
export type PeerMessage =
  /** Says that it opens what is sealed to it, and how far it has followed the chain: with the nonce of whoever asks. */
  | { readonly tag: "ping"; readonly value: Hex }
  | { readonly tag: "pong"; readonly value: { readonly nonce: Hex; readonly height: number } }
  | { readonly tag: "partialsRequest"; readonly value: PartialsRequest }
  | { readonly tag: "partialsReply"; readonly value: PartialsReply }
  | { readonly tag: "partialsRefused"; readonly value: PartialsRefused };

const nonce = hexBytes(NONCE_BYTES);

const refusal = wordCodec(PARTIALS_REFUSALS);

const codec = Enum({
  ping: nonce,
  pong: struct({ nonce, height: u32 }),
  partialsRequest: struct<PartialsRequest>({
    nonce,
    epoch: u32,
    rotationId: u32,
    quorum: nullable(boundedVector(u32, QUORUM_MAX)),
    contracts: boundedBytes(REQUEST_CONTRACTS_MAX * CONTRACT_ID_BYTES),
  }),
  partialsReply: struct<PartialsReply>({
    nonce,
    proof: exactBytes(PROOF_BYTES),
    signature: exactBytes(SIGNATURE_BYTES),
    // Last: encodePeerMessage puts them behind the rest.
    partials: lentBytes(PARTIALS_BYTES_MAX),
  }),
  partialsRefused: struct<PartialsRefused>({ nonce, reason: refusal, height: u32 }),
}) as unknown as Codec<PeerMessage>;

const NO_BYTES = new Uint8Array(0);

/** As bytes, to be sealed. The caller wipes them. @throws GatekeeperError INVALID_ARGUMENT when a list is longer than may be. */
export function encodePeerMessage(message: PeerMessage): Uint8Array<ArrayBuffer> {
  if (message.tag !== "partialsReply") return encode(codec, message);
  const { partials } = message.value;
  if (partials.length > PARTIALS_BYTES_MAX) {
    throw new GatekeeperError(
      "INVALID_ARGUMENT",
      `${partials.length} bytes of partials, more than ${PARTIALS_BYTES_MAX}`,
    );
  }
  // Codecs join pieces in memory that nobody wipes: they have all but the partials.
  const rest = encode(codec, { tag: message.tag, value: { ...message.value, partials: NO_BYTES } });
  const length = compact.enc(partials.length);
  const bytes = secretCopy(new Uint8Array(rest.length - 1 + length.length + partials.length));
  bytes.set(rest.subarray(0, -1));
  bytes.set(length, rest.length - 1);
  bytes.set(partials, rest.length - 1 + length.length);
  return bytes;
}

/**
 * The message in an opened body, or null if it is none.
 * @param body - lent for as long as the message is used: its partials are a view of it.
 */
export function decodePeerMessage(body: Secret): PeerMessage | null {
  return body.use((bytes) => decodeBuffer(codec, bytes.buffer));
}
