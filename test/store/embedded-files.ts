/** Files of embedded stores for a test, in a folder that is removed after it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
