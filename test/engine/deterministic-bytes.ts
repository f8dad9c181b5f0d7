/** Bytes for tests: the same in every run, different for every seed, without visible structure, fast at 16 MiB. */
import { createCipheriv } from "node:crypto";

/** `length` bytes of a key stream that the seed selects. */
export function bytesOf(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed);
  return Uint8Array.from(createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length)));
}

/** A whole number from 0 to `below` - 1 that the seed selects. */
export function numberOf(seed: number, below: number): number {
  return new DataView(bytesOf(seed, 4).buffer).getUint32(0) % below;
}
