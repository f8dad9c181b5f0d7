/**
 * The boundary of a pRuntime: everything that crosses it, in both directions, and nothing else does.
 *
 * A host sends requests, the pRuntime answers each of them, and may tell how far it is before. Both are frames
 * (frames.ts) of one SCALE value; both sides read them with these codecs, which know one encoding of each value and a
 * bound of each length. Requests are numbered from 0 without a gap, the first is `hello`: what is malformed, too long,
 * unknown, replayed or out of order is refused, and changes nothing.
 *
 * No reply carries a secret: secrets are `Secret`, which no codec takes. A local home's states are its owner's, and
 * cross it; a pRuntime that serves a network gives none but in answers that are sealed to users.
 *
 * A request or answer is only ever added at the end of its list: its place there is its encoding. What can't be said so
 * raises the version.
 */
import { type Codec, Enum } from "scale-ts";
import { ALL_SUITES, type Suite } from "../engine/suite.ts";
import { ERROR_CODES, type ErrorCode, type ErrorDetail, GatekeeperError, type WireError } from "../errors.ts";
import {
  type AccountId,
  HASH_BYTES,
  type PublicKey,
  accountIdCodec,
  hashCodec,
  publicKeyCodec,
} from "../protocol/account.ts";
import { BLOCK_BYTES_MAX } from "../protocol/block.ts";
import { ENDPOINT_BYTES_MAX, MESSAGE_BYTES_MAX, type Registration, registrationCodec } from "../protocol/call.ts";
import { GENESIS_BYTES_MAX } from "../protocol/genesis.ts";
import {
  type Hex,
  boolean,
  boundedBytes,
  boundedVector,
  decode,
  decodeBuffer,
  encode,
  exactBytes,
  mapped,
  millisecondsCodec,
  nothing,
  nullable,
  struct,
  u32,
  wordCodec,
} from "../protocol/scale.ts";
import type { RotationProgress, RotationSummary } from "../rotation/rotation.ts";
import type { VerificationSummary } from "../rotation/verification.ts";

export type { RotationProgress, RotationSummary, Suite, VerificationSummary };

/**
 * The versions of the boundary that are spoken here, ascending. A host offers its own, and the highest that both speak is spoken:
 * while a network goes from one release to the next, hosts of either have pRuntimes of either.
 */
export const BOUNDARY_VERSIONS: readonly number[] = [1];
/** Bytes of a frame, at most: a state of 16 MiB with its names, or a batch of an import that ends with one. */
export const FRAME_BYTES_MAX = 18 << 20;
/** Requests that are being answered at a time, at most. */
export const REQUESTS_MAX = 512;
/** Bytes of their frames, at most, but for the last: before they are fewer, nothing more is read. */
export const REQUEST_BYTES_MAX = 64 << 20;
/** Records that an answer names, at most; all are counted. */
export const FAILURES_MAX = 1_000;
/** Its exit code when a pRuntime has ended so that its memory goes; it is to be started again. */
export const EXIT_REPLACED = 75;
/** Number of a refusal of what has no number that can be read. */
export const NO_REQUEST = 0xffff_ffff;
/** Length of a value in a batch that stands for a state to be deleted. */
export const DELETED = 0xffff_ffff;

/** The cipher suites that a home may have. */
export const SUITES: readonly Suite[] = ALL_SUITES;

/** Why a request is not even looked at: `detail.reason` of BOUNDARY_REFUSED. */
export type BoundaryRefusal =
  | "Malformed"
  | "Oversized"
  | "Unknown"
  | "Replayed"
  | "OutOfOrder"
  /** Something else than hello came first, or hello came twice. */
  | "NoHello"
  /** None of the host's versions is spoken here. */
  | "NoVersion";

/**
 * Plain states of contracts in two buffers. Four words for each, u32 LE: kind of the contract's native name (contract-id.ts),
 * bytes of the name, of the storage key, of the value, where DELETED stands for none; and those bytes in a row.
 */
export interface StateBatch {
  readonly words: Uint8Array;
  readonly bytes: Uint8Array;
}

/** What a host may ask for. */
export type Request =
  /** The versions that the host speaks. */
  | { readonly tag: "hello"; readonly value: readonly number[] }
  /** Asks the request of this number to stop. */
  | { readonly tag: "cancel"; readonly value: number }
  /** In a local home: makes it, with MasterKey 0. */
  | { readonly tag: "createHome"; readonly value: Suite }
  /** Writes the key to a file under a passphrase, which comes by a descriptor of its own; and reads it from one. */
  | { readonly tag: "exportKey"; readonly value: string }
  | { readonly tag: "importKey"; readonly value: string }
  | { readonly tag: "get"; readonly value: { readonly contract: Uint8Array; readonly key: Uint8Array } }
  | { readonly tag: "write"; readonly value: StateBatch }
  /** As write, on threads; batches with the same contract must wait for each other. */
  | { readonly tag: "import"; readonly value: { readonly threads: number; readonly batch: StateBatch } }
  /** Begins a rotation unless one is under way, or only joins that; and finishes it. */
  | { readonly tag: "rotate"; readonly value: Work & { readonly begin: boolean } }
  | { readonly tag: "verify"; readonly value: Work }
  /** In a home of a network: makes the pRuntime's identity. */
  | { readonly tag: "createIdentity"; readonly value: undefined }
  | { readonly tag: "status"; readonly value: undefined }
  /** The genesis of the chain that it is to follow. */
  | { readonly tag: "join"; readonly value: Uint8Array }
  /** Blocks, and whether the host knows of others behind them. */
  | { readonly tag: "follow"; readonly value: { readonly blocks: readonly Uint8Array[]; readonly more: boolean } }
  /** With what Intel says of the machine, where it proves itself by a quote: JSON as its servers give it. */
  | {
      readonly tag: "register";
      readonly value: { readonly operator: AccountId; readonly collateral: Uint8Array | null };
    }
  /** Asks another pRuntime whether it lives. */
  | { readonly tag: "ping"; readonly value: PublicKey }
  /** A message of another pRuntime. */
  | { readonly tag: "deliver"; readonly value: Uint8Array }
  /** What it has to ask others for, so that contracts have keys; and who has not answered in time. */
  | { readonly tag: "provision"; readonly value: { readonly late: readonly PublicKey[] } }
  /** A user's command to a contract, sealed. */
  | { readonly tag: "execute"; readonly value: Uint8Array };

/** How work is done. */
interface Work {
  /** Null: as many as the machine runs at once. */
  readonly threads: number | null;
}

/** What comes back when a request is done, under the same tag. */
export type Answer =
  /** The version that is spoken from here on. */
  | { readonly tag: "hello"; readonly value: number }
  | { readonly tag: "cancel"; readonly value: undefined }
  | { readonly tag: "createHome"; readonly value: undefined }
  | { readonly tag: "exportKey"; readonly value: undefined }
  | { readonly tag: "importKey"; readonly value: undefined }
  /** Null where there is no such state. */
  | { readonly tag: "get"; readonly value: Uint8Array | null }
  | { readonly tag: "write"; readonly value: WriteResult }
  | { readonly tag: "import"; readonly value: WriteResult }
  /** Null where there was no rotation to join. */
  | { readonly tag: "rotate"; readonly value: RotationSummary | null }
  | { readonly tag: "verify"; readonly value: VerificationSummary }
  | { readonly tag: "createIdentity"; readonly value: undefined }
  | { readonly tag: "status"; readonly value: PRuntimeStatus }
  /** The height that it is at. */
  | { readonly tag: "join"; readonly value: number }
  | { readonly tag: "follow"; readonly value: Followed }
  | { readonly tag: "register"; readonly value: Registration }
  /** A message to be delivered to the other. */
  | { readonly tag: "ping"; readonly value: Uint8Array }
  | { readonly tag: "deliver"; readonly value: Delivered }
  | { readonly tag: "provision"; readonly value: Provisioned }
  /** The answer, sealed to who sent the command. */
  | { readonly tag: "execute"; readonly value: Uint8Array };

/** What a pRuntime of a network is, and where it stands. */
export interface PRuntimeStatus {
  readonly identityKey: PublicKey;
  /** The one that others seal messages to, or will once the chain has it. */
  readonly ecdhKey: PublicKey;
  /** Of the program; of an enclave, its quote says what it is. */
  readonly measurement: Hex;
  /** Whether what it seals is safe from other users of the machine only, not from its owner. */
  readonly software: boolean;
  readonly genesisHash: Hex | null;
  readonly height: number;
  readonly registered: boolean;
  /** Whether it acts as a gatekeeper. */
  readonly gatekeeper: boolean;
  /** Why its work on the store failed in the rotation that is under way; null where it did not. */
  readonly rotationFault: ErrorCode | null;
}

/** Where a pRuntime has followed the chain to. */
export interface Followed {
  readonly height: number;
  /** What it has to say to the chain: to be handed in, each as often as it comes. */
  readonly messages: readonly Uint8Array[];
}

/** What came of a message. */
export type Delivered =
  /** An answer, to be delivered to its sender. */
  | { readonly tag: "answer"; readonly value: Uint8Array }
  /** It lives, and has followed the chain to a height. */
  | { readonly tag: "pong"; readonly value: { readonly from: PublicKey; readonly height: number } }
  /** A gatekeeper's partials: how many contracts have keys by them that had none, and what was wrong with them, if it was. */
  | {
      readonly tag: "taken";
      readonly value: { readonly from: PublicKey; readonly contracts: number; readonly blamed: string | null };
    }
  /** A gatekeeper gives none, by what it knows of the chain at a height. */
  | {
      readonly tag: "refused";
      readonly value: { readonly from: PublicKey; readonly reason: string; readonly height: number };
    };

/** What is to be asked so that contracts have keys. */
export interface Provisioned {
  /** To be delivered to others, whose answers are to be delivered here: with the URLs of their hosts, as the chain has them. */
  readonly messages: readonly {
    readonly to: PublicKey;
    readonly endpoint: Uint8Array | null;
    readonly bytes: Uint8Array;
  }[];
  /**
   * Contracts without keys, for each MasterKey in force. Where there are some, it is worth asking again: after answers, after
   * blocks, and when somebody was late.
   */
  readonly missing: number;
}

/** What a write did, in records. */
export interface WriteResult {
  /** Records that were put, and bytes of their values. */
  readonly written: number;
  readonly bytes: number;
  /** Puts of the value that was already there. */
  readonly unchanged: number;
  readonly deleted: number;
}

/** What a pRuntime says of a request. */
export type Reply =
  | { readonly tag: "done"; readonly value: Answer }
  | { readonly tag: "failed"; readonly value: WireError }
  /** It goes on; any number of these come before the other two. */
  | { readonly tag: "progress"; readonly value: RotationProgress };

/** One or the other, with the number of the request. */
export interface Numbered<T> {
  readonly id: number;
  readonly body: T;
}

const PATH_BYTES_MAX = 4_096;
const TEXT_BYTES_MAX = 8_192;
const NAME_BYTES_MAX = 4_096;
const THREADS_MAX = 256;
const VERSIONS_MAX = 16;
const COLLATERAL_BYTES_MAX = 1 << 20;
/** A block with its header, and the numbers and lengths of its messages. */
const BLOCK_FRAME_BYTES_MAX = BLOCK_BYTES_MAX + 32_768;
const BLOCKS_MAX = 4_096;
/** A sealed message with its body: sealed-message.ts. */
export const PEER_MESSAGE_BYTES_MAX = (4 << 20) + 1_024;
/** A sealed command to a contract, or its answer: keys/sealed-command.ts. */
export const COMMAND_MESSAGE_BYTES_MAX = 64 << 10;
/** A sealed request for partials. */
const QUESTION_BYTES_MAX = 48 << 10;
/** Messages of an answer: they fit into a frame. */
export const QUESTIONS_MAX = 256;
/** Others that are named to a pRuntime at a time. */
const PEERS_NAMED_MAX = 4_096;
const REASON_BYTES_MAX = 64;

/** The highest version that is spoken on both sides; null where there is none. */
export function commonVersion(offered: readonly number[]): number | null {
  return BOUNDARY_VERSIONS.findLast((version) => offered.includes(version)) ?? null;
}

/** UTF-8. */
function text(bytesMax: number): Codec<string> {
  return mapped(
    boundedBytes(bytesMax),
    (value: string) => Buffer.from(value, "utf8"),
    (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
  );
}

function checkedThreads(value: number): number {
  if (value < 1 || value > THREADS_MAX) throw new RangeError("no number of threads");
  return value;
}

/** A number as its decimal digits, of which there is one spelling. */
function spelledNumber(digits: string): number {
  const value = Number(digits);
  if (String(value) !== digits) throw new RangeError("another spelling");
  return value;
}

/** As text, but what is longer is cut off behind a whole character: who made it may have named whatever there was. */
function clippedText(bytesMax: number): Codec<string> {
  return mapped(
    text(bytesMax),
    (value: string) => value.slice(0, new TextEncoder().encodeInto(value, new Uint8Array(bytesMax)).read),
    (value) => value,
  );
}

const suite = wordCodec(ALL_SUITES);
/** No view of the frame, as nothing else is: it can be given back. */
const contractId = mapped(
  exactBytes(HASH_BYTES),
  (id: Uint8Array) => id,
  (id) => id.slice(),
);
const storageKey = boundedBytes(NAME_BYTES_MAX);
/** Numbers of things: 8 bytes, as times are. */
const count = millisecondsCodec;
const threads = mapped(u32, checkedThreads, checkedThreads);
const batch = struct<StateBatch>({ words: boundedBytes(FRAME_BYTES_MAX), bytes: boundedBytes(FRAME_BYTES_MAX) });
const work = { threads: nullable(threads) };

const requests = {
  hello: boundedVector(u32, VERSIONS_MAX),
  cancel: u32,
  createHome: suite,
  exportKey: text(PATH_BYTES_MAX),
  importKey: text(PATH_BYTES_MAX),
  get: struct({ contract: contractId, key: storageKey }),
  write: batch,
  import: struct({ threads, batch }),
  rotate: struct({ ...work, begin: boolean }),
  verify: struct(work),
  createIdentity: nothing,
  status: nothing,
  join: boundedBytes(GENESIS_BYTES_MAX),
  follow: struct({ blocks: boundedVector(boundedBytes(BLOCK_FRAME_BYTES_MAX), BLOCKS_MAX), more: boolean }),
  register: struct({ operator: accountIdCodec, collateral: nullable(boundedBytes(COLLATERAL_BYTES_MAX)) }),
  ping: publicKeyCodec,
  deliver: boundedBytes(PEER_MESSAGE_BYTES_MAX),
  provision: struct({ late: boundedVector(publicKeyCodec, PEERS_NAMED_MAX) }),
  execute: boundedBytes(COMMAND_MESSAGE_BYTES_MAX),
};
const requestCodec = Enum(requests) as unknown as Codec<Request>;

const failure = struct({ contract: text(2 + 2 * HASH_BYTES), key: text(2 + 2 * NAME_BYTES_MAX) });
const failures = mapped(
  boundedVector(failure, FAILURES_MAX),
  (named: { contract: string; key: string }[]) => named,
  (named) => [...named],
);
const writeResult = struct<WriteResult>({ written: count, bytes: count, unchanged: count, deleted: count });

const answerCodec = Enum({
  hello: u32,
  cancel: nothing,
  createHome: nothing,
  exportKey: nothing,
  importKey: nothing,
  get: nullable(boundedBytes(FRAME_BYTES_MAX)),
  write: writeResult,
  import: writeResult,
  rotate: nullable(
    struct<RotationSummary>({
      rotationId: u32,
      records: count,
      bytes: count,
      failed: count,
      failures,
    }),
  ),
  verify: struct<VerificationSummary>({
    rotationId: u32,
    records: count,
    failed: count,
    remainingOld: count,
    failures,
  }),
  createIdentity: nothing,
  status: struct<PRuntimeStatus>({
    identityKey: publicKeyCodec,
    ecdhKey: publicKeyCodec,
    measurement: hashCodec,
    software: boolean,
    genesisHash: nullable(hashCodec),
    height: u32,
    registered: boolean,
    gatekeeper: boolean,
    rotationFault: nullable(wordCodec(ERROR_CODES)),
  }),
  join: u32,
  follow: struct<Followed>({ height: u32, messages: boundedVector(boundedBytes(MESSAGE_BYTES_MAX), 1) }),
  register: registrationCodec,
  ping: boundedBytes(PEER_MESSAGE_BYTES_MAX),
  deliver: Enum({
    answer: boundedBytes(PEER_MESSAGE_BYTES_MAX),
    pong: struct({ from: publicKeyCodec, height: u32 }),
    taken: struct({ from: publicKeyCodec, contracts: u32, blamed: nullable(text(REASON_BYTES_MAX)) }),
    refused: struct({ from: publicKeyCodec, reason: text(REASON_BYTES_MAX), height: u32 }),
  }) as unknown as Codec<Delivered>,
  provision: struct<Provisioned>({
    messages: boundedVector(
      struct({
        to: publicKeyCodec,
        endpoint: nullable(boundedBytes(ENDPOINT_BYTES_MAX)),
        bytes: boundedBytes(QUESTION_BYTES_MAX),
      }),
      QUESTIONS_MAX,
    ),
    missing: u32,
  }),
  execute: boundedBytes(COMMAND_MESSAGE_BYTES_MAX),
}) as unknown as Codec<Answer>;

const detailValue = Enum({
  text: clippedText(TEXT_BYTES_MAX),
  // A decimal: sizes and heights, but for whoever reads it only.
  number: mapped(text(32), (value: number) => String(value), spelledNumber),
  boolean,
  nothing,
}) as unknown as Codec<{ readonly tag: string; readonly value: string | number | boolean | undefined }>;

const detailEntries = boundedVector(struct({ name: text(64), value: detailValue }), 64);

const errorCodec = struct<WireError>({
  code: wordCodec(ERROR_CODES),
  message: clippedText(TEXT_BYTES_MAX),
  detail: mapped(
    detailEntries,
    (detail: ErrorDetail) =>
      Object.entries(detail).map(([name, value]) => ({
        name,
        value: {
          tag: value === null ? "nothing" : typeof value === "string" ? "text" : typeof value,
          value: value ?? undefined,
        },
      })),
    (entries) => {
      const detail = Object.fromEntries(entries.map(({ name, value }) => [name, value.value ?? null]));
      // Names that come twice, or in another order than an object has them, would be a second encoding.
      const names = Object.keys(detail);
      if (entries.some(({ name }, at) => names[at] !== name)) throw new RangeError("names out of order");
      return detail;
    },
  ),
});

const replyCodec = Enum({
  done: answerCodec,
  failed: errorCodec,
  progress: struct<RotationProgress>({
    phase: wordCodec<RotationProgress["phase"]>(["idle", "reencryption", "verification", "abandonment"]),
    done: count,
    total: count,
  }),
}) as unknown as Codec<Reply>;

const numberedRequest = struct<Numbered<Request>>({ id: u32, body: requestCodec });
const numberedReply = struct<Numbered<Reply>>({ id: u32, body: replyCodec });
const REQUEST_TAGS = Object.keys(requests).length;
const ID_BYTES = 4;

/** A request as the payload of a frame. @throws GatekeeperError INVALID_ARGUMENT when a value is out of its bound. */
export function encodeRequest(request: Numbered<Request>): Uint8Array {
  return encodeBounded(numberedRequest, request);
}

/**
 * The request in a frame, or why there is none, with its number where that can be read.
 * @returns no view of the frame.
 */
export function decodeRequest(payload: Uint8Array): Numbered<Request | BoundaryRefusal> {
  const { buffer } = payload;
  // A frame has a buffer to itself, and is as large as an import's batch: it is not copied once more.
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === payload.length;
  const request = isWhole ? decodeBuffer(numberedRequest, buffer) : decode(numberedRequest, payload);
  if (request !== null) return request;
  if (payload.length < ID_BYTES) return { id: NO_REQUEST, body: "Malformed" };
  const id = Buffer.from(payload.buffer, payload.byteOffset, ID_BYTES).readUInt32LE();
  return { id, body: (payload[ID_BYTES] ?? 0) >= REQUEST_TAGS ? "Unknown" : "Malformed" };
}

/** A reply as the payload of a frame. @throws GatekeeperError INVALID_ARGUMENT when a value is out of its bound. */
export function encodeReply(reply: Numbered<Reply>): Uint8Array {
  return encodeBounded(numberedReply, reply);
}

/** The reply in a frame, or null if there is none. */
export function decodeReply(payload: Uint8Array): Numbered<Reply> | null {
  return decode(numberedReply, payload);
}

function encodeBounded<T>(codec: Codec<T>, value: T): Uint8Array {
  let payload: Uint8Array;
  try {
    payload = encode(codec, value);
  } catch (cause) {
    if (cause instanceof GatekeeperError) throw cause;
    throw outOfBound("a number or word is none that it can be", cause);
  }
  if (payload.length > FRAME_BYTES_MAX) throw outOfBound(`it has more than ${FRAME_BYTES_MAX} bytes`);
  return payload;
}

function outOfBound(why: string, cause?: unknown): GatekeeperError {
  return new GatekeeperError("INVALID_ARGUMENT", `this can't be said to or by a pRuntime: ${why}`, {}, { cause });
}
