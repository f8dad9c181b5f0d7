import { randomBytes } from "node:crypto";
import {
  closeSync,
  openSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import {
  createDirectly,
  createOnce,
  destroyFile,
  makeFolder,
  namesIn,
  readSmallFile,
  replaceFile,
  replaceSecret,
} from "../src/durable-file.ts";
import { runChild } from "./pruntime/child.ts";
import { useFolder } from "./pruntime/folder.ts";

const at = useFolder();
const refusedWith = (code: string): unknown => expect.objectContaining({ code });

describe("createOnce", () => {
  test("creates the whole file for its owner alone and leaves nothing beside it", () => {
    const bytes = randomBytes(100);
    expect(createOnce(at("file"), bytes)).toBe(true);
    expect(readFileSync(at("file"))).toEqual(bytes);
    expect(statSync(at("file")).mode & 0o777).toBe(0o600);
    expect(readdirSync(at())).toEqual(["file"]);
  });

  test("leaves what is there, a file, a folder or a dangling link, untouched", () => {
    writeFileSync(at("file"), "first");
    mkdirSync(at("folder"));
    symlinkSync(at("nowhere"), at("link"));
    for (const name of ["file", "folder", "link"]) expect(createOnce(at(name), randomBytes(10))).toBe(false);
    expect(readFileSync(at("file"), "utf8")).toBe("first");
    expect(readdirSync(at()).toSorted()).toEqual(["file", "folder", "link"]);
  });

  test("removes what interrupted calls for the same name left, without harming the file that shares its blocks", () => {
    createOnce(at("file"), randomBytes(10));
    const bytes = readFileSync(at("file"));
    linkSync(at("file"), at(".file.new-0123"));
    writeFileSync(at(".file.new-half"), "ha");
    writeFileSync(at(".other.new-1"), "not ours");
    expect(createOnce(at("file"), randomBytes(10))).toBe(false);
    expect(readdirSync(at()).toSorted()).toEqual([".other.new-1", "file"]);
    expect(readFileSync(at("file"))).toEqual(bytes);
  });

  test("says which file could not be made, and why", () => {
    expect(() => createOnce(at("missing", "file"), randomBytes(1))).toThrow(
      expect.objectContaining({ code: "IO_FAILED", detail: { file: at("missing", "file"), systemCode: "ENOENT" } }),
    );
  });
});

describe.each([replaceFile, replaceSecret])("%o", (replace) => {
  test("creates or replaces the whole file, for its owner alone, and leaves nothing beside it", () => {
    for (const length of [100, 0, 70_000]) {
      const bytes = randomBytes(length);
      replace(at("file"), bytes);
      expect(readFileSync(at("file"))).toEqual(bytes);
      chmodSync(at("file"), 0o644);
    }
    replace(at("file"), Buffer.of(1));
    expect(statSync(at("file")).mode & 0o777).toBe(0o600);
    expect(readdirSync(at())).toEqual(["file"]);
  });

  test("takes the name only: another name of the old file keeps its bytes, and a link is not followed", () => {
    writeFileSync(at("file"), "old");
    linkSync(at("file"), at("kept"));
    symlinkSync(at("kept"), at("link"));
    replace(at("file"), Buffer.from("new"));
    replace(at("link"), Buffer.from("newer"));
    expect(["file", "kept", "link"].map((name) => readFileSync(at(name), "utf8"))).toEqual(["new", "old", "newer"]);
  });

  test("removes what interrupted calls for the same name left", () => {
    writeFileSync(at(".file.new-half"), "ha");
    writeFileSync(at(".other.new-1"), "not ours");
    replace(at("file"), randomBytes(10));
    expect(readdirSync(at()).toSorted()).toEqual([".other.new-1", "file"]);
  });

  test("says which file could not be replaced, and why, and leaves what is there", () => {
    mkdirSync(at("folder"));
    expect(() => replace(at("folder"), randomBytes(1))).toThrow(
      expect.objectContaining({ code: "IO_FAILED", detail: { file: at("folder"), systemCode: "EISDIR" } }),
    );
    expect(() => replace(at("missing", "file"), randomBytes(1))).toThrow(refusedWith("IO_FAILED"));
    expect(readdirSync(at())).toEqual(["folder"]);
  });

  test("leaves a whole file, and no other, whichever system call fails", async () => {
    writeFileSync(at("file"), "old");
    const script = `
      import fs from "node:fs";
      import { syncBuiltinESMExports } from "node:module";
      let left = Infinity;
      for (const name of ["openSync", "writeSync", "fsyncSync", "renameSync", "readdirSync"]) {
        const original = fs[name];
        fs[name] = (...args) => {
          if (--left === 0) throw Object.assign(new Error("full"), { code: "ENOSPC" });
          return original(...args);
        };
      }
      syncBuiltinESMExports();
      const { ${replace.name}: replace } = await import("SRC/durable-file.ts");
      const path = ${JSON.stringify(at("file"))};
      const results = [];
      for (let n = 1; left <= 0 || n === 1; n++) {
        fs.writeFileSync(path, "old");
        left = n;
        let code = null;
        try {
          replace(path, Buffer.from("new"));
        } catch (error) {
          code = error.code + " " + error.detail.systemCode;
        }
        const called = left;
        left = Infinity;
        results.push([code, fs.readFileSync(path, "utf8"), fs.readdirSync(${JSON.stringify(at())}).length]);
        fs.rmSync(${JSON.stringify(at(".file.old"))}, { force: true });
        left = called;
      }
      process.stdout.write(JSON.stringify(results));
    `;
    const { stdout, stderr } = await runChild(script);
    const results = JSON.parse(stdout || stderr) as [string | null, string, number][];
    // Reading the folder, then opening, writing, syncing, renaming; opening and syncing the folder. A secret that was
    // replaced is opened, overwritten and synced then, and left for the next call where that fails, or was not reached.
    const failing = (calls: number, there: string, files: number): unknown[] =>
      Array.from({ length: calls }, () => ["IO_FAILED ENOSPC", there, files]);
    const replaced = replace === replaceSecret ? failing(5, "new", 2) : failing(2, "new", 1);
    expect(results).toEqual([...failing(5, "old", 1), ...replaced, [null, "new", 1]]);
  });

  test.skipIf(process.platform === "win32")("leaves the old file where no larger one has room", async () => {
    writeFileSync(at("file"), "old");
    const script = `
      const { ${replace.name}: replace } = await import("SRC/durable-file.ts");
      try {
        replace(${JSON.stringify(at("file"))}, Buffer.alloc(1_000_000));
      } catch ({ code, detail }) {
        process.stdout.write(code + " " + detail.systemCode);
      }
    `;
    // A limit on the size of files fails a write in its middle, as a full disk does.
    const { stdout, stderr } = await runChild(script, "ulimit -f 100");
    expect(stdout, stderr).toBe("IO_FAILED EFBIG");
    expect(readFileSync(at("file"), "utf8")).toBe("old");
    expect(readdirSync(at())).toEqual(["file"]);
  });

  test.skipIf(process.platform === "win32")("leaves the old file where the folder can't be written", async () => {
    mkdirSync(at("folder"));
    writeFileSync(at("folder", "file"), "old");
    chmodSync(at("folder"), 0o555);
    const script = `
      const { ${replace.name}: replace } = await import("SRC/durable-file.ts");
      // Root may write anywhere.
      if (process.getuid() === 0) process.setuid(65534);
      try {
        replace(${JSON.stringify(at("folder", "file"))}, Buffer.alloc(10));
      } catch ({ code, detail }) {
        process.stdout.write(code + " " + detail.systemCode);
      }
    `;
    chmodSync(at(), 0o755);
    const { stdout, stderr } = await runChild(script);
    // A file of another owner can't be given a second name, either.
    expect(stdout, stderr).toMatch(/^IO_FAILED E(ACCES|PERM)$/);
    expect(readFileSync(at("folder", "file"), "utf8")).toBe("old");
    expect(readdirSync(at("folder"))).toEqual(["file"]);
  });
});

describe("replaceSecret", () => {
  test("destroys what it replaces, and what an interrupted call left of that; never the file itself", () => {
    const old = randomBytes(64);
    writeFileSync(at("file"), old);
    const descriptor = openSync(at("file"), "r");
    try {
      replaceSecret(at("file"), Buffer.from("new"));
      const left = readFileSync(descriptor);
      expect(left).toHaveLength(old.length);
      expect(left.includes(old.subarray(0, 16))).toBe(false);
    } finally {
      closeSync(descriptor);
    }
    // Killed before the name was taken away: both are names of the one file.
    linkSync(at("file"), at(".file.old"));
    replaceSecret(at("file"), Buffer.from("newer"));
    expect(readFileSync(at("file"), "utf8")).toBe("newer");
    expect(readdirSync(at())).toEqual(["file"]);
    destroyFile(at("file"));
    expect(readdirSync(at())).toEqual([]);
  });
});

describe("createDirectly", () => {
  test("creates a file for its owner alone, or refuses", () => {
    const bytes = randomBytes(100);
    createDirectly(at("file"), bytes);
    expect(statSync(at("file")).mode & 0o777).toBe(0o600);
    expect(() => createDirectly(at("file"), randomBytes(3))).toThrow(refusedWith("ALREADY_EXISTS"));
    expect(readFileSync(at("file"))).toEqual(bytes);
    expect(() => createDirectly(at("missing", "file"), bytes)).toThrow(refusedWith("IO_FAILED"));
  });
});

describe("readSmallFile", () => {
  test("gives bytes and permissions, and null for what is not there", () => {
    writeFileSync(at("file"), "12345");
    chmodSync(at("file"), 0o640);
    expect(readSmallFile(at("file"), 5)).toEqual({ bytes: Uint8Array.from(Buffer.from("12345")), mode: 0o640 });
    expect(readSmallFile(at("nothing"), 5)).toBeNull();
    writeFileSync(at("empty"), "");
    expect(readSmallFile(at("empty"), 5)?.bytes.length).toBe(0);
  });

  test("refuses a larger file, a folder and a device without reading them", () => {
    writeFileSync(at("file"), "123456");
    for (const path of [at("file"), at(), "/dev/zero"]) {
      expect(() => readSmallFile(path, 5)).toThrow(refusedWith("KEY_UNAVAILABLE"));
    }
    expect(() => readSmallFile(at("file", "below"), 5)).toThrow(refusedWith("IO_FAILED"));
  });
});

describe("destroyFile", () => {
  test("overwrites the blocks before it removes the name", () => {
    const secret = randomBytes(60);
    writeFileSync(at("file"), secret);
    linkSync(at("file"), at("another name of the same blocks"));
    destroyFile(at("file"));
    const left = readFileSync(at("another name of the same blocks"));
    expect(left.length).toBe(60);
    expect(left.includes(secret.subarray(0, 8))).toBe(false);
    expect(readdirSync(at())).toEqual(["another name of the same blocks"]);
  });

  test("takes the leftovers of interrupted creations with it, and may be repeated", () => {
    writeFileSync(at("file"), "x");
    writeFileSync(at(".file.new-1"), "y");
    destroyFile(at("file"));
    destroyFile(at("file"));
    destroyFile(at("no folder", "file"));
    expect(readdirSync(at())).toEqual([]);
  });
});

describe("folders", () => {
  test("are made for their owner alone, and once is enough", () => {
    makeFolder(at("a"));
    makeFolder(at("a"));
    expect(statSync(at("a")).mode & 0o777).toBe(0o700);
    expect(namesIn(at())).toEqual(["a"]);
    expect(namesIn(at("none"))).toEqual([]);
    writeFileSync(at("file"), "");
    expect(() => makeFolder(at("file", "below"))).toThrow(refusedWith("IO_FAILED"));
    expect(() => namesIn(at("file"))).toThrow(refusedWith("IO_FAILED"));
  });
});
