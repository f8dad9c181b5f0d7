import { createCipheriv } from "node:crypto";
import { describe, expect, it } from "vitest";
import { discard, moveText, NativeKey, overwriteFreed } from "../../src/engine/native-key.ts";
import { ALL_SUITES } from "../../src/engine/suite.ts";
import { bytesOf } from "./deterministic-bytes.ts";
import { nativeOpen, nativeSeal } from "./native-aead.ts";

const [KEY, NEW_KEY] = [bytesOf(1, 32), bytesOf(2, 32)];
const [NONCE, NEW_NONCE] = [bytesOf(3, 12), bytesOf(4, 12)];
const AAD = bytesOf(5, 50);
/** Around blocks of both ciphers, and around the pieces in which a text is moved. */
const LENGTHS = [0, 1, 16, 63, 64, 65, 1000, 131_071, 131_072, 131_073, 300_001];

describe("a native key", () => {
  it("encrypts AES blocks in place and nothing beside them, and takes no more than it is told", () => {
    const key = new NativeKey("aes-256-gcm", KEY);
    const memory = bytesOf(6, 400);
    for (const [at, length, taken] of [
      [16, 32, 32],
      [100, 160, 160],
      [8, 16, 320],
    ] as const) {
      const expected = memory.slice();
      const ecb = createCipheriv("aes-256-ecb", KEY, null).setAutoPadding(false);
      expected.set(ecb.update(memory.subarray(at, at + length)), at);
      key.encryptBlocks(memory, { at, length }, taken);
      expect(Buffer.compare(memory, expected)).toBe(0);
    }
  });

  it("has its own copy of the key", () => {
    const bytes = KEY.slice();
    const key = new NativeKey("aes-256-gcm", bytes);
    bytes.fill(0);
    const text = bytesOf(7, 20);
    const box = nativeSeal("aes-256-gcm", KEY, NONCE, AAD, text);
    expect(key.open({ nonce: NONCE, aad: AAD }, { text: box.subarray(12, -16), tag: box.subarray(-16) })).toEqual(
      Buffer.from(text),
    );
  });

  it("gives GCM's tag of pieces as one AAD", () => {
    const key = new NativeKey("aes-256-gcm", KEY);
    for (const pieces of [[], [AAD], [AAD, bytesOf(8, 14), bytesOf(9, 77)], [new Uint8Array(0), AAD]]) {
      const memory = new Uint8Array(20);
      key.gcmHash(NONCE, pieces, memory, 3);
      const whole = nativeSeal("aes-256-gcm", KEY, NONCE, Buffer.concat(pieces), new Uint8Array(0));
      expect(Buffer.from(memory.subarray(3, 19))).toEqual(whole.subarray(-16));
      expect([...memory.subarray(0, 3), memory[19]]).toEqual([0, 0, 0, 0]);
    }
  });

  it.each(ALL_SUITES)("seals and opens as %s says, where the text lies", (suite) => {
    const key = new NativeKey(suite, KEY);
    for (const length of LENGTHS) {
      const plaintext = bytesOf(length, length);
      const expected = nativeSeal(suite, KEY, NONCE, AAD, plaintext);
      const [text, tag] = [plaintext.slice(), new Uint8Array(16)];
      key.seal({ nonce: NONCE, aad: AAD }, text, { text, tag });
      expect(Buffer.concat([NONCE, text, tag]).equals(expected)).toBe(true);
      const opened = key.open({ nonce: NONCE, aad: AAD }, { text, tag });
      expect(opened !== null && Buffer.compare(opened, plaintext) === 0).toBe(true);
      tag[length % 16]! ^= 1;
      expect(key.open({ nonce: NONCE, aad: AAD }, { text, tag })).toBeNull();
      expect(Buffer.concat([NONCE, text]).equals(expected.subarray(0, -16)), "left as it was").toBe(true);
    }
  });

  it.each(ALL_SUITES)("moves a text from one keystream of %s to another", (suite) => {
    const [key, newKey] = [new NativeKey(suite, KEY), new NativeKey(suite, NEW_KEY)];
    for (const length of LENGTHS) {
      const plaintext = bytesOf(length, length);
      const text = Buffer.from(nativeSeal(suite, KEY, NONCE, AAD, plaintext).subarray(12, -16));
      const [from, to] = [key.keystream(NONCE), newKey.keystream(NEW_NONCE)];
      moveText(text, from, to);
      const expected = nativeSeal(suite, NEW_KEY, NEW_NONCE, AAD, plaintext);
      expect(text.equals(expected.subarray(12, -16))).toBe(true);
      expect(() => from.update(text), "the stream is gone").toThrow();
      expect(() => to.update(text)).toThrow();
      expect(nativeOpen(suite, NEW_KEY, AAD, expected)?.length).toBe(length);
    }
  });
});

describe("what node:crypto returned", () => {
  it("is wiped and detached, unless it shares its memory with others: then wiped alone", () => {
    const own = Buffer.from(new Uint8Array(100).fill(7).buffer);
    discard(own);
    expect(own.length).toBe(0);
    const shared = new Uint8Array(100).fill(7);
    discard(Buffer.from(shared.buffer, 10, 50));
    expect(shared.length).toBe(100);
    expect([...shared]).toEqual([...new Uint8Array(100)].map((_, at) => (at >= 10 && at < 60 ? 0 : 7)));
    discard(Buffer.from(new ArrayBuffer(0)));
  });

  it("is overwritten for any lengths that a keystream has", () => {
    const key = new NativeKey("aes-256-gcm", KEY);
    const memory = new Uint8Array(131_072);
    for (const length of [16, 8_192, 131_072]) key.encryptBlocks(memory, { at: 0, length }, length);
    expect(() => overwriteFreed()).not.toThrow();
    expect(() => overwriteFreed()).not.toThrow();
  });
});
