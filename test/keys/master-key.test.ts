import { inspect } from "node:util";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateMasterKey, MasterKey } from "../../src/keys/master-key.ts";
import { checkRotationId } from "../../src/keys/rotation-id.ts";
import { Secret } from "../../src/secret.ts";

const N = secp256k1.Point.CURVE().n;
const scalar = (value: bigint): Uint8Array => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
const masterKey = (value: bigint): MasterKey => new MasterKey(0, new Secret(scalar(value)));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("a MasterKey", () => {
  test("accepts exactly the scalars from 1 to n − 1", () => {
    for (const good of [1n, 2n, 255n, 256n, N >> 1n, N - 2n, N - 1n]) {
      masterKey(good).use((bytes) => expect(hex(bytes)).toBe(hex(scalar(good))));
    }
    for (const bad of [0n, N, N + 1n, N + 256n, 2n ** 256n - 1n]) {
      expect(() => masterKey(bad)).toThrow(expect.objectContaining({ code: "KEY_UNAVAILABLE" }));
    }
    const any = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });
    const nearN = fc.bigInt({ min: N - 2n ** 32n, max: N + 2n ** 32n });
    fc.assert(
      fc.property(fc.oneof(any, nearN), (value) => {
        if (value > 0n && value < N) masterKey(value)[Symbol.dispose]();
        else expect(() => masterKey(value)).toThrow(expect.objectContaining({ code: "KEY_UNAVAILABLE" }));
      }),
    );
  });

  test("refuses scalars of another length", () => {
    for (const length of [0, 31, 33, 64]) {
      const bytes = new Uint8Array(length).fill(1);
      expect(() => new MasterKey(0, new Secret(bytes))).toThrow(expect.objectContaining({ code: "KEY_UNAVAILABLE" }));
    }
  });

  test("takes its scalar over: wiped with the key, and when the key is refused", () => {
    const kept = new Secret(scalar(5n));
    const key = new MasterKey(3, kept);
    key[Symbol.dispose]();
    expect(() => kept.use(() => 0)).toThrow("wiped");
    expect(() => key.use(() => 0)).toThrow("wiped");
    const refused = new Secret(scalar(N));
    expect(() => new MasterKey(3, refused)).toThrow("not a secp256k1 scalar");
    expect(() => refused.use(() => 0)).toThrow("wiped");
  });

  test("shows nothing of its scalar when it is printed", () => {
    const key = masterKey(0x1234_5678_9abc_def0n);
    expect(inspect(key, { depth: 9 })).not.toMatch(/1234|4660|18/);
    expect(JSON.stringify(key)).toBe('{"rotationId":0}');
  });
});

describe("generateMasterKey", () => {
  test("makes a different key each time, under the rotation id asked for", () => {
    const keys = Array.from({ length: 20 }, (_, i) => generateMasterKey(i));
    expect(keys.map((key) => key.rotationId)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(new Set(keys.map((key) => key.use(hex))).size).toBe(20);
  });

  test("refuses a rotation id that is not u32", () => {
    for (const bad of [-1, 0.5, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => generateMasterKey(bad)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      expect(() => checkRotationId(bad)).toThrow("rotation id");
    }
    expect(() => checkRotationId(2 ** 32 - 1)).not.toThrow();
  });
});
