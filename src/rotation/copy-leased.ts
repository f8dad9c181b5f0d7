/**
 * The copy of a partition that the chain has leased to this pRuntime, from a network's store to its mirror: every record is
 * re-encrypted on the way (transfer.ts). The source is read and never written, and stays whole.
 *
 * The mirror is shared by all pRuntimes of a network, and a lease may pass on while its holder still works: the mirror's
 * checkpoint of the partition names the holder, and every commit is one with it. Whoever takes it over goes on where it is.
 *
 * In a partition that was found to be damaged all is carried over once more, and what the source has not goes: whatever an
 * earlier copy wrote is of no account, but for the versions of its pages. So nothing is kept that would prove who it was.
 */
import { createHash } from "node:crypto";
import { freeBytes, fromHex, toHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import { splitPage, replacePage } from "../store/page-edit.ts";
import { comparePlaces } from "../store/page.ts";
import { readMirror } from "../store/service.ts";
import type { CellExpectation, CellWrite, Page, PageRef, PageWrite, StateStore } from "../store/store.ts";
import { type Checkpoint, type LeasedPartition, sweepAnew, takeCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { FAILURES_NAMED_MAX, packRef, unpackRef, type Versioned } from "./control.ts";
import { readRecords } from "./kept-page.ts";
import type { LeasedContext, LeasedSweepEnd, SweepLeasedOptions } from "./leased-partition.ts";
import { missingKeysFrom } from "./missing-keys.ts";
import { asideCells, asidePageCells, fitsCell } from "../store/quarantine.ts";
import type { Receipt } from "./receipt.ts";
import { namesOf } from "./transfer.ts";
import { type StretchTransfer, transferStretch } from "./transfer-stretch.ts";

/** Page bytes that are read of each store for one commit: as for a sweep (stretches.ts). */
const COPY_BYTES = 1 << 21;
const NO_KEY = new Uint8Array(0);
const NOTHING_COPIED = { pages: 0, digest: `0x${"00".repeat(32)}` } as const;

/** What a thread needs to copy and to verify copies: its `store` is the mirror, which the checkpoints are in. */
export interface CopyContext extends LeasedContext {
  /** The store that is mirrored. */
  readonly source: StateStore;
}

/**
 * Copies a leased partition from its checkpoint to its end. One that is done gives its receipt again, unless there are
 * records that could not be opened: then it is copied once more.
 *
 * Its receipt counts the mirror's pages that this pRuntime wrote, whether or not that had to be done again; its digest is
 * SHA-256 over a context string, the digest before it (zeros for the first) and, for each page of a commit, contract id,
 * lower bound's length in 2 bytes (LE), lower bound and SHA-256 of the body.
 * @throws GatekeeperError ROTATION_STATE when neither store says that the one mirrors the other, or not any more; STORE_*,
 * KEY_UNAVAILABLE, KERNEL_*.
 */
export async function copyLeased(
  context: CopyContext,
  partition: LeasedPartition,
  options: SweepLeasedOptions = {},
): Promise<LeasedSweepEnd> {
  const { store, keys } = context;
  const expects = [(await mirrorOf(context)).cell];
  for (const bound of [partition.from, partition.to]) {
    if (bound !== null && !(await cutFor(store, bound, expects))) await mirrorOf(context);
  }
  const taken = await takeCheckpoint({ store, rotationId: keys.to.rotationId, identity: context.identity }, partition);
  if (taken === null) return { end: "lost" };
  if (taken.value.done && taken.value.failed === 0) return receiptOf(taken.value);
  const begin = taken.value.done ? { ...taken, value: sweepAnew(taken.value) } : taken;
  return await copyOn(context, partition, options, begin, expects);
}

/** @throws GatekeeperError ROTATION_STATE when the store is not the mirror of the source. */
async function mirrorOf({ source, store, keys }: CopyContext): Promise<{ readonly cell: CellExpectation }> {
  return (await readMirror(source, store, keys.to.rotationId)).target;
}

async function copyOn(
  context: CopyContext,
  partition: LeasedPartition,
  options: SweepLeasedOptions,
  checkpoint: Versioned<Checkpoint>,
  expects: readonly CellExpectation[],
): Promise<LeasedSweepEnd> {
  const { source, store, stopped, pace, engine, keys } = context;
  const aside = options.quarantine === true;
  let maxBytes = COPY_BYTES;
  for (;;) {
    await pace?.wait(stopped);
    if (stopped()) return { end: "stopped" };
    const from = unpackRef(checkpoint.value.cursor);
    const exact = partition.attempt > 0;
    const transfer = { source, target: store, engine, keys };
    const stretch = await transferStretch(transfer, partition, { from, maxBytes, exact, aside });
    if ("missing" in stretch) {
      const missingKeys = await missingKeysFrom({ store: source, keys }, partition, stretch.missing);
      return { end: "missing", missingKeys };
    }
    const value = countIn(checkpoint.value, stretch, partition, aside);
    const result = await store.commit({
      groups: stretch.groups,
      sealedUnder: keys.to.rotationId,
      contracts: await namesOf(source, stretch.contracts),
      cells: [writeCheckpoint(checkpoint, value), ...(aside ? await quarantined(context, stretch) : [])],
      expects,
    });
    if (!result.cellsHeld) {
      await mirrorOf(context);
      return { end: "lost" };
    }
    pace?.spend(stretch.pages.reduce((sum, { body }) => sum + body.length, 0));
    for (const { body } of stretch.pages) freeBytes(body);
    if (result.conflicts.length > 0) {
      // Busy pages: less is read next, to get in between two of their writes. What was written is written once more.
      maxBytes = Math.max(1, Math.floor(maxBytes / 8));
      continue;
    }
    maxBytes = Math.min(COPY_BYTES, maxBytes * 2);
    checkpoint = { ...checkpoint, version: checkpoint.version + 1, value };
    if (value.done) return receiptOf(value);
  }
}

/** The checkpoint behind a stretch. */
function countIn(
  before: Checkpoint,
  stretch: StretchTransfer,
  { to: end }: LeasedPartition,
  aside: boolean,
): Checkpoint {
  const unopened = stretch.unopened.map(({ contract, record }) => ({
    contract: toHex(contract),
    key: toHex(record.key),
  }));
  const pagesLeft = stretch.malformed.filter((page) => !aside || !fitsCell(page));
  const failures = [
    ...pagesLeft.map(({ contract, lowerBound }) => ({ contract: toHex(contract), key: toHex(lowerBound) })),
    ...(aside ? [] : unopened),
  ];
  const putAside = aside ? unopened.length + stretch.malformed.length - pagesLeft.length : 0;
  const isEnd = stretch.to === null || (end !== null && comparePlaces(stretch.to, end) >= 0);
  const { pages, digest } = before.copied ?? NOTHING_COPIED;
  const writes = stretch.groups.flat();
  return {
    ...before,
    // Whoever takes over what is done, does its last stretch again.
    cursor: isEnd ? before.cursor : packRef(stretch.to),
    done: isEnd,
    found: before.found + stretch.records + stretch.unopened.length,
    failed: before.failed + failures.length,
    failures: [...before.failures, ...failures].slice(0, FAILURES_NAMED_MAX),
    quarantined: before.quarantined + putAside,
    records: before.records + stretch.records,
    bytes: before.bytes + stretch.bytes,
    copied: { pages: pages + writes.length, digest: writes.length === 0 ? digest : digestOf(digest, writes) },
  };
}

function digestOf(before: string, writes: readonly PageWrite[]): string {
  const sum = createHash("sha256").update(CONTEXT.copyDigest, "ascii").update(fromHex(before, "a digest"));
  for (const { contract, lowerBound, body } of writes) {
    sum.update(contract).update(Uint8Array.of(lowerBound.length & 0xff, lowerBound.length >>> 8));
    sum.update(lowerBound).update(createHash("sha256").update(body).digest());
  }
  return toHex(sum.digest());
}

function receiptOf(value: Checkpoint): { readonly end: "done"; readonly receipt: Receipt } {
  const { records, bytes, failed, failures, quarantined: putAside } = value;
  const { pages, digest } = value.copied ?? NOTHING_COPIED;
  const counts = { pages, records, bytes, failed, failures, quarantined: putAside };
  return { end: "done", receipt: { ...counts, digest: fromHex(digest, "a digest") } };
}

/** The mirror's cells that records and pages are put aside in; and what it had of such pages, which is not theirs any more. */
async function quarantined(
  { store, keys }: CopyContext,
  { unopened, orphaned, malformed }: StretchTransfer,
): Promise<CellWrite[]> {
  const { rotationId } = keys.to;
  const cells: CellWrite[] = [];
  for (const { contract, record } of [...unopened, ...orphaned]) {
    cells.push(...(await asideCells(store, contract, [record], rotationId)));
  }
  for (const page of malformed.filter(fitsCell)) cells.push(...(await asidePageCells(store, page, rotationId)));
  return cells;
}

/**
 * Makes a page begin at a bound, so that who copies up to it, and who does behind it, don't write the same one.
 * @returns false when the mirror is none any more.
 */
async function cutFor(store: StateStore, bound: PageRef, expects: readonly CellExpectation[]): Promise<boolean> {
  for (;;) {
    const page = await store.find(bound.contract, bound.lowerBound);
    // A contract's first page, which is not there yet, will begin there.
    if (bound.lowerBound.length === 0 || (page !== null && comparePlaces(page, bound) === 0)) return true;
    const result = await store.commit({ groups: [cutGroup(page, bound)], sealedUnder: null, expects });
    if (!result.cellsHeld) return false;
    if (result.conflicts.length === 0) return true;
  }
}

function cutGroup(page: Page | null, bound: PageRef): PageWrite[] {
  const [empty] = replacePage({ ...bound, version: null }, [], [], 0n) as [PageWrite];
  if (page === null) return [...replacePage({ ...bound, lowerBound: NO_KEY, version: null }, [], [], 0n), empty];
  if (readRecords(page) !== null) return splitPage(page, bound.lowerBound);
  // It is written as it is: what it should have is carried over anew, to both.
  const { contract, lowerBound, version: expected, body } = page;
  return [{ contract, lowerBound, expected, body, counts: [] }, empty];
}
