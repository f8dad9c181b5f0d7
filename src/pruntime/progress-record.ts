/**
 * What a pRuntime of a network must not forget, and nobody may take back: which chain it is of, how far it has followed
 * it, what it signed. Not secret, and yet sealed, so that the host can't change it.
 */
import { HASH_BYTES, SIGNATURE_BYTES } from "../protocol/account.ts";
import { MESSAGE_BYTES_MAX } from "../protocol/call.ts";
import { boundedBytes, decode, encode, exactBytes, nullable, struct, u32 } from "../protocol/scale.ts";

/** A block of the chain that it follows. */
interface Head {
  readonly height: number;
  readonly hash: Uint8Array;
}

/** A state of the ledger that lies beside it, in the clear. */
interface SavedLedger extends Head {
  readonly stateHash: Uint8Array;
}

/** It is replaced whole. */
export interface ProgressRecord {
  /** Of the one chain that it will ever follow; null before it was told. */
  readonly genesisHash: Uint8Array | null;
  /** The last block that it has acted on: no chain without it is followed any more. */
  readonly head: Head | null;
  readonly saved: SavedLedger | null;
  /** As many messages of its IdentityKey may be on chain: one more, and this record is not the last that was written. */
  readonly signed: number;
  /** The last of them, to be handed out until it is on chain; null where a registration was signed since. */
  readonly message: Uint8Array | null;
  /** The last session that it has vouched for a state in: it never vouches for two. */
  readonly vouched: number | null;
  /** MessageSequences. */
  readonly sequences: Uint8Array;
}

/** Bytes of encoded MessageSequences, at most. */
const SEQUENCES_BYTES_MAX = 1 << 19;

const head = { height: u32, hash: exactBytes(HASH_BYTES) };

const codec = struct<ProgressRecord>({
  genesisHash: nullable(exactBytes(HASH_BYTES)),
  head: nullable(struct<Head>(head)),
  saved: nullable(struct<SavedLedger>({ ...head, stateHash: exactBytes(HASH_BYTES) })),
  signed: u32,
  message: nullable(boundedBytes(MESSAGE_BYTES_MAX + SIGNATURE_BYTES)),
  vouched: nullable(u32),
  sequences: boundedBytes(SEQUENCES_BYTES_MAX),
});

/** As bytes, to be sealed. */
export function encodeProgress(record: ProgressRecord): Uint8Array {
  return encode(codec, record);
}

/** The record in these bytes, or null if they are none. */
export function decodeProgress(bytes: Uint8Array): ProgressRecord | null {
  return decode(codec, bytes);
}
