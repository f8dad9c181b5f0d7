/**
 * The store that the states of a network's contracts are in: one, whoever of its pRuntimes works on it. It says whose it is, so
 * that no other is taken for it: what is in another is not re-encrypted when the MasterKey is rotated, and lost.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import type { Hex } from "../protocol/scale.ts";
import { EMBEDDED_STORE, openStoreAt } from "./location.ts";
import type { StateStore, StoreLocation } from "./store.ts";

const CELL = "network";
const HASH_BYTES = 32;
const ID_BYTES = 32;

/** One that is open; who opened it closes it. */
export interface NetworkStore {
  readonly store: StateStore;
  /** Where other threads open it. */
  readonly location: StoreLocation;
  /** What the chain knows it by. */
  readonly id: Hex;
}

/**
 * Opens a network's store, which is made where there is none.
 * @param path - its file.
 * @param genesisHash - of the network's chain.
 * @throws GatekeeperError STORE_UNAVAILABLE when it is another network's, or no network's; STORE_*.
 */
export async function openNetworkStore(path: string, genesisHash: Uint8Array): Promise<NetworkStore> {
  const location = { module: EMBEDDED_STORE, options: { path } };
  const store = await openOrMake(path, location);
  try {
    return { store, location, id: await idOf(store, path, genesisHash) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openOrMake(path: string, location: StoreLocation): Promise<StateStore> {
  if (existsSync(path)) return await openStoreAt(location);
  try {
    return await openStoreAt({ module: location.module, options: { path, create: true } });
  } catch (error) {
    // Another pRuntime of this network has made it in between.
    if (error instanceof GatekeeperError && error.code === "ALREADY_EXISTS") return await openStoreAt(location);
    throw error;
  }
}

async function idOf(store: StateStore, path: string, genesisHash: Uint8Array): Promise<Hex> {
  const value = Buffer.concat([genesisHash, randomBytes(ID_BYTES)]);
  const isEmpty = (await store.contracts(null, 1)).length === 0 && (await store.cells("", null, 1)).length === 0;
  if (isEmpty) {
    await store.commit({ groups: [], sealedUnder: null, cells: [{ name: CELL, expected: null, value }] });
  }
  const owner = await ownerOf(store);
  if (owner?.genesisHash === toHex(genesisHash)) return owner.id;
  throw new GatekeeperError(
    "STORE_UNAVAILABLE",
    `${path} is not the store of this network: it belongs to another, or to a local home`,
  );
}

/** Whose a store is. */
export interface StoreOwner {
  /** Hash of the genesis of its network's chain. */
  readonly genesisHash: Hex;
  /** What that chain knows it by. */
  readonly id: Hex;
}

/** Whose a store is; null where it is no network's. @throws GatekeeperError STORE_*. */
export async function ownerOf(store: StateStore): Promise<StoreOwner | null> {
  const value = (await store.cell(CELL))?.value;
  if (value?.length !== HASH_BYTES + ID_BYTES) return null;
  return { genesisHash: toHex(value.subarray(0, HASH_BYTES)), id: toHex(value.subarray(HASH_BYTES)) };
}
