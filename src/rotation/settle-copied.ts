/** Records of a contract that did not all match at first sight, looked at one by one, and again: verify-copied.ts says why. */
import { compareBytes, toHex } from "../bytes.ts";
import type { CheckJob } from "../engine/page-engine.ts";
import {
  believedWriteVersion,
  highestWriteVersion,
  type PageRecord,
  recordsOf,
  WRITE_VERSION_LIMIT,
} from "../store/page.ts";
import { editPage } from "../store/page-edit.ts";
import type { Page, StateStore } from "../store/store.ts";
import type { CopyContext } from "./copy-leased.ts";
import { readRecords, writeVersionOf } from "./kept-page.ts";
import { isPageQuarantined, isQuarantined } from "../store/quarantine.ts";
import { coveredBy, isIn, type KeyRange, meets, type Part } from "./stretch-of-two.ts";

/** How long is waited before records are read again: a write that is not carried over by then has lost its writer. */
const WAITS_MS = [0, 10, 20, 40, 80, 160, 320] as const;
/** More than a range has that was read at first. */
const RANGE_BYTES = 1 << 26;

/** What a store has in a range of a contract's keys. */
interface RangeRead {
  readonly records: ReadonlyMap<string, PageRecord>;
  readonly pages: readonly {
    readonly covers: KeyRange;
    /** The highest write version that it says, or may be believed, that it has given. */
    readonly highest: bigint;
    readonly isBelieved: boolean;
    readonly lowerBound: Uint8Array;
  }[];
  /** Pages that make no sense. */
  readonly malformed: readonly Page[];
  /** Key of a record that lies where nobody finds it. */
  readonly misplaced: Uint8Array | null;
}

/**
 * Settles each record of a range.
 * @param part - what both stores had in it when the verification came there.
 * @returns the number of the mirror's records; or the key of a record, or a page's lower bound, that is not what it must be.
 */
export async function settleRange(
  context: CopyContext,
  part: Part,
  range: KeyRange,
  sleep: (milliseconds: number) => Promise<unknown>,
): Promise<number | { readonly wrong: Uint8Array }> {
  const { source, store } = context;
  const { contract } = part;
  const first = inRange(part.source, range);
  const settled = new Set<string>();
  let wrong = range.low;
  for (const wait of WAITS_MS) {
    if (wait > 0) await sleep(wait);
    const now = await readRange(source, contract, range);
    const mirror = await readRange(store, contract, range);
    const damaged = (await stillMalformed(store, now)) ?? mirror.malformed[0]?.lowerBound ?? mirror.misplaced;
    const left = damaged ?? (await unsettled(context, contract, { first, now, mirror, settled }));
    if (left === null) return mirror.records.size;
    wrong = left;
  }
  return { wrong };
}

/** The lower bound of a page of the source that makes no sense and was not put aside from the mirror. */
async function stillMalformed(store: StateStore, { malformed }: RangeRead): Promise<Uint8Array | null> {
  for (const page of malformed) if (!(await isPageQuarantined(store, page))) return page.lowerBound;
  return null;
}

/** The first of the keys that are not settled, or lower bounds of pages; null when all are. */
async function unsettled(
  context: CopyContext,
  contract: Uint8Array,
  reads: {
    readonly first: RangeRead;
    readonly now: RangeRead;
    readonly mirror: RangeRead;
    readonly settled: Set<string>;
  },
): Promise<Uint8Array | null> {
  const { first, now, mirror, settled } = reads;
  const pairs: [before: PageRecord, after: PageRecord][] = [];
  const left: Uint8Array[] = [];
  for (const name of new Set([...first.records.keys(), ...now.records.keys(), ...mirror.records.keys()])) {
    if (settled.has(name)) continue;
    const [was, is, there] = [first, now, mirror].map(({ records }) => records.get(name));
    if (!isSame(was, is) || (is === undefined && there === undefined)) settled.add(name);
    else if (is === undefined || there === undefined) left.push((is ?? there)!.key);
    else if (writeVersionOf(is.sealed) === writeVersionOf(there.sealed)) pairs.push([is, there]);
    else left.push(is.key);
  }
  const wrong = new Set(checkPairs(context, contract, pairs).map(toHex));
  for (const [{ key }] of pairs) {
    if (wrong.has(toHex(key))) left.push(key);
    else settled.add(toHex(key));
  }
  const versions = versionsWrong(first, mirror);
  const still: Uint8Array[] = [];
  for (const key of left) {
    const record = now.records.get(toHex(key));
    const isAside =
      record !== undefined && !mirror.records.has(toHex(key)) && (await isPutAside(context, contract, record));
    if (!isAside) still.push(key);
  }
  return still.sort(compareBytes)[0] ?? versions;
}

/** Keys of records that are not what a re-encryption makes of those before them. */
function checkPairs(
  { engine, keys }: CopyContext,
  contract: Uint8Array,
  pairs: readonly (readonly [before: PageRecord, after: PageRecord])[],
): Uint8Array[] {
  if (pairs.length === 0) return [];
  const sorted = [...pairs].sort(([a], [b]) => compareBytes(a.key, b.key));
  const jobs: CheckJob[] = [];
  const checked: Uint8Array[][] = [];
  let next = 0;
  const befores = sorted.map(([before]) => before);
  for (const { body } of editPage(contract, null, befores, 0n)) {
    const count = [...recordsOf({ contract, lowerBound: new Uint8Array(0), body })].length;
    const some = sorted.slice(next, next + count);
    next += count;
    const afters = some.map(([, after]) => after);
    const after = editPage(contract, null, afters, 0n).map((write) => write.body);
    jobs.push({ contract, before: body, after, ...keys.pair(contract)! });
    checked.push(some.map(([{ key }]) => key));
  }
  return engine.check(keys.from, keys.to, jobs).flatMap(({ wellFormed, moved, wrong, unopenable }, index) => {
    const all = checked[index]!;
    if (wellFormed && moved === all.length && unopenable.length === 0) return [];
    // What is not named was not moved: it claims to be where it was to go.
    const named = [...wrong, ...unopenable];
    return wellFormed && moved + new Set(named.map(toHex)).size === all.length ? named : all;
  });
}

/** Whether a record can't be opened, and was put aside from the mirror for that. */
async function isPutAside(
  { engine, keys, store }: CopyContext,
  contract: Uint8Array,
  record: PageRecord,
): Promise<boolean> {
  if (!(await isQuarantined(store, contract, record))) return false;
  const { suite, rotationId } = keys.from;
  const jobs = editPage(contract, null, [record], 0n).map(({ body }) => ({
    contract,
    body,
    key: keys.pair(contract)!.key,
  }));
  const [outcome] = engine.verify(suite, rotationId, rotationId, jobs);
  return outcome!.mismatched.length === 1;
}

/** The lower bound of a page of the mirror that says too little of write versions, or what nobody could write any more. */
function versionsWrong(first: RangeRead, mirror: RangeRead): Uint8Array | null {
  for (const page of first.pages) {
    const over = mirror.pages.filter(({ covers }) => meets(covers, page.covers));
    if (over.length === 0 && page.highest > 0n) return page.lowerBound;
    const wrong = over.find(({ highest }) => highest < page.highest);
    if (wrong !== undefined) return wrong.lowerBound;
  }
  return mirror.pages.find(({ isBelieved }) => !isBelieved)?.lowerBound ?? null;
}

async function readRange(store: StateStore, contract: Uint8Array, range: KeyRange): Promise<RangeRead> {
  const covering = await store.find(contract, range.low);
  const from = covering ?? { contract, lowerBound: range.low };
  const pages: Page[] = [];
  for (;;) {
    const scanned = await store.scan({ from, to: null }, pages.at(-1) ?? null, RANGE_BYTES);
    const inside = scanned.filter((page) => {
      const isBefore = range.high === null || compareBytes(page.lowerBound, range.high) < 0;
      return isBefore && compareBytes(page.contract, contract) === 0;
    });
    pages.push(...inside);
    if (inside.length < scanned.length || scanned.length === 0) return inRange(pages, range);
  }
}

function inRange(pages: readonly Page[], range: KeyRange): RangeRead {
  const covers = coveredBy(pages, range);
  const whole = coveredBy(pages, { low: new Uint8Array(0), high: null });
  const records = new Map<string, PageRecord>();
  const malformed: Page[] = [];
  let misplaced: Uint8Array | null = null;
  const read = pages.flatMap((page, index) => {
    const all = readRecords(page);
    if (all === null) {
      malformed.push(page);
      return [];
    }
    for (const record of all) {
      if (isIn(covers[index]!, record.key)) records.set(toHex(record.key), record);
      // Behind the last page's end there may be what was not read.
      else if (index + 1 < pages.length && !isIn(whole[index]!, record.key)) misplaced ??= record.key;
    }
    const isBelieved = highestWriteVersion(page) < WRITE_VERSION_LIMIT;
    return [{ covers: covers[index]!, highest: believedWriteVersion(page), isBelieved, lowerBound: page.lowerBound }];
  });
  return { records, pages: read, malformed, misplaced };
}

function isSame(a: PageRecord | undefined, b: PageRecord | undefined): boolean {
  return a === undefined || b === undefined ? a === b : compareBytes(a.sealed, b.sealed) === 0;
}
