/** What somebody who re-encrypts pages does to a record in one of them, with the keys that it was given for that. */
import { randomFillSync } from "node:crypto";
import { readRecords } from "../../../src/rotation/kept-page.ts";
import type { Commit, CommitResult, Page, PageWrite, StateStore } from "../../../src/store/store.ts";
import { type TestRecord, parse, rebuild, statementOf } from "../../rotation/page-records.ts";
import type { Seeded } from "../../slow/seeded.ts";
import { type KnownKeys, headOf } from "./known-keys.ts";
import type { Alteration, States } from "./states.ts";

/** A record on its way into the store, with what it was, and what was there before that. */
interface Victim {
  readonly contract: Uint8Array;
  readonly record: TestRecord;
  readonly old: Uint8Array;
  /** A state of an earlier write that this key had; null where none was seen. */
  readonly earlier: string | null;
}

interface Alter {
  /** The record in the place of the right one; null drops it. Undefined where it can't be done. */
  readonly to: (victim: Victim, keys: KnownKeys) => TestRecord | null | undefined;
  /** Whether a receipt for it is proof of a lie. */
  readonly isProof: boolean;
}

const NONCE_BYTES = 12;

function sealedAs({ contract, record }: Victim, keys: KnownKeys, writes: bigint, text: string): TestRecord {
  const { rotationId, writeVersion } = headOf(record.sealed);
  const head = { rotationId, writeVersion: writeVersion + writes };
  const nonce = randomFillSync(new Uint8Array(NONCE_BYTES));
  return { key: record.key, sealed: keys.seal(head, contract, record.key, text, nonce) };
}

/** By what is said of them. */
export const ALTERATIONS = {
  "another text": {
    isProof: true,
    to: (victim, keys) => {
      const text = keys.open(victim.contract, victim.record.key, victim.record.sealed);
      return text === null ? undefined : sealedAs(victim, keys, 0n, "x".repeat(text.length));
    },
  },
  "a record is dropped": { isProof: false, to: () => null },
  "a record is skipped": { isProof: false, to: ({ record, old }) => ({ key: record.key, sealed: old }) },
  "a bit is flipped": {
    isProof: false,
    to: ({ record }) => {
      const sealed = record.sealed.slice();
      sealed[sealed.length - 20]! ^= 4;
      return { key: record.key, sealed };
    },
  },
  "an old state is put back": {
    isProof: false,
    to: (victim, keys) => {
      if (victim.earlier === null || headOf(victim.record.sealed).writeVersion < 2n) return undefined;
      return sealedAs(victim, keys, -1n, victim.earlier);
    },
  },
} satisfies Record<string, Alter>;

export type AlterationName = keyof typeof ALTERATIONS;
export const ALTERATION_NAMES = Object.keys(ALTERATIONS) as AlterationName[];

/** What was done to a page. */
export interface Altered {
  readonly name: AlterationName;
  readonly contract: Uint8Array;
  readonly lowerBound: Uint8Array;
  readonly key: Uint8Array;
  readonly sealed: Uint8Array | null;
  readonly isStated: boolean;
  readonly alteration: Alteration;
}

/** A store as who alters records uses it. */
export interface Altering {
  readonly keys: KnownKeys;
  readonly states: States;
  readonly random: Seeded;
  /** What is to be done now; null: nothing. */
  readonly plan: () => AlterationName | null;
  /** It was done. */
  readonly done: (altered: Altered) => void;
}

/** Alters a record that is re-encrypted through it, and, perhaps, states that. */
export function alteringStore(store: StateStore, altering: Altering): StateStore {
  return {
    ...store,
    commit: async (commit) => {
      const name = altering.plan();
      return name === null ? store.commit(commit) : alterOne(store, commit, altering, name);
    },
  };
}

async function alterOne(
  store: StateStore,
  commit: Commit,
  altering: Altering,
  name: AlterationName,
): Promise<CommitResult> {
  for (const [at, group] of commit.groups.entries()) {
    const [write] = group;
    if (write?.keep === undefined || group.length > 1) continue;
    const page = await store.find(write.contract, write.lowerBound);
    if (page === null || page.version !== write.expected) continue;
    const changed = alterPage(page, write, altering, name);
    if (changed === null) continue;
    const groups = commit.groups.with(at, [changed.write]);
    const result = await store.commit({ ...commit, groups });
    if (result.cellsHeld && !result.conflicts.includes(at)) altering.done(changed.altered);
    return result;
  }
  return store.commit(commit);
}

function alterPage(
  page: Page,
  write: PageWrite,
  { keys, states, random }: Altering,
  name: AlterationName,
): { readonly write: PageWrite; readonly altered: Altered } | null {
  const before = parse(page.body);
  const records = parse(write.body);
  if (records.length === 0) return null;
  const record = random.of(records);
  const old = before.find(({ key }) => Buffer.compare(key, record.key) === 0)!.sealed;
  if (Buffer.compare(old, record.sealed) === 0) return null;
  const earlier = states.earlier(write.contract, record.key);
  const to = ALTERATIONS[name].to({ contract: write.contract, record, old, earlier }, keys);
  if (to === undefined) return null;
  const changed = records.flatMap((each) => (each === record ? (to ?? []) : each));
  const body = rebuild(write.body, changed);
  // One that has grown too large is no page: nobody could write there until it is restored.
  if (readRecords({ ...write, body }) === null) return null;
  const ids = [...new Set([...before, ...changed].map(({ sealed }) => headOf(sealed).rotationId))];
  const under = (all: readonly TestRecord[], id: number): number =>
    all.filter(({ sealed }) => headOf(sealed).rotationId === id).length;
  const counts = ids.map((id) => [id, under(changed, id) - under(before, id)] as const);
  const isStated = random.below(3) > 0;
  const statement = isStated ? statementOf(write.contract, page.body, body) : write.keep!.statement;
  const alteration = states.alter(write.contract, record.key, name, name === "a record is dropped");
  return {
    write: { ...write, body, counts, keep: { ...write.keep!, statement } },
    altered: {
      name,
      contract: write.contract,
      lowerBound: write.lowerBound,
      key: record.key,
      sealed: to?.sealed ?? null,
      isStated,
      alteration,
    },
  };
}
