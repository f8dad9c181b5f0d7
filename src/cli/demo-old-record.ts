/** What the demo asks about a store that somebody has copied: what still opens it, and where its bytes still lie. */
import { cpSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { Home } from "../gatekeeper/home.ts";
import { findRecord } from "../store/page.ts";
import { findContract, storageKey } from "./contract-argument.ts";

/** Version, suite, rotation id and write version of a sealed state: what comes before its nonce. */
const HEADER_BYTES = 14;
/** What a home has besides its store. */
const KEYS = ["key", "master-key"];

/** Nonce, ciphertext and tag of a sealed state as it lies in a home. @throws GatekeeperError NOT_FOUND. */
export async function sealedState({ store }: Home, contractText: string, keyText: string): Promise<Uint8Array> {
  const contract = await findContract(store, contractText);
  const key = storageKey(contract, keyText);
  const page = await store.find(contract.id, key);
  const sealed = page === null ? null : findRecord(page, key);
  if (sealed === null) throw new GatekeeperError("NOT_FOUND", `contract ${contractText} has no state ${keyText}`);
  return Uint8Array.from(sealed.subarray(HEADER_BYTES));
}

/** Copies a home that nobody writes to. */
export function copyHome(home: string, to: string): void {
  cpSync(home, to, { recursive: true });
}

/** Gives a copy of a home the keys that another has now, in the place of those that it was copied with. */
export function takeKeysOf(home: string, copy: string): void {
  for (const name of KEYS) {
    rmSync(join(copy, name), { recursive: true });
    cpSync(join(home, name), join(copy, name), { recursive: true });
  }
}

/** The value of a state, asked of a home that is opened for it; null where its keys don't open it. */
export async function valueIn(folder: string, contractText: string, keyText: string): Promise<string | null> {
  await using home = await Home.open(folder);
  const contract = await findContract(home.store, contractText);
  try {
    const value = await home.pruntime.ask("get", { contract: contract.id, key: storageKey(contract, keyText) });
    return value === null ? null : toHex(value);
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "KEY_UNAVAILABLE") return null;
    throw error;
  }
}

/** Whether bytes are found in any file below a folder. */
export function liesIn(folder: string, bytes: Uint8Array): boolean {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.some((file) => readFileSync(join(file.parentPath, file.name)).includes(Buffer.from(bytes)));
}
