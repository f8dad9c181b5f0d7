/**
 * What the store tests share: records whose sealed states have the right header and lengths but were sealed by nobody,
 * and short ways to write and read them.
 */
import { expect } from "vitest";
import { compareBytes } from "../../src/bytes.ts";
import { editPage, type RecordEdit } from "../../src/store/page-edit.ts";
import { highestWriteVersion } from "../../src/store/page.ts";
import type { Commit, Keep, Page, PageRange, PageRef, PageWrite, StateStore } from "../../src/store/store.ts";

/** A contract id whose bytes are all `byte`. */
export function contractId(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte);
}

export function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value));
}

/** A sealed state of `bytes` bytes (42 at least) under a rotation id; `fill` tells its contents apart. */
export function sealedState(rotationId: number, fill = 0, bytes = 42): Uint8Array {
  const sealed = new Uint8Array(bytes).fill(fill);
  sealed[0] = 1;
  sealed[1] = 1;
  new DataView(sealed.buffer).setUint32(2, rotationId, true);
  return sealed;
}

/** A page body of these records, laid out by hand and not by the code under test. */
export function bodyOf(records: readonly [key: Uint8Array, sealed: Uint8Array][], highest = 0n): Uint8Array {
  const header = Buffer.alloc(16);
  header[0] = 1;
  header.writeUInt32LE(records.length, 4);
  header.writeBigUInt64LE(highest, 8);
  const parts: Uint8Array[] = [header];
  for (const [key, sealed] of records) {
    const lengths = Buffer.alloc(6);
    lengths.writeUInt16LE(key.length, 0);
    lengths.writeUInt32LE(sealed.length, 2);
    parts.push(lengths, key, sealed);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** The write of a page, new unless `expected` is given, that holds one record under `rotationId`. */
export function pageWrite(
  contract: Uint8Array,
  lowerBound: Uint8Array,
  { expected = null, rotationId = 0, fill = 0 }: { expected?: number | null; rotationId?: number; fill?: number } = {},
): PageWrite {
  const body = bodyOf([[lowerBound, sealedState(rotationId, fill)]], 1n);
  return { contract, lowerBound, expected, body, counts: expected === null ? [[rotationId, 1]] : [] };
}

/** What somebody says of a page that he replaces; `fill` tells one from another. */
export function keepOf(fill: number, by = new Uint8Array(33).fill(fill)): Keep {
  return { by, statement: new Uint8Array(32).fill(fill) };
}

/** A commit of groups that seals under `sealedUnder` (0). */
export function commitOf(groups: Commit["groups"], rest: Partial<Commit> = {}): Commit {
  return { groups, sealedUnder: 0, ...rest };
}

/** Puts and deletes records of one contract that may lie in several pages: one commit, tried once. */
export async function applyEdits(
  store: StateStore,
  contract: Uint8Array,
  edits: readonly RecordEdit[],
  sealedUnder: number,
): Promise<boolean> {
  const groups: PageWrite[][] = [];
  const sorted = edits.toSorted((a, b) => compareBytes(a.key, b.key));
  for (let next = 0; next < sorted.length;) {
    const page = await store.find(contract, sorted[next]!.key);
    const inPage: RecordEdit[] = [];
    for (; next < sorted.length; next++) {
      const edit = sorted[next]!;
      const other = await store.find(contract, edit.key);
      if (other !== null && page !== null && compareBytes(other.lowerBound, page.lowerBound) !== 0) break;
      inPage.push(edit);
    }
    groups.push(editPage(contract, page, inPage, (page === null ? 0n : highestWriteVersion(page)) + 1n));
  }
  const { conflicts } = await store.commit({ groups, sealedUnder });
  return conflicts.length === 0;
}

/** The whole store. */
export const ALL: PageRange = { from: null, to: null };
export const ALL_BYTES = Number.MAX_SAFE_INTEGER;
export const NO_KEY = new Uint8Array(0);

/** A place: contract id of one byte value, lower bound as text. */
export function place(contract: number, lowerBound: string): PageRef {
  return { contract: contractId(contract), lowerBound: text(lowerBound) };
}

/** Places as short text. */
export function placesOf(pages: readonly PageRef[]): string[] {
  return pages.map(({ contract, lowerBound }) => `${contract[0]}/${Buffer.from(lowerBound).toString("latin1")}`);
}

/** Every page of a range, read in steps of `maxBytes`. */
export async function scanAll(store: StateStore, range: PageRange = ALL, maxBytes = 20_000): Promise<Page[]> {
  const pages: Page[] = [];
  for (;;) {
    const more = await store.scan(range, pages.at(-1) ?? null, maxBytes);
    if (more.length === 0) return pages;
    pages.push(...more);
  }
}

/** Asserts that a promise rejects with this code, and with a message like that. */
export function failsWith(promise: Promise<unknown>, code: string, message: RegExp = /./): Promise<void> {
  return expect(promise).rejects.toMatchObject({
    name: "GatekeeperError",
    code,
    message: expect.stringMatching(message),
  });
}
