/**
 * A key-encryption key under a passphrase: as a key file, or as the export of one.
 *
 *   magic "GKKEYX" 6 | version 1 (=1) | log2 N 1 | r 1 | p 1 | salt 16 | nonce 12 | ciphertext 32 | tag 16
 *   key = scrypt(passphrase, salt, N, r, p) (RFC 7914), 32 bytes;  AES-256-GCM, AAD = context ‖ 0 ‖ the first 26 bytes
 *
 * The parameters stand in the file so that later versions can raise them; on reading they are bounded, so a hostile file
 * can't demand gigabytes. A passphrase is bytes as they were typed: the same characters in another Unicode form are
 * another passphrase.
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import { CONTEXT } from "../context.ts";
import { Secret } from "../secret.ts";
import { KEY_ENCRYPTION_KEY_BYTES } from "./sealer.ts";

/** The cost of one guess: 128·N·r bytes of memory and N·r·p steps. */
interface ScryptCost {
  readonly log2N: number;
  readonly r: number;
  readonly p: number;
}

/** 128 MiB and about half a second: OWASP's first choice for scrypt. */
const COST: ScryptCost = { log2N: 17, r: 8, p: 1 };
/** Twice the memory and eight times the time of COST: room for later versions, harmless to a machine. */
const MEMORY_MAX = 256 * 1024 * 1024;
const P_MAX = 4;

const MAGIC = Buffer.from("GKKEYX", "ascii");
const VERSION = 1;
const COST_AT = MAGIC.length + 1;
const SALT_AT = COST_AT + 3;
const SALT_BYTES = 16;
const NONCE_AT = SALT_AT + SALT_BYTES;
const NONCE_BYTES = 12;
const TEXT_AT = NONCE_AT + NONCE_BYTES;
const TAG_AT = TEXT_AT + KEY_ENCRYPTION_KEY_BYTES;
const TAG_BYTES = 16;
const ALGORITHM = "aes-256-gcm";

/** Bytes of a protected key. */
export const PROTECTED_KEY_BYTES = TAG_AT + TAG_BYTES;

/** A protected key as it was read. */
export interface ProtectedKeyFile {
  /** What errors call it, such as "the key file". */
  readonly what: string;
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Puts a key under a passphrase. Takes about half a second and 128 MiB.
 * @param kek - KEY_ENCRYPTION_KEY_BYTES; stays the caller's, as the passphrase does.
 * @throws GatekeeperError INVALID_ARGUMENT for an empty passphrase.
 */
export function protectKey(kek: Secret, passphrase: Secret): Uint8Array<ArrayBuffer> {
  if (passphrase.length === 0) {
    throw new GatekeeperError("INVALID_ARGUMENT", "an empty passphrase protects nothing: choose a long one");
  }
  const file = new Uint8Array(PROTECTED_KEY_BYTES);
  file.set([...MAGIC, VERSION, COST.log2N, COST.r, COST.p]);
  file.set(randomBytes(SALT_BYTES + NONCE_BYTES), SALT_AT);
  using key = stretch(passphrase, file, COST);
  const nonce = file.subarray(NONCE_AT, TEXT_AT);
  const cipher = key.use((bytes) => createCipheriv(ALGORITHM, bytes, nonce, { authTagLength: TAG_BYTES }));
  cipher.setAAD(additionalData(file));
  kek.use((bytes) => file.set(cipher.update(bytes), TEXT_AT));
  cipher.final();
  file.set(cipher.getAuthTag(), TAG_AT);
  return file;
}

/** Whether a file begins as a protected key does. */
export function isProtectedKey(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, MAGIC.length), MAGIC) === 0;
}

/**
 * Opens what protectKey made; the caller owns the key. Takes as long as the file's parameters say, within bounds.
 * @param passphrase - its bytes; stays the caller's.
 * @throws GatekeeperError PASSPHRASE_WRONG, KEY_UNAVAILABLE when the file is malformed.
 */
export function openProtectedKey(file: ProtectedKeyFile, passphrase: Secret): Secret {
  const { bytes, path } = file;
  const cost = costOf(file);
  using key = stretch(passphrase, bytes, cost);
  const nonce = bytes.subarray(NONCE_AT, TEXT_AT);
  const decipher = key.use((k) => createDecipheriv(ALGORITHM, k, nonce, { authTagLength: TAG_BYTES }));
  decipher.setAAD(additionalData(bytes));
  decipher.setAuthTag(bytes.subarray(TAG_AT));
  const opened = decipher.update(bytes.subarray(TEXT_AT, TAG_AT));
  try {
    decipher.final();
    return new Secret(opened);
  } catch (cause) {
    const message = `the passphrase does not open ${path} (or the file was altered)`;
    throw new GatekeeperError("PASSPHRASE_WRONG", message, { file: path }, { cause });
  } finally {
    opened.fill(0);
  }
}

/** The cost that a well-formed file names, within the bounds. */
function costOf(file: ProtectedKeyFile): ScryptCost {
  const { bytes } = file;
  if (!isProtectedKey(bytes)) throw unavailable(file, "is not a key that this program put under a passphrase");
  const version = bytes[MAGIC.length];
  if (version !== VERSION) {
    throw unavailable(file, `has version ${version ?? "(none)"}, which this program does not know`);
  }
  if (bytes.length !== PROTECTED_KEY_BYTES) {
    throw unavailable(file, `has ${bytes.length} bytes, not ${PROTECTED_KEY_BYTES}`);
  }
  const cost = { log2N: bytes[COST_AT]!, r: bytes[COST_AT + 1]!, p: bytes[COST_AT + 2]! };
  if (!isAffordable(cost)) {
    throw unavailable(file, `asks for scrypt with N = 2^${cost.log2N}, r = ${cost.r}, p = ${cost.p}: out of bounds`);
  }
  return cost;
}

/** Within RFC 7914 §2 (1 < N < 2^(128·r/8)) and this file's bounds. */
function isAffordable(cost: ScryptCost): boolean {
  const { log2N, r, p } = cost;
  return log2N >= 1 && log2N < 16 * r && p >= 1 && p <= P_MAX && memoryOf(cost) <= MEMORY_MAX;
}

function memoryOf({ log2N, r }: ScryptCost): number {
  return 128 * 2 ** log2N * r;
}

/** The key of a passphrase under the file's salt; the caller owns it. */
function stretch(passphrase: Secret, file: Uint8Array, cost: ScryptCost): Secret {
  const salt = file.subarray(SALT_AT, NONCE_AT);
  const { log2N, r, p } = cost;
  // OpenSSL counts its working blocks besides the 128·N·r bytes.
  const options = { N: 2 ** log2N, r, p, maxmem: memoryOf(cost) + 1024 * 1024 };
  return passphrase.use((bytes) => new Secret(scryptSync(bytes, salt, KEY_ENCRYPTION_KEY_BYTES, options)));
}

function additionalData(file: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(CONTEXT.exportKeyFile, "ascii"), Buffer.of(0), file.subarray(0, NONCE_AT)]);
}

function unavailable({ what, path }: ProtectedKeyFile, why: string): GatekeeperError {
  return new GatekeeperError("KEY_UNAVAILABLE", `${what} ${path} ${why}`, { file: path });
}
