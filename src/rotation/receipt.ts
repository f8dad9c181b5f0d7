/** What a pRuntime states of a partition that it has swept; it signs that, and the chain keeps it. */
import { createHash } from "node:crypto";
import { compareBytes, toHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import type { KeptRef, KeptStatement, PageRange, StateStore } from "../store/store.ts";
import type { PartitionState } from "./control.ts";

/** Statements that are read at once. */
const STATEMENTS_AT_ONCE = 4_096;

/** The statement of a page from which records were only put aside. */
export const NOTHING_MOVED = new Uint8Array(32);

/** See the file's comment. Counts are in records and bytes of their texts. */
export interface Receipt {
  /** Pages that this pRuntime replaced, and that are kept aside. */
  readonly pages: number;
  /** What this pRuntime re-encrypted, whether or not it had to be done again. */
  readonly records: number;
  readonly bytes: number;
  /** Records of the partition that can't be opened and were left as they are; the first are named, in hex. */
  readonly failed: number;
  readonly failures: PartitionState["failures"];
  /** Records of the partition that were put aside for that. */
  readonly quarantined: number;
  /** 32 bytes: SHA-256 over a context string and the statements of those pages, in order of place and version. */
  readonly digest: Uint8Array;
}

/** The kept pages of one pRuntime in a range. */
export interface OwnStatements {
  readonly pages: number;
  readonly digest: Uint8Array;
  /** By `keptName`. */
  readonly statements: ReadonlyMap<string, Uint8Array>;
}

/** Reads what a pRuntime's receipt for a range is about, from the store's own list. */
export async function ownStatements(store: StateStore, range: PageRange, by: Uint8Array): Promise<OwnStatements> {
  const statements = new Map<string, Uint8Array>();
  const digest = await digestOwn(store, range, by, (kept) => statements.set(keptName(kept), kept.statement));
  return { pages: statements.size, digest, statements };
}

/** What a pRuntime's receipt for a range says of its kept pages, from the store's own list. */
export async function ownPages(
  store: StateStore,
  range: PageRange,
  by: Uint8Array,
): Promise<Pick<Receipt, "pages" | "digest">> {
  let pages = 0;
  const digest = await digestOwn(store, range, by, () => pages++);
  return { pages, digest };
}

/** @param each - of the range's kept pages that are the pRuntime's, in order. @returns their digest. */
async function digestOwn(
  store: StateStore,
  range: PageRange,
  by: Uint8Array,
  each: (kept: KeptStatement) => void,
): Promise<Uint8Array> {
  const sum = createHash("sha256").update(CONTEXT.partitionDigest, "ascii");
  for (let after: KeptStatement | null = null; ;) {
    const some: KeptStatement[] = await store.keptStatements(range, after, STATEMENTS_AT_ONCE);
    for (const kept of some) {
      if (compareBytes(kept.by, by) !== 0) continue;
      sum.update(kept.statement);
      each(kept);
    }
    if (some.length < STATEMENTS_AT_ONCE) return new Uint8Array(sum.digest());
    after = some.at(-1)!;
  }
}

/** A kept page's name among those of a store. */
export function keptName({ contract, lowerBound, version }: KeptRef): string {
  return `${toHex(contract)} ${toHex(lowerBound)} ${version}`;
}
