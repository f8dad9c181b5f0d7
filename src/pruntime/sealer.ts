/**
 * Sealed files: a secret encrypted under a key that the machine keeps, bound to what it is and where it belongs.
 *
 *   magic "GKSEAL" 6 | version 1 (=1) | sealer kind 1 | nonce 12 | ciphertext n | tag 16
 *   AAD = the 8 bytes before the nonce ‖ context label ‖ 0 ‖ binding
 *
 * AES-256-GCM (NIST SP 800-38D) with random nonces; a key-encryption key seals a handful of files, far from 2^32. The
 * kind says what holds the key-encryption key; later kinds keep this layout. Labels hold no zero byte, so label and
 * binding can't run into each other.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import type { CONTEXT } from "../context.ts";
import { Secret } from "../secret.ts";

/** A context string of the project: nothing is sealed under a label made up on the spot. */
export type SealLabel = (typeof CONTEXT)[keyof typeof CONTEXT];

const MAGIC = Buffer.from("GKSEAL", "ascii");
const VERSION = 1;
/** The key-encryption key lies in a key file: key-file.ts. */
const KIND_KEY_FILE = 1;
const HEADER = Uint8Array.of(...MAGIC, VERSION, KIND_KEY_FILE);
const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bytes that sealing adds. */
export const SEAL_OVERHEAD = HEADER.length + NONCE_BYTES + TAG_BYTES;

/**
 * Seals a secret.
 * @param kek - the key-encryption key, 32 bytes; stays the caller's, as `secret` does.
 * @param binding - what and whose it is; unsealing wants the same.
 */
export function seal(kek: Secret, label: SealLabel, binding: Uint8Array, secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, keyObject(kek), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(label, binding));
  const ciphertext = cipher.update(secret);
  cipher.final();
  return Uint8Array.from(Buffer.concat([HEADER, nonce, ciphertext, cipher.getAuthTag()]));
}

/**
 * Opens what `seal` made under the same key, label and binding; the caller owns the secret.
 * @param what - names the sealed file in errors.
 * @throws GatekeeperError KEY_UNAVAILABLE when it is malformed, or was altered, moved, or sealed under another key.
 */
export function unseal(kek: Secret, label: SealLabel, binding: Uint8Array, sealed: Uint8Array, what: string): Secret {
  checkHeader(sealed, what);
  const nonce = sealed.subarray(HEADER.length, HEADER.length + NONCE_BYTES);
  const decipher = createDecipheriv(ALGORITHM, keyObject(kek), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(label, binding));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const secret = decipher.update(sealed.subarray(HEADER.length + NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    decipher.final();
    return new Secret(secret);
  } catch (cause) {
    const why = "does not open: it was altered, belongs to another home or rotation id, or the key file is another one";
    throw unavailable(what, why, { cause });
  } finally {
    secret.fill(0);
  }
}

function checkHeader(sealed: Uint8Array, what: string): void {
  if (sealed.length < SEAL_OVERHEAD || Buffer.compare(sealed.subarray(0, MAGIC.length), MAGIC) !== 0) {
    throw unavailable(what, "is not a sealed file of this program, or was cut off");
  }
  const version = sealed[MAGIC.length];
  if (version !== VERSION) throw unavailable(what, `has version ${version}, which this program does not know`);
  const kind = sealed[MAGIC.length + 1];
  if (kind !== KIND_KEY_FILE) throw unavailable(what, `was sealed by a sealer of kind ${kind}, which is not here`);
}

function additionalData(label: SealLabel, binding: Uint8Array): Uint8Array {
  return Buffer.concat([HEADER, Buffer.from(label, "ascii"), Buffer.of(0), binding]);
}

function keyObject(kek: Secret): KeyObject {
  return kek.use((bytes) => createSecretKey(bytes));
}

function unavailable(what: string, why: string, options?: ErrorOptions): GatekeeperError {
  return new GatekeeperError("KEY_UNAVAILABLE", `${what} ${why}`, { file: what }, options);
}
