/**
 * What keys of contracts are derived from, x(P) of keys/contract-key.ts, as gatekeepers' partials gave it: of the contracts
 * that this pRuntime runs, or rotates, in every generation of the MasterKey that is in force.
 *
 * Nothing of it is sealed: a pRuntime that starts again asks again.
 */
import { fromHex, toHex } from "../bytes.ts";
import { type Suite, suiteId } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { type ContractEcdhKey, contractEcdhKey, contractEcdhScalars } from "../keys/contract-ecdh-key.ts";
import { contractKeyInfo, expandContractKey } from "../keys/contract-key.ts";
import type { Group, KeySuite } from "../keys/group.ts";
import { ledgerGroup } from "../protocol/key-terms.ts";
import type { Hex } from "../protocol/scale.ts";
import type { Sharing } from "../protocol/sharing.ts";
import { type Secret, secretCopy } from "../secret.ts";

/** Contracts whose keys are held in a generation, at most: some 40 MiB of them. */
export const CONTRACTS_HELD_MAX = 100_000;

/** One generation's. */
interface Generation {
  readonly keySuite: KeySuite;
  /** What states are sealed with under it. */
  readonly cipherSuite: Suite;
  /** x(P) by contract id. */
  readonly prfs: Map<Hex, Uint8Array>;
}

/** An EcdhKey as the chain has it, and its generation. */
interface PublicEcdhKey {
  readonly rotationId: number;
  readonly publicKey: Hex;
}

/** Owns them; dispose wipes them. */
export class ProvisionedKeys implements Disposable {
  /** By rotation id. */
  readonly #generations = new Map<number, Generation>();
  #sealedUnder: number | null = null;
  /** Those who wait for it to change. */
  readonly #waiting: (() => void)[] = [];
  /** Generations of which there were keys here since this process began. */
  readonly #met = new Set<number>();
  /**
   * Contracts of which keys came that the chain does not have yet, as far as is known; with their EcdhKeys, where those were
   * asked for.
   */
  readonly #unpublished = new Map<Hex, PublicEcdhKey | null>();

  /** The newest generation that is in force; null where none is. */
  get newest(): number | null {
    return this.#generations.size === 0 ? null : Math.max(...this.#generations.keys());
  }

  /** From here on states are sealed under this generation; null where none is in force. */
  sealUnder(rotationId: number | null): void {
    if (rotationId === this.#sealedUnder) return;
    this.#sealedUnder = rotationId;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /**
   * Resolves when states are sealed under another generation than this one: the store may have heard of a switch before the
   * ledger that is here.
   */
  async after(rotationId: number): Promise<void> {
    while (this.#sealedUnder === rotationId) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** The generation that states are sealed under. @throws GatekeeperError KEY_UNAVAILABLE where there is none. */
  current(): number {
    const rotationId = this.#sealedUnder;
    if (rotationId === null) throw new GatekeeperError("KEY_UNAVAILABLE", "no MasterKey is in force here yet");
    return rotationId;
  }

  /** The group of a generation, with elements as the chain has them. @throws GatekeeperError KEY_UNAVAILABLE */
  group(rotationId: number): Group {
    return ledgerGroup(this.#generation(rotationId).keySuite);
  }

  /** What states are sealed with under a generation. @throws GatekeeperError KEY_UNAVAILABLE */
  suite(rotationId: number): Suite {
    return this.#generation(rotationId).cipherSuite;
  }

  /** A generation is in force from here on; keys of it are added as they come. */
  begin({ rotationId, keySuite, cipherSuite }: Pick<Sharing, "rotationId" | "keySuite" | "cipherSuite">): void {
    if (this.#generations.has(rotationId)) return;
    this.#generations.set(rotationId, { keySuite, cipherSuite, prfs: new Map() });
  }

  /** A generation is not in force any more: its keys are wiped. */
  end(rotationId: number): void {
    for (const prf of this.#generations.get(rotationId)?.prfs.values() ?? []) prf.fill(0);
    this.#generations.delete(rotationId);
    // Where it was called off, the chain may have EcdhKeys of it in the place of those before.
    const prfs = this.#generations.get(this.newest ?? rotationId)?.prfs ?? [];
    for (const [contract] of prfs) this.#unpublished.set(contract, null);
  }

  /**
   * Holds a contract's key in a generation that has begun.
   * @param prf - x(P), PRF_BYTES; copied, it stays the caller's.
   */
  add(rotationId: number, contract: Hex, prf: Uint8Array): void {
    const { prfs } = this.#generation(rotationId);
    this.#met.add(rotationId);
    prfs.get(contract)?.fill(0);
    prfs.set(contract, secretCopy(prf));
    this.#unpublished.set(contract, null);
  }

  /** Contracts whose EcdhKeys may have to be published, some of them. */
  unpublished(most: number): Hex[] {
    return [...this.#unpublished.keys()].slice(0, most);
  }

  /** The chain has the EcdhKeys of these contracts. */
  published(contracts: readonly Hex[]): void {
    for (const contract of contracts) this.#unpublished.delete(contract);
  }

  /** Wipes a contract's keys of all generations. */
  forget(contract: Hex): void {
    for (const { prfs } of this.#generations.values()) {
      prfs.get(contract)?.fill(0);
      prfs.delete(contract);
    }
    this.#unpublished.delete(contract);
  }

  /** Whether a contract's keys can be derived. */
  has(rotationId: number, contract: Hex): boolean {
    return this.#generations.get(rotationId)?.prfs.has(contract) ?? false;
  }

  /** Contracts whose keys can be derived. */
  count(rotationId: number): number {
    return this.#generations.get(rotationId)?.prfs.size ?? 0;
  }

  /**
   * Contracts' keys; the caller owns them.
   * @param contracts - ids.
   * @throws GatekeeperError KEY_UNAVAILABLE for a generation that is not in force; KEY_NOT_PROVISIONED for a contract that
   * has none; INVALID_ARGUMENT for ids of another length.
   */
  keys(rotationId: number, contracts: readonly Uint8Array[]): Secret[] {
    const { keySuite, cipherSuite } = this.#generation(rotationId);
    const suite = suiteId(cipherSuite);
    const prfs = contracts.map((id) => this.prf(rotationId, toHex(id)));
    return contracts.map((id, at) => expandContractKey(prfs[at]!, contractKeyInfo(keySuite, suite, rotationId, id)));
  }

  /** @throws GatekeeperError as `keys` does, where that would. */
  check(rotationId: number, contracts: readonly Uint8Array[]): void {
    for (const contract of contracts) this.prf(rotationId, toHex(contract));
  }

  /** A contract's EcdhKey; the caller owns its scalar. @throws GatekeeperError as `keys` does. */
  ecdhKey(rotationId: number, contract: Hex): ContractEcdhKey {
    const group = this.group(rotationId);
    const prf = this.prf(rotationId, contract);
    const suite = suiteId(this.suite(rotationId));
    return contractEcdhKey(group, prf, suite, rotationId, fromHex(contract, "a contract id"));
  }

  /** Whether keys of a generation before this one were ever here while this process lives: its memory may remember. */
  remembersBefore(rotationId: number): boolean {
    return [...this.#met].some((met) => met < rotationId);
  }

  /**
   * Contracts' EcdhKeys as the chain has them: of those that are unpublished, computed once.
   * @throws GatekeeperError as `keys` does.
   */
  publicEcdhKeys(rotationId: number, contracts: readonly Hex[]): Hex[] {
    const known = contracts.map((contract) => this.#unpublished.get(contract) ?? null);
    const unknown = contracts.filter((_, at) => known[at]?.rotationId !== rotationId);
    const computed = this.#computeEcdhKeys(rotationId, unknown);
    for (const [at, contract] of unknown.entries()) {
      if (!this.#unpublished.has(contract)) continue;
      this.#unpublished.set(contract, { rotationId, publicKey: computed[at]! });
    }
    let next = 0;
    return known.map((key) => (key?.rotationId === rotationId ? key.publicKey : computed[next++]!));
  }

  /** Wipes all keys; no generation is in force then. */
  clear(): void {
    for (const rotationId of [...this.#generations.keys()]) this.end(rotationId);
    this.#unpublished.clear();
    this.sealUnder(null);
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #computeEcdhKeys(rotationId: number, contracts: readonly Hex[]): Hex[] {
    const group = this.group(rotationId);
    const suite = suiteId(this.suite(rotationId));
    const prfs = contracts.map((contract) => ({
      prf: this.prf(rotationId, contract),
      contractId: fromHex(contract, "a contract id"),
    }));
    const scalars = contractEcdhScalars(group, suite, rotationId, prfs);
    try {
      const elements = group.multiplyBase(scalars);
      const size = group.elementBytes;
      return contracts.map((_, at) => toHex(elements.subarray(at * size, (at + 1) * size)));
    } finally {
      for (const scalar of scalars) scalar[Symbol.dispose]();
    }
  }

  #generation(rotationId: number): Generation {
    const generation = this.#generations.get(rotationId);
    if (generation !== undefined) return generation;
    throw new GatekeeperError("KEY_UNAVAILABLE", `MasterKey ${rotationId} is not in force here`, { rotationId });
  }

  /** A contract's x(P), PRF_BYTES: lent, neither kept nor changed by who asks. @throws GatekeeperError as `keys` does. */
  prf(rotationId: number, contract: Hex): Uint8Array {
    const prf = this.#generation(rotationId).prfs.get(contract);
    if (prf !== undefined) return prf;
    throw new GatekeeperError(
      "KEY_NOT_PROVISIONED",
      `contract ${contract} has no keys of MasterKey ${rotationId} here: gatekeepers have not given them yet, or another pRuntime runs it`,
      { contract, rotationId },
    );
  }
}
