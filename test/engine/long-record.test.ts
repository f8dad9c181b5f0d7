/** What node:crypto is asked for and gives back when records go natively. */
import type * as NodeCrypto from "node:crypto";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Engine } from "../../src/engine/engine.ts";
import { type Paths, WASM_ONLY } from "../../src/engine/paths.ts";
import { RecordStatus } from "../../src/engine/rows.ts";
import { ALL_SUITES } from "../../src/engine/suite.ts";
import { ALL_PATHS } from "./all-paths.ts";
import { keyBytes, layOut, nativeBox, type TestRecord, testRecord } from "./record-batch.ts";

/** Everything that an `update` returned: the buffer, and what was in it. */
const returned = vi.hoisted(() => [] as { buffer: Buffer; content: Buffer }[]);

vi.mock(import("node:crypto"), async (original) => {
  const actual = await original();
  const spied = <T extends NodeCrypto.Cipheriv | NodeCrypto.Decipheriv>(cipher: T): T => {
    const update = cipher.update.bind(cipher) as (data: Uint8Array) => Buffer;
    cipher.update = ((data: Uint8Array) => {
      const buffer = update(data);
      returned.push({ buffer, content: Buffer.from(buffer) });
      return buffer;
    }) as typeof cipher.update;
    return cipher;
  };
  const createCipheriv = (...args: Parameters<typeof actual.createCipheriv>) => spied(actual.createCipheriv(...args));
  const createDecipheriv = (...args: Parameters<typeof actual.createDecipheriv>) =>
    spied(actual.createDecipheriv(...args));
  return { ...actual, createCipheriv, createDecipheriv } as typeof actual;
});
afterAll(() => vi.restoreAllMocks());
beforeEach(() => void returned.splice(0));

/** Short ones, some that go by themselves where anything does, and one in several pieces. */
const SIZES = [40, 700, 1_000, 3_001, 8_192, 30_007, 300_011];

function plaintextFound(records: readonly TestRecord[]): boolean {
  const pieces = records.flatMap(({ text }) => {
    const from = [0, Math.floor(text.length / 2), text.length - 20];
    return from.map((at) => Buffer.from(text.subarray(at, at + 20)));
  });
  return returned.some(({ content }) => pieces.some((piece) => content.includes(piece)));
}

function run(verb: "reencrypt" | "verify" | "open" | "seal", suite: (typeof ALL_SUITES)[number], paths: Paths) {
  const records = SIZES.map((size, index) => ({ ...testRecord(index, size, 1), key: 0, newKey: 1 }));
  const boxes = records.map((record, index) => nativeBox(suite, record, index));
  const engine = new Engine({ paths });
  const batch = verb === "seal" ? layOut(records, 2) : layOut(records, 2, boxes);
  if (verb === "open" || verb === "reencrypt") batch.box(4)[100]! ^= 1;
  returned.splice(0);
  const statuses = engine[verb](suite, batch);
  expect(statuses.filter((status) => status === RecordStatus.done)).toHaveLength(
    verb === "open" || verb === "reencrypt" ? SIZES.length - 1 : SIZES.length,
  );
  return records;
}

const NATIVE = ALL_PATHS.filter(({ paths }) => paths !== WASM_ONLY);

describe.each(ALL_SUITES)("node:crypto and %s", (suite) => {
  it.each(NATIVE)(
    "returns no plaintext in a re-encryption or verification, unless it may: $name",
    ({ name, paths }) => {
      const may = name === "plaintext always";
      const records = run("reencrypt", suite, paths);
      expect(returned.length).toBeGreaterThan(0);
      expect(plaintextFound(records)).toBe(may);
      expect(plaintextFound(run("verify", suite, paths))).toBe(false);
      // The control: where a plaintext is asked for, it is found.
      expect(plaintextFound(run("open", suite, paths))).toBe(true);
    },
  );

  it.each(NATIVE)("gets every result back, detached: $name", ({ paths }) => {
    for (const verb of ["seal", "open", "verify", "reencrypt"] as const) {
      run(verb, suite, paths);
      const kept = returned.filter(({ buffer }) => buffer.byteLength > 0);
      expect(
        kept.map(({ content }) => content.length),
        verb,
      ).toEqual([]);
    }
  });

  it("is not asked for anything where WebAssembly alone was asked for", () => {
    for (const verb of ["seal", "open", "verify", "reencrypt"] as const) {
      run(verb, suite, WASM_ONLY);
      expect(returned).toEqual([]);
    }
  });

  it("has keys of both sides in hand: what it moved opens under the new one", () => {
    const records = [{ ...testRecord(1, 70_001, 1), key: 0, newKey: 1 }];
    const boxes = records.map((record) => nativeBox(suite, record, 9));
    for (const { paths } of NATIVE) {
      const batch = layOut(records, 2, boxes);
      expect([...new Engine({ paths }).reencrypt(suite, batch)]).toEqual([RecordStatus.done]);
      const { newAad, text } = records[0]!;
      const moved = { ...records[0]!, aad: newAad, key: 1 };
      const back = layOut([moved], 2, [batch.box(0)]);
      expect([...new Engine({ paths: WASM_ONLY }).open(suite, back)]).toEqual([RecordStatus.done]);
      expect(back.box(0).subarray(12, -16).equals(text)).toBe(true);
    }
    expect(keyBytes(0)).not.toEqual(keyBytes(1));
  });
});
