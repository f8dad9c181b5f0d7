import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonParser } from "../../../src/gatekeeper/import/json-parser.ts";
import { Rule, type StringForm } from "../../../src/gatekeeper/import/json-rule.ts";
import { Place } from "../../../src/gatekeeper/import/place.ts";
import { failureOf } from "./parse.ts";

const LIMIT = 3_000_000;
const PREFIXED: StringForm = { as: "hex", maxBytes: LIMIT, name: "a value", tooLarge: "RECORD_TOO_LARGE" };
const BARE: StringForm = { ...PREFIXED, bare: true, tooLarge: "IMPORT_INVALID" };

class HexRule extends Rule {
  override readonly strings: StringForm;
  override readonly items = true;
  readonly values: Uint8Array[] = [];

  constructor(place: Place, form: StringForm) {
    super(place, "hex");
    this.strings = form;
  }

  override bytes(value: Uint8Array): void {
    this.values.push(value);
  }

  override item(): Rule {
    return this;
  }
}

/** The strings of a JSON array, decoded, when it arrives in chunks of `chunkBytes`. */
function decode(document: string, chunkBytes = document.length, form = PREFIXED): string[] {
  const place = new Place("f");
  const rule = new HexRule(place, form);
  const parser = new JsonParser(rule, place);
  for (let at = 0; at < document.length; at += chunkBytes) {
    parser.write(Buffer.from(document.slice(at, at + chunkBytes)));
  }
  parser.end();
  return rule.values.map((value) => Buffer.from(value).toString("hex"));
}

describe("HexBytes", () => {
  test("decodes what Buffer decodes, in either case, whatever the chunks", () => {
    const values = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 50 }), fc.boolean(), (arrays, chunkBytes, upper) => {
        const wanted = arrays.map((bytes) => Buffer.from(bytes).toString("hex"));
        const digits = wanted.map((hex) => (upper ? hex.toUpperCase() : hex));
        expect(decode(JSON.stringify(digits.map((hex) => `0x${hex}`)), chunkBytes)).toEqual(wanted);
        const lone = digits.filter((hex) => !hex.startsWith("0x"));
        expect(decode(JSON.stringify(lone), chunkBytes, BARE)).toEqual(wanted);
        expect(decode(JSON.stringify(digits.map((hex) => `0X${hex}`)), chunkBytes, BARE)).toEqual(wanted);
      }),
    );
  });

  test.each([1, 2, 3, 65_537, 10_000_000])("keeps values apart that outgrow a block, in chunks of %i", (chunkBytes) => {
    const sizes = chunkBytes < 1000 ? [5, 600_000, 7] : [5, 600_000, 1, LIMIT, 524_288, 0, 524_287, 9];
    const values = sizes.map((size, i) => Buffer.alloc(size, Buffer.from([i + 1, 0xa5 ^ i, i])).toString("hex"));
    const decoded = decode(JSON.stringify(values.map((hex) => `0x${hex}`)), chunkBytes);
    expect(decoded.map((hex, i) => hex === values[i])).toEqual(sizes.map(() => true));
  });

  test("resolves escapes in hex", () => {
    expect(decode(String.raw`["\u0030\u0078\u0061\u0042cd"]`)).toEqual(["abcd"]);
    expect(decode(String.raw`["\u0030\u0078\u0061\u0042cd"]`, 1)).toEqual(["abcd"]);
  });

  test.each([
    ['["0xabc"]', 1, "odd number"],
    ['["0x1"]', 1, "odd number"],
    ['["0xag"]', 5, "not a hex digit"],
    ['["0xabcg00"]', 7, "not a hex digit"],
    ['["0x0xab"]', 5, "not a hex digit"],
    ['["0xab "]', 6, "not a hex digit"],
    ['["0xé0"]', 4, "not a hex digit"],
    ['["0x\\n0"]', 5, "not a hex digit"],
    ['["abcd"]', 2, "must begin with 0x"],
    ['["00"]', 3, "must begin with 0x"],
    ['["0"]', 1, "must begin with 0x"],
    ['[""]', 1, "must begin with 0x"],
    ['["x"]', 2, "must begin with 0x"],
  ])("refuses %s at byte %i", (document, offset, message) => {
    for (const chunkBytes of [1, 100]) {
      const error = failureOf(() => decode(document, chunkBytes));
      expect([error.code, error.detail["offset"]]).toEqual(["IMPORT_INVALID", offset]);
      expect(error.message).toContain(message);
    }
  });

  test.each([
    ['["a"]', 1, "odd number"],
    ['["0"]', 1, "odd number"],
    ['["0x0"]', 1, "odd number"],
    ['["0y"]', 3, "not a hex digit"],
  ])("refuses %s without a prefix at byte %i", (document, offset, message) => {
    const error = failureOf(() => decode(document, 1, BARE));
    expect([error.code, error.detail["offset"]]).toEqual(["IMPORT_INVALID", offset]);
    expect(error.message).toContain(message);
  });

  test("refuses one byte above the limit, by the code that the form names", () => {
    const tooLong = `["0x${"ab".repeat(LIMIT + 1)}"]`;
    expect(failureOf(() => decode(tooLong)).toWire()).toMatchObject({
      code: "RECORD_TOO_LARGE",
      detail: { file: "f", offset: 1 },
    });
    expect(failureOf(() => decode(tooLong, 65_536, BARE)).code).toBe("IMPORT_INVALID");
    const short: StringForm = { ...BARE, maxBytes: 2 };
    expect(decode('["abcd"]', 8, short)).toEqual(["abcd"]);
    expect(failureOf(() => decode('["abcdef"]', 10, short)).message).toContain("longer than 2 bytes");
  });
});
