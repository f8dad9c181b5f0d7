import { randomBytes } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import type { MasterKey } from "../../src/keys/master-key.ts";
import { createKeyFile } from "../../src/pruntime/key-file.ts";
import { MasterKeyFiles } from "../../src/pruntime/master-key-files.ts";
import { Sealer, SEALER_KIND } from "../../src/pruntime/sealer.ts";
import { Secret } from "../../src/secret.ts";
import { dieAtCall, runChild } from "./child.ts";
import { useFolder } from "./folder.ts";

const at = useFolder();
const keyBytes = randomBytes(32);
const homeId = randomBytes(16);
const refusedWith = (code: string): unknown => expect.objectContaining({ code });
const filesOf = (home = homeId, kek = keyBytes): MasterKeyFiles =>
  new MasterKeyFiles(at("master-key"), home, new Sealer(SEALER_KIND.keyFile, new Secret(Uint8Array.from(kek))));
const hex = (key: MasterKey): string => key.use((scalar) => Buffer.from(scalar).toString("hex"));
const sealedFile = (rotationId: number): string => at("master-key", `${rotationId}.sealed`);

describe("MasterKeyFiles", () => {
  test("creates a generation once, and opens it again", () => {
    const files = filesOf();
    using created = files.create(7);
    expect(created.rotationId).toBe(7);
    expect(hex(files.create(7))).toBe(hex(created));
    expect(hex(filesOf().open(7))).toBe(hex(created));
    expect(hex(files.create(8))).not.toBe(hex(created));
    expect(statSync(sealedFile(7)).mode & 0o777).toBe(0o600);
    expect(readdirSync(at("master-key")).toSorted()).toEqual(["7.sealed", "8.sealed"]);
  });

  test("keeps the scalar out of the file", () => {
    using created = filesOf().create(0);
    const file = readFileSync(sealedFile(0));
    expect(created.use((scalar) => file.includes(Buffer.from(scalar.subarray(0, 8))))).toBe(false);
  });

  test("destroys one generation and leaves the others, again and again", () => {
    const files = filesOf();
    files.create(1)[Symbol.dispose]();
    using kept = files.create(2);
    for (let i = 0; i < 2; i++) files.destroy(1);
    expect(readdirSync(at("master-key"))).toEqual(["2.sealed"]);
    expect(() => files.open(1)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(hex(files.open(2))).toBe(hex(kept));
    filesOf().destroy(3);
  });

  test("names what is missing or out of range", () => {
    expect(() => filesOf().open(5)).toThrow("there is no MasterKey 5");
    for (const bad of [-1, 2 ** 32, 0.5]) {
      for (const act of ["create", "open", "destroy"] as const) {
        expect(() => filesOf()[act](bad)).toThrow(refusedWith("INVALID_ARGUMENT"));
      }
    }
    expect(() => filesOf(randomBytes(15))).toThrow(refusedWith("INVALID_ARGUMENT"));
    mkdirSync(sealedFile(3), { recursive: true });
    expect(() => filesOf().open(3)).toThrow(refusedWith("KEY_UNAVAILABLE"));
  });
});

describe("a sealed MasterKey is refused", () => {
  test("when its file was renamed to another rotation id", () => {
    filesOf().create(1)[Symbol.dispose]();
    renameSync(sealedFile(1), sealedFile(2));
    expect(() => filesOf().open(2)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(() => filesOf().create(2)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    renameSync(sealedFile(2), sealedFile(1));
    expect(() => filesOf().open(1)).not.toThrow();
  });

  test("when it comes from another home, or the key file is another one", () => {
    filesOf().create(1)[Symbol.dispose]();
    expect(() => filesOf(randomBytes(16)).open(1)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(() => filesOf(homeId, randomBytes(32)).open(1)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    expect(() => filesOf().open(1)).not.toThrow();
  });

  test("when any bit of it changed, and at every length but its own", () => {
    filesOf().create(1)[Symbol.dispose]();
    const sealed = readFileSync(sealedFile(1));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      writeFileSync(sealedFile(1), changed);
      expect(() => filesOf().open(1), `bit ${bit}`).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    for (let length = 0; length < sealed.length; length++) {
      writeFileSync(sealedFile(1), sealed.subarray(0, length));
      expect(() => filesOf().open(1), `${length} bytes`).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    writeFileSync(sealedFile(1), Buffer.concat([sealed, Buffer.of(0)]));
    expect(() => filesOf().open(1)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    writeFileSync(sealedFile(1), sealed);
    expect(() => filesOf().open(1)).not.toThrow();
  });
});

describe("with other processes", () => {
  /** A script that makes `files` over this test's folder and then runs `body`. */
  const script = (body: string): string => `
    const { MasterKeyFiles } = await import("SRC/pruntime/master-key-files.ts");
    const { openSoftwareSealer } = await import("SRC/pruntime/software-sealer.ts");
    const homeId = Buffer.from("${homeId.toString("hex")}", "hex");
    const sealer = openSoftwareSealer(${JSON.stringify(at("key"))}, null);
    const files = new MasterKeyFiles(${JSON.stringify(at("master-key"))}, homeId, sealer);
    ${body}
  `;
  const useKeyFile = (): void => createKeyFile(at("key"), new Secret(Uint8Array.from(keyBytes)));

  test("that race to create, all end up with the same keys", async () => {
    useKeyFile();
    const body = `
      const keys = [];
      for (let id = 0; id < 30; id++) keys.push(files.create(id).use((scalar) => Buffer.from(scalar).toString("hex")));
      process.stdout.write(JSON.stringify(keys));
    `;
    const results = await Promise.all(Array.from({ length: 4 }, () => runChild(script(body))));
    for (const { code, stderr } of results) expect(code, stderr).toBe(0);
    const opened = Array.from({ length: 30 }, (_, id) => hex(filesOf().open(id)));
    for (const { stdout } of results) expect(JSON.parse(stdout)).toEqual(opened);
    expect(readdirSync(at("master-key")).length, "no temporary file is left").toBe(30);
  });

  test("killed at any system call of a create: afterwards create works, and keeps a key that had its name", async () => {
    useKeyFile();
    const die = async (n: number, when: "before" | "after"): Promise<string | null> => {
      const { signal, stdout, stderr } = await runChild(dieAtCall(n, when) + script(`files.create(${n});`));
      expect(signal === "SIGKILL" || stderr === "", stdout + stderr).toBe(true);
      return signal;
    };
    let kills = 0;
    for (let n = 1; (await die(n, n % 2 === 0 ? "before" : "after")) === "SIGKILL"; n++) {
      kills++;
      const named = existsSync(sealedFile(n)) ? hex(filesOf().open(n)) : null;
      using created = filesOf().create(n);
      if (named !== null) expect(hex(created)).toBe(named);
      const left = readdirSync(at("master-key")).filter((name) => name.startsWith(`.${n}.`));
      expect(left, `leftovers after call ${n}`).toEqual([]);
    }
    expect(kills).toBeGreaterThan(9);
  });

  test("killed at any system call of a destroy: doing it again finishes it", async () => {
    useKeyFile();
    let kills = 0;
    for (let n = 1; ; n++) {
      filesOf().create(n)[Symbol.dispose]();
      const before = readFileSync(sealedFile(n));
      copyFileSync(sealedFile(n), at("master-key", `.${n}.sealed.new-left`));
      const { signal } = await runChild(
        dieAtCall(n, n % 2 === 0 ? "after" : "before") + script(`files.destroy(${n});`),
      );
      filesOf().destroy(n);
      expect(readdirSync(at("master-key"))).toEqual([]);
      expect(before.length).toBe(68);
      if (signal !== "SIGKILL") break;
      kills++;
    }
    expect(kills).toBeGreaterThan(7);
  });
});
