/** Sharings that are not in force any more, and who still owes the destruction of what it has of them. */
import { type Draft, tell } from "./draft.ts";
import { keysOf } from "./key-session.ts";
import { punishUndestroyed } from "./offences.ts";
import type { ClosedAbandonment } from "./rotation.ts";
import type { RetiredFate, RetiredSharing, Sharing, SharingMember } from "./sharing.ts";
import type { State } from "./state.ts";

/** Who owes shares of one sharing, and how many of them would stand for the key. */
export type OwedShares = Pick<RetiredSharing, "epoch" | "threshold" | "owing">;

/** A MasterKey that is not shown to be destroyed, because governance closed its abandonment; with what is missing. */
export interface UnprovedAbandonment extends ClosedAbandonment {
  readonly shares: readonly OwedShares[];
}

/** Whether somebody of a committee was given a share. */
export function hasShare({ verificationShare }: Pick<SharingMember, "verificationShare">): boolean {
  return verificationShare !== null;
}

/** From now on what these have of a sharing is to be destroyed. */
export function retire(
  { state }: Draft,
  { epoch, rotationId, threshold }: Pick<Sharing, "epoch" | "rotationId" | "threshold">,
  members: readonly Pick<SharingMember, "identityKey">[],
): void {
  const owed = { height: state.height, owing: keysOf(members) };
  state.retired = [...state.retired, { epoch, rotationId, fate: "standing", threshold, ...owed }];
}

/** Whether the MasterKey of a sharing is in force, with shares of another: else who owes one of it is punished for being late. */
export function stands(
  { sharings }: Pick<State, "sharings">,
  { rotationId, fate }: Pick<RetiredSharing, "rotationId" | "fate">,
): boolean {
  return fate === "standing" && sharings.some((sharing) => sharing.rotationId === rotationId);
}

/** Sharings of the MasterKey that a rotation leaves of which shares are owed. Of one that was called off another may have had its rotation id. */
export function retiredOf({ retired }: Pick<State, "retired">, rotationId: number): RetiredSharing[] {
  return retired.filter((sharing) => sharing.rotationId === rotationId && sharing.fate === "standing");
}

/** The MasterKey of a rotation id comes to an end that is none of a rotation; what is owed of it stays owed. */
export function endRetired({ state }: Draft, rotationId: number, fate: RetiredFate): void {
  const ended = retiredOf(state, rotationId);
  state.retired = state.retired.map((sharing) => (ended.includes(sharing) ? { ...sharing, fate } : sharing));
}

/** MasterKeys that are not shown to be destroyed: those whose holders have declared it since, and whose store was compacted, are. */
export function unprovedAbandonments({
  closedAbandonments,
  retired,
}: Pick<State, "closedAbandonments" | "retired">): UnprovedAbandonment[] {
  return closedAbandonments
    .map((closed) => {
      const owed = retired.filter(({ rotationId, fate }) => rotationId === closed.rotationId && fate === "closed");
      return { ...closed, shares: owed.map(owedShares) };
    })
    .filter(({ shares, compacted }) => shares.length > 0 || !compacted);
}

/** What is owed of a sharing. */
export function owedShares({ epoch, threshold, owing }: RetiredSharing): OwedShares {
  return { epoch, threshold, owing };
}

/**
 * Forgets sharings of which nobody could put the key together any more, a phase after they were retired. Where some could, they
 * are waited for. Who owes a share of a MasterKey that is abandoned, or was called off, is punished.
 */
export function forgetSettled(draft: Draft): void {
  const { state, genesis } = draft;
  const settled = state.retired.filter(
    ({ height, owing, threshold }) => owing.length < threshold && state.height - height > genesis.masterKey.phaseBlocks,
  );
  if (settled.length === 0) return;
  state.retired = state.retired.filter((sharing) => !settled.includes(sharing));
  for (const retired of settled) {
    const { epoch, owing, fate } = retired;
    tell(draft, { kind: "SharesOutstanding", epoch, owing });
    // Who owed a share when governance closed an abandonment was punished then.
    if (stands(state, retired) || fate === "closed") continue;
    for (const identityKey of owing) punishUndestroyed(draft, identityKey, true);
  }
}
