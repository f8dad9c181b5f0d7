/**
 * What became of a page that was replaced and kept aside: its records are looked up among those that are there now, and
 * re-encrypted once more to compare (engine/page-check.ts). No plaintext comes into being.
 *
 * A page whose version is the next after the kept one was not written since. Then all of it must be what it was, but for
 * the records that were to be moved. Where somebody wrote since, records may also be gone or have a higher write
 * version. Pages are read while others write them; what is read of a page is always one state of it, and records only
 * ever move to pages behind theirs. Whatever still looks wrong after that is read a second time.
 */
import { compareBytes, toHex } from "../bytes.ts";
import type { CheckOutcome, PageEngine } from "../engine/page-engine.ts";
import { GatekeeperError } from "../errors.ts";
import {
  findRecord,
  highestWriteVersion,
  PAGE_BYTES_LIMIT,
  type PageBody,
  type PageRecord,
  RecordCursor,
  recordsOf,
  rotationIdOf,
  SEALED_BYTES_MIN,
} from "../store/page.ts";
import { editPage } from "../store/page-edit.ts";
import type { KeptPage, Page, StateStore } from "../store/store.ts";
import type { PartitionKeys } from "./partition-keys.ts";
import { emptiedPage, isPageQuarantined, isQuarantined, withoutRecords } from "../store/quarantine.ts";
import { contentOf } from "./page-steps.ts";
import { NOTHING_MOVED } from "./receipt.ts";
import { unopenedKeys } from "./unopened.ts";

/** Bytes of pages that are read at once for one that was kept; where it was split into more, records are picked out. */
const NOW_BYTES = 4 * PAGE_BYTES_LIMIT;
const WRITE_VERSION_AT = 6;

/** With what kept pages are judged. */
export interface JudgeContext {
  readonly store: StateStore;
  readonly engine: PageEngine;
  readonly keys: PartitionKeys;
}

/** A kept page, judged. */
export interface JudgedPage {
  readonly kept: KeptPage;
  /** The page at its place now; null if there is none. */
  readonly now: Page | null;
  /** Bodies that cover its records now; those that were written since may be cut short in them. */
  readonly bodies: readonly Uint8Array[];
  readonly check: CheckOutcome;
  /** Null when all is right; else the storage key of a record that is not, or the page's lower bound. */
  readonly wrong: Uint8Array | null;
}

/**
 * Judges kept pages of contracts both of whose keys are at hand.
 * @throws GatekeeperError STORE_*, KEY_UNAVAILABLE, KERNEL_*.
 */
export async function judgePages(context: JudgeContext, pages: readonly KeptPage[]): Promise<JudgedPage[]> {
  const judged = await judgeOnce(context, pages);
  for (const [index, { wrong }] of judged.entries()) {
    if (wrong === null) continue;
    const [again] = await judgeOnce(context, [pages[index]!]);
    judged[index] = again!.wrong === null ? again! : await withoutQuarantined(context, again!);
  }
  return judged;
}

/** Whether a page was written since it took a kept one's place. */
export function isWrittenSince({ kept, now }: Pick<JudgedPage, "kept" | "now">): boolean {
  return now !== null && now.version > kept.version + 1;
}

/** A page's records; null when its bytes make no sense. */
export function readRecords(page: PageBody): PageRecord[] | null {
  try {
    return [...recordsOf(page)];
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return null;
    throw error;
  }
}

/** A sealed state's write version. */
export function writeVersionOf(sealed: Uint8Array): bigint {
  return new DataView(sealed.buffer, sealed.byteOffset, sealed.length).getBigUint64(WRITE_VERSION_AT, true);
}

async function judgeOnce(context: JudgeContext, pages: readonly KeptPage[]): Promise<JudgedPage[]> {
  const { engine, keys } = context;
  const found = [];
  for (const kept of pages) found.push({ kept, ...(await readNow(context.store, kept)) });
  const jobs = found.map(({ kept, bodies }) => {
    const { contract, body: before } = kept;
    return { contract, before, after: bodies, ...keys.pair(contract)! };
  });
  const checks = jobs.length === 0 ? [] : engine.check(keys.from, keys.to, jobs);
  return found.map((each, index) => {
    const check = checks[index]!;
    return { ...each, check, wrong: wrongIn({ ...each, check }, keys.to.rotationId) };
  });
}

/** What covers a kept page's records now, in order. */
async function readNow(store: StateStore, kept: KeptPage): Promise<Pick<JudgedPage, "now" | "bodies">> {
  const { contract, lowerBound } = kept;
  const records = readRecords(kept);
  const last = records?.at(-1)?.key ?? lowerBound;
  // The smallest key behind the last one.
  const to = { contract, lowerBound: new Uint8Array([...last, 0]) };
  const pages = await store.scan({ from: { contract, lowerBound }, to }, null, NOW_BYTES);
  const [first] = pages;
  const now = first !== undefined && compareBytes(first.lowerBound, lowerBound) === 0 ? first : null;
  const all = pages.reduce((sum, { body }) => sum + body.length, 0) < NOW_BYTES;
  if (all || records === null || !isWrittenSince({ kept, now })) return { now, bodies: pages.map(({ body }) => body) };
  return { now, bodies: await pickRecords(store, contract, records) };
}

/**
 * Of the pages that cover records now, only these records, laid out anew. Of one that was written since, or is of another
 * length, the beginning is enough: it says so.
 */
async function pickRecords(
  store: StateStore,
  contract: Uint8Array,
  records: readonly PageRecord[],
): Promise<Uint8Array[]> {
  const picked: PageRecord[] = [];
  for (const { key, sealed: before } of records) {
    const page = await store.find(contract, key);
    const sealed = page === null || readRecords(page) === null ? null : findRecord(page, key);
    if (sealed === null) continue;
    const same = sealed.length === before.length && writeVersionOf(sealed) === writeVersionOf(before);
    picked.push({ key, sealed: (same ? sealed : sealed.subarray(0, SEALED_BYTES_MIN)).slice() });
  }
  return picked.length === 0 ? [] : editPage(contract, null, picked, 0n).map(({ body }) => body);
}

function wrongIn({ kept, now, check }: Omit<JudgedPage, "wrong">, to: number): Uint8Array | null {
  // That a page's first key is not below where it begins, the engine does not see.
  const isRead = check.wellFormed && contentOf(kept) !== "malformed";
  if (now === null || now.version <= kept.version || !isRead) return kept.lowerBound;
  if (check.wrong.length > 0) return check.wrong[0]!;
  if (isWrittenSince({ kept, now })) return null;
  if (contentOf(now) === "malformed") return kept.lowerBound;
  const different = firstDifference(kept, now, to);
  if (different !== null) return different;
  return compareBytes(check.statement ?? NOTHING_MOVED, kept.statement) === 0 ? null : kept.lowerBound;
}

/**
 * The key of the first record in which a page that nobody wrote differs from the one before it, but for records that were
 * to be moved: of those only key, length and write version are compared. Its lower bound, where they differ elsewhere.
 */
function firstDifference(before: PageBody, after: PageBody, to: number): Uint8Array | null {
  const [old, fresh] = [new RecordCursor(before), new RecordCursor(after)];
  for (;;) {
    const [more, moreNow] = [old.next(), fresh.next()];
    if (!more && !moreNow) break;
    if (!more || !moreNow) return (more ? old : fresh).record().key;
    const [was, is] = [old.record(), fresh.record()];
    const order = compareBytes(was.key, is.key);
    if (order !== 0) return order < 0 ? was.key : is.key;
    if (was.sealed.length !== is.sealed.length || writeVersionOf(was.sealed) !== writeVersionOf(is.sealed))
      return was.key;
    if (rotationIdOf(was.sealed) === to && compareBytes(was.sealed, is.sealed) !== 0) return was.key;
  }
  return highestWriteVersion(before) === highestWriteVersion(after) ? null : before.lowerBound;
}

/** Judges a page once more without what was put aside from it: records because nobody could open them, or all of it. */
async function withoutQuarantined(context: JudgeContext, judged: JudgedPage): Promise<JudgedPage> {
  const { kept, now } = judged;
  const records = readRecords(kept);
  if (now !== null && records === null) {
    const isEmptied = isWrittenSince(judged) || compareBytes(now.body, emptiedPage(kept).body) === 0;
    return isEmptied && (await isPageQuarantined(context.store, kept)) ? { ...judged, wrong: null } : judged;
  }
  const recordsNow = now === null ? null : readRecords(now);
  if (records === null || recordsNow === null) return judged;
  const there = new Set(recordsNow.map(({ key }) => toHex(key)));
  const unopened = new Set(unopenedKeys(context, [kept])[0]!.map(toHex));
  const aside: Uint8Array[] = [];
  for (const record of records) {
    const name = toHex(record.key);
    if (there.has(name) || !unopened.has(name)) continue;
    if (await isQuarantined(context.store, kept.contract, record)) aside.push(record.key);
  }
  if (aside.length === 0) return judged;
  const { body } = withoutRecords(kept, aside);
  const [again] = await judgeOnce(context, [{ ...kept, body }]);
  return { ...again!, kept };
}
