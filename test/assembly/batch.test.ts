import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ROW, ROW_BYTES, ROW_WORDS } from "../../src/engine/rows.ts";
import { KernelInstance } from "./instance.ts";

const TEXT_MAX = 2 ** 24;
const KEY_BYTES = 48;
const KEYS = 0x2_0000;
const NONCES = 0x3_0000;
const U32_MAX = 2 ** 32 - 1;

interface Bound {
  readonly result: number;
  readonly rows: number[][];
}

const instance = new KernelInstance();
// Rows alone are read and written, so the arena may be claimed where no memory is: whatever touched it would trap.
const ARENA = 0xa000_0000;

/** Binds rows that end where the memory ends, and checks that nothing but them was written. */
function bind(rows: readonly (readonly number[])[], length: number, keyCount: number, nonces: number): Bound {
  const { bytes } = instance;
  const at = bytes.length - rows.length * ROW_BYTES;
  bytes.set(new Uint8Array(Uint32Array.from(rows.flat()).buffer), at);
  const before = bytes.slice(0, at);
  const result = instance.call("batchBind", at, rows.length, ARENA, length, KEYS, keyCount, KEY_BYTES, nonces);
  expect(Buffer.compare(bytes.subarray(0, at), before), "nothing but the rows was written").toBe(0);
  const words = [...new Uint32Array(bytes.buffer, at, rows.length * ROW_WORDS)];
  return { result, rows: rows.map((_, row) => words.slice(row * ROW_WORDS, (row + 1) * ROW_WORDS)) };
}

interface Fields {
  readonly text: number;
  readonly length: number;
  readonly aad: number;
  readonly aadLength: number;
  readonly key: number;
  readonly newAad: number;
  readonly newAadLength: number;
  readonly newKey: number;
}

function row(fields: Partial<Fields>): number[] {
  const words: number[] = Array.from({ length: ROW_WORDS }, () => 0xdead_beef);
  const all: Fields = {
    text: 12,
    length: 0,
    aad: 0,
    aadLength: 0,
    key: 0,
    newAad: 0,
    newAadLength: 0,
    newKey: 0,
    ...fields,
  };
  for (const [name, value] of Object.entries(all)) words[ROW[name as keyof Fields]] = value;
  return words;
}

/** Whether a row is in range, in numbers that do not overflow. */
function inRange(words: readonly number[], length: number, keyCount: number, reencrypt: boolean): boolean {
  const within = (offset: number, size: number): boolean => offset + size <= length;
  const { text, length: textLength, aad, aadLength, key, newAad, newAadLength, newKey } = ROW;
  const old =
    words[text]! >= 12 &&
    words[textLength]! <= TEXT_MAX &&
    within(words[text]!, words[textLength]! + 16) &&
    within(words[aad]!, words[aadLength]!) &&
    words[key]! < keyCount;
  return old && (!reencrypt || (within(words[newAad]!, words[newAadLength]!) && words[newKey]! < keyCount));
}

/** A row as it is once bound. */
function boundRow(words: readonly number[], index: number, reencrypt: boolean): number[] {
  const bound = [...words];
  bound[ROW.text]! += ARENA;
  bound[ROW.aad]! += ARENA;
  bound[ROW.key] = KEYS + words[ROW.key]! * KEY_BYTES;
  bound[ROW.status] = 0;
  if (reencrypt) {
    bound[ROW.newAad]! += ARENA;
    bound[ROW.newKey] = KEYS + words[ROW.newKey]! * KEY_BYTES;
    bound[ROW.newNonce] = NONCES + 12 * index;
  }
  return bound;
}

describe("batchBind", () => {
  test("takes a record, an AAD and a new AAD that end where the arena ends, and refuses one byte more", () => {
    for (const nonces of [0, NONCES]) {
      for (const length of [0, 1, 100, TEXT_MAX]) {
        const arena = 12 + length + 16;
        const exact = row({ text: 12, length });
        expect(bind([exact], arena, 1, nonces)).toEqual({ result: -1, rows: [boundRow(exact, 0, nonces !== 0)] });
        expect(bind([exact], arena - 1, 1, nonces).result).toBe(0);
        expect(bind([row({ text: 13, length })], arena, 1, nonces).result).toBe(0);
        expect(bind([row({ text: 11, length })], arena, 1, nonces).result).toBe(0);
        expect(bind([row({ aad: arena - 5, aadLength: 5 })], arena, 1, nonces).result).toBe(-1);
        expect(bind([row({ aad: arena - 5, aadLength: 6 })], arena, 1, nonces).result).toBe(0);
        expect(bind([row({ aad: arena, aadLength: 0 })], arena, 1, nonces).result).toBe(-1);
        expect(bind([row({ aad: arena + 1, aadLength: 0 })], arena, 1, nonces).result).toBe(0);
        // Without nonces the new fields are nobody's business.
        const reencrypts = nonces === 0 ? -1 : 0;
        expect(bind([row({ newAad: arena - 5, newAadLength: 5 })], arena, 1, nonces).result).toBe(-1);
        expect(bind([row({ newAad: arena - 5, newAadLength: 6 })], arena, 1, nonces).result).toBe(reencrypts);
        expect(bind([row({ newAad: arena + 1 })], arena, 1, nonces).result).toBe(reencrypts);
        expect(bind([row({ newKey: 1 })], arena, 1, nonces).result).toBe(reencrypts);
      }
    }
  });

  test("refuses a text above 16 MiB even where the arena would hold it", () => {
    expect(bind([row({ length: TEXT_MAX })], 2 ** 30, 1, 0).result).toBe(-1);
    expect(bind([row({ length: TEXT_MAX + 1 })], 2 ** 30, 1, 0).result).toBe(0);
  });

  test("refuses a key that is not there", () => {
    for (const keyCount of [0, 1, 7]) {
      expect(bind([row({ key: keyCount })], 28, keyCount, 0).result).toBe(0);
      expect(bind([row({ key: U32_MAX })], 28, keyCount, 0).result).toBe(0);
      if (keyCount > 0) expect(bind([row({ key: keyCount - 1 })], 28, keyCount, 0).result).toBe(-1);
    }
  });

  test("is not deceived by sums that overflow 32 bits", () => {
    const high = [2 ** 31, U32_MAX - 28, U32_MAX - 16, U32_MAX - 15, U32_MAX - 1, U32_MAX];
    for (const value of high) {
      for (const length of [0, 1, 12, 15, 16, 17, TEXT_MAX]) {
        expect(bind([row({ text: value, length })], 1000, 1, 0).result, `text ${value}, ${length}`).toBe(0);
      }
      for (const other of [0, 1, 16, 1000, ...high]) {
        expect(bind([row({ text: Math.max(12, other), length: value })], 1000, 1, 0).result).toBe(0);
        expect(bind([row({ aad: other, aadLength: value })], 1000, 1, 0).result).toBe(0);
        expect(bind([row({ aad: value, aadLength: other })], 1000, 1, 0).result).toBe(0);
        expect(bind([row({ newAad: other, newAadLength: value })], 1000, 1, NONCES).result).toBe(0);
        expect(bind([row({ newAad: value, newAadLength: other })], 1000, 1, NONCES).result).toBe(0);
      }
    }
  });

  test("names the first row that is out of range and has bound those before it", () => {
    for (let bad = 0; bad < 5; bad++) {
      const rows = Array.from({ length: 5 }, (_, index) =>
        row(index >= bad ? { key: 3 } : { text: 12 + index, key: index % 3 }),
      );
      const bound = bind(rows, 100, 3, NONCES);
      expect(bound.result).toBe(bad);
      expect(bound.rows.slice(0, bad)).toEqual(rows.slice(0, bad).map((words, index) => boundRow(words, index, true)));
    }
    expect(bind([], 0, 0, 0).result).toBe(-1);
  });

  test("decides as arithmetic without overflow does, on random rows", () => {
    const length = 4000;
    const offset = fc.oneof(
      fc.nat(length),
      fc.constantFrom(0, 11, 12, length - 29, length - 16, length, length + 1, 2 ** 31, U32_MAX - 15, U32_MAX),
    );
    const size = fc.oneof(
      fc.nat(300),
      fc.constantFrom(0, length, TEXT_MAX, TEXT_MAX + 1, 2 ** 31, U32_MAX - 15, U32_MAX),
    );
    const key = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, fc.constantFrom(4, U32_MAX));
    const wild = { text: offset, length: size, aad: offset, aadLength: size, newAad: offset, newAadLength: size };
    const [place, part] = [fc.integer({ min: 12, max: 3000 }), fc.nat(900)];
    const sane = { text: place, length: part, aad: place, aadLength: part, newAad: place, newAadLength: part };
    const any = { ...wild, key, newKey: key };
    const words = fc
      .oneof(fc.record(any), fc.record({ ...any, ...sane }), fc.record({ ...sane, key: fc.nat(3), newKey: fc.nat(3) }))
      .map(row);
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(words, { maxLength: 4 }), fc.boolean(), (rows, reencrypt) => {
        const bad = rows.findIndex((candidate) => !inRange(candidate, length, 4, reencrypt));
        const bound = bind(rows, length, 4, reencrypt ? NONCES : 0);
        expect(bound.result).toBe(bad);
        const good = bad === -1 ? rows : rows.slice(0, bad);
        expect(bound.rows.slice(0, good.length)).toEqual(
          good.map((fields, index) => boundRow(fields, index, reencrypt)),
        );
        if (bad === -1 && rows.length > 0) accepted++;
        if (bad !== -1) refused++;
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(accepted, refused)).toBeGreaterThan(100);
  });
});
