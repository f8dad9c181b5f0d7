/**
 * Files that hold one secret of 32 bytes, for its owner alone:
 *
 *   magic 5 | version 1 (=1) | secret 32
 *
 * Binary, so that the secret never becomes a string; mode 0600, and refused where others may access it. That protects
 * from other users of the machine, not from its owner.
 */
import { alreadyExists, createOnce, readSmallFile } from "./durable-file.ts";
import { GatekeeperError } from "./errors.ts";
import { Secret } from "./secret.ts";

/** One kind of such files. */
export interface SecretFileKind {
  /** 5 ASCII characters. */
  readonly magic: string;
  /** What errors call it. */
  readonly what: string;
  /** What to do where there is none. */
  readonly missing: string;
}

/** Bytes of the secret. */
export const SECRET_FILE_BYTES = 32;

const VERSION = 1;
const MAGIC_BYTES = 5;
const HEADER_BYTES = MAGIC_BYTES + 1;
const FILE_BYTES = HEADER_BYTES + SECRET_FILE_BYTES;
/** Permission bits of anyone but the owner. */
const OTHERS = 0o077;

/**
 * Writes a secret file with mode 0600, whole and synced or not at all.
 * @param secret - stays the caller's.
 * @throws GatekeeperError ALREADY_EXISTS when anything is at `path`, IO_FAILED, INVALID_ARGUMENT.
 */
export function createSecretFile({ magic, what }: SecretFileKind, path: string, secret: Secret): void {
  if (secret.length !== SECRET_FILE_BYTES) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a ${what} holds ${SECRET_FILE_BYTES} bytes, not ${secret.length}`);
  }
  // Outside V8's heap, as secretCopy says.
  const bytes = new Uint8Array(new ArrayBuffer(FILE_BYTES));
  bytes.set([...Buffer.from(magic, "ascii"), VERSION]);
  secret.use((inside) => bytes.set(inside, HEADER_BYTES));
  try {
    if (!createOnce(path, bytes)) throw alreadyExists(path);
  } finally {
    bytes.fill(0);
  }
}

/**
 * Reads a secret file; the caller owns the secret.
 * @throws GatekeeperError KEY_UNAVAILABLE when it is missing, malformed, or accessible to others than its owner;
 * IO_FAILED when it can't be read.
 */
export function readSecretFile({ magic, what, missing }: SecretFileKind, path: string): Secret {
  const unavailable = (why: string): GatekeeperError =>
    new GatekeeperError("KEY_UNAVAILABLE", `the ${what} ${path} ${why}`, { file: path });
  const file = readSmallFile(path, FILE_BYTES);
  if (file === null) throw unavailable(`does not exist; ${missing}`);
  const { bytes, mode } = file;
  try {
    // Windows has no such bits: its files inherit the folder's access list.
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
      throw unavailable(`is accessible to others (mode ${mode.toString(8)}); run: chmod 600 ${path}`);
    }
    if (Buffer.from(bytes.subarray(0, MAGIC_BYTES)).toString("latin1") !== magic) {
      throw unavailable(`is no ${what} of this program`);
    }
    const version = bytes[MAGIC_BYTES];
    if (version !== VERSION) {
      throw unavailable(`has version ${version ?? "(none)"}, which this program does not know`);
    }
    if (bytes.length !== FILE_BYTES) throw unavailable(`has ${bytes.length} bytes, not ${FILE_BYTES}`);
    return new Secret(bytes.subarray(HEADER_BYTES));
  } finally {
    bytes.fill(0);
  }
}
