/** Batches for the engine's tests: different data in every record, something between any two. */
import { type Batch, BatchTable, boxBytes } from "../../src/engine/batch.ts";
import type { Suite } from "../../src/engine/suite.ts";
import { Secret } from "../../src/secret.ts";
import { bytesOf, numberOf } from "./deterministic-bytes.ts";
import { nativeSeal } from "./native-aead.ts";

/** A record and where it is to go. Keys are indices of the batch's keys. */
export interface TestRecord {
  readonly text: Uint8Array;
  readonly aad: Uint8Array;
  readonly key: number;
  readonly newAad: Uint8Array;
  readonly newKey: number;
}

/** A batch, and the boxes of its records in it. */
export interface TestBatch extends Batch {
  /** A view of a record's nonce, text and tag in an arena that is laid out like this batch's. */
  box(record: number, arena?: Uint8Array): Buffer;
}

/** Key bytes number `index`. */
export function keyBytes(index: number): Uint8Array<ArrayBuffer> {
  return bytesOf(0x1000_0000 + index, 32);
}

/** A record of so many bytes, whose AADs, keys and content the seed selects. */
export function testRecord(seed: number, textBytes: number, keys: number): TestRecord {
  return {
    text: bytesOf(seed, textBytes),
    aad: bytesOf(seed + 1_000_000, numberOf(seed, 150)),
    key: numberOf(seed + 1, keys),
    newAad: bytesOf(seed + 2_000_000, numberOf(seed + 2, 150)),
    newKey: numberOf(seed + 3, keys),
  };
}

/** The box of a record as node:crypto seals it, under a nonce that the seed selects. */
export function nativeBox(suite: Suite, record: TestRecord, seed: number): Buffer {
  return nativeSeal(suite, keyBytes(record.key), bytesOf(seed + 3_000_000, 12), record.aad, record.text);
}

/**
 * Lays out records in an arena full of other bytes. `boxes` are what lies there; without them, plaintexts between
 * zeros, to be sealed.
 */
export function layOut(records: readonly TestRecord[], keys: number, boxes?: readonly Uint8Array[]): TestBatch {
  const table = new BatchTable();
  const parts: Uint8Array[] = [];
  const offsets: number[] = [];
  let end = 0;
  const put = (bytes: Uint8Array): number => {
    const gap = bytesOf(end, numberOf(end, 9));
    parts.push(gap, bytes);
    end += gap.length + bytes.length;
    return end - bytes.length;
  };
  records.forEach(({ text, aad, key, newAad, newKey }, index) => {
    const offset = put(boxes?.[index] ?? Buffer.concat([new Uint8Array(12), text, new Uint8Array(16)]));
    offsets.push(offset);
    const aads = { aadOffset: put(aad), aadLength: aad.length, newAadOffset: put(newAad), newAadLength: newAad.length };
    table.add({ offset, length: text.length, key, newKey, ...aads });
  });
  const arena = new Uint8Array(end);
  arena.set(Buffer.concat(parts));
  return {
    arena,
    table: table.rows(),
    keys: Array.from({ length: keys }, (_, index) => new Secret(keyBytes(index))),
    box: (record, of = arena) => {
      const offset = offsets[record]!;
      return Buffer.from(of.buffer, of.byteOffset + offset, boxBytes(records[record]!.text.length));
    },
  };
}
