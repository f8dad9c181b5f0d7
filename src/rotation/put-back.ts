/** What puts records of a kept page back; restore-leased.ts says which, and why. */
import { compareBytes, toHex } from "../bytes.ts";
import { findRecord, highestWriteVersion, type PageRecord, rotationIdOf } from "../store/page.ts";
import { editPage, type RecordEdit } from "../store/page-edit.ts";
import type { CellWrite, KeptPage, Page, PageWrite } from "../store/store.ts";
import { type JudgeContext, type JudgedPage, readRecords, writeVersionOf } from "./kept-page.ts";
import { asideCells, asidePageCells, fitsCell } from "../store/quarantine.ts";
import { unopenedKeys } from "./unopened.ts";

/** What one commit writes. */
export interface PutBack {
  /** One for each page that changes; they may conflict with what is written meanwhile. */
  readonly groups: readonly (readonly PageWrite[])[];
  /** Records that were put aside. */
  readonly cells: readonly CellWrite[];
}

/** @returns null when a page that somebody wrote since can't be read: then nothing can be put back there. */
export async function putBack(context: JudgeContext, judged: JudgedPage): Promise<PutBack | null> {
  const { kept, now } = judged;
  const records = readRecords(kept);
  if (records === null) {
    // Nothing is to be had of it; but it may be all that there is.
    const cells = fitsCell(kept) ? await asidePageCells(context.store, kept, context.keys.to.rotationId) : [];
    return { groups: [], cells };
  }
  const unopened = new Set(unopenedKeys(context, [kept])[0]!.map(toHex));
  const opens = ({ key }: PageRecord): boolean => !unopened.has(toHex(key));
  if (now?.version === kept.version + 1) return wholePage(context, kept, now, records, opens);
  // Without a page at its place, or with an older one there, nobody can have deleted a record.
  const mayBeDeleted = now !== null && now.version > kept.version;
  const groups = await singleRecords(context, kept, records.filter(opens), mayBeDeleted);
  return groups === null ? null : { groups, cells: [] };
}

/** A page that nobody wrote since, as it was. Records that can't be opened and are not there any more are put aside. */
async function wholePage(
  { store, keys }: JudgeContext,
  kept: KeptPage,
  now: Page,
  records: readonly PageRecord[],
  opens: (record: PageRecord) => boolean,
): Promise<PutBack> {
  const { contract, lowerBound, body } = kept;
  const recordsNow = readRecords(now);
  if (recordsNow === null) {
    // What the sweep had counted is taken back.
    const moved = records.filter((record) => rotationIdOf(record.sealed) === keys.from.rotationId && opens(record));
    const counts: PageWrite["counts"] = [
      [keys.from.rotationId, moved.length],
      [keys.to.rotationId, -moved.length],
    ];
    return { groups: [[{ contract, lowerBound, expected: now.version, body, counts }]], cells: [] };
  }
  const there = new Map(recordsNow.map(({ key }) => [toHex(key), key]));
  const edits: RecordEdit[] = records.filter(opens);
  const unopened = records.filter((record) => !opens(record));
  const gone = unopened.filter(({ key }) => !there.has(toHex(key)));
  for (const { key } of records) there.delete(toHex(key));
  // With a record that can't be opened, the kept body may be what is damaged, down to a key: then none is too many.
  if (unopened.length === 0) for (const key of there.values()) edits.push({ key, sealed: null });
  const group = edit(contract, now, edits, highestWriteVersion(kept));
  return { groups: [group], cells: await asideCells(store, contract, gone, keys.to.rotationId) };
}

/** Those records that are not there with a higher write version. */
async function singleRecords(
  { store }: JudgeContext,
  { contract }: KeptPage,
  records: readonly PageRecord[],
  mayBeDeleted: boolean,
): Promise<PageWrite[][] | null> {
  const pages = new Map<string, { readonly page: Page | null; readonly edits: RecordEdit[] }>();
  for (const record of records) {
    const page = await store.find(contract, record.key);
    if (page !== null && readRecords(page) === null) return null;
    const sealed = page === null ? null : findRecord(page, record.key);
    const stays = sealed === null ? mayBeDeleted : writeVersionOf(sealed) > writeVersionOf(record.sealed);
    if (stays) continue;
    const name = page === null ? "" : toHex(page.lowerBound);
    const known = pages.get(name) ?? { page, edits: [] };
    known.edits.push(record);
    pages.set(name, known);
  }
  return [...pages.values()].map(({ page, edits }) => edit(contract, page, edits, 0n));
}

function edit(contract: Uint8Array, page: Page | null, edits: readonly RecordEdit[], highest: bigint): PageWrite[] {
  const sorted = [...edits].sort((a, b) => compareBytes(a.key, b.key));
  const versions = sorted.flatMap(({ sealed }) => (sealed === null ? [] : [writeVersionOf(sealed)]));
  const all = [highest, page === null ? 0n : highestWriteVersion(page), ...versions];
  return editPage(
    contract,
    page,
    sorted,
    all.reduce((a, b) => (a > b ? a : b)),
  );
}
