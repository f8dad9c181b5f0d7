/** What somebody who copies states to another store does to one on its way there, with the keys that it was given for that. */
import { randomFillSync } from "node:crypto";
import { readRecords } from "../../../src/rotation/kept-page.ts";
import type { Commit, PageWrite } from "../../../src/store/store.ts";
import { type TestRecord, parse, rebuild } from "../../rotation/page-records.ts";
import type { Seeded } from "../../slow/seeded.ts";
import { type KnownKeys, headOf } from "./known-keys.ts";
import type { States } from "./states.ts";

const NONCE_BYTES = 12;

/** What it works with; all of it is lent. */
export interface Copying {
  readonly keys: KnownKeys;
  readonly states: States;
  readonly random: Seeded;
}

/** What becomes of a page's records; null where it can't be done to them. */
type Alter = (write: PageWrite, records: readonly TestRecord[], copying: Copying) => TestRecord[] | null;

/** By what is said of them. */
export const COPY_ALTERATIONS = {
  "a copy has another text": ({ contract }, records, { keys, random }) => {
    const victim = random.of(records);
    const text = keys.open(contract, victim.key, victim.sealed);
    return text === null ? null : replaced(records, victim, sealedAs(contract, victim, keys, "x".repeat(text.length)));
  },
  "a copy lacks a state": (_, records, { random }) => {
    const victim = random.of(records);
    return records.filter((record) => record !== victim);
  },
  "a copy has a flipped bit": (_, records, { random }) => {
    const victim = random.of(records);
    const sealed = victim.sealed.slice();
    sealed[sealed.length - 20]! ^= 4;
    return replaced(records, victim, { key: victim.key, sealed });
  },
  "a copy has an old state": ({ contract }, records, { keys, states, random }) => {
    const victim = random.of(records);
    const earlier = states.earlier(contract, victim.key);
    return earlier === null ? null : replaced(records, victim, sealedAs(contract, victim, keys, earlier));
  },
  "a copy has a deleted state": ({ contract, lowerBound }, records, { keys, states, random }) => {
    const last = records.at(-1)!;
    const free = states.deleted(contract).filter(({ key }) => {
      const isInside = Buffer.compare(key, lowerBound) >= 0 && Buffer.compare(key, last.key) < 0;
      return isInside && !records.some((record) => Buffer.compare(record.key, key) === 0);
    });
    if (free.length === 0) return null;
    const { key, text } = random.of(free);
    const added = sealedAs(contract, { key, sealed: last.sealed }, keys, text);
    return [...records, added].sort((a, b) => Buffer.compare(a.key, b.key));
  },
} satisfies Record<string, Alter>;

export type CopyAlterationName = keyof typeof COPY_ALTERATIONS;
export const COPY_ALTERATION_NAMES = Object.keys(COPY_ALTERATIONS) as CopyAlterationName[];

/** Whether a commit brings copies to a store, with the checkpoint of who makes them. */
export function isCopy({ groups, cells }: Commit): boolean {
  return (cells?.length ?? 0) > 0 && groups.length > 0 && groups.flat().every(({ keep }) => keep === undefined);
}

/** Of which partition the copies are that a commit brings, and which attempt they are of: its checkpoint says so. */
export function copyOf({ cells }: Commit): { readonly index: number; readonly attempt: number } {
  const { name, value } = cells![0]!;
  const { attempt } = JSON.parse(Buffer.from(value!).toString()) as { readonly attempt: number };
  return { index: Number(name.slice(name.lastIndexOf("/") + 1)), attempt };
}

/** Alters one of the pages that a commit copies; null where that can't be done. */
export function alterCopy(commit: Commit, copying: Copying, name: CopyAlterationName): Commit | null {
  const at = copying.random.below(commit.groups.length);
  const group = commit.groups[at]!;
  const write = group[0]!;
  const records = parse(write.body);
  if (group.length > 1 || records.length === 0) return null;
  const changed = COPY_ALTERATIONS[name](write, records, copying);
  if (changed === null) return null;
  const { rotationId } = headOf(records[0]!.sealed);
  const more = changed.length - records.length;
  const counts = write.counts.map(([id, count]) => [id, id === rotationId ? count + more : count] as const);
  if (more !== 0 && !counts.some(([id]) => id === rotationId)) counts.push([rotationId, more]);
  const altered = { ...write, body: rebuild(write.body, changed), counts };
  // One that has grown too large is no page.
  if (readRecords(altered) === null) return null;
  return { ...commit, groups: commit.groups.with(at, [altered]) };
}

function replaced(records: readonly TestRecord[], victim: TestRecord, by: TestRecord): TestRecord[] {
  return records.map((record) => (record === victim ? by : record));
}

function sealedAs(contract: Uint8Array, { key, sealed }: TestRecord, keys: KnownKeys, text: string): TestRecord {
  const nonce = randomFillSync(new Uint8Array(NONCE_BYTES));
  return { key, sealed: keys.seal(headOf(sealed), contract, key, text, nonce) };
}
