import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GatekeeperError } from "../../../src/errors.ts";
import { StateParser } from "../../../src/gatekeeper/import/state-parser.ts";
import { failureOf, parse, refusal } from "./parse.ts";

const A = "00000000219ab540356cbb839cbe05303d7705fa";
const SPEC = JSON.stringify({
  name: "é\n",
  bootNodes: ["a", 1, null],
  genesis: { raw: { top: { "0x3a01": "0x0203", "0x26aa394eea5630e07c48ae0c9558cef7ff": "0x" }, childrenDefault: {} } },
});
const GENESIS = JSON.stringify({ config: {}, alloc: { [A]: { balance: "0x5", storage: { "0x01": "0x02" } } } });

describe("StateParser", () => {
  test.each([
    ["an empty file", ""],
    ["an empty object", "{}"],
    ["an array", "[]"],
    ["a string", '"genesis"'],
    ["a number", "7"],
    ["a word", "hello"],
    ["HTML", "<!DOCTYPE html>"],
    ["neither genesis nor alloc", '{"accounts":{}}'],
    ["both", '{"genesis":{"raw":{"top":{}}},"alloc":{}}'],
    ["both, the other way round", '{"alloc":{},"genesis":{"raw":{"top":{}}}}'],
    ["alloc twice", '{"alloc":{},"alloc":{}}'],
    ["an account after another key", `{"config":{},"${A}":{"balance":"1"}}`],
    ["another key after an account", `{"${A}":{"balance":"1"},"config":{}}`],
    ["alloc after an account", `{"${A}":{"balance":"1"},"alloc":{}}`],
    ["alloc as an array", '{"alloc":[]}'],
    ["a byte order mark", `\ufeff${SPEC}`],
    ["UTF-16", Buffer.from(`\ufeff${SPEC}`, "utf16le")],
    ["a zip", Buffer.from("PK\u0003\u0004")],
    ["a NUL", Buffer.concat([Buffer.from(SPEC), Buffer.from([0])])],
    ["trailing garbage", `${SPEC}x`],
    ["two documents", SPEC + SPEC],
    ["bad UTF-8 in a part that is skipped", Buffer.from(SPEC, "latin1")],
    ["a skipped part nested too deep", `{"name":${"[".repeat(64)}${"]".repeat(64)},${SPEC.slice(1)}`],
  ])("refuses %s", (_, document) => {
    const error = refusal(document);
    expect(error.code).toBe("IMPORT_INVALID");
    expect(error.detail["file"]).toBe("f");
    expect(error.detail["offset"]).toBeTypeOf("number");
  });

  test.each([SPEC, GENESIS])("refuses every cut of a file", (document) => {
    const bytes = Buffer.from(document);
    for (let length = 0; length < bytes.length; length++) {
      const error = refusal(bytes.subarray(0, length), 16);
      expect([error.code, error.detail["offset"]]).toEqual(["IMPORT_INVALID", length]);
    }
  });

  test.each([SPEC, GENESIS])("gives the same states wherever the chunks end", (document) => {
    const whole = parse(document);
    expect(whole).toHaveLength(2);
    for (let chunkBytes = 1; chunkBytes < 80; chunkBytes++) expect(parse(document, chunkBytes)).toEqual(whole);
  });

  test("never fails in any other way than with a GatekeeperError", () => {
    const changes = fc.array(fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }), { maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(SPEC, GENESIS), changes, fc.integer({ min: 1, max: 99 }), (document, list, size) => {
        const bytes = Buffer.from(document);
        for (const { at, byte } of list) bytes[at % bytes.length] = byte;
        try {
          parse(bytes, size);
        } catch (error) {
          expect(error).toBeInstanceOf(GatekeeperError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["a skipped string", '{"name":"'],
    ["a skipped key", '{"name":{"'],
    ["a value", '{"genesis":{"raw":{"top":{"0x01":"0x'],
    ["a key", '{"genesis":{"raw":{"top":{"0x'],
    ["a number", '{"id":1'],
    ["code", `{"alloc":{"${A}":{"code":"0x`],
  ])("stops within bounds in %s without an end", (_, beginning) => {
    const parser = new StateParser("f");
    parser.write(Buffer.from(beginning));
    const chunk = Buffer.alloc(1 << 20, "0");
    const before = process.memoryUsage().arrayBuffers;
    const error = failureOf(() => {
      for (let i = 0; i < 2048; i++) parser.write(chunk);
    });
    expect(["IMPORT_INVALID", "RECORD_TOO_LARGE"]).toContain(error.code);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
  });
});
