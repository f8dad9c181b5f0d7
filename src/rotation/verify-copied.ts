/**
 * The verification of a partition that another pRuntime has copied to a store's mirror, while both are written. It writes
 * nothing: whatever interrupts it, the next one finds the same.
 *
 * Each record of the source must be in the mirror as what a re-encryption makes of it, byte for byte under the nonce that is
 * there (engine/page-check.ts): so it opens there, under the new rotation id. The mirror must have no other, and what its
 * pages say of write versions must not be less than what the source's say. No plaintext comes into being.
 *
 * A record may be on its way: written in the source, and not yet carried over. What does not match is therefore read again,
 * some times, the source first. Whatever then differs in the source from what it was there at first, was written since the
 * verification began: that is its writer's to carry over, after which nothing is left of what was copied.
 *
 * A verdict blames nobody: the source still has everything, and the partition is copied once more.
 */
import { setTimeout } from "node:timers/promises";
import { freeBytes, toHex } from "../bytes.ts";
import type { CheckJob } from "../engine/page-engine.ts";
import {
  believedWriteVersion,
  highestWriteVersion,
  type PageRecord,
  pageRecords,
  WRITE_VERSION_LIMIT,
} from "../store/page.ts";
import { editPage } from "../store/page-edit.ts";
import { readMirror } from "../store/service.ts";
import type { Page, PageRange, PageRef } from "../store/store.ts";
import type { CopyContext } from "./copy-leased.ts";
import { readRecords } from "./kept-page.ts";
import { missingKeysFrom } from "./missing-keys.ts";
import { settleRange } from "./settle-copied.ts";
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
import type { Verdict } from "./verify-leased.ts";

/** Bytes that are read at once of each store. */
const VERIFY_BYTES = 1 << 20;

/** How far a verification is. It stays in the memory of who verifies: who could alter it could give the verdict. */
export interface VerifyCopiedProgress {
  /** From where on it is to go on; null: from the beginning. */
  readonly from: PageRef | null;
  /** Records that were found to be right. */
  readonly records: number;
}

/** How a verification ended; where it only paused, it goes on from `at`. It is never "faulty". */
export type VerifyCopiedEnd =
  | Verdict
  | { readonly end: "missing"; readonly missingKeys: readonly Uint8Array[]; readonly at: VerifyCopiedProgress }
  | { readonly end: "stopped"; readonly at: VerifyCopiedProgress };

/**
 * Verifies a partition of the mirror against the source.
 * @param at - where an earlier call paused; null: from the beginning.
 * @param sleep - waits so many milliseconds for what is on its way.
 * @throws GatekeeperError ROTATION_STATE when neither store says that the one mirrors the other; STORE_*, KEY_UNAVAILABLE,
 * KERNEL_*.
 */
export async function verifyCopied(
  context: CopyContext,
  partition: PageRange,
  at: VerifyCopiedProgress | null = null,
  sleep: (milliseconds: number) => Promise<unknown> = (milliseconds) => setTimeout(milliseconds),
): Promise<VerifyCopiedEnd> {
  const { source, store, keys, stopped, pace } = context;
  await readMirror(source, store, keys.to.rotationId);
  let progress = at ?? { from: null, records: 0 };
  for (;;) {
    await pace?.wait(stopped);
    if (stopped()) return { end: "stopped", at: progress };
    const stretch = await readStretch(source, store, partition, progress.from, VERIFY_BYTES);
    const known = upToMissing(stretch, partsOf(stretch.first, stretch.second), keys);
    if ("missing" in known) {
      const missingKeys = await missingKeysFrom({ store: source, keys }, partition, known.missing);
      return { end: "missing", missingKeys, at: progress };
    }
    const { parts, to } = known;
    let { records } = progress;
    const right = checkParts(context, parts, { from: stretch.from, to });
    for (const [index, part] of parts.entries()) {
      const settled =
        right[index] ?? (await settleRange(context, part, keysOf({ from: stretch.from, to }, part.contract), sleep));
      if (typeof settled !== "number") {
        const why = { contract: toHex(part.contract), key: toHex(settled.wrong) };
        return { end: "verdict", verdict: "damaged", records, why };
      }
      records += settled;
    }
    const pages = [...stretch.first, ...stretch.second];
    pace?.spend(pages.reduce((sum, { body }) => sum + body.length, 0));
    for (const { body } of pages) freeBytes(body);
    progress = { from: to, records };
    if (to === null || isEnd(partition, to)) return { end: "verdict", verdict: "sound", records, why: null };
  }
}

/** How many records of each contract are right; null where not all are. */
function checkParts(
  { engine, keys }: CopyContext,
  parts: readonly Part[],
  stretch: { readonly from: PageRef | null; readonly to: PageRef | null },
): (number | null)[] {
  const jobs: CheckJob[] = [];
  const laid = parts.map((part) => {
    const range = keysOf(stretch, part.contract);
    const pages = layJobs(part, range, keys.pair(part.contract));
    const records = countIn(part.target, range);
    if (pages === null || records === null || !versionsHold(part, range)) return null;
    const first = jobs.length;
    jobs.push(...pages.map(({ job }) => job));
    const expected = pages.map((page) => page.records);
    return expected.reduce((sum, count) => sum + count, 0) === records ? { first, expected, records } : null;
  });
  const outcomes = jobs.length === 0 ? [] : engine.check(keys.from, keys.to, jobs);
  return laid.map((part) => {
    if (part === null) return null;
    const holds = part.expected.every((records, index) => {
      const { wellFormed, moved, wrong, unopenable } = outcomes[part.first + index]!;
      return wellFormed && moved === records && wrong.length === 0 && unopenable.length === 0;
    });
    return holds ? part.records : null;
  });
}

/** A check of each of the source's pages that has records in a range; null where one makes no sense. */
function layJobs(
  { contract, source, target }: Part,
  range: KeyRange,
  pair: ReturnType<CopyContext["keys"]["pair"]>,
): { readonly job: CheckJob; readonly records: number }[] | null {
  const covers = coveredBy(source, range);
  const targets = coveredBy(target, range);
  const laid: { job: CheckJob; records: number }[] = [];
  for (const [index, page] of source.entries()) {
    const all = readRecords(page);
    if (all === null) return null;
    const cover = covers[index]!;
    const records = all.filter(({ key }) => isIn(cover, key));
    if (records.length === 0) continue;
    const after = target.filter((_, at) => meets(targets[at]!, cover)).map(({ body }) => body);
    for (const before of bodiesOf(page, all, records)) {
      laid.push({ job: { contract, before: before.body, after, ...pair! }, records: before.records });
    }
  }
  return laid;
}

/** A page's body, or that of the only records of it that matter. */
function bodiesOf(
  page: Page,
  all: readonly PageRecord[],
  records: readonly PageRecord[],
): { readonly body: Uint8Array; readonly records: number }[] {
  if (records.length === all.length) return [{ body: page.body, records: all.length }];
  return editPage(page.contract, null, records, 0n).map((write) => ({ body: write.body, records: pageRecords(write) }));
}

/** The number of records that pages have in a range; null where one makes no sense, or has records that nobody finds. */
function countIn(pages: readonly Page[], range: KeyRange): number | null {
  const covers = coveredBy(pages, range);
  const whole = coveredBy(pages, { low: new Uint8Array(0), high: null });
  let count = 0;
  for (const [index, page] of pages.entries()) {
    const records = readRecords(page);
    if (records === null || (index + 1 < pages.length && !records.every(({ key }) => isIn(whole[index]!, key))))
      return null;
    for (const { key } of records) if (isIn(covers[index]!, key)) count++;
  }
  return count;
}

/** Whether the mirror's pages say that they have given what the source's say, where those have the same keys. */
function versionsHold({ source, target }: Part, range: KeyRange): boolean {
  const covers = coveredBy(source, range);
  const targets = coveredBy(target, range);
  return source.every((page, index) => {
    const highest = believedWriteVersion(page);
    const over = target.filter((_, at) => meets(targets[at]!, covers[index]!));
    const holds = over.every((now) => {
      const said = highestWriteVersion(now);
      return said >= highest && said < WRITE_VERSION_LIMIT;
    });
    return holds && (over.length > 0 || highest === 0n);
  });
}

function isEnd({ to: end }: PageRange, to: PageRef): boolean {
  return end !== null && toHex(end.contract) === toHex(to.contract) && toHex(end.lowerBound) === toHex(to.lowerBound);
}
