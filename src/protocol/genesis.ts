/** What a chain begins with: its rules and its first state. Its hash is in every signature, so nothing leaves its chain. */
import { hash } from "node:crypto";
import { type Codec, Enum } from "scale-ts";
import { CONTEXT } from "../context.ts";
import type { KeySuite } from "../keys/group.ts";
import { type AccountId, type PublicKey, accountIdCodec, hashCodec, publicKeyCodec } from "./account.ts";
import { type AttestationPolicy, attestationPolicyCodec } from "./attestation-policy.ts";
import { ENDPOINT_BYTES_MAX, type ValidatorPrefs, NOMINATIONS_MAX } from "./call.ts";
import type { InflationCurve } from "./inflation.ts";
import { GATEKEEPERS_MAX, keySuiteCodec } from "./sharing.ts";
import {
  type Hex,
  balance,
  boolean,
  boundedBytes,
  boundedVector,
  decode,
  encode,
  joined,
  millisecondsCodec,
  nullable,
  struct,
  u32,
} from "./scale.ts";

/** Bytes of a genesis at most, where one comes from outside. */
export const GENESIS_BYTES_MAX = 16 << 20;
/** Intervals of EcdhKeys for which one opens messages after its own, at most: so many are kept besides the current one. */
export const ECDH_INTERVALS_KEPT = 7;
/** Things in each list of a genesis, at most. */
const LIST_MAX = 1_000_000;
/** Members of governance, at most. */
export const MEMBERS_MAX = 64;

/**
 * How offences are called, and what they cost, in billionths: of the exposure in an era, or, where a pRuntime has no stake, of its
 * deposit.
 */
export interface OffenceFractions {
  /** No points in an era in which others had some. */
  readonly unresponsive: number;
  /** Two heartbeats of one session for different states. */
  readonly equivocation: number;
  /** A dealing that gave a receiver what its commitments do not say. */
  readonly misdealing: number;
  /** A complaint about a dealing that was right. */
  readonly falseComplaint: number;
  /** Partials that the gatekeeper's share does not make. */
  readonly wrongPartials: number;
  /** A receipt for states that were not re-encrypted as it says. */
  readonly falseReceipt: number;
  /** A receipt that was right, called wrong; or one that was wrong, called right. */
  readonly falseVerdict: number;
  /** No word, in time, that what it had of a MasterKey is destroyed that is not in force any more. */
  readonly undestroyed: number;
}

/** The rules of staking, `pallet_staking::Config`. */
export interface StakingRules {
  readonly sessionsPerEra: number;
  /** Eras for which unbonded stake stays, and can be slashed. */
  readonly bondingDuration: number;
  /** Eras for which a slash waits, and can be cancelled: less than `bondingDuration`. */
  readonly slashDeferDuration: number;
  readonly minNominatorBond: bigint;
  readonly minValidatorBond: bigint;
  /** In billionths, as all fractions here. */
  readonly minCommission: number;
  readonly maxValidatorCount: number;
  readonly maxNominatorCount: number;
  /** Of what is slashed, the part that a reporter gets at most. */
  readonly slashRewardFraction: number;
  readonly offences: OffenceFractions;
  readonly inflation: InflationCurve;
}

/** When pRuntimes change their EcdhKeys. */
interface EcdhKeyRule {
  /** Blocks for which one is sealed to. */
  readonly interval: number;
  /** Blocks for which it opens messages after the next one was published: ECDH_INTERVALS_KEPT intervals at most. */
  readonly overlap: number;
}

/** How gatekeepers hold the MasterKey, and hand it on. */
interface MasterKeyRule {
  /** The group that it is of: `KEY_SUITE` of keys/group.ts. */
  readonly keySuite: KeySuite;
  /**
   * How many shares stand for it: t. With t = 1 every gatekeeper holds the key itself. There are always at least 2t − 1
   * gatekeepers, because a key is used only once as many have sealed their shares; t − 1 that fall silent, whatever they
   * said before, then leave t. Where there are 3t − 2 or more, t − 1 silent ones can't even keep a key from coming into use.
   */
  readonly threshold: number;
  /**
   * Blocks that a phase of a key session takes at most, 2 or more; and after one that failed, until the next begins. With less
   * than 4, a pRuntime may be too late that has something else on its way, and its EcdhKey to change.
   */
  readonly phaseBlocks: number;
  /** Blocks after which shares are refreshed, where no election has had them reshared meanwhile. */
  readonly refreshBlocks: number;
}

/** When the MasterKey is rotated, and how long it takes; in blocks. */
interface RotationRule {
  /** From the end of a rotation, or from the first MasterKey, to the next, until governance says otherwise; 0: only by order. */
  readonly intervalBlocks: number;
  /** From the block in which a new MasterKey is in force to the one from which on states are sealed under it: 1 or more. */
  readonly leadBlocks: number;
  /** For how long a partition is leased: 2 or more. */
  readonly leaseBlocks: number;
  /** For how long a phase may take before it is told who is late; a key that is not made in that time is given up. 2 or more. */
  readonly phaseBlocks: number;
  /** Leases that one block gives, at most: 1 or more. With few, a rotation takes many blocks and leaves room for other work. */
  readonly leasesPerBlock: number;
}

/** How gatekeepers come to be: by election, or by this list for ever. */
type GatekeeperRule =
  | { readonly tag: "elected"; readonly value: ElectionRule }
  | { readonly tag: "listed"; readonly value: readonly PublicKey[] };

/** The election of each era. */
export interface ElectionRule {
  readonly seats: number;
  /** With fewer winners, who acts goes on. */
  readonly minimum: number;
  /** Rounds of balancing. */
  readonly balancing: number;
}

/** Who has what. */
interface GenesisAccount {
  readonly id: AccountId;
  readonly free: bigint;
}

/** What somebody has at stake from the start. */
export interface GenesisStaker {
  readonly stash: AccountId;
  readonly bond: bigint;
  readonly role:
    | { readonly tag: "validator"; readonly value: ValidatorPrefs & { readonly identityKey: PublicKey } }
    | { readonly tag: "nominator"; readonly value: readonly AccountId[] };
}

/** A pRuntime that is registered from the start. */
interface GenesisWorker {
  readonly identityKey: PublicKey;
  readonly ecdhKey: PublicKey;
  readonly operator: AccountId;
  /** Where its host takes messages, if it does: an http or https URL. */
  readonly endpoint: Uint8Array | null;
}

/** The beginning of a chain. */
export interface Genesis {
  /** UTF-8, for people. */
  readonly name: Uint8Array;
  /** Whose signature a block must have. */
  readonly authority: PublicKey;
  readonly timestamp: number;
  readonly blockMilliseconds: number;
  readonly sessionBlocks: number;
  /** What an account has at the least. */
  readonly existentialDeposit: bigint;
  /** What an operator puts down for each of his pRuntimes. */
  readonly workerDeposit: bigint;
  /** What an owner puts down for each of his contracts. */
  readonly contractDeposit: bigint;
  readonly gatekeepers: GatekeeperRule;
  readonly staking: StakingRules;
  readonly governance: { readonly members: readonly PublicKey[]; readonly threshold: number };
  /** What a pRuntime has to prove to be registered. */
  readonly attestation: AttestationPolicy;
  readonly ecdhKeys: EcdhKeyRule;
  readonly masterKey: MasterKeyRule;
  readonly rotation: RotationRule;
  /** pRuntimes that may serve, until governance allows others. */
  readonly measurements: readonly Hex[];
  readonly accounts: readonly GenesisAccount[];
  readonly workers: readonly GenesisWorker[];
  readonly stakers: readonly GenesisStaker[];
}

const genesisCodec: Codec<Genesis> = struct<Genesis>({
  name: boundedBytes(64),
  authority: publicKeyCodec,
  timestamp: millisecondsCodec,
  blockMilliseconds: u32,
  sessionBlocks: u32,
  existentialDeposit: balance,
  workerDeposit: balance,
  contractDeposit: balance,
  gatekeepers: Enum({
    elected: struct<ElectionRule>({ seats: u32, minimum: u32, balancing: u32 }),
    listed: boundedVector(publicKeyCodec, GATEKEEPERS_MAX),
  }) as unknown as Codec<GatekeeperRule>,
  staking: struct<StakingRules>({
    sessionsPerEra: u32,
    bondingDuration: u32,
    slashDeferDuration: u32,
    minNominatorBond: balance,
    minValidatorBond: balance,
    minCommission: u32,
    maxValidatorCount: u32,
    maxNominatorCount: u32,
    slashRewardFraction: u32,
    offences: struct<OffenceFractions>({
      unresponsive: u32,
      equivocation: u32,
      misdealing: u32,
      falseComplaint: u32,
      wrongPartials: u32,
      falseReceipt: u32,
      falseVerdict: u32,
      undestroyed: u32,
    }),
    inflation: struct<InflationCurve>({ minimum: u32, maximum: u32, idealStake: u32, falloff: u32 }),
  }),
  governance: struct({ members: boundedVector(publicKeyCodec, MEMBERS_MAX), threshold: u32 }),
  attestation: attestationPolicyCodec,
  ecdhKeys: struct<EcdhKeyRule>({ interval: u32, overlap: u32 }),
  masterKey: struct<MasterKeyRule>({ keySuite: keySuiteCodec, threshold: u32, phaseBlocks: u32, refreshBlocks: u32 }),
  rotation: struct<RotationRule>({
    intervalBlocks: u32,
    leadBlocks: u32,
    leaseBlocks: u32,
    phaseBlocks: u32,
    leasesPerBlock: u32,
  }),
  measurements: boundedVector(hashCodec, LIST_MAX),
  accounts: boundedVector(struct<GenesisAccount>({ id: accountIdCodec, free: balance }), LIST_MAX),
  workers: boundedVector(
    struct<GenesisWorker>({
      identityKey: publicKeyCodec,
      ecdhKey: publicKeyCodec,
      operator: accountIdCodec,
      endpoint: nullable(boundedBytes(ENDPOINT_BYTES_MAX)),
    }),
    LIST_MAX,
  ),
  stakers: boundedVector(
    struct<GenesisStaker>({
      stash: accountIdCodec,
      bond: balance,
      role: Enum({
        validator: struct({ commission: u32, blocked: boolean, identityKey: publicKeyCodec }),
        nominator: boundedVector(accountIdCodec, NOMINATIONS_MAX),
      }) as unknown as Codec<GenesisStaker["role"]>,
    }),
    LIST_MAX,
  ),
});

/** A genesis as bytes. */
export function encodeGenesis(genesis: Genesis): Uint8Array {
  return encode(genesisCodec, genesis);
}

/** The genesis in these bytes, or null if they are none. Its rules are checked where its ledger is made. */
export function decodeGenesis(bytes: Uint8Array): Genesis | null {
  return decode(genesisCodec, bytes);
}

/** Its name in signatures and blocks: SHA-256. */
export function hashGenesis(genesis: Genesis): Uint8Array {
  return hash("sha256", joined([Buffer.from(CONTEXT.genesis, "ascii"), encodeGenesis(genesis)]), "buffer");
}
