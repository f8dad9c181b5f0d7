/**
 * The WebAssembly kernels as one thread uses them: a module compiled once, an instance with a private memory, and
 * the region of that memory that belongs to the host.
 *
 * A private memory is 6 to 9 % faster than a shared one, and nothing that another thread does can be seen in it.
 */
import { readFileSync } from "node:fs";
import { GatekeeperError } from "../errors.ts";
import { ALL_SUITES, type Suite, type Verb, kernelPrefix } from "./suite.ts";

/** The same paths from src/engine and from dist/engine. */
const KERNELS_FILE = new URL("../../build/kernels.wasm", import.meta.url);
/** The build for machines whose relaxed multiply-add rounds twice: assembly/secp256k1-fma.ts. */
const UNFUSED_FILE = new URL("../../build/kernels-unfused.wasm", import.meta.url);
const WASM_PAGE_BYTES = 65_536;
/** v128 loads of tables and key contexts are aligned to this. */
const ALIGNMENT = 16;
/** Far above what any batch takes, and so far below 4 GiB that no sum of addresses in a kernel overflows 32 bits. */
const MEMORY_BYTES_MAX = 1 << 30;
/** What zeroes the kernels' own scratch. */
const WIPES: readonly string[] = [
  ...ALL_SUITES.map((suite) => `${kernelPrefix(suite)}Wipe`),
  "aes256GcmHybridWipe",
  "betweenSuitesWipe",
  "blake2bWipe",
  "kdfWipe",
  "secp256k1Wipe",
];

type Kernel = (...args: number[]) => number;

let compiled: WebAssembly.Module | undefined;

/**
 * Compiles the kernels, once a thread: those of `file`, or of `unfused` if the multiply-add of `file` rounds twice here.
 * @throws GatekeeperError KERNEL_UNAVAILABLE when the file is missing or is no WebAssembly module of ours.
 */
export function compileKernels(file: URL = KERNELS_FILE, unfused: URL = UNFUSED_FILE): WebAssembly.Module {
  const module = compile(file);
  const factor = 1 + 2 ** -30;
  // Its square is 1 + 2^−29 + 2^−60; rounded, it has lost the last of these.
  const rest = new Kernels(module).call("multiplyAddDoubles", factor, factor, -(1 + 2 ** -29));
  return rest === 2 ** -60 ? module : compile(unfused);
}

function compile(file: URL): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(file));
  } catch (cause) {
    throw new GatekeeperError(
      "KERNEL_UNAVAILABLE",
      `the WebAssembly kernels could not be loaded from ${file.pathname}; reinstall the package or run npm run build`,
      {},
      { cause },
    );
  }
}

/** One instance of the kernels. Memory only ever grows; `wipe` zeroes what the host used of it. */
export class Kernels {
  readonly #exports: WebAssembly.Exports;
  readonly #memory: WebAssembly.Memory;
  readonly #base: number;
  #used = 0;
  /** The most that was in use since the last wipe. */
  #peak = 0;
  #bytes: Uint8Array<ArrayBuffer>;

  constructor(module?: WebAssembly.Module) {
    if (module === undefined) {
      compiled ??= compileKernels();
      module = compiled;
    }
    this.#exports = new WebAssembly.Instance(module, {}).exports;
    this.#memory = this.#exports["memory"] as WebAssembly.Memory;
    this.#base = this.constant("HEAP_BASE");
    this.#bytes = new Uint8Array(this.#memory.buffer);
  }

  /** The whole memory. Growing replaces it: ask again after `alloc`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  /** A number that the module exports. */
  constant(name: string): number {
    const value = this.#exports[name];
    if (!(value instanceof WebAssembly.Global)) throw missing(name);
    return value.value;
  }

  /** Bytes of an expanded key of a suite. */
  keyContextBytes(suite: Suite): number {
    return this.constant(`${kernelPrefix(suite)}KeyBytes`);
  }

  /** Expands `count` keys of 32 bytes, one after the other at `keys`, into as many contexts at `contexts`. */
  expandKeys(suite: Suite, keys: number, count: number, contexts: number): void {
    this.call(`${kernelPrefix(suite)}ExpandKeys`, keys, count, contexts);
  }

  /** Runs a verb over descriptor rows. */
  run(suite: Suite, verb: Verb, rows: number, count: number): void {
    this.call(`${kernelPrefix(suite)}${verb}`, rows, count);
  }

  /** Re-encrypts descriptor rows from one suite to the other. */
  reencryptBetween(from: Suite, to: Suite, rows: number, count: number): void {
    const name = kernelPrefix(to);
    this.call(`${kernelPrefix(from)}To${name.charAt(0).toUpperCase()}${name.slice(1)}`, rows, count);
  }

  call(name: string, ...args: number[]): number {
    const kernel = this.#exports[name];
    if (typeof kernel !== "function") throw missing(name);
    return (kernel as Kernel)(...args);
  }

  /**
   * Address of `size` bytes of host memory, valid until `reset` or `wipe`. Their content is unspecified.
   * @throws GatekeeperError INVALID_ARGUMENT when more than 1 GiB would be in use.
   */
  alloc(size: number): number {
    const at = Math.ceil((this.#base + this.#used) / ALIGNMENT) * ALIGNMENT;
    const end = at + size;
    if (end > MEMORY_BYTES_MAX) {
      throw new GatekeeperError(
        "INVALID_ARGUMENT",
        "this is more work than 1 GiB of memory holds; hand in less at once",
      );
    }
    if (end > this.#bytes.length) {
      this.#memory.grow(Math.ceil((end - this.#bytes.length) / WASM_PAGE_BYTES));
      this.#bytes = new Uint8Array(this.#memory.buffer);
    }
    this.#used = end - this.#base;
    this.#peak = Math.max(this.#peak, this.#used);
    return at;
  }

  /** Address of a copy of `bytes`. */
  put(bytes: Uint8Array): number {
    const at = this.alloc(bytes.length);
    this.#bytes.set(bytes, at);
    return at;
  }

  /** Gives back everything allocated, without touching it. */
  reset(): void {
    this.#used = 0;
  }

  /**
   * Gives back everything allocated, and fills with zeros all that was allocated since the last wipe, and the kernels'
   * scratch: they zero it themselves before they return, but not when they trap.
   */
  wipe(): void {
    for (const name of WIPES) this.call(name);
    this.#bytes.fill(0, this.#base, this.#base + this.#peak);
    this.#used = 0;
    this.#peak = 0;
  }
}

function missing(name: string): GatekeeperError {
  return new GatekeeperError(
    "KERNEL_UNAVAILABLE",
    `the WebAssembly module has no export ${name}: it belongs to another version; reinstall the package or run npm run build`,
  );
}
