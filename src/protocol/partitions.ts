/** Partitions of a rotation: which of them a pRuntime may lease, and their leases. */
import { type PublicKey, accountOf } from "./account.ts";
import { type Draft, tell } from "./draft.ts";
import { currentSharing, keysOf } from "./key-session.ts";
import { LEASES_MAX, type Partition, type Rotation, mayLease } from "./rotation.ts";
import { mayServe } from "./registry.ts";
import { type State, numberKey } from "./state.ts";

/**
 * Whether a pRuntime may take part in a rotation, in which it is given keys of any contract: it holds a share of a MasterKey
 * in force, or governance has named it; it may serve, and was not convicted. Who only runs contracts has keys of those alone.
 */
export function mayRotate(state: State, identityKey: PublicKey): boolean {
  const worker = state.workers.get(accountOf(identityKey));
  if (worker === undefined || !mayServe(state, worker) || state.excluded.includes(identityKey)) return false;
  if (state.rotationWorkers.includes(identityKey)) return true;
  return state.sharings.some(({ members }) =>
    members.some((member) => member.identityKey === identityKey && member.confirmed),
  );
}

/** Whether it holds a share of the newest MasterKey, and was not convicted: of those at most t - 1 lie. */
export function isHolder(state: State, identityKey: PublicKey): boolean {
  return holdersOf(state).includes(identityKey) && !state.excluded.includes(identityKey);
}

function holdersOf(state: State): PublicKey[] {
  return keysOf((currentSharing(state)?.members ?? []).filter(({ confirmed }) => confirmed));
}

/** Lets a pRuntime take part in rotations that holds no share, or lets it no more. */
export function nameRotationWorker(draft: Draft, identityKey: PublicKey, may: boolean): void {
  const { state } = draft;
  const others = state.rotationWorkers.filter((worker) => worker !== identityKey);
  state.rotationWorkers = may ? [...others, identityKey].sort() : others;
  tell(draft, { kind: "RotationWorkerSet", identityKey, may });
}

/** Indices of partitions that a pRuntime could lease in the next block, in the order in which it would get them. */
export function leasableBy(state: State, identityKey: PublicKey): number[] {
  return leasableAt(state, identityKey, state.height + 1);
}

function leasableAt(state: State, identityKey: PublicKey, height: number): number[] {
  if (state.rotation === null || !mayLease(state.rotation) || !mayRotate(state, identityKey)) return [];
  const partitions = [...state.partitions.values()];
  const holders = holdersOf(state).filter((holder) => mayRotate(state, holder));
  const hasSwept = partitions.some(({ stage, receipt }) => stage === "swept" && receipt!.by === identityKey);
  const view = { state, height, identityKey, holders, isAlone: hasSwept && isAlone(state, identityKey, holders) };
  return partitions.flatMap((partition, index) => (isLeasable(view, partition) ? [index] : []));
}

/** What a pRuntime is, among others: known once for all partitions, because workers are many. */
interface View {
  readonly state: State;
  /** Of the block that is to give leases. */
  readonly height: number;
  readonly identityKey: PublicKey;
  /** Who holds a share and may take part. */
  readonly holders: readonly PublicKey[];
  /** Whether it may verify what it has swept. */
  readonly isAlone: boolean;
}

/** Attempts at a partition that are for whoever comes first. */
export const FREE_ATTEMPTS = 4;
/** Blocks of a holder's turn. */
const TURN_BLOCKS = 8;
/** Partitions that whoever leases some is expected to be done with, in a lease's time, at the least. */
const DONE_IN_A_LEASE = 4;
/** Times that leases double, at most, when a phase is late again and again. */
const DOUBLINGS_MAX = 6;

/**
 * Blocks of a lease. They grow with each time that the phase is late: whoever cut the store may have made a partition of
 * it that takes longer than a lease, and then nobody would ever be done with it.
 */
export function leaseBlocksOf({ genesis }: Pick<Draft, "genesis">, { late }: Pick<Rotation, "late">): number {
  return genesis.rotation.leaseBlocks << Math.min(late, DOUBLINGS_MAX);
}

/**
 * Leases partitions to a pRuntime, as many as it wants and there are, within its own limit and the block's. Before the switch
 * they are promised, as if all were in the switch block. @returns how many.
 */
export function leasePartitions(draft: Draft, identityKey: PublicKey, wanted: number): number {
  const { state, genesis } = draft;
  const { phase, switchHeight } = state.rotation!;
  const isPromise = phase === "keyGeneration";
  const partitions = [...state.partitions.values()];
  const given = isPromise ? partitions.filter(({ holder }) => holder !== null).length : draft.leases;
  const most = Math.min(wanted, genesis.rotation.leasesPerBlock - given);
  if (most <= 0) return 0;
  const held = partitions.filter(({ holder }) => holder === identityKey).length;
  const leased = leasableAt(state, identityKey, state.height).slice(0, Math.max(0, Math.min(most, LEASES_MAX - held)));
  const deadline = Math.max(state.height, switchHeight!) + leaseBlocksOf(draft, state.rotation!) - 1;
  for (const index of leased) {
    const partition = partitions[index]!;
    putPartition(draft, index, { ...partition, holder: identityKey, deadline });
    if (isPromise) tell(draft, { kind: "PartitionPromised", partition: index, holder: identityKey });
    else tell(draft, { kind: "PartitionLeased", partition: index, holder: identityKey, stage: partition.stage });
  }
  draft.leases += leased.length;
  if (leased.length > 0) noteKeyUser(draft, identityKey, true);
  return leased.length;
}

/**
 * Who is done with some of the partitions that it has leased works on the others: each that is done gives those that have less
 * than half of a lease left some more of one's time. Else what was got ready for leases that all end at once, above all keys,
 * would be lost where there is much of it. Whoever does no more than to keep leases keeps them for a lease; and for
 * 1 + LEASES_MAX / DONE_IN_A_LEASE leases, when there are no others to be had, if he is done with those one by one.
 * @param done - how many.
 */
export function prolongLeases(draft: Draft, identityKey: PublicKey, done: number): void {
  const { state } = draft;
  const lease = leaseBlocksOf(draft, state.rotation!);
  const more = Math.ceil((done * lease) / DONE_IN_A_LEASE);
  for (const [index, partition] of [...state.partitions.values()].entries()) {
    if (partition.holder !== identityKey) continue;
    // Not each time: what changes is hashed by all who follow.
    if (partition.deadline - state.height >= lease / 2) continue;
    const deadline = Math.min(partition.deadline + more, state.height + lease - 1);
    putPartition(draft, index, { ...partition, deadline });
  }
}

/** The switch: what was promised is leased. */
export function beginPromised(draft: Draft): void {
  for (const [index, { holder, stage }] of [...draft.state.partitions.values()].entries()) {
    if (holder === null) continue;
    tell(draft, { kind: "PartitionLeased", partition: index, holder, stage });
    draft.leases++;
  }
}

/** Puts a partition in the place of what it was. */
export function putPartition({ state }: Draft, index: number, partition: Partition): void {
  state.partitions = state.partitions.set(numberKey(index), partition);
}

/** Those with whom a partition came to nothing, with these. */
export function doubted(doubters: readonly PublicKey[], ...more: readonly PublicKey[]): PublicKey[] {
  return [...new Set([...doubters, ...more])];
}

/**
 * A pRuntime may be given keys of contracts from here on, of all generations that are in force.
 * @param hasLeased - whether it has leased partitions; else it runs a contract.
 */
export function noteKeyUser({ state }: Draft, identityKey: PublicKey, hasLeased = false): void {
  const id = accountOf(identityKey);
  const known = state.keyUsers.get(id);
  if (known !== undefined && (known.hasLeased || !hasLeased)) return;
  const since = known?.since ?? state.sharings[0]?.rotationId ?? 0;
  state.keyUsers = state.keyUsers.set(id, { identityKey, since, hasLeased });
}

/**
 * What has been swept is verified by another, if there is one at all; what is in dispute by holders of shares, once each. What came
 * to nothing once is for holders alone, too: of them t - 1 at most waste time, while of others there may be any number.
 */
function isLeasable(view: View, partition: Partition): boolean {
  const { state, height, identityKey, holders } = view;
  const { stage, holder, deadline, receipt, verdicts } = partition;
  if (holder !== null || deadline > height || stage === "verified") return false;
  if (!isNext(view, partition)) return false;
  if (stage === "unswept") return true;
  if (state.rotation!.phase !== "verification") return false;
  if (receipt!.by === identityKey) return view.isAlone;
  if (verdicts.length === 0) return true;
  return holders.includes(identityKey) && verdicts.every(({ by }) => by !== identityKey);
}

/** Whether it may try what came to nothing with others: not so once it did with itself. */
function isNext(view: View, partition: Partition): boolean {
  const { identityKey, holders } = view;
  const { doubters, attempt, verdicts } = partition;
  if (attempt >= FREE_ATTEMPTS && verdicts.length === 0 && holders.length > 1) return isTurn(view, partition);
  return doubters.length === 0 || (holders.includes(identityKey) && !doubters.includes(identityKey));
}

/** Whether a holder of a share might come with whom a partition has not come to nothing, and who has no part in it yet. */
export function isAnotherLeft(state: State, { stage, receipt, verdicts, doubters }: Partition): boolean {
  const parties = [...doubters, ...verdicts.map(({ by }) => by), ...(stage === "swept" ? [receipt!.by] : [])];
  return holdersOf(state).some((holder) => mayRotate(state, holder) && !parties.includes(holder));
}

/**
 * Who comes first in a block might else be the one that finds each sweep damaged, or sweeps so, for ever. So after some attempts
 * holders of shares have turns: in n·(n - 1) attempts each of n is the first to sweep before each other is the first to verify, and
 * two that don't lie are such a pair. Who has a turn and does not take it, or does nothing in its lease, is followed by the next.
 */
function isTurn({ identityKey, holders, height }: View, { stage, deadline, attempt, doubters }: Partition): boolean {
  const count = holders.length;
  const round = attempt - FREE_ATTEMPTS;
  const sweeper = round % count;
  const first = stage === "unswept" ? sweeper : sweeper + 1 + (Math.floor(round / count) % (count - 1));
  const passed = Math.floor((height - deadline) / TURN_BLOCKS);
  return holders[(first + passed) % count] === identityKey && !doubters.includes(identityKey);
}

/**
 * Whether nobody else is there to verify what one has swept: a network of one pRuntime rotates, too. And who holds the only
 * share does not wait longer than a phase for pRuntimes that are registered and do nothing: it could have lied before.
 */
function isAlone(state: State, identityKey: PublicKey, holders: readonly PublicKey[]): boolean {
  if (state.rotation!.late > 0 && holders.every((holder) => holder === identityKey)) return true;
  for (const worker of state.workers.values()) {
    if (worker.identityKey !== identityKey && mayRotate(state, worker.identityKey)) return false;
  }
  return true;
}
