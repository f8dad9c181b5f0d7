/** The built kernels with a little bump allocator, for tests that call them directly. */
import { readFileSync } from "node:fs";

const file = process.env["GATEKEEPER_TEST_WASM"] ?? new URL("../../build/kernels.wasm", import.meta.url);
const module = new WebAssembly.Module(readFileSync(file));

type Kernel = (...args: (number | bigint)[]) => number;

export class KernelInstance {
  readonly memory: WebAssembly.Memory;
  readonly #exports: WebAssembly.Exports;
  #next: number;

  /**
   * @param from - another build than the one in build/, for a test of what that does not export.
   * @param imports - what that build imports.
   */
  constructor(from: WebAssembly.Module = module, imports: object = {}) {
    this.#exports = new WebAssembly.Instance(from, imports).exports;
    this.memory = this.#exports["memory"] as WebAssembly.Memory;
    this.#next = this.constant("HEAP_BASE");
  }

  /** The memory as bytes; ask again after an alloc, which may have grown it. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.memory.buffer);
  }

  /** A number that the module exports as a global. */
  constant(name: string): number {
    return Number((this.#exports[name] as WebAssembly.Global).value);
  }

  call(name: string, ...args: (number | bigint)[]): number {
    return (this.#exports[name] as Kernel)(...args);
  }

  /** Address of `size` fresh bytes, `align`-aligned. */
  alloc(size: number, align = 16): number {
    const at = Math.ceil(this.#next / align) * align;
    this.#next = at + size;
    const missing = this.#next - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536));
    return at;
  }

  /** Gives back everything allocated, and returns where that ended; what is in it stays. */
  reset(): number {
    const end = this.#next;
    this.#next = this.constant("HEAP_BASE");
    return end;
  }

  /** Address of a copy of `bytes`. */
  put(bytes: Uint8Array, align = 1): number {
    const at = this.alloc(bytes.length, align);
    this.bytes.set(bytes, at);
    return at;
  }

  get(at: number, length: number): Uint8Array {
    return this.bytes.slice(at, at + length);
  }
}
