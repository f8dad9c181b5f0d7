/** Numbers of GF(2^128) as NIST SP 800-38D has them, one bit at a time: what GHASH must agree with. */

/** The number that 16 bytes stand for. */
export function fieldElement(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** The 16 bytes that stand for a number. */
export function fieldBytes(element: bigint): Buffer {
  return Buffer.from(element.toString(16).padStart(32, "0"), "hex");
}

/** A product (SP 800-38D §6.3). */
export function product(x: bigint, y: bigint): bigint {
  let z = 0n;
  let v = y;
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v;
    v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
  }
  return z;
}

/** x to the power n, for a whole n of at least 0. */
export function power(x: bigint, n: number): bigint {
  let result = 1n << 127n;
  for (let square = x; n > 0; n = Math.floor(n / 2), square = product(square, square)) {
    if (n % 2 === 1) result = product(result, square);
  }
  return result;
}

/** The hash of blocks, Horner's rule: each is added, then all is multiplied by h. */
export function hornerHash(h: bigint, blocks: readonly bigint[]): bigint {
  return blocks.reduce((sum, block) => product(sum ^ block, h), 0n);
}

/** The blocks of AAD and ciphertext, each filled up with zeros, and the block of their lengths. */
export function gcmBlocks(aad: Uint8Array, text: Uint8Array): bigint[] {
  const lengths = (BigInt(aad.length * 8) << 64n) | BigInt(text.length * 8);
  return [...paddedBlocks(aad), ...paddedBlocks(text), lengths];
}

/** Bytes in whole blocks, the last one filled up with zeros. */
function paddedBlocks(bytes: Uint8Array): bigint[] {
  const padded = Buffer.alloc(Math.ceil(bytes.length / 16) * 16);
  padded.set(bytes);
  return Array.from({ length: padded.length / 16 }, (_, i) => fieldElement(padded.subarray(i * 16, i * 16 + 16)));
}
