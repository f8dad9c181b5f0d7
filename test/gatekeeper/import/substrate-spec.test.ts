import { describe, expect, test } from "vitest";
import { CONTRACT_KIND } from "../../../src/contract-id.ts";
import { parse, refusal, type Shown } from "./parse.ts";

const { pallet, childTrie, wellKnown } = CONTRACT_KIND;
const PREFIX = "26aa394eea5630e07c48ae0c9558cef7";
const spec = (raw: unknown): string => JSON.stringify({ name: "N", genesis: { raw }, id: "n" });

describe("Substrate raw chain spec", () => {
  test("a pallet's prefix, a child trie and the well-known keys are contracts", () => {
    const document = spec({
      top: {
        [`0x${PREFIX}aabb`]: "0x010203",
        [`0x${PREFIX}`]: "0x",
        "0x3a636f6465": "0xc0de",
        [`0x3a${PREFIX}`]: "0x04",
        [`0x${PREFIX.slice(2)}`]: "0x05",
        "0x": "0x06",
      },
      childrenDefault: { "0x7472696531": { "0x": "0x11", "0x3a01": "0x12" }, "0xff": {} },
    });
    const wanted: Shown[] = [
      [pallet, PREFIX, `${PREFIX}aabb`, "010203"],
      [pallet, PREFIX, PREFIX, ""],
      [wellKnown, "3a", "3a636f6465", "c0de"],
      [wellKnown, "3a", `3a${PREFIX}`, "04"],
      [wellKnown, "3a", PREFIX.slice(2), "05"],
      [wellKnown, "3a", "", "06"],
      [childTrie, "7472696531", "", "11"],
      [childTrie, "7472696531", "3a01", "12"],
    ];
    for (const chunkBytes of [1, 7, 1000]) expect(parse(document, chunkBytes)).toEqual(wanted);
  });

  test("the old form of raw, an array", () => {
    expect(parse(spec([{ "0x01": "0x02" }, {}]))).toEqual([[wellKnown, "3a", "01", "02"]]);
    expect(refusal(spec([{}, { "0x01": {} }])).message).toContain("old form");
    expect(refusal(spec([{}, {}, {}])).code).toBe("IMPORT_INVALID");
    expect(parse(spec({ top: {}, children: {} }))).toEqual([]);
  });

  test("other parts are skipped, whatever they hold", () => {
    const other = { bootNodes: ["0xzz", { raw: { top: null } }], top: { "0x1": 1 }, n: 1.5, alloc2: {}, b: true };
    expect(
      parse(JSON.stringify({ ...other, genesis: { raw: { top: { "0x01": "0x02" } } }, codeSubstitutes: {} })),
    ).toEqual([[wellKnown, "3a", "01", "02"]]);
  });

  test("a spec without raw states says how to make one", () => {
    for (const genesis of [
      { runtime: { system: {} } },
      { runtimeGenesis: { code: "0x" } },
      {},
      { stateRootHash: "0x00" },
    ]) {
      const error = refusal(JSON.stringify({ genesis }));
      expect(error.code).toBe("IMPORT_INVALID");
      expect(error.message).toContain("build-spec --chain FILE --raw");
    }
  });

  test.each<[string, string, Record<string, unknown>]>([
    ["a value that is no hex", '{"genesis":{"raw":{"top":{"0x01":"zz"}}}}', { offset: 34, key: "0x01" }],
    ["a value of odd length", '{"genesis":{"raw":{"top":{"0x01":"0x123"}}}}', { offset: 33, key: "0x01" }],
    ["a number for a value", '{"genesis":{"raw":{"top":{"0x01":12}}}}', { offset: 33, key: "0x01" }],
    ["null for a value", '{"genesis":{"raw":{"top":{"0x01":null}}}}', { offset: 33, key: "0x01" }],
    ["an object for a value", '{"genesis":{"raw":{"top":{"0x01":{}}}}}', { offset: 33, key: "0x01" }],
    ["a key that is no hex", '{"genesis":{"raw":{"top":{"01":"0x"}}}}', { offset: 28 }],
    ["top as an array", '{"genesis":{"raw":{"top":[]}}}', { offset: 25 }],
    ["raw as a string", '{"genesis":{"raw":"0x"}}', { offset: 18 }],
    ["genesis as null", '{"genesis":null}', { offset: 11 }],
    ["raw twice", '{"genesis":{"raw":{"top":{}},"raw":{}}}', { offset: 29 }],
    ["top twice", '{"genesis":{"raw":{"top":{},"top":{}}}}', { offset: 28 }],
    ["genesis twice", '{"genesis":{"raw":{"top":{}}},"genesis":{}}', { offset: 30 }],
    ["no top", '{"genesis":{"raw":{}}}', { offset: 19 }],
    ["an unknown section", '{"genesis":{"raw":{"bottom":{}}}}', { offset: 19 }],
    ["an empty trie id", '{"genesis":{"raw":{"top":{},"childrenDefault":{"0x":{}}}}}', { offset: 47 }],
    [
      "a child trie's bad value",
      '{"genesis":{"raw":{"top":{},"childrenDefault":{"0xaa":{"0xbb":"0x1"}}}}}',
      { offset: 62, contract: "0xaa", key: "0xbb" },
    ],
    ["a cut", '{"genesis":{"raw":{"top":{"0x01":"0x02"', { offset: 39 }],
  ])("refuses %s", (_, document, detail) => {
    for (const chunkBytes of [1, 1000]) {
      expect(refusal(document, chunkBytes).toWire()).toMatchObject({
        code: "IMPORT_INVALID",
        detail: { file: "f", ...detail },
      });
    }
  });

  test("names the key of a record that is too large, and the beginning of a key that is", () => {
    const large = refusal(spec({ top: { "0x0102": `0x${"00".repeat(16 * 1024 * 1024 + 1)}` } }));
    expect(large.toWire()).toMatchObject({ code: "RECORD_TOO_LARGE", detail: { key: "0x0102" } });
    const longKey = refusal(spec({ top: { [`0x${"ab".repeat(4097)}`]: "0x" } }));
    expect(longKey.toWire()).toMatchObject({
      code: "RECORD_TOO_LARGE",
      detail: { offset: 37, key: `0x${"ab".repeat(32)}` },
    });
    const longTrie = refusal(spec({ top: {}, childrenDefault: { [`0x${"cd".repeat(4097)}`]: {} } }));
    expect(longTrie.code).toBe("RECORD_TOO_LARGE");
    const largest = spec({ top: { [`0x${"ab".repeat(4096)}`]: `0x${"cd".repeat(16 * 1024 * 1024)}` } });
    const [entry] = parse(largest);
    expect([entry?.[2].length, entry?.[3].length]).toEqual([8192, 2 * 16 * 1024 * 1024]);
  });

  test("no state's value stands in an error", () => {
    const error = refusal(spec({ top: { "0x01": "0xdeadbeefdeadbeefg" } }));
    expect(JSON.stringify(error.toWire())).not.toContain("dead");
  });
});
