/**
 * The verification of a partition that another pRuntime has swept. It reads, and writes nothing but the store's minimum
 * rotation id: whatever interrupts it, the next one finds the same. Kept pages are dropped (`dropKept`) when the chain
 * has the verdict.
 *
 * - The store's list of kept pages must be the one that the sweeper's receipt is about.
 * - Each kept page's records must have become what is there now (kept-page.ts).
 * - All that the partition has must be under the new rotation id, and open: tags are checked, nothing is decrypted.
 *
 * "faulty" blames the sweeper, so it needs what nobody else can have brought about: the receipt has the page's statement,
 * which names the tags of a record before and after; both records are there, and open with these tags; and yet the one is
 * not what a re-encryption makes of the other. (Who holds the contract's key could make another text with the same tag.)
 * "overwritten" is as good as "sound", but some of it was written since it was swept: it may have been wrong before.
 * All else is "damaged". A record that is gone, say, may have been taken by whoever can write the store's file, or never
 * have been in the page that was swept.
 */
import { compareBytes, freeBytes, toHex } from "../bytes.ts";
import type { KeptPage, KeptRef, Page, PageRange, PageRef, StateStore } from "../store/store.ts";
import type { PartitionState } from "./control.ts";
import { type JudgedPage, isWrittenSince, judgePages } from "./kept-page.ts";
import { type LeasedContext, raiseMinimum } from "./leased-partition.ts";
import { missingKeysFrom } from "./missing-keys.ts";
import { contentOf, isEmptyPage } from "./page-steps.ts";
import { keptName, type OwnStatements, ownStatements, type Receipt } from "./receipt.ts";
import { SWEEP_PAGES } from "./stretches.ts";

/** Bytes that are read at once. */
const VERIFY_BYTES = 1 << 20;
/** Kept pages that are dropped in one commit, which zeroes them: as many as a sweep writes in one. */
const DROPS_AT_ONCE = 128;

/** Names a record, or a page by its lower bound, in hex. */
type RecordName = PartitionState["failures"][number];

/** What was found. */
export interface Verdict {
  readonly end: "verdict";
  readonly verdict: "sound" | "overwritten" | "faulty" | "damaged";
  /** Records of the partition that are under the new rotation id and open; all of them where it is sound. */
  readonly records: number;
  /** What is wrong; null where nothing is, or where the list of kept pages is not the receipt's. */
  readonly why: RecordName | null;
}

/** How far a verification is. It stays in the memory of who verifies: who could alter it could give the verdict. */
export interface VerifyProgress {
  /** The last kept page that was judged; and whether all were. */
  readonly kept: KeptRef | null;
  readonly allKept: boolean;
  /** Of them, those that the receipt is about. */
  readonly stated: number;
  /** The last page that was scanned. */
  readonly page: PageRef | null;
  readonly records: number;
  /** Whether some of them were written since. */
  readonly overwritten: boolean;
  /** The first damage that was found; blame may still be. */
  readonly damage: RecordName | null;
}

/** How a verification ended; where it only paused, it goes on from `at`. */
export type LeasedVerifyEnd =
  | Verdict
  | { readonly end: "missing"; readonly missingKeys: readonly Uint8Array[]; readonly at: VerifyProgress }
  | { readonly end: "stopped"; readonly at: VerifyProgress };

const BEGINNING: VerifyProgress = {
  kept: null,
  allKept: false,
  stated: 0,
  overwritten: false,
  page: null,
  records: 0,
  damage: null,
};

/**
 * Verifies a partition against its sweeper's receipt.
 * @param sweeper - its IdentityKey.
 * @param at - where an earlier call paused; null: from the beginning.
 * @throws GatekeeperError ROTATION_STATE when the store is beyond this rotation; STORE_*, KEY_UNAVAILABLE, KERNEL_*.
 */
export async function verifyLeased(
  context: LeasedContext,
  partition: PageRange,
  receipt: Pick<Receipt, "pages" | "digest">,
  sweeper: Uint8Array,
  at: VerifyProgress | null = null,
): Promise<LeasedVerifyEnd> {
  const { store, keys } = context;
  // Else records under the old rotation id could come after it.
  await raiseMinimum(store, keys.to.rotationId);
  const own = await ownStatements(store, partition, sweeper);
  const isReceipts = own.pages === receipt.pages && compareBytes(own.digest, receipt.digest) === 0;
  if (!isReceipts) return { end: "verdict", verdict: "damaged", records: 0, why: null };
  const judged = await judgeKept(context, partition, own, at ?? BEGINNING);
  if ("end" in judged) return judged;
  if (judged.damage !== null) return { end: "verdict", verdict: "damaged", records: 0, why: judged.damage };
  if (judged.stated !== own.pages) return { end: "verdict", verdict: "damaged", records: 0, why: null };
  return scanAll(context, partition, judged);
}

/**
 * Drops a partition's kept pages. That is for when the chain has the verdict that it is sound: until then they are all
 * that it can be verified with.
 */
export async function dropKept(store: StateStore, partition: PageRange): Promise<void> {
  for (;;) {
    const drop = await store.keptStatements(partition, null, DROPS_AT_ONCE);
    if (drop.length === 0) return;
    // What comes back when the machine fails is dropped again: who certifies a rotation waits until nothing is left on disk, either.
    await store.commit({ groups: [], sealedUnder: null, drop, mayBeLost: true });
  }
}

/** Judges the kept pages that are left; what is wrong with them is blame at once, damage only when all are judged. */
async function judgeKept(
  context: LeasedContext,
  partition: PageRange,
  own: OwnStatements,
  at: VerifyProgress,
): Promise<VerifyProgress | LeasedVerifyEnd> {
  while (!at.allKept) {
    await context.pace?.wait(context.stopped);
    if (context.stopped()) return { end: "stopped", at };
    const some = await context.store.kept(partition, at.kept, VERIFY_BYTES);
    const known = await knownKeys(context, partition, some, ({ contract }) => context.keys.pair(contract) !== null);
    if ("missingKeys" in known) return { ...known, at };
    const { pages } = known;
    let { stated, overwritten, damage } = at;
    for (const judged of await judgePages(context, pages)) {
      overwritten ||= isWrittenSince(judged);
      const statement = own.statements.get(keptName(judged.kept));
      if (statement !== undefined) stated++;
      if (judged.wrong === null) continue;
      const blamed = statement === undefined ? null : blameFor(context, judged, statement);
      if (blamed !== null) {
        return { end: "verdict", verdict: "faulty", records: 0, why: nameOf(judged.kept, blamed) };
      }
      damage ??= nameOf(judged.kept, judged.wrong);
    }
    context.pace?.spend(bytesOf(pages));
    for (const { body } of some) freeBytes(body);
    const last = pages.at(-1);
    at = {
      ...at,
      stated,
      overwritten,
      damage,
      allKept: last === undefined,
      kept: last === undefined ? at.kept : refOf(last),
    };
  }
  return at;
}

/** The key of a record that only the sweeper can have made what it is; null if there is none. */
function blameFor(
  { engine, keys }: LeasedContext,
  { kept, bodies, check }: JudgedPage,
  statement: Uint8Array,
): Uint8Array | null {
  const isStated = check.statement !== null && compareBytes(check.statement, statement) === 0;
  if (!isStated) return null;
  const { suite, rotationId } = keys.to;
  const key = keys.fresh(kept.contract)!;
  const jobs = bodies.map((body) => ({ contract: kept.contract, body, key }));
  const outcomes = engine.verify(suite, rotationId, rotationId, jobs);
  const unopened = new Set([...outcomes.flatMap(({ mismatched }) => mismatched), ...check.unopenable].map(toHex));
  return check.wrong.find((name) => !unopened.has(toHex(name))) ?? null;
}

/** Verifies that all records are under the new rotation id and open. */
async function scanAll(context: LeasedContext, partition: PageRange, at: VerifyProgress): Promise<LeasedVerifyEnd> {
  const { store, engine, keys } = context;
  const { suite, rotationId } = keys.to;
  for (;;) {
    await context.pace?.wait(context.stopped);
    if (context.stopped()) return { end: "stopped", at };
    const scanned = await store.scan(partition, at.page, VERIFY_BYTES);
    const some = scanned.slice(0, SWEEP_PAGES);
    const known = await knownKeys(context, partition, some, (page) => {
      return keys.fresh(page.contract) !== null || isEmptyPage(page);
    });
    if ("missingKeys" in known) return { ...known, at };
    const { pages } = known;
    const last = pages.at(-1);
    if (last === undefined) {
      const verdict = at.overwritten ? "overwritten" : "sound";
      return { end: "verdict", verdict, records: at.records, why: null };
    }
    const contents = pages.map(contentOf);
    // The engine alone would not see that keys are out of order.
    const malformed = pages[contents.indexOf("malformed")];
    if (malformed !== undefined) {
      const why = nameOf(malformed, malformed.lowerBound);
      return { end: "verdict", verdict: "damaged", records: at.records, why };
    }
    const filled = pages.filter((_, index) => contents[index] === "records");
    const jobs = filled.map(({ contract, body }) => ({ contract, body, key: keys.fresh(contract)! }));
    const outcomes = engine.verify(suite, rotationId, rotationId, jobs);
    let { records } = at;
    for (const [index, { done, mismatched }] of outcomes.entries()) {
      const page = filled[index]!;
      records += done;
      const [wrong] = mismatched;
      if (wrong !== undefined) return { end: "verdict", verdict: "damaged", records, why: nameOf(page, wrong) };
    }
    context.pace?.spend(bytesOf(pages));
    for (const { body } of scanned) freeBytes(body);
    at = { ...at, records, page: refOf(last) };
  }
}

/** The first pages of some, up to one of a contract whose keys are not at hand. */
async function knownKeys<T extends PageRef>(
  context: LeasedContext,
  partition: PageRange,
  some: readonly T[],
  isKnown: (page: T) => boolean,
): Promise<{ readonly pages: readonly T[] } | { readonly end: "missing"; readonly missingKeys: Uint8Array[] }> {
  const without = some.findIndex((page) => !isKnown(page));
  if (without < 0) return { pages: some };
  if (without > 0) return { pages: some.slice(0, without) };
  return { end: "missing", missingKeys: await missingKeysFrom(context, partition, some[0]!) };
}

function nameOf({ contract }: PageRef, key: Uint8Array): RecordName {
  return { contract: toHex(contract), key: toHex(key) };
}

/** Only the place of what may have a body. */
function refOf<T extends Page | KeptPage>({ contract, lowerBound, version }: T): KeptRef {
  return { contract, lowerBound, version };
}

function bytesOf(pages: readonly { readonly body: Uint8Array }[]): number {
  return pages.reduce((sum, { body }) => sum + body.length, 0);
}
