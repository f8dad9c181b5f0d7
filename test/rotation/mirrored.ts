/** For tests of migrations: a network's store and its mirror, who writes the one, and what of it is in the other. */
import { expect } from "vitest";
import { MasterKeyRing } from "../../src/pruntime/contract-keys.ts";
import { ContractStates } from "../../src/pruntime/contract-states.ts";
import { PageEngine } from "../../src/engine/page-engine.ts";
import type { Suite } from "../../src/engine/suite.ts";
import type { LeasedPartition } from "../../src/rotation/checkpoint.ts";
import { type CopyContext, copyLeased } from "../../src/rotation/copy-leased.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import { PartitionKeys } from "../../src/rotation/partition-keys.ts";
import type { Receipt } from "../../src/rotation/receipt.ts";
import { verifyCopied } from "../../src/rotation/verify-copied.ts";
import type { Verdict } from "../../src/rotation/verify-leased.ts";
import { editPage } from "../../src/store/page-edit.ts";
import { highestWriteVersion } from "../../src/store/page.ts";
import { beginMirror, readService, type Service, type StoreMigration } from "../../src/store/service.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { PageRange, StateStore } from "../../src/store/store.ts";
import { identity, sharedKeys, switchOver, WHOLE } from "./leased.ts";
import {
  ENGINE as BATCH_ENGINE,
  contractOf,
  type Generations,
  plain,
  put,
  readAll,
  recount,
  seal,
  statesOf,
  SUITE,
  text,
  values,
} from "./sealed-store.ts";

export const MIGRATION: StoreMigration = { rotationId: 1, sourceId: "0x50", targetId: "0x7a", height: 20, now: 20 };
export const ENGINE = new PageEngine();

/** A store and its mirror, with the keys of both generations. */
export interface Mirrored {
  readonly generations: Generations;
  readonly source: StateStore;
  readonly target: StateStore;
}

/** Fills a store under rotation id 0 and has another one mirror it under 1: so far that one is empty. */
export async function mirrored(
  generations: Generations,
  contracts: number,
  records: number,
  source: StateStore = new MemoryStore(),
  target: StateStore = new MemoryStore(),
): Promise<Mirrored> {
  await initialiseStore(source);
  using states = statesOf(source, generations);
  for (let contract = 0; contract < contracts; contract++)
    await put(states, contract, values(records, `of ${contract}`));
  // What a local ring goes by, once it serves.
  await initialiseStore(target);
  await switchOver(target, generations);
  await beginMirror(source, target, MIGRATION);
  return { generations, source, target };
}

/** A pRuntime that copies and verifies, with keys of the first ten contracts unless others are given. */
export async function copyContext(
  { generations, source, target }: Mirrored,
  number: number,
  contracts: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  suite = SUITE,
): Promise<CopyContext> {
  const keys = new PartitionKeys(await sharedKeys(generations, contracts, suite));
  return { source, store: target, engine: ENGINE, keys, identity: identity(number), stopped: () => false };
}

/** Puts a record of a contract into the source, or deletes it where the value is null, and does nothing else. */
export async function writeSource(
  source: StateStore,
  generations: Generations,
  contract: number,
  key: string,
  value: string | null,
): Promise<void> {
  const { id } = contractOf(contract);
  for (;;) {
    const page = await source.find(id, text(key));
    const version = page === null ? 1n : highestWriteVersion(page) + 1n;
    const sealed = value === null ? null : seal(generations, 0, id, text(key), version, value);
    const group = editPage(id, page, [{ key: text(key), sealed }], version);
    const { conflicts } = await source.commit({ groups: [group], sealedUnder: 0, contracts: [contractOf(contract)] });
    if (conflicts.length === 0) return;
  }
}

/** Checks that the mirror has what the source has, under 1, with the same write versions and none that could fall. */
export async function expectMirrored({ generations, source, target }: Mirrored): Promise<void> {
  const [is, was] = [await readAll(target, generations), await readAll(source, generations)];
  expect(plain(is)).toEqual(plain(was));
  for (const [name, { rotationId, writeVersion }] of is) {
    expect([name, rotationId, writeVersion]).toEqual([name, 1, was.get(name)!.writeVersion]);
  }
  expect(await target.countByRotationId()).toEqual(recount(is));
  for (const page of await source.scan({ from: null, to: null }, null, 1e9)) {
    const now = await target.find(page.contract, page.lowerBound);
    expect(now === null ? -1n : highestWriteVersion(now)).toBeGreaterThanOrEqual(highestWriteVersion(page));
  }
}

/** A ring whose newer generation is of another suite. */
class TwoSuites extends MasterKeyRing {
  readonly #next: Suite;

  constructor({ source, generations }: Mirrored, next: Suite) {
    super(source, SUITE, generations.masterKey);
    this.#next = next;
  }

  override suite(rotationId?: number): Suite {
    return rotationId === MIGRATION.rotationId ? this.#next : SUITE;
  }
}

/** Who reads and writes the source, and has the mirror open unless told otherwise; by whatever ledger agrees with its cell. */
export function sourceStates(
  both: Mirrored,
  suite = SUITE,
  isOpen = true,
  agrees: (service: Service) => boolean = () => true,
): ContractStates {
  return new ContractStates({
    store: both.source,
    engine: BATCH_ENGINE,
    keys: new TwoSuites(both, suite),
    agrees,
    mirrorOf: (id) => (isOpen && id === MIGRATION.targetId ? both.target : null),
  });
}

/** Copies to the end. */
export async function copyToEnd(context: CopyContext, partition: LeasedPartition = WHOLE): Promise<Receipt> {
  const copied = await copyLeased(context, partition);
  if (copied.end !== "done") throw new Error(`the copy ended with ${copied.end}`);
  return copied.receipt;
}

/** What another pRuntime says of a copy. */
export async function copyVerdict(
  context: CopyContext,
  partition: PageRange = WHOLE,
  sleep: (milliseconds: number) => Promise<void> = async () => undefined,
): Promise<Verdict> {
  const verified = await verifyCopied(context, partition, null, sleep);
  if (verified.end !== "verdict") throw new Error(`the verification ended with ${verified.end}`);
  return verified;
}

/** Takes a record out of a store, behind everybody's back. */
export async function removeRecord(store: StateStore, contract: number, key: string): Promise<void> {
  const { id } = contractOf(contract);
  const page = (await store.find(id, text(key)))!;
  const group = editPage(id, page, [{ key: text(key), sealed: null }], highestWriteVersion(page));
  await store.commit({ groups: [group], sealedUnder: null });
}

/** What commits to the mirror depend on. */
export async function mirrorCell(target: StateStore): Promise<[{ name: string; expected: number | null }]> {
  return [(await readService(target)).cell];
}
