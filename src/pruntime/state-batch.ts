/** What the host hands in as a batch of states (boundary.ts), read with care. */
import { compareBytes } from "../bytes.ts";
import { type ContractKind, contractId } from "../contract-id.ts";
import { GatekeeperError } from "../errors.ts";
import { DELETED, type StateBatch } from "./boundary.ts";
import type { ContractEdit, StateEdit } from "./contract-states.ts";

const STATE_BYTES = 4 * Uint32Array.BYTES_PER_ELEMENT;

/**
 * A batch as edits, by contract and in order of keys; of several edits of one key the last one counts.
 * @returns views of the batch's bytes.
 * @throws GatekeeperError INVALID_ARGUMENT when its words contradict its bytes, or a contract can't have its name.
 */
export function unpackStates({ words, bytes }: StateBatch): ContractEdit[] {
  const contracts = new Map<string, { kind: ContractKind; name: Uint8Array; edits: Map<string, StateEdit> }>();
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  let at = 0;
  const take = (length: number): Uint8Array => {
    at += length;
    if (at > bytes.length) throw malformed();
    return bytes.subarray(at - length, at);
  };
  if (words.length % STATE_BYTES !== 0) throw malformed();
  for (let word = 0; word < words.length; word += STATE_BYTES) {
    const kind = view.getUint32(word, true) as ContractKind;
    const name = take(view.getUint32(word + 4, true));
    const key = take(view.getUint32(word + 8, true));
    const length = view.getUint32(word + 12, true);
    const value = length === DELETED ? null : take(length);
    const id = `${kind} ${latin1(name)}`;
    const contract = contracts.get(id) ?? { kind, name, edits: new Map() };
    contracts.set(id, contract);
    contract.edits.set(latin1(key), { key, value });
  }
  if (at !== bytes.length) throw malformed();
  return [...contracts.values()].map(({ kind, name, edits }) => ({
    contract: { id: contractId(kind, name), kind, name },
    edits: [...edits.values()].sort((a, b) => compareBytes(a.key, b.key)),
  }));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function malformed(): GatekeeperError {
  return new GatekeeperError("INVALID_ARGUMENT", "the lengths in a batch of states are not those of its bytes");
}
