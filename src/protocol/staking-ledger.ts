/** What a stash has at stake, and what a slash takes of it: `StakingLedger` of `pallet_staking`. */
import type { AccountId } from "./account.ts";
import { type Draft, ensure } from "./draft.ts";
import type { StakingLedger, UnlockChunk } from "./state.ts";

/** The stake of an account that has one. @throws Failure NotBonded */
export function bondedOf({ state }: Draft, stash: AccountId): StakingLedger {
  const ledger = state.bonded.get(stash);
  ensure(ledger !== undefined, "NotBonded");
  return ledger;
}

/** Replaces the stake of an account. */
export function put({ state }: Draft, stash: AccountId, ledger: StakingLedger): void {
  state.bonded = state.bonded.set(stash, ledger);
}

/**
 * Takes `amount` off a stake, at most all of it: in proportion from what is active and what was unbonded since the
 * offence, and if that is not enough, from what was unbonded before, the last first (`StakingLedger::slash`; but what
 * is left is never taken for being little, so that a slash is never more than it says).
 * @param firstEra - in which what was unbonded at the time of the offence unlocks.
 */
export function slashed(ledger: StakingLedger, amount: bigint, firstEra: number): StakingLedger {
  const first = ledger.unlocking.findIndex(({ era }) => era >= firstEra);
  const since = first < 0 ? [] : ledger.unlocking.slice(first);
  const affected = ledger.active + sum(since);
  let remaining = amount;
  const take = (value: bigint): bigint => {
    const share = since.length === 0 ? remaining : affected === 0n ? value : ceilDivide(value * amount, affected);
    const taken = min(min(share, value), remaining);
    remaining -= taken;
    return value - taken;
  };
  const active = take(ledger.active);
  const left = new Map<UnlockChunk, bigint>();
  const before = ledger.unlocking.slice(0, first < 0 ? undefined : first).reverse();
  for (const chunk of [...since, ...before]) left.set(chunk, take(chunk.value));
  const unlocking = ledger.unlocking
    .map((chunk) => ({ era: chunk.era, value: left.get(chunk)! }))
    .filter(({ value }) => value > 0n);
  return { ...ledger, active, unlocking, total: ledger.total - (amount - remaining) };
}

/** What lies in chunks. */
export function sum(chunks: readonly UnlockChunk[]): bigint {
  return chunks.reduce((total, { value }) => total + value, 0n);
}

/** The lesser. */
export function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function ceilDivide(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}
