/**
 * Slashes: computed when an offence is known, applied when governance has had its time (`pallet_staking::slashing`; "Slashing
 * mechanisms", W3F Research).
 *
 * Stake is counted once: in a span, somebody loses the maximum of what he would lose for each offence, not the sum. A
 * span ends with a slash in it, and the gatekeeper who caused it no longer stands for election; who wants to go on
 * begins a new span by standing again.
 */
import type { AccountId } from "./account.ts";
import { burn, freeOf, mint } from "./balances.ts";
import { chill } from "./candidacy.ts";
import { type Draft, activeEraIndex, replaceEra, tell } from "./draft.ts";
import { partOf } from "./perbill.ts";
import { type SpanChange, endedSpan, isCurrentSpan, slashedInSpan, spansSince } from "./slashing-spans.ts";
import { min, put, slashed } from "./staking-ledger.ts";
import { type Era, type Exposure, type IndividualExposure, type UnappliedSlash, numberKey } from "./state.ts";

/** An offence of a gatekeeper with stake. */
export interface Offence {
  readonly stash: AccountId;
  /** When it was. */
  readonly era: Era;
  /** Of the exposure, in billionths. */
  readonly fraction: number;
  readonly reporter: AccountId | null;
}

/**
 * Punishes an offence: at once, or later where slashes are deferred.
 * @returns whether it was worse than what the gatekeeper was punished for in that era before.
 */
export function punish(draft: Draft, offence: Offence): boolean {
  const { stash, era, fraction } = offence;
  const exposure = era.exposures.get(stash);
  if (exposure === undefined) return false;
  if (fraction === 0) {
    removeIfRecent(draft, stash, era);
    return true;
  }
  const prior = era.validatorSlashes.get(stash) ?? 0;
  if (fraction <= prior) return false;
  replaceEra(draft, { ...era, validatorSlashes: era.validatorSlashes.set(stash, fraction) });
  const unapplied = computed(draft, offence, exposure, prior);
  if (draft.genesis.staking.slashDeferDuration === 0) applySlash(draft, unapplied);
  else defer(draft, unapplied);
  return true;
}

/**
 * Applies the slashes that are due when a session begins, in the order in which they were computed; and those of an era
 * whose stake can be withdrawn from now on, however short the time was that governance had.
 */
export function applyDueSlashes(draft: Draft): void {
  const { state, genesis } = draft;
  const oldest = activeEraIndex(draft) - genesis.staking.bondingDuration;
  for (const [key, unapplied] of state.unapplied) {
    if (unapplied.dueSession > state.session && unapplied.slashEra > oldest) continue;
    state.unapplied = state.unapplied.delete(key);
    applySlash(draft, unapplied);
  }
}

function computed(draft: Draft, offence: Offence, exposure: Exposure, prior: number): UnappliedSlash {
  const { stash, era, fraction, reporter } = offence;
  const change = slashStash(draft, stash, era.index, partOf(fraction, exposure.own));
  if (change.current) removeAndEndSpan(draft, stash);
  let payout = change.reward;
  const others: IndividualExposure[] = [];
  let { nominatorSlashes } = era;
  for (const { who, value } of exposure.others) {
    const inEra = (nominatorSlashes.get(who) ?? 0n) + partOf(fraction, value) - partOf(prior, value);
    nominatorSlashes = nominatorSlashes.set(who, inEra);
    const nominator = slashStash(draft, who, era.index, inEra);
    if (nominator.current) endSpan(draft, who);
    payout += nominator.reward;
    if (nominator.difference > 0n) others.push({ who, value: nominator.difference });
  }
  replaceEra(draft, { ...draft.state.eras.find(({ index }) => index === era.index)!, nominatorSlashes });
  const id = draft.state.nextSlash++;
  const dueSession = dueSessionOf(draft, era);
  return { id, slashEra: era.index, dueSession, validator: stash, own: change.difference, others, reporter, payout };
}

/**
 * The start of the era after the deferral, if eras begin when they should: where elections fail they don't, and slashes
 * do not wait for that. Late reports leave governance the length of an era too, if the stake is not free before.
 */
function dueSessionOf({ state, genesis }: Draft, { startSession }: Era): number {
  const { slashDeferDuration, sessionsPerEra } = genesis.staking;
  const inTime = startSession + (slashDeferDuration + 1) * sessionsPerEra;
  return Math.max(inTime, state.session + sessionsPerEra);
}

function defer(draft: Draft, unapplied: UnappliedSlash): void {
  const { state } = draft;
  const { id, validator, dueSession } = unapplied;
  state.unapplied = state.unapplied.set(numberKey(id), unapplied);
  tell(draft, { kind: "SlashDeferred", id, stash: validator, dueSession });
}

/** What is slashed is destroyed, but for the reporter's part. */
function applySlash(draft: Draft, { slashEra, validator, own, others, reporter, payout }: UnappliedSlash): void {
  let taken = takeStake(draft, validator, own, slashEra);
  for (const { who, value } of others) taken += takeStake(draft, who, value, slashEra);
  if (reporter === null) return;
  const amount = mint(draft, reporter, min(payout, taken));
  if (amount > 0n) tell(draft, { kind: "ReporterPaid", reporter, amount });
}

/** @returns what there was to take. */
function takeStake(draft: Draft, stash: AccountId, amount: bigint, slashEra: number): bigint {
  const ledger = draft.state.bonded.get(stash);
  if (ledger === undefined || amount === 0n) return 0n;
  const left = slashed(ledger, amount, slashEra + draft.genesis.staking.bondingDuration);
  const taken = min(ledger.total - left.total, freeOf(draft, stash));
  put(draft, stash, left);
  burn(draft, stash, taken);
  tell(draft, { kind: "Slashed", stash, amount: taken });
  return taken;
}

/** Counts a slash in the span that its era is in. */
function slashStash(draft: Draft, stash: AccountId, era: number, amount: bigint): SpanChange {
  const { slashRewardFraction } = draft.genesis.staking;
  const change = slashedInSpan(spansOf(draft, stash), era, amount, partOf(slashRewardFraction, amount));
  if (change.spans !== null) draft.state.spans = draft.state.spans.set(stash, change.spans);
  return change;
}

/** An offence without a slash still costs the candidacy, unless somebody stood again since. */
function removeIfRecent(draft: Draft, stash: AccountId, era: Era): void {
  if (isCurrentSpan(spansOf(draft, stash), era.index)) removeAndEndSpan(draft, stash);
}

function removeAndEndSpan(draft: Draft, stash: AccountId): void {
  chill(draft, stash);
  endSpan(draft, stash);
}

function endSpan(draft: Draft, stash: AccountId): void {
  draft.state.spans = draft.state.spans.set(stash, endedSpan(spansOf(draft, stash), activeEraIndex(draft)));
}

function spansOf(draft: Draft, stash: AccountId) {
  const windowStart = Math.max(activeEraIndex(draft) - draft.genesis.staking.bondingDuration, 0);
  return spansSince(draft.state.spans.get(stash), windowStart);
}
