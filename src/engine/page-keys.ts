/**
 * The contract keys of a page engine's call: HKDF-SHA256 of key material that the caller derived
 * (keys/contract-key.ts), expanded where it comes into being, so that no contract key is in JavaScript's hands.
 */
import { GatekeeperError } from "../errors.ts";
import { deriveTo } from "./hkdf-sha256.ts";
import { KeyTable } from "./key-table.ts";
import type { Kernels } from "./kernels.ts";
import { KEY_BYTES, type Suite } from "./suite.ts";

/** What a contract key is derived from: HKDF-SHA256(ikm, no salt, info). The caller wipes `ikm`. */
export interface KeyMaterial {
  readonly ikm: Uint8Array;
  readonly info: Uint8Array;
}

/** Keys of one suite in the kernels' memory. */
export interface PageKeys {
  readonly table: KeyTable;
  /** Address of the context of a material's key; the material is one of those that were laid. */
  contextOf(material: KeyMaterial): number;
}

/**
 * Derives the key of each distinct material once. All that is laid from the first allocation to the last is secret: the
 * caller wipes it after use.
 * @throws GatekeeperError KEY_UNAVAILABLE for key material that was wiped.
 */
export function layPageKeys(kernels: Kernels, suite: Suite, materials: readonly KeyMaterial[]): PageKeys {
  const distinct = [...new Set(materials)];
  distinct.forEach(checkNotWiped);
  const contextBytes = kernels.keyContextBytes(suite);
  const contexts = kernels.alloc(distinct.length * contextBytes);
  const raw = kernels.alloc(distinct.length * KEY_BYTES);
  deriveTo(kernels, distinct, raw, KEY_BYTES);
  const places = new Map(distinct.map((material, index) => [material, contexts + index * contextBytes]));
  const table = new KeyTable(kernels, suite, { raw, contexts, count: distinct.length });
  return { table, contextOf: (material) => places.get(material)! };
}

/**
 * Material lives as long as its owner lets it; what is used after that would be sealed under a key that anyone can
 * derive. No branch depends on a byte until the answer.
 */
function checkNotWiped({ ikm }: KeyMaterial): void {
  if (ikm.length > 0 && ikm.reduce((any, byte) => any | byte, 0) === 0) {
    throw new GatekeeperError("KEY_UNAVAILABLE", "key material was used after it had been wiped");
  }
}
