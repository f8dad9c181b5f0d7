/**
 * Who was proved to have cheated with the MasterKey, or in a rotation: it is punished, gets no share, and takes part in no rotation. Gatekeepers
 * until others are elected; others until governance names them anew.
 */
import { type AccountId, type PublicKey, accountOf } from "./account.ts";
import { type Draft, ensure, ensureFirstProof, tell } from "./draft.ts";
import { type KeySession, dealersOf } from "./key-session.ts";
import { type GatekeeperOffence, convict } from "./offences.ts";
import { type PartialsEvidence, areWrong } from "./partials-evidence.ts";
import { nameRotationWorker } from "./partitions.ts";
import { workerOf } from "./registry.ts";
import { numberKey } from "./state.ts";

/**
 * Partials that a gatekeeper gave and signed, and that are wrong.
 * @param reporter - the IdentityKey of a pRuntime: nobody else is given any. Its operator is paid.
 * @throws Failure
 */
export function reportWrongPartials(draft: Draft, reporter: PublicKey, evidence: PartialsEvidence): void {
  const { state, genesisHash } = draft;
  const { gatekeeper, epoch } = evidence;
  const { operator } = workerOf(draft, accountOf(reporter));
  const sharing = state.sharings.find((known) => known.epoch === epoch);
  ensure(sharing !== undefined, "NoExposure");
  ensure(!state.excluded.includes(gatekeeper), "AlreadySlashed");
  ensureFirstProof(draft, reporter);
  ensure(areWrong(genesisHash, sharing, evidence), "NoOffence");
  exclude(draft, "wrongPartials", epoch, gatekeeper, operator);
}

/**
 * Convicts. In the key session that is under way its dealing does not qualify, and it gets no
 * share.
 * @param epoch - of the key session that it cheated in, or with whose share.
 * @param reporter - who showed it; null where it shows itself.
 */
export function exclude(
  draft: Draft,
  offence: GatekeeperOffence,
  epoch: number,
  identityKey: PublicKey,
  reporter: AccountId | null,
): void {
  const { state } = draft;
  if (state.keySession !== null) leaveSession(draft, state.keySession, identityKey);
  state.excluded = [...state.excluded, identityKey];
  tell(draft, { kind: "Convicted", epoch, offence, identityKey });
  if (state.rotationWorkers.includes(identityKey)) nameRotationWorker(draft, identityKey, false);
  convict(draft, offence, identityKey, reporter);
}

function leaveSession({ state }: Draft, session: KeySession, identityKey: PublicKey): void {
  const dealer = dealersOf(state, session).find((known) => known.identityKey === identityKey)?.index;
  const dealing = dealer === undefined ? undefined : state.dealings.get(numberKey(dealer));
  // Once it is known what the qualified make together, they stay what they are: receivers are computing with them.
  if (dealing !== undefined && session.phase !== "confirmation") {
    state.dealings = state.dealings.set(numberKey(dealing.dealer), { ...dealing, disqualified: true });
  }
  const members = session.members.map((member) =>
    member.identityKey === identityKey ? { ...member, excluded: true } : member,
  );
  state.keySession = { ...session, members };
}
