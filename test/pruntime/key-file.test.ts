import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createKeyFile, generateKeyEncryptionKey, readKeyFile } from "../../src/pruntime/key-file.ts";
import { Secret } from "../../src/secret.ts";
import { useFolder } from "./folder.ts";

const at = useFolder();
const refusedWith = (code: string): unknown => expect.objectContaining({ code });
const hex = (secret: Secret): string => secret.use((bytes) => Buffer.from(bytes).toString("hex"));
/** A well-formed key file written by hand. */
const fileOf = (key: Uint8Array, magic = "GKKEY", version = 1): Buffer =>
  Buffer.concat([Buffer.from(magic), Buffer.of(version), key]);
const write = (bytes: Uint8Array, mode = 0o600): void => {
  writeFileSync(at("key"), bytes);
  chmodSync(at("key"), mode);
};

describe("a key file", () => {
  test("gives back the key, is its owner's alone, and has the documented bytes", () => {
    using kek = generateKeyEncryptionKey();
    createKeyFile(at("key"), kek);
    expect(statSync(at("key")).mode & 0o777).toBe(0o600);
    expect(readFileSync(at("key"))).toEqual(fileOf(kek.use((bytes) => bytes.slice())));
    using read = readKeyFile(at("key"));
    expect(hex(read)).toBe(hex(kek));
    expect(readdirSync(at())).toEqual(["key"]);
  });

  test("written by an earlier version is still read", () => {
    write(Buffer.from(`474b4b455901${"ab".repeat(32)}`, "hex"));
    using read = readKeyFile(at("key"));
    expect(hex(read)).toBe("ab".repeat(32));
  });

  test("is never overwritten", () => {
    using kek = generateKeyEncryptionKey();
    using other = generateKeyEncryptionKey();
    createKeyFile(at("key"), kek);
    expect(() => createKeyFile(at("key"), other)).toThrow(refusedWith("ALREADY_EXISTS"));
    using read = readKeyFile(at("key"));
    expect(hex(read)).toBe(hex(kek));
  });

  test("holds a key of 32 bytes", () => {
    for (const length of [0, 16, 31, 33]) {
      using kek = new Secret(new Uint8Array(length));
      expect(() => createKeyFile(at("key"), kek)).toThrow(refusedWith("INVALID_ARGUMENT"));
    }
    expect(readdirSync(at())).toEqual([]);
  });

  test("differs each time one is generated", () => {
    expect(hex(generateKeyEncryptionKey())).not.toBe(hex(generateKeyEncryptionKey()));
  });
});

describe("readKeyFile refuses", () => {
  test("a missing file, and says how to restore it", () => {
    expect(() => readKeyFile(at("key"))).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(() => readKeyFile(at("key"))).toThrow("import-key");
  });

  test("a file cut off anywhere, or longer", () => {
    const whole = fileOf(randomBytes(32));
    for (let length = 0; length < whole.length; length++) {
      write(whole.subarray(0, length));
      expect(() => readKeyFile(at("key")), `${length} bytes`).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    write(Buffer.concat([whole, Buffer.of(0)]));
    expect(() => readKeyFile(at("key"))).toThrow(refusedWith("KEY_UNAVAILABLE"));
  });

  test("another magic or version, and a folder", () => {
    write(fileOf(randomBytes(32), "GKKEX"));
    expect(() => readKeyFile(at("key"))).toThrow("is no key file");
    for (const version of [0, 2, 255]) {
      write(fileOf(randomBytes(32), "GKKEY", version));
      expect(() => readKeyFile(at("key"))).toThrow(`has version ${version}`);
    }
    mkdirSync(at("folder"));
    expect(() => readKeyFile(at("folder"))).toThrow(refusedWith("KEY_UNAVAILABLE"));
  });

  test.skipIf(process.platform === "win32")("a file that others may access, and says what to run", () => {
    for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o777]) {
      write(fileOf(randomBytes(32)), mode);
      expect(() => readKeyFile(at("key"))).toThrow(refusedWith("KEY_UNAVAILABLE"));
      expect(() => readKeyFile(at("key"))).toThrow(`(mode ${mode.toString(8)}); run: chmod 600 ${at("key")}`);
    }
    for (const mode of [0o600, 0o400, 0o700]) {
      write(fileOf(randomBytes(32)), mode);
      readKeyFile(at("key"))[Symbol.dispose]();
    }
  });
});
