/**
 * A rotation of the MasterKey, as the ledger knows it: from generation r to r + 1, one at a time.
 *
 *   keyGeneration  a key session makes MasterKey r + 1; when it is in force, pRuntimes come by its keys until the switch block:
 *                  the store is cut into partitions then, and first leases are promised, so that keys are there when they begin.
 *                  Where no key comes about in time the rotation is given up: all is as it was
 *   reencryption   from the switch block on states are sealed under r + 1, and a rotation only goes forward. The store's states
 *                  are cut into partitions; pRuntimes lease them, re-encrypt them, and say so in receipts
 *   verification   other pRuntimes check each partition, without a plaintext; then t of them certify that nothing is left under r
 *   abandonment    MasterKey r and what was derived from it is destroyed, by all who had any of it; governance can end what does not
 *                  come to an end, and then it stays on record that nobody knows whether r is gone
 *
 * A migration to another store (migration.ts) copies states instead: its switch is where its abandonment begins, and until then it
 * can be called off.
 *
 * rotation-phases.ts and rotation-abandonment.ts have the transitions, rotation-calls.ts what messages do.
 */
import type { Codec } from "scale-ts";
import { type PublicKey, hashCodec, publicKeyCodec } from "./account.ts";
import { type Migration, migrationCodec } from "./migration.ts";
import {
  type Hex,
  boolean,
  boundedBytes,
  boundedVector,
  millisecondsCodec,
  nullable,
  struct,
  u32,
  wordCodec,
} from "./scale.ts";
import type { State } from "./state.ts";

/** Partitions of a rotation, at most: their bounds fit into one message. */
export const PARTITIONS_MAX = 512;
/** Bytes of a storage key that a bound between partitions names: a partition may begin anywhere between two keys. */
const BOUND_KEY_BYTES_MAX = 32;
/** Partitions that one pRuntime has leased at a time, at most: with as many failures as they may name, receipts of all fit into one message. */
export const LEASES_MAX = 26;
/** Records that a receipt names which could not be opened, at most; all are counted. */
export const FAILURES_NAMED_MAX = 8;
/** Bytes of a storage key that is named; of a longer one so many are. */
export const FAILURE_KEY_BYTES_MAX = 256;

const PHASES = ["keyGeneration", "reencryption", "verification", "abandonment"] as const;
export const VERDICTS = ["sound", "faulty", "damaged", "overwritten"] as const;
const STAGES = ["unswept", "swept", "verified"] as const;

export type RotationPhase = (typeof PHASES)[number];
/** How far a partition is. */
export type PartitionStage = (typeof STAGES)[number];
/**
 * What a pRuntime finds that verifies a partition: all is right, as the sweeper left it; or all is right, and some of it was written
 * since ("overwritten"): then it contradicts nobody who found something else before; or what its receipt vouches for is wrong; or something is wrong
 * or unfinished that the receipt does not vouch for, so that nobody is to blame.
 */
export type Verdict = (typeof VERDICTS)[number];

/** What is under way. */
export interface Rotation {
  /** The generation that is left; the next one is made. */
  readonly from: number;
  /** Where states go besides, in a migration; null in any other rotation. */
  readonly migration: Migration | null;
  /** The store that a migration copies states from into another; null where they stay in theirs. */
  readonly source: Hex | null;
  readonly phase: RotationPhase;
  /** The first block of this phase. */
  readonly since: number;
  /** The last block by which it should be over: keyGeneration is given up then, of the others it is told. */
  readonly deadline: number;
  /** How often it was not over in time. */
  readonly late: number;
  /**
   * From which block on states are sealed under the new generation, or copied; where the store was replaced since, a block after that. Null
   * until that generation is in force.
   */
  readonly switchHeight: number | null;
  /** Partitions, once they are recorded; and how many of them are swept, or verified. */
  readonly partitions: number | null;
  readonly swept: number;
  readonly verified: number;
  /** Records and bytes of their texts in receipts. */
  readonly records: number;
  readonly bytes: number;
  /** Who certifies that nothing is left under the old generation. */
  readonly certifiers: readonly PublicKey[];
  /** Whether what the store had under it is out of its file. */
  readonly compacted: boolean;
}

/** A place between records of the store: the inner end of a partition. */
export interface PartitionBound {
  /** A contract's id. */
  readonly contract: Hex;
  /** Up to BOUND_KEY_BYTES_MAX bytes: the place is before the first key that is not less. */
  readonly key: Uint8Array;
}

/** A part of the store, from a bound to the next. */
export interface Partition {
  /** Where it begins; null: at the beginning of the store. */
  readonly from: PartitionBound | null;
  /** Where it ends; null: at the end. */
  readonly to: PartitionBound | null;
  readonly stage: PartitionStage;
  /** Who has leased it for what comes next: to sweep it, or to verify it; before the switch, to whom it is promised. Null: nobody. */
  readonly holder: PublicKey | null;
  /** The last block of the lease; without one, the first block in which it may be leased. */
  readonly deadline: number;
  /** How often it has to be swept anew, because it was not sound. */
  readonly attempt: number;
  /** Whether what can't be opened is to be put aside. */
  readonly quarantine: boolean;
  readonly receipt: Receipt | null;
  /** What was found of this receipt: a single good word, or where that is in dispute, holders' words. */
  readonly verdicts: readonly PartitionVerdict[];
  /**
   * With whom it came to nothing, and nobody is to blame: whose lease ended, who could not open all of it, who found it damaged and
   * who had swept it then; the last one was the latest. Of holders of shares, others come next; when nobody does for the time of a lease,
   * all may again; where no other is left, the first one.
   */
  readonly doubters: readonly PublicKey[];
}

/** What a pRuntime vouches for that has swept a partition. */
export interface Receipt extends ReceiptClaim {
  readonly by: PublicKey;
  readonly height: number;
}

/** What it says of it. */
export interface ReceiptClaim {
  /** Pages that it has replaced. */
  readonly pages: number;
  /** Records that it has re-encrypted, and bytes of their texts. */
  readonly records: number;
  readonly bytes: number;
  /** Records that could not be opened, and the first of them. */
  readonly failed: number;
  readonly failures: readonly NamedRecord[];
  /** Records that were put aside because they could not be opened, as governance had it. */
  readonly quarantined: number;
  /** Of the statements of all pages, in order. */
  readonly digest: Hex;
}

/** A record by its names. */
export interface NamedRecord {
  readonly contract: Hex;
  /** Its storage key, or the beginning of it. */
  readonly key: Uint8Array;
}

/** What one pRuntime found. */
export interface PartitionVerdict {
  readonly by: PublicKey;
  readonly verdict: "sound" | "faulty" | "overwritten";
}

/** A pRuntime that has, or may have, what is derived from a MasterKey: it runs contracts, or has leased partitions. */
export interface KeyUser {
  readonly identityKey: PublicKey;
  /** Of generations before this one it has nothing any more. */
  readonly since: number;
  /** Whether it has leased partitions since, or was promised some: it may have been given keys of any contract, by its own doing. */
  readonly hasLeased: boolean;
}

/** A MasterKey that a rotation left, and of which governance ended the abandonment before it was shown to be destroyed. */
export interface ClosedAbandonment {
  readonly rotationId: number;
  /** When it was closed. */
  readonly height: number;
  /** Whether what was sealed under it is out of its store, by the word of a gatekeeper. */
  readonly compacted: boolean;
}

export const partitionBoundCodec = struct<PartitionBound>({
  contract: hashCodec,
  key: boundedBytes(BOUND_KEY_BYTES_MAX),
});

/** Fields of a receipt's claim. */
export const receiptClaimCodecs = {
  pages: u32,
  records: millisecondsCodec,
  bytes: millisecondsCodec,
  failed: millisecondsCodec,
  failures: boundedVector(
    struct<NamedRecord>({ contract: hashCodec, key: boundedBytes(FAILURE_KEY_BYTES_MAX) }),
    FAILURES_NAMED_MAX,
  ),
  quarantined: millisecondsCodec,
  digest: hashCodec,
};

/** Parties of a list that grows with what they do, at most: each is in it once. */
const PARTIES_MAX = 65_536;

export const rotationCodec: Codec<Rotation> = struct<Rotation>({
  from: u32,
  migration: nullable(migrationCodec),
  source: nullable(hashCodec),
  phase: wordCodec(PHASES),
  since: u32,
  deadline: u32,
  late: u32,
  switchHeight: nullable(u32),
  partitions: nullable(u32),
  swept: u32,
  verified: u32,
  records: millisecondsCodec,
  bytes: millisecondsCodec,
  certifiers: boundedVector(publicKeyCodec, PARTIES_MAX),
  compacted: boolean,
});

export const partitionCodec: Codec<Partition> = struct<Partition>({
  from: nullable(partitionBoundCodec),
  to: nullable(partitionBoundCodec),
  stage: wordCodec(STAGES),
  holder: nullable(publicKeyCodec),
  deadline: u32,
  attempt: u32,
  quarantine: boolean,
  receipt: nullable(struct<Receipt>({ by: publicKeyCodec, height: u32, ...receiptClaimCodecs })),
  verdicts: boundedVector(
    struct<PartitionVerdict>({ by: publicKeyCodec, verdict: wordCodec(["sound", "faulty", "overwritten"] as const) }),
    PARTIES_MAX,
  ),
  doubters: boundedVector(publicKeyCodec, PARTIES_MAX),
});

export const keyUserCodec: Codec<KeyUser> = struct<KeyUser>({
  identityKey: publicKeyCodec,
  since: u32,
  hasLeased: boolean,
});

export const closedAbandonmentCodec: Codec<ClosedAbandonment> = struct<ClosedAbandonment>({
  rotationId: u32,
  height: u32,
  compacted: boolean,
});

/**
 * The generation that states are sealed under: the newest, but for the blocks before a switch. Null where none is in force.
 */
export function sealedUnder({ rotation, sharings }: Pick<State, "rotation" | "sharings">): number | null {
  const newest = sharings.at(-1);
  if (newest === undefined) return null;
  return rotation !== null && isBeforeSwitch(rotation) ? rotation.from : newest.rotationId;
}

/** Whether all is still read and written as it was before the rotation, so that it can be called off. */
export function isBeforeSwitch({ phase, source }: Pick<Rotation, "phase" | "source">): boolean {
  return phase === "keyGeneration" || (source !== null && phase !== "abandonment");
}

/** Whether records of a partition can't be opened, by the word of who has tried last, so that it is not swept. */
export function isBlocked({ stage, receipt }: Pick<Partition, "stage" | "receipt">): boolean {
  return stage === "unswept" && receipt !== null && receipt.failed > 0;
}

/** Whether nothing is left in a file of what was sealed under the generation that is left: it was declared, or there was no store. */
export function isCompacted({ compacted, partitions }: Pick<Rotation, "compacted" | "partitions">): boolean {
  return compacted || partitions === 0;
}

/**
 * Whether another store may take the place of the one that is rotated, as where that one is lost. A migration to another can be called off;
 * and where all is done, it is of no use any more.
 */
export function mayChangeStore({
  phase,
  source,
  migration,
}: Pick<Rotation, "phase" | "source" | "migration">): boolean {
  if (phase === "keyGeneration") return (migration?.store ?? null) === null;
  return source === null && phase !== "abandonment";
}

/** Whether keys of both generations are in force, so that who works on partitions may be given some. */
export function mayLease({ phase, switchHeight }: Rotation): boolean {
  return switchHeight !== null && phase !== "abandonment";
}

/** Whether a pRuntime has leased a partition that a contract's states may lie in. */
export function hasLeased(partitions: readonly Partition[], contract: Hex): boolean {
  // Ids have one length and one way to be written in hex, so that their order is that of their bytes.
  return partitions.some(
    ({ from, to }) =>
      (from === null || contract >= from.contract) &&
      (to === null || contract < to.contract || (contract === to.contract && to.key.length > 0)),
  );
}

/** Partitions that a pRuntime has leased, with their indices. */
export function leasesOf(
  { partitions }: Pick<State, "partitions">,
  identityKey: PublicKey,
): (Partition & { readonly index: number })[] {
  return [...partitions.values()].flatMap((partition, index) =>
    partition.holder === identityKey ? [{ ...partition, index }] : [],
  );
}
