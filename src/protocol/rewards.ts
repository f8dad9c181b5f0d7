/** What an era pays, and to whom: by points to gatekeepers, by stake to those behind them. */
import { type AccountId, accountOf } from "./account.ts";
import { mint } from "./balances.ts";
import { type Draft, tell } from "./draft.ts";
import { eraPayout } from "./inflation.ts";
import { partOf } from "./perbill.ts";
import { put } from "./staking-ledger.ts";
import type { Era, Exposure } from "./state.ts";

/**
 * Pays an era that ends now, all of it at once (in `pallet_staking`: `end_era` and `payout_stakers`). Shares are rounded
 * down, so what is paid is never more than the era's payout.
 */
export function payEra(draft: Draft, era: Era): void {
  const { state, genesis } = draft;
  const staked = [...era.exposures.values()].reduce((sum, { total }) => sum + total, 0n);
  // By heights, and by the clock where blocks come faster than they should.
  const byHeight = (state.height - era.startHeight) * genesis.blockMilliseconds;
  const milliseconds = Math.min(byHeight, state.timestamp - era.startTime);
  const payout = eraPayout(genesis.staking.inflation, staked, state.totalIssuance, milliseconds);
  const pointsOf = ({ identityKey }: Exposure): bigint => BigInt(state.duties.get(accountOf(identityKey))?.points ?? 0);
  const allPoints = [...era.exposures.values()].reduce((sum, exposure) => sum + pointsOf(exposure), 0n);
  let paid = 0n;
  if (allPoints > 0n) {
    for (const [stash, exposure] of era.exposures) {
      paid += payGatekeeper(draft, stash, exposure, (payout * pointsOf(exposure)) / allPoints);
    }
  }
  tell(draft, { kind: "EraPaid", era: era.index, payout, paid });
}

/** Commission first; the rest in proportion to stake. @returns what was paid. */
function payGatekeeper(draft: Draft, stash: AccountId, exposure: Exposure, payout: bigint): bigint {
  const { commission, total, own, others } = exposure;
  if (payout === 0n || total === 0n) return 0n;
  const ofCommission = partOf(commission, payout);
  const shared = payout - ofCommission;
  let paid = reward(draft, stash, ofCommission + (shared * own) / total);
  for (const { who, value } of others) paid += reward(draft, who, (shared * value) / total);
  return paid;
}

/** @returns what was paid: nothing to those who want none, or are gone. */
function reward(draft: Draft, stash: AccountId, amount: bigint): bigint {
  const ledger = draft.state.bonded.get(stash);
  if (ledger === undefined || ledger.payee.tag === "none") return 0n;
  const to = ledger.payee.tag === "account" ? ledger.payee.value : stash;
  const paid = mint(draft, to, amount);
  if (paid === 0n) return 0n;
  if (ledger.payee.tag === "staked") {
    put(draft, stash, { ...ledger, total: ledger.total + paid, active: ledger.active + paid });
  }
  tell(draft, { kind: "Rewarded", stash, amount: paid });
  return paid;
}
