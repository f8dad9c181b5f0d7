/** Everything that the ledger knows. Names as in `pallet_staking`, where it has them; state-codec.ts has its bytes. */
import type { AccountId, PublicKey } from "./account.ts";
import type { Action, Payee, ValidatorPrefs } from "./call.ts";
import type { Migration } from "./migration.ts";
import type { KeySession } from "./key-session.ts";
import type { MerkleMap } from "./merkle-map.ts";
import type { ClosedAbandonment, KeyUser, Partition, Rotation } from "./rotation.ts";
import type { Hex } from "./scale.ts";
import type { PostedDealing, RetiredSharing, Sharing } from "./sharing.ts";

/** What somebody owns, and how many messages he has sent. Accounts never go: their sequences would begin anew. */
export interface Account {
  readonly sequence: number;
  /** What it may spend, but for what is at stake. */
  readonly free: bigint;
  /** What it has put down for its pRuntimes. */
  readonly reserved: bigint;
}

/** A registered pRuntime. */
export interface Worker {
  readonly identityKey: PublicKey;
  readonly ecdhKey: PublicKey;
  readonly operator: AccountId;
  /** What it has proved to be; null where the genesis says that it may serve. */
  readonly measurement: Hex | null;
  /** What its operator put down for it. */
  readonly deposit: bigint;
  /** The URL at which its host takes messages of other pRuntimes, in ASCII; null where its operator gave none. */
  readonly endpoint: Uint8Array | null;
}

/** Stake that was unbonded and can be withdrawn from an era on. */
export interface UnlockChunk {
  readonly value: bigint;
  readonly era: number;
}

/** What a stash has at stake. */
export interface StakingLedger {
  /** Active and unlocking: it can't be spent. */
  readonly total: bigint;
  readonly active: bigint;
  readonly unlocking: readonly UnlockChunk[];
  readonly payee: Payee;
  /** What it serves with as a gatekeeper. */
  readonly identityKey: PublicKey | null;
}

/** Whom a nominator backs. */
export interface Nominations {
  readonly targets: readonly AccountId[];
  readonly submittedIn: number;
}

/** Somebody's stake behind a gatekeeper. */
export interface IndividualExposure {
  readonly who: AccountId;
  readonly value: bigint;
}

/** What answers for a gatekeeper in an era. */
export interface Exposure {
  readonly identityKey: PublicKey;
  readonly commission: number;
  readonly total: bigint;
  readonly own: bigint;
  readonly others: readonly IndividualExposure[];
}

/** An era whose gatekeepers can still be slashed for what they did in it. */
export interface Era {
  readonly index: number;
  readonly startSession: number;
  readonly startHeight: number;
  /** Milliseconds since 1970. */
  readonly startTime: number;
  /** By stash. */
  readonly exposures: MerkleMap<Exposure>;
  /** Stashes by the accounts of the IdentityKeys that they serve with. */
  readonly stashes: MerkleMap<AccountId>;
  /** The greatest fraction that a gatekeeper was slashed by for this era, in billionths: `ValidatorSlashInEra`. */
  readonly validatorSlashes: MerkleMap<number>;
  /** What a nominator was slashed for this era, for all gatekeepers together: `NominatorSlashInEra`. */
  readonly nominatorSlashes: MerkleMap<bigint>;
}

/** What the maximum of slashes is taken over: `SlashingSpans` with their `SpanSlash`. */
export interface SlashingSpans {
  readonly spanIndex: number;
  readonly lastStart: number;
  readonly lastNonzeroSlash: number;
  /** Lengths of the spans before, the last first. */
  readonly prior: readonly number[];
  readonly records: readonly SpanRecord[];
}

/** What was slashed in a span, and paid to reporters for it. */
export interface SpanRecord {
  readonly spanIndex: number;
  readonly slashed: bigint;
  readonly paidOut: bigint;
}

/** A slash that waits. */
export interface UnappliedSlash {
  readonly id: number;
  /** When the offence was. */
  readonly slashEra: number;
  /** From when on it is due: sessions go on even where eras don't. */
  readonly dueSession: number;
  readonly validator: AccountId;
  readonly own: bigint;
  readonly others: readonly IndividualExposure[];
  readonly reporter: AccountId | null;
  readonly payout: bigint;
}

/** What an acting gatekeeper did in the era. */
export interface Duty {
  /** Null where gatekeepers are listed, not elected. */
  readonly stash: AccountId | null;
  /** `EraRewardPoints`. */
  readonly points: number;
  /** The last session that it sent a heartbeat in. */
  readonly heartbeat: number | null;
}

/** A member of governance who has voted. */
export interface Vote {
  readonly member: PublicKey;
  readonly action: Action;
}

/** A contract of this network: contract-id.ts says how its id is made of owner and name. */
export interface Contract {
  readonly owner: AccountId;
  readonly name: Uint8Array;
  /** The IdentityKey of the pRuntime that its owner lets run it; whether that one is still registered, `workers` says. */
  readonly worker: PublicKey;
  /** What its owner put down for it. */
  readonly deposit: bigint;
  /** What commands to it are encrypted to, as the last pRuntime published it that it was assigned to. */
  readonly ecdhKey: ContractEcdhKey | null;
}

/** A contract's EcdhKey of one generation of the MasterKey. */
export interface ContractEcdhKey {
  readonly rotationId: number;
  /** Encoded, in the compressed form where there is one. */
  readonly publicKey: Hex;
}

/** What is no table. */
export interface Facts {
  readonly height: number;
  /** Milliseconds since 1970, by the word of who made the block. */
  readonly timestamp: number;
  readonly totalIssuance: bigint;
  readonly session: number;
  readonly sessionHeight: number;
  /** State hash at the end of the session before. */
  readonly sessionParent: Hex;
  /** GatekeeperState: the IdentityKeys of those who act. */
  readonly gatekeepers: readonly PublicKey[];
  readonly nextSlash: number;
  readonly governanceRound: number;
  readonly votes: readonly Vote[];
  /** pRuntimes that may serve, ascending. */
  readonly measurements: readonly Hex[];
  /** Height at which governance ordered a rotation that has not begun yet. */
  readonly rotationOrdered: number | null;
  /** Blocks from the end of a rotation to the beginning of the next; 0: there is none but by order. */
  readonly rotationInterval: number;
  /** When the last rotation ended, or the first MasterKey came into force. */
  readonly rotationEnded: number;
  readonly rotation: Rotation | null;
  /** By the heights of their closing. */
  readonly closedAbandonments: readonly ClosedAbandonment[];
  /** pRuntimes that governance lets take part in rotations, besides those that hold shares; ascending. */
  readonly rotationWorkers: readonly PublicKey[];
  /** Id of the store that contracts' states are in; null before there is one. */
  readonly stateStore: Hex | null;
  readonly migrationOrdered: Migration | null;
  /** Height at which governance had the first MasterKey made. */
  readonly launched: number | null;
  /** The key session that is under way. */
  readonly keySession: KeySession | null;
  /** How many there were. */
  readonly nextEpoch: number;
  /** After one that failed, the height before which no other begins. */
  readonly nextSessionHeight: number;
  /** Those in force, by rotation id, ascending. */
  readonly sharings: readonly Sharing[];
  /** Sharings, in force once or never, of which some still owe the destruction of their shares. */
  readonly retired: readonly RetiredSharing[];
  /**
   * pRuntimes that were convicted: gatekeepers until the gatekeepers change, and they get no share; others, who cheated in a
   * rotation, at least until it is over.
   */
  readonly excluded: readonly PublicKey[];
}

/**
 * Tables by account id, but for `unapplied`, `dealings` and `partitions` (by `numberKey` of the slash's id, of the dealer's
 * index, and of the partition's), `duties` and `keyUsers` (by the account of the IdentityKey) and `contracts` (by contract id).
 */
export interface Tables {
  readonly accounts: MerkleMap<Account>;
  readonly workers: MerkleMap<Worker>;
  readonly bonded: MerkleMap<StakingLedger>;
  readonly validators: MerkleMap<ValidatorPrefs>;
  readonly nominators: MerkleMap<Nominations>;
  readonly spans: MerkleMap<SlashingSpans>;
  readonly unapplied: MerkleMap<UnappliedSlash>;
  readonly duties: MerkleMap<Duty>;
  /** Of the key session that is under way. */
  readonly dealings: MerkleMap<PostedDealing>;
  readonly contracts: MerkleMap<Contract>;
  /** Of the rotation that is under way. */
  readonly partitions: MerkleMap<Partition>;
  readonly keyUsers: MerkleMap<KeyUser>;
}

/** The state of the ledger; never changed, only replaced. */
export interface State extends Facts, Tables {
  /** The active era last, and before it those whose offences can still be punished. None where none are elected. */
  readonly eras: readonly Era[];
  /** Who was elected for the era that comes. */
  readonly planned: Era | null;
}

/** Where what has a number lies in a table: in the order of numbers. */
export function numberKey(id: number): Hex {
  return `0x${id.toString(16).padStart(64, "0")}`;
}
