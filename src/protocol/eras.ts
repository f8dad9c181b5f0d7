/** Sessions and eras, by block height: `pallet_session`, and the session side of `pallet_staking`. */
import { toHex } from "../bytes.ts";
import { accountOf } from "./account.ts";
import { type Draft, activeEra, tell } from "./draft.ts";
import { electEra } from "./elections.ts";
import { isHandedOver } from "./key-session.ts";
import { punishUnresponsive } from "./offences.ts";
import { payEra } from "./rewards.ts";
import { applyDueSlashes } from "./slashing.ts";
import type { Duty } from "./state.ts";
import { emptyTables } from "./state-codec.ts";

/**
 * Begins a session if this is its block. The next era's gatekeepers are elected when the last session of an era begins;
 * where that fails, or the MasterKey can't be handed over to them, the era goes on and each session tries again.
 * @param parentHash - of the state before this block.
 */
export function advanceSession(draft: Draft, parentHash: Uint8Array): void {
  const { state, genesis } = draft;
  if (state.height - state.sessionHeight < genesis.sessionBlocks) return;
  state.session++;
  state.sessionHeight = state.height;
  state.sessionParent = toHex(parentHash);
  tell(draft, { kind: "SessionStarted", session: state.session });
  if (genesis.gatekeepers.tag === "listed") return;
  const { sessionsPerEra } = genesis.staking;
  const isOver = state.session - activeEra(draft)!.startSession >= sessionsPerEra;
  if (state.planned !== null && isOver && isHandedOver(state)) beginPlannedEra(draft);
  applyDueSlashes(draft);
  const { index, startSession } = activeEra(draft)!;
  if (state.planned === null && state.session - startSession >= sessionsPerEra - 1) {
    state.planned = electEra(draft, genesis.gatekeepers.value, index + 1);
  }
}

/** The elected take over, and the era before is paid. */
export function beginPlannedEra(draft: Draft): void {
  const { state, genesis } = draft;
  const before = activeEra(draft);
  if (before !== undefined) {
    payEra(draft, before);
    punishUnresponsive(draft);
  }
  const { session: startSession, height: startHeight, timestamp: startTime } = state;
  const era = { ...state.planned!, startSession, startHeight, startTime };
  const first = era.index - genesis.staking.bondingDuration;
  state.eras = [...state.eras.filter(({ index }) => index >= first), era];
  state.planned = null;
  tell(draft, { kind: "EraStarted", era: era.index });
  changeGatekeepers(
    draft,
    [...era.exposures].map(([stash, { identityKey }]) => [stash, identityKey]),
  );
}

/** Who acts from now on, with nothing done yet. @param acting - stash, if it was elected, and IdentityKey. */
export function changeGatekeepers(draft: Draft, acting: readonly (readonly [Duty["stash"], string])[]): void {
  const { state } = draft;
  let { duties } = emptyTables();
  for (const [stash, key] of acting) duties = duties.set(accountOf(key), { stash, points: 0, heartbeat: null });
  state.duties = duties;
  const gatekeepers = acting.map(([, key]) => key);
  if (gatekeepers.join() === state.gatekeepers.join()) return;
  // A convicted pRuntime that is no gatekeeper has lost its part in the rotation: for all of it.
  const stays = (key: string) => ![...state.gatekeepers, ...gatekeepers].includes(key);
  state.excluded = state.rotation === null ? [] : state.excluded.filter(stays);
  state.gatekeepers = gatekeepers;
  tell(draft, { kind: "GatekeeperChange", gatekeepers });
}
