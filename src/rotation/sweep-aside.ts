/**
 * What a sweep puts aside where governance has said so: records that can't be opened, and whole pages that make no sense. What it
 * replaces is kept aside as ever, and verified (kept-page.ts).
 */
import { toHex } from "../bytes.ts";
import { asidePageCells, emptiedPage, fitsCell, putAside } from "../store/quarantine.ts";
import type { CellWrite, Page, PageWrite } from "../store/store.ts";
import { readRecords } from "./kept-page.ts";
import type { LeasedContext } from "./leased-partition.ts";
import { isEmptyPage, movePages, type PageStep } from "./page-steps.ts";
import { NOTHING_MOVED } from "./receipt.ts";
import { unopenedKeys } from "./unopened.ts";

/** Of a page: storage keys of records that can't be opened; or all of it, because it makes no sense. */
type Aside = readonly Uint8Array[] | "page";

/** The first pages of some, up to the first that has anything, and of a contract whose keys are not at hand. */
export function withKeys({ keys }: LeasedContext, pages: readonly Page[]): readonly Page[] {
  const without = pages.findIndex((page) => keys.pair(page.contract) === null && !isEmptyPage(page));
  return without < 0 ? pages : pages.slice(0, without);
}

/**
 * What of each page is to be put aside; null where nothing is. A page with more bytes than any that was ever written stays.
 * @param pages - `withKeys`.
 */
export function toBePutAside(context: LeasedContext, pages: readonly Page[]): (Aside | null)[] {
  const filled = pages.filter((page) => !isEmptyPage(page));
  const unopened = unopenedKeys(context, filled);
  return pages.map((page) => {
    if (readRecords(page) === null) return fitsCell(page) ? "page" : null;
    const keys = unopened[filled.indexOf(page)] ?? [];
    return keys.length === 0 ? null : keys;
  });
}

/** A page's step without what is put aside of it, the cells that go with it, and how many records these are; a page counts as one. */
export async function putFirstAside(
  { engine, keys, store, identity }: LeasedContext,
  page: Page,
  aside: Aside,
): Promise<{ readonly step: PageStep; readonly cells: readonly CellWrite[]; readonly records: number }> {
  const { rotationId } = keys.to;
  if (aside === "page") {
    const write = { ...emptiedPage(page), keep: { by: identity, statement: NOTHING_MOVED } };
    const cells = await asidePageCells(store, page, rotationId);
    return { step: { write, records: 0, bytes: 0, failures: [] }, cells, records: 1 };
  }
  const move = { engine, from: keys.from, to: keys.to, by: identity };
  const [{ write: moved, records, bytes }] = movePages(move, [page], [keys.pair(page.contract)!]) as [PageStep];
  const { write: rest, cells } = await putAside(store, { ...page, body: moved?.body ?? page.body }, aside, rotationId);
  const write: PageWrite = {
    ...rest,
    counts: [...(moved?.counts ?? []), ...rest.counts],
    keep: moved?.keep ?? { by: identity, statement: NOTHING_MOVED },
  };
  return { step: { write, records, bytes, failures: [] }, cells, records: aside.length };
}

/** Names of the records of pages that can't be opened. @param pages - `withKeys`. */
export function unopenedIn(context: LeasedContext, pages: readonly Page[]): PageStep["failures"] {
  return toBePutAside(context, pages).flatMap((aside, index) => {
    if (aside === null || aside === "page") return [];
    return aside.map((key) => ({ contract: toHex(pages[index]!.contract), key: toHex(key) }));
  });
}

/** A step that names those of them that the pages' own steps don't name. */
export function otherFailures(unopened: PageStep["failures"], steps: readonly PageStep[]): PageStep[] {
  const nameOf = ({ contract, key }: PageStep["failures"][number]): string => `${contract} ${key}`;
  const named = new Set(steps.flatMap(({ failures }) => failures.map(nameOf)));
  const failures = unopened.filter((failure) => !named.has(nameOf(failure)));
  return failures.length === 0 ? [] : [{ write: null, records: 0, bytes: 0, failures }];
}
