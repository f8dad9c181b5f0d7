/**
 * A batch of records as a caller hands it over: one buffer and a descriptor table.
 *
 * In the arena every record lies as nonce (12 bytes) | text | tag (16 bytes), in any order and with anything between
 * (a caller's own headers, for one); AADs lie anywhere in it too and may be shared.
 */
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { ROW, ROW_WORDS } from "./rows.ts";
import { NONCE_BYTES, TAG_BYTES } from "./suite.ts";

/** Most records of one batch. */
export const BATCH_RECORDS_MAX = 65_536;
/** Most bytes of one batch's arena: a record of 16 MiB fits, with its AADs. */
export const BATCH_BYTES_MAX = 20 * 1024 * 1024;
/** Most keys of one batch. */
export const BATCH_KEYS_MAX = 4_096;

/** Records, where they lie, and the keys they are under. */
export interface Batch {
  /** Rewritten in place by `seal`, `open` and `reencrypt`. */
  readonly arena: Uint8Array<ArrayBuffer>;
  /** Rows of ten words, made by `BatchTable`. */
  readonly table: Uint32Array<ArrayBuffer>;
  /** 32-byte keys that the rows name by index. They stay the caller's, who wipes them. */
  readonly keys: readonly Secret[];
}

/**
 * One record of a batch: where it lies in the arena, and which keys of the batch it is under. Records may share AADs,
 * but must not overlap each other, which is refused, or an AAD: what came of that would not open again.
 */
export interface BatchRecord {
  /** Offset of the nonce; the text begins 12 bytes later and the tag follows the text. */
  readonly offset: number;
  /** Bytes of the text, 0 to 16 MiB. */
  readonly length: number;
  readonly aadOffset: number;
  readonly aadLength: number;
  /** Index of the key: to seal under, or that it is sealed under. */
  readonly key: number;
  /** For re-encryption: where the new AAD lies (the old one if absent) and the index of the new key. */
  readonly newAadOffset?: number;
  readonly newAadLength?: number;
  readonly newKey?: number;
}

/** Bytes that a record of `length` bytes takes in an arena. */
export function boxBytes(length: number): number {
  return NONCE_BYTES + length + TAG_BYTES;
}

/** Collects the rows of a batch. */
export class BatchTable {
  #words = new Uint32Array(64 * ROW_WORDS);
  #rows = 0;

  /** Number of records so far. */
  get length(): number {
    return this.#rows;
  }

  /**
   * @throws GatekeeperError INVALID_ARGUMENT past 65,536 records, or when a number is not whole, negative or 2^32 or
   * above, which would name another place in silence.
   */
  add(record: BatchRecord): void {
    if (this.#rows === BATCH_RECORDS_MAX) {
      throw new GatekeeperError(
        "INVALID_ARGUMENT",
        `a batch holds at most ${BATCH_RECORDS_MAX} records; begin another`,
      );
    }
    const at = this.#rows * ROW_WORDS;
    if (at === this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    const words = this.#words;
    words[at + ROW.text] = u32(record.offset + NONCE_BYTES);
    words[at + ROW.length] = u32(record.length);
    words[at + ROW.aad] = u32(record.aadOffset);
    words[at + ROW.aadLength] = u32(record.aadLength);
    words[at + ROW.key] = u32(record.key);
    words[at + ROW.newAad] = u32(record.newAadOffset ?? record.aadOffset);
    words[at + ROW.newAadLength] = u32(record.newAadLength ?? record.aadLength);
    words[at + ROW.newKey] = u32(record.newKey ?? record.key);
    this.#rows++;
  }

  /** The rows so far, in a buffer of their own. */
  rows(): Uint32Array<ArrayBuffer> {
    return this.#words.slice(0, this.#rows * ROW_WORDS);
  }
}

function u32(value: number): number {
  if (value >>> 0 !== value) {
    throw new GatekeeperError("INVALID_ARGUMENT", `an offset, length or key index of a batch is ${value}: not a u32`);
  }
  return value;
}

/** Above any length of a text: what an address is multiplied by, to be sorted together with its text's length. */
const LENGTHS = 2 ** 25;

/**
 * Checks that records lie apart: sealing the same bytes twice would undo the encryption.
 * @param rows - bound by batchBind: every number in them is in range, addresses below 2^28.
 * @throws GatekeeperError INVALID_ARGUMENT
 */
export function checkApart(rows: Uint32Array): void {
  if (areApart(rows)) return;
  const places = new Float64Array(rows.length / ROW_WORDS);
  for (let row = 0; row < places.length; row++) {
    places[row] = rows[row * ROW_WORDS + ROW.text]! * LENGTHS + rows[row * ROW_WORDS + ROW.length]!;
  }
  const sorted = new Uint32Array(rows.length);
  for (const [row, place] of places.sort().entries()) {
    sorted[row * ROW_WORDS + ROW.text] = Math.floor(place / LENGTHS);
    sorted[row * ROW_WORDS + ROW.length] = place % LENGTHS;
  }
  if (!areApart(sorted)) throw new GatekeeperError("INVALID_ARGUMENT", "two records of the batch overlap");
}

/** Whether each record begins at or after the end of the one before it. */
function areApart(rows: Uint32Array): boolean {
  let end = 0;
  for (let at = 0; at < rows.length; at += ROW_WORDS) {
    const text = rows[at + ROW.text]!;
    if (text < end + NONCE_BYTES) return false;
    end = text + rows[at + ROW.length]! + TAG_BYTES;
  }
  return true;
}

/**
 * Checks what can be checked of a batch before it is copied anywhere; the rows themselves are checked by batchBind.
 * @returns the number of records.
 * @throws GatekeeperError INVALID_ARGUMENT
 */
export function checkBatch(batch: Batch): number {
  const rows = batch.table.length / ROW_WORDS;
  if (!Number.isInteger(rows) || rows > BATCH_RECORDS_MAX) {
    throw new GatekeeperError(
      "INVALID_ARGUMENT",
      `a batch table has ${ROW_WORDS} words a record and at most ${BATCH_RECORDS_MAX} records`,
    );
  }
  if (batch.arena.length > BATCH_BYTES_MAX) {
    throw new GatekeeperError(
      "INVALID_ARGUMENT",
      `a batch's arena holds at most ${BATCH_BYTES_MAX} bytes; begin another`,
    );
  }
  if (batch.keys.length > BATCH_KEYS_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a batch holds at most ${BATCH_KEYS_MAX} keys; begin another`);
  }
  return rows;
}
