/** The same stretch of two stores, whatever pages their records lie in. A place is a contract and a key here. */
import { compareBytes, freeBytes, toHex } from "../bytes.ts";
import { comparePlaces } from "../store/page.ts";
import type { Page, PageRange, PageRef, StateStore } from "../store/store.ts";
import { isEmptyPage } from "./page-steps.ts";
import { SWEEP_PAGES } from "./stretches.ts";
import type { TransferKeys } from "./transfer.ts";

/** Pages of two stores that cover all keys from one place (null: the first) up to another (null: the last). */
export interface StretchOfTwo {
  readonly from: PageRef | null;
  readonly to: PageRef | null;
  /** Of the store that was read first; where it has no page for a contract, or none so far down, it has no record. */
  readonly first: readonly Page[];
  /** Of the one that was read after that. */
  readonly second: readonly Page[];
}

/** The keys of one contract that lie in a stretch: from `low`, up to `high`, or to the last where that is null. */
export interface KeyRange {
  readonly low: Uint8Array;
  readonly high: Uint8Array | null;
}

const NO_KEY = new Uint8Array(0);

/**
 * Reads the next stretch of two stores, one after the other.
 * @param from - where it begins; null: where the range does.
 * @param maxBytes - about so many bytes of bodies are read of each.
 */
export async function readStretch(
  first: StateStore,
  second: StateStore,
  range: PageRange,
  from: PageRef | null,
  maxBytes: number,
): Promise<StretchOfTwo> {
  const begin = from ?? range.from;
  const ahead = await pagesFrom(first, { from: begin, to: range.to }, maxBytes);
  const { pages, to } = await pagesFrom(second, { from: begin, to: ahead.to }, maxBytes);
  const isInside = (page: Page): boolean => to === null || comparePlaces(page, to) < 0;
  for (const page of ahead.pages) if (!isInside(page)) freeBytes(page.body);
  return { from: begin, to, first: ahead.pages.filter(isInside), second: pages };
}

/** The keys of a contract in a stretch. */
export function keysOf({ from, to }: Pick<StretchOfTwo, "from" | "to">, contract: Uint8Array): KeyRange {
  const isAt = (place: PageRef | null): place is PageRef =>
    place !== null && compareBytes(place.contract, contract) === 0;
  return { low: isAt(from) ? from.lowerBound : NO_KEY, high: isAt(to) ? to.lowerBound : null };
}

/** Whether a key lies in a range. */
export function isIn({ low, high }: KeyRange, key: Uint8Array): boolean {
  return compareBytes(key, low) >= 0 && (high === null || compareBytes(key, high) < 0);
}

/** Of a range of keys, the part that each of a contract's pages covers: they are in order. */
export function coveredBy(pages: readonly PageRef[], { low, high }: KeyRange): KeyRange[] {
  return pages.map(({ lowerBound }, index) => {
    const next = pages[index + 1]?.lowerBound ?? null;
    return {
      low: compareBytes(lowerBound, low) > 0 ? lowerBound : low,
      high: next === null || (high !== null && compareBytes(high, next) < 0) ? high : next,
    };
  });
}

/** Whether two ranges have a key in common. */
export function meets(a: KeyRange, b: KeyRange): boolean {
  const isBefore = (one: KeyRange, other: KeyRange): boolean =>
    one.high !== null && compareBytes(one.high, other.low) <= 0;
  return !isBefore(a, b) && !isBefore(b, a);
}

/** One contract's pages in a stretch, in order. */
export interface Part {
  readonly contract: Uint8Array;
  readonly source: readonly Page[];
  readonly target: readonly Page[];
}

/** Pages by contract, of both stores, in order. */
export function partsOf(source: readonly Page[], target: readonly Page[]): Part[] {
  const parts = new Map<string, { contract: Uint8Array; source: Page[]; target: Page[] }>();
  const partOf = ({ contract }: Page): { source: Page[]; target: Page[] } => {
    const name = toHex(contract);
    const known = parts.get(name) ?? { contract, source: [], target: [] };
    parts.set(name, known);
    return known;
  };
  for (const page of source) partOf(page).source.push(page);
  for (const page of target) partOf(page).target.push(page);
  return [...parts.values()].sort((a, b) => compareBytes(a.contract, b.contract));
}

/**
 * The part of a stretch before the first contract that has records in the source and whose keys are not at hand; or that
 * contract's place, where the stretch begins with it.
 */
export function upToMissing(
  { from, to }: Pick<StretchOfTwo, "from" | "to">,
  parts: readonly Part[],
  keys: TransferKeys,
): { readonly parts: readonly Part[]; readonly to: PageRef | null } | { readonly missing: PageRef } {
  const without = parts.findIndex(({ contract, source }) => {
    return source.some((page) => !isEmptyPage(page)) && keys.pair(contract) === null;
  });
  if (without < 0) return { parts, to };
  const place = { contract: parts[without]!.contract, lowerBound: NO_KEY };
  if (without === 0 && (from === null || comparePlaces(place, from) <= 0)) return { missing: place };
  return { parts: parts.slice(0, without), to: place };
}

/** The pages that cover a range of places from its beginning, and the place up to which they do. */
async function pagesFrom(
  store: StateStore,
  { from, to }: PageRange,
  maxBytes: number,
): Promise<{ pages: Page[]; to: PageRef | null }> {
  for (;;) {
    const covering = from === null ? null : await store.find(from.contract, from.lowerBound);
    const { pages, isAll } = await scanSome(store, { from: covering ?? from, to }, maxBytes);
    if (isAll) return { pages, to };
    // What the last one covers ends where the next begins.
    const [only] = pages;
    const next = pages.length > 1 ? pages.pop()! : (await store.scan({ from: only!, to }, only!, 1))[0];
    const end = next === undefined ? to : { contract: next.contract, lowerBound: next.lowerBound };
    // The page that covered the beginning may have been cut before it since.
    if (from === null || end === null || comparePlaces(end, from) > 0) return { pages, to: end };
  }
}

/** The first pages of a range, and whether there are no more. */
async function scanSome(
  store: StateStore,
  range: PageRange,
  maxBytes: number,
): Promise<{ readonly pages: Page[]; readonly isAll: boolean }> {
  const pages: Page[] = [];
  for (let bytes = 0; bytes < maxBytes && pages.length <= SWEEP_PAGES;) {
    const scanned = await store.scan(range, pages.at(-1) ?? null, maxBytes - bytes);
    if (scanned.length === 0) return { pages, isAll: true };
    pages.push(...scanned);
    bytes += scanned.reduce((sum, { body }) => sum + body.length, 0);
  }
  return { pages: pages.slice(0, SWEEP_PAGES), isAll: false };
}
