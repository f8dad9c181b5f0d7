import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "../../src/engine/rows.ts";
import { NONCE_BYTES, TAG_BYTES } from "../../src/engine/suite.ts";

it("has the numbers that the kernels are compiled with", () => {
  const source = readFileSync(new URL("../../assembly/descriptor.ts", import.meta.url), "utf8");
  const compiled = Object.fromEntries(
    [...source.matchAll(/^export const (\w+): (?:usize|u32) = (\d+);$/gm)].map(([, name, value]) => [
      name,
      Number(value),
    ]),
  );
  expect(compiled).toEqual({
    TEXT: 4 * ROW.text,
    LENGTH: 4 * ROW.length,
    AAD: 4 * ROW.aad,
    AAD_LENGTH: 4 * ROW.aadLength,
    KEY: 4 * ROW.key,
    NEW_AAD: 4 * ROW.newAad,
    NEW_AAD_LENGTH: 4 * ROW.newAadLength,
    NEW_KEY: 4 * ROW.newKey,
    NEW_NONCE: 4 * ROW.newNonce,
    STATUS: 4 * ROW.status,
    ROW_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    PENDING: RecordStatus.pending,
    DONE: RecordStatus.done,
    TAG_MISMATCH: RecordStatus.tagMismatch,
    SKIPPED: RecordStatus.skipped,
  });
  expect(Object.keys(ROW)).toHaveLength(ROW_WORDS);
});
