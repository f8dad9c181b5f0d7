/** Pages in the kernels' memory, and the descriptor rows of their records: assembly/page.ts is the other side. */
import { GatekeeperError } from "../errors.ts";
import type { Kernels } from "./kernels.ts";
import { ROW, ROW_WORDS } from "./rows.ts";
import type { SealedUnder } from "./sealed-state.ts";
import { suiteId } from "./suite.ts";

const PAGE_HEADER_BYTES = 16;
const RECORD_COUNT_OFFSET = 4;
/** Key length, sealed length, and a sealed state of an empty text: no record in a page is smaller. */
const RECORD_BYTES_MIN = 48;
const CONTRACT_BYTES = 32;
/** What the storage key follows in an AAD. */
const AAD_PREFIX_BYTES = 46;
const STORAGE_KEY_BYTES_MAX = 4_096;

/** A page in the kernels' memory, and its rows. */
export interface LaidPage {
  readonly body: number;
  readonly length: number;
  /** Address of its first row. */
  readonly firstRow: number;
  /** Number of its rows; -1: malformed. */
  readonly rows: number;
}

/** Which of a page's records are pending, and which are left; the others are mismatched at once. */
export interface RowSelection {
  readonly from: SealedUnder;
  /** The suite 0 stands for any. */
  readonly leave: { readonly rotationId: number; readonly suiteId: number };
}

/**
 * Lays out a page and describes its records.
 * @param key - address of their key's context.
 * @param firstRow - where `rowBound` rows have room.
 * @throws GatekeeperError INVALID_ARGUMENT when the contract id has not 32 bytes, or where memory would exceed 1 GiB.
 */
export function layPage(
  kernels: Kernels,
  page: { readonly contract: Uint8Array; readonly body: Uint8Array },
  { from, leave }: RowSelection,
  key: number,
  firstRow: number,
): LaidPage {
  const { length } = page.body;
  if (page.contract.length !== CONTRACT_BYTES) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a contract id has 32 bytes, not ${page.contract.length}`);
  }
  const body = kernels.put(page.body);
  const contract = kernels.put(page.contract);
  const aads = kernels.alloc(aadBound(page.body));
  const rows = kernels.call(
    "pageDescribe",
    body,
    length,
    contract,
    suiteId(from.suite),
    from.rotationId,
    leave.suiteId,
    leave.rotationId,
    key,
    firstRow,
    aads,
  );
  return { body, length, firstRow, rows };
}

/** Most rows that a body can give, whatever its header claims. */
function rowBound(body: Uint8Array): number {
  return Math.min(recordCount(body), Math.floor(body.length / RECORD_BYTES_MIN));
}

/** Most rows that bodies can give. */
export function rowBoundOf(bodies: readonly Uint8Array[]): number {
  return bodies.reduce((sum, body) => sum + rowBound(body), 0);
}

/** Bytes that the AADs of a body can take, with the 16 behind them that the kernels may write over. */
export function aadBound(body: Uint8Array): number {
  return 16 + Math.min(body.length, rowBound(body) * (AAD_PREFIX_BYTES + STORAGE_KEY_BYTES_MAX));
}

/** The words of a page's rows: a view that is void when memory grows. */
export function rowWords(kernels: Kernels, page: LaidPage): Uint32Array {
  return new Uint32Array(kernels.bytes.buffer, page.firstRow, page.rows * ROW_WORDS);
}

/** A copy of the storage key of the row whose words begin at `at`. */
export function storageKeyOf(kernels: Kernels, words: Uint32Array, at: number): Uint8Array<ArrayBuffer> {
  const aad = words[at + ROW.aad]!;
  return kernels.bytes.slice(aad + AAD_PREFIX_BYTES, aad + words[at + ROW.aadLength]!);
}

function recordCount(body: Uint8Array): number {
  if (body.length < PAGE_HEADER_BYTES) return 0;
  return new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(RECORD_COUNT_OFFSET, true);
}
