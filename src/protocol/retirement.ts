/** Sharings that are not in force any more, and who still owes the destruction of what it has of them. */
import { type Draft, tell } from "./draft.ts";
import { keysOf } from "./key-session.ts";
import { punishUndestroyed } from "./offences.ts";
import type { Sharing, SharingMember } from "./sharing.ts";

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
  state.retired = [...state.retired, { epoch, rotationId, threshold, height: state.height, owing: keysOf(members) }];
}

/**
 * Forgets sharings of which nobody could put the key together any more, a phase after they were retired. Where some could, they
 * are waited for. Who owes a share of a MasterKey that is abandoned is punished.
 */
export function forgetSettled(draft: Draft): void {
  const { state, genesis } = draft;
  const settled = state.retired.filter(
    ({ height, owing, threshold }) => owing.length < threshold && state.height - height > genesis.masterKey.phaseBlocks,
  );
  if (settled.length === 0) return;
  state.retired = state.retired.filter((sharing) => !settled.includes(sharing));
  for (const { epoch, owing, rotationId } of settled) {
    tell(draft, { kind: "SharesOutstanding", epoch, owing });
    if (state.sharings.some((sharing) => sharing.rotationId === rotationId)) continue;
    for (const identityKey of owing) punishUndestroyed(draft, identityKey);
  }
}
