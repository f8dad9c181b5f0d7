/**
 * Dealings: how gatekeepers make a MasterKey that none of them knows, hand it on, and renew its shares. A dealer draws a
 * polynomial f of degree t − 1, publishes C_k = a_k·G for its coefficients (Feldman 1987), and encrypts f(j) to every
 * receiver j (sub-share.ts). What a session's dealings make together is sharing.ts's. There are three kinds:
 *
 *   generation   f(0) is drawn by each dealer; the new MasterKey is the sum of them (Pedersen 1991)
 *   resharing    f(0) is the dealer's own share: C_0 is its verification share; the MasterKey stays, its holders change
 *   refresh      f(0) = 0, so that C_0 is not sent; MasterKey and holders stay, every share changes
 *
 * A dealing is posted on the chain: everybody has the same bytes of it, in the same order.
 *
 * **Proofs of possession.** That of C_0 keeps a dealer from composing its constant term of others' (as C_0 = X − Σ others
 * would be, whose sum is X). That of the ephemeral key is bound to the dealer and its commitments: a complaint reveals the
 * Diffie–Hellman point of that key and a receiver's, so a dealer who copied the ephemeral key of somebody else, with
 * ciphertexts that are wrong, would have receivers reveal what that one's sub-shares are encrypted under.
 *
 * **There is no round of justification.** In the protocols of Feldman and Pedersen a complaint is one word against
 * another, and the accused answers it by publishing the sub-share. Here a complaint is evidence: it reveals the point from
 * which anybody derives the one key of that ciphertext, with a proof that it is the right point, so everybody decrypts what
 * the receiver was sent and compares it with the commitments (complaint.ts). The dealer can't add anything to that: his
 * answer is on the chain already. So who is qualified follows from the blocks of the dealing and complaint phases alone.
 * What a complaint gives away is one sub-share: a bad one, of a dealing that does not count; or, of a false complaint, one
 * that its receiver, who breaks the rules, could have published anyway.
 *
 * **Whoever deals last can bias the key, and it does not hurt.** A dealer sees the others' C_0 before it chooses its own, or
 * chooses to be disqualified, so that the public key need not be uniform (Gennaro, Jarecki, Krawczyk, Rabin 2007). But the
 * key is s = x + b, where x is the constant of one honest dealer, uniform, and b the sum of all others; and b is a number
 * that can be known: honest dealers know theirs, and the others' follow from what honest receivers hold, of whom there are
 * t at least (n ≥ 2t − 1), each with good sub-shares of every qualified dealing. So no multiple of x is in b, for which a
 * dealer would have to prove that it knows x. What is done with s is linear: a contract's PRF value is s·H = x·H + b·H. So
 * whoever could tell it under a biased s, of a contract that nobody evaluated, could tell x·H under a uniform x, by
 * subtracting b·H; partials and their proofs shift likewise. Gurkan, Jovanovic, Maller, Meiklejohn, Stern and Tomescu (2021)
 * call such a generation key-expressable, and such a use rekeyable; the second commitments of Gennaro and others are for
 * uses that are not. Nothing here may ask a public key to be uniform, as a lottery by its bits would.
 *
 * Limits: one qualified dealer at least is honest: fewer than t are not, and t are needed (sharing.ts). The argument is for
 * an adversary who has chosen them before the session begins.
 */
import { createHash } from "node:crypto";
import { CONTEXT } from "../context.ts";
import { GatekeeperError } from "../errors.ts";
import type { Group } from "./group.ts";
import { POSSESSION_BYTES, verifyPossession } from "./possession-check.ts";
import { checkThreshold, isShareIndex } from "./shamir.ts";

/** Receivers of a session at most. */
export const RECEIVERS_MAX = 64;
/** Bytes of an encrypted sub-share: a scalar and a tag. */
export const SUB_SHARE_CIPHERTEXT_BYTES = 32 + 16;
/** Bytes of a genesis hash and of a session's id. */
const HASH_BYTES = 32;

const LABEL = Buffer.from(CONTEXT.dealing, "ascii");
const DEALING_KEY_LABEL = Buffer.from(CONTEXT.dealingKeyPossession, "ascii");
const CONSTANT_LABEL = Buffer.from(CONTEXT.constantPossession, "ascii");
const EPHEMERAL_LABEL = Buffer.from(CONTEXT.ephemeralPossession, "ascii");

/** The number of a kind in what is hashed; it never changes its meaning. */
const KIND_NUMBER = Object.freeze({ generation: 1, resharing: 2, refresh: 3 } as const);

export type DealingKind = keyof typeof KIND_NUMBER;

/** Who receives sub-shares. */
export interface Receiver {
  /** That of the share that it gets. */
  readonly index: number;
  /** Of this session alone: one element, whose possession was proved for `dealingKeyContext`. */
  readonly dealingKey: Uint8Array;
}

/** The sharing that a resharing hands on and a refresh renews. All of it is public. */
export interface PreviousSharing {
  readonly publicKey: Uint8Array;
  /** Its threshold. */
  readonly minShares: number;
  /** Y_i by index, of whoever may deal. */
  readonly verificationShares: ReadonlyMap<number, Uint8Array>;
}

interface SessionTerms {
  /** In whose form all elements are: on the chain, the compressed one of secp256k1. */
  readonly group: Group;
  /** Hash of the chain's genesis, 32 bytes. */
  readonly genesis: Uint8Array;
  /** The session's id, 32 bytes, no other's. */
  readonly session: Uint8Array;
  /** t of the sharing that is made; from 1 to the number of receivers. */
  readonly minShares: number;
  /** 1 to RECEIVERS_MAX, their indices rising. */
  readonly receivers: readonly Receiver[];
}

/** A new MasterKey. */
export interface GenerationTerms extends SessionTerms {
  readonly kind: "generation";
}

/** New holders, or another threshold, of the same MasterKey. */
export interface ResharingTerms extends SessionTerms {
  readonly kind: "resharing";
  readonly previous: PreviousSharing;
}

/** New shares of the same MasterKey and threshold; every receiver has one already. */
export interface RefreshTerms extends SessionTerms {
  readonly kind: "refresh";
  readonly previous: PreviousSharing;
}

/** What a session's dealings have in common. All of it is public. */
export type DealingTerms = GenerationTerms | ResharingTerms | RefreshTerms;

/** What a dealer publishes. Outside bytes until `dealingFault` has found nothing. */
export interface Dealing {
  /** C_0 … C_{t−1}; of a refresh C_1 … C_{t−1}. */
  readonly commitments: Uint8Array;
  /** That the dealer knows the constant term: POSSESSION_BYTES; of a refresh none. */
  readonly possession: Uint8Array;
  /** E: one element, of this dealing alone. */
  readonly ephemeralKey: Uint8Array;
  /** That the dealer knows the secret of E: POSSESSION_BYTES. */
  readonly ephemeralProof: Uint8Array;
  /** One a receiver, in their order, SUB_SHARE_CIPHERTEXT_BYTES each. */
  readonly ciphertexts: Uint8Array;
}

/** What is wrong with a dealing, for everybody to see. */
export type DealingFault =
  /** A part is not as long as the terms say. */
  | "LENGTH"
  /** A commitment or the ephemeral key is no element. */
  | "ELEMENT"
  /** C_0 of a resharing is not the dealer's verification share. */
  | "CONSTANT"
  /** The constant term is not proved to be known, for this session, dealer and polynomial. */
  | "POSSESSION"
  /** The ephemeral key is not proved to be this dealing's own. */
  | "EPHEMERAL";

/**
 * What a receiver's proof of possession of its dealing key is bound to.
 * @param genesis, session - 32 bytes each.
 * @param index - the receiver's.
 * @throws GatekeeperError INVALID_ARGUMENT when something else is handed in.
 */
export function dealingKeyContext(genesis: Uint8Array, session: Uint8Array, index: number): Uint8Array {
  checkHashes(genesis, session);
  checkIndex(index, "receiver");
  return createHash("sha256").update(DEALING_KEY_LABEL).update(genesis).update(session).update(u16(index)).digest();
}

/**
 * What is wrong with a dealing, or null: then its sub-shares are right too, unless a receiver complains. The bytes of a
 * dealing may be any.
 * @param dealer - its index: in the new sharing, or in the previous one where there is one.
 * @throws GatekeeperError INVALID_ARGUMENT when the terms are none, or nobody with that index deals: not the dealing's fault.
 */
export function dealingFault(terms: DealingTerms, dealer: number, dealing: Dealing): DealingFault | null {
  checkTerms(terms);
  checkDealer(terms, dealer);
  const { group } = terms;
  const { commitments, possession, ephemeralKey, ephemeralProof } = dealing;
  if (!hasLengths(terms, dealing)) return "LENGTH";
  if (group.invalid(commitments).length > 0 || group.invalid(ephemeralKey).length > 0) return "ELEMENT";
  const digest = dealingDigest(terms, dealer, commitments);
  if (terms.kind !== "refresh") {
    const constant = commitments.subarray(0, group.elementBytes);
    if (terms.kind === "resharing") {
      const verificationShare = terms.previous.verificationShares.get(dealer)!;
      if (Buffer.compare(constant, verificationShare) !== 0) return "CONSTANT";
    }
    if (!verifyPossession(group, constantContext(digest), constant, possession)) return "POSSESSION";
  }
  return verifyPossession(group, ephemeralContext(digest), ephemeralKey, ephemeralProof) ? null : "EPHEMERAL";
}

/** Bytes of a dealing's commitments: a refresh has no C_0. */
function commitmentBytes({ kind, group, minShares }: DealingTerms): number {
  return (kind === "refresh" ? minShares - 1 : minShares) * group.elementBytes;
}

/** Whether every part of a dealing is as long as the terms say. */
function hasLengths(terms: DealingTerms, dealing: Dealing): boolean {
  return (
    dealing.commitments.length === commitmentBytes(terms) &&
    dealing.possession.length === (terms.kind === "refresh" ? 0 : POSSESSION_BYTES) &&
    dealing.ephemeralKey.length === terms.group.elementBytes &&
    dealing.ephemeralProof.length === POSSESSION_BYTES &&
    dealing.ciphertexts.length === terms.receivers.length * SUB_SHARE_CIPHERTEXT_BYTES
  );
}

/**
 * SHA-256(label ‖ key suite 1 ‖ genesis 32 ‖ session 32 ‖ kind 1 ‖ dealer 2 ‖ t 2 ‖ receivers 2 ‖ each index 2 and dealing
 * key ‖ commitments), numbers little-endian: what everything in a dealing is bound to. Every part has a length that is
 * fixed or follows from what stands before it.
 */
export function dealingDigest(terms: DealingTerms, dealer: number, commitments: Uint8Array): Uint8Array {
  const { group, genesis, session, kind, minShares, receivers } = terms;
  const hash = createHash("sha256")
    .update(LABEL)
    .update(Uint8Array.of(group.keySuite))
    .update(genesis)
    .update(session)
    .update(Uint8Array.of(KIND_NUMBER[kind]))
    .update(u16(dealer))
    .update(u16(minShares))
    .update(u16(receivers.length));
  for (const { index, dealingKey } of receivers) hash.update(u16(index)).update(dealingKey);
  return hash.update(commitments).digest();
}

/** What the proof of possession of a constant term is bound to. */
export function constantContext(digest: Uint8Array): Uint8Array {
  return createHash("sha256").update(CONSTANT_LABEL).update(digest).digest();
}

/** What the proof of possession of an ephemeral key is bound to. */
export function ephemeralContext(digest: Uint8Array): Uint8Array {
  return createHash("sha256").update(EPHEMERAL_LABEL).update(digest).digest();
}

/** @throws GatekeeperError INVALID_ARGUMENT when these are not the terms of any session. */
export function checkTerms(terms: DealingTerms): void {
  const { group, genesis, session, minShares, receivers } = terms;
  checkHashes(genesis, session);
  if (receivers.length > RECEIVERS_MAX) {
    throw invalid(`a session has ${RECEIVERS_MAX} receivers at most, not ${receivers.length}`);
  }
  checkThreshold({ minShares, maxShares: receivers.length });
  receivers.forEach(({ index, dealingKey }, at) => {
    checkIndex(index, "receiver");
    if (at > 0 && receivers[at - 1]!.index >= index) throw invalid("receivers' indices are strictly rising");
    if (dealingKey.length !== group.elementBytes) throw invalid(`receiver ${index} has no dealing key of this group`);
  });
  if (terms.kind !== "generation") checkPrevious(terms);
}

function checkPrevious({ kind, minShares, receivers, previous }: ResharingTerms | RefreshTerms): void {
  if (!isShareIndex(previous.minShares)) throw invalid(`${previous.minShares} is no threshold`);
  if (kind === "resharing") return;
  if (minShares !== previous.minShares) {
    throw invalid(`a refresh keeps the threshold, which is ${previous.minShares}, not ${minShares}`);
  }
  if (minShares === 1)
    throw invalid("a refresh needs a threshold of 2: with 1, every share is the key and can't change");
  const stranger = receivers.find(({ index }) => !previous.verificationShares.has(index));
  if (stranger !== undefined) throw invalid(`receiver ${stranger.index} has no share to refresh`);
}

/** @throws GatekeeperError INVALID_ARGUMENT when nobody with that index can deal in a session of these terms. */
export function checkDealer(terms: DealingTerms, dealer: number): void {
  checkIndex(dealer, "dealer");
  if (terms.kind === "generation" || terms.previous.verificationShares.has(dealer)) return;
  throw invalid(`dealer ${dealer} has no share in the previous sharing`);
}

/**
 * At which place of the receivers, and of the ciphertexts, an index is.
 * @throws GatekeeperError INVALID_ARGUMENT when it is no receiver's.
 */
export function placeOf({ receivers }: DealingTerms, receiver: number): number {
  const place = receivers.findIndex(({ index }) => index === receiver);
  if (place >= 0) return place;
  throw invalid(`${receiver} is no receiver of this session`);
}

function checkHashes(genesis: Uint8Array, session: Uint8Array): void {
  if (genesis.length === HASH_BYTES && session.length === HASH_BYTES) return;
  throw invalid(`genesis and session have ${HASH_BYTES} bytes each`);
}

function checkIndex(index: number, who: string): void {
  if (!isShareIndex(index)) throw invalid(`index ${index} of a ${who} is not a whole number from 1 to 65535`);
}

/** Two bytes, little-endian. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >>> 8);
}

function invalid(message: string): GatekeeperError {
  return new GatekeeperError("INVALID_ARGUMENT", message);
}
