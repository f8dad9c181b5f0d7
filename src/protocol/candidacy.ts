/** Who stands for election, and who backs whom: validate, nominate, chill, setPayee of `pallet_staking`, and setKeys. */
import { type AccountId, type PublicKey, accountOf } from "./account.ts";
import type { Payee, ValidatorPrefs } from "./call.ts";
import { type Draft, currentEraIndex, ensure, tell } from "./draft.ts";
import { PERBILL } from "./perbill.ts";
import { mayServe } from "./registry.ts";
import { bondedOf, put } from "./staking-ledger.ts";

/** Stands for election as a gatekeeper, with a pRuntime. @throws Failure */
export function validate(draft: Draft, stash: AccountId, prefs: ValidatorPrefs): void {
  const { state, genesis } = draft;
  const { active } = bondedOf(draft, stash);
  const { minValidatorBond, minCommission, maxValidatorCount } = genesis.staking;
  ensure(active >= minValidatorBond, "InsufficientBond");
  ensure(servingKeyOf(draft, stash) !== null, "NoKeys");
  ensure(prefs.commission >= minCommission, "CommissionTooLow");
  ensure(prefs.commission <= PERBILL, "CommissionTooHigh");
  ensure(state.validators.has(stash) || state.validators.size < maxValidatorCount, "TooManyValidators");
  state.nominators = state.nominators.delete(stash);
  state.validators = state.validators.set(stash, prefs);
}

/** Backs up to 16 who stand for election. @throws Failure */
export function nominate(draft: Draft, stash: AccountId, targets: readonly AccountId[]): void {
  const { state, genesis } = draft;
  const { active } = bondedOf(draft, stash);
  const { minNominatorBond, maxNominatorCount } = genesis.staking;
  ensure(active >= minNominatorBond, "InsufficientBond");
  ensure(targets.length > 0, "EmptyTargets");
  ensure(new Set(targets).size === targets.length, "DuplicateTarget");
  const before = state.nominators.get(stash)?.targets ?? [];
  for (const target of targets) {
    const prefs = state.validators.get(target);
    ensure(before.includes(target) || (prefs !== undefined && !prefs.blocked), "BadTarget");
  }
  ensure(state.nominators.has(stash) || state.nominators.size < maxNominatorCount, "TooManyNominators");
  state.validators = state.validators.delete(stash);
  state.nominators = state.nominators.set(stash, { targets, submittedIn: currentEraIndex(draft) });
}

/** Neither stands for election nor backs anybody any more. */
export function chill(draft: Draft, stash: AccountId): void {
  const { state } = draft;
  if (!state.validators.has(stash) && !state.nominators.has(stash)) return;
  state.validators = state.validators.delete(stash);
  state.nominators = state.nominators.delete(stash);
  tell(draft, { kind: "Chilled", stash });
}

/** Says where rewards go. @throws Failure */
export function setPayee(draft: Draft, stash: AccountId, payee: Payee): void {
  put(draft, stash, { ...bondedOf(draft, stash), payee });
}

/**
 * The IdentityKey that a stash can serve with now: of a pRuntime of its own that may serve. One whose measurement
 * governance has withdrawn is not elected any more; who acts with it, or is elected already, acts until that era ends.
 */
export function servingKeyOf({ state }: Draft, stash: AccountId): PublicKey | null {
  const identityKey = state.bonded.get(stash)?.identityKey ?? null;
  const worker = identityKey === null ? undefined : state.workers.get(accountOf(identityKey));
  return worker?.operator === stash && mayServe(state, worker) ? identityKey : null;
}

/** Says which of its pRuntimes a stash serves with, from the next election on. @throws Failure */
export function setKeys(draft: Draft, stash: AccountId, identityKey: PublicKey): void {
  const ledger = bondedOf(draft, stash);
  const worker = draft.state.workers.get(accountOf(identityKey));
  ensure(worker !== undefined, "NotWorker");
  ensure(worker.operator === stash, "NotOperator");
  ensure(mayServe(draft.state, worker), "MeasurementNotAllowed");
  put(draft, stash, { ...ledger, identityKey });
}
