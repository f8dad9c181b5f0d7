/** Every way that records can go, each wherever it can be taken: what holds on one must hold on all. */
import { MEASURED, MEASURED_WITH_PLAINTEXT, NATIVE_ALWAYS, type Paths, WASM_ONLY } from "../../src/engine/paths.ts";
import { ALL_SUITES } from "../../src/engine/suite.ts";

const ONE_BY_ONE: Paths = { ...NATIVE_ALWAYS, checkBytes: Number.POSITIVE_INFINITY };

export const ALL_PATHS: readonly { readonly name: string; readonly paths: Paths }[] = [
  { name: "WebAssembly alone", paths: WASM_ONLY },
  { name: "as measured", paths: MEASURED },
  { name: "native always", paths: NATIVE_ALWAYS },
  { name: "native always, tags one by one", paths: ONE_BY_ONE },
  {
    name: "plaintext always",
    paths: { ...MEASURED_WITH_PLAINTEXT, plaintextBytes: { "aes-256-gcm": 0, "chacha20-poly1305": 0 } },
  },
];

/** Both suites on all of them, but for what only AES-256-GCM has. */
export const EVERY_WAY = ALL_SUITES.flatMap((suite) =>
  ALL_PATHS.filter(({ paths }) => suite === "aes-256-gcm" || paths !== ONE_BY_ONE).map((way) => ({ suite, ...way })),
);

/** From each suite to the other, on all of them but for what only AES-256-GCM has. */
export const EVERY_WAY_BETWEEN = ALL_SUITES.flatMap((suite) =>
  ALL_PATHS.filter(({ paths }) => paths !== ONE_BY_ONE).map((way) => ({
    suite,
    newSuite: ALL_SUITES.find((other) => other !== suite)!,
    ...way,
  })),
);
