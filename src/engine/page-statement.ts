/**
 * The page statement: what who re-encrypts a page says of it in 32 bytes. It is SHA-256 over its context string, the
 * contract id and, for each record that was moved, in key order,
 *
 *   key length 2 (LE) | storage key | write version 8 (LE) | old tag 16 | new tag 16
 *
 * As tags bind all of a sealed state to its key, it says which sealed states became which. All of it is public.
 */
import { hash } from "node:crypto";
import { CONTEXT } from "../context.ts";
import type { Kernels } from "./kernels.ts";

const PREFIX = Buffer.from(CONTEXT.pageStatement, "ascii");
/** The kernels may write over as many bytes behind a statement. */
const BYTES_BEHIND = 16;

/** Where in the kernels' memory what is hashed has room; one statement at a time. */
export class StatementRoom {
  readonly #kernels: Kernels;
  readonly #at: number;
  #begin = 0;

  /** Makes room for the statement of any of these pages: a record takes less of it than of its page. */
  constructor(kernels: Kernels, bodies: readonly Uint8Array[]) {
    const longest = bodies.reduce((most, { length }) => Math.max(most, length), 0);
    this.#kernels = kernels;
    this.#at = kernels.alloc(PREFIX.length + 32 + longest + BYTES_BEHIND);
    kernels.bytes.set(PREFIX, this.#at);
  }

  /** Begins a statement about a page of a contract, and returns where its records go. */
  begin(contract: Uint8Array): number {
    const at = this.#at + PREFIX.length;
    this.#kernels.bytes.set(contract, at);
    this.#begin = at + contract.length;
    return this.#begin;
  }

  /** The statement whose records end there, or null when it has none. */
  finish(end: number): Uint8Array | null {
    return end === this.#begin ? null : hash("sha256", this.#kernels.bytes.subarray(this.#at, end), "buffer");
  }
}
