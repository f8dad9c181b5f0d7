/** Files with the secret key of an account, a member of governance, or a chain's authority. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { randomFillSync } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { SECRET_FILE_BYTES, type SecretFileKind, createSecretFile, readSecretFile } from "../secret-file.ts";

const ACCOUNT_KEY: SecretFileKind = {
  magic: "GKACC",
  what: "account key",
  missing: "make one with `gatekeeper account new`",
};

/** A new secret key: a scalar of secp256k1, from the system's randomness; the caller owns it. */
export function generateAccountKey(): Secret {
  for (;;) {
    const key = new Secret(randomFillSync(new Uint8Array(SECRET_FILE_BYTES)));
    if (isScalar(key)) return key;
    key[Symbol.dispose]();
  }
}

/**
 * Writes a secret key with mode 0600, whole and synced or not at all.
 * @param key - stays the caller's.
 * @throws GatekeeperError ALREADY_EXISTS when anything is at `path`, IO_FAILED.
 */
export function createAccountKey(path: string, key: Secret): void {
  createSecretFile(ACCOUNT_KEY, path, key);
}

/**
 * Reads a secret key; the caller owns it.
 * @throws GatekeeperError KEY_UNAVAILABLE when it is missing, malformed, no key, or accessible to others; IO_FAILED.
 */
export function readAccountKey(path: string): Secret {
  const key = readSecretFile(ACCOUNT_KEY, path);
  if (isScalar(key)) return key;
  key[Symbol.dispose]();
  throw new GatekeeperError("KEY_UNAVAILABLE", `the account key ${path} holds no key`, { file: path });
}

/** One in 2^128 numbers of 32 bytes is none. */
function isScalar(key: Secret): boolean {
  return key.use((bytes) => secp256k1.utils.isValidSecretKey(bytes));
}
