/** Plain states on their way to a writing thread: one buffer that is moved, not an object for each. */
import { type ContractKind, contractId } from "../contract-id.ts";
import { compareBytes } from "../bytes.ts";
import type { ContractEdit } from "./contract-states.ts";

/** Lengths of name, key and value, and the kind: four words a state. */
const WORDS = 4;
/** What a packer has room for before it grows: a usual batch of an import. */
const BYTES_AT_FIRST = 1 << 18;
const STATES_AT_FIRST = 1_024;

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

/** Collects states into a batch as they come, so that nothing of the parser's is kept alive. */
export class StatePacker {
  #bytes = new Uint8Array(BYTES_AT_FIRST);
  #words = new Uint32Array(STATES_AT_FIRST * WORDS);
  #length = 0;
  #states = 0;

  /** Bytes of names, keys and values so far. */
  get bytes(): number {
    return this.#length;
  }

  /** States so far. */
  get states(): number {
    return this.#states;
  }

  /** Copies a state; it stays the caller's. */
  add({ kind, name, key, value }: NamedState): void {
    const end = this.#length + name.length + key.length + value.length;
    if (end > this.#bytes.length) this.#growBytes(end);
    if ((this.#states + 1) * WORDS > this.#words.length) this.#growWords();
    this.#words.set([kind, name.length, key.length, value.length], this.#states * WORDS);
    this.#bytes.set(name, this.#length);
    this.#bytes.set(key, this.#length + name.length);
    this.#bytes.set(value, end - value.length);
    this.#length = end;
    this.#states++;
  }

  /** The batch so far, in buffers of its own that the caller wipes; the packer begins another. */
  take(): StateBatch {
    const batch = {
      bytes: this.#bytes.subarray(0, this.#length),
      words: this.#words.subarray(0, this.#states * WORDS),
    };
    this.#bytes = new Uint8Array(BYTES_AT_FIRST);
    this.#words = new Uint32Array(STATES_AT_FIRST * WORDS);
    this.#length = 0;
    this.#states = 0;
    return batch;
  }

  #growBytes(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes.fill(0);
    this.#bytes = larger;
  }

  #growWords(): void {
    const larger = new Uint32Array(2 * this.#words.length);
    larger.set(this.#words);
    this.#words = larger;
  }
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
