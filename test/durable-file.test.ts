import { randomBytes } from "node:crypto";
import {
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
import { createDirectly, createOnce, destroyFile, makeFolder, namesIn, readSmallFile } from "../src/durable-file.ts";
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
