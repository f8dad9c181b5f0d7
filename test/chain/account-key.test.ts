import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createAccountKey, generateAccountKey, readAccountKey } from "../../src/chain/account-key.ts";
import { publicKeyOf } from "../../src/protocol/message.ts";
import { keyOf, publicOf } from "../protocol/network.ts";

const folder = mkdtempSync(join(tmpdir(), "gatekeeper-account-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
const unavailable = (why: RegExp): unknown =>
  expect.objectContaining({ code: "KEY_UNAVAILABLE", message: expect.stringMatching(why) });

describe("an account's key", () => {
  test("is its owner's alone, never overwritten, and the same when it is read", () => {
    createAccountKey(at("a"), keyOf("a"));
    expect(statSync(at("a")).mode & 0o777).toBe(0o600);
    expect(readFileSync(at("a")).subarray(0, 6)).toEqual(Buffer.from("GKACC\x01"));
    using key = readAccountKey(at("a"));
    expect(publicKeyOf(key)).toBe(publicOf("a"));
    expect(() => createAccountKey(at("a"), keyOf("b"))).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
  });

  test("differs each time one is made", () => {
    using one = generateAccountKey();
    using other = generateAccountKey();
    expect(publicKeyOf(one)).not.toBe(publicKeyOf(other));
  });

  test.each<[string, RegExp, Buffer, number]>([
    ["zero", /holds no key/, Buffer.concat([Buffer.from("GKACC\x01"), Buffer.alloc(32)]), 0o600],
    ["large", /holds no key/, Buffer.concat([Buffer.from("GKACC\x01"), Buffer.alloc(32, 255)]), 0o600],
    ["kek", /is no account key/, Buffer.concat([Buffer.from("GKKEY\x01"), Buffer.alloc(32, 1)]), 0o600],
    ["newer", /version 2/, Buffer.concat([Buffer.from("GKACC\x02"), Buffer.alloc(32, 1)]), 0o600],
    ["short", /37 bytes/, Buffer.concat([Buffer.from("GKACC\x01"), Buffer.alloc(31, 1)]), 0o600],
    ["open", /chmod 600/, Buffer.concat([Buffer.from("GKACC\x01"), Buffer.alloc(32, 1)]), 0o644],
  ])("is refused: %s", (name, why, bytes, mode) => {
    writeFileSync(at(name), bytes);
    chmodSync(at(name), mode);
    expect(() => readAccountKey(at(name))).toThrow(unavailable(why));
  });

  test("that is not there is told how to be made", () => {
    expect(() => readAccountKey(at("none"))).toThrow(unavailable(/gatekeeper account new/));
  });
});
