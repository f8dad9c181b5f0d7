/**
 * The package secp256k1: libsecp256k1, compiled C, as a native addon (Node-API). Its binaries for Linux on x64, macOS
 * on arm64 and Windows on x64 lie in the package, so nothing is compiled or fetched when it is installed; on other
 * machines there is none, and the tables say so. The package's own entry would then fall back to JavaScript without a
 * word: only its bindings are loaded here.
 */

export type Secp256k1Addon = typeof import("secp256k1/bindings.js").default;

/** The addon, or null where the package has no binary that this machine can load. */
export async function loadSecp256k1Addon(): Promise<Secp256k1Addon | null> {
  try {
    return (await import("secp256k1/bindings.js")).default;
  } catch (error) {
    if (error instanceof Error && hasNoBinary(error)) return null;
    throw error;
  }
}

/** node-gyp-build found none, or the loader of the operating system refused the one it found. */
function hasNoBinary(error: Error): boolean {
  return (
    error.message.startsWith("No native build was found") || ("code" in error && error.code === "ERR_DLOPEN_FAILED")
  );
}
