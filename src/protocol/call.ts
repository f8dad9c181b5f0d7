/**
 * What messages ask for, and its bytes. Staking calls are named and mean as in `pallet_staking`; the order of each list
 * is its encoding, so lists only grow at their end.
 */
import { type Codec, Enum } from "scale-ts";
import { DEPLOYED_NAME_BYTES_MAX } from "../contract-id.ts";
import {
  type AccountId,
  type PublicKey,
  accountIdCodec,
  hashCodec,
  publicKeyCodec,
  signatureCodec,
} from "./account.ts";
import type { Complaint } from "../keys/complaint.ts";
import type { Dealing } from "../keys/dealing.ts";
import type { TrialPartial } from "../keys/trial-partial.ts";
import {
  type Hex,
  boolean,
  boundedBytes,
  boundedVector,
  compactBalance,
  nothing,
  nullable,
  struct,
  u32,
  wordCodec,
} from "./scale.ts";
import {
  LEASES_MAX,
  PARTITIONS_MAX,
  type PartitionBound,
  type ReceiptClaim,
  VERDICTS,
  type Verdict,
  partitionBoundCodec,
  receiptClaimCodecs,
} from "./rotation.ts";
import { type Migration, migrationCodec } from "./migration.ts";
import { type PartialsEvidence, partialsEvidenceCodec } from "./partials-evidence.ts";
import { GATEKEEPERS_MAX, dealingCodec, elementCodec, elementHexCodec, proofCodec } from "./sharing.ts";

/** Bytes of a message at most. */
export const MESSAGE_BYTES_MAX = 65_536;
/** Bytes of an attestation at most: a quote with its collateral has half as many. */
export const ATTESTATION_BYTES_MAX = 32_768;
/** Gatekeepers whom one nominator may back: `MaxNominations`. */
export const NOMINATIONS_MAX = 16;
/** Bytes of the URL at which a pRuntime's host takes messages. */
export const ENDPOINT_BYTES_MAX = 256;
/** Contracts whose EcdhKeys one message publishes, at most: half of its bytes. */
export const CONTRACT_KEYS_MAX = 512;
/** Bytes of a message that is part of another as evidence. */
const EVIDENCE_BYTES_MAX = 1_024;

/** Where rewards go: `RewardDestination`. */
export type Payee =
  /** To the stash, and at stake. */
  | { readonly tag: "staked"; readonly value: undefined }
  | { readonly tag: "stash"; readonly value: undefined }
  | { readonly tag: "account"; readonly value: AccountId }
  /** Nowhere: they are not made. */
  | { readonly tag: "none"; readonly value: undefined };

/** What a gatekeeper that stands for election says of itself: `ValidatorPrefs`. */
export interface ValidatorPrefs {
  /** Its part of rewards before they are shared, in billionths. */
  readonly commission: number;
  /** Nobody new may nominate it. */
  readonly blocked: boolean;
}

/** What only governance may order. */
export type Action =
  | { readonly tag: "rotate"; readonly value: undefined }
  | { readonly tag: "allow"; readonly value: Hex }
  | { readonly tag: "withdraw"; readonly value: Hex }
  | { readonly tag: "cancelSlash"; readonly value: number }
  | { readonly tag: "migrate"; readonly value: Migration }
  /** Has the gatekeepers make the first MasterKey. */
  | { readonly tag: "launch"; readonly value: undefined }
  /** Blocks from one rotation to the next; 0: none but by order. */
  | { readonly tag: "setRotationInterval"; readonly value: number }
  /** Lets a pRuntime take part in rotations that holds no share, or lets it no more. */
  | { readonly tag: "setRotationWorker"; readonly value: RotationWorker }
  /** Puts a store in the place of the one that was announced: what lies in that one is not rotated any more, as if it had never been. */
  | { readonly tag: "setStore"; readonly value: Hex }
  /** Has records of a partition put aside that can't be opened. */
  | { readonly tag: "quarantine"; readonly value: QuarantineOrder }
  /** Calls off a migration that has not switched yet. */
  | { readonly tag: "cancelMigration"; readonly value: undefined }
  /** Ends the rotation to this MasterKey, whose abandonment is late, although the one before is not shown to be destroyed. */
  | { readonly tag: "closeAbandonment"; readonly value: number };

/** A pRuntime, and whether it may take part. */
export interface RotationWorker {
  readonly identityKey: PublicKey;
  readonly may: boolean;
}

/** What is to be put aside: what can't be opened in a partition of the rotation to this MasterKey. */
export interface QuarantineOrder {
  readonly rotationId: number;
  readonly partition: number;
}

/** Proof of an offence that needs no other word: signed messages of the offender. */
export type Evidence =
  | { readonly tag: "equivocation"; readonly value: Equivocation }
  /** Partials that a gatekeeper has given, and that are not what its share makes. */
  | { readonly tag: "wrongPartials"; readonly value: PartialsEvidence };

/** Two heartbeats of one session that vouch for different states: two messages, as they were signed. */
export interface Equivocation {
  readonly first: Uint8Array;
  readonly second: Uint8Array;
}

/** A pRuntime introduces itself, through the account of its operator. */
export interface Registration {
  readonly identityKey: PublicKey;
  readonly ecdhKey: PublicKey;
  /** What proves the pRuntime's measurement: attestation.ts. */
  readonly attestation: Uint8Array;
  /** The IdentityKey's own sequence: an old registration can't be brought back. */
  readonly sequence: number;
  /** The IdentityKey's signature of all this and of its operator: message.ts. */
  readonly proof: Hex;
}

/** A dealing key, which lives as long as its session. */
interface DealingKeyRegistration {
  readonly epoch: number;
  /** One element. */
  readonly dealingKey: Uint8Array;
  /** Of possession, bound to the session and the receiver. */
  readonly proof: Uint8Array;
}

/** A complaint about the dealing of one dealer. */
interface DealerComplaint {
  /** Its index. */
  readonly dealer: number;
  readonly complaint: Complaint;
}

/** A contract's EcdhKey, encoded: as long as its group has it. */
export interface PublishedKey {
  readonly contract: Hex;
  readonly ecdhKey: Hex;
}

/** What a pRuntime has done with partitions of a rotation. */
export interface RotationWork {
  /** Of the new MasterKey. */
  readonly rotationId: number;
  readonly done: readonly PartitionWork[];
  /** Partitions that it would lease besides those that it has. */
  readonly wanted: number;
}

/** With one of them. */
export interface PartitionWork {
  readonly partition: number;
  /** The partition's, when it was leased. */
  readonly attempt: number;
  readonly outcome:
    /** Every record in it is under the new MasterKey, but for those that the receipt names. */
    | { readonly tag: "swept"; readonly value: ReceiptClaim }
    /** What another's receipt is worth. */
    | { readonly tag: "verified"; readonly value: Verdict };
}

/** What a holder of a share has looked at: after a rotation that was called off, another one has its rotation id. */
export interface Certification {
  /** Of the new MasterKey. */
  readonly rotationId: number;
  /** The block of its switch, or from which on states are copied: no two have the same. */
  readonly switchHeight: number;
}

/** What a message asks for. */
export type Call =
  | { readonly tag: "transfer"; readonly value: { readonly to: AccountId; readonly amount: bigint } }
  | { readonly tag: "bond"; readonly value: { readonly amount: bigint; readonly payee: Payee } }
  | { readonly tag: "bondExtra"; readonly value: bigint }
  | { readonly tag: "unbond"; readonly value: bigint }
  | { readonly tag: "withdrawUnbonded"; readonly value: undefined }
  | { readonly tag: "validate"; readonly value: ValidatorPrefs }
  | { readonly tag: "nominate"; readonly value: readonly AccountId[] }
  | { readonly tag: "chill"; readonly value: undefined }
  | { readonly tag: "setPayee"; readonly value: Payee }
  /** The IdentityKey that a stash serves with when it is elected: `pallet_session`. */
  | { readonly tag: "setKeys"; readonly value: PublicKey }
  | { readonly tag: "registerWorker"; readonly value: Registration }
  | { readonly tag: "deregisterWorker"; readonly value: PublicKey }
  | { readonly tag: "setEcdhKey"; readonly value: PublicKey }
  /** A gatekeeper vouches for the ledger that it has: the state at the end of the session before. */
  | { readonly tag: "heartbeat"; readonly value: { readonly session: number; readonly stateHash: Hex } }
  | { readonly tag: "reportOffence"; readonly value: Evidence }
  /** A vote for an action, which is done when enough have given theirs. */
  | { readonly tag: "govern"; readonly value: { readonly round: number; readonly action: Action } }
  /** A receiver of a key session says what is sealed to it in that session alone. */
  | { readonly tag: "registerDealingKey"; readonly value: DealingKeyRegistration }
  | { readonly tag: "deal"; readonly value: { readonly epoch: number; readonly dealing: Dealing } }
  /** A receiver has looked at all that was dealt to it: the one time that it can complain. */
  | {
      readonly tag: "judgeDealings";
      readonly value: { readonly epoch: number; readonly complaints: readonly DealerComplaint[] };
    }
  /** A receiver has sealed its share, and proves it by a trial. */
  | { readonly tag: "confirmShare"; readonly value: { readonly epoch: number; readonly trial: TrialPartial } }
  /** A pRuntime has no share of that session any more. */
  | { readonly tag: "declareDestroyed"; readonly value: number }
  /** A new contract of the sender, and the pRuntime that is to run it. */
  | { readonly tag: "deployContract"; readonly value: { readonly name: Uint8Array; readonly worker: PublicKey } }
  /** Another pRuntime is to run it from now on. */
  | { readonly tag: "assignContract"; readonly value: { readonly contract: Hex; readonly worker: PublicKey } }
  /** The pRuntime that contracts are assigned to says what commands to them are encrypted to. */
  | {
      readonly tag: "publishContractKeys";
      readonly value: { readonly rotationId: number; readonly keys: readonly PublishedKey[] };
    }
  /** Where a pRuntime's host takes messages of others; null: nowhere. */
  | {
      readonly tag: "setEndpoint";
      readonly value: { readonly identityKey: PublicKey; readonly endpoint: Uint8Array | null };
    }
  /** A pRuntime has the store that contracts' states are to be in. */
  | { readonly tag: "announceStore"; readonly value: Hex }
  /** Where the store is cut for a rotation. */
  | {
      readonly tag: "recordPartitions";
      readonly value: { readonly rotationId: number; readonly bounds: readonly PartitionBound[] };
    }
  | { readonly tag: "workPartitions"; readonly value: RotationWork }
  /** Nothing in the store is left under the MasterKey before this one, and nothing can come under it. */
  | { readonly tag: "certifyRotation"; readonly value: Certification }
  /** What was under the MasterKey before this one is out of the store's file. */
  | { readonly tag: "declareCompacted"; readonly value: number }
  /** The sender has nothing any more that is derived from the MasterKey before this one. */
  | { readonly tag: "declareAbandoned"; readonly value: number };

export const payeeCodec = Enum({
  staked: nothing,
  stash: nothing,
  account: accountIdCodec,
  none: nothing,
}) as unknown as Codec<Payee>;

export const prefsCodec = struct<ValidatorPrefs>({ commission: u32, blocked: boolean });

export const actionCodec = Enum({
  rotate: nothing,
  allow: hashCodec,
  withdraw: hashCodec,
  cancelSlash: u32,
  migrate: migrationCodec,
  launch: nothing,
  setRotationInterval: u32,
  setRotationWorker: struct<RotationWorker>({ identityKey: publicKeyCodec, may: boolean }),
  setStore: hashCodec,
  quarantine: struct<QuarantineOrder>({ rotationId: u32, partition: u32 }),
  cancelMigration: nothing,
  closeAbandonment: u32,
}) as unknown as Codec<Action>;

const evidenceCodec = Enum({
  equivocation: struct<Equivocation>({
    first: boundedBytes(EVIDENCE_BYTES_MAX),
    second: boundedBytes(EVIDENCE_BYTES_MAX),
  }),
  wrongPartials: partialsEvidenceCodec,
});

export const registrationCodec = struct<Registration>({
  identityKey: publicKeyCodec,
  ecdhKey: publicKeyCodec,
  attestation: boundedBytes(ATTESTATION_BYTES_MAX),
  sequence: u32,
  proof: signatureCodec,
});

export const callCodec = Enum({
  transfer: struct({ to: accountIdCodec, amount: compactBalance }),
  bond: struct({ amount: compactBalance, payee: payeeCodec }),
  bondExtra: compactBalance,
  unbond: compactBalance,
  withdrawUnbonded: nothing,
  validate: prefsCodec,
  nominate: boundedVector(accountIdCodec, NOMINATIONS_MAX),
  chill: nothing,
  setPayee: payeeCodec,
  setKeys: publicKeyCodec,
  registerWorker: registrationCodec,
  deregisterWorker: publicKeyCodec,
  setEcdhKey: publicKeyCodec,
  heartbeat: struct({ session: u32, stateHash: hashCodec }),
  reportOffence: evidenceCodec,
  govern: struct({ round: u32, action: actionCodec }),
  registerDealingKey: struct<DealingKeyRegistration>({ epoch: u32, dealingKey: elementCodec, proof: proofCodec }),
  deal: struct({ epoch: u32, dealing: dealingCodec }),
  judgeDealings: struct({
    epoch: u32,
    complaints: boundedVector(
      struct<DealerComplaint>({
        dealer: u32,
        complaint: struct<Complaint>({ point: elementCodec, proof: proofCodec }),
      }),
      GATEKEEPERS_MAX,
    ),
  }),
  confirmShare: struct({ epoch: u32, trial: struct<TrialPartial>({ partial: elementCodec, proof: proofCodec }) }),
  declareDestroyed: u32,
  deployContract: struct({ name: boundedBytes(DEPLOYED_NAME_BYTES_MAX), worker: publicKeyCodec }),
  assignContract: struct({ contract: hashCodec, worker: publicKeyCodec }),
  publishContractKeys: struct({
    rotationId: u32,
    keys: boundedVector(struct<PublishedKey>({ contract: hashCodec, ecdhKey: elementHexCodec }), CONTRACT_KEYS_MAX),
  }),
  setEndpoint: struct({ identityKey: publicKeyCodec, endpoint: nullable(boundedBytes(ENDPOINT_BYTES_MAX)) }),
  announceStore: hashCodec,
  recordPartitions: struct({ rotationId: u32, bounds: boundedVector(partitionBoundCodec, PARTITIONS_MAX - 1) }),
  workPartitions: struct<RotationWork>({
    rotationId: u32,
    done: boundedVector(
      struct<PartitionWork>({
        partition: u32,
        attempt: u32,
        outcome: Enum({
          swept: struct<ReceiptClaim>(receiptClaimCodecs),
          verified: wordCodec(VERDICTS),
        }) as unknown as Codec<PartitionWork["outcome"]>,
      }),
      LEASES_MAX,
    ),
    wanted: u32,
  }),
  certifyRotation: struct<Certification>({ rotationId: u32, switchHeight: u32 }),
  declareCompacted: u32,
  declareAbandoned: u32,
}) as unknown as Codec<Call>;
