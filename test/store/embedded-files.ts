/** Files of embedded stores for a test, in a folder that is removed after it, and processes that use them. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { openStore } from "../../src/store/embedded.ts";
import type { StateStore } from "../../src/store/store.ts";

export const folder = mkdtempSync(join(tmpdir(), "gatekeeper-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

/** A path where nothing is. */
export function freshPath(): string {
  files++;
  return join(folder, `store-${files}.db`);
}

/** Opens or makes a store, uses it and closes it. */
export async function withStore<T>(path: string, create: boolean, body: (store: StateStore) => Promise<T>): Promise<T> {
  const store = await openStore({ path, create });
  try {
    return await body(store);
  } finally {
    await store.close();
  }
}

export const CHILD = fileURLToPath(new URL("embedded-child.ts", import.meta.url));

/** Starts a job of embedded-child.ts. */
export function child(job: string, path: string, ...rest: string[]): ChildProcess {
  return spawn(process.execPath, [CHILD, job, path, ...rest], { stdio: ["ignore", "pipe", "inherit"] });
}

/** The exit code of a process, or the signal that ended it. */
export function exitOf(process: ChildProcess): Promise<number | NodeJS.Signals | null> {
  return new Promise((resolve) => process.on("exit", (code, signal) => resolve(signal ?? code)));
}
