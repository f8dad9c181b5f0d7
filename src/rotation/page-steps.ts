/** From pages as they were read to the writes that move their records to another rotation id. */
import { toHex } from "../bytes.ts";
import type { KeyMaterial, PageEngine, ReencryptJob, ReencryptOutcome } from "../engine/page-engine.ts";
import type { SealedUnder } from "../engine/sealed-state.ts";
import { GatekeeperError } from "../errors.ts";
import { countRotationIds, type PageBody } from "../store/page.ts";
import type { Page, PageRef, PageWrite } from "../store/store.ts";
import type { PartitionState } from "./control.ts";

/** What re-encrypting one page gave. */
export interface PageStep {
  /** Null when no record of it could be re-encrypted. */
  readonly write: PageWrite | null;
  readonly records: number;
  readonly bytes: number;
  readonly failures: PartitionState["failures"];
}

/** Both keys of a contract. */
export interface KeyPair {
  readonly key: KeyMaterial;
  readonly newKey: KeyMaterial;
}

/** How pages are re-encrypted. */
export interface PageMove {
  readonly engine: PageEngine;
  readonly from: SealedUnder;
  readonly to: SealedUnder;
  /** Who re-encrypts, where the bodies that are replaced are to be kept; null where they are not. */
  readonly by: Uint8Array | null;
}

/**
 * Sorts pages by what a sweep has to do with each: "behind" where a record is not under rotation id `to` yet; "done";
 * "malformed" where the body's bytes make no sense.
 */
export function sortPages(pages: readonly PageBody[], to: number): ("behind" | "done" | "malformed")[] {
  return pages.map((page) => {
    const ids = rotationIdsOf(page);
    if (ids === null) return "malformed";
    return [...ids.keys()].some((id) => id !== to) ? "behind" : "done";
  });
}

/**
 * Re-encrypts pages that are behind; each that holds a record that could be moved is to be written.
 * @param keys - one pair a page; the same object for the same contract.
 * @returns a step a page. The bodies of the writes are the engine's, and last until its next call.
 */
export function movePages(move: PageMove, pages: readonly Page[], keys: readonly KeyPair[]): PageStep[] {
  const jobs = pages.map(({ contract, body }, index): ReencryptJob => ({ contract, body, ...keys[index]! }));
  if (jobs.length === 0) return [];
  const outcomes = move.engine.reencrypt(move.from, move.to, jobs, { statements: move.by !== null });
  return outcomes.map((outcome, index) => stepOf(pages[index]!, outcome, move));
}

function stepOf(page: Page, outcome: ReencryptOutcome, { from, to, by }: PageMove): PageStep {
  if (!outcome.wellFormed) return malformedStep(page);
  const { contract, lowerBound, version: expected } = page;
  const counts: PageWrite["counts"] = [
    [from.rotationId, -outcome.done],
    [to.rotationId, outcome.done],
  ];
  const keep = by === null ? {} : { keep: { by, statement: outcome.statement! } };
  return {
    write: outcome.done === 0 ? null : { contract, lowerBound, expected, body: outcome.body, counts, ...keep },
    records: outcome.done,
    bytes: outcome.bytes,
    failures: outcome.mismatched.map((key) => ({ contract: toHex(contract), key: toHex(key) })),
  };
}

/** A page that can't be read is named by its lower bound; like a record that can't be opened, it blocks abandonment. */
export function malformedStep({ contract, lowerBound }: PageRef): PageStep {
  return { write: null, records: 0, bytes: 0, failures: [{ contract: toHex(contract), key: toHex(lowerBound) }] };
}

/** Whether a page has no records, so that no key is needed for it. */
export function isEmptyPage(page: PageBody): boolean {
  return contentOf(page) === "empty";
}

/** Whether a page has records, none, or bytes that make no sense. */
export function contentOf(page: PageBody): "records" | "empty" | "malformed" {
  const ids = rotationIdsOf(page);
  return ids === null ? "malformed" : ids.size === 0 ? "empty" : "records";
}

/** The number of a page's records by rotation id, or null when its bytes make no sense. */
function rotationIdsOf(page: PageBody): ReadonlyMap<number, number> | null {
  try {
    return countRotationIds(page);
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return null;
    throw error;
  }
}
