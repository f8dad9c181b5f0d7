/** What a block does besides changing the state: what there is to tell of it. */
import type { AccountId, PublicKey } from "./account.ts";
import type { Unreadable } from "./authenticate.ts";
import type { Migration } from "./call.ts";
import type { OffenceFractions } from "./genesis.ts";
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
  /** The pRuntime acts as a gatekeeper, or will. */
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
  /** Its owner has deployed a contract of this name. */
  | "ContractExists"
  | "NoContract"
  | "NotOwner"
  /** The contract is another pRuntime's to run. */
  | "NotAssigned"
  /** It is no http or https URL in printable ASCII. */
  | "BadEndpoint";

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
  | { readonly kind: "ReporterPaid"; readonly reporter: AccountId; readonly amount: bigint }
  | { readonly kind: "Voted"; readonly member: PublicKey; readonly votes: number; readonly threshold: number }
  | { readonly kind: "RotationOrdered" }
  | { readonly kind: "MeasurementAllowed"; readonly measurement: Hex }
  | { readonly kind: "MeasurementWithdrawn"; readonly measurement: Hex }
  | { readonly kind: "MigrationOrdered"; readonly migration: Migration }
  | {
      readonly kind: "ContractDeployed";
      readonly contract: Hex;
      readonly owner: AccountId;
      readonly name: Uint8Array;
      readonly worker: PublicKey;
    }
  | { readonly kind: "ContractAssigned"; readonly contract: Hex; readonly worker: PublicKey }
  | { readonly kind: "ContractKeyPublished"; readonly contract: Hex; readonly ecdhKey: ContractEcdhKey }
  | { readonly kind: "EndpointSet"; readonly identityKey: PublicKey; readonly endpoint: Uint8Array | null };

/** Something that a block did: the message with this index in it, or its height alone. */
export type Effect = Happening & { readonly index: number | null };
