import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fileURLToPath } from "node:url";
import { FolderLock } from "../../src/pruntime/folder-lock.ts";
import { runChild } from "./child.ts";
import { useFolder } from "./folder.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();
const BUSY = refusedWith("STORE_BUSY");
const MODULE = fileURLToPath(new URL("../../src/pruntime/folder-lock.ts", import.meta.url));
const LOCK = (path: string): string => `
  const { FolderLock } = await import(${JSON.stringify(MODULE)});
  try {
    globalThis.lock = new FolderLock(${JSON.stringify(path)});
    process.stdout.write("locked");
  } catch (error) {
    process.stdout.write(error.code);
  }`;

describe("the lock of a folder", () => {
  test("is one's at a time, in this process and in others, and free after it is given back", async () => {
    const lock = new FolderLock(at("lock"));
    expect(() => new FolderLock(at("lock"))).toThrow(BUSY);
    expect(() => new FolderLock(at("lock"))).toThrow(at("lock"));
    expect((await runChild(LOCK(at("lock")))).stdout).toBe("STORE_BUSY");
    // What was refused took nothing away.
    expect((await runChild(LOCK(at("lock")))).stdout).toBe("STORE_BUSY");
    lock[Symbol.dispose]();
    expect(existsSync(at("lock"))).toBe(true);
    expect((await runChild(LOCK(at("lock")))).stdout).toBe("locked");
    new FolderLock(at("lock"))[Symbol.dispose]();
  });

  test("is free once its process was killed", async () => {
    const script = `${LOCK(at("lock"))}; setInterval(() => undefined, 1_000);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "close");
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    expect(said.toString()).toBe("locked");
    expect(() => new FolderLock(at("lock"))).toThrow(BUSY);
    child.kill("SIGKILL");
    await ended;
    new FolderLock(at("lock"))[Symbol.dispose]();
  });

  test("is not to be had where there can be no file", () => {
    expect(() => new FolderLock(at("none", "lock"))).toThrow(refusedWith("STORE_UNAVAILABLE"));
    mkdirSync(at("folder"));
    expect(() => new FolderLock(at("folder"))).toThrow(refusedWith("STORE_UNAVAILABLE"));
  });
});
