/**
 * A home's key file: the key-encryption key under which the home's MasterKeys are sealed, where no enclave holds one. It
 * protects from whoever gets hold of the rest of the home, not from the machine's owner; and who loses it loses
 * everything.
 */
import { randomFillSync } from "node:crypto";
import { Secret } from "../secret.ts";
import { type SecretFileKind, createSecretFile, readSecretFile } from "../secret-file.ts";
import { KEY_ENCRYPTION_KEY_BYTES } from "./sealer.ts";

const KEY_FILE: SecretFileKind = {
  magic: "GKKEY",
  what: "key file",
  missing: "if you exported this home's key, restore it with `gatekeeper import-key`",
};

/** A new key-encryption key from the system's randomness; the caller owns it. */
export function generateKeyEncryptionKey(): Secret {
  return new Secret(randomFillSync(new Uint8Array(KEY_ENCRYPTION_KEY_BYTES)));
}

/**
 * Writes a key file with mode 0600, whole and synced or not at all.
 * @param kek - stays the caller's.
 * @throws GatekeeperError ALREADY_EXISTS when anything is at `path`, IO_FAILED, INVALID_ARGUMENT.
 */
export function createKeyFile(path: string, kek: Secret): void {
  createSecretFile(KEY_FILE, path, kek);
}

/**
 * Reads a key file; the caller owns the key.
 * @throws GatekeeperError KEY_UNAVAILABLE when it is missing, malformed, or accessible to others than its owner;
 * IO_FAILED when it can't be read.
 */
export function readKeyFile(path: string): Secret {
  return readSecretFile(KEY_FILE, path);
}
