/**
 * What a store that is mirrored remembers of each contract: the storage keys of its last write, in a cell that is written
 * with the states. Who wrote may be killed before he has carried them over, and must not have written what others then read
 * and the mirror never has. So whoever reads or writes a contract's states carries over what its cell names, unless he knows
 * that this was done; and whoever writes does it first, so that a cell never has to name what one before it did.
 *
 * The cell's value: each key as its length in 2 bytes (LE) and its bytes, in ascending order.
 */
import { compareBytes, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { STORAGE_KEY_BYTES_MAX } from "../store/page.ts";
import { readService } from "../store/service.ts";
import type { Cell, StateStore } from "../store/store.ts";

const PREFIX = "mirror/";
const LENGTH_BYTES = 2;
/** Bytes of a cell; and so of the keys that one write may have in a contract. */
export const WRITTEN_KEYS_BYTES_MAX = 1 << 20;
/** Cells that are removed at once. */
const CELLS_AT_ONCE = 256;

/** The name of a contract's cell. */
export function writtenKeysCell(contract: Uint8Array): string {
  return `${PREFIX}${toHex(contract).slice(2)}`;
}

/** Bytes that a key takes in a cell. */
export function writtenKeyBytes(key: Uint8Array): number {
  return LENGTH_BYTES + key.length;
}

/** @param keys - in ascending order, unique. */
export function encodeWrittenKeys(keys: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(keys.reduce((sum, key) => sum + writtenKeyBytes(key), 0));
  let at = 0;
  for (const key of keys) {
    bytes.set([key.length & 0xff, key.length >>> 8], at);
    bytes.set(key, at + LENGTH_BYTES);
    at += writtenKeyBytes(key);
  }
  return bytes;
}

/** The other way round. @throws GatekeeperError STORE_CORRUPT when a cell is malformed. */
export function decodeWrittenKeys({ name, value }: Cell): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (let at = 0; at < value.length;) {
    const length = (value[at] ?? 0) | ((value[at + 1] ?? 0) << 8);
    const end = at + LENGTH_BYTES + length;
    const key = value.subarray(at + LENGTH_BYTES, end);
    const before = keys.at(-1);
    const holds =
      end <= value.length && length <= STORAGE_KEY_BYTES_MAX && (before === undefined || compareBytes(before, key) < 0);
    if (!holds)
      throw new GatekeeperError("STORE_CORRUPT", `the cell ${name} of the store is malformed`, { cell: name });
    keys.push(key);
    at = end;
  }
  return keys;
}

/**
 * Removes all such cells, which is for when a migration was given up: where a store is closed they go with it.
 * @throws GatekeeperError ROTATION_STATE when the store is mirrored: they are needed; STORE_*.
 */
export async function removeWrittenKeys(store: StateStore): Promise<void> {
  for (;;) {
    const service = await readService(store);
    if (service.state !== "serves") {
      throw new GatekeeperError("ROTATION_STATE", `the store is ${service.state}: what was written last is remembered`);
    }
    const cells = await store.cells(PREFIX, null, CELLS_AT_ONCE);
    if (cells.length === 0) return;
    const removed = cells.map(({ name, version }) => ({ name, expected: version, value: null }));
    // Where another has begun to remove them, what is left is read again.
    await store.commit({ groups: [], sealedUnder: null, cells: removed, expects: [service.cell] });
  }
}
