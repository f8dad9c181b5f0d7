/**
 * Checks re-encryptions that somebody else did, without a plaintext: pages that were replaced are re-encrypted once more,
 * under the nonces of the records that are there now, and what comes out must be these records, byte for byte.
 * assembly/page-match.ts has what is done with one record.
 */
import { randomFillSync } from "node:crypto";
import type { Kernels } from "./kernels.ts";
import type { KeyMaterial, PageKeys } from "./page-keys.ts";
import { aadBound, type LaidPage, layPage, rowBoundOf, rowWords, storageKeyOf } from "./page-rows.ts";
import { StatementRoom } from "./page-statement.ts";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "./rows.ts";
import type { RowRunner } from "./run.ts";
import type { SealedUnder } from "./sealed-state.ts";
import { NONCE_BYTES, suiteId } from "./suite.ts";

/** A page that was replaced, and what is there now. */
export interface CheckJob {
  /** Contract id, 32 bytes. */
  readonly contract: Uint8Array;
  /** The body that was replaced. */
  readonly before: Uint8Array;
  /** The bodies that cover its keys now, in order: one, or several where the page was split since. They are copied. */
  readonly after: readonly Uint8Array[];
  /** The keys that its records were under, and are to be under. */
  readonly key: KeyMaterial;
  readonly newKey: KeyMaterial;
}

/** What became of the records of a page that were to be moved: all but those that were where they were to go. */
export interface CheckOutcome {
  /** False when one of the bodies is malformed, or keys are out of order: then nothing is said of a record. */
  readonly wellFormed: boolean;
  /** Records that are what a re-encryption gives. */
  readonly moved: number;
  /** Records that were written again since: their write version is higher now. */
  readonly later: number;
  /** Records that are gone. */
  readonly absent: number;
  /**
   * Storage keys of the records that are not what they must be: of the same write version and other than a
   * re-encryption gives, one that could be moved and was not, one that could not and was changed, or an older state.
   */
  readonly wrong: readonly Uint8Array[];
  /** Storage keys of the records that nobody could move: their old tag does not match. */
  readonly unopenable: readonly Uint8Array[];
  /**
   * The page statement (page-statement.ts) of who brought about what is there now: over the records that have the write
   * version that they had, and other bytes. Null when there are none, and when any other record has not the write
   * version that it had, as what it was moved to is not there any more.
   */
  readonly statement: Uint8Array | null;
}

/** What pageMatch and pageCompare say of a record: assembly/page-match.ts. */
export const FATE = { left: 0, unchanged: 1, changed: 2, later: 3, putBack: 4, absent: 5, moved: 6 } as const;
/** Where they say it: a fate, and the address of a row. */
export const ENTRY_WORDS = 2;
export const ENTRY_BYTES = 4 * ENTRY_WORDS;

const MALFORMED: CheckOutcome = {
  wellFormed: false,
  moved: 0,
  later: 0,
  absent: 0,
  wrong: [],
  unopenable: [],
  statement: null,
};

/** Where a check's rows are, and what is laid beside them. */
interface Matched extends LaidPage {
  /** Address of an entry for each row. */
  readonly entries: number;
  readonly statement: Uint8Array | null;
}

/** Which keys a check takes, and how. */
export interface CheckMeans {
  readonly kernels: Kernels;
  readonly runner: RowRunner;
  readonly keys: PageKeys;
  readonly newKeys: PageKeys;
}

/**
 * Checks the jobs. What is left in the kernels' memory is not public: under a nonce of another's choice a ciphertext says
 * what its plaintext has in common with another's. The caller wipes it.
 * @throws GatekeeperError INVALID_ARGUMENT when a contract id has not 32 bytes, or for more pages than fit 1 GiB.
 */
export function checkPages(
  means: CheckMeans,
  from: SealedUnder,
  to: SealedUnder,
  jobs: readonly CheckJob[],
): CheckOutcome[] {
  const { kernels, runner, keys, newKeys } = means;
  const befores = jobs.map(({ before }) => before);
  const rowsMax = rowBoundOf(befores);
  const rows = kernels.alloc(rowsMax * ROW_BYTES);
  const entries = kernels.alloc(rowsMax * ENTRY_BYTES);
  // Records that there is nothing to compare with are moved too, under a nonce of their own.
  const nonces = kernels.alloc(rowsMax * NONCE_BYTES);
  randomFillSync(kernels.bytes, nonces, rowsMax * NONCE_BYTES);
  const room = new StatementRoom(kernels, befores);
  let count = 0;
  const pages = jobs.map((job): Matched | null => {
    const places = {
      firstRow: rows + count * ROW_BYTES,
      entries: entries + count * ENTRY_BYTES,
      nonces: nonces + count * NONCE_BYTES,
    };
    const page = matchPage(means, from, to, job, places, room);
    count += page?.rows ?? 0;
    return page;
  });
  runner.run("Reencrypt", rows, count, keys.table, newKeys.table);
  kernels.call("pageRelabel", rows, count, suiteId(to.suite), to.rotationId);
  kernels.call("pageCompare", rows, count, entries);
  return pages.map((page) => (page === null ? MALFORMED : outcomeOf(kernels, page)));
}

/** Lays out one job; null if it is malformed. */
function matchPage(
  { kernels, keys, newKeys }: CheckMeans,
  from: SealedUnder,
  to: SealedUnder,
  job: CheckJob,
  places: { readonly firstRow: number; readonly entries: number; readonly nonces: number },
  room: StatementRoom,
): Matched | null {
  const { contract, before } = job;
  const leave = { rotationId: to.rotationId, suiteId: suiteId(to.suite) };
  const key = keys.contextOf(job.key);
  const newKey = newKeys.contextOf(job.newKey);
  const page = layPage(kernels, { contract, body: before }, { from, leave }, key, places.firstRow);
  const now = layNow(kernels, job, from);
  if (page.rows < 0 || now === null) return null;
  const { firstRow, rows } = page;
  const newAads = kernels.alloc(aadBound(before));
  kernels.call("pageRetarget", firstRow, rows, leave.suiteId, to.rotationId, newKey, places.nonces, newAads);
  const { entries } = places;
  const end = kernels.call("pageMatch", firstRow, rows, now.rows, now.count, entries, room.begin(contract));
  return end === 0 ? null : { ...page, entries, statement: room.finish(end) };
}

/** Describes the records that are there now, for their places alone; null if a body is malformed. */
function layNow(kernels: Kernels, job: CheckJob, from: SealedUnder): { rows: number; count: number } | null {
  const rows = kernels.alloc(rowBoundOf(job.after) * ROW_BYTES);
  const leave = { rotationId: from.rotationId, suiteId: 0 };
  let count = 0;
  for (const body of job.after) {
    const page = layPage(kernels, { contract: job.contract, body }, { from, leave }, 0, rows + count * ROW_BYTES);
    if (page.rows < 0) return null;
    count += page.rows;
  }
  return { rows, count };
}

function outcomeOf(kernels: Kernels, page: Matched): CheckOutcome {
  const words = rowWords(kernels, page);
  const fates = new Uint32Array(kernels.bytes.buffer, page.entries, page.rows * ENTRY_WORDS);
  const numbers = { moved: 0, later: 0, absent: 0 };
  const wrong: Uint8Array[] = [];
  const unopenable: Uint8Array[] = [];
  let gone = 0;
  for (let row = 0; row < page.rows; row++) {
    const at = row * ROW_WORDS;
    const fate = fates[row * ENTRY_WORDS]!;
    if (fate === FATE.left) continue;
    const opens = words[at + ROW.status] === RecordStatus.done;
    if (!opens) unopenable.push(storageKeyOf(kernels, words, at));
    if (fate === FATE.moved) numbers.moved++;
    else if (fate === FATE.later) numbers.later++;
    else if (fate === FATE.absent) numbers.absent++;
    else if (fate !== FATE.unchanged || opens) wrong.push(storageKeyOf(kernels, words, at));
    if (fate === FATE.later || fate === FATE.absent || fate === FATE.putBack) gone++;
  }
  return { wellFormed: true, ...numbers, wrong, unopenable, statement: gone === 0 ? page.statement : null };
}
