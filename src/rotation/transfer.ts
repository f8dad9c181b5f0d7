/**
 * Carries records over from one store, the source, to another, its mirror, while both are written. A transfer
 *
 * 1. reads the mirror's pages that cover the records' keys, with their versions;
 * 2. then reads the records in the source;
 * 3. re-encrypts them, with the write versions that they have: no plaintext comes into being;
 * 4. writes the mirror's pages by compare-and-swap on what 1 read, on condition that the mirror still is one.
 *
 * Whoever writes states writes the source first, then carries his keys over, and only then says that it is done. Others,
 * who copy the whole source, do the same with ranges of keys. Then an older state of a record never takes the place of a
 * newer one in the mirror, in whatever order all this happens:
 *
 * - A key is covered by one page of the mirror, or by none while its contract has none there. Which one that is changes only
 *   in a commit that writes the page that covered it: a page that is cut is written in the group that makes the others, and a
 *   contract's first page is written on condition that there is none. So where a transfer's write of the page succeeds,
 *   nobody has carried the key over, or changed where it goes, since that transfer's step 1.
 * - Of two transfers of one key that wrote, one therefore did step 1, and so step 2, after the other's step 4: what it read
 *   in the source is what the other read there, or later.
 * - A writer's transfer begins after its commit to the source. When it is done, the mirror has what was written, or later.
 *
 * For that, a writer's transfer writes each page that it read even where that changes nothing. One that is to delete what
 * the mirror does not have yet would else leave the page as another saw it who has read the record before it was deleted.
 *
 * A page of the mirror says that it has given write versions at least as high as those of the source's pages that have, or
 * had, the same keys: versions don't fall when the mirror takes the source's place. Pages are not the same in both, and what
 * is written under one key raises the versions of its page in the source, but not of all pages in the mirror that have other
 * keys of that page. So whenever the mirror says less, it is made to say much more.
 */
import { compareBytes, toHex } from "../bytes.ts";
import type { PageEngine } from "../engine/page-engine.ts";
import type { SealedUnder } from "../engine/sealed-state.ts";
import {
  believedWriteVersion,
  findRecords,
  highestWriteVersion,
  type PageBody,
  type PageRecord,
  recordsOf,
  rotationIdOf,
  WRITE_VERSION_ROOM,
} from "../store/page.ts";
import { editPage, replacePage } from "../store/page-edit.ts";
import type { CellExpectation, ContractName, Page, StateStore } from "../store/store.ts";
import { readRecords } from "./kept-page.ts";
import type { KeyPair } from "./page-steps.ts";

const NO_KEY = new Uint8Array(0);

/** Between what records are carried over. */
export interface TransferStores {
  readonly source: StateStore;
  /** The mirror. */
  readonly target: StateStore;
}

/** The keys of contracts in both generations, and what records are sealed under in each. */
export interface TransferKeys {
  readonly from: SealedUnder;
  readonly to: SealedUnder;
  /** Null where they are not at hand. */
  pair(contract: Uint8Array): KeyPair | null;
}

/** With what records are re-encrypted. */
export interface TransferMeans {
  readonly engine: PageEngine;
  readonly keys: TransferKeys;
}

/** A record of the source as it is to be in the mirror; null where it can't be opened: then what the mirror has stays. */
export interface CarriedRecord {
  readonly key: Uint8Array;
  readonly sealed: Uint8Array | null;
}

/** How a transfer ended: "refused" where the mirror is none any more, and some of it may have been carried over. */
export type TransferEnd =
  | { readonly end: "refused" }
  /** Storage keys of records that can't be opened in the source, and were not carried over. */
  | { readonly end: "carried"; readonly unopened: readonly Uint8Array[] };

/**
 * Carries over what the source has under some keys of a contract: the records that are there, and that others are not.
 * @param keys - in ascending order, unique.
 * @param expects - the mirror's cells that each commit depends on.
 * @throws GatekeeperError STORE_CORRUPT when a page that covers a key is malformed, in either store (remake-pages.ts makes the
 * mirror's anew); KEY_UNAVAILABLE for keys that were wiped; STORE_*, KERNEL_*.
 */
export async function transferKeys(
  { source, target, ...means }: TransferStores & TransferMeans,
  contract: Uint8Array,
  keys: readonly Uint8Array[],
  expects: readonly CellExpectation[],
): Promise<TransferEnd> {
  const unopened: Uint8Array[] = [];
  const contracts = await namesOf(source, [contract]);
  for (let left = keys; left.length > 0;) {
    const covers = await pagesUnder(target, contract, left);
    const found = await pagesUnder(source, contract, left);
    const sealed = found.flatMap((each) => recordsUnder(each));
    const carried = reencryptRecords(means, contract, sealed);
    const groups = covers.map(({ page, keys: covered }) => {
      const names = new Set(covered.map(toHex));
      const part = carried.filter(({ key }) => names.has(toHex(key)));
      const floor = found.reduce((highest, each) => {
        const meets = each.page !== null && each.keys.some((key) => names.has(toHex(key)));
        return meets ? max(highest, believedWriteVersion(each.page!)) : highest;
      }, 0n);
      const place = page ?? { contract, lowerBound: NO_KEY, version: null };
      const existing = page === null ? [] : [...recordsOf(page)];
      const records = mergeCarried(existing, part, (key) => names.has(toHex(key)));
      const highest = raised(page === null ? 0n : highestWriteVersion(page), floor);
      return replacePage(place, existing, records, highest);
    });
    const { rotationId } = means.keys.to;
    const result = await target.commit({ groups, sealedUnder: rotationId, contracts, expects });
    if (!result.cellsHeld) return { end: "refused" };
    const again = new Set(result.conflicts.flatMap((index) => covers[index]!.keys.map(toHex)));
    for (const { key, sealed: moved } of carried) {
      if (moved === null && !again.has(toHex(key))) unopened.push(key.slice());
    }
    left = left.filter((key) => again.has(toHex(key)));
  }
  return { end: "carried", unopened };
}

/**
 * A page's records with those that were carried over in their place.
 * @param carried - in ascending order of keys that the page covers.
 * @param isGone - whether a record that the page has is to go; asked of those that none was carried over for.
 */
export function mergeCarried(
  existing: readonly PageRecord[],
  carried: readonly CarriedRecord[],
  isGone: (key: Uint8Array) => boolean,
): PageRecord[] {
  const merged: PageRecord[] = [];
  const put = ({ key, sealed }: CarriedRecord): void => {
    if (sealed !== null) merged.push({ key, sealed });
  };
  let next = 0;
  for (const record of existing) {
    while (next < carried.length && compareBytes(carried[next]!.key, record.key) < 0) put(carried[next++]!);
    if (next < carried.length && compareBytes(carried[next]!.key, record.key) === 0) {
      const { sealed } = carried[next++]!;
      merged.push(sealed === null ? record : { key: record.key, sealed });
    } else if (!isGone(record.key)) {
      merged.push(record);
    }
  }
  while (next < carried.length) put(carried[next++]!);
  return merged;
}

/**
 * Re-encrypts all records of some of the source's pages. One that is not under the generation that is left counts as one
 * that can't be opened.
 * @param pages - of contracts both of whose keys are at hand, if they have records.
 * @returns what became of each page's records, in order: views of WebAssembly memory, which last until the engine's next
 * call; null for a page that is malformed.
 */
export function reencryptPages(
  { engine, keys }: TransferMeans,
  pages: readonly PageBody[],
): (readonly CarriedRecord[] | null)[] {
  const read = pages.map(readRecords);
  const filled = pages.filter((_, index) => (read[index]?.length ?? 0) > 0);
  const jobs = filled.map(({ contract, body }) => ({ contract, body, ...keys.pair(contract)! }));
  const outcomes = jobs.length === 0 ? [] : engine.reencrypt(keys.from, keys.to, jobs);
  let next = 0;
  return pages.map((page, index) => {
    const records = read[index]!;
    if (records === null || records.length === 0) return records;
    const { wellFormed, body, mismatched } = outcomes[next++]!;
    const moved = wellFormed ? readRecords({ ...page, body }) : null;
    if (moved === null) return null;
    const unopened = new Set(mismatched.map(toHex));
    return records.map(({ key, sealed }, at) => {
      const opens = rotationIdOf(sealed) === keys.from.rotationId && (unopened.size === 0 || !unopened.has(toHex(key)));
      return { key, sealed: opens ? moved[at]!.sealed : null };
    });
  });
}

/** Contracts as a store names them; those that it does not are left out. */
export async function namesOf(store: StateStore, ids: readonly Uint8Array[]): Promise<ContractName[]> {
  const named: ContractName[] = [];
  for (const id of ids) {
    const entry = await store.contract(id);
    if (entry?.kind != null && entry.name !== null) named.push({ id, kind: entry.kind, name: entry.name });
  }
  return named;
}

/** The greater of two write versions. */
export function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** What a page of the mirror is to say of write versions that says this now, and must not say less than the source's do. */
export function raised(said: bigint, least: bigint): bigint {
  return said >= least ? said : least + WRITE_VERSION_ROOM;
}

/** Some records of one contract, in ascending order. */
function reencryptRecords(
  means: TransferMeans,
  contract: Uint8Array,
  records: readonly PageRecord[],
): readonly CarriedRecord[] {
  if (records.length === 0) return [];
  const bodies = editPage(contract, null, records, 0n);
  return reencryptPages(means, bodies).flatMap((page) => page!);
}

/** A page, or null where a contract has none there, with those of some keys that it covers. */
interface PageOfKeys {
  readonly page: Page | null;
  readonly keys: readonly Uint8Array[];
}

/**
 * The pages that cover keys. Of what a page is said to cover, some may be another's by now: then it was written since it was
 * read, which compare-and-swap finds.
 */
async function pagesUnder(store: StateStore, contract: Uint8Array, keys: readonly Uint8Array[]): Promise<PageOfKeys[]> {
  const found: PageOfKeys[] = [];
  for (let at = 0; at < keys.length;) {
    const page = await store.find(contract, keys[at]!);
    let end = keys.length;
    if (page !== null && keys.length - at > 1) {
      const [next] = await store.scan({ from: page, to: null }, page, 1);
      if (next !== undefined && compareBytes(next.contract, contract) === 0) {
        end = keys.findIndex((key, index) => index > at && compareBytes(key, next.lowerBound) >= 0);
        if (end < 0) end = keys.length;
      }
    }
    found.push({ page, keys: keys.slice(at, end) });
    at = end;
  }
  return found;
}

function recordsUnder({ page, keys }: PageOfKeys): PageRecord[] {
  if (page === null) return [];
  const sealed = findRecords(page, keys);
  return keys.flatMap((key, index) => (sealed[index] == null ? [] : [{ key, sealed: sealed[index] }]));
}
