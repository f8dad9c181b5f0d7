/**
 * A sealer whose key-encryption key lies in a file, plain (key-file.ts) or under a passphrase (protected-key.ts). It
 * protects from whoever gets hold of the rest of the folder; the plain one not from the machine's owner, the other not
 * from what he does while the program runs.
 */
import { alreadyExists, createOnce, readSmallFile } from "../durable-file.ts";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { createKeyFile, generateKeyEncryptionKey, readKeyFile } from "./key-file.ts";
import { isProtectedKey, openProtectedKey, PROTECTED_KEY_BYTES, protectKey } from "./protected-key.ts";
import { Sealer, SEALER_KIND } from "./sealer.ts";

/**
 * Makes a key file with a new key-encryption key, mode 0600, whole and synced or not at all.
 * @param passphrase - its bytes, or null for a plain key file; stays the caller's.
 * @throws GatekeeperError ALREADY_EXISTS when anything is at `path`, INVALID_ARGUMENT for an empty passphrase, IO_FAILED.
 */
export function createSoftwareKeyFile(path: string, passphrase: Secret | null): void {
  using kek = generateKeyEncryptionKey();
  if (passphrase === null) createKeyFile(path, kek);
  else if (!createOnce(path, protectKey(kek, passphrase))) throw alreadyExists(path);
}

/**
 * The sealer of a key file; the caller owns it. Under a passphrase that takes about half a second and 128 MiB.
 * @param passphrase - its bytes, or null where the file is plain; stays the caller's.
 * @throws GatekeeperError KEY_UNAVAILABLE when the file is missing, malformed or open to others, or when it is under a
 * passphrase and none was given; PASSPHRASE_WRONG; INVALID_ARGUMENT for a passphrase where the file is plain, so that
 * nobody believes it to be protected; IO_FAILED.
 */
export function openSoftwareSealer(keyFilePath: string, passphrase: Secret | null): Sealer {
  return new Sealer(SEALER_KIND.keyFile, openKeyFile(keyFilePath, passphrase));
}

function openKeyFile(path: string, passphrase: Secret | null): Secret {
  const bytes = readSmallFile(path, PROTECTED_KEY_BYTES)?.bytes ?? new Uint8Array(0);
  if (!isProtectedKey(bytes)) {
    bytes.fill(0);
    const kek = readKeyFile(path);
    if (passphrase === null) return kek;
    kek[Symbol.dispose]();
    const message = `the key file ${path} is not under a passphrase, but one was given`;
    throw new GatekeeperError("INVALID_ARGUMENT", message, { file: path });
  }
  if (passphrase !== null) return openProtectedKey({ what: "the key file", path, bytes }, passphrase);
  throw new GatekeeperError("KEY_UNAVAILABLE", `the key file ${path} is under a passphrase: give it`, { file: path });
}
