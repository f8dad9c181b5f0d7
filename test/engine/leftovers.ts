/** Looks for what a call left behind in a WebAssembly memory. */
import { createCipheriv } from "node:crypto";
import { Kernels } from "../../src/engine/kernels.ts";
import type { Suite } from "../../src/engine/suite.ts";

const PIECE_BYTES = 16;

/** A secret and what to call it when it is found. */
export interface Searched {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A key as it is and as another instance expands it. */
export function keyForms(suite: Suite, key: Uint8Array): Searched[] {
  const kernels = new Kernels();
  const contextBytes = kernels.keyContextBytes(suite);
  const context = kernels.alloc(contextBytes);
  kernels.expandKeys(suite, kernels.put(key), 1, context);
  return [
    { name: "a key", bytes: key },
    { name: "an expanded key", bytes: kernels.bytes.slice(context, context + contextBytes) },
  ];
}

/** The keystream of a record, from the block on that its tag is made with. */
export function keystream(suite: Suite, key: Uint8Array, nonce: Uint8Array, textBytes: number): Searched {
  const zeros = Buffer.alloc(64 + textBytes);
  const [cipher, iv] =
    suite === "aes-256-gcm"
      ? ["aes-256-ctr", Buffer.concat([nonce, Buffer.of(0, 0, 0, 1)])]
      : ["chacha20", Buffer.concat([Buffer.of(0, 0, 0, 0), nonce])];
  return { name: "keystream", bytes: createCipheriv(cipher!, key, iv!).update(zeros) };
}

/**
 * The names of those of which the memory holds any whole 16-byte piece, at any place. A piece that is a constant of the
 * kernels too is no evidence: some rows of an expanded key have little entropy.
 */
export function foundIn(memory: Uint8Array, secrets: readonly Searched[]): string[] {
  const pieces = new Map<string, string>();
  for (const { name, bytes } of secrets) {
    for (let at = 0; at + PIECE_BYTES <= bytes.length; at += PIECE_BYTES) {
      pieces.set(Buffer.from(bytes.subarray(at, at + PIECE_BYTES)).toString("latin1"), name);
    }
  }
  for (const piece of piecesIn(new Kernels().bytes, pieces)) pieces.delete(piece);
  return [...new Set([...piecesIn(memory, pieces)].map((piece) => pieces.get(piece)!))];
}

/** Which of the pieces lie in a memory; one of zeros does not count. */
function piecesIn(memory: Uint8Array, pieces: ReadonlyMap<string, string>): Set<string> {
  const haystack = Buffer.from(memory.buffer, memory.byteOffset, memory.length);
  const beginnings = new Set([...pieces.keys()].map((piece) => Buffer.from(piece, "latin1").readInt32LE()));
  const found = new Set<string>();
  let zeros = 0;
  for (let end = 0; end < haystack.length; end++) {
    zeros = haystack[end] === 0 ? zeros + 1 : 0;
    const at = end + 1 - PIECE_BYTES;
    // Of zeros most of a memory consists, and many a piece of an expanded key begins with some.
    if (zeros >= PIECE_BYTES || at < 0 || !beginnings.has(haystack.readInt32LE(at))) continue;
    const piece = haystack.toString("latin1", at, end + 1);
    if (pieces.has(piece)) found.add(piece);
  }
  return found;
}
