/**
 * A secret that changes, sealed in one file: replaced whole, so that whoever reads finds the old or the new one.
 *
 * Sealing does not tell an old version from a new one: a copy that somebody kept and put back opens again. Who must not
 * be rolled back compares with something that lies elsewhere, such as the chain.
 */
import { readSmallFile, replaceFile, replaceSecret } from "../durable-file.ts";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { SEAL_OVERHEAD, type SealLabel, type Sealer } from "./sealer.ts";

/** The longest secret, in bytes. */
export const SEALED_FILE_MAX = 1 << 20;

/** One such file; one process at a time writes it. */
export class SealedFile {
  readonly #sealer: Sealer;
  readonly #path: string;
  readonly #label: SealLabel;
  readonly #binding: Uint8Array;

  /**
   * @param sealer - borrowed: must outlive this object, stays the caller's.
   * @param path - in a folder that exists; the file appears with the first write.
   * @param binding - whose it is; what was written under another does not open.
   */
  constructor(sealer: Sealer, path: string, label: SealLabel, binding: Uint8Array) {
    this.#sealer = sealer;
    this.#path = path;
    this.#label = label;
    this.#binding = Uint8Array.from(binding);
  }

  /**
   * What was last written, null if nothing was; the caller owns it.
   * @throws GatekeeperError KEY_UNAVAILABLE when the file is malformed, too long, was altered or moved, or sealed by
   * another sealer or under another label or binding; IO_FAILED.
   */
  read(): Secret | null {
    const file = readSmallFile(this.#path, SEALED_FILE_MAX + SEAL_OVERHEAD);
    return file === null ? null : this.#sealer.unseal(this.#label, this.#binding, file.bytes, this.#path);
  }

  /**
   * Replaces what is there, and destroys it. It is on disk when this returns; a kill leaves the old secret or this one.
   * @param secret - at most SEALED_FILE_MAX bytes; stays the caller's.
   * @throws GatekeeperError RECORD_TOO_LARGE; IO_FAILED as replaceSecret: what was there stays.
   */
  write(secret: Uint8Array): void {
    replaceSecret(this.#path, this.#sealed(secret));
  }

  /**
   * The same for what is no secret, and only sealed against change: what was there is not destroyed, which would take as long
   * as all the rest.
   * @throws GatekeeperError RECORD_TOO_LARGE; IO_FAILED as replaceFile: what was there stays.
   */
  writeOpen(content: Uint8Array): void {
    replaceFile(this.#path, this.#sealed(content));
  }

  #sealed(content: Uint8Array): Uint8Array {
    if (content.length > SEALED_FILE_MAX) {
      const message = `${this.#path} holds at most ${SEALED_FILE_MAX} bytes, not ${content.length}`;
      throw new GatekeeperError("RECORD_TOO_LARGE", message, { file: this.#path });
    }
    return this.#sealer.seal(this.#label, this.#binding, content);
  }
}
