/**
 * Scalars of the two groups: whole numbers modulo a prime order n < 2^256, in the 32-byte encoding that the group's own
 * standards have: secp256k1 big-endian (SEC 1 §2.3.7), ristretto255 little-endian (RFC 9496 §4.4). Only the reduced
 * form is valid, so a scalar has one encoding.
 *
 * A secret scalar stays bytes in a `Secret`; a public one (a Lagrange coefficient, a challenge) is a bigint.
 */
import { randomFillSync } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";

/** Bytes of an encoded scalar, in both groups. */
export const SCALAR_BYTES = 32;

export type ByteOrder = "big" | "little";

/** The scalars of one group. */
export class Scalars {
  /** The group's prime order n. */
  readonly order: bigint;
  readonly byteOrder: ByteOrder;
  /** n, least significant byte first. */
  readonly #order: Uint8Array;
  /** Which bits of the most significant byte n has. */
  readonly #topMask: number;

  /** @param order - a prime from 2^248 to 2^256, so that random draws are seldom refused. */
  constructor(order: bigint, byteOrder: ByteOrder) {
    this.order = order;
    this.byteOrder = byteOrder;
    this.#order = Uint8Array.from({ length: SCALAR_BYTES }, (_, i) => Number((order >> BigInt(8 * i)) & 0xffn));
    this.#topMask = 0xff >>> (Math.clz32(this.#order[SCALAR_BYTES - 1]!) - 24);
  }

  /** Whether bytes encode 0 ≤ s < n. No branch depends on a byte until the answer. */
  isReduced(bytes: Uint8Array): boolean {
    if (bytes.length !== SCALAR_BYTES) return false;
    let borrow = 0;
    for (let i = 0; i < SCALAR_BYTES; i++) borrow = (bytes[this.#at(i)]! - this.#order[i]! - borrow) >>> 31;
    return borrow === 1;
  }

  /** Whether bytes encode 1 ≤ s < n, what every key is. No branch depends on a byte until the answer. */
  isKey(bytes: Uint8Array): boolean {
    let any = 0;
    for (let i = 0; i < bytes.length; i++) any |= bytes[i]!;
    return this.isReduced(bytes) && any !== 0;
  }

  /** A scalar from 1 to n − 1, uniform, from the system's randomness; the caller owns it. */
  random(): Secret {
    const bytes = new Uint8Array(new ArrayBuffer(SCALAR_BYTES));
    // Drawing again keeps it uniform, and says nothing about the draw that is kept.
    do {
      randomFillSync(bytes);
      bytes[this.#at(SCALAR_BYTES - 1)]! &= this.#topMask;
    } while (!this.isKey(bytes));
    return new Secret(bytes);
  }

  /**
   * The encoding of a public scalar.
   * @throws GatekeeperError INVALID_ARGUMENT when it is not from 0 to n − 1.
   */
  encode(value: bigint): Uint8Array<ArrayBuffer> {
    if (value < 0n || value >= this.order) {
      throw new GatekeeperError("INVALID_ARGUMENT", "a scalar is a whole number from 0 to the group's order less one");
    }
    const bytes = new Uint8Array(SCALAR_BYTES);
    for (let i = 0; i < SCALAR_BYTES; i++) bytes[this.#at(i)] = Number((value >> BigInt(8 * i)) & 0xffn);
    return bytes;
  }

  /** The number that bytes encode, or null when they are not the encoding of a scalar. For public scalars. */
  decode(bytes: Uint8Array): bigint | null {
    if (!this.isReduced(bytes)) return null;
    let value = 0n;
    for (let i = SCALAR_BYTES - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[this.#at(i)]!);
    return value;
  }

  /**
   * Writes a big-endian number in this byte order.
   * @param bytes - at most SCALAR_BYTES; the number must be below n.
   * @param scalar - SCALAR_BYTES zeros.
   */
  place(bytes: Uint8Array, scalar: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) scalar[this.#at(i)] = bytes[bytes.length - 1 - i]!;
  }

  /** Where the byte of weight 2^(8·i) lies. */
  #at(i: number): number {
    return this.byteOrder === "little" ? i : SCALAR_BYTES - 1 - i;
  }
}

/** SEC 2 §2.4.1. */
export const SECP256K1_SCALARS = new Scalars(
  0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n,
  "big",
);

/** RFC 9496 §4: n = 2^252 + 27742317777372353535851937790883648493. */
export const RISTRETTO255_SCALARS = new Scalars(
  (1n << 252n) + 27_742_317_777_372_353_535_851_937_790_883_648_493n,
  "little",
);
