/**
 * What the ledger knows of how a MasterKey is shared: public keys, verification shares, who holds a share and who owes its
 * destruction. Elements of the key's group are in their compressed form.
 */
import type { Codec } from "scale-ts";
import { type Suite, suiteId, suiteOf } from "../engine/suite.ts";
import { type Dealing, RECEIVERS_MAX, SUB_SHARE_CIPHERTEXT_BYTES } from "../keys/dealing.ts";
import { PROOF_BYTES } from "../keys/dleq.ts";
import { KEY_SUITE, type KeySuite } from "../keys/group.ts";
import { POSSESSION_BYTES } from "../keys/possession-check.ts";
import { type PublicKey, hashCodec, publicKeyCodec } from "./account.ts";
import {
  type Hex,
  boolean,
  boundedBytes,
  boundedHex,
  boundedVector,
  exactBytes,
  mapped,
  nullable,
  struct,
  u32,
  u8,
  wordCodec,
} from "./scale.ts";

/** Gatekeepers that a network has at most: each deals to all others. */
export const GATEKEEPERS_MAX = RECEIVERS_MAX;
/** Bytes of an element, at most: secp256k1 has them compressed. */
const ELEMENT_BYTES_MAX = 33;

/** A group's number: what a genesis or a message may name. */
export const KEY_SUITES: readonly KeySuite[] = Object.values(KEY_SUITE);

/** How one MasterKey is shared. */
export interface Sharing {
  /** Number of the key session that made it. */
  readonly epoch: number;
  /** That session's id. */
  readonly session: Hex;
  /** The generation of the MasterKey: resharing and refreshing keep it. */
  readonly rotationId: number;
  readonly keySuite: KeySuite;
  /** What contracts' states are sealed with under this MasterKey. */
  readonly cipherSuite: Suite;
  /** Shares that stand for the key: t. */
  readonly threshold: number;
  readonly publicKey: Hex;
  /** From which block on it is in force. */
  readonly height: number;
  /** The committee; a share's index is its member's place and one. */
  readonly members: readonly SharingMember[];
}

/** Somebody of a committee. */
export interface SharingMember {
  readonly identityKey: PublicKey;
  /** Of its share; null where it has none. */
  readonly verificationShare: Hex | null;
  /** Whether it has said that its share is sealed, and proved it: then it is a holder. */
  readonly confirmed: boolean;
}

/**
 * What has become of the MasterKey of a retired sharing: "standing": it is in force, or is being abandoned; "calledOff": it was made for
 * a migration that was called off, and the next one has its rotation id; "closed": governance has closed its abandonment.
 */
export type RetiredFate = (typeof FATES)[number];

const FATES = ["standing", "calledOff", "closed"] as const;

/** A sharing whose shares are to be destroyed. */
export interface RetiredSharing {
  readonly epoch: number;
  readonly rotationId: number;
  readonly fate: RetiredFate;
  readonly threshold: number;
  /** Since when. */
  readonly height: number;
  /** Who may have a share, or a dealing key that opens what was dealt to it, and has not declared that it is destroyed. */
  readonly owing: readonly PublicKey[];
}

/** A dealing as it is on chain. */
export interface PostedDealing extends Dealing {
  /** The dealer's index. */
  readonly dealer: number;
  /** Whether a complaint about it was right. */
  readonly disqualified: boolean;
}

export const keySuiteCodec: Codec<KeySuite> = mapped(
  u8,
  (suite: KeySuite) => suite,
  (byte) => {
    const suite = KEY_SUITES.find((known) => known === byte);
    if (suite === undefined) throw new RangeError("no key suite");
    return suite;
  },
);

/** A cipher suite by the number that sealed states have of it. */
export const cipherSuiteCodec: Codec<Suite> = mapped(u8, suiteId, suiteOf);

/** An element of either group. */
export const elementCodec = boundedBytes(ELEMENT_BYTES_MAX);
export const elementHexCodec = boundedHex(ELEMENT_BYTES_MAX);
/** Two scalars. */
export const proofCodec = exactBytes(PROOF_BYTES);

const dealingCodecs = {
  commitments: boundedBytes(GATEKEEPERS_MAX * ELEMENT_BYTES_MAX),
  possession: boundedBytes(POSSESSION_BYTES),
  ephemeralKey: elementCodec,
  ephemeralProof: proofCodec,
  ciphertexts: boundedBytes(GATEKEEPERS_MAX * SUB_SHARE_CIPHERTEXT_BYTES),
};

export const dealingCodec = struct<Dealing>(dealingCodecs);
export const postedDealingCodec = struct<PostedDealing>({ dealer: u32, disqualified: boolean, ...dealingCodecs });

export const sharingCodec = struct<Sharing>({
  epoch: u32,
  session: hashCodec,
  rotationId: u32,
  keySuite: keySuiteCodec,
  cipherSuite: cipherSuiteCodec,
  threshold: u32,
  publicKey: elementHexCodec,
  height: u32,
  members: boundedVector(
    struct<SharingMember>({
      identityKey: publicKeyCodec,
      verificationShare: nullable(elementHexCodec),
      confirmed: boolean,
    }),
    GATEKEEPERS_MAX,
  ),
});

export const retiredCodec = struct<RetiredSharing>({
  epoch: u32,
  rotationId: u32,
  fate: wordCodec(FATES),
  threshold: u32,
  height: u32,
  owing: boundedVector(publicKeyCodec, GATEKEEPERS_MAX),
});
