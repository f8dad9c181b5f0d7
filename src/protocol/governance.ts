/**
 * What a key, or m of n keys, named in the genesis may order. Members vote for an action in a round; when enough have, it
 * is done and the next round begins, which voids all other votes: no vote outlives the state that it was given for.
 */
import { toHex } from "../bytes.ts";
import type { PublicKey } from "./account.ts";
import { type Action, type QuarantineOrder, type RotationWorker, actionCodec } from "./call.ts";
import { type Draft, draftOf, ensure, tell } from "./draft.ts";
import type { Migration } from "./migration.ts";
import { nameRotationWorker, putPartition } from "./partitions.ts";
import { closeAbandonment } from "./rotation-abandonment.ts";
import { callOffMigration, restart } from "./rotation-phases.ts";
import { mayChangeStore } from "./rotation.ts";
import { numberKey } from "./state.ts";

/** pRuntimes that may serve at a time. */
export const MEASUREMENTS_MAX = 64;
/** pRuntimes that take part in rotations besides those that hold shares. */
const ROTATION_WORKERS_MAX = 64;

/** A member's vote, in the place of the one that he gave in this round before. @throws Failure */
export function govern(draft: Draft, member: PublicKey, round: number, action: Action): void {
  const { state, genesis, genesisHash } = draft;
  const { members, threshold } = genesis.governance;
  ensure(members.includes(member), "NotGovernance");
  ensure(round === state.governanceRound, "WrongRound");
  const meant = toHex(actionCodec.enc(action));
  const votes = [...state.votes.filter((vote) => vote.member !== member), { member, action }];
  const inFavour = votes
    .filter((vote) => toHex(actionCodec.enc(vote.action)) === meant)
    .map((vote): PublicKey => vote.member);
  const given = inFavour.length;
  tell(draft, { kind: "Voted", member, votes: given, threshold });
  // A vote for what can't be done is refused when it is given, not when it is the last.
  const tried: Draft = given < threshold ? draftOf(genesis, genesisHash, state) : draft;
  perform(tried, action, inFavour);
  state.votes = given < threshold ? votes : [];
  if (given >= threshold) state.governanceRound++;
}

function perform(draft: Draft, action: Action, members: readonly PublicKey[]): void {
  const { state } = draft;
  switch (action.tag) {
    case "rotate":
      ensure(state.sharings.length > 0, "NothingToDo");
      ensure(state.rotation === null && state.rotationOrdered === null, "RotationUnderWay");
      state.rotationOrdered = state.height;
      tell(draft, { kind: "RotationOrdered", members });
      break;
    case "allow":
      ensure(!state.measurements.includes(action.value), "NothingToDo");
      ensure(state.measurements.length < MEASUREMENTS_MAX, "TooManyMeasurements");
      state.measurements = [...state.measurements, action.value].sort();
      tell(draft, { kind: "MeasurementAllowed", measurement: action.value });
      break;
    case "withdraw":
      ensure(state.measurements.includes(action.value), "NothingToDo");
      state.measurements = state.measurements.filter((measurement) => measurement !== action.value);
      tell(draft, { kind: "MeasurementWithdrawn", measurement: action.value });
      break;
    case "cancelSlash":
      ensure(state.unapplied.has(numberKey(action.value)), "NothingToDo");
      state.unapplied = state.unapplied.delete(numberKey(action.value));
      tell(draft, { kind: "SlashCancelled", id: action.value });
      break;
    case "launch":
      ensure(state.launched === null, "NothingToDo");
      state.launched = state.height;
      tell(draft, { kind: "Launched" });
      break;
    case "setRotationInterval":
      ensure(action.value !== state.rotationInterval, "NothingToDo");
      state.rotationInterval = action.value;
      tell(draft, { kind: "RotationIntervalSet", blocks: action.value });
      break;
    case "setRotationWorker":
      setRotationWorker(draft, action.value);
      break;
    case "setStore":
      ensure(state.rotation === null || mayChangeStore(state.rotation), "RotationUnderWay");
      ensure(action.value !== state.stateStore, "NothingToDo");
      state.stateStore = action.value;
      tell(draft, { kind: "StoreSet", store: action.value });
      restart(draft);
      break;
    case "quarantine":
      orderQuarantine(draft, action.value);
      break;
    case "cancelMigration":
      if (state.migrationOrdered !== null) state.migrationOrdered = null;
      else callOffMigration(draft);
      tell(draft, { kind: "MigrationCancelled", members });
      break;
    case "closeAbandonment":
      closeAbandonment(draft, action.value, members);
      break;
    case "migrate":
      ensure(action.value.height > state.height, "HeightInThePast");
      ensure(isServing(state, action.value), "MeasurementNotAllowed");
      // Else it would be another one that begins than that which was voted for last.
      ensure(state.rotation === null || state.rotation.migration === null, "RotationUnderWay");
      state.migrationOrdered = action.value;
      tell(draft, { kind: "MigrationOrdered", migration: action.value, members });
      break;
  }
}

/** Whether pRuntimes that a migration names may serve: others could not get shares. */
function isServing({ measurements }: Draft["state"], { measurement }: Migration): boolean {
  return measurement === null || measurements.includes(measurement);
}

/** @throws Failure */
function setRotationWorker(draft: Draft, { identityKey, may }: RotationWorker): void {
  const { state } = draft;
  ensure(state.rotationWorkers.includes(identityKey) !== may, "NothingToDo");
  ensure(!may || state.rotationWorkers.length < ROTATION_WORKERS_MAX, "TooManyRotationWorkers");
  nameRotationWorker(draft, identityKey, may);
}

/** What can't be opened in a partition is put aside when it is swept the next time, at once. @throws Failure */
function orderQuarantine(draft: Draft, { rotationId, partition: index }: QuarantineOrder): void {
  const { state } = draft;
  const partition = state.partitions.get(numberKey(index));
  ensure(state.rotation?.from === rotationId - 1 && partition !== undefined, "NoRotation");
  const { stage, holder, receipt } = partition;
  // Only where somebody has said that there is something.
  ensure(stage === "unswept" && receipt !== null && !partition.quarantine, "NothingToDo");
  // Whoever is at it may not have heard of this in time; then it is the next one who does it.
  const deadline = holder === null ? state.height : partition.deadline;
  putPartition(draft, index, { ...partition, quarantine: true, deadline, doubters: [] });
  tell(draft, { kind: "QuarantineOrdered", rotationId, partition: index });
}
