/** Plain states on their way to a writing thread: one buffer that is moved, not an object for each. */
import { type ContractKind, contractId } from "../keys/contract-id.ts";
import { compareBytes } from "../bytes.ts";
import type { ContractEdit } from "./contract-states.ts";

/** Lengths of name, key and value, and the kind: four words a state. */
const WORDS = 4;

/** A state of a contract that is named as its chain names it. */
export interface NamedState {
  readonly kind: ContractKind;
  readonly name: Uint8Array;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** States in one buffer: for each its name, key and value, one after the other. */
export interface StateBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array<ArrayBuffer>;
}

/** Copies states into a batch; they stay the caller's. */
export function packStates(states: readonly NamedState[]): StateBatch {
  const size = states.reduce((sum, { name, key, value }) => sum + name.length + key.length + value.length, 0);
  const bytes = new Uint8Array(size);
  const words = new Uint32Array(states.length * WORDS);
  let at = 0;
  states.forEach(({ kind, name, key, value }, index) => {
    words.set([kind, name.length, key.length, value.length], index * WORDS);
    for (const part of [name, key, value]) {
      bytes.set(part, at);
      at += part.length;
    }
  });
  return { bytes, words };
}

/**
 * A batch as edits, by contract and in order of keys; of several puts of one key the last one counts.
 * @returns views of the batch's bytes.
 */
export function unpackStates({ bytes, words }: StateBatch): ContractEdit[] {
  const contracts = new Map<
    string,
    { kind: ContractKind; name: Uint8Array; puts: Map<string, { key: Uint8Array; value: Uint8Array }> }
  >();
  let at = 0;
  const take = (length: number): Uint8Array => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  for (let index = 0; index < words.length; index += WORDS) {
    const kind = words[index]! as ContractKind;
    const name = take(words[index + 1]!);
    const key = take(words[index + 2]!);
    const value = take(words[index + 3]!);
    const id = `${kind} ${latin1(name)}`;
    const contract = contracts.get(id) ?? { kind, name, puts: new Map() };
    contracts.set(id, contract);
    contract.puts.set(latin1(key), { key, value });
  }
  return [...contracts.values()].map(({ kind, name, puts }) => ({
    contract: { id: contractId(kind, name), kind, name },
    edits: [...puts.values()].sort((a, b) => compareBytes(a.key, b.key)),
  }));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
