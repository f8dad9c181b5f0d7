import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CONTRACT_KIND } from "../../../src/contract-id.ts";
import { parse, refusal, type Shown } from "./parse.ts";

const { account } = CONTRACT_KIND;
const A = "00000000219ab540356cbb839cbe05303d7705fa";
const B = "ffffffffffffffffffffffffffffffffffffffff";
const ascii = (word: string): string => Buffer.from(word).toString("hex");
const word = (hex: string): string => hex.padStart(64, "0");
const alloc = (fields: unknown, address = A): string => JSON.stringify({ alloc: { [address]: fields } });

describe("geth genesis", () => {
  test("an account's balance, nonce, code and storage are states", () => {
    const document = JSON.stringify({
      config: { chainId: 1, nested: [{ alloc: {} }] },
      nonce: "0x42",
      alloc: {
        [`0x${A.toUpperCase()}`]: {
          balance: "0x0de0b6b3a7640000",
          nonce: "0x01",
          code: "0x6000",
          storage: { [`0x${word("22")}`]: "0x01ff", "23": word("ab"), "0x": "" },
        },
        [B]: { balance: "1000000000000000000000" },
      },
      gasLimit: "0x1c9c380",
    });
    const wanted: Shown[] = [
      [account, A, ascii("balance"), "0de0b6b3a7640000"],
      [account, A, ascii("nonce"), "01"],
      [account, A, ascii("code"), "6000"],
      // JSON.stringify writes keys that are whole numbers first.
      [account, A, word("23"), word("ab")],
      [account, A, word("22"), word("01ff")],
      [account, A, word(""), word("")],
      [account, B, ascii("balance"), "3635c9adc5dea00000"],
    ];
    for (const chunkBytes of [1, 7, 10_000]) expect(parse(document, chunkBytes)).toEqual(wanted);
  });

  test("a bare alloc, with and without 0x", () => {
    const document = JSON.stringify({ [A]: { balance: "1" }, [`0x${B}`]: { balance: "0x2", code: "0x" } });
    expect(parse(document, 3)).toEqual([
      [account, A, ascii("balance"), "01"],
      [account, B, ascii("balance"), "02"],
      [account, B, ascii("code"), ""],
    ]);
  });

  test.each([
    ['"0x0"', ""],
    ['"0"', ""],
    ["0", ""],
    ['"0x000000"', ""],
    ["1000000000000000000001", "3635c9adc5dea00001"],
    ['"0xABC"', "0abc"],
    ['"256"', "0100"],
    ['"007"', "07"],
    [`"0x${"f".repeat(64)}"`, "f".repeat(64)],
  ])("balance %s is stored as 0x%s", (balance, value) => {
    expect(parse(`{"alloc":{"${A}":{"balance":${balance}}}}`)).toEqual([[account, A, ascii("balance"), value]]);
  });

  test("every integer is minimal big-endian, in both notations", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }), fc.boolean(), (integer, decimal) => {
        const shown = parse(alloc({ balance: decimal ? String(integer) : `0x${integer.toString(16)}` }));
        const value = shown[0]![3];
        expect(value.startsWith("00")).toBe(false);
        expect(value === "" ? 0n : BigInt(`0x${value}`)).toBe(integer);
      }),
    );
  });

  test("what an account leaves out has no state", () => {
    expect(parse(alloc({}))).toEqual([]);
    expect(parse(alloc({ storage: {} }))).toEqual([]);
    expect(parse(JSON.stringify({ alloc: {} }))).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ["an unknown field", { constructor: "0x00" }, "remove it"],
    ["a negative balance", { balance: "-1" }, "integer"],
    ["a fraction", { balance: 1.5 }, "integer"],
    ["an exponent", { balance: 1e30 }, "integer"],
    ["an empty balance", { balance: "" }, "integer"],
    ["0x alone", { balance: "0x" }, "integer"],
    ["a word", { balance: "lots" }, "integer"],
    ["a balance of 257 bits", { balance: `0x1${"0".repeat(64)}` }, "256 bits"],
    ["a nonce of 65 bits", { nonce: `0x1${"0".repeat(16)}` }, "64 bits"],
    ["null", { balance: null }, "integer"],
    ["code without 0x", { code: "6000" }, "0x"],
    ["code of odd length", { code: "0x600" }, "odd"],
    ["code as a number", { code: 6000 }, "code in hex"],
    ["storage as an array", { storage: [["0x1", "0x2"]] }, "object of storage slots"],
    ["a slot of odd length", { storage: { "0x1": "0x02" } }, "odd"],
    ["a slot of 33 bytes", { storage: { [`0x${"11".repeat(33)}`]: "0x" } }, "32 bytes"],
    ["a slot's value of 33 bytes", { storage: { "0x11": `0x${"22".repeat(33)}` } }, "32 bytes"],
    ["a slot's value as a number", { storage: { "0x11": 5 } }, "slot's value"],
    ["an account that is a string", "0x5", "an account"],
  ])("refuses %s and names the account", (_, fields, message) => {
    const error = refusal(alloc(fields));
    expect(error.toWire()).toMatchObject({ code: "IMPORT_INVALID", detail: { file: "f", contract: `0x${A}` } });
    expect(error.message).toContain(message);
  });

  test("names the field or slot", () => {
    expect(refusal(alloc({ balance: "x" })).detail["key"]).toBe("balance");
    expect(refusal(alloc({ storage: { "0x07": "0x1" } })).detail["key"]).toBe(`0x${word("07")}`);
    expect(refusal(`{"alloc":{"${A}":{"code":"0x","code":"0x"}}}`).message).toContain("code stands twice");
    expect(refusal(alloc({ code: `0x${"00".repeat(16 * 1024 * 1024 + 1)}` })).toWire()).toMatchObject({
      code: "RECORD_TOO_LARGE",
      detail: { contract: `0x${A}`, key: "code" },
    });
  });

  test.each([`0x${A}00`, A.slice(2), `${A.slice(1)}g`, "", "0x"])("refuses the address %j", (address) => {
    expect(refusal(alloc({ balance: "1" }, address)).code).toBe("IMPORT_INVALID");
  });
});
