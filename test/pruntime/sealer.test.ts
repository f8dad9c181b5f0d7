import { createDecipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CONTEXT } from "../../src/context.ts";
import { SEAL_OVERHEAD, seal, unseal } from "../../src/pruntime/sealer.ts";
import { Secret } from "../../src/secret.ts";

const LABEL = CONTEXT.sealMasterKey;
const keyBytes = randomBytes(32);
const kek = new Secret(Uint8Array.from(keyBytes));
const refused = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
const open = (sealed: Uint8Array, label = LABEL as Parameters<typeof unseal>[1], binding = Buffer.of(1, 2)): Buffer => {
  using secret = unseal(kek, label, binding, sealed, "FILE");
  return secret.use((bytes) => Buffer.from(bytes));
};

describe("a sealed file", () => {
  test("gives back what was sealed, whatever its length", () => {
    const check = (secret: Uint8Array, binding: Uint8Array): void => {
      const sealed = seal(kek, LABEL, binding, secret);
      expect(sealed.length).toBe(secret.length + SEAL_OVERHEAD);
      expect(open(sealed, LABEL, Buffer.from(binding))).toEqual(Buffer.from(secret));
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 60 }), check));
  });

  test("has the documented bytes", () => {
    const secret = randomBytes(32);
    const sealed = Buffer.from(seal(kek, LABEL, Buffer.of(1, 2), secret));
    expect(sealed.toString("hex", 0, 8)).toBe(`${Buffer.from("GKSEAL").toString("hex")}0101`);
    const decipher = createDecipheriv("aes-256-gcm", keyBytes, sealed.subarray(8, 20));
    const label = Buffer.from("gatekeeper/v1 seal: MasterKey\0");
    decipher.setAAD(Buffer.concat([sealed.subarray(0, 8), label, Buffer.of(1, 2)]));
    decipher.setAuthTag(sealed.subarray(-16));
    expect(Buffer.concat([decipher.update(sealed.subarray(20, -16)), decipher.final()])).toEqual(secret);
  });

  test("never repeats a nonce", () => {
    const nonces = Array.from({ length: 200 }, () =>
      Buffer.from(seal(kek, LABEL, Buffer.of(), Buffer.of(1))).toString("hex", 8, 20),
    );
    expect(new Set(nonces).size).toBe(nonces.length);
  });

  test("leaves the caller's secret alone", () => {
    const secret = Uint8Array.of(1, 2, 3);
    seal(kek, LABEL, Buffer.of(), secret);
    expect(secret).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe("unseal refuses", () => {
  const sealed = seal(kek, LABEL, Buffer.of(1, 2), randomBytes(32));

  test("every changed bit", () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => open(changed), `bit ${bit}`).toThrow(refused);
    }
    expect(() => open(sealed)).not.toThrow();
  });

  test("every shorter length, and a longer one", () => {
    for (let length = 0; length < sealed.length; length++) {
      expect(() => open(sealed.subarray(0, length)), `${length} bytes`).toThrow(refused);
    }
    expect(() => open(Uint8Array.from([...sealed, 0]))).toThrow(refused);
  });

  test("another label, binding or key", () => {
    expect(() => open(sealed, CONTEXT.exportKeyFile)).toThrow(refused);
    for (const binding of [[], [1], [1, 3], [1, 2, 0], [0, 1, 2]]) {
      expect(() => open(sealed, LABEL, Buffer.from(binding))).toThrow(refused);
    }
    using other = new Secret(randomBytes(32));
    expect(() => unseal(other, LABEL, Buffer.of(1, 2), sealed, "FILE")).toThrow(refused);
  });

  test("an unknown version or sealer kind by name, and says which file", () => {
    expect(() => open(sealed.with(6, 2))).toThrow("FILE has version 2");
    expect(() => open(sealed.with(7, 2))).toThrow("sealer of kind 2");
    expect(() => open(sealed.with(0, 0))).toThrow("FILE is not a sealed file");
  });
});
