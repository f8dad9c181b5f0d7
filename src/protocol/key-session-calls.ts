/** What messages do in a key session. Whatever they bring along is verified here, because it is bound to the session. */
import { fromHex, toHex } from "../bytes.ts";
import { type Complaint, judgeComplaint } from "../keys/complaint.ts";
import { type Dealing, dealingFault, dealingKeyContext } from "../keys/dealing.ts";
import { verifyPossession } from "../keys/possession-check.ts";
import { type TrialPartial, verifyTrial } from "../keys/trial-partial.ts";
import { type PublicKey, accountOf } from "./account.ts";
import { type Draft, ensure, tell } from "./draft.ts";
import { type KeySession, type KeySessionPhase, type Receiver, dealersOf } from "./key-session.ts";
import { advanceIfComplete } from "./key-session-phases.ts";
import { ledgerGroup, termsOf } from "./key-terms.ts";
import { mayServe } from "./registry.ts";
import { exclude } from "./exclusion.ts";
import type { PostedDealing, SharingMember } from "./sharing.ts";
import { numberKey } from "./state.ts";

/** A receiver's dealing key. @throws Failure */
export function registerDealingKey(
  draft: Draft,
  signer: PublicKey,
  epoch: number,
  dealingKey: Uint8Array,
  proof: Uint8Array,
): void {
  const { state, genesisHash } = draft;
  const session = sessionIn(draft, epoch, "registration");
  const at = placeOf(session, signer);
  ensure(session.members[at]!.dealingKey === null, "AlreadySent");
  const worker = state.workers.get(accountOf(signer));
  ensure(worker !== undefined && mayServe(state, worker), "MeasurementNotAllowed");
  const context = dealingKeyContext(genesisHash, fromHex(session.id, "a session"), at + 1);
  ensure(verifyPossession(ledgerGroup(session.keySuite), context, dealingKey, proof), "BadProof");
  change(draft, session, at, { dealingKey: toHex(dealingKey) });
  advanceIfComplete(draft);
}

/** A dealer's one dealing: what anybody can check of it is right. @throws Failure */
export function postDealing(draft: Draft, signer: PublicKey, epoch: number, dealing: Dealing): void {
  const { state, genesisHash } = draft;
  const session = sessionIn(draft, epoch, "dealing");
  const dealer = dealersOf(state, session).find(({ identityKey }) => identityKey === signer)?.index;
  ensure(dealer !== undefined, "NotDealer");
  ensure(!state.dealings.has(numberKey(dealer)), "AlreadySent");
  ensure(dealingFault(termsOf(genesisHash, state, session), dealer, dealing) === null, "BadDealing");
  state.dealings = state.dealings.set(numberKey(dealer), { ...dealing, dealer, disqualified: false });
  advanceIfComplete(draft);
}

/**
 * A receiver's judgement of all dealings. Each complaint convicts somebody: the dealer, or the receiver, of whom nothing
 * more is looked at then.
 * @param complaints - by dealer, rising.
 * @throws Failure
 */
export function judgeDealings(
  draft: Draft,
  signer: PublicKey,
  epoch: number,
  complaints: readonly { readonly dealer: number; readonly complaint: Complaint }[],
): void {
  const { state, genesisHash } = draft;
  const session = sessionIn(draft, epoch, "complaint");
  const at = placeOf(session, signer);
  const { dealingKey, judged } = session.members[at]!;
  ensure(dealingKey !== null, "NotReceiver");
  ensure(!judged, "AlreadySent");
  ensure(
    complaints.every(({ dealer }, place) => place === 0 || complaints[place - 1]!.dealer < dealer),
    "BadProof",
  );
  const accused = complaints.map(({ dealer }) => state.dealings.get(numberKey(dealer)));
  ensure(
    accused.every((dealing) => dealing !== undefined),
    "NotDealer",
  );
  change(draft, session, at, { judged: true });
  const terms = termsOf(genesisHash, state, session);
  const reporter = state.workers.get(accountOf(signer))?.operator ?? null;
  for (const [place, dealing] of accused.entries()) {
    const verdict = judgeComplaint(terms, dealing!.dealer, dealing!, at + 1, complaints[place]!.complaint);
    if (verdict === "FALSE_COMPLAINT") {
      exclude(draft, "falseComplaint", session.epoch, signer, null);
      break;
    }
    const dealer = dealerKey(draft, dealing!);
    if (dealer !== null) exclude(draft, "misdealing", session.epoch, dealer, reporter);
  }
  advanceIfComplete(draft);
}

/** A receiver has sealed its share; one that was too late may still say so of a sharing in force. @throws Failure */
export function confirmShare(draft: Draft, signer: PublicKey, epoch: number, trial: TrialPartial): void {
  const { state, genesisHash } = draft;
  const inForce = state.sharings.find((sharing) => sharing.epoch === epoch);
  if (inForce === undefined) {
    const session = sessionIn(draft, epoch, "confirmation");
    const at = placeOf(session, signer);
    checkTrial(genesisHash, session, session.members[at]!, at, trial);
    change(draft, session, at, { confirmed: true });
    advanceIfComplete(draft);
    return;
  }
  const at = inForce.members.findIndex(({ identityKey }) => identityKey === signer);
  ensure(at >= 0 && !state.excluded.includes(signer), "NotReceiver");
  checkTrial(genesisHash, { ...inForce, id: inForce.session }, inForce.members[at]!, at, trial);
  const members = inForce.members.with(at, { ...inForce.members[at]!, confirmed: true });
  state.sharings = state.sharings.map((sharing) => (sharing === inForce ? { ...inForce, members } : sharing));
  tell(draft, { kind: "ShareConfirmed", epoch, identityKey: signer });
}

/** Somebody has destroyed its share of a sharing that is retired. @throws Failure */
export function declareDestroyed(draft: Draft, signer: PublicKey, epoch: number): void {
  const { state } = draft;
  const sharing = state.retired.find((retired) => retired.epoch === epoch);
  ensure(sharing?.owing.includes(signer) === true, "NothingToDo");
  const owing = sharing.owing.filter((identityKey) => identityKey !== signer);
  state.retired =
    owing.length === 0
      ? state.retired.filter((retired) => retired !== sharing)
      : state.retired.map((retired) => (retired === sharing ? { ...sharing, owing } : retired));
  tell(draft, { kind: "ShareDestroyed", epoch, identityKey: signer });
}

function sessionIn({ state }: Draft, epoch: number, phase: KeySessionPhase): KeySession {
  const { keySession } = state;
  ensure(keySession?.epoch === epoch, "WrongEpoch");
  ensure(keySession.phase === phase, "WrongPhase");
  return keySession;
}

/** Place of a member that is not convicted. */
function placeOf({ members }: KeySession, signer: PublicKey): number {
  const at = members.findIndex(({ identityKey, excluded }) => identityKey === signer && !excluded);
  ensure(at >= 0, "NotReceiver");
  return at;
}

function change({ state }: Draft, session: KeySession, at: number, changes: Partial<Receiver>): void {
  state.keySession = { ...session, members: session.members.with(at, { ...session.members[at]!, ...changes }) };
}

function checkTrial(
  genesisHash: Uint8Array,
  { id, keySuite, rotationId }: Pick<KeySession, "id" | "keySuite" | "rotationId">,
  { verificationShare, confirmed }: SharingMember,
  at: number,
  trial: TrialPartial,
): void {
  ensure(verificationShare !== null, "NotReceiver");
  ensure(!confirmed, "AlreadySent");
  const share = fromHex(verificationShare, "a verification share");
  const session = fromHex(id, "a session");
  ensure(verifyTrial(ledgerGroup(keySuite), genesisHash, session, rotationId, at + 1, share, trial), "BadProof");
}

/** The dealer of a dealing, unless it is convicted already. */
function dealerKey({ state }: Draft, { dealer }: PostedDealing): PublicKey | null {
  const known = dealersOf(state, state.keySession!).find(({ index }) => index === dealer);
  return known?.identityKey ?? null;
}
