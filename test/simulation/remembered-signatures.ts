/**
 * Whether a signature of secp256k1 is right, of those whose signer has computed his points in this process: who knows both of
 * his scalars checks the equation of a signature in numbers, and needs no point again. It only ever says yes: of what it does not
 * know, or finds wrong, the curve has the word.
 */
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";

const { order } = SECP256K1_SCALARS;

export class RememberedSignatures {
  /** By compressed points. */
  readonly #scalars = new Map<string, bigint>();
  /** By their coordinates x, as the order leaves them. */
  readonly #nonces = new Map<bigint, bigint>();
  /** That were found to be right. */
  readonly #right = new Set<string>();

  /** @param scalar, point - the point is the scalar times the generator, compressed. */
  learn(scalar: Uint8Array, point: Uint8Array): void {
    const number = numberOf(scalar);
    this.#scalars.set(hex(point), number);
    this.#nonces.set(numberOf(point.subarray(1)) % order, number);
  }

  /** Somebody else has verified it. */
  note(hash: Uint8Array, signature: Uint8Array, key: Uint8Array): void {
    this.#right.add(nameOf(hash, signature, key));
  }

  /** Whether a signature is known to be right: z + r·d is s·k, or s·(n − k). */
  isRight(hash: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean {
    if (this.#right.has(nameOf(hash, signature, key))) return true;
    const [r, s] = [numberOf(signature.subarray(0, 32)), numberOf(signature.subarray(32))];
    const [secret, nonce] = [this.#scalars.get(hex(key)), this.#nonces.get(r)];
    if (secret === undefined || nonce === undefined || s === 0n || s >= order) return false;
    const [left, right] = [(numberOf(hash) + r * secret) % order, (s * nonce) % order];
    return left === right || (left + right) % order === 0n;
  }
}

function nameOf(...parts: readonly Uint8Array[]): string {
  return parts.map(hex).join();
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${hex(bytes)}`);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
