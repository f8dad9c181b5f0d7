/** Secret bytes as a type: taken over from the caller, wiped on dispose, unprintable. */
import { inspect } from "node:util";
import { GatekeeperError } from "./errors.ts";

const REDACTED = "[secret]";

/**
 * A copy of secret bytes; the source stays as it is, and the caller wipes both.
 *
 * It has an ArrayBuffer of its own. A small typed array without one lies in V8's heap, where the garbage collector
 * moves it, and moves out of it when native code first reads it: each time a copy stays behind that nobody can wipe.
 */
export function secretCopy(source: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(source.length));
  copy.set(source);
  return copy;
}

/**
 * Owns a private copy of secret bytes. The constructor wipes its source; `[Symbol.dispose]` wipes the copy
 * (`using key = new Secret(bytes)`). JavaScript may have copied the source before: take it from where it was made.
 */
export class Secret {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #wiped = false;

  /** @param source - copied, then filled with zeros. */
  constructor(source: Uint8Array) {
    this.#bytes = secretCopy(source);
    source.fill(0);
  }

  get length(): number {
    return this.#bytes.length;
  }

  /**
   * Lends the bytes to `body`, which must neither keep nor return them.
   * @throws GatekeeperError KEY_UNAVAILABLE after dispose.
   */
  use<T>(body: (bytes: Uint8Array<ArrayBuffer>) => T): T {
    if (this.#wiped) throw new GatekeeperError("KEY_UNAVAILABLE", "a secret was used after it had been wiped");
    return body(this.#bytes);
  }

  /** A second, independent owner of the same bytes. */
  clone(): Secret {
    return this.use((bytes) => new Secret(secretCopy(bytes)));
  }

  [Symbol.dispose](): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  toJSON(): string {
    return REDACTED;
  }

  toString(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
