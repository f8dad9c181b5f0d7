/**
 * The keys of a batch in the kernels' memory, and what the ways of running it make of them, each when it is first needed
 * and once.
 */
import type { HybridKey } from "./hybrid.ts";
import type { Kernels } from "./kernels.ts";
import { NativeKey } from "./native-key.ts";
import { KEY_BYTES, type Suite } from "./suite.ts";

/** Where the keys lie; who laid them there wipes keys and contexts, after which the table is of no use. */
export interface KeyPlaces {
  /** Address of the keys, 32 bytes each. */
  readonly raw: number;
  /** Address of as many contexts, which rows name. */
  readonly contexts: number;
  readonly count: number;
}

/** Keys of one suite, numbered from 0. */
export class KeyTable {
  readonly suite: Suite;
  readonly count: number;
  readonly contexts: number;
  readonly contextBytes: number;
  readonly #kernels: Kernels;
  readonly #raw: number;
  readonly #native = new Map<number, NativeKey>();
  readonly #hybrid = new Map<number, HybridKey>();
  /** 0: not expanded, 1: to be expanded, 2: expanded. */
  readonly #expansion: Uint8Array;

  constructor(kernels: Kernels, suite: Suite, { raw, contexts, count }: KeyPlaces) {
    this.suite = suite;
    this.count = count;
    this.contexts = contexts;
    this.contextBytes = kernels.keyContextBytes(suite);
    this.#kernels = kernels;
    this.#raw = raw;
    this.#expansion = new Uint8Array(count);
  }

  /** The number of the key whose context this is. */
  indexOf(context: number): number {
    return (context - this.contexts) / this.contextBytes;
  }

  /** Says that a key's context will be needed in WebAssembly. */
  request(index: number): void {
    if (this.#expansion[index] === 0) this.#expansion[index] = 1;
  }

  /** Expands the keys that were requested, as many together as lie side by side. */
  expand(): void {
    const flags = this.#expansion;
    for (let first = flags.indexOf(1); first >= 0;) {
      let end = first;
      while (flags[end] === 1) flags[end++] = 2;
      const raw = this.#raw + first * KEY_BYTES;
      this.#kernels.expandKeys(this.suite, raw, end - first, this.contexts + first * this.contextBytes);
      first = flags.indexOf(1, end);
    }
  }

  /** A key in the hands of node:crypto. */
  native(index: number): NativeKey {
    let key = this.#native.get(index);
    if (key === undefined) {
      const at = this.#raw + index * KEY_BYTES;
      key = new NativeKey(this.suite, this.#kernels.bytes.subarray(at, at + KEY_BYTES));
      this.#native.set(index, key);
    }
    return key;
  }

  /** The same with its context, for the hybrid way of AES-256-GCM. */
  hybrid(index: number): HybridKey {
    let key = this.#hybrid.get(index);
    if (key === undefined) {
      const context = this.contexts + index * this.contextBytes;
      key = { native: this.native(index), context, known: this.#expansion[index] === 2 };
      this.#hybrid.set(index, key);
    }
    return key;
  }
}
