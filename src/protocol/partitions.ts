/** Partitions of a rotation: which of them a pRuntime may lease, and their leases. */
import { type PublicKey, accountOf } from "./account.ts";
import { type Draft, tell } from "./draft.ts";
import { currentSharing } from "./key-session.ts";
import { putPartition } from "./rotation-phases.ts";
import { LEASES_MAX, type Partition } from "./rotation.ts";
import { mayServe } from "./registry.ts";
import type { State } from "./state.ts";

/** Whether a pRuntime may take part in a rotation: it may serve, and was not convicted. */
export function mayRotate(state: State, identityKey: PublicKey): boolean {
  const worker = state.workers.get(accountOf(identityKey));
  return worker !== undefined && mayServe(state, worker) && !state.excluded.includes(identityKey);
}

/** Whether it holds a share of the newest MasterKey: of those at most t - 1 lie. */
export function isHolder(state: State, identityKey: PublicKey): boolean {
  const members = currentSharing(state)?.members ?? [];
  return members.some((member) => member.identityKey === identityKey && member.confirmed);
}

/** Indices of partitions that a pRuntime could lease in the next block, in the order in which it would get them. */
export function leasableBy(state: State, identityKey: PublicKey): number[] {
  const phase = state.rotation?.phase;
  if ((phase !== "reencryption" && phase !== "verification") || !mayRotate(state, identityKey)) return [];
  return [...state.partitions.values()].flatMap((partition, index) =>
    isLeasable(state, identityKey, partition) ? [index] : [],
  );
}

/** Leases partitions to a pRuntime, as many as it wants and there are, within its own limit and the block's. @returns how many. */
export function leasePartitions(draft: Draft, identityKey: PublicKey, wanted: number): number {
  const { state, genesis } = draft;
  const held = [...state.partitions.values()].filter(({ holder }) => holder === identityKey).length;
  const most = Math.min(wanted, LEASES_MAX - held, genesis.rotation.leasesPerBlock - draft.leases);
  if (most <= 0) return 0;
  const leased = leasableBy(state, identityKey).slice(0, most);
  const partitions = [...state.partitions.values()];
  const deadline = state.height + genesis.rotation.leaseBlocks - 1;
  for (const index of leased) {
    const partition = partitions[index]!;
    putPartition(draft, index, { ...partition, holder: identityKey, deadline });
    tell(draft, { kind: "PartitionLeased", partition: index, holder: identityKey, stage: partition.stage });
  }
  draft.leases += leased.length;
  if (leased.length > 0) noteKeyUser(draft, identityKey);
  return leased.length;
}

/** A pRuntime may be given keys of contracts from here on, of all generations that are in force. */
export function noteKeyUser({ state }: Draft, identityKey: PublicKey): void {
  const id = accountOf(identityKey);
  if (state.keyUsers.has(id)) return;
  const since = state.sharings[0]?.rotationId ?? 0;
  state.keyUsers = state.keyUsers.set(id, { identityKey, since });
}

/** What has been swept is verified by another, if there is one at all; what is in dispute by holders of shares, once each. */
function isLeasable(state: State, identityKey: PublicKey, partition: Partition): boolean {
  const { stage, holder, deadline, receipt, verdicts, doubters } = partition;
  if (holder !== null || deadline > state.height + 1 || stage === "verified") return false;
  if (stage === "unswept") return true;
  if (state.rotation!.phase !== "verification") return false;
  if (doubters.includes(identityKey) && !allDoubt(state, doubters)) return false;
  if (receipt!.by === identityKey) return isAlone(state, identityKey);
  if (verdicts.length === 0) return true;
  return isHolder(state, identityKey) && verdicts.every(({ by }) => by !== identityKey);
}

/** Whether nobody else is there to verify what one has swept: a network of one pRuntime rotates, too. */
function isAlone(state: State, identityKey: PublicKey): boolean {
  return ![...state.workers.values()].some(
    (worker) => worker.identityKey !== identityKey && mayRotate(state, worker.identityKey),
  );
}

/** Whether all that might look have doubts: then they look once more. */
function allDoubt(state: State, doubters: readonly PublicKey[]): boolean {
  return [...state.workers.values()].every(
    ({ identityKey }) => doubters.includes(identityKey) || !mayRotate(state, identityKey),
  );
}
