/** What the demo asks of a copy of a sealed record: who can still open it, and where its bytes still lie. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Engine } from "../engine/engine.ts";
import { SEALED_HEADER_BYTES, decodeHeader, encodeHeader } from "../engine/sealed-state.ts";
import { suiteId } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import type { Home } from "../gatekeeper/home.ts";
import { ContractKeyRing } from "../keys/contract-key-ring.ts";
import { type PlacedState, openStates } from "../pruntime/state-sealer.ts";
import { findRecord } from "../store/page.ts";
import { findContract, storageKey } from "./contract-argument.ts";

/**
 * A copy of a sealed state, taken out of the home.
 * @throws GatekeeperError NOT_FOUND.
 */
export async function copyRecord(home: Home, contractText: string, keyText: string): Promise<PlacedState> {
  const contract = await findContract(home.store, contractText);
  const key = storageKey(contract, keyText);
  const page = await home.store.find(contract.id, key);
  const sealed = page === null ? null : findRecord(page, key);
  if (sealed === null) throw new GatekeeperError("NOT_FOUND", `contract ${contractText} has no state ${keyText}`);
  return { contract: contract.id, key, sealed: Uint8Array.from(sealed) };
}

/**
 * Whether a copy opens under a MasterKey that the home still has: under the one that its header names, and, relabelled,
 * under another.
 * @param rotationId - that other one.
 */
export async function opensUnder(home: Home, copy: PlacedState, rotationId: number): Promise<boolean> {
  const header = decodeHeader(copy.sealed);
  const relabelled = copy.sealed.slice();
  relabelled.set(encodeHeader({ ...header, rotationId }));
  return (
    (await opens(home, copy, header.rotationId)) || (await opens(home, { ...copy, sealed: relabelled }, rotationId))
  );
}

/** Whether a copy's nonce, ciphertext and tag are found in any file of the home. */
export function liesInHome(home: Home, copy: PlacedState): boolean {
  const bytes = Buffer.from(copy.sealed.subarray(SEALED_HEADER_BYTES));
  const files = readdirSync(home.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.some((file) => readFileSync(join(file.parentPath, file.name)).includes(bytes));
}

async function opens(home: Home, state: PlacedState, rotationId: number): Promise<boolean> {
  try {
    using masterKey = await home.masterKey(rotationId);
    using ring = new ContractKeyRing([masterKey], suiteId(home.suite));
    let opened = false;
    openStates(new Engine(), ring, home.suite, [state], (_, plaintext) => {
      opened = plaintext !== null;
    });
    return opened;
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "KEY_UNAVAILABLE") return false;
    throw error;
  }
}
