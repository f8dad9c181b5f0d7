/** Bytes for tests: the same in every run, different for every seed, without visible structure. */

/** A well mixed 32-bit number for each pair (the finalizer of MurmurHash3). */
function mixed(seed: number, index: number): number {
  let x = Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca77);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** `length` bytes that the seed selects. */
export function bytesOf(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  const begin = mixed(seed, 0);
  for (let i = 0; i < words.length; i++) words[i] = mixed(begin, i);
  return new Uint8Array(words.buffer).slice(0, length);
}

/** A whole number from 0 to `below` - 1 that the seed selects. */
export function numberOf(seed: number, below: number): number {
  return mixed(seed, 1) % below;
}
