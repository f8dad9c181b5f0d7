/** Plain states on their way to the pRuntime: one buffer that is handed on, not an object for each. */
import type { ContractKind } from "../contract-id.ts";
import { DELETED, type StateBatch } from "../pruntime/boundary.ts";

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

/** Collects states into a batch as they come, so that nothing of the parser's is kept alive. */
export class StatePacker {
  #bytes = new Uint8Array(BYTES_AT_FIRST);
  #words = new DataView(new ArrayBuffer(STATES_AT_FIRST * WORDS * Uint32Array.BYTES_PER_ELEMENT));
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

  /** Copies a state, which stays the caller's; a value of null deletes it. */
  add({ kind, name, key, value }: Omit<NamedState, "value"> & { readonly value: Uint8Array | null }): void {
    const end = this.#length + name.length + key.length + (value?.length ?? 0);
    if (end > this.#bytes.length) this.#growBytes(end);
    const at = this.#states * WORDS * Uint32Array.BYTES_PER_ELEMENT;
    if (at === this.#words.byteLength) this.#growWords();
    this.#words.setUint32(at, kind, true);
    this.#words.setUint32(at + 4, name.length, true);
    this.#words.setUint32(at + 8, key.length, true);
    this.#words.setUint32(at + 12, value?.length ?? DELETED, true);
    this.#bytes.set(name, this.#length);
    this.#bytes.set(key, this.#length + name.length);
    if (value !== null) this.#bytes.set(value, end - value.length);
    this.#length = end;
    this.#states++;
  }

  /** The batch so far, in buffers of its own; the packer begins another. */
  take(): StateBatch {
    const words = new Uint8Array(this.#words.buffer, 0, this.#states * WORDS * Uint32Array.BYTES_PER_ELEMENT);
    const batch = { words, bytes: this.#bytes.subarray(0, this.#length) };
    this.#bytes = new Uint8Array(BYTES_AT_FIRST);
    this.#words = new DataView(new ArrayBuffer(STATES_AT_FIRST * WORDS * Uint32Array.BYTES_PER_ELEMENT));
    this.#length = 0;
    this.#states = 0;
    return batch;
  }

  #growBytes(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  #growWords(): void {
    const larger = new Uint8Array(2 * this.#words.byteLength);
    larger.set(new Uint8Array(this.#words.buffer));
    this.#words = new DataView(larger.buffer);
  }
}
