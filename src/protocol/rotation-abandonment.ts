/** How the MasterKey that a rotation leaves comes to its end: all have destroyed what they had of it, or governance waits no more. */
import { type PublicKey, accountOf } from "./account.ts";
import { type Draft, ensure, tell } from "./draft.ts";
import { keysOf } from "./key-session.ts";
import { punishUndestroyed } from "./offences.ts";
import { endRetired, owedShares, retiredOf } from "./retirement.ts";
import { type KeyUser, type Rotation, isCompacted } from "./rotation.ts";
import type { State } from "./state.ts";

/**
 * The rotation is over when so few owe their shares that they can't put the old key together, when whoever was given keys
 * of contracts has destroyed them or has had the time to, and when they are out of the store's file.
 */
export function closeIfAbandoned(draft: Draft, rotation: Rotation): void {
  const { state } = draft;
  const { from, deadline, late, records, bytes } = rotation;
  const isTime = late > 0 || state.height > deadline;
  if (retiredOf(state, from).length > 0 || !isCompacted(rotation)) {
    if (state.height > deadline) wait(draft, null);
    return;
  }
  if (keyUsersOwing(state, from).length > 0 && !isTime) return;
  const outstanding = punishKeyUsers(draft, from);
  end(draft);
  tell(draft, { kind: "MasterKeyAbandoned", rotationId: from, records, bytes, outstanding });
}

/**
 * Ends a rotation whose abandonment is late and would not end by itself, because t holders of shares say nothing, or the store is not to be
 * had that was to be compacted. It stays on record that the MasterKey is not shown to be destroyed. Whoever owes a share is punished now,
 * and owes it still.
 * @param members - of governance, by whose votes.
 * @throws Failure
 */
export function closeAbandonment(draft: Draft, rotationId: number, members: readonly PublicKey[]): void {
  const { state } = draft;
  const { rotation } = state;
  ensure(rotation !== null && rotation.from + 1 === rotationId, "NoRotation");
  ensure(rotation.phase === "abandonment", "WrongPhase");
  ensure(rotation.late > 0, "NotLate");
  const { from, records, bytes } = rotation;
  const shares = retiredOf(state, from).map(owedShares);
  const compacted = isCompacted(rotation);
  // Else it ends by itself, and is complete.
  ensure(!compacted || shares.some(({ owing, threshold }) => owing.length >= threshold), "NothingToDo");
  for (const { owing } of shares) for (const identityKey of owing) punishUndestroyed(draft, identityKey, true);
  endRetired(draft, from, "closed");
  const outstanding = punishKeyUsers(draft, from);
  state.closedAbandonments = [...state.closedAbandonments, { rotationId: from, height: state.height, compacted }];
  end(draft);
  const told = { rotationId: from, records, bytes, members, shares, compacted, outstanding };
  tell(draft, { kind: "AbandonmentClosed", ...told });
}

/** Nobody waits any more for who owes the destruction of keys of contracts. @returns who they are. */
function punishKeyUsers(draft: Draft, rotationId: number): PublicKey[] {
  const { state } = draft;
  const owing = keyUsersOwing(state, rotationId);
  for (const { identityKey, hasLeased } of owing) {
    // Who only runs contracts may have been assigned some by a stranger.
    punishUndestroyed(draft, identityKey, hasLeased);
    // Who is not registered any more is given nothing, and no later rotation has to wait for it.
    const id = accountOf(identityKey);
    if (!state.workers.has(id)) state.keyUsers = state.keyUsers.delete(id);
  }
  return keysOf(owing);
}

/** Who may have, of the keys of contracts, something that is derived from a generation. */
export function keyUsersOwing({ keyUsers }: Pick<State, "keyUsers">, rotationId: number): KeyUser[] {
  return [...keyUsers.values()].filter(({ since }) => since <= rotationId);
}

/** The rotation is over, whichever way. */
export function end({ state }: Draft): void {
  state.rotation = null;
  state.rotationEnded = state.height;
}

/** Says that a phase takes longer than it should, and gives it more time. */
export function wait(draft: Draft, remaining: number | null): void {
  const { state, genesis } = draft;
  const rotation = state.rotation!;
  const { from, phase, late } = rotation;
  state.rotation = { ...rotation, late: late + 1, deadline: state.height + genesis.rotation.phaseBlocks - 1 };
  tell(draft, { kind: "RotationLate", rotationId: from + 1, phase, remaining });
}
