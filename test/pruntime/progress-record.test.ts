import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { type ProgressRecord, decodeProgress, encodeProgress } from "../../src/pruntime/progress-record.ts";

const u32 = fc.nat({ max: 0xffff_ffff });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });
const record: fc.Arbitrary<ProgressRecord> = fc.record({
  genesisHash: optional(hash),
  head: optional(fc.record({ height: u32, hash })),
  saved: optional(fc.record({ height: u32, hash, stateHash: hash })),
  signed: u32,
  message: optional(fc.uint8Array({ maxLength: 200 })),
  vouched: optional(u32),
  sequences: fc.uint8Array({ maxLength: 300 }),
});

const NOTHING: ProgressRecord = {
  genesisHash: null,
  head: null,
  saved: null,
  signed: 0,
  message: null,
  vouched: null,
  sequences: new Uint8Array(0),
};

describe("a record of progress", () => {
  test("comes back as it was, whatever it has", () => {
    const check = (value: ProgressRecord): void => {
      expect(decodeProgress(encodeProgress(value))).toEqual(value);
    };
    fc.assert(fc.property(record, check));
  });

  test("of nothing is short, and session 0 is not the same as none", () => {
    expect(toHex(encodeProgress(NOTHING))).toBe(`0x000000${"00".repeat(4)}000000`);
    expect(decodeProgress(encodeProgress({ ...NOTHING, vouched: 0 }))?.vouched).toBe(0);
  });

  test("is none that is cut off anywhere, or longer", () => {
    const check = (value: ProgressRecord, extra: number): void => {
      const bytes = encodeProgress(value);
      for (let length = 0; length < bytes.length; length++)
        expect(decodeProgress(bytes.subarray(0, length))).toBeNull();
      expect(decodeProgress(Buffer.concat([bytes, Buffer.of(extra)]))).toBeNull();
    };
    fc.assert(fc.property(record, fc.nat({ max: 255 }), check), { numRuns: 20 });
  });

  test("is not written with what is out of its bounds", () => {
    const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    for (const wrong of [
      { genesisHash: new Uint8Array(31) },
      { head: { height: 1, hash: new Uint8Array(33) } },
      { message: new Uint8Array(1 << 20) },
      { sequences: new Uint8Array((1 << 19) + 1) },
    ]) {
      expect(() => encodeProgress({ ...NOTHING, ...wrong })).toThrow(invalid);
    }
  });
});
