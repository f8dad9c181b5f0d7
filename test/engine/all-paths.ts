/** Every way that records can go, each wherever it can be taken: what holds on one must hold on all. */
import { MEASURED, MEASURED_WITH_PLAINTEXT, NATIVE_ALWAYS, type Paths, WASM_ONLY } from "../../src/engine/paths.ts";

export const ALL_PATHS: readonly { readonly name: string; readonly paths: Paths }[] = [
  { name: "WebAssembly alone", paths: WASM_ONLY },
  { name: "as measured", paths: MEASURED },
  { name: "native always", paths: NATIVE_ALWAYS },
  { name: "native always, tags one by one", paths: { ...NATIVE_ALWAYS, checkBytes: Number.POSITIVE_INFINITY } },
  {
    name: "plaintext always",
    paths: { ...MEASURED_WITH_PLAINTEXT, plaintextBytes: { "aes-256-gcm": 0, "chacha20-poly1305": 0 } },
  },
];
