/** What messages do in a rotation, beside the key session that makes its MasterKey. */
import { compareBytes, fromHex } from "../bytes.ts";
import { type PublicKey, accountOf } from "./account.ts";
import type { Certification, PartitionWork, RotationWork } from "./call.ts";
import { type Draft, ensure, tell } from "./draft.ts";
import { exclude } from "./exclusion.ts";
import { currentSharing } from "./key-session.ts";
import { doubted, isHolder, leasePartitions, prolongLeases, mayRotate, putPartition } from "./partitions.ts";
import { mayServe, workerOf } from "./registry.ts";
import { advanceIfSwept, reopen } from "./rotation-phases.ts";
import {
  type Partition,
  type PartitionBound,
  type PartitionVerdict,
  type Rotation,
  type RotationPhase,
  mayLease,
} from "./rotation.ts";
import type { Hex } from "./scale.ts";
import { numberKey } from "./state.ts";

/** The store that contracts' states are in from here on, by the word of the first pRuntime that has one. @throws Failure */
export function announceStore(draft: Draft, signer: PublicKey, store: Hex): void {
  const { state } = draft;
  ensure(mayServe(state, workerOf(draft, accountOf(signer))), "MeasurementNotAllowed");
  ensure(state.stateStore === null, "NothingToDo");
  state.stateStore = store;
  const { rotation } = state;
  const target = rotation?.migration?.store ?? null;
  // From here on states are written there: a migration that began when there were none has to carry them over.
  if (rotation !== null && target !== null && target !== store) state.rotation = { ...rotation, source: store };
  tell(draft, { kind: "StoreAnnounced", store, identityKey: signer });
}

/** How the store is cut, by the word of the first who says it: whatever it says, all of the store is in one partition each. @throws Failure */
export function recordPartitions(
  draft: Draft,
  signer: PublicKey,
  rotationId: number,
  bounds: readonly PartitionBound[],
): void {
  const { state } = draft;
  const rotation = rotationIn(draft, rotationId, ["keyGeneration", "reencryption"]);
  ensure(mayLease(rotation), "WrongPhase");
  ensure(mayRotate(state, signer), "NotRotationWorker");
  ensure(rotation.partitions === null, "AlreadySent");
  // Where there is none at the switch, there is nothing to be rotated.
  ensure(state.stateStore !== null, "NothingToDo");
  ensure(
    bounds.every((bound, at) => at === 0 || compareBounds(bounds[at - 1]!, bound) < 0),
    "BadPartitions",
  );
  const places = [null, ...bounds, null];
  for (let index = 0; index <= bounds.length; index++) {
    putPartition(draft, index, {
      from: places[index]!,
      to: places[index + 1]!,
      stage: "unswept",
      holder: null,
      deadline: state.height,
      attempt: 0,
      quarantine: false,
      receipt: null,
      verdicts: [],
      doubters: [],
    });
  }
  state.rotation = { ...rotation, partitions: bounds.length + 1 };
  tell(draft, { kind: "PartitionsRecorded", rotationId, partitions: bounds.length + 1, identityKey: signer });
}

/**
 * What a pRuntime has done with the partitions that it has leased, and how many more it wants. What it says of others, because its
 * lease was over, counts for nothing.
 * @throws Failure
 */
export function workPartitions(draft: Draft, signer: PublicKey, { rotationId, done, wanted }: RotationWork): void {
  const { state } = draft;
  const rotation = rotationIn(draft, rotationId, ["keyGeneration", "reencryption", "verification"]);
  ensure(mayLease(rotation), "WrongPhase");
  ensure(mayRotate(state, signer), "NotRotationWorker");
  let counted = 0;
  // What is only promised nobody can have worked on.
  for (const work of rotation.phase === "keyGeneration" ? [] : done) {
    const partition = state.partitions.get(numberKey(work.partition));
    if (partition?.holder !== signer || partition.attempt !== work.attempt) continue;
    if (partition.stage !== (work.outcome.tag === "swept" ? "unswept" : "swept")) continue;
    counted++;
    if (work.outcome.tag === "swept") takeReceipt(draft, signer, partition, work);
    else takeVerdict(draft, signer, partition, work);
  }
  if (counted > 0) prolongLeases(draft, signer, counted);
  counted += leasePartitions(draft, signer, wanted);
  ensure(counted > 0, "NothingToDo");
  advanceIfSwept(draft);
}

/** A holder of a share of the new MasterKey has seen that the store has nothing under the old one. @throws Failure */
export function certifyRotation(draft: Draft, signer: PublicKey, { rotationId, switchHeight }: Certification): void {
  const { state } = draft;
  const rotation = rotationIn(draft, rotationId, ["verification"]);
  ensure(rotation.switchHeight === switchHeight, "NoRotation");
  ensure(mayRotate(state, signer) && isHolder(state, signer), "NotGatekeeper");
  ensure(rotation.verified === rotation.partitions, "WrongPhase");
  ensure(!rotation.certifiers.includes(signer), "AlreadySent");
  state.rotation = { ...rotation, certifiers: [...rotation.certifiers, signer] };
  tell(draft, { kind: "RotationCertified", rotationId, identityKey: signer });
  advanceIfSwept(draft);
}

/** What the store had under the old MasterKey is out of its file. @throws Failure */
export function declareCompacted(draft: Draft, signer: PublicKey, rotationId: number): void {
  const { state } = draft;
  const rotation = rotationIn(draft, rotationId, ["abandonment"]);
  ensure(mayRotate(state, signer) && isHolder(state, signer), "NotGatekeeper");
  ensure(!rotation.compacted, "AlreadySent");
  state.rotation = { ...rotation, compacted: true };
  tell(draft, { kind: "StoreCompacted", rotationId, identityKey: signer });
}

/** A pRuntime has nothing any more that is derived from the old MasterKey, or that opens what was sent to it of that. @throws Failure */
export function declareAbandoned(draft: Draft, signer: PublicKey, rotationId: number): void {
  const { state } = draft;
  const { from } = rotationIn(draft, rotationId, ["abandonment"]);
  const id = accountOf(signer);
  const user = state.keyUsers.get(id);
  ensure(user !== undefined && user.since <= from, "NothingToDo");
  // Of one that is not registered any more nothing else will ever be to be declared.
  state.keyUsers = state.workers.has(id)
    ? state.keyUsers.set(id, { ...user, since: from + 1, hasLeased: false })
    : state.keyUsers.delete(id);
  tell(draft, { kind: "KeysDestroyed", rotationId: from, identityKey: signer });
}

function takeReceipt(
  draft: Draft,
  by: PublicKey,
  partition: Partition,
  { partition: index, outcome }: PartitionWork,
): void {
  if (outcome.tag !== "swept") return;
  const { state, genesis } = draft;
  const { height } = state;
  const rotation = state.rotation!;
  const { value: claim } = outcome;
  const isDone = claim.failed === 0;
  const receipt = { ...claim, by, height };
  // One that has records which can't be opened is tried again, until they are replaced, deleted, or put aside by governance.
  const deadline = isDone ? height : height + genesis.rotation.leaseBlocks;
  const stage = isDone ? "swept" : "unswept";
  const doubters = isDone ? partition.doubters : doubted(partition.doubters, by);
  putPartition(draft, index, { ...partition, stage, holder: null, deadline, receipt, doubters });
  state.rotation = {
    ...rotation,
    swept: rotation.swept + (isDone ? 1 : 0),
    records: bounded(rotation.records + claim.records),
    bytes: bounded(rotation.bytes + claim.bytes),
  };
  tell(draft, { kind: isDone ? "PartitionSwept" : "PartitionBlocked", partition: index, receipt });
}

/** The first verdict counts if it is good; if it is not, holders of shares decide by their number. */
function takeVerdict(
  draft: Draft,
  by: PublicKey,
  partition: Partition,
  { partition: index, outcome }: PartitionWork,
): void {
  if (outcome.tag === "swept") return;
  const { state } = draft;
  const free = { ...partition, holder: null, deadline: state.height };
  tell(draft, { kind: "PartitionJudged", partition: index, identityKey: by, verdict: outcome.value });
  if (outcome.value === "damaged") {
    // One of them may have lied, and nobody knows which.
    reopen(draft, index, partition, doubted(partition.doubters, by, partition.receipt!.by));
    return;
  }
  const verdict: PartitionVerdict = { by, verdict: outcome.value };
  const verdicts = [...partition.verdicts, verdict];
  if (outcome.value !== "faulty" && partition.verdicts.length === 0) {
    verified(draft, index, { ...free, verdicts });
    return;
  }
  putPartition(draft, index, { ...free, verdicts });
  decide(draft, index, { ...free, verdicts });
}

/**
 * A receipt is its sweeper's word that all is right, and counts as one where it holds a share: of 2t - 1 holders with t - 1 liars
 * there are only t that say so, and it may be one of them. Who finds that it was written since says nothing of what was there before.
 */
function decide(draft: Draft, index: number, partition: Partition): void {
  const { state } = draft;
  const sweeper = partition.receipt!.by;
  const { threshold, epoch } = currentSharing(state)!;
  const of = (word: PartitionVerdict["verdict"]): PublicKey[] =>
    partition.verdicts.filter(({ verdict, by }) => verdict === word && isHolder(state, by)).map(({ by }) => by);
  const [sound, faulty] = [of("sound"), of("faulty")];
  if (faulty.length >= threshold) {
    convict(draft, "falseReceipt", epoch, sweeper);
    for (const by of sound) convict(draft, "falseVerdict", epoch, by);
    reopen(draft, index, partition, []);
  } else if (sound.length + (isHolder(state, sweeper) ? 1 : 0) >= threshold) {
    for (const { by, verdict } of partition.verdicts)
      if (verdict === "faulty") convict(draft, "falseVerdict", epoch, by);
    verified(draft, index, partition);
  }
}

function convict(draft: Draft, offence: "falseReceipt" | "falseVerdict", epoch: number, identityKey: PublicKey): void {
  if (!draft.state.excluded.includes(identityKey)) exclude(draft, offence, epoch, identityKey, null);
}

function verified(draft: Draft, index: number, partition: Partition): void {
  const { state, genesis } = draft;
  const rotation = state.rotation!;
  putPartition(draft, index, { ...partition, stage: "verified", holder: null });
  const count = rotation.verified + 1;
  // Whoever is to certify has as long as a phase, however long the verification took.
  const deadline = count === rotation.partitions ? state.height + genesis.rotation.phaseBlocks - 1 : rotation.deadline;
  state.rotation = { ...rotation, verified: count, deadline };
}

/** @throws Failure */
function rotationIn({ state }: Draft, rotationId: number, phases: readonly RotationPhase[]): Rotation {
  const { rotation } = state;
  ensure(rotation !== null && rotation.from + 1 === rotationId, "NoRotation");
  ensure(phases.includes(rotation.phase), "WrongPhase");
  return rotation;
}

function compareBounds(a: PartitionBound, b: PartitionBound): number {
  return compareBytes(fromHex(a.contract, "a bound"), fromHex(b.contract, "a bound")) || compareBytes(a.key, b.key);
}

/** Sums of what is claimed stay numbers, whatever is claimed. */
function bounded(sum: number): number {
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}
