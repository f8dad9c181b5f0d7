/** What users and the key-value contract say to each other, as bytes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COMMAND_BYTES_MAX } from "../../src/keys/sealed-command.ts";
import type { Group } from "../../src/keys/group.ts";
import {
  KEY_VALUE_KEY_BYTES_MAX,
  KEY_VALUE_VALUE_BYTES_MAX,
  type KeyValueAnswer,
  type KeyValueCommand,
  decodeKeyValueAnswer,
  decodeKeyValueRequest,
  encodeKeyValueAnswer,
  encodeKeyValueRequest,
} from "../../src/protocol/key-value-messages.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { Secret, secretCopy } from "../../src/secret.ts";
import { faults, faulty } from "./faults.ts";

const bytes = fc.uint8Array({ maxLength: 100 });
const command: fc.Arbitrary<KeyValueCommand> = fc.oneof(
  fc.record({ tag: fc.constant("put" as const), value: fc.record({ key: bytes, value: bytes }) }),
  fc.record({ tag: fc.constant("get" as const), value: bytes }),
  fc.record({ tag: fc.constant("delete" as const), value: bytes }),
);
const answer: fc.Arbitrary<KeyValueAnswer> = fc.oneof(
  fc.record({ tag: fc.constant("done" as const), value: fc.constant(undefined) }),
  fc.record({ tag: fc.constant("value" as const), value: bytes }),
  fc.record({ tag: fc.constant("nothing" as const), value: fc.constant(undefined) }),
  fc.record({
    tag: fc.constant("failed" as const),
    value: fc.record({ code: fc.stringMatching(/^[A-Z_]{1,40}$/) }),
  }),
);
const GROUPS = [ledgerGroup(1), ledgerGroup(2)];

/** Decoded from a copy, which is not wiped before it is looked at. */
const request = (group: Group, encoded: Uint8Array) => decodeKeyValueRequest(group, new Secret(secretCopy(encoded)));
const answered = (encoded: Uint8Array) => decodeKeyValueAnswer(new Secret(secretCopy(encoded)));
const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });

describe.each(GROUPS)("a request in a group with elements of $elementBytes bytes", (group) => {
  const replyKey = new Uint8Array(group.elementBytes).fill(7);

  test("comes over whole", () => {
    fc.assert(
      fc.property(command, (each) => {
        const value = { replyKey, command: each };
        expect(request(group, encodeKeyValueRequest(group, value))).toEqual(value);
      }),
    );
  });

  test("has one encoding: what is altered is another, or none", () => {
    fc.assert(
      fc.property(command, faults, (each, wrong) => {
        const encoded = wrong.reduce<Uint8Array>(faulty, encodeKeyValueRequest(group, { replyKey, command: each }));
        const value = request(group, encoded);
        if (value !== null) expect(encodeKeyValueRequest(group, value)).toEqual(new Uint8Array(encoded));
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (random) => {
        const value = request(group, random);
        if (value !== null) expect(encodeKeyValueRequest(group, value)).toEqual(random);
      }),
      { numRuns: 1_000 },
    );
  });

  test("has a key and a value that are as long as may be, and fits into a command; longer ones it has not", () => {
    const put = (key: number, value: number) =>
      encodeKeyValueRequest(group, {
        replyKey,
        command: { tag: "put", value: { key: new Uint8Array(key), value: new Uint8Array(value) } },
      });
    const longest = put(KEY_VALUE_KEY_BYTES_MAX, KEY_VALUE_VALUE_BYTES_MAX);
    expect(longest.length).toBeLessThanOrEqual(COMMAND_BYTES_MAX);
    expect(request(group, longest)?.command.tag).toBe("put");
    expect(() => put(KEY_VALUE_KEY_BYTES_MAX + 1, 0)).toThrow(refused);
    expect(() => put(0, KEY_VALUE_VALUE_BYTES_MAX + 1)).toThrow(refused);
    const wrong = { replyKey: replyKey.subarray(1), command: { tag: "get", value: replyKey } } as const;
    expect(() => encodeKeyValueRequest(group, wrong)).toThrow(refused);
    // Lengths are two bits and their number: of a get's key, behind the reply key and the tag.
    const get = (length: number): Uint8Array => {
      const size = Uint8Array.of(((length << 2) & 0xff) | 1, length >> 6);
      return Buffer.concat([replyKey, Uint8Array.of(1), size, new Uint8Array(length)]);
    };
    expect(request(group, get(KEY_VALUE_KEY_BYTES_MAX))?.command.value).toHaveLength(KEY_VALUE_KEY_BYTES_MAX);
    expect(request(group, get(KEY_VALUE_KEY_BYTES_MAX + 1))).toBeNull();
  });

  test("has the numbers that it ever had", () => {
    const empty = new Uint8Array(0);
    const tagOf = (each: KeyValueCommand): number | undefined =>
      encodeKeyValueRequest(group, { replyKey, command: each })[group.elementBytes];
    expect(tagOf({ tag: "put", value: { key: empty, value: empty } })).toBe(0);
    expect(tagOf({ tag: "get", value: empty })).toBe(1);
    expect(tagOf({ tag: "delete", value: empty })).toBe(2);
  });
});

describe("an answer", () => {
  test("comes over whole, and has one encoding", () => {
    fc.assert(
      fc.property(answer, (each) => {
        expect(answered(encodeKeyValueAnswer(each))).toEqual(each);
      }),
    );
    fc.assert(
      fc.property(answer, faults, (each, wrong) => {
        const encoded = wrong.reduce<Uint8Array>(faulty, encodeKeyValueAnswer(each));
        const value = answered(encoded);
        if (value !== null) expect(encodeKeyValueAnswer(value)).toEqual(new Uint8Array(encoded));
      }),
      { numRuns: 1_000 },
    );
  });

  test("has the numbers that it ever had, and no code that is none", () => {
    const encode = (each: KeyValueAnswer): string => Buffer.from(encodeKeyValueAnswer(each)).toString("hex");
    expect(encode({ tag: "done", value: undefined })).toBe("00");
    expect(encode({ tag: "value", value: Uint8Array.of(5) })).toBe("010405");
    expect(encode({ tag: "nothing", value: undefined })).toBe("02");
    expect(encode({ tag: "failed", value: { code: "AB" } })).toBe("03084142");
    expect(answered(Buffer.from("03086162", "hex"))).toBeNull();
    expect(answered(Buffer.from("0300", "hex"))).toBeNull();
  });

  test("has a value as long as may be, and none that is longer", () => {
    const value = new Uint8Array(KEY_VALUE_VALUE_BYTES_MAX).fill(3);
    const encoded = encodeKeyValueAnswer({ tag: "value", value });
    expect(encoded.length).toBeLessThanOrEqual(COMMAND_BYTES_MAX);
    expect(answered(encoded)).toEqual({ tag: "value", value });
    const longer = new Uint8Array(KEY_VALUE_VALUE_BYTES_MAX + 1);
    expect(() => encodeKeyValueAnswer({ tag: "value", value: longer })).toThrow(refused);
  });
});
