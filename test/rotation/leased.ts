/** For tests of leased partitions: a network's store at the switch, and pRuntimes that have the keys to its contracts. */
import { PageEngine } from "../../src/engine/page-engine.ts";
import { ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { KEY_SUITE } from "../../src/keys/group.ts";
import type { LeasedPartition } from "../../src/rotation/checkpoint.ts";
import { advance, initialiseStore, readRotation } from "../../src/rotation/control.ts";
import type { LeasedContext } from "../../src/rotation/leased-partition.ts";
import { sweepLeased } from "../../src/rotation/leased-partition.ts";
import {
  type ContractPrfs,
  type Generation,
  PartitionKeys,
  type SharedPartitionKeys,
  sharePartitionKeys,
} from "../../src/rotation/partition-keys.ts";
import type { Receipt } from "../../src/rotation/receipt.ts";
import { type LeasedVerifyEnd, verifyLeased } from "../../src/rotation/verify-leased.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { StateStore } from "../../src/store/store.ts";
import { contractOf, type Generations, put, SUITE, statesOf, values } from "./sealed-store.ts";

const PAGE_ENGINE = new PageEngine();

/** The only partition of a small store. */
export const WHOLE: LeasedPartition = { index: 0, from: null, to: null, attempt: 0 };

/** A pRuntime's IdentityKey by number. */
export function identity(number: number): Uint8Array {
  return new Uint8Array(33).fill(number);
}

/** Generations as their contract keys are for. */
export function generation(rotationId: number, suite = SUITE): Generation {
  return { rotationId, suite, keySuite: KEY_SUITE.secp256k1 };
}

/** Fills a store under rotation id 0 and switches it to 1: new writes go under that. */
export async function switched(
  generations: Generations,
  contracts: number,
  records: number,
  store: StateStore = new MemoryStore(),
): Promise<StateStore> {
  await initialiseStore(store);
  using states = statesOf(store, generations);
  for (let contract = 0; contract < contracts; contract++) {
    await put(states, contract, values(records, `value of ${contract}`));
  }
  await switchOver(store, generations);
  return store;
}

/** The switch block's effect on writers. */
export async function switchOver(store: StateStore, generations: Generations): Promise<void> {
  const rotation = await readRotation(store);
  const rotationId = rotation.value.rotationId + 1;
  (await generations.newMasterKey(rotationId))[Symbol.dispose]();
  const step = advance(rotation, { ...rotation.value, rotationId, phase: "reencryption", pass: 1 });
  await store.commit({ groups: [], sealedUnder: null, cells: [step] });
}

/** Key material of contracts by number, as gatekeepers' partials would give it. */
export async function sharedKeys(
  generations: Generations,
  contracts: readonly number[],
  suite = SUITE,
): Promise<SharedPartitionKeys> {
  using old = await generations.masterKey(0);
  using fresh = await generations.masterKey(1);
  using ring = new ContractKeyRing([old, fresh], 1);
  const ids = contracts.map((number) => contractOf(number).id);
  const [olds, freshes] = [ring.materials(0, ids), ring.materials(1, ids)];
  const prfs = ids.map((contract, index): ContractPrfs => {
    return { contract, from: olds[index]!.ikm, to: freshes[index]!.ikm };
  });
  return sharePartitionKeys(generation(0), generation(1, suite), prfs);
}

/** A pRuntime at work in this thread, with keys of the first ten contracts unless others are given. */
export async function leasedContext(
  store: StateStore,
  generations: Generations,
  number: number,
  contracts: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
): Promise<LeasedContext> {
  const keys = new PartitionKeys(await sharedKeys(generations, contracts));
  return { store, engine: PAGE_ENGINE, keys, identity: identity(number), stopped: () => false };
}

/** Sweeps to the end. */
export async function sweepToEnd(context: LeasedContext, partition: LeasedPartition = WHOLE): Promise<Receipt> {
  const swept = await sweepLeased(context, partition);
  if (swept.end !== "done") throw new Error(`the sweep ended with ${swept.end}`);
  return swept.receipt;
}

/** What another pRuntime says of a receipt. */
export async function verdictOf(
  context: LeasedContext,
  receipt: Receipt,
  sweeper: Uint8Array,
  partition: LeasedPartition = WHOLE,
): Promise<Extract<LeasedVerifyEnd, { end: "verdict" }>> {
  const verified = await verifyLeased(context, partition, receipt, sweeper);
  if (verified.end !== "verdict") throw new Error(`the verification ended with ${verified.end}`);
  return verified;
}
