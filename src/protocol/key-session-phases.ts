/** When key sessions begin, go on, fail and are done: a function of the blocks alone. */
import { hash } from "node:crypto";
import { toHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import type { Suite } from "../engine/suite.ts";
import type { DealingKind } from "../keys/dealing.ts";
import type { KeySuite } from "../keys/group.ts";
import { sharingOutcome } from "../keys/sharing.ts";
import { type PublicKey, accountOf } from "./account.ts";
import { type Draft, tell } from "./draft.ts";
import type { AbortReason } from "./effect.ts";
import {
  type KeySession,
  type KeySessionPhase,
  type Receiver,
  currentSharing,
  isCommittee,
  isHandedOver,
  keysOf,
  leastHolders,
  missingIn,
  plannedCommittee,
  receiversOf,
} from "./key-session.ts";
import { qualifiedDealings, termsOf } from "./key-terms.ts";
import { mayServe } from "./registry.ts";
import { forgetSettled, hasShare, retire } from "./retirement.ts";
import { type Hex, joined, u32, u8 } from "./scale.ts";
import type { Sharing } from "./sharing.ts";
import type { State } from "./state.ts";
import { emptyTables } from "./state-codec.ts";

/** What states are sealed with under the first MasterKey. */
const FIRST_CIPHER_SUITE: Suite = "aes-256-gcm";

/** A session that is to begin. */
interface Due {
  readonly kind: DealingKind;
  readonly rotationId: number;
  readonly threshold: number;
  readonly committee: readonly PublicKey[];
}

/**
 * Begins a key session, or ends a phase of the one that is under way, if this is its block.
 * @param parentHash - of the state before this block.
 */
export function advanceKeySession(draft: Draft, parentHash: Uint8Array): void {
  forgetSettled(draft);
  const { keySession } = draft.state;
  if (keySession !== null) advance(draft, keySession);
  else beginIfDue(draft, parentHash);
}

/** Ends a phase at once when the last of those has done his part whom it waits for. */
export function advanceIfComplete(draft: Draft): void {
  const { keySession } = draft.state;
  if (keySession !== null && missingIn(draft.state, keySession).length === 0) advance(draft, keySession);
}

function beginIfDue(draft: Draft, parentHash: Uint8Array): void {
  const { state, genesis, genesisHash } = draft;
  const due = state.height < state.nextSessionHeight ? null : dueSession(draft);
  if (due === null) return;
  const { phaseBlocks } = genesis.masterKey;
  const { kind, rotationId, committee, threshold } = due;
  const members = committee.map((identityKey) => ({
    identityKey,
    dealingKey: null,
    judged: false,
    verificationShare: null,
    confirmed: false,
    excluded: state.excluded.includes(identityKey),
  }));
  // Without those who may not have a share there may be too few, until others are elected: whoever stands again may have been
  // elected again.
  if (members.filter(({ identityKey }) => mayHold(state, identityKey)).length < leastHolders(threshold)) {
    giveUpHandover(draft, { kind, members });
    return;
  }
  const epoch = state.nextEpoch++;
  const keySuite = keySuiteOf(draft, due);
  const begun = { epoch, kind, rotationId, keySuite, threshold, members, publicKey: null };
  state.keySession = {
    ...begun,
    id: sessionId(genesisHash, begun, parentHash),
    phase: "registration",
    deadline: state.height + phaseBlocks - 1,
  };
  tell(draft, { kind: "KeySessionStarted", epoch, session: kind, rotationId, threshold, committee });
}

/** A refreshed or reshared key keeps its group; a new one has that of the one before, unless it is migrated to another. */
function keySuiteOf({ state, genesis }: Draft, { kind, rotationId }: Due): KeySuite {
  const handedOn = state.sharings.find((sharing) => sharing.rotationId === rotationId);
  if (kind !== "generation" && handedOn !== undefined) return handedOn.keySuite;
  return state.rotation?.migration?.keySuite ?? currentSharing(state)?.keySuite ?? genesis.masterKey.keySuite;
}

/** In the same way, what states are sealed with under it. */
function cipherSuiteOf({ rotation, sharings }: State, before: Sharing | undefined): Suite {
  return (before ?? rotation?.migration ?? sharings.at(-1))?.cipherSuite ?? FIRST_CIPHER_SUITE;
}

/** What is to be done next; null where nothing is, or nothing can be. */
function dueSession(draft: Draft): Due | null {
  const { state, genesis } = draft;
  const { threshold } = genesis.masterKey;
  const generation = { kind: "generation", threshold, committee: state.gatekeepers } as const;
  if (state.sharings.length === 0) return state.launched === null ? null : { ...generation, rotationId: 0 };
  const committee = plannedCommittee(state);
  const left = state.sharings.find(({ members }) => committee !== null && !isCommittee(members, committee));
  if (left !== undefined) {
    return { kind: "resharing", rotationId: left.rotationId, threshold, committee: committee! };
  }
  const next = newGeneration(state);
  if (next !== null) return { ...generation, rotationId: next };
  for (const sharing of state.sharings) {
    const due = dueRefresh(draft, sharing);
    if (due !== null) return due;
  }
  return null;
}

/** Of the MasterKey that a rotation waits for. */
function newGeneration({ rotation, sharings }: State): number | null {
  if (rotation?.phase !== "keyGeneration") return null;
  const next = rotation.from + 1;
  return sharings.some(({ rotationId }) => rotationId === next) ? null : next;
}

/** Whether shares are to be made anew for the same gatekeepers. */
function dueRefresh({ state, genesis }: Draft, sharing: Sharing): Due | null {
  const { rotationId, members, threshold } = sharing;
  // A share that somebody has who may not is made useless at once: with t = 1 it is the key, and nothing helps.
  const isExposed = threshold > 1 && members.some((member) => member.confirmed && !mayHold(state, member.identityKey));
  if (!isExposed && state.height - sharing.height < genesis.masterKey.refreshBlocks) return null;
  const committee = keysOf(members);
  // Who has no share can't refresh it: resharing to the same committee gives it one.
  const isWhole = members.every(({ identityKey, confirmed }) => confirmed || !mayHold(state, identityKey));
  if (!isWhole) return { kind: "resharing", rotationId, threshold: genesis.masterKey.threshold, committee };
  // With t = 1 a share is the key, and nothing could be refreshed.
  return threshold > 1 ? { kind: "refresh", rotationId, threshold, committee } : null;
}

/** Whether a gatekeeper may have a share: it is not convicted, and governance has not withdrawn what runs in it. */
function mayHold(state: State, identityKey: PublicKey): boolean {
  const worker = state.workers.get(accountOf(identityKey));
  return worker !== undefined && mayServe(state, worker) && !state.excluded.includes(identityKey);
}

/** Binds all that is dealt to what the session is, and to the history that it began in. */
function sessionId(
  genesisHash: Uint8Array,
  { epoch, kind, rotationId, keySuite, threshold, members }: Omit<KeySession, "id" | "phase" | "deadline">,
  parentHash: Uint8Array,
): Hex {
  const parts = [
    Buffer.from(CONTEXT.keySession, "ascii"),
    genesisHash,
    parentHash,
    u32.enc(epoch),
    u8.enc(kind.length),
    Buffer.from(kind, "ascii"),
    u32.enc(rotationId),
    u8.enc(keySuite),
    u32.enc(threshold),
    ...members.map(({ identityKey }) => Buffer.from(identityKey.slice(2), "hex")),
  ];
  return toHex(hash("sha256", joined(parts), "buffer"));
}

function advance(draft: Draft, session: KeySession): void {
  const { state } = draft;
  if (session.kind === "generation" && !isCommittee(session.members, state.gatekeepers)) {
    abort(draft, session, "CommitteeChanged", []);
    return;
  }
  const silent = missingIn(state, session);
  if (silent.length > 0 && state.height <= session.deadline) return;
  switch (session.phase) {
    case "registration":
      if (receiversOf(session).length < leastHolders(session.threshold))
        abort(draft, session, "TooFewReceivers", silent);
      else enter(draft, session, "dealing", silent);
      return;
    case "dealing":
      if (state.dealings.size < leastDealings(draft, session)) abort(draft, session, "TooFewDealings", silent);
      else enter(draft, session, "complaint", silent);
      return;
    case "complaint":
      qualify(draft, session, silent);
      return;
    case "confirmation":
      if (receiversOf(session).filter(({ confirmed }) => confirmed).length < leastHolders(session.threshold)) {
        abort(draft, session, "TooFewConfirmed", silent);
      } else adopt(draft, session, silent);
  }
}

/**
 * Dealings without which nothing can be made: t of a key's shares to reshare it; else so many that one of them is of an
 * honest dealer, whose choice makes the sum unknown to all others.
 */
function leastDealings({ state }: Draft, { kind, rotationId, threshold }: KeySession): number {
  return kind === "resharing" ? sharingOf(state.sharings, rotationId).threshold : threshold;
}

function sharingOf(sharings: readonly Sharing[], rotationId: number): Sharing {
  return sharings.find((sharing) => sharing.rotationId === rotationId)!;
}

function enter(draft: Draft, session: KeySession, phase: KeySessionPhase, silent: readonly PublicKey[]): void {
  const deadline = draft.state.height + draft.genesis.masterKey.phaseBlocks - 1;
  draft.state.keySession = { ...session, phase, deadline };
  tell(draft, { kind: "KeySessionAdvanced", epoch: session.epoch, phase, silent });
}

/** Complaints are over: what the dealings make that nobody was right about. */
function qualify(draft: Draft, session: KeySession, silent: readonly PublicKey[]): void {
  const { state } = draft;
  const qualified = qualifiedDealings(state, session);
  if (qualified.length < leastDealings(draft, session)) {
    abort(draft, session, "TooFewQualified", silent);
    return;
  }
  if (receiversOf(session).length < leastHolders(session.threshold)) {
    abort(draft, session, "TooFewReceivers", silent);
    return;
  }
  const outcome = sharingOutcome(termsOf(draft.genesisHash, state, session), qualified);
  if (outcome === null) {
    abort(draft, session, "Degenerate", silent);
    return;
  }
  const members = session.members.map((member, at) => {
    const verificationShare = member.excluded ? undefined : outcome.verificationShares.get(at + 1);
    return { ...member, verificationShare: verificationShare === undefined ? null : toHex(verificationShare) };
  });
  enter(draft, { ...session, members, publicKey: toHex(outcome.publicKey) }, "confirmation", silent);
}

function adopt(draft: Draft, session: KeySession, silent: readonly PublicKey[]): void {
  const { state } = draft;
  const { epoch, id, rotationId, keySuite, threshold } = session;
  const before = state.sharings.find((sharing) => sharing.rotationId === rotationId);
  if (before !== undefined) retire(draft, before, before.members.filter(hasShare));
  const sharing: Sharing = {
    epoch,
    session: id,
    rotationId,
    keySuite,
    cipherSuite: cipherSuiteOf(state, before),
    threshold,
    publicKey: session.publicKey!,
    height: state.height,
    members: session.members.map(({ identityKey, verificationShare, confirmed }) => ({
      identityKey,
      verificationShare,
      confirmed,
    })),
  };
  state.sharings =
    before === undefined
      ? [...state.sharings, sharing]
      : state.sharings.map((other) => (other === before ? sharing : other));
  if (rotationId === 0 && before === undefined) state.rotationEnded = state.height;
  end(draft);
  const holders = keysOf(sharing.members.filter(({ confirmed }) => confirmed));
  tell(draft, { kind: "SharingAdopted", epoch, rotationId, publicKey: sharing.publicKey, holders, silent });
}

function abort(draft: Draft, session: KeySession, reason: AbortReason, silent: readonly PublicKey[]): void {
  stopSession(draft, session, reason, silent);
  giveUpHandover(draft, session);
}

/** Ends a session that makes nothing. */
export function stopSession(
  draft: Draft,
  session: KeySession,
  reason: AbortReason,
  silent: readonly PublicKey[],
): void {
  const { state, genesis } = draft;
  const owing = mayOpen(state, session);
  if (owing.length > 0) retire(draft, session, owing);
  end(draft);
  state.nextSessionHeight = state.height + genesis.masterKey.phaseBlocks;
  tell(draft, { kind: "KeySessionAborted", epoch: session.epoch, reason, silent });
}

/** If it was to be handed over to those who were elected: others are elected, or the same once more if they still stand. */
function giveUpHandover(draft: Draft, { kind, members }: Pick<KeySession, "kind" | "members">): void {
  const { state } = draft;
  if (kind !== "resharing" || state.planned === null || isHandedOver(state)) return;
  if (!isCommittee(members, plannedCommittee(state)!)) return;
  tell(draft, { kind: "HandoverFailed", era: state.planned.index });
  state.planned = null;
}

function end({ state }: Draft): void {
  state.keySession = null;
  state.dealings = emptyTables().dealings;
}

/**
 * Who has, after a session that failed, what says something of a key that is in use. Shares were dealt in a resharing, and
 * stay on the chain: its dealing keys open them. In a refresh nothing was, before there are new shares.
 */
function mayOpen({ dealings }: Draft["state"], { kind, phase, members }: KeySession): readonly Receiver[] {
  if (kind === "resharing" && dealings.size > 0) return members.filter(({ dealingKey }) => dealingKey !== null);
  return kind === "refresh" && phase === "confirmation" ? members.filter(hasShare) : [];
}
