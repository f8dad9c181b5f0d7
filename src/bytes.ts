/** Hex and byte-order comparison: the two things done with public bytes everywhere. */
import { GatekeeperError } from "./errors.ts";

/** `0x` and two lower-case hex digits a byte. */
export function toHex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}

/**
 * The bytes of a `0x` hex string of even length; both cases are accepted.
 * @param what - names the value in the error.
 * @throws GatekeeperError USAGE when it is anything else.
 */
export function fromHex(text: string, what: string): Uint8Array<ArrayBuffer> {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) {
    throw new GatekeeperError("USAGE", `${what} must be 0x followed by an even number of hex digits`);
  }
  return Uint8Array.from(Buffer.from(text.slice(2), "hex"));
}

/** Lexicographic order of public bytes, a shorter prefix first: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/**
 * Gives the memory of bytes back that have a buffer to themselves; they are gone then. What is left to the garbage
 * collector piles up until it runs, and every next buffer is fresh memory, whose page faults cost more than its use.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
