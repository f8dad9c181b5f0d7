/** What a block does besides changing the state: what there is to tell of it. */
import type { DealingKind } from "../keys/dealing.ts";
import type { AccountId, PublicKey } from "./account.ts";
import type { Unreadable } from "./authenticate.ts";
import type { Migration } from "./migration.ts";
import type { OffenceFractions } from "./genesis.ts";
import type { KeySessionPhase } from "./key-session.ts";
import type { GatekeeperOffence } from "./offences.ts";
import type { PartitionStage, Receipt, RotationPhase, Verdict } from "./rotation.ts";
import type { OwedShares } from "./retirement.ts";
import type { Hex } from "./scale.ts";
import type { ContractEcdhKey } from "./state.ts";

/** Why a message counts for nothing, not even for its sender's sequence. */
export type RefusalReason =
  | Unreadable
  /** No account has this id. */
  | "UnknownSender"
  /** It was sent before, or another in its place. */
  | "SequenceTooLow"
  /** Messages before it are missing. */
  | "SequenceTooHigh";

/** Why a message was counted but what it asks for was not done. */
export type FailureReason =
  /** A signature or point inside the call is wrong. */
  | "BadProof"
  | "InsufficientBalance"
  /** An account would begin or stay with less than the existential deposit. */
  | "ExistentialDeposit"
  /** Gatekeepers are listed, so that nothing is at stake. */
  | "NoElections"
  | "AlreadyBonded"
  | "NotBonded"
  /** Less than the rules ask for at stake. */
  | "InsufficientBond"
  | "NoMoreChunks"
  | "CommissionTooLow"
  | "CommissionTooHigh"
  | "TooManyValidators"
  | "TooManyNominators"
  | "EmptyTargets"
  | "DuplicateTarget"
  /** A target does not stand for election, or is blocked. */
  | "BadTarget"
  | "NotWorker"
  /** The stash has no pRuntime to serve with, or governance has withdrawn its measurement. */
  | "NoKeys"
  /** The pRuntime belongs to another account. */
  | "NotOperator"
  /** The pRuntime acts as a gatekeeper, or will; or it answers for its part in a rotation. */
  | "InUse"
  | "StaleRegistration"
  /** An attestation, or the quote in it, can't be read. */
  | "AttestationMalformed"
  /** Only hardware is believed here. */
  | "SoftwareNotAllowed"
  /** The enclave can be looked into from outside. */
  | "DebugEnclave"
  /** The quote vouches for other keys, or for another chain. */
  | "WrongReportData"
  /** The pRuntime is none of those that may serve. */
  | "MeasurementNotAllowed"
  /** The block has had as many quotes verified as it may. */
  | "TooManyAttestations"
  /** A signature, certificate, or other part of a quote or its collateral is wrong. */
  | "QuoteInvalid"
  | "CertificateRevoked"
  /** A part of the collateral is not valid at the block's time: any more, or yet. */
  | "CollateralExpired"
  /** The state of the platform's firmware or configuration is not good enough here. */
  | "TcbNotAccepted"
  | "NotGatekeeper"
  | "WrongSession"
  | "AlreadySent"
  | "WrongState"
  | "NoOffence"
  /** The era of the offence is over for too long, or nobody was at stake. */
  | "NoExposure"
  | "AlreadySlashed"
  | "NotGovernance"
  | "WrongRound"
  | "NothingToDo"
  | "TooManyMeasurements"
  | "HeightInThePast"
  /** No key session of this number is under way, or it is in another phase. */
  | "WrongEpoch"
  | "WrongPhase"
  /** It gets no share in this session. */
  | "NotReceiver"
  /** It has no share that it could deal, or has dealt nothing. */
  | "NotDealer"
  /** A dealing that anybody sees to be wrong. */
  | "BadDealing"
  /** The block has had elements or proofs of this signer verified already. */
  | "TooManyProofs"
  /** Its owner has deployed a contract of this name. */
  | "ContractExists"
  | "NoContract"
  | "NotOwner"
  /** No MasterKey of this rotation id is shared. */
  | "NotInForce"
  /** The contract is another pRuntime's to run. */
  | "NotAssigned"
  /** It is no http or https URL in printable ASCII. */
  | "BadEndpoint"
  /** A rotation is ordered or under way already. */
  | "RotationUnderWay"
  /** The phase that the rotation is in has its time still. */
  | "NotLate"
  /** No rotation to this MasterKey is under way. */
  | "NoRotation"
  /** It neither holds a share nor was named by governance, or was convicted. */
  | "NotRotationWorker"
  | "TooManyRotationWorkers"
  /** Bounds of partitions don't rise. */
  | "BadPartitions";

/** Something that happened. */
export type Happening =
  | { readonly kind: "MessageRefused"; readonly reason: RefusalReason }
  | {
      readonly kind: "MessageFailed";
      readonly sender: AccountId;
      readonly reason: FailureReason;
    }
  | { readonly kind: "MessageDone"; readonly sender: AccountId }
  | { readonly kind: "Transferred"; readonly from: AccountId; readonly to: AccountId; readonly amount: bigint }
  | { readonly kind: "Bonded"; readonly stash: AccountId; readonly amount: bigint }
  | { readonly kind: "Unbonded"; readonly stash: AccountId; readonly amount: bigint }
  | { readonly kind: "Withdrawn"; readonly stash: AccountId; readonly amount: bigint }
  | { readonly kind: "Chilled"; readonly stash: AccountId }
  | {
      readonly kind: "WorkerRegistered";
      readonly identityKey: PublicKey;
      readonly operator: AccountId;
      readonly measurement: Hex;
    }
  | { readonly kind: "WorkerDeregistered"; readonly identityKey: PublicKey }
  | { readonly kind: "EcdhKeyChanged"; readonly identityKey: PublicKey; readonly ecdhKey: PublicKey }
  | { readonly kind: "SessionStarted"; readonly session: number }
  | { readonly kind: "StakersElected"; readonly era: number; readonly stashes: readonly AccountId[] }
  | { readonly kind: "ElectionFailed"; readonly era: number; readonly winners: number; readonly minimum: number }
  | { readonly kind: "EraPaid"; readonly era: number; readonly payout: bigint; readonly paid: bigint }
  | { readonly kind: "EraStarted"; readonly era: number }
  | { readonly kind: "GatekeeperChange"; readonly gatekeepers: readonly PublicKey[] }
  | { readonly kind: "Rewarded"; readonly stash: AccountId; readonly amount: bigint }
  | {
      readonly kind: "OffenceReported";
      readonly offence: keyof OffenceFractions;
      readonly stash: AccountId;
      readonly era: number;
      readonly fraction: number;
    }
  | { readonly kind: "SlashDeferred"; readonly id: number; readonly stash: AccountId; readonly dueSession: number }
  | { readonly kind: "SlashCancelled"; readonly id: number }
  | { readonly kind: "Slashed"; readonly stash: AccountId; readonly amount: bigint }
  /** Of a pRuntime that has nothing at stake. */
  | {
      readonly kind: "DepositSlashed";
      readonly offence: keyof OffenceFractions;
      readonly identityKey: PublicKey;
      readonly operator: AccountId;
      readonly amount: bigint;
    }
  | { readonly kind: "ReporterPaid"; readonly reporter: AccountId; readonly amount: bigint }
  | { readonly kind: "Voted"; readonly member: PublicKey; readonly votes: number; readonly threshold: number }
  /** By the votes of these. */
  | { readonly kind: "RotationOrdered"; readonly members: readonly PublicKey[] }
  | { readonly kind: "MeasurementAllowed"; readonly measurement: Hex }
  | { readonly kind: "MeasurementWithdrawn"; readonly measurement: Hex }
  | { readonly kind: "MigrationOrdered"; readonly migration: Migration; readonly members: readonly PublicKey[] }
  /** It was called off: before it began, or under way; then it is told as a rotation that was aborted, too. */
  | { readonly kind: "MigrationCancelled"; readonly members: readonly PublicKey[] }
  | { readonly kind: "Launched" }
  | {
      readonly kind: "KeySessionStarted";
      readonly epoch: number;
      readonly session: DealingKind;
      readonly rotationId: number;
      readonly threshold: number;
      readonly committee: readonly PublicKey[];
    }
  /** A phase began; these did nothing in the one before, in which something was expected of them. */
  | {
      readonly kind: "KeySessionAdvanced";
      readonly epoch: number;
      readonly phase: KeySessionPhase;
      readonly silent: readonly PublicKey[];
    }
  /** It failed: nothing is changed, and it is tried again. */
  | {
      readonly kind: "KeySessionAborted";
      readonly epoch: number;
      readonly reason: AbortReason;
      readonly silent: readonly PublicKey[];
    }
  /** Somebody was convicted, in a key session or for what it did with its share of it, and gets no other. */
  | {
      readonly kind: "Convicted";
      readonly epoch: number;
      readonly offence: GatekeeperOffence;
      readonly identityKey: PublicKey;
    }
  /** Shares of a MasterKey are in force, those before are not. */
  | {
      readonly kind: "SharingAdopted";
      readonly epoch: number;
      readonly rotationId: number;
      readonly publicKey: Hex;
      readonly holders: readonly PublicKey[];
      readonly silent: readonly PublicKey[];
    }
  /** The elected don't take over, because the MasterKey could not be handed over to them. */
  | { readonly kind: "HandoverFailed"; readonly era: number }
  | { readonly kind: "ShareConfirmed"; readonly epoch: number; readonly identityKey: PublicKey }
  | { readonly kind: "ShareDestroyed"; readonly epoch: number; readonly identityKey: PublicKey }
  /** Too few to stand for the key have not declared that their shares are destroyed; nobody waits for them any more. */
  | { readonly kind: "SharesOutstanding"; readonly epoch: number; readonly owing: readonly PublicKey[] }
  | {
      readonly kind: "ContractDeployed";
      readonly contract: Hex;
      readonly owner: AccountId;
      readonly name: Uint8Array;
      readonly worker: PublicKey;
    }
  | { readonly kind: "ContractAssigned"; readonly contract: Hex; readonly worker: PublicKey }
  | { readonly kind: "ContractKeyPublished"; readonly contract: Hex; readonly ecdhKey: ContractEcdhKey }
  | { readonly kind: "EndpointSet"; readonly identityKey: PublicKey; readonly endpoint: Uint8Array | null }
  | { readonly kind: "StoreAnnounced"; readonly store: Hex; readonly identityKey: PublicKey }
  | { readonly kind: "RotationIntervalSet"; readonly blocks: number }
  /** A pRuntime may take part in rotations besides those that hold shares, or may not any more. */
  | { readonly kind: "RotationWorkerSet"; readonly identityKey: PublicKey; readonly may: boolean }
  /** Governance says which store is the network's. */
  | { readonly kind: "StoreSet"; readonly store: Hex }
  /** A new MasterKey is to be made, by order of governance or because it is time. Rotation ids in these are the new one's. */
  | {
      readonly kind: "RotationStarted";
      readonly rotationId: number;
      readonly ordered: boolean;
      /** Null where it is none. */
      readonly migration: Migration | null;
    }
  /** None was made in time, or a migration was called off: all is as it was. */
  | { readonly kind: "RotationAborted"; readonly rotationId: number }
  | { readonly kind: "SwitchPlanned"; readonly rotationId: number; readonly height: number }
  /** The switch: from here on states are sealed under the new MasterKey. */
  | { readonly kind: "MasterPubkeyRotated"; readonly rotationId: number; readonly publicKey: Hex }
  /** The store is another since the switch: it is cut anew, and nothing counts that was done to the one before. */
  | { readonly kind: "RotationRestarted"; readonly rotationId: number }
  | { readonly kind: "RotationAdvanced"; readonly rotationId: number; readonly phase: RotationPhase }
  /** A phase takes longer than it should: how many partitions it waits for, if they are known. */
  | {
      readonly kind: "RotationLate";
      readonly rotationId: number;
      readonly phase: RotationPhase;
      readonly remaining: number | null;
    }
  | {
      readonly kind: "PartitionsRecorded";
      readonly rotationId: number;
      readonly partitions: number;
      readonly identityKey: PublicKey;
    }
  /** Its lease begins with the switch; keys for it are given from here on. */
  | { readonly kind: "PartitionPromised"; readonly partition: number; readonly holder: PublicKey }
  /** To be swept, where it is unswept; to be verified, where it is swept. */
  | {
      readonly kind: "PartitionLeased";
      readonly partition: number;
      readonly holder: PublicKey;
      readonly stage: PartitionStage;
    }
  | { readonly kind: "LeaseExpired"; readonly partition: number; readonly holder: PublicKey }
  /** The second: records in it can't be opened. It is tried again. */
  | { readonly kind: "PartitionSwept" | "PartitionBlocked"; readonly partition: number; readonly receipt: Receipt }
  | {
      readonly kind: "PartitionJudged";
      readonly partition: number;
      readonly identityKey: PublicKey;
      readonly verdict: Verdict;
    }
  /**
   * It has to be swept anew: it is damaged, or what its receipt vouches for is wrong; or too few looked at it in a dispute, or have
   * certified in time when all was verified.
   */
  | { readonly kind: "PartitionReopened"; readonly partition: number; readonly attempt: number }
  | { readonly kind: "QuarantineOrdered"; readonly rotationId: number; readonly partition: number }
  | { readonly kind: "RotationCertified"; readonly rotationId: number; readonly identityKey: PublicKey }
  | { readonly kind: "StoreCompacted"; readonly rotationId: number; readonly identityKey: PublicKey }
  /** Somebody has nothing any more of the keys that were derived from this MasterKey. */
  | { readonly kind: "KeysDestroyed"; readonly rotationId: number; readonly identityKey: PublicKey }
  /** This MasterKey is gone, and the rotation over; these have not declared that they have nothing of it any more. */
  | {
      readonly kind: "MasterKeyAbandoned";
      readonly rotationId: number;
      readonly records: number;
      readonly bytes: number;
      readonly outstanding: readonly PublicKey[];
    }
  /**
   * Governance has closed the rotation by the votes of these, although what was there of this MasterKey is not shown to be gone: shares
   * that nobody has declared destroyed, of sharings of which so many stand for the key; or the store's copies.
   */
  | {
      readonly kind: "AbandonmentClosed";
      readonly rotationId: number;
      readonly records: number;
      readonly bytes: number;
      readonly members: readonly PublicKey[];
      readonly shares: readonly OwedShares[];
      readonly compacted: boolean;
      readonly outstanding: readonly PublicKey[];
    };

/** Why a key session failed. */
export type AbortReason =
  | "TooFewReceivers"
  | "TooFewDealings"
  | "TooFewQualified"
  | "TooFewConfirmed"
  /** Others became gatekeepers meanwhile. */
  | "CommitteeChanged"
  /** Its MasterKey is to be destroyed. */
  | "Abandoned"
  /** A sum of dealings was the identity. */
  | "Degenerate";

/** Something that a block did: the message with this index in it, or its height alone. */
export type Effect = Happening & { readonly index: number | null };
