import { createDecipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CONTEXT } from "../../src/context.ts";
import { SEAL_OVERHEAD, type SealLabel, Sealer, SEALER_KIND, type SealerKind } from "../../src/pruntime/sealer.ts";
import { Secret } from "../../src/secret.ts";

/** What the version before kinds were more than one sealed; see the test. */
const OLD = "474b5345414c0101050505050505050505050505e3f3842c85df78a860d3224fd6c1d542173210dc";
const LABEL = CONTEXT.sealMasterKey;
const keyBytes = randomBytes(32);
const sealerOf = (kind: SealerKind, key: Uint8Array = keyBytes): Sealer =>
  new Sealer(kind, new Secret(Uint8Array.from(key)));
const sealer = sealerOf(SEALER_KIND.keyFile);
const refused = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
const open = (sealed: Uint8Array, label: SealLabel = LABEL, binding = Buffer.of(1, 2)): Buffer => {
  using secret = sealer.unseal(label, binding, sealed, "FILE");
  return secret.use((bytes) => Buffer.from(bytes));
};

describe("a sealed file", () => {
  test("gives back what was sealed, whatever its length", () => {
    const check = (secret: Uint8Array, binding: Uint8Array): void => {
      const sealed = sealer.seal(LABEL, binding, secret);
      expect(sealed.length).toBe(secret.length + SEAL_OVERHEAD);
      expect(open(sealed, LABEL, Buffer.from(binding))).toEqual(Buffer.from(secret));
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 60 }), check));
  });

  test("has the documented bytes", () => {
    const secret = randomBytes(32);
    const sealed = Buffer.from(sealer.seal(LABEL, Buffer.of(1, 2), secret));
    expect(sealed.toString("hex", 0, 8)).toBe(`${Buffer.from("GKSEAL").toString("hex")}0101`);
    const decipher = createDecipheriv("aes-256-gcm", keyBytes, sealed.subarray(8, 20));
    const label = Buffer.from("gatekeeper/v1 seal: MasterKey\0");
    decipher.setAAD(Buffer.concat([sealed.subarray(0, 8), label, Buffer.of(1, 2)]));
    decipher.setAuthTag(sealed.subarray(-16));
    expect(Buffer.concat([decipher.update(sealed.subarray(20, -16)), decipher.final()])).toEqual(secret);
  });

  test("never repeats a nonce", () => {
    const nonces = Array.from({ length: 200 }, () =>
      Buffer.from(sealer.seal(LABEL, Buffer.of(), Buffer.of(1))).toString("hex", 8, 20),
    );
    expect(new Set(nonces).size).toBe(nonces.length);
  });

  test("leaves the caller's secret alone", () => {
    const secret = Uint8Array.of(1, 2, 3);
    sealer.seal(LABEL, Buffer.of(), secret);
    expect(secret).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe("unseal refuses", () => {
  const sealed = sealer.seal(LABEL, Buffer.of(1, 2), randomBytes(32));

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
    using other = sealerOf(SEALER_KIND.keyFile, randomBytes(32));
    expect(() => other.unseal(LABEL, Buffer.of(1, 2), sealed, "FILE")).toThrow(refused);
  });

  test("what a sealer of another kind sealed, even under the same key, and names both kinds", () => {
    using dstack = sealerOf(SEALER_KIND.dstack);
    const here = "FILE was sealed by a sealer of kind 1 (key file); this one is of kind 2 (dstack)";
    expect(() => dstack.unseal(LABEL, Buffer.of(1, 2), sealed, "FILE")).toThrow(refused);
    expect(() => dstack.unseal(LABEL, Buffer.of(1, 2), sealed, "FILE")).toThrow(here);
    const there = "FILE was sealed by a sealer of kind 2 (dstack); this one is of kind 1 (key file)";
    expect(() => open(dstack.seal(LABEL, Buffer.of(1, 2), randomBytes(32)))).toThrow(there);
    expect(() => dstack.unseal(LABEL, Buffer.of(1, 2), sealed.with(7, 2), "FILE"), "relabelled").toThrow(refused);
  });

  test("an unknown version or sealer kind by name, and says which file", () => {
    expect(() => open(sealed.with(6, 2))).toThrow("FILE has version 2");
    expect(() => open(sealed.with(7, 2))).toThrow("sealer of kind 2 (dstack)");
    expect(() => open(sealed.with(7, 77))).toThrow("sealer of kind 77 (unknown)");
    expect(() => open(sealed.with(0, 0))).toThrow("FILE is not a sealed file");
  });
});

describe("a sealer", () => {
  test("says whether it protects from the machine's owner", () => {
    expect(sealer.software).toBe(true);
    using dstack = sealerOf(SEALER_KIND.dstack);
    expect([dstack.software, dstack.kind]).toEqual([false, 2]);
  });

  test("puts its kind into what it seals", () => {
    using dstack = sealerOf(SEALER_KIND.dstack);
    const sealed = dstack.seal(LABEL, Buffer.of(9), Uint8Array.of(1, 2, 3));
    expect([...sealed.subarray(6, 8)]).toEqual([1, 2]);
    using secret = dstack.unseal(LABEL, Buffer.of(9), sealed, "FILE");
    expect(secret.use((bytes) => [...bytes])).toEqual([1, 2, 3]);
  });

  test("opens what an earlier version of this program sealed", () => {
    // By AES-256-GCM under 32 times 07, nonce 12 times 05, label and binding as below, of the bytes 1, 2, 3, 4.
    const sealed = Buffer.from(OLD, "hex");
    using old = sealerOf(SEALER_KIND.keyFile, new Uint8Array(32).fill(7));
    using secret = old.unseal(LABEL, Buffer.of(0xaa), sealed, "FILE");
    expect(secret.use((bytes) => [...bytes])).toEqual([1, 2, 3, 4]);
  });

  test("wants a key of 32 bytes, takes it over, and wipes it when it is disposed", () => {
    for (const length of [0, 16, 31, 33]) {
      const kek = new Secret(new Uint8Array(length));
      expect(() => new Sealer(SEALER_KIND.keyFile, kek)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
    const kek = new Secret(randomBytes(32));
    const gone = new Sealer(SEALER_KIND.keyFile, kek);
    const sealed = gone.seal(LABEL, Buffer.of(), Buffer.of(1));
    gone[Symbol.dispose]();
    expect(() => kek.use(() => 0)).toThrow("wiped");
    expect(() => gone.seal(LABEL, Buffer.of(), Buffer.of(1))).toThrow(refused);
    expect(() => gone.unseal(LABEL, Buffer.of(), sealed, "FILE")).toThrow(refused);
  });
});
