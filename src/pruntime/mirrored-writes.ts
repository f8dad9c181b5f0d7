/**
 * Carries what is written in a store that is mirrored over to its mirror, before it is acknowledged: rotation/transfer.ts
 * says how and why, and written-keys.ts what becomes of a write whose writer is killed.
 */
import { PageEngine } from "../engine/page-engine.ts";
import { GatekeeperError } from "../errors.ts";
import type { SealedUnder } from "../engine/sealed-state.ts";
import type { KeyPair } from "../rotation/page-steps.ts";
import { remakePages } from "../rotation/remake-pages.ts";
import { type TransferEnd, transferKeys } from "../rotation/transfer.ts";
import { readService, type Service } from "../store/service.ts";
import type { CellExpectation, StateStore } from "../store/store.ts";
import type { ContractKeys } from "./contract-keys.ts";
import { decodeWrittenKeys, writtenKeysCell } from "./written-keys.ts";

/** Contracts of which it is remembered that nothing is left to carry over. */
const CARRIED_MAX = 16_384;

/** One engine a thread, made when it is needed. */
let engine: PageEngine | undefined;

/** The store that mirrors another, as who writes that one has it. */
interface Mirror {
  readonly store: StateStore;
  /** What its states are sealed under. */
  readonly under: SealedUnder;
}

/** What writes are carried over with; all of it is lent. */
export interface MirroredWritesOptions {
  readonly source: StateStore;
  /** What the source's states are sealed under. */
  readonly under: SealedUnder;
  readonly mirror: Mirror;
  readonly keys: ContractKeys;
  /** As the source says it: writes depend on it. */
  readonly service: Service;
}

/** One store's, for as long as its service cell stays as it is. */
export class MirroredWrites {
  readonly #options: MirroredWritesOptions;
  /** Versions of contracts' cells whose keys are carried over, by the cells' names. */
  readonly #carried = new Map<string, number>();

  constructor(options: MirroredWritesOptions) {
    this.#options = options;
  }

  /** As the source said it. */
  get service(): Service {
    return this.#options.service;
  }

  /** What new states of the source are sealed under, whatever else is current. */
  get under(): SealedUnder {
    return this.#options.under;
  }

  /**
   * Sees to it that the mirror has every state of a contract that a write before this call left in the source.
   * @returns what the next write's cell depends on; null when the mirror is none any more: the source says what it is now.
   * @throws GatekeeperError as transferKeys does; STORE_CORRUPT for a malformed cell; KEY_NOT_PROVISIONED, KEY_UNAVAILABLE.
   */
  async carryOver(contract: Uint8Array): Promise<CellExpectation | null> {
    const name = writtenKeysCell(contract);
    const cell = await this.#options.source.cell(name);
    if (cell === null) return { name, expected: null };
    if (this.#carried.get(name) !== cell.version) {
      // What can't be opened, nobody can have read.
      if ((await this.#transfer(contract, decodeWrittenKeys(cell))) === null) return null;
      this.#remember(name, cell.version);
    }
    return { name, expected: cell.version };
  }

  /**
   * Carries a write over that was committed.
   * @param expectation - what its cell depended on.
   * @returns the keys of states that can't be opened; null when the mirror is none any more.
   * @throws GatekeeperError as `carryOver` does.
   */
  async carry(
    contract: Uint8Array,
    { name, expected }: CellExpectation,
    keys: readonly Uint8Array[],
  ): Promise<readonly Uint8Array[] | null> {
    const unopened = await this.#transfer(contract, keys);
    // A new cell's version is the store's choice.
    if (unopened !== null && expected !== null) this.#remember(name, expected + 1);
    return unopened;
  }

  async #transfer(contract: Uint8Array, keys: readonly Uint8Array[]): Promise<readonly Uint8Array[] | null> {
    const { source, mirror, under, keys: contractKeys, service } = this.#options;
    const target = await readService(mirror.store);
    const isMirror = target.state === "mirror" && target.height === service.height;
    if (!isMirror) return null;
    await contractKeys.hold([under.rotationId, mirror.under.rotationId]);
    const pair = (id: Uint8Array): KeyPair => {
      const [key] = contractKeys.materials(under, [id]);
      const [newKey] = contractKeys.materials(mirror.under, [id]);
      return { key: key!, newKey: newKey! };
    };
    engine ??= new PageEngine();
    const context = { source, target: mirror.store, engine, keys: { from: under, to: mirror.under, pair } };
    const transfer = (): Promise<TransferEnd> => transferKeys(context, contract, keys, [target.cell]);
    const end = await transfer().catch(async (error: unknown) => {
      if (!(error instanceof GatekeeperError)) throw error;
      // It has been another's since: a store says so before it says that the mirror's cell is another one.
      if (error.code === "ROTATION_ID_RETIRED") return null;
      if (error.code !== "STORE_CORRUPT") throw error;
      // Where it is the source's page that makes no sense, it is so again.
      return (await remakePages(context, contract, keys, [target.cell])) ? transfer() : null;
    });
    return end?.end === "carried" ? end.unopened : null;
  }

  #remember(name: string, version: number): void {
    if (this.#carried.size >= CARRIED_MAX) this.#carried.clear();
    this.#carried.set(name, version);
  }
}
