/** The election of an era's gatekeepers, from what is at stake now. */
import { elect } from "../election/election.ts";
import type { Voter } from "../election/graph.ts";
import type { AccountId } from "./account.ts";
import { servingKeyOf } from "./candidacy.ts";
import { type Draft, tell } from "./draft.ts";
import type { ElectionRule } from "./genesis.ts";
import type { Era, Exposure, IndividualExposure, StakingLedger } from "./state.ts";
import { newEra } from "./state-codec.ts";

/** Stakes are u64 in elections: `VoteWeight`. */
const VOTE_WEIGHT_MAX = (1n << 64n) - 1n;

/**
 * Elects, by sequential Phragmén, among those who stand with a pRuntime and enough stake, by the stake of all who back
 * somebody. Whom nobody backs is not elected, whatever seats are left: nobody would answer for it.
 * @returns the era, which has yet to begin; null with fewer winners than the minimum.
 */
export function electEra(draft: Draft, { seats, minimum, balancing }: ElectionRule, index: number): Era | null {
  const factor = weightFactor(draft.state.totalIssuance);
  const { supports } = elect({
    seats,
    candidates: candidates(draft),
    voters: voters(draft, factor),
    algorithm: "seq-phragmen",
    balance: balancing,
  });
  const backed = supports.filter(({ total }) => total > 0n);
  if (backed.length < Math.max(minimum, 1)) {
    tell(draft, { kind: "ElectionFailed", era: index, winners: backed.length, minimum });
    return null;
  }
  const exposures = backed.map(({ target, voters: backers }) => {
    const all = backers.map(([who, weight]): IndividualExposure => ({ who, value: weight * factor }));
    return [target, exposureOf(draft, target, all)] as const;
  });
  tell(draft, { kind: "StakersElected", era: index, stashes: exposures.map(([stash]) => stash) });
  return newEra(index, exposures);
}

function candidates(draft: Draft): AccountId[] {
  const { state, genesis } = draft;
  return [...state.validators.keys()].filter(
    (stash) =>
      servingKeyOf(draft, stash) !== null && state.bonded.get(stash)!.active >= genesis.staking.minValidatorBond,
  );
}

/** Everybody at stake, in the order of accounts: who stands votes for himself. */
function voters(draft: Draft, factor: bigint): Voter<AccountId>[] {
  const found: Voter<AccountId>[] = [];
  for (const [id, ledger] of draft.state.bonded) {
    const targets = targetsOf(draft, id);
    const stake = weightOf(ledger, factor);
    if (targets.length > 0 && stake > 0n) found.push({ id, stake, targets });
  }
  return found;
}

/** Who was slashed since he was nominated has to be nominated anew. */
function targetsOf({ state }: Draft, id: AccountId): readonly AccountId[] {
  if (state.validators.has(id)) return [id];
  const nominations = state.nominators.get(id);
  if (nominations === undefined) return [];
  return nominations.targets.filter(
    (target) => nominations.submittedIn >= (state.spans.get(target)?.lastNonzeroSlash ?? 0),
  );
}

function exposureOf(draft: Draft, stash: AccountId, backers: readonly IndividualExposure[]): Exposure {
  return {
    identityKey: servingKeyOf(draft, stash)!,
    commission: draft.state.validators.get(stash)!.commission,
    total: backers.reduce((sum, { value }) => sum + value, 0n),
    own: backers.find(({ who }) => who === stash)?.value ?? 0n,
    others: backers.filter(({ who }) => who !== stash),
  };
}

/** `U128CurrencyToVote`: what a vote is worth, so that all of the issuance fits. */
function weightFactor(issuance: bigint): bigint {
  return issuance / VOTE_WEIGHT_MAX > 1n ? issuance / VOTE_WEIGHT_MAX : 1n;
}

function weightOf({ active }: StakingLedger, factor: bigint): bigint {
  const weight = active / factor;
  return weight < VOTE_WEIGHT_MAX ? weight : VOTE_WEIGHT_MAX;
}
