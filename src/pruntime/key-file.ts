/**
 * A home's key file: the key-encryption key under which the home's MasterKeys are sealed, where no enclave holds one.
 *
 *   magic "GKKEY" 5 | version 1 (=1) | key 32
 *
 * It protects from whoever gets hold of the rest of the home, not from the machine's owner; and who loses it loses
 * everything. Binary, so that the key never becomes a string.
 */
import { randomFillSync } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { alreadyExists, createOnce, readSmallFile } from "./durable-file.ts";

/** Bytes of a key-encryption key: AES-256. */
export const KEY_ENCRYPTION_KEY_BYTES = 32;

const HEADER = Uint8Array.of(...Buffer.from("GKKEY", "ascii"), 1);
const MAGIC_BYTES = HEADER.length - 1;
const FILE_BYTES = HEADER.length + KEY_ENCRYPTION_KEY_BYTES;
/** Permission bits of anyone but the owner. */
const OTHERS = 0o077;

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
  if (kek.length !== KEY_ENCRYPTION_KEY_BYTES) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a key-encryption key has 32 bytes, not ${kek.length}`);
  }
  // Outside V8's heap, as secretCopy says.
  const bytes = new Uint8Array(new ArrayBuffer(FILE_BYTES));
  bytes.set(HEADER);
  kek.use((key) => bytes.set(key, HEADER.length));
  try {
    if (!createOnce(path, bytes)) throw alreadyExists(path);
  } finally {
    bytes.fill(0);
  }
}

/**
 * Reads a key file; the caller owns the key.
 * @throws GatekeeperError KEY_UNAVAILABLE when it is missing, malformed, or accessible to others than its owner;
 * IO_FAILED when it can't be read.
 */
export function readKeyFile(path: string): Secret {
  const file = readSmallFile(path, FILE_BYTES);
  if (file === null) {
    throw unavailable(path, "does not exist; if you exported this home's key, restore it with `gatekeeper import-key`");
  }
  const { bytes, mode } = file;
  try {
    // Windows has no such bits: its files inherit the folder's access list.
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
      throw unavailable(path, `is accessible to others (mode ${mode.toString(8)}); run: chmod 600 ${path}`);
    }
    if (Buffer.compare(bytes.subarray(0, MAGIC_BYTES), HEADER.subarray(0, MAGIC_BYTES)) !== 0) {
      throw unavailable(path, "is not a key file of this program");
    }
    const version = bytes[MAGIC_BYTES];
    if (version !== HEADER[MAGIC_BYTES]) {
      throw unavailable(path, `has version ${version ?? "(none)"}, which this program does not know`);
    }
    if (bytes.length !== FILE_BYTES) throw unavailable(path, `has ${bytes.length} bytes, not ${FILE_BYTES}`);
    return new Secret(bytes.subarray(HEADER.length));
  } finally {
    bytes.fill(0);
  }
}

function unavailable(path: string, why: string): GatekeeperError {
  return new GatekeeperError("KEY_UNAVAILABLE", `the key file ${path} ${why}`, { file: path });
}
