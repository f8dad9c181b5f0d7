import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import {
  PARTIALS_REFUSALS,
  type PeerMessage,
  decodePeerMessage,
  encodePeerMessage,
} from "../../src/pruntime/peer-message.ts";
import { Secret } from "../../src/secret.ts";

const NONCE = `0x${"a5".repeat(32)}`;
/** What bytes are read as. Values are copied, as the memory is wiped that they lie in. */
function decoded(bytes: Uint8Array): PeerMessage | null {
  using body = new Secret(Uint8Array.from(bytes));
  return structuredClone(decodePeerMessage(body));
}
const request = { nonce: NONCE, epoch: 3, rotationId: 2, quorum: [1, 4], contracts: new Uint8Array(64).fill(9) };
const signature = new Uint8Array(64).fill(6);
const reply = { nonce: NONCE, proof: new Uint8Array(64).fill(7), signature, partials: new Uint8Array(130).fill(8) };
const MESSAGES: readonly PeerMessage[] = [
  { tag: "ping", value: NONCE },
  { tag: "pong", value: { nonce: NONCE, height: 7 } },
  { tag: "partialsRequest", value: request },
  { tag: "partialsRequest", value: { ...request, quorum: null } },
  { tag: "partialsReply", value: reply },
  { tag: "partialsReply", value: { ...reply, partials: new Uint8Array(512 * 65).fill(8) } },
  ...PARTIALS_REFUSALS.map(
    (reason) => ({ tag: "partialsRefused", value: { nonce: NONCE, reason, height: 7 } }) as const,
  ),
];

describe("a message between pRuntimes", () => {
  test("has these bytes, which others read as well", () => {
    const nonce = "a5".repeat(32);
    const hex = (message: PeerMessage): string => toHex(encodePeerMessage(message));
    expect(hex({ tag: "ping", value: NONCE })).toBe(`0x00${nonce}`);
    expect(hex({ tag: "pong", value: { nonce: NONCE, height: 0x01020304 } })).toBe(`0x01${nonce}04030201`);
    const asked = `0x02${nonce}03000000020000000108010000000400000`;
    expect(hex({ tag: "partialsRequest", value: request })).toBe(`${asked}00101${"09".repeat(64)}`);
    expect(hex({ tag: "partialsReply", value: reply })).toBe(
      `0x03${nonce}${"07".repeat(64)}${"06".repeat(64)}0902${"08".repeat(130)}`,
    );
    const refused = { nonce: NONCE, reason: "NotAssigned", height: 5 } as const;
    expect(hex({ tag: "partialsRefused", value: refused })).toBe(`0x04${nonce}0205000000`);
    for (const message of MESSAGES) expect(decoded(encodePeerMessage(message))).toEqual(message);
  });

  test("is none that is cut off, longer, or of another kind", () => {
    for (const message of MESSAGES.map(encodePeerMessage).filter(({ length }) => length < 1_000)) {
      for (let length = 0; length < message.length; length++) {
        expect(decoded(message.subarray(0, length))).toBeNull();
      }
      expect(decoded(Buffer.concat([message, Buffer.of(0)]))).toBeNull();
      for (let kind = 5; kind < 256; kind++) {
        expect(decoded(Buffer.concat([Buffer.of(kind), message.subarray(1)]))).toBeNull();
      }
    }
  });

  test("has 512 contracts at most, and their partials", () => {
    const contracts = new Uint8Array(513 * 32);
    const asks = (bytes: Uint8Array) =>
      encodePeerMessage({ tag: "partialsRequest", value: { ...request, contracts: bytes } });
    const answers = (bytes: Uint8Array) =>
      encodePeerMessage({ tag: "partialsReply", value: { ...reply, partials: bytes } });
    expect(decoded(asks(contracts.subarray(32)))).not.toBeNull();
    expect(() => asks(contracts)).toThrow("more than");
    expect(() => answers(new Uint8Array(512 * 65 + 1))).toThrow("more than");
    const grown = encodePeerMessage({
      tag: "partialsReply",
      value: { ...reply, partials: new Uint8Array(512 * 65) },
    });
    const bytes = Buffer.concat([grown, Buffer.of(0)]);
    // Four more in the length, which takes the place of three of six bits.
    bytes.writeUInt32LE((512 * 65 + 1) * 4 + 2, 1 + 32 + 64 + 64);
    expect(decoded(bytes)).toBeNull();
  });

  test("with partials is read where it lies: whoever wipes its body has wiped them", () => {
    const body = new Secret(encodePeerMessage({ tag: "partialsReply", value: reply }));
    const message = decodePeerMessage(body);
    if (message?.tag !== "partialsReply") throw new Error("it was another");
    expect(message.value.partials).toEqual(reply.partials);
    body[Symbol.dispose]();
    expect(message.value.partials).toEqual(new Uint8Array(130));
  });

  test("that can be read is written in the same bytes", () => {
    const check = (bytes: Uint8Array): void => {
      const message = decoded(bytes);
      if (message !== null) expect(toHex(encodePeerMessage(message))).toBe(toHex(bytes));
    };
    const near = fc
      .tuple(fc.constantFrom(0, 1, 2, 3, 4, 5), fc.uint8Array({ minLength: 31, maxLength: 37 }))
      .map(([kind, rest]) => Buffer.from([kind, ...rest]));
    const altered = fc.tuple(fc.constantFrom(...MESSAGES), fc.nat(120), fc.nat(255)).map(([message, at, byte]) => {
      const bytes = encodePeerMessage(message);
      bytes[at % bytes.length] = byte;
      return bytes;
    });
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), near, altered), check));
  });
});
