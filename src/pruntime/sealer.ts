/**
 * Sealed files: a secret encrypted under a key that the machine keeps, bound to what it is and where it belongs.
 *
 *   magic "GKSEAL" 6 | version 1 (=1) | sealer kind 1 | nonce 12 | ciphertext n | tag 16
 *   AAD = the 8 bytes before the nonce ‖ context label ‖ 0 ‖ binding
 *
 * AES-256-GCM (NIST SP 800-38D) with random nonces: one key may seal 2^32 times (§8.3), which a file that is written
 * every second reaches after a century. The kind says what holds the key-encryption key; later kinds keep this layout.
 * Labels hold no zero byte, so label and binding can't run into each other.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import type { CONTEXT } from "../context.ts";
import { Secret } from "../secret.ts";

/** A context string of the project: nothing is sealed under a label made up on the spot. */
export type SealLabel = (typeof CONTEXT)[keyof typeof CONTEXT];

/** What holds a sealer's key-encryption key; the number stands in every sealed file. */
export const SEALER_KIND = Object.freeze({
  /** A key file: software-sealer.ts. */
  keyFile: 1,
  /** The key provider of a dstack app: dstack-sealer.ts. */
  dstack: 2,
} as const);
export type SealerKind = (typeof SEALER_KIND)[keyof typeof SEALER_KIND];

/** Bytes of a key-encryption key: AES-256. */
export const KEY_ENCRYPTION_KEY_BYTES = 32;

const NAMES: Readonly<Record<number, string>> = { [SEALER_KIND.keyFile]: "key file", [SEALER_KIND.dstack]: "dstack" };
const MAGIC = Buffer.from("GKSEAL", "ascii");
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 2;
const ALGORITHM = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bytes that sealing adds. */
export const SEAL_OVERHEAD = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/** Seals and unseals under one key-encryption key, which it owns and wipes when it is disposed. */
export class Sealer implements Disposable {
  readonly kind: SealerKind;
  readonly #kek: Secret;
  readonly #header: Uint8Array;

  /**
   * @param kek - KEY_ENCRYPTION_KEY_BYTES; taken over.
   * @throws GatekeeperError INVALID_ARGUMENT when it has another length; it is the caller's then.
   */
  constructor(kind: SealerKind, kek: Secret) {
    if (kek.length !== KEY_ENCRYPTION_KEY_BYTES) {
      const message = `a key-encryption key has ${KEY_ENCRYPTION_KEY_BYTES} bytes, not ${kek.length}`;
      throw new GatekeeperError("INVALID_ARGUMENT", message);
    }
    this.kind = kind;
    this.#kek = kek;
    this.#header = Uint8Array.of(...MAGIC, VERSION, kind);
  }

  /** Whether the key-encryption key lies in a file, which gives no protection from the machine's owner. */
  get software(): boolean {
    return this.kind === SEALER_KIND.keyFile;
  }

  /**
   * Seals a secret.
   * @param binding - what and whose it is; unsealing wants the same.
   * @param secret - stays the caller's.
   * @throws GatekeeperError KEY_UNAVAILABLE after dispose.
   */
  seal(label: SealLabel, binding: Uint8Array, secret: Uint8Array): Uint8Array<ArrayBuffer> {
    const nonce = randomBytes(NONCE_BYTES);
    // The bytes and no KeyObject, whose copy lives until the garbage collector comes; the cipher's ends with final().
    const cipher = this.#kek.use((key) => createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }));
    cipher.setAAD(this.#additionalData(label, binding));
    const ciphertext = cipher.update(secret);
    cipher.final();
    return Uint8Array.from(Buffer.concat([this.#header, nonce, ciphertext, cipher.getAuthTag()]));
  }

  /**
   * Opens what `seal` made under the same key, kind, label and binding; the caller owns the secret.
   * @param what - names the sealed file in errors.
   * @throws GatekeeperError KEY_UNAVAILABLE when it is malformed, was altered or moved, or sealed by another sealer;
   * also after dispose.
   */
  unseal(label: SealLabel, binding: Uint8Array, sealed: Uint8Array, what: string): Secret {
    this.#checkHeader(sealed, what);
    const nonce = sealed.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
    const decipher = this.#kek.use((key) => createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }));
    decipher.setAAD(this.#additionalData(label, binding));
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const secret = decipher.update(sealed.subarray(HEADER_BYTES + NONCE_BYTES, sealed.length - TAG_BYTES));
    try {
      decipher.final();
      return new Secret(secret);
    } catch (cause) {
      const why = `does not open: it was altered, belongs elsewhere, or was sealed under another ${NAMES[this.kind]} key`;
      throw unavailable(what, why, { cause });
    } finally {
      secret.fill(0);
    }
  }

  [Symbol.dispose](): void {
    this.#kek[Symbol.dispose]();
  }

  #checkHeader(sealed: Uint8Array, what: string): void {
    if (sealed.length < SEAL_OVERHEAD || Buffer.compare(sealed.subarray(0, MAGIC.length), MAGIC) !== 0) {
      throw unavailable(what, "is not a sealed file of this program, or was cut off");
    }
    const version = sealed[MAGIC.length];
    if (version !== VERSION) throw unavailable(what, `has version ${version}, which this program does not know`);
    const kind = sealed[MAGIC.length + 1]!;
    if (kind === this.kind) return;
    throw unavailable(what, `was sealed by a sealer of ${nameOf(kind)}; this one is of ${nameOf(this.kind)}`);
  }

  #additionalData(label: SealLabel, binding: Uint8Array): Uint8Array {
    return Buffer.concat([this.#header, Buffer.from(label, "ascii"), Buffer.of(0), binding]);
  }
}

function nameOf(kind: number): string {
  return `kind ${kind} (${NAMES[kind] ?? "unknown"})`;
}

function unavailable(what: string, why: string, options?: ErrorOptions): GatekeeperError {
  return new GatekeeperError("KEY_UNAVAILABLE", `${what} ${why}`, { file: what }, options);
}
