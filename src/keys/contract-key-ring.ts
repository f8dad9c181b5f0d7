/**
 * The contract keys that a thread is working with: derived when first asked for, kept while they are likely to be
 * asked for again. A point multiplication costs as much as re-encrypting a thousand records, and a large contract's
 * pages follow each other, so a small memory of the last contracts is worth having.
 */
import { hkdfSync } from "node:crypto";
import type { KeyMaterial } from "../engine/page-engine.ts";
import { GatekeeperError } from "../errors.ts";
import { Secret, secretCopy } from "../secret.ts";
import { CONTRACT_KEY_BYTES, ContractKeyDeriver, contractKeyInfo, contractPoint } from "./contract-key.ts";
import type { MasterKey } from "./master-key.ts";

/** Contracts remembered; whoever keeps material works on no more contracts at once, or its first is wiped in use. */
export const CONTRACTS_REMEMBERED = 1_024;

interface Entry {
  /** The contract's public point, the same for every generation. */
  readonly point: Uint8Array;
  readonly materials: Map<number, KeyMaterial>;
}

/** Owns derivers and derived material of some MasterKey generations; dispose wipes them all. */
export class ContractKeyRing implements Disposable {
  readonly #derivers = new Map<number, ContractKeyDeriver>();
  readonly #entries = new Map<string, Entry>();
  readonly #cipherSuite: number;

  /**
   * @param masterKeys - the generations that may be asked for; copied from, they stay the caller's.
   * @param cipherSuite - the suite byte of the sealed states that the keys are for.
   */
  constructor(masterKeys: readonly MasterKey[], cipherSuite: number) {
    this.#cipherSuite = cipherSuite;
    for (const key of masterKeys) this.#derivers.set(key.rotationId, new ContractKeyDeriver(key));
  }

  /**
   * What a contract's key is derived from, under one generation. It stays the ring's: it is wiped when the ring is
   * disposed or 1,024 other contracts have been asked for since.
   * @throws GatekeeperError KEY_UNAVAILABLE for a generation that the ring was not given.
   */
  material(rotationId: number, contract: Uint8Array): KeyMaterial {
    const entry = this.#entry(contract);
    let material = entry.materials.get(rotationId);
    if (material === undefined) {
      const deriver = this.#derivers.get(rotationId);
      if (deriver === undefined) {
        throw new GatekeeperError("KEY_UNAVAILABLE", `MasterKey ${rotationId} is not held here`, { rotationId });
      }
      using prf = deriver.prf(entry.point);
      material = {
        ikm: prf.use(secretCopy),
        info: contractKeyInfo(this.#cipherSuite, rotationId, contract),
      };
      entry.materials.set(rotationId, material);
    }
    return material;
  }

  /**
   * A contract's key itself, for single records; the caller owns it.
   * @throws GatekeeperError as `material` does.
   */
  key(rotationId: number, contract: Uint8Array): Secret {
    const { ikm, info } = this.material(rotationId, contract);
    return new Secret(new Uint8Array(hkdfSync("sha256", ikm, new Uint8Array(0), info, CONTRACT_KEY_BYTES)));
  }

  [Symbol.dispose](): void {
    for (const deriver of this.#derivers.values()) deriver[Symbol.dispose]();
    this.#derivers.clear();
    for (const entry of this.#entries.values()) wipe(entry);
    this.#entries.clear();
  }

  /** The entry of a contract, moved to the end of the Map, whose order is that of last use. */
  #entry(contract: Uint8Array): Entry {
    const name = Buffer.from(contract).toString("latin1");
    const entry = this.#entries.get(name) ?? { point: contractPoint(contract), materials: new Map() };
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    if (this.#entries.size > CONTRACTS_REMEMBERED) {
      const [oldest, forgotten] = this.#entries.entries().next().value!;
      wipe(forgotten);
      this.#entries.delete(oldest);
    }
    return entry;
  }
}

function wipe(entry: Entry): void {
  for (const material of entry.materials.values()) material.ikm.fill(0);
}
