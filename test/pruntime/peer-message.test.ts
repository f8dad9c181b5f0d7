import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { type PeerMessage, decodePeerMessage, encodePeerMessage } from "../../src/pruntime/peer-message.ts";

const NONCE = `0x${"a5".repeat(32)}`;

describe("a message between pRuntimes", () => {
  test("has these bytes, which others read as well", () => {
    expect(toHex(encodePeerMessage({ tag: "ping", value: NONCE }))).toBe(`0x00${"a5".repeat(32)}`);
    const pong: PeerMessage = { tag: "pong", value: { nonce: NONCE, height: 0x01020304 } };
    expect(toHex(encodePeerMessage(pong))).toBe(`0x01${"a5".repeat(32)}04030201`);
    expect(decodePeerMessage(encodePeerMessage(pong))).toEqual(pong);
  });

  test("is none that is cut off, longer, or of another kind", () => {
    for (const message of [
      encodePeerMessage({ tag: "ping", value: NONCE }),
      encodePeerMessage({ tag: "pong", value: { nonce: NONCE, height: 7 } }),
    ]) {
      for (let length = 0; length < message.length; length++) {
        expect(decodePeerMessage(message.subarray(0, length))).toBeNull();
      }
      expect(decodePeerMessage(Buffer.concat([message, Buffer.of(0)]))).toBeNull();
      for (let kind = 2; kind < 256; kind++) {
        expect(decodePeerMessage(Buffer.concat([Buffer.of(kind), message.subarray(1)]))).toBeNull();
      }
    }
  });

  test("that can be read is written in the same bytes", () => {
    const check = (bytes: Uint8Array): void => {
      const message = decodePeerMessage(bytes);
      if (message !== null) expect(toHex(encodePeerMessage(message))).toBe(toHex(bytes));
    };
    const near = fc
      .tuple(fc.constantFrom(0, 1, 2), fc.uint8Array({ minLength: 31, maxLength: 37 }))
      .map(([kind, rest]) => Buffer.from([kind, ...rest]));
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), near), check));
  });
});
