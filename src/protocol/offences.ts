/** What gatekeepers may do wrong, and how it is known. */
import { type AccountId, type PublicKey, accountOf } from "./account.ts";
import type { AuthenticMessage } from "./authenticate.ts";
import { burnReserved } from "./balances.ts";
import { chill } from "./candidacy.ts";
import { type Draft, activeEra, ensure, tell } from "./draft.ts";
import type { OffenceFractions } from "./genesis.ts";
import { partOf } from "./perbill.ts";
import { type Offence, punish } from "./slashing.ts";

/**
 * Two heartbeats of one session, signed by one IdentityKey, for different states: whoever has them may show them.
 * @param first, second - their signatures are right, and they are heartbeats.
 * @throws Failure
 */
export function reportEquivocation(
  draft: Draft,
  reporter: AccountId,
  first: AuthenticMessage,
  second: AuthenticMessage,
): void {
  const [a, b] = [first.call, second.call];
  ensure(a.tag === "heartbeat" && b.tag === "heartbeat" && first.signer === second.signer, "NoOffence");
  ensure(a.value.session === b.value.session && a.value.stateHash !== b.value.stateHash, "NoOffence");
  const era = draft.state.eras.findLast(({ startSession }) => startSession <= a.value.session);
  ensure(era !== undefined && a.value.session <= draft.state.session, "NoExposure");
  const stash = era.stashes.get(first.sender);
  ensure(stash !== undefined, "NoExposure");
  ensure(commit(draft, "equivocation", { stash, era, reporter }), "AlreadySlashed");
}

/** When an era ends: who did nothing in it, while others did. Where nobody did, nothing is known of anybody. */
export function punishUnresponsive(draft: Draft): void {
  const { duties } = draft.state;
  if (![...duties.values()].some(({ points }) => points > 0)) return;
  for (const [stash, { identityKey }] of activeEra(draft)?.exposures ?? []) {
    const points = duties.get(accountOf(identityKey))?.points ?? 0;
    // Each changes the era, so each takes it anew.
    if (points === 0) commit(draft, "unresponsive", { stash, era: activeEra(draft)!, reporter: null });
  }
}

/** What a gatekeeper may do wrong with the MasterKey, or with states that are sealed under it. */
export type GatekeeperOffence = "misdealing" | "falseComplaint" | "wrongPartials" | "falseReceipt" | "falseVerdict";

/**
 * Somebody did in a key session, with its share, or in a rotation what can't happen to who is honest: it is punished; whoever was elected and
 * does not act yet is not elected again before it stands anew.
 * @param reporter - whose complaint showed it; null where it shows itself.
 */
export function convict(
  draft: Draft,
  offence: GatekeeperOffence,
  identityKey: PublicKey,
  reporter: AccountId | null,
): void {
  if (!commitActing(draft, offence, identityKey, reporter)) takeDeposit(draft, offence, identityKey);
  const elected = draft.state.planned?.stashes.get(accountOf(identityKey));
  if (elected !== undefined) chill(draft, elected);
}

/**
 * Somebody has not said in time that what it had of a MasterKey is destroyed.
 * @param answers - whether one that does not act is punished, too.
 */
export function punishUndestroyed(draft: Draft, identityKey: PublicKey, answers: boolean): void {
  if (!commitActing(draft, "undestroyed", identityKey, null) && answers) takeDeposit(draft, "undestroyed", identityKey);
}

/** @returns whether somebody acts, with stake: then it answers with that, now or as it did before. */
function commitActing(
  draft: Draft,
  offence: GatekeeperOffence | "undestroyed",
  identityKey: PublicKey,
  reporter: AccountId | null,
): boolean {
  const era = activeEra(draft);
  const stash = era?.stashes.get(accountOf(identityKey));
  if (era === undefined || stash === undefined) return false;
  commit(draft, offence, { stash, era, reporter });
  return true;
}

/**
 * Who has nothing at stake answers with what was put down for it: the offence's part of what is left of that is destroyed. At once,
 * because nobody else stands behind it, and it may be given back as soon as the rotation is over.
 */
function takeDeposit(draft: Draft, offence: GatekeeperOffence | "undestroyed", identityKey: PublicKey): void {
  const { state, genesis } = draft;
  const id = accountOf(identityKey);
  const worker = state.workers.get(id);
  const amount = partOf(genesis.staking.offences[offence], worker?.deposit ?? 0n);
  if (worker === undefined || amount === 0n) return;
  burnReserved(draft, worker.operator, amount);
  state.workers = state.workers.set(id, { ...worker, deposit: worker.deposit - amount });
  tell(draft, { kind: "DepositSlashed", offence, identityKey, operator: worker.operator, amount });
}

function commit(draft: Draft, offence: keyof OffenceFractions, of: Omit<Offence, "fraction">): boolean {
  const fraction = draft.genesis.staking.offences[offence];
  if (!punish(draft, { ...of, fraction })) return false;
  tell(draft, { kind: "OffenceReported", offence, stash: of.stash, era: of.era.index, fraction });
  return true;
}
