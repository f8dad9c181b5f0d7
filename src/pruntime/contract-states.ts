/**
 * Reading and writing contract states under the keys of the current rotation id, beside any rotation.
 *
 * Every write is a compare-and-swap of the page it lands in, so that neither another writer nor a rotation is
 * overwritten; one that missed the switch to a new rotation id is refused by the store and sealed again.
 *
 * A store that serves no more is neither read nor written (store/service.ts), nor is one that the ledger does not have serve
 * (store-switch.ts). One that is mirrored is written first, then what was written is carried over, and only then the write is
 * done; nothing is read that was not carried over.
 */
import type { Engine } from "../engine/engine.ts";
import { SEALED_OVERHEAD_BYTES, type SealedUnder, decodeHeader } from "../engine/sealed-state.ts";
import type { Suite } from "../engine/suite.ts";
import { compareBytes, toHex } from "../bytes.ts";
import { type ErrorCode, GatekeeperError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { editPage } from "../store/page-edit.ts";
import { findRecord, findRecords, highestWriteVersion } from "../store/page.ts";
import { notServing, readService, type Service } from "../store/service.ts";
import type { CellExpectation, Commit, ContractName, Page, PageWrite, StateStore } from "../store/store.ts";
import type { WriteResult } from "./boundary.ts";
import { type ContractKeys, MasterKeyRing } from "./contract-keys.ts";
import { MirroredWrites } from "./mirrored-writes.ts";
import { type PlacedState, type PlainState, checkStateSize, openStates, sealStates } from "./state-sealer.ts";
import { encodeWrittenKeys, WRITTEN_KEYS_BYTES_MAX, writtenKeyBytes } from "./written-keys.ts";

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
  /** The store that mirrors this one, by its id, where it is open here; lent. */
  readonly mirrorOf?: (id: string) => StateStore | null;
  /** Whether the store may be what it says that it is; absent where there is no chain that could know. */
  readonly agrees?: (service: Service) => boolean;
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
  #mirrored: MirroredWrites | null = null;

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
   * @throws GatekeeperError TAG_MISMATCH, naming contract and key, when what lies there can't be opened; STORE_NOT_SERVING,
   * whose detail.state says why, and detail.other which store it is about; STORE_UNAVAILABLE when the store is mirrored by one that is not open here;
   * STORE_*.
   */
  async get(contract: Uint8Array, key: Uint8Array): Promise<Uint8Array | null> {
    for (let attempt = 1; ; attempt++) {
      const page = await this.#options.store.find(contract, key);
      const sealed = page === null ? null : findRecord(page, key);
      await this.#checkCarried(contract);
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
   * for more than a batch of the engine holds (4,096 contracts, 20 MiB); KEY_UNAVAILABLE; STORE_NOT_SERVING, STORE_UNAVAILABLE
   * as for `get`: of several commits some may be done; STORE_*.
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

  /** One commit. @returns the edits that are left, or must be tried again, as what they depend on has changed since it was read. */
  async #writeOnce(
    contractEdits: readonly ContractEdit[],
    done: { -readonly [K in keyof WriteResult]: number },
  ): Promise<readonly ContractEdit[]> {
    const { service, mirrored } = await this.#serving();
    if (mirrored !== null) return await this.#writeMirrored(mirrored, contractEdits, done);
    const rotationId = await this.#keys.current();
    try {
      const { pageEdits, changes, commit } = await this.#seal(rotationId, contractEdits);
      const { conflicts, cellsHeld } = await this.#options.store.commit({ ...commit, expects: [service.cell] });
      if (!cellsHeld) return contractEdits;
      const again = new Set(conflicts);
      pageEdits.forEach(({ edits }, index) => {
        if (!again.has(index)) count(edits, changes[index]!, done);
      });
      return conflicts.map((index) => ({ contract: pageEdits[index]!.contract, edits: pageEdits[index]!.edits }));
    } catch (error) {
      // The generation was retired, or even destroyed, between reading and writing: seal again under the current one.
      const retired = isCode(error, "ROTATION_ID_RETIRED");
      if (retired) await this.#keys.after(rotationId);
      if ((retired || isCode(error, "KEY_UNAVAILABLE")) && (await this.#keys.current()) !== rotationId)
        return contractEdits;
      throw error;
    }
  }

  /** One commit of a store that is mirrored, applied whole, and carried over. */
  async #writeMirrored(
    mirrored: MirroredWrites,
    contractEdits: readonly ContractEdit[],
    done: { -readonly [K in keyof WriteResult]: number },
  ): Promise<readonly ContractEdit[]> {
    const { store } = this.#options;
    const { now, later } = cutToCells(contractEdits);
    const cells = new Map<string, CellExpectation>();
    for (const { contract } of now) {
      const cell = await mirrored.carryOver(contract.id);
      if (cell === null) {
        await this.#nextMirror(mirrored);
        return contractEdits;
      }
      cells.set(toHex(contract.id), cell);
    }
    const { pageEdits, changes, commit } = await this.#seal(mirrored.under.rotationId, now);
    const written = new Map<string, Uint8Array[]>();
    for (const { contract, edits } of changes) {
      const id = toHex(contract.id);
      if (edits.length > 0) written.set(id, [...(written.get(id) ?? []), ...edits.map(({ key }) => key)]);
    }
    const group = commit.groups.flat();
    const result = await unlessRetired(
      store.commit({
        ...commit,
        groups: group.length === 0 ? [] : [group],
        cells: [...written].map(([id, keys]) => ({ ...cells.get(id)!, value: encodeWrittenKeys(keys) })),
        // What is there already must be carried over too, whoever wrote it.
        expects: [mirrored.service.cell, ...[...cells].filter(([id]) => !written.has(id)).map(([, cell]) => cell)],
      }),
    );
    // The MasterKey has been rotated where states are: this mirror is over, and the ledger that is here is behind.
    if (result === null) await this.#nextMirror(mirrored);
    if (result === null || !result.cellsHeld || result.conflicts.length > 0) return contractEdits;
    for (const [index, { edits }] of pageEdits.entries()) count(edits, changes[index]!, done);
    for (const { contract } of now) {
      const id = toHex(contract.id);
      const keys = written.get(id);
      if (keys === undefined) continue;
      let unopened: readonly Uint8Array[] | null = null;
      for (let by: MirroredWrites | null = mirrored; unopened === null; by = await this.#nextMirror(by)) {
        // Where the store serves alone again, it has what was written; whoever mirrors it from now on copies that.
        if (by === null) return later;
        unopened = await by.carry(contract.id, cells.get(id)!, keys);
        if (unopened !== null) break;
      }
      const [altered] = unopened;
      if (altered !== undefined) throw unopenable(contract.id, altered);
    }
    return later;
  }

  /**
   * What the store is to whoever reads or writes it now.
   * @throws GatekeeperError STORE_NOT_SERVING, STORE_UNAVAILABLE.
   */
  async #serving(): Promise<{ readonly service: Service; readonly mirrored: MirroredWrites | null }> {
    const { store, mirrorOf, agrees } = this.#options;
    const service = await readService(store);
    if (service.state !== "serves" && service.state !== "mirrored") throw notServing(service);
    if (agrees?.(service) === false) throw notAgreed(service);
    if (service.state === "serves") return { service, mirrored: null };
    if (this.#mirrored?.service.cell.expected !== service.cell.expected) {
      const [id, rotationId] = [service.other!, service.rotationId!];
      const mirror = mirrorOf?.(id) ?? null;
      if (mirror === null) {
        const message = `this store is mirrored by the store ${id}, which is not open here: name its file with --store`;
        throw new GatekeeperError("STORE_UNAVAILABLE", message, { store: id });
      }
      this.#mirrored = new MirroredWrites({
        source: store,
        under: this.#under(rotationId - 1),
        mirror: { store: mirror, under: this.#under(rotationId) },
        keys: this.#keys,
        service,
      });
    }
    return { service, mirrored: this.#mirrored };
  }

  #under(rotationId: number): SealedUnder {
    return { rotationId, suite: this.#keys.suite(rotationId) };
  }

  /** Sees to it that what was read of a contract is not lost with the store that it was read from. */
  async #checkCarried(contract: Uint8Array): Promise<void> {
    for (;;) {
      const { mirrored } = await this.#serving();
      if (mirrored === null || (await mirrored.carryOver(contract)) !== null) return;
      await this.#nextMirror(mirrored);
    }
  }

  /** What is to be done where a mirror is none any more, which the store must say too; null where it serves alone. */
  async #nextMirror(before: MirroredWrites): Promise<MirroredWrites | null> {
    const { service, mirrored } = await this.#serving();
    if (service.cell.expected === before.service.cell.expected) throw notAgreed(service);
    return mirrored;
  }

  /** A commit of edits, sealed under a generation: a group for each page that they fall into. */
  async #seal(
    rotationId: number,
    contractEdits: readonly ContractEdit[],
  ): Promise<{
    readonly pageEdits: readonly PageEdit[];
    readonly changes: readonly PageEdit[];
    readonly commit: Commit;
  }> {
    const pageEdits = (await Promise.all(contractEdits.map((edit) => this.#placeEdits(edit)))).flat();
    await this.#keys.hold([rotationId]);
    const changes = await this.#dropUnchanged(pageEdits);
    const groups = this.#sealChanges(changes, rotationId);
    const seals = changes.some(({ edits }) => edits.some(({ value }) => value !== null));
    const contracts = contractEdits.map(({ contract }) => contract);
    return { pageEdits, changes, commit: { groups, sealedUnder: seals ? rotationId : null, contracts } };
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

/** What a commit gives; null where the store does not take its rotation id any more. */
async function unlessRetired<T>(commit: Promise<T>): Promise<T | null> {
  try {
    return await commit;
  } catch (error) {
    if (isCode(error, "ROTATION_ID_RETIRED")) return null;
    throw error;
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

/** What whoever reads or writes states in a store is told that is not what it says: it will be, or say another thing. */
function notAgreed({ state, other }: Service): GatekeeperError {
  const why = "by the chain, or by the store that is to mirror it, it is not so, or not yet: try again";
  return new GatekeeperError("STORE_NOT_SERVING", `this store says that it ${saying(state)}; ${why}`, { other, state });
}

function saying(state: Service["state"]): string {
  return state === "mirrored" ? "is mirrored" : "serves alone";
}

/** As many of the edits of each contract as its cell can name, and the others. */
function cutToCells(contractEdits: readonly ContractEdit[]): { now: ContractEdit[]; later: ContractEdit[] } {
  const now: ContractEdit[] = [];
  const later: ContractEdit[] = [];
  for (const { contract, edits } of contractEdits) {
    let bytes = 0;
    const end = edits.findIndex(({ key }) => {
      bytes += writtenKeyBytes(key);
      return bytes > WRITTEN_KEYS_BYTES_MAX;
    });
    now.push({ contract, edits: end < 0 ? edits : edits.slice(0, end) });
    if (end >= 0) later.push({ contract, edits: edits.slice(end) });
  }
  return { now, later };
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
