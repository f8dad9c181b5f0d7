import { randomBytes } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CONTEXT } from "../../src/context.ts";
import { createKeyFile } from "../../src/pruntime/key-file.ts";
import type { Sealer } from "../../src/pruntime/sealer.ts";
import { createSoftwareKeyFile, openSoftwareSealer } from "../../src/pruntime/software-sealer.ts";
import { Secret } from "../../src/secret.ts";
import { useFolder } from "./folder.ts";
import { protectedKeyFile } from "./protected-key-file.ts";

const at = useFolder();
const refusedWith = (code: string): unknown => expect.objectContaining({ code });
const passphrase = (text = "correct horse"): Secret => new Secret(Buffer.from(text, "utf8"));
const BINDING = Buffer.of(1, 2, 3);
const sealedBy = (sealer: Sealer): Uint8Array => sealer.seal(CONTEXT.sealMasterKey, BINDING, Buffer.from("secret"));
const openedBy = (sealer: Sealer, sealed: Uint8Array): string => {
  using secret = sealer.unseal(CONTEXT.sealMasterKey, BINDING, sealed, "FILE");
  return secret.use((bytes) => Buffer.from(bytes).toString());
};

describe("a plain key file", () => {
  test("is created for its owner alone, and opens the same sealer each time", () => {
    createSoftwareKeyFile(at("key"), null);
    expect(statSync(at("key")).mode & 0o777).toBe(0o600);
    using sealer = openSoftwareSealer(at("key"), null);
    expect([sealer.kind, sealer.software]).toEqual([1, true]);
    using again = openSoftwareSealer(at("key"), null);
    expect(openedBy(again, sealedBy(sealer))).toBe("secret");
    createSoftwareKeyFile(at("other"), null);
    using other = openSoftwareSealer(at("other"), null);
    expect(() => openedBy(other, sealedBy(sealer))).toThrow(refusedWith("KEY_UNAVAILABLE"));
  });

  test("is refused together with a passphrase, which does not protect it", () => {
    createSoftwareKeyFile(at("key"), null);
    expect(() => openSoftwareSealer(at("key"), passphrase())).toThrow(refusedWith("INVALID_ARGUMENT"));
    expect(() => openSoftwareSealer(at("key"), passphrase())).toThrow("is not under a passphrase");
  });

  test("is refused when it is missing, malformed, too long, or open to others", () => {
    for (const given of [null, passphrase()]) {
      expect(() => openSoftwareSealer(at("none"), given)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    for (const bytes of [
      Buffer.of(),
      Buffer.from("GKKEY"),
      Buffer.from("GKACC\x01"),
      randomBytes(38),
      randomBytes(87),
    ]) {
      writeFileSync(at("key"), bytes, { mode: 0o600 });
      expect(() => openSoftwareSealer(at("key"), null)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    createSoftwareKeyFile(at("open"), null);
    chmodSync(at("open"), 0o640);
    if (process.platform !== "win32") expect(() => openSoftwareSealer(at("open"), null)).toThrow("chmod 600");
  });
});

describe("a key file under a passphrase", () => {
  test("is created for its owner alone, as dear to guess as an export, and opens the same sealer each time", () => {
    createSoftwareKeyFile(at("key"), passphrase());
    expect(statSync(at("key")).mode & 0o777).toBe(0o600);
    expect(readdirSync(at())).toEqual(["key"]);
    expect(readFileSync(at("key")).toString("hex", 0, 10)).toBe(`${Buffer.from("GKKEYX").toString("hex")}01110801`);
    using sealer = openSoftwareSealer(at("key"), passphrase());
    expect([sealer.kind, sealer.software]).toEqual([1, true]);
    using again = openSoftwareSealer(at("key"), passphrase());
    expect(openedBy(again, sealedBy(sealer))).toBe("secret");
  });

  test("opens what the plain file of the same key sealed, with the right passphrase only", () => {
    const key = randomBytes(32);
    writeFileSync(at("protected"), protectedKeyFile(key, "correct horse"));
    using kek = new Secret(key);
    createKeyFile(at("plain"), kek);
    using plain = openSoftwareSealer(at("plain"), null);
    using sealer = openSoftwareSealer(at("protected"), passphrase());
    expect(openedBy(sealer, sealedBy(plain))).toBe("secret");
    expect(() => openSoftwareSealer(at("protected"), passphrase("wrong"))).toThrow(refusedWith("PASSPHRASE_WRONG"));
    expect(() => openSoftwareSealer(at("protected"), null)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(() => openSoftwareSealer(at("protected"), null)).toThrow(
      `the key file ${at("protected")} is under a passphrase: give it`,
    );
  });

  test("is refused at every shorter length, and said to be the key file", () => {
    const whole = protectedKeyFile(randomBytes(32), "correct horse");
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(at("key"), whole.subarray(0, length), { mode: 0o600 });
      expect(() => openSoftwareSealer(at("key"), passphrase()), `${length} bytes`).toThrow(
        refusedWith("KEY_UNAVAILABLE"),
      );
    }
    expect(() => openSoftwareSealer(at("key"), passphrase())).toThrow(`the key file ${at("key")} has 85 bytes`);
  });
});

test("no key file overwrites anything, and none is under an empty passphrase", () => {
  writeFileSync(at("key"), "mine");
  for (const given of [null, passphrase()]) {
    expect(() => createSoftwareKeyFile(at("key"), given)).toThrow(refusedWith("ALREADY_EXISTS"));
  }
  expect(readFileSync(at("key"), "utf8")).toBe("mine");
  expect(() => createSoftwareKeyFile(at("new"), passphrase(""))).toThrow(refusedWith("INVALID_ARGUMENT"));
  expect(readdirSync(at())).toEqual(["key"]);
});
