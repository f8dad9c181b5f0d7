/** Opens a store where it is needed: a store can't cross threads, its module and options can. */
import { extname } from "node:path";
import { GatekeeperError } from "../errors.ts";
import type { StateStore, StoreLocation } from "./store.ts";

/** The module of the embedded store, for a location: its options are `{ path, create? }`. */
export const EMBEDDED_STORE: string = new URL(`./embedded${extname(import.meta.url)}`, import.meta.url).href;

/**
 * Imports the location's module and opens the store in this thread.
 * @throws GatekeeperError STORE_UNAVAILABLE when the module can't be imported or has no `openStore`; whatever
 * `openStore` throws.
 */
export async function openStoreAt(location: StoreLocation): Promise<StateStore> {
  let module: Record<string, unknown>;
  try {
    module = (await import(location.module)) as Record<string, unknown>;
  } catch (cause) {
    throw new GatekeeperError(
      "STORE_UNAVAILABLE",
      `the store module ${location.module} can't be imported`,
      {},
      { cause },
    );
  }
  const { openStore } = module;
  if (typeof openStore !== "function") {
    throw new GatekeeperError("STORE_UNAVAILABLE", `the store module ${location.module} exports no function openStore`);
  }
  return (await openStore(location.options)) as StateStore;
}
