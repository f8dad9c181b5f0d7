/** Sealed states in bulk: many records of many contracts in one batch of the engine. */
import { type Batch, BatchTable } from "../engine/batch.ts";
import type { Engine } from "../engine/engine.ts";
import { RecordStatus } from "../engine/rows.ts";
import {
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD_BYTES,
  STATE_BYTES_MAX,
  STORAGE_KEY_BYTES_MAX,
  decodeHeader,
  encodeHeader,
  sealedAad,
} from "../engine/sealed-state.ts";
import { NONCE_BYTES, type Suite } from "../engine/suite.ts";
import { toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import type { ContractKeys } from "./contract-keys.ts";

/** What gives contracts' keys. */
type KeySource = Pick<ContractKeys, "keys" | "suite">;

/** A state to seal. */
export interface PlainState {
  readonly contract: Uint8Array;
  readonly key: Uint8Array;
  /** The plaintext; copied. */
  readonly value: Uint8Array;
  readonly writeVersion: bigint;
}

/** A sealed state and where it lies, which its tag covers. */
export interface PlacedState {
  readonly contract: Uint8Array;
  readonly key: Uint8Array;
  readonly sealed: Uint8Array;
}

/** @throws GatekeeperError RECORD_TOO_LARGE, naming contract and key, when a state does not fit the format. */
export function checkStateSize(contract: Uint8Array, key: Uint8Array, valueBytes: number): void {
  if (key.length <= STORAGE_KEY_BYTES_MAX && valueBytes <= STATE_BYTES_MAX) return;
  const name = toHex(key.subarray(0, 64));
  throw new GatekeeperError(
    "RECORD_TOO_LARGE",
    `the state ${name} of contract ${toHex(contract)} has a key of ${key.length} and a value of ${valueBytes} bytes; at most ${STORAGE_KEY_BYTES_MAX} and ${STATE_BYTES_MAX} can be sealed`,
    { contract: toHex(contract), key: name },
  );
}

/**
 * Seals states under one rotation id, in their order.
 * @returns the sealed states: views of one buffer that is the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when together they exceed what one batch holds.
 */
export function sealStates(
  engine: Engine,
  keys: KeySource,
  rotationId: number,
  states: readonly PlainState[],
): Uint8Array[] {
  const suite = keys.suite(rotationId);
  const sizes = states.map(
    ({ key, value }) => SEALED_OVERHEAD_BYTES + value.length + SEALED_HEADER_BYTES + 32 + key.length,
  );
  const arena = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const table = new BatchTable();
  using contractKeys = new KeySlots();
  for (const { contract } of states) contractKeys.ask(rotationId, contract);
  contractKeys.derive(keys);
  try {
    let at = 0;
    const sealed = states.map((state, index) => {
      const header = encodeHeader({ suite, rotationId, writeVersion: state.writeVersion });
      const aad = sealedAad(header, state.contract, state.key);
      const end = at + SEALED_OVERHEAD_BYTES + state.value.length;
      arena.set(header, at);
      arena.set(state.value, at + SEALED_HEADER_BYTES + NONCE_BYTES);
      arena.set(aad, end);
      table.add({
        offset: at + SEALED_HEADER_BYTES,
        length: state.value.length,
        aadOffset: end,
        aadLength: aad.length,
        key: contractKeys.slot(rotationId, state.contract),
      });
      const view = arena.subarray(at, end);
      at += sizes[index]!;
      return view;
    });
    engine.seal(suite, contractKeys.batch(arena, table));
    return sealed;
  } catch (error) {
    // Nothing was sealed: what lies in the arena are plaintexts.
    arena.fill(0);
    throw error;
  }
}

/**
 * Opens sealed states, which may be under any generation that the ring holds.
 * @param use - is given each plaintext, or null where the tag does not match; the plaintexts are wiped afterwards.
 * @throws GatekeeperError SEALED_STATE_INVALID, KEY_UNAVAILABLE for a generation that the ring does not hold.
 */
export function openStates(
  engine: Engine,
  keys: KeySource,
  states: readonly PlacedState[],
  use: (index: number, plaintext: Uint8Array | null) => void,
): void {
  const bySuite = new Map<Suite, number[]>();
  for (const [index, { sealed }] of states.entries()) {
    const suite = keys.suite(decodeHeader(sealed).rotationId);
    const indices = bySuite.get(suite);
    if (indices === undefined) bySuite.set(suite, [index]);
    else indices.push(index);
  }
  for (const [suite, indices] of bySuite) {
    const some = indices.map((index) => states[index]!);
    openIn(suite, engine, keys, some, (at, plaintext) => use(indices[at]!, plaintext));
  }
}

/** Those of one suite. */
function openIn(
  suite: Suite,
  engine: Engine,
  keys: KeySource,
  states: readonly PlacedState[],
  use: (index: number, plaintext: Uint8Array | null) => void,
): void {
  const bytes = states.reduce((sum, { key, sealed }) => sum + sealed.length + SEALED_HEADER_BYTES + 32 + key.length, 0);
  const arena = new Uint8Array(bytes);
  const table = new BatchTable();
  let at = 0;
  using contractKeys = new KeySlots();
  for (const { contract, sealed } of states) contractKeys.ask(decodeHeader(sealed).rotationId, contract);
  contractKeys.derive(keys);
  const places = states.map(({ contract, key, sealed }) => {
    const header = decodeHeader(sealed);
    const ours = header.suite === suite;
    const text = at + SEALED_HEADER_BYTES + NONCE_BYTES;
    const length = sealed.length - SEALED_OVERHEAD_BYTES;
    const aad = sealedAad(sealed, contract, key);
    arena.set(sealed, at);
    arena.set(aad, at + sealed.length);
    table.add({
      offset: at + SEALED_HEADER_BYTES,
      length,
      aadOffset: at + sealed.length,
      aadLength: aad.length,
      key: contractKeys.slot(header.rotationId, contract),
    });
    at += sealed.length + aad.length;
    return { text, length, ours };
  });
  try {
    const statuses = engine.open(suite, contractKeys.batch(arena, table));
    places.forEach(({ text, length, ours }, index) => {
      const opened = ours && statuses[index] === RecordStatus.done;
      use(index, opened ? arena.subarray(text, text + length) : null);
    });
  } finally {
    arena.fill(0);
  }
}

/** The distinct contract keys of a batch; owns and wipes them. */
class KeySlots implements Disposable {
  /** Contracts by rotation id and name. */
  readonly #asked = new Map<number, Map<string, Uint8Array>>();
  readonly #slots = new Map<string, number>();
  readonly #keys: Secret[] = [];

  ask(rotationId: number, contract: Uint8Array): void {
    const contracts = this.#asked.get(rotationId) ?? new Map<string, Uint8Array>();
    this.#asked.set(rotationId, contracts.set(slotName(rotationId, contract), contract));
  }

  /** Derives the keys that were asked for, each generation's together. */
  derive(source: KeySource): void {
    for (const [rotationId, contracts] of this.#asked) {
      const keys = source.keys(rotationId, [...contracts.values()]);
      for (const name of contracts.keys()) this.#slots.set(name, this.#slots.size);
      this.#keys.push(...keys);
    }
  }

  slot(rotationId: number, contract: Uint8Array): number {
    return this.#slots.get(slotName(rotationId, contract))!;
  }

  batch(arena: Uint8Array<ArrayBuffer>, table: BatchTable): Batch {
    return { arena, table: table.rows(), keys: this.#keys };
  }

  [Symbol.dispose](): void {
    for (const key of this.#keys) key[Symbol.dispose]();
  }
}

function slotName(rotationId: number, contract: Uint8Array): string {
  return `${rotationId} ${Buffer.from(contract).toString("latin1")}`;
}
