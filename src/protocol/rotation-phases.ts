/**
 * When rotations begin, go on and end: a function of the blocks alone. Up to the switch block a rotation can be given up, and all
 * is as it was. Behind it there is only forward: where a deadline is missed it is told who is late, leases go to others, and it
 * goes on with the same MasterKey.
 */
import type { PublicKey } from "./account.ts";
import { type Draft, ensure, tell } from "./draft.ts";
import { stopSession } from "./key-session-phases.ts";
import { currentSharing, isHandedOver } from "./key-session.ts";
import { type Migration, missingForMigration } from "./migration.ts";
import {
  FREE_ATTEMPTS,
  beginPromised,
  doubted,
  isAnotherLeft,
  isHolder,
  leaseBlocksOf,
  putPartition,
} from "./partitions.ts";
import { endRetired, hasShare, retire } from "./retirement.ts";
import { closeIfAbandoned, end, wait } from "./rotation-abandonment.ts";
import { type Partition, type Rotation, type RotationPhase, isBeforeSwitch } from "./rotation.ts";
import type { Hex } from "./scale.ts";
import type { Sharing } from "./sharing.ts";
import type { State } from "./state.ts";
import { emptyTables } from "./state-codec.ts";

/** Begins a rotation, or does what is due in the one that is under way, if this is its block. */
export function advanceRotation(draft: Draft): void {
  const { rotation } = draft.state;
  if (rotation === null) {
    beginIfDue(draft);
    return;
  }
  if (rotation.phase === "keyGeneration") awaitKey(draft, rotation);
  else if (rotation.phase === "abandonment") closeIfAbandoned(draft, rotation);
  else goOn(draft, rotation);
}

/** Ends a phase at once when the last thing is done that it waits for. */
export function advanceIfSwept(draft: Draft): void {
  const { state } = draft;
  const { rotation } = state;
  if (rotation?.phase === "reencryption" && rotation.swept === rotation.partitions) enter(draft, "verification");
  else if (rotation?.phase === "verification" && isCertified(state, rotation)) abandon(draft, rotation);
}

/** A partition has to be swept anew. */
export function reopen(draft: Draft, index: number, partition: Partition, doubters: readonly PublicKey[]): void {
  const { state } = draft;
  const rotation = state.rotation!;
  const attempt = partition.attempt + 1;
  putPartition(draft, index, {
    ...partition,
    stage: "unswept",
    holder: null,
    deadline: state.height,
    attempt,
    receipt: null,
    verdicts: [],
    // Where holders have turns, only who has let its lease of this attempt pass is passed over.
    doubters: attempt < FREE_ATTEMPTS ? doubters : [],
  });
  const verified = rotation.verified - (partition.stage === "verified" ? 1 : 0);
  state.rotation = { ...rotation, swept: rotation.swept - 1, verified };
  tell(draft, { kind: "PartitionReopened", partition: index, attempt });
}

function beginIfDue(draft: Draft): void {
  const { state, genesis } = draft;
  const sharing = currentSharing(state);
  if (sharing === undefined || state.keySession !== null || !isHandedOver(state)) return;
  const { rotationOrdered, rotationInterval, rotationEnded, height } = state;
  const isTime = rotationInterval > 0 && height - rotationEnded >= rotationInterval;
  const migration = dueMigration(state);
  if (rotationOrdered === null && !isTime && migration === null) return;
  // A migration is a rotation: one that was ordered besides is done with it.
  state.rotationOrdered = null;
  let source: Hex | null = null;
  if (migration !== null) {
    state.migrationOrdered = null;
    if (migration.store !== null && migration.store !== state.stateStore) source = state.stateStore;
  }
  state.rotation = {
    from: sharing.rotationId,
    migration,
    source,
    phase: "keyGeneration",
    since: height,
    deadline: height + genesis.rotation.phaseBlocks - 1,
    late: 0,
    switchHeight: null,
    partitions: null,
    swept: 0,
    verified: 0,
    records: 0,
    bytes: 0,
    certifiers: [],
    compacted: false,
  };
  const ordered = rotationOrdered !== null || migration !== null;
  tell(draft, { kind: "RotationStarted", rotationId: sharing.rotationId + 1, ordered, migration });
}

/** The migration that is to begin now; null where none is. */
function dueMigration(state: State): Migration | null {
  const { migrationOrdered, height } = state;
  if (migrationOrdered === null || height < migrationOrdered.height) return null;
  return missingForMigration(state, migrationOrdered).length === 0 ? migrationOrdered : null;
}

/**
 * Ends a migration that has not switched yet: the MasterKey that was made for it is destroyed, and all is as it was.
 * @throws Failure
 */
export function callOffMigration(draft: Draft): void {
  const { state } = draft;
  const { rotation, keySession } = state;
  ensure(rotation !== null && rotation.migration !== null && isBeforeSwitch(rotation), "NothingToDo");
  const rotationId = rotation.from + 1;
  if (keySession?.rotationId === rotationId) stopSession(draft, keySession, "Abandoned", []);
  const made = state.sharings.find((sharing) => sharing.rotationId === rotationId);
  if (made !== undefined) {
    state.sharings = state.sharings.filter((sharing) => sharing !== made);
    retire(draft, made, made.members.filter(hasShare));
  }
  endRetired(draft, rotationId, "calledOff");
  state.partitions = emptyTables().partitions;
  end(draft);
  tell(draft, { kind: "RotationAborted", rotationId });
}

/**
 * The store is another: what was done to the one before counts for nothing. The block of the switch is another, too, behind which all
 * begins: so nobody takes words, or work, on the one store for such on the other.
 */
export function restart(draft: Draft): void {
  const { state } = draft;
  const { rotation } = state;
  if (rotation === null || rotation.switchHeight === null) return;
  const rotationId = rotation.from + 1;
  const switchHeight = Math.max(rotation.switchHeight, state.height) + 1;
  const nothing = { partitions: null, swept: 0, verified: 0, records: 0, bytes: 0, certifiers: [] };
  state.partitions = emptyTables().partitions;
  state.rotation = { ...rotation, ...nothing, switchHeight };
  if (rotation.phase === "keyGeneration") {
    tell(draft, { kind: "SwitchPlanned", rotationId, height: switchHeight });
    return;
  }
  tell(draft, { kind: "RotationRestarted", rotationId });
  enter(draft, "reencryption");
}

/** Waits for the new MasterKey, and then for the switch block. */
function awaitKey(draft: Draft, rotation: Rotation): void {
  const { state, genesis } = draft;
  const { from, deadline, switchHeight } = rotation;
  const next = state.sharings.find(({ rotationId }) => rotationId === from + 1);
  if (next === undefined) {
    const isUnderWay = state.keySession?.kind === "generation";
    if (state.height <= deadline || isUnderWay) return;
    end(draft);
    tell(draft, { kind: "RotationAborted", rotationId: from + 1 });
  } else if (switchHeight === null) {
    const planned = state.height + genesis.rotation.leadBlocks;
    state.rotation = { ...rotation, switchHeight: planned };
    tell(draft, { kind: "SwitchPlanned", rotationId: from + 1, height: planned });
  } else if (state.height >= switchHeight) {
    if (rotation.source === null) switchTo(draft, rotation, next);
    enter(draft, "reencryption");
    beginPromised(draft);
    // Without a store there are no states under the key that is left, and from here on there will be none.
    if (state.stateStore === null) state.rotation = { ...state.rotation!, partitions: 0 };
    advanceIfSwept(draft);
  }
}

/** From here on states are sealed under the new MasterKey, and lie in the store that they were to go to. */
function switchTo(draft: Draft, { from, migration }: Rotation, { publicKey }: Pick<Sharing, "publicKey">): void {
  const { state } = draft;
  const store = migration?.store ?? null;
  if (store !== null && store !== state.stateStore) {
    state.stateStore = store;
    tell(draft, { kind: "StoreSet", store });
  }
  tell(draft, { kind: "MasterPubkeyRotated", rotationId: from + 1, publicKey });
}

/** Re-encryption or verification: leases come to an end, and so does patience. */
function goOn(draft: Draft, rotation: Rotation): void {
  const { state } = draft;
  expireLeases(draft);
  if (state.height > rotation.deadline) {
    reopenDisputed(draft);
    reopenUncertified(draft);
    const { phase, partitions, swept, verified } = state.rotation!;
    wait(draft, partitions === null ? null : partitions - (phase === "reencryption" ? swept : verified));
  }
  advanceIfSwept(draft);
}

/**
 * Who lets a lease end comes after others; when nobody else comes for as long as one is by now, all may try again. With less, whoever comes
 * first would have ever longer ones, where the others have a key session whenever one ends. Where nobody else is left it is with whom
 * it came to nothing longest ago: who has just let one end comes after all others, not before them.
 */
function expireLeases(draft: Draft): void {
  const { state, genesis } = draft;
  const { height } = state;
  const lease = leaseBlocksOf(draft, state.rotation!);
  for (const [index, partition] of [...state.partitions.values()].entries()) {
    const { holder, deadline, doubters } = partition;
    if (holder !== null && height > deadline) {
      putPartition(draft, index, { ...partition, holder: null, deadline: height, doubters: doubted(doubters, holder) });
      tell(draft, { kind: "LeaseExpired", partition: index, holder });
    } else if (holder === null && doubters.length > 0 && height - deadline >= genesis.rotation.leaseBlocks) {
      if (height - deadline >= lease) putPartition(draft, index, { ...partition, doubters: [] });
      else if (!isAnotherLeft(state, partition))
        putPartition(draft, index, { ...partition, doubters: doubters.slice(1) });
    }
  }
}

/** Where too few look at a partition that somebody calls wrong, nobody is to blame, and it is done anew. */
function reopenDisputed(draft: Draft): void {
  for (const [index, partition] of [...draft.state.partitions.values()].entries()) {
    if (partition.verdicts.length > 0 && partition.stage === "swept") reopen(draft, index, partition, []);
  }
}

/**
 * Where all is verified, and too few have certified in all that time, two may have lied together: all is done anew, by others than these
 * first. What was done is soon seen to be. A copy is not made again: a migration that nobody certifies can be called off.
 */
function reopenUncertified(draft: Draft): void {
  const { rotation, partitions } = draft.state;
  if (rotation?.phase !== "verification" || rotation.verified !== rotation.partitions || rotation.source !== null)
    return;
  for (const [index, partition] of [...partitions.values()].entries()) {
    const sound = partition.verdicts.filter(({ verdict }) => verdict !== "faulty").map(({ by }) => by);
    reopen(draft, index, partition, doubted([partition.receipt!.by], ...sound));
  }
}

/** Whether the store is known to have nothing under the generation that is left: by the word of one honest gatekeeper at least. */
function isCertified(state: State, { partitions, verified, certifiers }: Rotation): boolean {
  if (verified !== partitions) return false;
  // Of those before an election as many may have lied as of those after it: only together with who holds a share now they are few.
  const certifying = certifiers.filter((identityKey) => isHolder(state, identityKey));
  return partitions === 0 || certifying.length >= currentSharing(state)!.threshold;
}

function enter(draft: Draft, phase: RotationPhase): void {
  const { state, genesis } = draft;
  const { height } = state;
  const deadline = height + genesis.rotation.phaseBlocks - 1;
  const rotation = { ...state.rotation!, phase, since: height, deadline, late: 0 };
  state.rotation = rotation;
  tell(draft, { kind: "RotationAdvanced", rotationId: rotation.from + 1, phase });
  advanceIfSwept(draft);
}

/** From here on nobody is given anything of the old MasterKey, and all have to destroy what they have of it. */
function abandon(draft: Draft, rotation: Rotation): void {
  const { state } = draft;
  const { from } = rotation;
  if (rotation.source !== null) switchTo(draft, rotation, currentSharing(state)!);
  const { keySession } = state;
  if (keySession?.rotationId === from) stopSession(draft, keySession, "Abandoned", []);
  const old = state.sharings.find(({ rotationId }) => rotationId === from) as Sharing;
  state.sharings = state.sharings.filter((sharing) => sharing !== old);
  retire(draft, old, old.members.filter(hasShare));
  state.partitions = emptyTables().partitions;
  enter(draft, "abandonment");
}
