import { createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { ristretto255 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ContractEcdhKey, contractEcdhKey } from "../../src/keys/contract-ecdh-key.ts";
import type { Group } from "../../src/keys/group.ts";
import {
  COMMAND_BYTES_MAX,
  newReplyKey,
  openAnswer,
  openCommand,
  readCommandHeader,
  sealAnswer,
  sealCommand,
} from "../../src/keys/sealed-command.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { COMPRESSED_SECP256K1_GROUP, numberOf } from "./groups.ts";

const CONTRACT = new Uint8Array(32).fill(3);
const COMMAND = Buffer.from("transfer 5 to alice");
const invalid = (reason: string): unknown =>
  expect.objectContaining({ code: "COMMAND_INVALID", detail: expect.objectContaining({ reason }) });

const GROUPS = [
  {
    name: "secp256k1",
    group: COMPRESSED_SECP256K1_GROUP,
    /** k times an element, as what the key is derived from. */
    shared: (element: Uint8Array, k: bigint): Uint8Array =>
      secp256k1.Point.fromBytes(element).multiplyUnsafe(k).toBytes(true).subarray(1),
  },
  {
    name: "ristretto255",
    group: RISTRETTO255_GROUP,
    shared: (element: Uint8Array, k: bigint): Uint8Array =>
      ristretto255.Point.fromBytes(element).multiplyUnsafe(k).toBytes(),
  },
];

describe.each(GROUPS)("a command over $name", ({ group, shared }) => {
  const key = contractEcdhKey(group, new Uint8Array(32).fill(9), 1, 5, CONTRACT);
  const seal = (command: Uint8Array = COMMAND, changes: object = {}): Uint8Array<ArrayBuffer> =>
    sealCommand({ group, contract: CONTRACT, rotationId: 5, ecdhKey: key.publicKey, ...changes }, command);
  const open = (bytes: Uint8Array, by: ContractEcdhKey = key, over: Group = group): Buffer => {
    using body = openCommand(over, by, bytes);
    return body.use((plaintext) => Buffer.from(plaintext));
  };

  test("is read by who has the contract's EcdhKey", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (command) => {
        expect(new Uint8Array(open(seal(command)))).toEqual(command);
      }),
      { numRuns: 20 },
    );
    expect(readCommandHeader(seal())).toEqual({ keySuite: group.keySuite, rotationId: 5, contract: CONTRACT });
  });

  test("has the bytes that its description says, which others read as well", () => {
    const bytes = seal();
    const element = group.elementBytes;
    expect(bytes.length).toBe(38 + element + 12 + COMMAND.length + 16);
    expect([...bytes.subarray(0, 6)]).toEqual([1, group.keySuite, 5, 0, 0, 0]);
    expect(bytes.subarray(6, 38)).toEqual(CONTRACT);
    const bound = bytes.subarray(0, 38 + element);
    const ikm = shared(bound.subarray(38), numberOf(group, key.scalar));
    const info = Buffer.concat([Buffer.from("gatekeeper/v1 key of a sealed command"), bound, key.publicKey]);
    const symmetric = Buffer.from(hkdfSync("sha256", ikm, new Uint8Array(0), info, 32));
    const nonceAt = 38 + element;
    const cipher = createDecipheriv("aes-256-gcm", symmetric, bytes.subarray(nonceAt, nonceAt + 12));
    cipher.setAAD(bytes.subarray(0, nonceAt + 12));
    cipher.setAuthTag(bytes.subarray(-16));
    const opened = Buffer.concat([cipher.update(bytes.subarray(nonceAt + 12, -16)), cipher.final()]);
    expect(opened).toEqual(COMMAND);
  });

  test("is another each time, also of the same words", () => {
    const [one, two] = [seal(), seal()];
    for (let at = 38; at + 8 < one.length; at += 8) {
      expect(Buffer.compare(one.subarray(at, at + 8), two.subarray(at, at + 8))).not.toBe(0);
    }
  });

  test("with any byte altered opens for nobody", () => {
    const bytes = seal();
    const reasons = new Set<string>();
    for (let at = 0; at < bytes.length; at++) {
      const altered = bytes.with(at, bytes[at]! ^ (1 << (at % 8)));
      try {
        open(altered);
        reasons.add("opened");
      } catch (error) {
        reasons.add((error as { detail: { reason: string } }).detail.reason);
      }
    }
    expect([...reasons].sort()).toEqual(["BadTag", "Malformed"]);
  });

  test("cut off, longer, or of another group is none", () => {
    const bytes = seal(new Uint8Array(0));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => open(bytes.subarray(0, length))).toThrow(invalid("Malformed"));
    }
    expect(() => open(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(invalid("BadTag"));
    const other = group === RISTRETTO255_GROUP ? COMPRESSED_SECP256K1_GROUP : RISTRETTO255_GROUP;
    expect(() => open(Buffer.concat([bytes, Buffer.alloc(9)]), key, other)).toThrow(invalid("Malformed"));
    const longest = seal(new Uint8Array(COMMAND_BYTES_MAX));
    expect(() => open(Buffer.concat([longest, Buffer.of(0)]))).toThrow(invalid("Malformed"));
    expect(readCommandHeader(bytes.subarray(0, 37))).toBeNull();
    expect(readCommandHeader(bytes.with(0, 2))).toBeNull();
    expect(readCommandHeader(bytes.with(1, 3))).toBeNull();
  });

  test("to one contract or generation is none to another, even one with the same key", () => {
    const bytes = seal();
    expect(() => open(bytes.with(2, 6))).toThrow(invalid("BadTag"));
    expect(() => open(bytes.with(6, 4))).toThrow(invalid("BadTag"));
    const another = contractEcdhKey(group, new Uint8Array(32).fill(9), 1, 6, CONTRACT);
    expect(() => open(bytes, another)).toThrow(invalid("BadTag"));
  });

  test("is not sealed to what is no key, nor too long", () => {
    const bad = Uint8Array.from(key.publicKey).fill(0xff);
    expect(() => seal(COMMAND, { ecdhKey: bad })).toThrow(expect.objectContaining({ code: "ELEMENT_INVALID" }));
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => seal(COMMAND, { ecdhKey: key.publicKey.subarray(1) })).toThrow(refused);
    expect(() => seal(COMMAND, { contract: CONTRACT.subarray(1) })).toThrow(refused);
    expect(() => seal(COMMAND, { rotationId: 2 ** 32 })).toThrow(refused);
    expect(() => seal(new Uint8Array(COMMAND_BYTES_MAX + 1))).toThrow(refused);
    const longest = randomBytes(COMMAND_BYTES_MAX);
    expect(open(seal(longest)).equals(longest)).toBe(true);
    // With the rest of a message to the chain it fits into one.
    expect(seal(longest).length).toBeLessThan(65_536 - 1_024);
  });

  test("random bytes are refused and do no harm", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => open(bytes)).toThrow(expect.objectContaining({ code: "COMMAND_INVALID" }));
      }),
    );
  });
});

describe.each(GROUPS)("an answer over $name", ({ group, shared }) => {
  const ANSWER = Buffer.from("done");
  const key = contractEcdhKey(group, new Uint8Array(32).fill(9), 1, 5, CONTRACT);
  const replyKey = newReplyKey(group);
  const command = sealCommand(
    { group, contract: CONTRACT, rotationId: 5, ecdhKey: key.publicKey },
    Buffer.concat([replyKey.publicKey, COMMAND]),
  );
  const seal = (answer: Uint8Array = ANSWER, to: Uint8Array = command): Uint8Array<ArrayBuffer> =>
    sealAnswer(group, to, replyKey.publicKey, answer);
  const open = (bytes: Uint8Array, to: Uint8Array = command, by: ContractEcdhKey = replyKey): Buffer => {
    using body = openAnswer(group, by, to, bytes);
    return body.use((plaintext) => Buffer.from(plaintext));
  };

  test("is read by who has sent the command, up to the longest", () => {
    for (const answer of [new Uint8Array(0), ANSWER, randomBytes(COMMAND_BYTES_MAX)]) {
      expect(Buffer.compare(open(seal(answer)), answer)).toBe(0);
    }
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => seal(new Uint8Array(COMMAND_BYTES_MAX + 1))).toThrow(refused);
    expect(() => seal(ANSWER, command.subarray(0, 10))).toThrow(refused);
    expect(() => sealAnswer(group, command, replyKey.publicKey.subarray(1), ANSWER)).toThrow(refused);
    const none = new Uint8Array(group.elementBytes).fill(0xff);
    const invalidElement = expect.objectContaining({ code: "ELEMENT_INVALID" });
    expect(() => sealAnswer(group, command, none, ANSWER)).toThrow(invalidElement);
  });

  test("has the bytes that its description says, which others read as well", () => {
    const bytes = seal();
    const nonceAt = 38 + group.elementBytes;
    expect(bytes.length).toBe(nonceAt + 12 + ANSWER.length + 16);
    expect(bytes.subarray(0, 38)).toEqual(command.subarray(0, 38));
    const bound = bytes.subarray(0, nonceAt);
    const ikm = shared(bound.subarray(38), numberOf(group, replyKey.scalar));
    const hash = createHash("sha256").update(command).digest();
    const label = Buffer.from("gatekeeper/v1 key of a sealed answer");
    const info = Buffer.concat([label, bound, replyKey.publicKey, hash]);
    const symmetric = Buffer.from(hkdfSync("sha256", ikm, new Uint8Array(0), info, 32));
    const cipher = createDecipheriv("aes-256-gcm", symmetric, bytes.subarray(nonceAt, nonceAt + 12));
    cipher.setAAD(bytes.subarray(0, nonceAt + 12));
    cipher.setAuthTag(bytes.subarray(-16));
    expect(Buffer.concat([cipher.update(bytes.subarray(nonceAt + 12, -16)), cipher.final()])).toEqual(ANSWER);
  });

  test("with any byte altered, cut off or longer opens for nobody", () => {
    const bytes = seal();
    const reasons = new Set<string>();
    const wrong = [
      ...Array.from(bytes, (byte, at) => bytes.with(at, byte ^ (1 << (at % 8)))),
      ...Array.from(bytes, (_, length) => bytes.subarray(0, length)),
      Buffer.concat([bytes, Buffer.of(0)]),
      new Uint8Array(bytes.length + COMMAND_BYTES_MAX),
    ];
    for (const each of wrong) {
      try {
        open(each);
        reasons.add("opened");
      } catch (error) {
        reasons.add((error as { detail: { reason: string } }).detail.reason);
      }
    }
    expect([...reasons].sort()).toEqual(["BadTag", "Malformed"]);
  });

  test("to one command is none to another, not even with the same reply key, nor for another's", () => {
    const again = sealCommand(
      { group, contract: CONTRACT, rotationId: 5, ecdhKey: key.publicKey },
      Buffer.concat([replyKey.publicKey, COMMAND]),
    );
    expect(() => open(seal(ANSWER, again))).toThrow(invalid("BadTag"));
    expect(() => open(seal(), command, newReplyKey(group))).toThrow(invalid("BadTag"));
    // Of another contract or generation.
    expect(() => open(seal(ANSWER, command.with(6, 4)))).toThrow(invalid("Malformed"));
    expect(() => open(seal(ANSWER, command.with(2, 6)))).toThrow(invalid("Malformed"));
  });

  test("is no command, nor a command an answer, to the same key", () => {
    expect(() => openCommand(group, replyKey, seal())).toThrow(invalid("BadTag"));
    const recipient = { group, contract: CONTRACT, rotationId: 5, ecdhKey: replyKey.publicKey };
    expect(() => open(sealCommand(recipient, ANSWER))).toThrow(invalid("BadTag"));
  });
});
