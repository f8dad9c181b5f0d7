import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { exportKeyFile, importKeyFile } from "../../src/pruntime/key-export.ts";
import { createKeyFile, generateKeyEncryptionKey, readKeyFile } from "../../src/pruntime/key-file.ts";
import { Secret } from "../../src/secret.ts";
import { useFolder } from "./folder.ts";
import { protectedKeyFile } from "./protected-key-file.ts";

const at = useFolder();
const refusedWith = (code: string): unknown => expect.objectContaining({ code });
const passphrase = (text = "correct horse"): Secret => new Secret(Buffer.from(text, "utf8"));
const keyIn = (path: string): string => {
  using key = readKeyFile(path);
  return key.use((bytes) => Buffer.from(bytes).toString("hex"));
};

describe("export and import", () => {
  test("restore the key file with the right passphrase only, and never overwrite", () => {
    using kek = generateKeyEncryptionKey();
    createKeyFile(at("key"), kek);
    exportKeyFile(at("key"), at("exported"), passphrase());
    expect(statSync(at("exported")).mode & 0o777).toBe(0o600);
    const exported = readFileSync(at("exported"));
    expect(exported.length).toBe(86);
    expect(kek.use((bytes) => exported.includes(Buffer.from(bytes.subarray(0, 8))))).toBe(false);
    expect([...exported.subarray(6, 10)], "version, log2 N, r, p").toEqual([1, 17, 8, 1]);

    expect(() => importKeyFile(at("exported"), at("restored"), passphrase("wrong"))).toThrow(
      refusedWith("PASSPHRASE_WRONG"),
    );
    expect(existsSync(at("restored"))).toBe(false);
    importKeyFile(at("exported"), at("restored"), passphrase());
    expect(keyIn(at("restored"))).toBe(keyIn(at("key")));
    expect(statSync(at("restored")).mode & 0o777).toBe(0o600);

    using other = generateKeyEncryptionKey();
    createKeyFile(at("other"), other);
    expect(() => importKeyFile(at("exported"), at("other"), passphrase())).toThrow(refusedWith("ALREADY_EXISTS"));
    expect(() => exportKeyFile(at("other"), at("exported"), passphrase())).toThrow(refusedWith("ALREADY_EXISTS"));
    expect(keyIn(at("other"))).toBe(other.use((bytes) => Buffer.from(bytes).toString("hex")));
    expect(readFileSync(at("exported"))).toEqual(exported);
  });

  test("export refuses an empty passphrase and a missing or open key file", () => {
    using kek = generateKeyEncryptionKey();
    createKeyFile(at("key"), kek);
    expect(() => exportKeyFile(at("key"), at("exported"), passphrase(""))).toThrow(refusedWith("INVALID_ARGUMENT"));
    expect(() => exportKeyFile(at("none"), at("exported"), passphrase())).toThrow(refusedWith("KEY_UNAVAILABLE"));
    chmodSync(at("key"), 0o644);
    expect(() => exportKeyFile(at("key"), at("exported"), passphrase())).toThrow("chmod 600");
    expect(existsSync(at("exported"))).toBe(false);
  });
});

describe("import", () => {
  const key = randomBytes(32);
  const tryImport = (bytes: Uint8Array): void => {
    writeFileSync(at("exported"), bytes);
    importKeyFile(at("exported"), at("key"), passphrase("open sesame"));
  };

  test("reads the documented bytes, with the parameters that the file names", () => {
    tryImport(protectedKeyFile(key, "open sesame", [5, 3, 2]));
    expect(keyIn(at("key"))).toBe(key.toString("hex"));
  });

  test("refuses every changed bit", () => {
    const good = protectedKeyFile(key, "open sesame");
    for (let bit = 0; bit < good.length * 8; bit++) {
      const at8 = bit >> 3;
      // Changed parameters may be dear, and have tests of their own.
      if (at8 >= 7 && at8 < 10) continue;
      const changed = Buffer.from(good);
      changed[at8]! ^= 1 << (bit & 7);
      const code = at8 < 7 ? "KEY_UNAVAILABLE" : "PASSPHRASE_WRONG";
      expect(() => tryImport(changed), `bit ${bit}`).toThrow(refusedWith(code));
    }
    expect(existsSync(at("key"))).toBe(false);
  });

  test("refuses every other length, and a missing file", () => {
    const good = protectedKeyFile(key, "open sesame");
    for (let length = 0; length < good.length; length++) {
      expect(() => tryImport(good.subarray(0, length)), `${length} bytes`).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    expect(() => tryImport(Buffer.concat([good, Buffer.of(0)]))).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(() => importKeyFile(at("none"), at("key"), passphrase())).toThrow(refusedWith("KEY_UNAVAILABLE"));
  });

  test("refuses parameters that cost gigabytes or hours, or that scrypt does not know, without trying them", () => {
    const good = protectedKeyFile(key, "open sesame");
    const hostile: [number, number, number][] = [
      [0, 8, 1],
      [17, 0, 1],
      [17, 8, 0],
      [17, 8, 5],
      [17, 8, 255],
      [19, 8, 1],
      [17, 17, 1],
      [31, 1, 1],
      [255, 255, 255],
      [1, 255, 5],
      [16, 1, 1],
    ];
    for (const cost of hostile) {
      const bytes = Buffer.from(good);
      bytes.set(cost, 7);
      expect(() => tryImport(bytes), cost.join()).toThrow(refusedWith("KEY_UNAVAILABLE"));
      expect(() => tryImport(bytes), cost.join()).toThrow("out of bounds");
    }
  });

  test("accepts parameters up to the bounds", () => {
    for (const cost of [
      [15, 1, 1],
      [1, 1, 4],
      [1, 255, 4],
      [10, 255, 1],
    ] as [number, number, number][]) {
      const bytes = Buffer.from(protectedKeyFile(key, "open sesame"));
      bytes.set(cost, 7);
      expect(() => tryImport(bytes), cost.join()).toThrow(refusedWith("PASSPHRASE_WRONG"));
    }
    const dearest = Buffer.from(protectedKeyFile(key, "open sesame"));
    dearest.set([18, 8, 1], 7);
    expect(() => tryImport(dearest)).toThrow(refusedWith("PASSPHRASE_WRONG"));
  });
});
