import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CONTEXT } from "../../src/context.ts";
import { SEALED_FILE_MAX, SealedFile } from "../../src/pruntime/sealed-file.ts";
import { type SealLabel, Sealer, SEALER_KIND } from "../../src/pruntime/sealer.ts";
import { Secret } from "../../src/secret.ts";
import { dieAtCall, runChild } from "./child.ts";
import { useFolder } from "./folder.ts";
import { openVersions, versionBytes, versionIn } from "./sealed-file-versions.ts";

const at = useFolder();
const key = randomBytes(32);
const sealerOf = (bytes: Uint8Array = key): Sealer =>
  new Sealer(SEALER_KIND.keyFile, new Secret(Uint8Array.from(bytes)));
const LABEL = CONTEXT.sealMasterKey;
const fileOf = (sealer = sealerOf(), label: SealLabel = LABEL, binding: Uint8Array = Buffer.of(1, 2)): SealedFile =>
  new SealedFile(sealer, at("file"), label, binding);
const secretIn = (file: SealedFile): Buffer | null => {
  using secret = file.read();
  return secret?.use((bytes) => Buffer.from(bytes)) ?? null;
};
const refusedWith = (code: string): unknown => expect.objectContaining({ code });

describe("a sealed file", () => {
  test("holds what was last written, whatever its length, and nothing before", () => {
    const file = fileOf();
    expect(file.read()).toBeNull();
    const check = (secret: Uint8Array): void => {
      file.write(secret);
      expect(secretIn(file)).toEqual(Buffer.from(secret));
      expect(secretIn(fileOf())).toEqual(Buffer.from(secret));
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check));
    expect(readdirSync(at())).toEqual(["file"]);
    expect(statSync(at("file")).mode & 0o777).toBe(0o600);
  });

  test("keeps the secret out of the file, and leaves the caller's alone", () => {
    const secret = randomBytes(64);
    const copy = Buffer.from(secret);
    fileOf().write(secret);
    expect(secret).toEqual(copy);
    expect(readFileSync(at("file")).includes(secret.subarray(0, 8))).toBe(false);
  });

  test("takes secrets up to its limit, refuses longer ones, and then still has the one before", () => {
    const largest = randomBytes(SEALED_FILE_MAX);
    fileOf().write(largest);
    expect(() => fileOf().write(new Uint8Array(SEALED_FILE_MAX + 1))).toThrow(refusedWith("RECORD_TOO_LARGE"));
    expect(secretIn(fileOf())!.equals(largest)).toBe(true);
  });

  test("has its own copy of the binding", () => {
    const binding = Uint8Array.of(1, 2);
    const file = fileOf(sealerOf(), LABEL, binding);
    binding.fill(9);
    file.write(Buffer.of(5));
    expect(secretIn(fileOf())).toEqual(Buffer.of(5));
  });
});

describe("reading refuses", () => {
  test("every changed bit, every other length, a folder, and a file that is too long", () => {
    fileOf().write(randomBytes(20));
    const sealed = readFileSync(at("file"));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(at("file"), changed);
      expect(() => fileOf().read(), `bit ${bit}`).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    for (let length = 0; length < sealed.length; length++) {
      writeFileSync(at("file"), sealed.subarray(0, length));
      expect(() => fileOf().read(), `${length} bytes`).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    writeFileSync(at("file"), Buffer.concat([sealed, Buffer.of(0)]));
    expect(() => fileOf().read()).toThrow(refusedWith("KEY_UNAVAILABLE"));
    writeFileSync(at("file"), new Uint8Array(SEALED_FILE_MAX + 37));
    expect(() => fileOf().read()).toThrow("is not a file of at most");
    mkdirSync(at("folder"));
    const folder = new SealedFile(sealerOf(), at("folder"), LABEL, Buffer.of());
    expect(() => folder.read()).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(() => folder.write(Buffer.of(1))).toThrow(refusedWith("IO_FAILED"));
    writeFileSync(at("file"), sealed);
    expect(() => fileOf().read()).not.toThrow();
  });

  test("another label, binding, key or kind, and says which file", () => {
    fileOf().write(randomBytes(20));
    const others = [
      fileOf(sealerOf(), CONTEXT.exportKeyFile),
      ...[[], [1], [1, 2, 3], [2, 1]].map((binding) => fileOf(sealerOf(), LABEL, Buffer.from(binding))),
      fileOf(sealerOf(randomBytes(32))),
      fileOf(new Sealer(SEALER_KIND.dstack, new Secret(Uint8Array.from(key)))),
    ];
    for (const other of others) {
      expect(() => other.read()).toThrow(refusedWith("KEY_UNAVAILABLE"));
      expect(() => other.read()).toThrow(at("file"));
    }
  });

  test("a file of the same sealer that was moved to its place", () => {
    new SealedFile(sealerOf(), at("other"), LABEL, Buffer.of(3)).write(Buffer.of(1));
    renameSync(at("other"), at("file"));
    expect(() => fileOf().read()).toThrow(refusedWith("KEY_UNAVAILABLE"));
  });
});

/** Each round starts a process, which takes long where there are more processes than processors. */
const TIMEOUT = { timeout: 180_000 };

describe("kill -9", () => {
  test("while versions are written leaves the last that was acknowledged, or the one after", TIMEOUT, async () => {
    const child = fileURLToPath(new URL("sealed-file-child.ts", import.meta.url));
    let acknowledged = 0;
    let unacknowledged = 0;
    for (let round = 0; round < 12; round++) {
      const writer = spawn(process.execPath, [child, at("file")], { stdio: ["ignore", "pipe", "inherit"] });
      let said = "";
      writer.stdout.on("data", (chunk) => (said += chunk));
      await once(writer.stdout, "data");
      await sleep((round * 37) % 23);
      writer.kill("SIGKILL");
      await once(writer, "close");
      acknowledged = Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1));
      const version = versionIn(openVersions(at("file")));
      expect([acknowledged, acknowledged + 1], `round ${round}`).toContain(version);
      unacknowledged += version - acknowledged;
      expect(readdirSync(at()).length, "the file, and what this kill left").toBeLessThanOrEqual(3);
    }
    openVersions(at("file")).write(versionBytes(acknowledged + 1));
    expect(readdirSync(at())).toEqual(["file"]);
    expect(acknowledged).toBeGreaterThan(11);
    expect(unacknowledged).toBeLessThan(12);
  });

  test("before or after any system call of a write leaves the old version or the new one", TIMEOUT, async () => {
    const seen = new Set<string>();
    let kills = 0;
    for (let n = 1; ; n++) {
      openVersions(at("file")).write(versionBytes(1));
      const when = n % 2 === 0 ? "before" : "after";
      const script = `
        const { openVersions, versionBytes } = await import("SRC/../test/pruntime/sealed-file-versions.ts");
        openVersions(${JSON.stringify(at("file"))}).write(versionBytes(2));
      `;
      const { signal, stderr } = await runChild(dieAtCall(n, when) + script);
      expect(signal === "SIGKILL" || stderr === "", stderr).toBe(true);
      const version = versionIn(openVersions(at("file")));
      expect([1, 2]).toContain(version);
      seen.add(`${version}`);
      expect(readdirSync(at()).length, "the file, what replaces it, and what it replaces").toBeLessThanOrEqual(3);
      if (signal !== "SIGKILL") break;
      kills++;
    }
    openVersions(at("file")).write(versionBytes(3));
    expect(readdirSync(at())).toEqual(["file"]);
    expect(seen).toEqual(new Set(["1", "2"]));
    expect(kills).toBeGreaterThan(5);
  });
});
