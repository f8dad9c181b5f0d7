import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { GatekeeperError } from "../../src/errors.ts";
import {
  comparePlaces,
  countRotationIds,
  findRecord,
  highestWriteVersion,
  PAGE_BYTES_LIMIT,
  PAGE_BYTES_MAX,
  type PageBody,
  pageRecords,
  RecordCursor,
  recordsOf,
  rotationIdOf,
  SEALED_BYTES_MAX,
} from "../../src/store/page.ts";
import { bodyOf, contractId, sealedState, text } from "./records.ts";

const NO_KEY = new Uint8Array(0);

function pageOf(body: Uint8Array, lowerBound: Uint8Array = NO_KEY): PageBody {
  return { contract: contractId(0xab), lowerBound, body };
}

/** Asserts that walking over the page is STORE_CORRUPT and names the page. */
function expectCorrupt(page: PageBody, why: RegExp): void {
  let caught: unknown;
  try {
    for (const at = new RecordCursor(page); at.next(););
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(GatekeeperError);
  expect(caught).toMatchObject({
    code: "STORE_CORRUPT",
    message: expect.stringMatching(why),
    detail: { contract: toHex(page.contract), lowerBound: toHex(page.lowerBound) },
  });
}

describe("a page body", () => {
  const records: [Uint8Array, Uint8Array][] = [
    [NO_KEY, sealedState(7, 1)],
    [text("a"), sealedState(7, 2, 43)],
    [text("a\0"), sealedState(0xffff_fffe, 3, 100)],
    [text("b"), sealedState(8, 4)],
  ];
  const page = pageOf(bodyOf(records, 0xfedc_ba98_7654_3210n));

  it("is read as store/page.ts lays it out", () => {
    expect(pageRecords(page)).toBe(4);
    expect(highestWriteVersion(page)).toBe(0xfedc_ba98_7654_3210n);
    expect([...recordsOf(page)].map(({ key, sealed }) => [toHex(key), toHex(sealed)])).toEqual(
      records.map(([key, sealed]) => [toHex(key), toHex(sealed)]),
    );
    expect(countRotationIds(page)).toEqual(
      new Map([
        [7, 2],
        [0xffff_fffe, 1],
        [8, 1],
      ]),
    );
  });

  it("matches bytes written out by hand", () => {
    const hex = `01000000 01000000 0500000000000000 0100 2b000000 61 01 02 04030201 ${"00".repeat(37)}`;
    const byHand = pageOf(new Uint8Array(Buffer.from(hex.replaceAll(" ", ""), "hex")));
    const [record] = [...recordsOf(byHand)];
    expect(toHex(record!.key)).toBe("0x61");
    expect(record!.sealed.length).toBe(43);
    expect(rotationIdOf(record!.sealed)).toBe(0x01020304);
    expect(highestWriteVersion(byHand)).toBe(5n);
  });

  it("lends views, not copies", () => {
    const own = pageOf(page.body.slice());
    for (const { key, sealed } of recordsOf(own)) {
      expect(key.buffer).toBe(own.body.buffer);
      expect(sealed.buffer).toBe(own.body.buffer);
    }
  });

  it("finds a record by key, and nothing between keys", () => {
    for (const [key, sealed] of records) expect(findRecord(page, key)).toEqual(sealed);
    for (const key of ["a\x01", "`", "c", "\0"]) expect(findRecord(page, text(key))).toBeNull();
  });

  it("may be empty", () => {
    const empty = pageOf(bodyOf([], 9n));
    expect([...recordsOf(empty)]).toEqual([]);
    expect(highestWriteVersion(empty)).toBe(9n);
  });

  it("may exceed the limit with exactly one record, up to the largest", () => {
    const large = pageOf(bodyOf([[new Uint8Array(4_096), sealedState(1, 1, SEALED_BYTES_MAX)]]));
    expect(large.body.length).toBe(PAGE_BYTES_MAX);
    expect([...recordsOf(large)].length).toBe(1);
  });
});

describe("a malformed page body is STORE_CORRUPT and names its page", () => {
  const good = bodyOf([
    [text("b"), sealedState(1)],
    [text("d"), sealedState(1)],
  ]);
  const changed = (at: number, byte: number): PageBody => {
    const body = good.slice();
    body[at] = byte;
    return pageOf(body, text("b"));
  };

  it("in its header", () => {
    for (let length = 0; length < 16; length++) expectCorrupt(pageOf(good.slice(0, length)), /less than a header/);
    expectCorrupt(changed(0, 0), /format 1/);
    expectCorrupt(changed(0, 2), /format 1/);
    for (const zero of [1, 2, 3]) expectCorrupt(changed(zero, 1), /format 1/);
  });

  it("in its record count", () => {
    expectCorrupt(changed(4, 0), /follow its last record/);
    expectCorrupt(changed(4, 1), /follow its last record/);
    expectCorrupt(changed(4, 3), /ends before its last record/);
    expectCorrupt(changed(7, 0xff), /ends before its last record/);
  });

  it("where it is cut off or goes on", () => {
    for (let length = 16; length < good.length; length++) {
      expectCorrupt(pageOf(good.slice(0, length)), /cut off|ends before/);
    }
    expectCorrupt(pageOf(new Uint8Array([...good, 0])), /1 bytes follow/);
  });

  it("in its lengths", () => {
    expectCorrupt(changed(17, 0x11), /key at byte 16 has 4353 bytes/);
    expectCorrupt(changed(18, 41), /sealed state at byte 16 has 41 bytes/);
    expectCorrupt(changed(18, 200), /cut off/);
    expectCorrupt(changed(21, 0xff), /sealed state at byte 16 has/);
    expectCorrupt(pageOf(bodyOf([[text("b"), sealedState(1, 1, SEALED_BYTES_MAX + 1)]])), /sealed state at byte 16/);
  });

  it("in the order of its keys", () => {
    expectCorrupt(changed(22, "d".charCodeAt(0)), /byte 65 is out of order/);
    expectCorrupt(changed(22, "e".charCodeAt(0)), /byte 65 is out of order/);
    expectCorrupt(pageOf(good, text("ba")), /byte 16 is out of order/);
    expectCorrupt(pageOf(good, text("c")), /byte 16 is out of order/);
    const prefixLast = bodyOf([
      [text("ab"), sealedState(1)],
      [text("a"), sealedState(1)],
    ]);
    expectCorrupt(pageOf(prefixLast), /out of order/);
  });

  it("when it is larger than the limit without being one record", () => {
    const two = bodyOf([
      [text("a"), sealedState(1, 0, PAGE_BYTES_LIMIT)],
      [text("b"), sealedState(1)],
    ]);
    expectCorrupt(pageOf(two), /too many for 2 records/);
  });

  it("whatever bytes it has: an error of this kind or records within it", () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(good));
    const flip = fc.tuple(fc.nat(120), fc.nat(255));
    fc.assert(
      fc.property(bytes, fc.array(flip, { maxLength: 3 }), (source, flips) => {
        const body = source.slice();
        for (const [at, byte] of flips) if (at < body.length) body[at] = byte;
        try {
          let bytesOfRecords = 16;
          for (const { key, sealed } of recordsOf(pageOf(body))) bytesOfRecords += 6 + key.length + sealed.length;
          expect(bytesOfRecords).toBe(body.length);
        } catch (error) {
          expect(error).toMatchObject({ code: "STORE_CORRUPT" });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("the order of pages", () => {
  it("is by contract, then by lower bound, a prefix first", () => {
    const place = (byte: number, key: string) => ({ contract: contractId(byte), lowerBound: text(key) });
    const sorted = [place(1, ""), place(1, "a"), place(1, "a\0"), place(1, "b"), place(2, ""), place(2, "a")];
    for (let i = 0; i < sorted.length; i++) {
      for (let j = 0; j < sorted.length; j++) {
        expect(Math.sign(comparePlaces(sorted[i]!, sorted[j]!))).toBe(Math.sign(i - j));
      }
    }
  });
});
