/** Stake: bond, bondExtra, unbond, withdrawUnbonded of `pallet_staking`. */
import type { AccountId } from "./account.ts";
import { freeOf } from "./balances.ts";
import type { Payee } from "./call.ts";
import { chill } from "./candidacy.ts";
import { type Draft, activeEraIndex, currentEraIndex, ensure, tell } from "./draft.ts";
import { bondedOf, min, put, sum } from "./staking-ledger.ts";
import type { UnlockChunk } from "./state.ts";

/** Unbondings under way that an account has at most: `MaxUnlockingChunks`. */
const CHUNKS_MAX = 32;

/** Puts an account's tokens at stake: as much of `amount` as it has; where somebody is elected. @throws Failure */
export function bond(draft: Draft, stash: AccountId, amount: bigint, payee: Payee): void {
  const { state, genesis } = draft;
  // Without eras it would never come back.
  ensure(genesis.gatekeepers.tag === "elected", "NoElections");
  ensure(!state.bonded.has(stash), "AlreadyBonded");
  const value = min(amount, freeOf(draft, stash));
  ensure(value > 0n && value >= genesis.existentialDeposit, "InsufficientBond");
  put(draft, stash, { total: value, active: value, unlocking: [], payee, identityKey: null });
  tell(draft, { kind: "Bonded", stash, amount: value });
}

/** Puts more at stake: as much of `amount` as there is. @throws Failure */
export function bondExtra(draft: Draft, stash: AccountId, amount: bigint): void {
  const ledger = bondedOf(draft, stash);
  const extra = min(amount, freeOf(draft, stash) - ledger.total);
  ensure(ledger.active + extra >= draft.genesis.existentialDeposit, "InsufficientBond");
  put(draft, stash, { ...ledger, total: ledger.total + extra, active: ledger.active + extra });
  tell(draft, { kind: "Bonded", stash, amount: extra });
}

/**
 * Takes stake back, to be withdrawn after the bonding duration: as much of `amount` as is active, and the rest with it
 * where that would be less than the existential deposit.
 * @throws Failure
 */
export function unbond(draft: Draft, stash: AccountId, amount: bigint): void {
  const { genesis, state } = draft;
  if (bondedOf(draft, stash).unlocking.length >= CHUNKS_MAX) withdrawUnbonded(draft, stash);
  const ledger = bondedOf(draft, stash);
  ensure(ledger.unlocking.length < CHUNKS_MAX, "NoMoreChunks");
  let value = min(amount, ledger.active);
  if (value === 0n) return;
  if (ledger.active - value < genesis.existentialDeposit) value = ledger.active;
  const active = ledger.active - value;
  const { minNominatorBond, minValidatorBond, bondingDuration } = genesis.staking;
  const needed = state.nominators.has(stash) ? minNominatorBond : state.validators.has(stash) ? minValidatorBond : 0n;
  ensure(active >= needed, "InsufficientBond");
  const unlocking = unlockedAt(ledger.unlocking, { value, era: currentEraIndex(draft) + bondingDuration });
  put(draft, stash, { ...ledger, active, unlocking });
  tell(draft, { kind: "Unbonded", stash, amount: value });
}

/** Gives back what was unbonded long enough ago; a stash that has nothing left is no stash any more. @throws Failure */
export function withdrawUnbonded(draft: Draft, stash: AccountId): void {
  const ledger = bondedOf(draft, stash);
  const now = activeEraIndex(draft);
  const unlocking = ledger.unlocking.filter(({ era }) => era > now);
  const amount = sum(ledger.unlocking) - sum(unlocking);
  if (unlocking.length === 0 && ledger.active < draft.genesis.existentialDeposit) {
    chill(draft, stash);
    draft.state.bonded = draft.state.bonded.delete(stash);
    tell(draft, { kind: "Withdrawn", stash, amount: ledger.total });
  } else {
    put(draft, stash, { ...ledger, total: ledger.total - amount, unlocking });
    tell(draft, { kind: "Withdrawn", stash, amount });
  }
}

function unlockedAt(chunks: readonly UnlockChunk[], chunk: UnlockChunk): readonly UnlockChunk[] {
  const last = chunks.at(-1);
  if (last?.era !== chunk.era) return [...chunks, chunk];
  return [...chunks.slice(0, -1), { era: last.era, value: last.value + chunk.value }];
}
