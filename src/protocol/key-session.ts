/**
 * A key session: how gatekeepers make a MasterKey, hand it on, or refresh their shares of it, as the ledger knows it. Its
 * phases end when all have done their part, or at a height:
 *
 *   registration  each receiver posts a dealing key, for this session alone
 *   dealing       each dealer posts a dealing (keys/dealing.ts)
 *   complaint     each receiver says that it has looked at what was dealt to it, and complains about what was wrong
 *   confirmation  what the qualified dealings make is known; each receiver seals its share, and proves it by a trial
 *
 * key-session-phases.ts has the transitions, key-session-calls.ts what messages do.
 */
import type { DealingKind } from "../keys/dealing.ts";
import type { KeySuite } from "../keys/group.ts";
import { type PublicKey, hashCodec, publicKeyCodec } from "./account.ts";
import { type Hex, boolean, boundedVector, nullable, struct, u32, wordCodec } from "./scale.ts";
import { GATEKEEPERS_MAX, type Sharing, elementHexCodec, keySuiteCodec } from "./sharing.ts";
import { type State, numberKey } from "./state.ts";

const KINDS: readonly DealingKind[] = ["generation", "resharing", "refresh"];
const PHASES = ["registration", "dealing", "complaint", "confirmation"] as const;

export type KeySessionPhase = (typeof PHASES)[number];

/** What is under way. */
export interface KeySession {
  /** Its number; every session has another. */
  readonly epoch: number;
  /** A hash of what it is, and of the state that it began in: what proofs and encryptions are bound to. */
  readonly id: Hex;
  readonly kind: DealingKind;
  readonly rotationId: number;
  readonly keySuite: KeySuite;
  /** Of the sharing that it makes. */
  readonly threshold: number;
  readonly phase: KeySessionPhase;
  /** The last block of this phase, at the latest. */
  readonly deadline: number;
  /** Receivers; the index of a receiver is its place and one. */
  readonly members: readonly Receiver[];
  /** Of the MasterKey, from confirmation on. */
  readonly publicKey: Hex | null;
}

/** Who is to get a share. */
export interface Receiver {
  readonly identityKey: PublicKey;
  /** Null until it has posted one; without it, it gets no share. */
  readonly dealingKey: Hex | null;
  /** Whether it has had its time to complain. */
  readonly judged: boolean;
  /** From confirmation on, where it gets a share. */
  readonly verificationShare: Hex | null;
  readonly confirmed: boolean;
  /** It was convicted, in this session or since the gatekeepers last changed: it gets no share, or must not use it. */
  readonly excluded: boolean;
}

export const keySessionCodec = struct<KeySession>({
  epoch: u32,
  id: hashCodec,
  kind: wordCodec(KINDS),
  rotationId: u32,
  keySuite: keySuiteCodec,
  threshold: u32,
  phase: wordCodec(PHASES),
  deadline: u32,
  members: boundedVector(
    struct<Receiver>({
      identityKey: publicKeyCodec,
      dealingKey: nullable(elementHexCodec),
      judged: boolean,
      verificationShare: nullable(elementHexCodec),
      confirmed: boolean,
      excluded: boolean,
    }),
    GATEKEEPERS_MAX,
  ),
  publicKey: nullable(elementHexCodec),
});

/** Who deals in a session, with indices: whoever has a share of the key; for a new key, all who are to get one. */
export function dealersOf(
  { sharings, excluded }: Pick<State, "sharings" | "excluded">,
  session: KeySession,
): readonly { readonly identityKey: PublicKey; readonly index: number }[] {
  if (session.kind === "generation") return receiversOf(session);
  const sharing = sharings.find(({ rotationId }) => rotationId === session.rotationId)!;
  return sharing.members
    .map(({ identityKey, confirmed }, at) => ({ identityKey, confirmed, index: at + 1 }))
    .filter(({ identityKey, confirmed }) => confirmed && !excluded.includes(identityKey));
}

/** The sharing of the newest MasterKey. */
export function currentSharing({ sharings }: Pick<State, "sharings">): Sharing | undefined {
  return sharings.at(-1);
}

/** IdentityKeys of the gatekeepers that were elected for the next era; null where there are none yet. */
export function plannedCommittee({ planned }: Pick<State, "planned">): readonly PublicKey[] | null {
  return planned === null ? null : [...planned.exposures.values()].map(({ identityKey }) => identityKey);
}

/** Whether the gatekeepers that were elected have the MasterKey, if there is one. */
export function isHandedOver(state: Pick<State, "planned" | "sharings">): boolean {
  const committee = plannedCommittee(state);
  return committee === null || state.sharings.every(({ members }) => isCommittee(members, committee));
}

/** Whether they are these, in this order. */
export function isCommittee(
  members: readonly { readonly identityKey: PublicKey }[],
  committee: readonly PublicKey[],
): boolean {
  return members.length === committee.length && members.every(({ identityKey }, at) => identityKey === committee[at]);
}

/** Who still gets a share: registered, and not convicted. */
export function receiversOf({ members }: KeySession): readonly (Receiver & { readonly index: number })[] {
  return members
    .map((member, at) => ({ ...member, index: at + 1 }))
    .filter(({ dealingKey, excluded }) => dealingKey !== null && !excluded);
}

/** Those who get shares, at the least, for a key to come into use: genesis.ts says why. */
export function leastHolders(threshold: number): number {
  return 2 * threshold - 1;
}

/** Who has not done yet what this phase is for. */
export function missingIn(state: State, session: KeySession): PublicKey[] {
  switch (session.phase) {
    case "registration":
      return keysOf(session.members.filter(({ dealingKey, excluded }) => dealingKey === null && !excluded));
    case "dealing":
      return keysOf(dealersOf(state, session).filter(({ index }) => !state.dealings.has(numberKey(index))));
    case "complaint":
      return keysOf(receiversOf(session).filter(({ judged }) => !judged));
    case "confirmation":
      return keysOf(receiversOf(session).filter(({ confirmed }) => !confirmed));
  }
}

/** Their IdentityKeys. */
export function keysOf(members: readonly { readonly identityKey: PublicKey }[]): PublicKey[] {
  return members.map(({ identityKey }) => identityKey);
}
