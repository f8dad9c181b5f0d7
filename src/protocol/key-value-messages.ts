/**
 * What users and the key-value contract (pruntime/key-value-contract.ts) say to each other, inside what is sealed
 * (keys/sealed-command.ts): SCALE, one encoding a value. Places in the lists are encodings: what is new comes at their end.
 *
 * Both are secret. What is decoded is a view of where it was opened, and an answer's bytes are made in one piece of memory:
 * so both are wiped by who owns them.
 */
import { type Codec, Enum, compact } from "scale-ts";
import { GatekeeperError } from "../errors.ts";
import type { Group } from "../keys/group.ts";
import { type Secret, secretCopy } from "../secret.ts";
import { boundedBytes, decodeBuffer, encode, exactBytes, lentBytes, mapped, nothing, struct } from "./scale.ts";

/** Bytes of a key and of a value, at most: with either, a command and an answer are no longer than may be. */
export const KEY_VALUE_KEY_BYTES_MAX = 1_024;
export const KEY_VALUE_VALUE_BYTES_MAX = 56 * 1_024;

/** What a user asks for. */
export type KeyValueCommand =
  | { readonly tag: "put"; readonly value: { readonly key: Uint8Array; readonly value: Uint8Array } }
  | { readonly tag: "get"; readonly value: Uint8Array }
  | { readonly tag: "delete"; readonly value: Uint8Array };

/** With what its answer is to be sealed to. */
export interface KeyValueRequest {
  /** An element of the group that the command is sealed in, as the chain has them; not validated yet where it was decoded. */
  readonly replyKey: Uint8Array;
  readonly command: KeyValueCommand;
}

/** What comes back. */
export type KeyValueAnswer =
  /** It was put, or was there and is deleted. */
  | { readonly tag: "done"; readonly value: undefined }
  | { readonly tag: "value"; readonly value: Uint8Array }
  /** There is nothing under that key. */
  | { readonly tag: "nothing"; readonly value: undefined }
  /** The code of a GatekeeperError. */
  | { readonly tag: "failed"; readonly value: { readonly code: string } };

const CODE = /^[A-Z_]{1,40}$/;
const NO_BYTES = new Uint8Array(0);

const key = lentBytes(KEY_VALUE_KEY_BYTES_MAX);
const value = lentBytes(KEY_VALUE_VALUE_BYTES_MAX);
const commandCodec = Enum({ put: struct({ key, value }), get: key, delete: key }) as unknown as Codec<KeyValueCommand>;

const code = mapped(
  boundedBytes(40),
  (text: string) => Buffer.from(text, "latin1"),
  (bytes) => {
    const text = Buffer.from(bytes).toString("latin1");
    if (!CODE.test(text)) throw new RangeError("no code");
    return text;
  },
);
const answerCodec = Enum({
  done: nothing,
  value,
  nothing,
  failed: struct({ code }),
}) as unknown as Codec<KeyValueAnswer>;

function requestCodec({ elementBytes }: Group): Codec<KeyValueRequest> {
  return struct<KeyValueRequest>({ replyKey: exactBytes(elementBytes), command: commandCodec });
}

/**
 * As bytes, to be sealed; the caller wipes them.
 * @param group - that it is sealed in.
 * @throws GatekeeperError INVALID_ARGUMENT when something in it is longer than may be, or the reply key of another length.
 */
export function encodeKeyValueRequest(group: Group, request: KeyValueRequest): Uint8Array<ArrayBuffer> {
  return encode(requestCodec(group), request);
}

/**
 * The request in an opened command, or null if it is none.
 * @param body - lent for as long as the request is used, which is views of it.
 */
export function decodeKeyValueRequest(group: Group, body: Secret): KeyValueRequest | null {
  return body.use((bytes) => decodeBuffer(requestCodec(group), bytes.buffer));
}

/**
 * As bytes, to be sealed; the caller wipes them.
 * @throws GatekeeperError INVALID_ARGUMENT when the value is longer than may be.
 */
export function encodeKeyValueAnswer(answer: KeyValueAnswer): Uint8Array<ArrayBuffer> {
  if (answer.tag !== "value") return encode(answerCodec, answer);
  const { length } = answer.value;
  if (length > KEY_VALUE_VALUE_BYTES_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a value of ${length} bytes, more than ${KEY_VALUE_VALUE_BYTES_MAX}`);
  }
  // Codecs join pieces in memory that nobody wipes: they have all but the value.
  const before = encode(answerCodec, { tag: "value", value: NO_BYTES }).subarray(0, -1);
  const size = compact.enc(length);
  const bytes = secretCopy(new Uint8Array(before.length + size.length + length));
  bytes.set(before);
  bytes.set(size, before.length);
  bytes.set(answer.value, before.length + size.length);
  return bytes;
}

/**
 * An opened answer, or null if it is none.
 * @param body - lent for as long as the answer is used, whose value is a view of it.
 */
export function decodeKeyValueAnswer(body: Secret): KeyValueAnswer | null {
  return body.use((bytes) => decodeBuffer(answerCodec, bytes.buffer));
}
