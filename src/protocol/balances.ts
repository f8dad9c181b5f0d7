/** Who owns what: `pallet_balances`, as far as a chain without fees needs it. Every token is somebody's. */
import type { AccountId } from "./account.ts";
import { type Draft, ensure, tell } from "./draft.ts";
import type { Account } from "./state.ts";

/** Far from 2^128, so that no sum of balances comes near it. */
const ISSUANCE_MAX = 1n << 126n;

const NEW_ACCOUNT: Account = { sequence: 0, free: 0n, reserved: 0n };

/** What an account owns; 0 if there is none. */
export function freeOf({ state }: Draft, id: AccountId): bigint {
  return state.accounts.get(id)?.free ?? 0n;
}

/** What it may spend: what is not at stake, and not the last that keeps it. */
function spendableOf(draft: Draft, id: AccountId): bigint {
  const staked = draft.state.bonded.get(id)?.total ?? 0n;
  const kept = staked > draft.genesis.existentialDeposit ? staked : draft.genesis.existentialDeposit;
  const free = freeOf(draft, id);
  return free > kept ? free - kept : 0n;
}

/** `transfer_keep_alive`. @throws Failure */
export function transfer(draft: Draft, from: AccountId, to: AccountId, amount: bigint): void {
  ensure(amount <= spendableOf(draft, from), "InsufficientBalance");
  ensure(canReceive(draft, to, amount), "ExistentialDeposit");
  add(draft, from, -amount);
  add(draft, to, amount);
  tell(draft, { kind: "Transferred", from, to, amount });
}

/**
 * Makes new tokens; none where the account that would begin with them would have too little, or balances no room.
 * @returns what was made.
 */
export function mint(draft: Draft, to: AccountId, amount: bigint): bigint {
  if (amount === 0n || !canReceive(draft, to, amount)) return 0n;
  if (draft.state.totalIssuance + amount > ISSUANCE_MAX) return 0n;
  add(draft, to, amount);
  draft.state.totalIssuance += amount;
  return amount;
}

/** Destroys tokens of an account that has them. */
export function burn(draft: Draft, from: AccountId, amount: bigint): void {
  add(draft, from, -amount);
  draft.state.totalIssuance -= amount;
}

/** Takes tokens away from what an account may spend; they stay its own. @throws Failure */
export function reserve(draft: Draft, id: AccountId, amount: bigint): void {
  ensure(amount <= spendableOf(draft, id), "InsufficientBalance");
  const account = draft.state.accounts.get(id)!;
  put(draft, id, { ...account, free: account.free - amount, reserved: account.reserved + amount });
}

/** Gives back what was reserved. */
export function unreserve(draft: Draft, id: AccountId, amount: bigint): void {
  const account = draft.state.accounts.get(id)!;
  put(draft, id, { ...account, free: account.free + amount, reserved: account.reserved - amount });
}

/** Destroys tokens of an account that were reserved. */
export function burnReserved(draft: Draft, id: AccountId, amount: bigint): void {
  const account = draft.state.accounts.get(id)!;
  put(draft, id, { ...account, reserved: account.reserved - amount });
  draft.state.totalIssuance -= amount;
}

/** Makes sure that there is an account, with nothing: for keys that only sign. */
export function openAccount({ state }: Draft, id: AccountId): Account {
  const account = state.accounts.get(id) ?? NEW_ACCOUNT;
  state.accounts = state.accounts.set(id, account);
  return account;
}

function canReceive({ genesis, state }: Draft, to: AccountId, amount: bigint): boolean {
  return state.accounts.has(to) || amount >= genesis.existentialDeposit;
}

function add(draft: Draft, id: AccountId, amount: bigint): void {
  const account = draft.state.accounts.get(id) ?? NEW_ACCOUNT;
  put(draft, id, { ...account, free: account.free + amount });
}

function put({ state }: Draft, id: AccountId, account: Account): void {
  state.accounts = state.accounts.set(id, account);
}
