import { describe, expect, test } from "vitest";
import { DER_TAG, DerReader, derTime } from "../../src/protocol/der.ts";
import { der } from "./forged-platform.ts";

const read = (...bytes: readonly number[]) => new DerReader(Uint8Array.from(bytes)).take();

describe("DER", () => {
  test.each([0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff])("of %d bytes is read whole", (length) => {
    const whole = der(DER_TAG.bitString, Buffer.alloc(length, 7));
    const reader = new DerReader(Buffer.concat([whole, der(DER_TAG.integer, Uint8Array.of(5))]));
    expect(reader.follows(DER_TAG.bitString)).toBe(true);
    const value = reader.take(DER_TAG.bitString);
    expect([value.content.length, Buffer.compare(value.whole, whole)]).toEqual([length, 0]);
    expect(() => reader.end()).toThrow(RangeError);
    expect([...reader.take(DER_TAG.integer).content]).toEqual([5]);
    expect(reader.done).toBe(true);
    expect(reader.end()).toBeUndefined();
  });

  test.each<[string, readonly number[]]>([
    ["nothing", []],
    ["no length", [2]],
    ["a length beyond its end", [2, 2, 1]],
    ["an indefinite length", [2, 0x80, 0, 0]],
    ["a length of three bytes", [2, 0x83, 0, 0, 1, 5]],
    ["a long form of a short length", [2, 0x81, 1, 5]],
    ["two bytes for a length of one", [2, 0x82, 0, 0x80, ...Array.from({ length: 128 }, () => 0)]],
    ["half a length", [2, 0x82, 1]],
  ])("is not %s", (_, bytes) => {
    expect(() => read(...bytes)).toThrow(RangeError);
  });

  test("has the tag that it has to have", () => {
    expect(() => new DerReader(Uint8Array.of(2, 1, 5)).take(DER_TAG.sequence)).toThrow(RangeError);
  });

  test.each<[number, string, string | null]>([
    [DER_TAG.utcTime, "250619102318Z", "2025-06-19T10:23:18Z"],
    [DER_TAG.utcTime, "491231235959Z", "2049-12-31T23:59:59Z"],
    [DER_TAG.utcTime, "500101000000Z", "1950-01-01T00:00:00Z"],
    [DER_TAG.generalizedTime, "20500101000000Z", "2050-01-01T00:00:00Z"],
    [DER_TAG.utcTime, "251319102318Z", null],
    [DER_TAG.utcTime, "2506191023Z", null],
    [DER_TAG.utcTime, "250619102318+0100", null],
    [DER_TAG.generalizedTime, "250619102318Z", null],
    [DER_TAG.generalizedTime, "20500101000000.5Z", null],
    [DER_TAG.integer, "250619102318Z", null],
  ])("of tag %d reads %s as %s", (tag, text, time) => {
    const value = { tag, content: Buffer.from(text), whole: Buffer.alloc(0) };
    if (time === null) expect(() => derTime(value)).toThrow(RangeError);
    else expect(derTime(value)).toBe(Date.parse(time));
  });
});
