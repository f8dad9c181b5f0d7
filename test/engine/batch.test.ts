import { describe, expect, it } from "vitest";
import {
  BATCH_BYTES_MAX,
  BATCH_KEYS_MAX,
  BATCH_RECORDS_MAX,
  BatchTable,
  boxBytes,
  checkBatch,
} from "../../src/engine/batch.ts";
import { ROW, ROW_WORDS } from "../../src/engine/rows.ts";
import { Secret } from "../../src/secret.ts";

const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });
const record = { offset: 100, length: 5, aadOffset: 7, aadLength: 9, key: 2 };

describe("BatchTable", () => {
  it("writes what it is told, and the old AAD and key where no new ones are given", () => {
    const table = new BatchTable();
    table.add(record);
    table.add({ ...record, newAadOffset: 300, newAadLength: 11, newKey: 3 });
    table.add({ ...record, newKey: 0 });
    expect(table.length).toBe(3);
    const rows = [...table.rows()];
    const words = (row: number): number[] => rows.slice(row * ROW_WORDS, row * ROW_WORDS + ROW.newNonce);
    expect(words(0)).toEqual([112, 5, 7, 9, 2, 7, 9, 2]);
    expect(words(1)).toEqual([112, 5, 7, 9, 2, 300, 11, 3]);
    expect(words(2)).toEqual([112, 5, 7, 9, 2, 7, 9, 0]);
  });

  it("keeps all rows as it grows, up to as many as a batch holds", () => {
    const table = new BatchTable();
    for (let row = 0; row < BATCH_RECORDS_MAX; row++) table.add({ ...record, offset: row });
    expect(() => table.add(record)).toThrow(invalid);
    expect(table.length).toBe(BATCH_RECORDS_MAX);
    const rows = table.rows();
    expect(rows).toHaveLength(BATCH_RECORDS_MAX * ROW_WORDS);
    for (let row = 0; row < BATCH_RECORDS_MAX; row++) {
      if (rows[row * ROW_WORDS + ROW.text] !== row + 12) throw new Error(`row ${row}`);
    }
    expect(new BatchTable().rows()).toHaveLength(0);
  });

  it("hands out rows that later ones do not change", () => {
    const table = new BatchTable();
    table.add(record);
    const rows = table.rows();
    table.add({ ...record, offset: 1 });
    expect(rows).toHaveLength(ROW_WORDS);
    expect(rows.byteLength).toBe(rows.buffer.byteLength);
  });

  it("refuses numbers that would be written as others", () => {
    const table = new BatchTable();
    const bad = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 53];
    for (const field of [
      "offset",
      "length",
      "aadOffset",
      "aadLength",
      "key",
      "newAadOffset",
      "newAadLength",
      "newKey",
    ]) {
      for (const value of bad) {
        if (field === "offset" && value === -1) continue; // 11, a place that batchBind refuses
        expect(() => table.add({ ...record, [field]: value }), `${field} ${value}`).toThrow(invalid);
      }
    }
    expect(() => table.add({ ...record, offset: 2 ** 32 - 12 })).toThrow(invalid);
    expect(table.length).toBe(0);
  });
});

describe("checkBatch", () => {
  const batch = (words: number, bytes: number, keys: number) => ({
    arena: new Uint8Array(bytes),
    table: new Uint32Array(words),
    keys: Array.from({ length: keys }, () => key),
  });
  const key = new Secret(new Uint8Array(32));

  it("takes batches up to their limits and counts their records", () => {
    expect(checkBatch(batch(0, 0, 0))).toBe(0);
    expect(checkBatch(batch(30, 1, 1))).toBe(3);
    expect(checkBatch(batch(BATCH_RECORDS_MAX * ROW_WORDS, BATCH_BYTES_MAX, BATCH_KEYS_MAX))).toBe(BATCH_RECORDS_MAX);
  });

  it("refuses what is beyond", () => {
    for (const words of [1, 9, 11, 19]) expect(() => checkBatch(batch(words, 0, 0))).toThrow(invalid);
    expect(() => checkBatch(batch((BATCH_RECORDS_MAX + 1) * ROW_WORDS, 0, 0))).toThrow(invalid);
    expect(() => checkBatch(batch(0, BATCH_BYTES_MAX + 1, 0))).toThrow(invalid);
    expect(() => checkBatch(batch(0, 0, BATCH_KEYS_MAX + 1))).toThrow(invalid);
  });
});

it("a box is nonce, text and tag", () => {
  expect(boxBytes(0)).toBe(28);
  expect(boxBytes(1000)).toBe(1028);
});
