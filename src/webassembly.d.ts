/** The part of the WebAssembly JavaScript interface that is used here; @types/node leaves it to the DOM's types. */
declare namespace WebAssembly {
  type Exports = Record<string, unknown>;
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: object);
    readonly exports: Exports;
  }
  class Memory {
    readonly buffer: ArrayBuffer;
    /** @returns the previous size in pages of 64 KiB. */
    grow(pages: number): number;
  }
  class Global {
    readonly value: number;
  }
}
