/**
 * Blocks of a chain whose authority signs them: linked by hashes, with the hash of the state that each leaves behind.
 *
 *   header: height 4 | parent hash 32 | timestamp 8 | messages' hash 32 | state hash 32
 *   block:  header | signature 64 | messages
 */
import { hash } from "node:crypto";
import { CONTEXT } from "../context.ts";
import { HASH_BYTES, SIGNATURE_BYTES } from "./account.ts";
import { MESSAGE_BYTES_MAX } from "./call.ts";
import {
  boundedBytes,
  boundedVector,
  decode,
  encode,
  exactBytes,
  joined,
  millisecondsCodec,
  struct,
  u32,
} from "./scale.ts";

/** Messages of a block at most. */
export const BLOCK_MESSAGES_MAX = 4_096;
/** Bytes of a block's messages at most. */
export const BLOCK_BYTES_MAX = 4 << 20;

/** What a block is about. */
export interface Header {
  readonly height: number;
  readonly parentHash: Uint8Array;
  /** Milliseconds since 1970, more than the parent's. */
  readonly timestamp: number;
  readonly messagesHash: Uint8Array;
  /** Of the ledger after this block. */
  readonly stateHash: Uint8Array;
}

/** A block. */
export interface Block {
  readonly header: Header;
  /** The authority's, of the header's hash. */
  readonly signature: Uint8Array;
  readonly messages: readonly Uint8Array[];
}

const headerCodec = struct<Header>({
  height: u32,
  parentHash: exactBytes(HASH_BYTES),
  timestamp: millisecondsCodec,
  messagesHash: exactBytes(HASH_BYTES),
  stateHash: exactBytes(HASH_BYTES),
});

const messagesCodec = boundedVector(boundedBytes(MESSAGE_BYTES_MAX), BLOCK_MESSAGES_MAX);

const blockCodec = struct<Block>({
  header: headerCodec,
  signature: exactBytes(SIGNATURE_BYTES),
  messages: messagesCodec,
});

const HEADER = Buffer.from(CONTEXT.block, "ascii");
const MESSAGES = Buffer.from(CONTEXT.blockMessages, "ascii");

/** SHA-256 of a header: the block's name, and what its authority signs. */
export function hashHeader(header: Header): Uint8Array {
  return hash("sha256", joined([HEADER, headerCodec.enc(header)]), "buffer");
}

/** SHA-256 of messages in their order. */
export function hashMessages(messages: readonly Uint8Array[]): Uint8Array {
  return hash("sha256", joined([MESSAGES, messagesCodec.enc(messages)]), "buffer");
}

/** A block as bytes. */
export function encodeBlock(block: Block): Uint8Array {
  return encode(blockCodec, block);
}

/** The block in these bytes, or null if they are none. */
export function decodeBlock(bytes: Uint8Array): Block | null {
  return decode(blockCodec, bytes);
}
