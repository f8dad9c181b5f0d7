import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEPTH_MAX, JsonParser } from "../../../src/gatekeeper/import/json-parser.ts";
import { Rule, type StringForm } from "../../../src/gatekeeper/import/json-rule.ts";
import { TEXT_BYTES_MAX } from "../../../src/gatekeeper/import/json-string.ts";
import { Place } from "../../../src/gatekeeper/import/place.ts";
import { failureOf } from "./parse.ts";

const TEXT: StringForm = { as: "text", maxBytes: TEXT_BYTES_MAX, name: "a string", tooLarge: "IMPORT_INVALID" };

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Builds the JavaScript value, as JSON.parse does. */
class ValueRule extends Rule {
  override readonly strings = TEXT;
  override readonly keys = TEXT;
  override readonly items = true;
  value: Json = null;

  constructor(place: Place) {
    super(place, "any value");
  }

  override text(value: string): void {
    this.value = value;
  }

  override number(digits: string): void {
    this.value = Number(digits);
  }

  override literal(word: "true" | "false" | "null"): void {
    this.value = word === "null" ? null : word === "true";
  }

  override textKey(key: string): Rule {
    this.#hold(() => ({}));
    return new MemberRule(this.place, (value) => {
      Object.defineProperty(this.value, key, { value, enumerable: true, configurable: true, writable: true });
    });
  }

  override item(index: number): Rule {
    this.#hold(() => []);
    return new MemberRule(this.place, (value) => {
      (this.value as Json[])[index] = value;
    });
  }

  override objectStart(): void {
    this.value = {};
  }

  #hold(make: () => Json): void {
    if (this.value === null) this.value = make();
  }
}

/** A value inside another: handed on as soon as there is something to hand on. */
class MemberRule extends ValueRule {
  readonly #set: (value: Json) => void;
  #current: Json = null;

  constructor(place: Place, set: (value: Json) => void) {
    super(place);
    this.#set = set;
    Object.defineProperty(this, "value", {
      get: () => this.#current,
      set: (value: Json) => {
        this.#current = value;
        set(value);
      },
    });
  }

  override literal(word: "true" | "false" | "null"): void {
    this.#set(word === "null" ? null : word === "true");
  }
}

function read(document: string | Uint8Array, cuts: readonly number[] = []): Json {
  const bytes = Buffer.from(document);
  const place = new Place("f");
  const root = new ValueRule(place);
  const parser = new JsonParser(root, place);
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    const chunk = Buffer.from(bytes.subarray(from, cut));
    parser.write(chunk);
    chunk.fill(0xff);
    from = cut;
  }
  parser.end();
  return root.value;
}

/** What JSON.parse makes of the bytes, or undefined where it refuses. */
function oracle(bytes: Uint8Array): Json | undefined {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)) as Json;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const hasEmptyArray = (value: Json): boolean =>
  Array.isArray(value)
    ? value.length === 0 || value.some(hasEmptyArray)
    : value !== null && typeof value === "object" && Object.values(value).some(hasEmptyArray);

// The collecting rule is not told of an array without elements, so those are not compared by value.
const documents = fc
  .jsonValue({ maxDepth: 4, stringUnit: "binary" })
  .filter((value) => !hasEmptyArray(value as Json))
  .chain((value) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, 2), escaped(value as Json)));

/** Every character of every string as an escape. */
function escaped(value: Json): string {
  const units = (text: string): string =>
    Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");
  if (typeof value === "string") return `"${units(value)}"`;
  if (Array.isArray(value)) return `[${value.map(escaped).join(" ,\t")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `"${units(key)}"\r\n:${escaped(member)}`);
  return `{ ${members.join(",")} }`;
}

describe("JsonParser", () => {
  test("reads what JSON.parse reads, cut at every byte", () => {
    fc.assert(
      fc.property(documents, (document) => {
        const wanted: unknown = JSON.parse(document);
        const length = Buffer.byteLength(document);
        fc.pre(length < 2000);
        expect(read(document)).toEqual(wanted);
        expect(
          read(
            document,
            Array.from({ length }, (_, i) => i),
          ),
        ).toEqual(wanted);
        for (let cut = 1; cut < Math.min(length, 30); cut++) expect(read(document, [cut])).toEqual(wanted);
      }),
    );
  });

  test("refuses what JSON.parse refuses: documents with one byte changed, dropped or added", () => {
    const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), drop: fc.nat(1), add: fc.nat(1) });
    fc.assert(
      fc.property(documents, change, (document, { at, byte, drop, add }) => {
        const bytes = Buffer.from(document);
        const i = at % (bytes.length + 1);
        const changed = Buffer.concat([bytes.subarray(0, i), Buffer.alloc(add, byte), bytes.subarray(i + drop)]);
        const wanted = oracle(changed);
        if (wanted === undefined) expect(failureOf(() => read(changed)).code).toBe("IMPORT_INVALID");
        // A half surrogate escape is the one thing that this parser refuses and JSON.parse takes.
        else if (/\\u[dD][89a-fA-F]/.test(changed.toString("latin1"))) expect(true).toBe(true);
        else if (!hasEmptyArray(wanted)) expect(read(changed)).toEqual(wanted);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["every escape", String.raw`"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00"`],
    ["U+FEFF inside a string", '"\ufeff \\ufeff"'],
    ["characters of two, three and four bytes", '"é€😀\u{10ffff}\u0800\ud7ff\ue000"'],
    ["numbers", "[0,-0,1.5,1e9,-1E-2,123456789012345678901234567890]"],
    ["literals", "[true,false,null]"],
    ["a number alone", "12"],
    ["space on all sides", ' \t\r\n{ "a" : [ 1 , { } ] } \n'],
  ])("reads %s", (_, document) => {
    expect(read(document)).toEqual(JSON.parse(document));
    const every = Array.from({ length: Buffer.byteLength(document) }, (_value, i) => i);
    expect(read(document, every)).toEqual(JSON.parse(document));
  });

  test.each([
    ["nothing", "", 0],
    ["only space", " \n", 2],
    ["an open object", '{"a":1', 6],
    ["an open string", '{"a":"bc', 8],
    ["an open escape", '"\\u12', 5],
    ["an unfinished literal", "[tru", 4],
    ["a second document", '{"a":1} {}', 8],
    ["a comma too many", "[1,]", 3],
    ["a comma too many in an object", '{"a":1,}', 7],
    ["no comma", "[1 2]", 3],
    ["no colon", '{"a" 1}', 5],
    ["a key without quotes", "{a:1}", 1],
    ["the wrong bracket", "[1}", 2],
    ["the other wrong bracket", '{"a":1]', 6],
    ["a leading zero", "[01]", 1],
    ["a lone minus", "[-]", 1],
    ["a plus sign", "[+1]", 1],
    ["a fraction without digits", "[1.]", 1],
    ["NaN", "[NaN]", 1],
    ["a comment", "[/* */1]", 1],
    ["a control character", '"a\u0001"', 2],
    ["an unknown escape", '"\\x41"', 2],
    ["an escape with a bad digit", '"\\u00g0"', 5],
    ["an unpaired high surrogate", '"\\ud800a"', 7],
    ["a high surrogate at the end", '"\\ud800"', 7],
    ["a high surrogate before another escape", '"\\ud800\\n"', 8],
    ["two high surrogates", '"\\ud800\\ud800"', 12],
    ["an unpaired low surrogate", '"\\udc00"', 6],
    ["a byte order mark", "\ufeff{}", 0],
    ["single quotes", "['a']", 1],
  ])("refuses %s and says where", (_, document, offset) => {
    for (const cuts of [[], Array.from({ length: Buffer.byteLength(document) }, (_value, i) => i)]) {
      const error = failureOf(() => read(document, cuts));
      expect(error.code).toBe("IMPORT_INVALID");
      expect(error.detail).toMatchObject({ file: "f", offset });
      expect(error.message).toContain("f: ");
    }
  });

  test.each([
    ["a lone continuation byte", [0x80]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["an overlong three-byte form", [0xe0, 0x80, 0xaf]],
    ["a surrogate in UTF-8", [0xed, 0xa0, 0x80]],
    ["a code point above U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
    ["an overlong four-byte form", [0xf0, 0x80, 0x80, 0x80]],
    ["a byte that is never used", [0xff]],
    ["a character cut short", [0xe2, 0x82]],
  ])("refuses bad UTF-8: %s", (_, bad) => {
    const bytes = Buffer.concat([Buffer.from('"a'), Buffer.from(bad), Buffer.from('"')]);
    for (const cuts of [[], Array.from({ length: bytes.length }, (_value, i) => i)]) {
      const error = failureOf(() => read(bytes, cuts));
      expect(error.code).toBe("IMPORT_INVALID");
      expect(error.message).toContain("UTF-8");
    }
  });

  test("takes 64 levels of nesting and no more", () => {
    const nested = (depth: number): string => `${"[".repeat(depth)}1${"]".repeat(depth)}`;
    expect(read(nested(DEPTH_MAX))).toEqual(JSON.parse(nested(DEPTH_MAX)));
    expect(failureOf(() => read(nested(DEPTH_MAX + 1))).detail).toMatchObject({ offset: DEPTH_MAX });
    expect(failureOf(() => read('{"a":'.repeat(100_000))).message).toContain("nested deeper than 64");
  });

  test("bounds strings and numbers", () => {
    expect(read(`"${"x".repeat(TEXT_BYTES_MAX)}"`)).toBe("x".repeat(TEXT_BYTES_MAX));
    expect(failureOf(() => read(`"${"x".repeat(TEXT_BYTES_MAX + 1)}"`)).message).toContain("longer than 1024 bytes");
    expect(failureOf(() => read(`"${"\\n".repeat(TEXT_BYTES_MAX + 1)}"`)).code).toBe("IMPORT_INVALID");
    expect(failureOf(() => read(`[1${"0".repeat(10_000)}]`)).message).toContain("a number is longer");
  });
});
