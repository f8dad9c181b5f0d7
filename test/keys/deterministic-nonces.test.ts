import { createHmac } from "node:crypto";
import { createHmacDrbg } from "@noble/curves/utils.js";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { HmacSha256 } from "../../src/engine/hmac-sha256.ts";
import { DeterministicNonces } from "../../src/keys/deterministic-nonces.ts";
import { Secret } from "../../src/secret.ts";
import { HMAC, forcingOutput, nonceHex } from "./forced-hmac.ts";

afterEach(() => void vi.restoreAllMocks());

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const bytesOf = (value: bigint): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(64, "0"), "hex"));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The first outputs that noble's generator has in the range of nonces. */
function expected(key: Uint8Array, hash: Uint8Array, count: number): string[] {
  const hmac = (mac: Uint8Array, message: Uint8Array): Uint8Array =>
    Uint8Array.from(createHmac("sha256", mac).update(message).digest());
  const found: string[] = [];
  createHmacDrbg(
    32,
    32,
    hmac,
  )(Buffer.concat([key, hash]), (output) => {
    const value = BigInt(`0x${hex(output)}`);
    if (value > 0n && value < ORDER) found.push(hex(output));
    return found.length === count ? found : undefined;
  });
  return found;
}

describe("deterministic nonces", () => {
  test("are those of noble's generator, also behind the first", () => {
    const agrees = (key: Uint8Array, hash: Uint8Array): void => {
      using secret = new Secret(key.slice());
      using nonces = new DeterministicNonces(HMAC, secret, hash);
      expect([1, 2, 3].map(() => nonceHex(nonces))).toEqual(expected(key, hash, 3));
    };
    fc.assert(fc.property(bytes32, bytes32, agrees));
  });

  test.each([
    ["0", 0n],
    ["n", ORDER],
    ["n + 1", ORDER + 1n],
    ["2^256 − 1", 2n ** 256n - 1n],
  ])("leave out an output of %s, and go on as RFC 6979 does", (_, value) => {
    const [key, hash] = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(9)];
    const forced = forcingOutput(bytesOf(value));
    using secret = new Secret(key.slice());
    using nonces = new DeterministicNonces(HMAC, secret, hash);
    const nonce = nonceHex(nonces);
    expect(forced()).toBe(1);
    // What step h.3 makes of a V that was refused.
    const tag = (mac: Uint8Array, ...parts: Uint8Array[]): Buffer =>
      createHmac("sha256", mac).update(Buffer.concat(parts)).digest();
    let [k, v]: [Uint8Array, Uint8Array] = [new Uint8Array(32), new Uint8Array(32).fill(1)];
    for (const round of [0, 1]) {
      k = tag(k, v, Buffer.of(round), key, hash);
      v = tag(k, v);
    }
    v = bytesOf(value);
    k = tag(k, v, Buffer.of(0));
    v = tag(k, v);
    expect(nonce).toBe(hex(tag(k, v)));
  });

  test.each([1n, ORDER - 1n])("keep an output of %d", (value) => {
    forcingOutput(bytesOf(value));
    using secret = new Secret(new Uint8Array(32).fill(7));
    using nonces = new DeterministicNonces(HMAC, secret, new Uint8Array(32));
    expect(nonceHex(nonces)).toBe(hex(bytesOf(value)));
  });

  test("leave no tag undisposed", () => {
    const made: Secret[] = [];
    const tag = HmacSha256.prototype.tag;
    vi.spyOn(HmacSha256.prototype, "tag").mockImplementation(function (this: HmacSha256, key, pieces) {
      made.push(tag.call(this, key, pieces));
      return made.at(-1)!;
    });
    using secret = new Secret(new Uint8Array(32).fill(7));
    {
      using nonces = new DeterministicNonces(HMAC, secret, new Uint8Array(32));
      for (let i = 0; i < 3; i++) nonces.next()[Symbol.dispose]();
    }
    expect(made.length).toBe(4 + 1 + 3 + 3);
    for (const each of made) expect(() => each.use(() => 0)).toThrow("wiped");
    expect(() => secret.use(() => 0)).not.toThrow();
  });
});
