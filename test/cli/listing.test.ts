/** Lists that are written piece by piece: text, or one JSON document whatever happens. */
import { expect, test } from "vitest";
import { type Listed, Listing, listWhile } from "../../src/cli/listing.ts";

/** Where a list is written, and what was. */
function output(json: boolean) {
  const pieces: string[] = [];
  return { json, pieces, write: async (piece: string): Promise<void> => void pieces.push(piece) };
}

const ONE: Listed = { document: { amount: 5n, bytes: Uint8Array.of(1, 255) }, text: "five" };
const TWO: Listed = { document: { name: 'a "b"' }, text: "two\n  lines" };
const ONE_PLAIN = { amount: "5", bytes: "0x01ff" };

test.each([
  ["nothing", [], []],
  ["one", [[ONE]], [ONE_PLAIN]],
  ["pieces of several, and empty ones", [[ONE, TWO], [], [TWO]], [ONE_PLAIN, TWO.document, TWO.document]],
])("%s is one document, an array or under a field", async (_, added: Listed[][], expected) => {
  for (const field of [null, "rows"]) {
    const out = output(true);
    const list = new Listing(out, field);
    for (const items of added) await list.add(...items);
    expect(list.count).toBe(expected.length);
    await list.end({ total: 3 }, "a last line");
    const written = out.pieces.join("");
    expect(written).toMatch(/\n$/);
    expect(JSON.parse(written)).toEqual(field === null ? expected : { rows: expected, total: 3 });
  }
});

test("as text it is a line or more each, and a last one", async () => {
  const out = output(false);
  const list = new Listing(out, "rows");
  await list.add(ONE, TWO);
  await list.end({ total: 2 }, "2 in all");
  expect(out.pieces.join("")).toBe("five\ntwo\n  lines\n2 in all\n");
});

test("what is listed while something goes on ends as a document where that fails, unless the error is to be it", async () => {
  const fails = async (list: Listing, items: Listed[]): Promise<void> => {
    await list.add(...items);
    throw new RangeError("it failed");
  };
  const some = output(true);
  await expect(listWhile(some, (list) => fails(list, [ONE]))).rejects.toThrow("it failed");
  expect(JSON.parse(some.pieces.join(""))).toEqual([ONE_PLAIN]);
  const none = output(true);
  await expect(listWhile(none, (list) => fails(list, []))).rejects.toThrow("it failed");
  expect(none.pieces).toEqual([]);
  const quiet = output(true);
  await listWhile(quiet, async () => undefined);
  expect(quiet.pieces.join("")).toBe("[]\n");
});
