/**
 * Reading and writing contract states under the keys of the current rotation id, beside any rotation.
 *
 * Every write is a compare-and-swap of the page it lands in, so that neither another writer nor a rotation is
 * overwritten; one that missed the switch to a new rotation id is refused by the store and sealed again.
 */
import type { Engine } from "../engine/engine.ts";
import { SEALED_OVERHEAD_BYTES, decodeHeader } from "../engine/sealed-state.ts";
import type { Suite } from "../engine/suite.ts";
import { compareBytes, toHex } from "../bytes.ts";
import { type ErrorCode, GatekeeperError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { editPage } from "../store/page-edit.ts";
import { findRecord, findRecords, highestWriteVersion } from "../store/page.ts";
import type { ContractName, Page, PageWrite, StateStore } from "../store/store.ts";
import type { WriteResult } from "./boundary.ts";
import { type ContractKeys, MasterKeyRing } from "./contract-keys.ts";
import { type PlacedState, type PlainState, checkStateSize, openStates, sealStates } from "./state-sealer.ts";

/** Reads that meet a key destroyed in between are repeated so often; each time the record has moved on. */
const READ_ATTEMPTS = 8;

/** One change of a contract's states: a value to put, or null to delete. */
export interface StateEdit {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Changes of one contract. */
export interface ContractEdit {
  readonly contract: ContractName;
  /** In ascending order of unique keys. */
  readonly edits: readonly StateEdit[];
}

/** What contract states are read and written with. */
export type ContractStatesOptions = {
  readonly store: StateStore;
  readonly engine: Engine;
} & (
  | {
      /** What states are sealed with. */
      readonly suite: Suite;
      /** The MasterKey of a generation, given into the hands of the caller; KEY_UNAVAILABLE once it is destroyed. */
      readonly masterKey: (rotationId: number) => Promise<MasterKey>;
    }
  | {
      /** Where contract keys come from that are derived elsewhere; lent. */
      readonly keys: ContractKeys;
    }
);

/** The part of a contract's edits that falls into one page. */
interface PageEdit {
  readonly contract: ContractName;
  readonly page: Page | null;
  readonly edits: readonly StateEdit[];
}

/** Owns contract keys of the generations it has met, unless they are derived elsewhere; dispose wipes them. */
export class ContractStates implements Disposable {
  readonly #options: ContractStatesOptions;
  readonly #keys: ContractKeys;
  readonly #ring: MasterKeyRing | null;

  constructor(options: ContractStatesOptions) {
    this.#options = options;
    this.#ring = "keys" in options ? null : new MasterKeyRing(options.store, options.suite, options.masterKey);
    this.#keys = "keys" in options ? options.keys : this.#ring!;
  }

  [Symbol.dispose](): void {
    this.#ring?.[Symbol.dispose]();
  }

  /**
   * A state's plaintext, which the caller owns, or null if there is none.
   * @throws GatekeeperError TAG_MISMATCH, naming contract and key, when what lies there can't be opened; STORE_*.
   */
  async get(contract: Uint8Array, key: Uint8Array): Promise<Uint8Array | null> {
    for (let attempt = 1; ; attempt++) {
      const page = await this.#options.store.find(contract, key);
      const sealed = page === null ? null : findRecord(page, key);
      if (sealed === null) return null;
      const rotationId = rotationIdOf(sealed);
      if (rotationId === null) throw unopenable(contract, key);
      try {
        await this.#keys.hold([rotationId]);
        return this.#open({ contract, key, sealed });
      } catch (error) {
        // A rotation may have moved the record and destroyed its old key since the page was read.
        if (!isCode(error, "KEY_UNAVAILABLE")) throw error;
        if (attempt < READ_ATTEMPTS) continue;
        const current = await this.#keys.current();
        throw rotationId === current ? error : unopenable(contract, key, error);
      }
    }
  }

  /**
   * Puts and deletes states, in as few commits as can be: one, unless somebody else writes the same pages. When this
   * resolves, all are durable.
   * @throws GatekeeperError RECORD_TOO_LARGE before anything is written; INVALID_ARGUMENT for edits out of order, or
   * for more than a batch of the engine holds (4,096 contracts, 20 MiB); KEY_UNAVAILABLE; STORE_*.
   */
  async write(contractEdits: readonly ContractEdit[]): Promise<WriteResult> {
    for (const { contract, edits } of contractEdits) {
      for (const { key, value } of edits) checkStateSize(contract.id, key, value?.length ?? 0);
    }
    const done = { written: 0, bytes: 0, unchanged: 0, deleted: 0 };
    let pending = contractEdits;
    while (pending.length > 0) pending = await this.#writeOnce(pending, done);
    return done;
  }

  /** One commit. @returns the edits that must be tried again, because their pages have changed since they were read. */
  async #writeOnce(
    contractEdits: readonly ContractEdit[],
    done: { -readonly [K in keyof WriteResult]: number },
  ): Promise<ContractEdit[]> {
    const rotationId = await this.#keys.current();
    try {
      return await this.#writeUnder(rotationId, contractEdits, done);
    } catch (error) {
      // The generation was retired, or even destroyed, between reading and writing: seal again under the current one.
      const retired = isCode(error, "ROTATION_ID_RETIRED");
      if (retired) await this.#keys.after(rotationId);
      if ((retired || isCode(error, "KEY_UNAVAILABLE")) && (await this.#keys.current()) !== rotationId)
        return [...contractEdits];
      throw error;
    }
  }

  async #writeUnder(
    rotationId: number,
    contractEdits: readonly ContractEdit[],
    done: { -readonly [K in keyof WriteResult]: number },
  ): Promise<ContractEdit[]> {
    const { store } = this.#options;
    const pageEdits = (await Promise.all(contractEdits.map((edit) => this.#placeEdits(edit)))).flat();
    await this.#keys.hold([rotationId]);
    const changes = await this.#dropUnchanged(pageEdits);
    const groups = this.#sealChanges(changes, rotationId);
    const seals = changes.some(({ edits }) => edits.some(({ value }) => value !== null));
    const contracts = contractEdits.map(({ contract }) => contract);
    const { conflicts } = await store.commit({ groups, sealedUnder: seals ? rotationId : null, contracts });
    const again = new Set(conflicts);
    pageEdits.forEach(({ edits }, index) => {
      if (!again.has(index)) count(edits, changes[index]!, done);
    });
    return conflicts.map((index) => ({ contract: pageEdits[index]!.contract, edits: pageEdits[index]!.edits }));
  }

  /** Finds the pages that a contract's edits fall into. */
  async #placeEdits({ contract, edits }: ContractEdit): Promise<PageEdit[]> {
    const { store } = this.#options;
    const placed: PageEdit[] = [];
    for (let at = 0; at < edits.length;) {
      const page = await store.find(contract.id, edits[at]!.key);
      let end = edits.length;
      if (page !== null && edits.length - at > 1) {
        const [next] = await store.scan({ from: page, to: null }, page, 1);
        if (next !== undefined && compareBytes(next.contract, contract.id) === 0) {
          const { lowerBound } = next;
          end = edits.findIndex(({ key }, index) => index > at && compareBytes(key, lowerBound) >= 0);
          if (end < 0) end = edits.length;
        }
      }
      placed.push({ contract, page, edits: edits.slice(at, end) });
      at = end;
    }
    return placed;
  }

  /**
   * Leaves out puts of the value that is already there, and deletes of what is not. A record that can't be opened is
   * simply replaced: that is how its owner mends it.
   */
  async #dropUnchanged(pageEdits: readonly PageEdit[]): Promise<PageEdit[]> {
    const present: PlacedState[] = [];
    const values: Uint8Array[] = [];
    const unchanged = new Set<StateEdit>();
    const compared: StateEdit[] = [];
    for (const { contract, page, edits } of pageEdits) {
      const sealedStates =
        page === null
          ? []
          : findRecords(
              page,
              edits.map(({ key }) => key),
            );
      for (const [index, edit] of edits.entries()) {
        const sealed = sealedStates[index] ?? null;
        if (sealed === null && edit.value === null) unchanged.add(edit);
        if (sealed === null || edit.value === null) continue;
        // A value of another length is another value: never is more opened than is to be put.
        if (sealed.length !== edit.value.length + SEALED_OVERHEAD_BYTES || !(await this.#canOpen(sealed))) continue;
        present.push({ contract: contract.id, key: edit.key, sealed });
        values.push(edit.value);
        compared.push(edit);
      }
    }
    if (present.length > 0) {
      openStates(this.#options.engine, this.#keys, present, (index, plaintext) => {
        if (plaintext !== null && compareBytes(plaintext, values[index]!) === 0) unchanged.add(compared[index]!);
      });
    }
    return pageEdits.map((pageEdit) => ({ ...pageEdit, edits: pageEdit.edits.filter((edit) => !unchanged.has(edit)) }));
  }

  /** Whether the generation that a record claims to be sealed under is held or can be got. */
  async #canOpen(sealed: Uint8Array): Promise<boolean> {
    const rotationId = rotationIdOf(sealed);
    if (rotationId === null) return false;
    try {
      await this.#keys.hold([rotationId]);
      return true;
    } catch (error) {
      if (isCode(error, "KEY_UNAVAILABLE")) return false;
      throw error;
    }
  }

  /** @returns one group of page writes for each page, empty where nothing changes. */
  #sealChanges(changes: readonly PageEdit[], rotationId: number): PageWrite[][] {
    const { engine } = this.#options;
    const versions = changes.map(({ page }) => (page === null ? 1n : highestWriteVersion(page) + 1n));
    const plain: PlainState[] = changes.flatMap(({ contract, edits }, index) =>
      edits.flatMap(({ key, value }) =>
        value === null ? [] : [{ contract: contract.id, key, value, writeVersion: versions[index]! }],
      ),
    );
    const sealed = plain.length === 0 ? [] : sealStates(engine, this.#keys, rotationId, plain);
    let next = 0;
    return changes.map(({ contract, page, edits }, index) => {
      const records = edits.map(({ key, value }) => ({ key, sealed: value === null ? null : sealed[next++]! }));
      return records.length === 0 ? [] : editPage(contract.id, page, records, versions[index]!);
    });
  }

  #open(state: PlacedState): Uint8Array {
    let value: Uint8Array | null = null;
    openStates(this.#options.engine, this.#keys, [state], (_, plaintext) => {
      value = plaintext === null ? null : plaintext.slice();
    });
    if (value === null) throw unopenable(state.contract, state.key);
    return value;
  }
}

function isCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof GatekeeperError && error.code === code;
}

function unopenable(contract: Uint8Array, key: Uint8Array, cause?: unknown): GatekeeperError {
  const where = { contract: toHex(contract), key: toHex(key) };
  const message = `the state ${where.key} of contract ${where.contract} can't be opened: it was altered`;
  return new GatekeeperError("TAG_MISMATCH", message, where, { cause });
}

/** A sealed state's rotation id, or null when its header makes no sense. */
function rotationIdOf(sealed: Uint8Array): number | null {
  try {
    return decodeHeader(sealed).rotationId;
  } catch (error) {
    if (isCode(error, "SEALED_STATE_INVALID")) return null;
    throw error;
  }
}

function count(
  before: readonly StateEdit[],
  after: PageEdit,
  done: { -readonly [K in keyof WriteResult]: number },
): void {
  for (const { value } of after.edits) {
    if (value === null) done.deleted++;
    else {
      done.written++;
      done.bytes += value.length;
    }
  }
  const puts = before.filter(({ value }) => value !== null).length;
  done.unchanged += puts - after.edits.filter(({ value }) => value !== null).length;
}
