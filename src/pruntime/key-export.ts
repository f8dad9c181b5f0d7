/** The key file under a passphrase, to be kept away from the home: who loses both loses everything. */
import { createDirectly, readSmallFile } from "../durable-file.ts";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { createKeyFile, readKeyFile } from "./key-file.ts";
import { openProtectedKey, PROTECTED_KEY_BYTES, protectKey } from "./protected-key.ts";

const WHAT = "the exported key";

/**
 * Writes the key of `keyFile` to `exported`, under a passphrase. Takes about half a second and 128 MiB.
 * @param passphrase - its bytes; stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT for an empty passphrase, ALREADY_EXISTS when anything is at `exported`,
 * KEY_UNAVAILABLE as readKeyFile, IO_FAILED.
 */
export function exportKeyFile(keyFile: string, exported: string, passphrase: Secret): void {
  using kek = readKeyFile(keyFile);
  createDirectly(exported, protectKey(kek, passphrase));
}

/**
 * Restores a key file from what exportKeyFile wrote.
 * @param passphrase - its bytes; stays the caller's.
 * @throws GatekeeperError PASSPHRASE_WRONG, KEY_UNAVAILABLE when the export is missing or malformed, ALREADY_EXISTS
 * when anything is at `keyFile`, IO_FAILED.
 */
export function importKeyFile(exported: string, keyFile: string, passphrase: Secret): void {
  const file = readSmallFile(exported, PROTECTED_KEY_BYTES);
  if (file === null) {
    throw new GatekeeperError("KEY_UNAVAILABLE", `${WHAT} ${exported} does not exist`, { file: exported });
  }
  using kek = openProtectedKey({ what: WHAT, path: exported, bytes: file.bytes }, passphrase);
  createKeyFile(keyFile, kek);
}
