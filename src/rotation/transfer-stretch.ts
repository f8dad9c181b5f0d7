/** Carries all records of a stretch of one store over to its mirror: transfer.ts says how, and why that is right. */
import { compareBytes, toHex } from "../bytes.ts";
import { SEALED_OVERHEAD_BYTES } from "../engine/sealed-state.ts";
import {
  believedWriteVersion,
  highestWriteVersion,
  type PageRecord,
  recordsOf,
  WRITE_VERSION_LIMIT,
} from "../store/page.ts";
import { type PagePlace, replacePage } from "../store/page-edit.ts";
import { versionsBehind } from "../store/quarantine.ts";
import type { Page, PageRange, PageRef, PageWrite } from "../store/store.ts";
import { readRecords } from "./kept-page.ts";
import {
  coveredBy,
  isIn,
  type KeyRange,
  keysOf,
  meets,
  type Part,
  partsOf,
  readStretch,
  upToMissing,
} from "./stretch-of-two.ts";
import {
  type CarriedRecord,
  max,
  mergeCarried,
  raised,
  reencryptPages,
  type TransferMeans,
  type TransferStores,
} from "./transfer.ts";

const NO_KEY = new Uint8Array(0);

/** What else a transfer is to do. */
export interface StretchOptions {
  /** Where it begins, and about how many bytes of each store it reads. */
  readonly from: PageRef | null;
  readonly maxBytes: number;
  /** Records that the mirror has and the source has not go; else they stay. */
  readonly exact: boolean;
  /**
   * Records that can't be opened, and those of pages that make no sense, are taken out of the mirror, and are the caller's to put
   * aside; else what it has stays.
   */
  readonly aside: boolean;
}

/** What is to be written. */
export interface StretchTransfer {
  /** Where it ends; null: where the range does. */
  readonly to: PageRef | null;
  /** One for each page of the mirror that changes, in order: of contracts, then keys. */
  readonly groups: readonly (readonly PageWrite[])[];
  /** Ids of contracts that these belong to. */
  readonly contracts: readonly Uint8Array[];
  /** Records that are carried over, and the bytes of their texts. */
  readonly records: number;
  readonly bytes: number;
  /** Records that can't be opened, as they are in the source, unless its page makes no sense. */
  readonly unopened: readonly { readonly contract: Uint8Array; readonly record: PageRecord }[];
  /** Pages of the source that make no sense. */
  readonly malformed: readonly Page[];
  /** Records that are taken out of the mirror because the source's pages that cover them make no sense: it had copies of them. */
  readonly orphaned: readonly { readonly contract: Uint8Array; readonly record: PageRecord }[];
  /** What was read of both stores: bodies may be freed when all this is written. */
  readonly pages: readonly Page[];
}

/** Or keys of the contract at which it begins are not at hand. */
export type StretchStep = StretchTransfer | { readonly missing: PageRef };

/**
 * Reads the next stretch of a range and makes what is to be written. The groups' bodies last; `unopened` are views of what
 * was read.
 * @throws GatekeeperError KEY_UNAVAILABLE for keys that were wiped; STORE_*, KERNEL_*.
 */
export async function transferStretch(
  { source, target, ...means }: TransferStores & TransferMeans,
  range: PageRange,
  options: StretchOptions,
): Promise<StretchStep> {
  const stretch = await readStretch(target, source, range, options.from, options.maxBytes);
  const known = upToMissing(stretch, partsOf(stretch.second, stretch.first), means.keys);
  if ("missing" in known) return known;
  const { parts, to } = known;
  const pages = parts.flatMap((part) => part.source);
  const carried = reencryptPages(means, pages);
  const sums = { records: 0, bytes: 0 };
  const groups: PageWrite[][] = [];
  const contracts: Uint8Array[] = [];
  const unopened: { contract: Uint8Array; record: PageRecord }[] = [];
  const malformed: Page[] = [];
  const orphaned: { contract: Uint8Array; record: PageRecord }[] = [];
  let at = 0;
  for (const part of parts) {
    const keys = keysOf({ from: stretch.from, to }, part.contract);
    const read = readSource(part, keys, carried.slice(at, at + part.source.length));
    at += part.source.length;
    unopened.push(...read.unopened.map((record) => ({ contract: part.contract, record })));
    malformed.push(...read.malformed);
    for (const { sealed } of read.records) {
      if (sealed === null) continue;
      sums.records++;
      sums.bytes += sealed.length - SEALED_OVERHEAD_BYTES;
    }
    if (options.aside) orphaned.push(...orphanedIn(part, keys, read));
    const made = groupsFor(part, keys, read, options);
    if (made.length > 0) contracts.push(part.contract);
    groups.push(...made);
  }
  return {
    to,
    groups,
    contracts,
    ...sums,
    unopened,
    malformed,
    orphaned,
    pages: [...stretch.first, ...stretch.second],
  };
}

/** What the source has of a contract in a stretch. */
interface SourcePart {
  readonly records: readonly CarriedRecord[];
  readonly unopened: readonly PageRecord[];
  readonly malformed: readonly Page[];
  /** Which keys its pages cover, and the highest write version that they gave, or may have given. */
  readonly covered: readonly { readonly keys: KeyRange; readonly highest: bigint }[];
  /** What pages cover that make no sense. */
  readonly unread: readonly KeyRange[];
}

function readSource(
  { source }: Part,
  keys: KeyRange,
  carried: readonly (readonly CarriedRecord[] | null)[],
): SourcePart {
  const ranges = coveredBy(source, keys);
  const part = {
    records: [] as CarriedRecord[],
    unopened: [] as PageRecord[],
    malformed: [] as Page[],
    covered: [] as { keys: KeyRange; highest: bigint }[],
    unread: [] as KeyRange[],
  };
  source.forEach((page, index) => {
    const range = ranges[index]!;
    const records = carried[index]!;
    if (records === null) {
      part.malformed.push(page);
      part.unread.push(range);
      part.covered.push({ keys: range, highest: versionsBehind(page) });
      return;
    }
    part.covered.push({ keys: range, highest: believedWriteVersion(page) });
    let at = 0;
    for (const record of recordsOf(page)) {
      const moved = records[at++]!;
      // What lies behind the page's end nobody finds.
      if (!isIn(range, record.key)) continue;
      part.records.push(moved);
      if (moved.sealed === null) part.unopened.push(record);
    }
  });
  return part;
}

/** A group for each of the mirror's pages that changes. */
function groupsFor(
  { contract, source, target }: Part,
  keys: KeyRange,
  { records, unopened, covered, unread }: SourcePart,
  { exact, aside }: StretchOptions,
): PageWrite[][] {
  const gone = aside ? new Set(unopened.map(({ key }) => toHex(key))) : new Set<string>();
  const kept = aside ? records.filter(({ sealed }) => sealed !== null) : records;
  const isUnread = (key: Uint8Array): boolean => unread.some((range) => isIn(range, key));
  const isGone = (key: Uint8Array): boolean =>
    (gone.size > 0 && gone.has(toHex(key))) || (isUnread(key) ? aside : exact && isIn(keys, key));
  let next = 0;
  return coversOf(contract, target, keys, source.length > 0).flatMap(({ place, page, range }) => {
    const begin = next;
    while (next < kept.length && isIn(range, kept[next]!.key)) next++;
    const part = kept.slice(begin, next);
    const floor = covered.reduce(
      (highest, each) => (meets(each.keys, range) ? max(highest, each.highest) : highest),
      0n,
    );
    const existing = page === null ? [] : readRecords(page);
    const said = page === null || existing === null ? 0n : highestWriteVersion(page);
    const before = exact && said >= WRITE_VERSION_LIMIT ? 0n : said;
    const merged = mergeCarried(existing ?? [], part, isGone);
    const highest = raised(before, floor);
    const changes =
      existing === null ||
      highest !== said ||
      part.some(({ sealed }) => sealed !== null) ||
      merged.length !== existing.length ||
      page === null;
    return changes ? [replacePage(place, existing ?? [], merged, highest)] : [];
  });
}

/** What the mirror has under keys that only pages of the source cover that make no sense. */
function orphanedIn(
  { contract, target }: Part,
  keys: KeyRange,
  { unread }: SourcePart,
): { contract: Uint8Array; record: PageRecord }[] {
  if (unread.length === 0) return [];
  const covers = coveredBy(target, keys);
  return target.flatMap((page, index) => {
    const records = (readRecords(page) ?? []).filter(({ key }) => isIn(covers[index]!, key));
    return records
      .filter(({ key }) => unread.some((range) => isIn(range, key)))
      .map((record) => ({ contract, record }));
  });
}

/** A page of the mirror, or the place of the one that it has not yet, and what it covers of a stretch. */
interface Cover {
  readonly place: PagePlace;
  readonly page: Page | null;
  readonly range: KeyRange;
}

function coversOf(contract: Uint8Array, target: readonly Page[], keys: KeyRange, isInSource: boolean): Cover[] {
  const ranges = coveredBy(target, keys);
  const covers = target.map((page, index): Cover => ({ place: page, page, range: ranges[index]! }));
  const [first] = target;
  // A contract's first page covers all of its keys below the next one's.
  const isCovered = first !== undefined && compareBytes(first.lowerBound, keys.low) <= 0;
  if (isCovered || !isInSource) return covers;
  const place: PagePlace = { contract, lowerBound: NO_KEY, version: null };
  return [{ place, page: null, range: { low: keys.low, high: first?.lowerBound ?? keys.high } }, ...covers];
}
