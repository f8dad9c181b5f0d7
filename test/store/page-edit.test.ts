import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes, toHex } from "../../src/bytes.ts";
import { editPage, type RecordEdit, splitPage } from "../../src/store/page-edit.ts";
import { countRotationIds, highestWriteVersion, PAGE_BYTES_LIMIT, recordsOf } from "../../src/store/page.ts";
import type { Page, PageWrite } from "../../src/store/store.ts";
import { bodyOf, contractId, sealedState, text } from "./records.ts";

const CONTRACT = contractId(5);
const NO_KEY = new Uint8Array(0);

function put(key: string, rotationId = 0, bytes = 42): RecordEdit {
  return { key: text(key), sealed: sealedState(rotationId, key.length, bytes) };
}

function remove(key: string): RecordEdit {
  return { key: text(key), sealed: null };
}

/** A page as a store would give it back after this write. */
function pageOf(write: PageWrite): Page {
  const { contract, lowerBound, expected, body } = write;
  return { contract, lowerBound, body, version: (expected ?? 0) + 1 };
}

function keysOf(write: PageWrite): string[] {
  return [...recordsOf(write)].map(({ key }) => Buffer.from(key).toString());
}

describe("editing a page", () => {
  it("makes a contract's first page, from the empty key on", () => {
    const [write, ...more] = editPage(CONTRACT, null, [put("a", 1), put("b", 2)], 4n);
    expect(more).toEqual([]);
    expect(write).toMatchObject({ contract: CONTRACT, lowerBound: NO_KEY, expected: null });
    expect(write!.body).toEqual(
      bodyOf(
        [
          [text("a"), sealedState(1, 1)],
          [text("b"), sealedState(2, 1)],
        ],
        4n,
      ),
    );
    expect(write!.counts).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });

  it("puts, replaces and deletes, and counts what changed", () => {
    const page = pageOf(editPage(CONTRACT, null, [put("b", 1), put("d", 1), put("f", 1)], 3n)[0]!);
    const edits = [put("a", 2), put("b", 2), remove("c"), remove("d"), put("g", 2)];
    const [write] = editPage(CONTRACT, page, edits, 9n);
    expect(keysOf(write!)).toEqual(["a", "b", "f", "g"]);
    expect(write!.expected).toBe(1);
    expect(write!.counts).toEqual([
      [1, -2],
      [2, 3],
    ]);
    expect(highestWriteVersion(write!)).toBe(9n);
  });

  it("leaves an emptied page, which keeps its highest write version", () => {
    const page = pageOf(editPage(CONTRACT, null, [put("a")], 3n)[0]!);
    const [write] = editPage(CONTRACT, page, [remove("a")], 3n);
    expect(write!.body).toEqual(bodyOf([], 3n));
    expect(write!.counts).toEqual([[0, -1]]);
  });

  it("writes nothing where nothing changes", () => {
    const page = pageOf(editPage(CONTRACT, null, [put("a")], 3n)[0]!);
    expect(editPage(CONTRACT, page, [remove("b")], 3n)).toEqual([]);
    expect(editPage(CONTRACT, page, [], 3n)).toEqual([]);
    expect(editPage(CONTRACT, null, [remove("b")], 0n)).toEqual([]);
    expect(editPage(CONTRACT, page, [], 4n).length).toBe(1);
  });

  it("copies what it is given", () => {
    const edit = put("a");
    const [write] = editPage(CONTRACT, null, [edit], 1n);
    const before = write!.body.slice();
    edit.key.fill(0);
    edit.sealed!.fill(0);
    expect(write!.body).toEqual(before);
  });
});

describe("splitting a page", () => {
  const many = (count: number, bytes: number): RecordEdit[] =>
    Array.from({ length: count }, (_, i) => put(String(i).padStart(4, "0"), i % 3, bytes));

  it("holds a body of exactly the limit and splits one byte more in two", () => {
    const fill = PAGE_BYTES_LIMIT - 16 - 2 * (6 + 1);
    const exact = editPage(CONTRACT, null, [put("a", 0, 8_000), put("b", 0, fill - 8_000)], 1n);
    expect(exact.map(({ body }) => body.length)).toEqual([PAGE_BYTES_LIMIT]);
    const over = editPage(CONTRACT, null, [put("a", 0, 8_000), put("b", 0, fill - 7_999)], 1n);
    expect(over.map(keysOf)).toEqual([["a"], ["b"]]);
  });

  it("keeps the first page's place and version, carries the write version, cuts into about equal parts", () => {
    const page: Page = { ...pageOf(editPage(CONTRACT, null, many(60, 200), 1n)[0]!), version: 7 };
    const added = Array.from({ length: 30 }, (_, i) => put(`0030${i + 10}`, 5, 200));
    const writes = editPage(CONTRACT, page, added, 8n);
    expect(writes.length).toBe(2);
    expect(writes[0]).toMatchObject({ lowerBound: NO_KEY, expected: 7 });
    expect(writes[1]).toMatchObject({ lowerBound: text(keysOf(writes[1]!)[0]!), expected: null });
    for (const write of writes) expect(highestWriteVersion(write)).toBe(8n);
    expect(Math.abs(writes[0]!.body.length - writes[1]!.body.length)).toBeLessThan(250);
  });

  it("cuts into the fewest pages", () => {
    for (const count of [77, 200, 1_000]) {
      const writes = editPage(CONTRACT, null, many(count, 200), 1n);
      const total = writes.reduce((sum, { body }) => sum + body.length - 16, 0);
      expect(writes.length).toBe(Math.ceil(total / (PAGE_BYTES_LIMIT - 16)));
      const sizes = writes.map(({ body }) => body.length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(450);
    }
  });

  it("lays a record that is too large for a page in one by itself, between its neighbours", () => {
    const edits = [put("a"), put("b", 0, 20_000), put("c"), put("d", 0, 16_000), put("e", 0, 16_000), put("f")];
    const writes = editPage(CONTRACT, null, edits, 1n);
    expect(writes.map(keysOf)).toEqual([["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]);
    expect(writes.map(({ lowerBound }) => Buffer.from(lowerBound).toString())).toEqual(["", "b", "c", "d", "e", "f"]);
  });

  it("cuts records of half a page and more without an endless search", () => {
    expect(editPage(CONTRACT, null, many(9, 10_000), 1n).map((write) => keysOf(write).length)).toEqual(
      new Array(9).fill(1),
    );
  });
});

describe("edits that are refused", () => {
  const page: Page = { contract: CONTRACT, lowerBound: text("k"), version: 1, body: bodyOf([], 5n) };
  const refused = (edits: RecordEdit[], code: string, highest = 5n): void => {
    expect(() => editPage(CONTRACT, page, edits, highest)).toThrow(expect.objectContaining({ code }));
  };

  it("out of order, twice, below the page, of another contract, or not whole", () => {
    refused([put("m"), put("l")], "INVALID_ARGUMENT");
    refused([put("l"), remove("l")], "INVALID_ARGUMENT");
    refused([put("j")], "INVALID_ARGUMENT");
    refused([put("l", 0, 41)], "INVALID_ARGUMENT");
    expect(() => editPage(contractId(6), page, [put("l")], 6n)).toThrow(/was edited as one of/);
  });

  it("with a falling write version, or one beyond 64 bits", () => {
    refused([put("l")], "INVALID_ARGUMENT", 4n);
    refused([put("l")], "INVALID_ARGUMENT", 2n ** 64n);
  });

  it("too large, with the key in the message", () => {
    const key = text("large");
    const sealed = new Uint8Array(16 * 1_024 * 1_024 + 43);
    expect(() => editPage(CONTRACT, page, [{ key, sealed }], 6n)).toThrow(
      expect.objectContaining({ code: "RECORD_TOO_LARGE", message: expect.stringContaining(toHex(key)) }),
    );
    refused([{ key: new Uint8Array(4_097).fill(0x6b), sealed: sealedState(0) }], "RECORD_TOO_LARGE");
  });

  it("of a damaged page", () => {
    const damaged = { ...page, body: bodyOf([[text("a"), sealedState(1)]]) };
    expect(() => editPage(CONTRACT, damaged, [put("l")], 6n)).toThrow(
      expect.objectContaining({ code: "STORE_CORRUPT" }),
    );
  });
});

describe("a page under random edits", () => {
  const edit = fc.record({
    key: fc.oneof(
      fc.nat(60).map((n) => text(String(n))),
      fc.uint8Array({ maxLength: 3 }),
      fc.nat(3).map((n) => new Uint8Array(4_096).fill(n)),
    ),
    sealed: fc.option(
      fc
        .tuple(
          fc.nat(3),
          fc.nat(255),
          fc.oneof(
            { weight: 4, arbitrary: fc.integer({ min: 42, max: 900 }) },
            fc.constantFrom(15_973, 15_974, 15_978, 15_979, 40_000),
          ),
        )
        .map(([rotationId, fill, bytes]) => sealedState(rotationId, fill, bytes)),
    ),
  });
  const batch = fc.array(edit, { maxLength: 60 });

  it("gives the records of a plain map, in pages that keep every rule, with exact counts", () => {
    fc.assert(
      fc.property(batch, batch, (first, second) => {
        const oracle = new Map<string, Uint8Array>();
        const sorted = [first, second].map((edits) => {
          const unique = new Map(edits.map((one) => [toHex(one.key), one]));
          return [...unique.values()].sort((a, b) => compareBytes(a.key, b.key));
        });
        let pages: Page[] = [];
        const counts = new Map<number, number>();
        sorted.forEach((edits, round) => {
          for (const { key, sealed } of edits) {
            if (sealed === null) oracle.delete(toHex(key));
            else oracle.set(toHex(key), sealed);
          }
          const before: (Page | null)[] = pages.length === 0 ? [null] : pages;
          pages = before.flatMap((page, index) => {
            const next = before[index + 1];
            const inPage = edits.filter(
              ({ key }) =>
                (page === null || compareBytes(key, page.lowerBound) >= 0) &&
                (next === undefined || next === null || compareBytes(key, next.lowerBound) < 0),
            );
            const writes = editPage(CONTRACT, page, inPage, BigInt(round + 1));
            for (const write of writes) {
              for (const [id, change] of write.counts) counts.set(id, (counts.get(id) ?? 0) + change);
            }
            return writes.length === 0 && page !== null ? [page] : writes.map(pageOf);
          });
        });
        const found = pages.flatMap((page) =>
          [...recordsOf(page)].map(({ key, sealed }) => [toHex(key), toHex(sealed)]),
        );
        const expected = [...oracle].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, sealed]) => [key, toHex(sealed)]);
        expect(found).toEqual(expected);
        const recount = new Map<number, number>();
        for (const page of pages) {
          for (const [id, count] of countRotationIds(page)) recount.set(id, (recount.get(id) ?? 0) + count);
        }
        expect(new Map([...counts].filter(([, count]) => count !== 0))).toEqual(recount);
        const bounds = pages.map(({ lowerBound }) => toHex(lowerBound));
        expect(bounds).toEqual([...new Set(bounds)].sort());
      }),
      { numRuns: 150 },
    );
  });
});

describe("splitting a page", () => {
  const [write] = editPage(CONTRACT, null, [put("b", 1), put("d", 1), put("e", 2)], 9n) as [PageWrite];
  const page = { ...pageOf(write), version: 4 };

  it.each([
    ["b", [], ["b", "d", "e"], [[[1, -2], [2, -1]], [[1, 2], [2, 1]]]], // prettier-ignore
    ["c", ["b"], ["d", "e"], [[[1, -1], [2, -1]], [[1, 1], [2, 1]]]], // prettier-ignore
    ["e", ["b", "d"], ["e"], [[[2, -1]], [[2, 1]]]],
    ["f", ["b", "d", "e"], [], [[], []]],
  ])("at %s leaves its records as they are, in two", (at, below, rest, counts) => {
    const [first, second, ...more] = splitPage(page, text(at)) as [PageWrite, PageWrite];
    expect(more).toEqual([]);
    expect([keysOf(first), keysOf(second)]).toEqual([below, rest]);
    expect([first.counts, second.counts]).toEqual(counts);
    expect(first).toMatchObject({ contract: CONTRACT, lowerBound: NO_KEY, expected: 4 });
    expect(second).toMatchObject({ contract: CONTRACT, lowerBound: text(at), expected: null });
    expect([highestWriteVersion(first), highestWriteVersion(second)]).toEqual([9n, 9n]);
    const sealed = [first, second].flatMap((each) => [...recordsOf(each)].map((record) => toHex(record.sealed)));
    expect(sealed).toEqual([...recordsOf(page)].map((record) => toHex(record.sealed)));
  });
});
