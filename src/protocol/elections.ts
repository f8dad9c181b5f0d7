/** The election of an era's gatekeepers, from what is at stake now. */
import { elect } from "../election/election.ts";
import type { Voter } from "../election/graph.ts";
import { type AccountId, accountOf } from "./account.ts";
import { type Draft, tell } from "./draft.ts";
import type { ElectionRule } from "./genesis.ts";
import { type Era, type Exposure, type IndividualExposure, type StakingLedger, newEra } from "./state.ts";

/** Stakes are u64 in elections: `VoteWeight`. */
const VOTE_WEIGHT_MAX = (1n << 64n) - 1n;

/**
 * Elects, by sequential Phragmén, among those who stand and have a pRuntime, by the stake of all who back somebody.
 * @returns the era, whose session and height are to be set when it begins; null with fewer winners than the minimum.
 */
export function electEra(draft: Draft, { seats, minimum, balancing }: ElectionRule, index: number): Era | null {
  const factor = weightFactor(draft.state.totalIssuance);
  const candidates = [...draft.state.validators.keys()].filter((stash) => identityOf(draft, stash) !== null);
  const { winners, assignments } = elect({
    seats,
    candidates,
    voters: voters(draft, factor),
    algorithm: "seq-phragmen",
    balance: balancing,
  });
  if (winners.length < Math.max(minimum, 1)) {
    tell(draft, { kind: "ElectionFailed", era: index, winners: winners.length, minimum });
    return null;
  }
  const backers = new Map<AccountId, IndividualExposure[]>(winners.map(([stash]) => [stash, []]));
  for (const { voter: who, distribution } of assignments) {
    for (const [target, weight] of distribution) backers.get(target)!.push({ who, value: weight * factor });
  }
  const exposures = [...backers].map(([stash, all]) => [stash, exposureOf(draft, stash, all)] as const);
  tell(draft, { kind: "StakersElected", era: index, stashes: winners.map(([stash]) => stash) });
  return newEra(index, 0, 0, exposures);
}

/** The IdentityKey that a stash can serve with now. */
function identityOf({ state }: Draft, stash: AccountId): string | null {
  const identityKey = state.bonded.get(stash)?.identityKey ?? null;
  if (identityKey === null) return null;
  return state.workers.get(accountOf(identityKey))?.operator === stash ? identityKey : null;
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
    identityKey: identityOf(draft, stash)!,
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
