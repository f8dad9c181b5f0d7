/** Opens every record of a range of pages under its key without looking at it: tags are checked, nothing decrypted. */
import { freeBytes, toHex } from "../bytes.ts";
import type { PageEngine, PageOutcome } from "../engine/page-engine.ts";
import type { Suite } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { CONTRACTS_REMEMBERED, type ContractKeyRing } from "../keys/contract-key-ring.ts";
import { countRotationIds } from "../store/page.ts";
import type { Page, PageRange, StateStore } from "../store/store.ts";

/** Page bytes that are read at once. */
const VERIFY_BYTES = 1 << 20;
/** At most this many failures are named; all are counted. */
export const FAILURES_NAMED_MAX = 1_000;

/** What a range is verified with. */
export interface VerifyContext {
  readonly store: StateStore;
  readonly engine: PageEngine;
  readonly keys: ContractKeyRing;
  readonly suite: Suite;
  /** The current rotation id. */
  readonly rotationId: number;
  /** The one that a rotation under way is leaving, or null. */
  readonly leaving: number | null;
}

/** What was found, in records. */
export interface Verification {
  records: number;
  /** Those that can't be opened: altered, misplaced, or under no key that is held. */
  failed: number;
  /** Those that open, but under the rotation id that is being left. */
  remainingOld: number;
  /** The first failures, in hex. */
  failures: { contract: string; key: string }[];
}

/** Nothing found yet. */
export function emptyVerification(): Verification {
  return { records: 0, failed: 0, remainingOld: 0, failures: [] };
}

/** Adds one verification to another. */
export function addVerification(sum: Verification, part: Verification): void {
  sum.records += part.records;
  sum.failed += part.failed;
  sum.remainingOld += part.remainingOld;
  sum.failures = [...sum.failures, ...part.failures].slice(0, FAILURES_NAMED_MAX);
}

/** Verifies a range from its beginning to its end, calling `onRecords` after each stretch. */
export async function verifyRange(
  context: VerifyContext,
  range: PageRange,
  onRecords: (records: number) => void,
): Promise<Verification> {
  const found = emptyVerification();
  for (let after = null; ;) {
    const scanned: Page[] = await context.store.scan(range, after, VERIFY_BYTES);
    // Each may be a contract of its own, and the ring gives keys of no more at once.
    const pages = scanned.slice(0, CONTRACTS_REMEMBERED);
    const last = pages.at(-1);
    if (last === undefined) return found;
    const before = found.records;
    verifyPages(context, pages, found);
    for (const { body } of scanned) freeBytes(body);
    onRecords(found.records - before);
    after = last;
  }
}

function verifyPages(context: VerifyContext, pages: readonly Page[], found: Verification): void {
  const { rotationId, leaving } = context;
  const readable: Page[] = [];
  const mixed: Page[] = [];
  for (const page of pages) {
    const counts = countsOf(page);
    if (counts === null) fail(found, page, new Set([toHex(page.lowerBound)]));
    if (counts === null || counts.size === 0) continue;
    found.records += [...counts.values()].reduce((sum, records) => sum + records, 0);
    readable.push(page);
    if (leaving !== null && counts.has(leaving)) mixed.push(page);
  }
  // Each run leaves the other generation's records; both name those under neither, which are counted once.
  const current = run(context, readable, rotationId, leaving ?? rotationId);
  const old = leaving === null ? [] : run(context, mixed, leaving, rotationId);
  readable.forEach((page, index) => {
    const outcomes = [current[index]!, ...old.filter((_, at) => mixed[at] === page)];
    fail(found, page, new Set(outcomes.flatMap(({ mismatched }) => mismatched.map(toHex))));
  });
  found.remainingOld += old.reduce((sum, { done }) => sum + done, 0);
}

function run(context: VerifyContext, pages: readonly Page[], from: number, leave: number): PageOutcome[] {
  const contracts = pages.map(({ contract }) => contract);
  const keys = context.keys.materials(from, contracts);
  const jobs = pages.map(({ contract, body }, index) => ({ contract, body, key: keys[index]! }));
  return jobs.length === 0 ? [] : context.engine.verify(context.suite, from, leave, jobs);
}

function fail(found: Verification, page: Page, keys: ReadonlySet<string>): void {
  found.failed += keys.size;
  for (const key of keys) {
    if (found.failures.length === FAILURES_NAMED_MAX) return;
    found.failures.push({ contract: toHex(page.contract), key });
  }
}

function countsOf(page: Page): ReadonlyMap<number, number> | null {
  try {
    return countRotationIds(page);
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return null;
    throw error;
  }
}
