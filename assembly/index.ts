// What the WebAssembly module exports, besides its memory.
