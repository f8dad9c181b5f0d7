/**
 * A group of prime order, over batches: what shares, proofs, partials and contract keys are written against. Its two
 * instances are secp256k1 and ristretto255.
 *
 * **Elements** are bytes: the group's own encoding of an element that is not the identity, `elementBytes` long, and a
 * batch is their concatenation. secp256k1 has one of the forms of SEC 1 §2.3.3 (33 or 65 bytes), ristretto255 that of
 * RFC 9496 (32). The identity is not an element. Where a sum may come to it, a place of zeros stands for it, which no
 * operation takes for an element.
 *
 * **Scalars** are 32 bytes in the group's own byte order (scalars.ts); secret ones are `Secret`s, which stay the
 * caller's unless said otherwise, public ones are bigints.
 *
 * Outside bytes may be handed in as they are: every operation that takes elements validates all of them and throws
 * GatekeeperError ELEMENT_INVALID, whose detail.index is the first that is none. A batch of another length than a whole
 * number of elements, or a scalar out of its range, is INVALID_ARGUMENT.
 */
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { SCALAR_BYTES, type Scalars } from "./scalars.ts";

/** The number of a group in what is hashed and stored; it never changes its meaning. */
export const KEY_SUITE = Object.freeze({ secp256k1: 1, ristretto255: 2 } as const);

export type KeySuite = (typeof KEY_SUITE)[keyof typeof KEY_SUITE];

/** Bytes of a weight of `multiScalar`. */
export const WEIGHT_BYTES = 16;

/** Elements some of which may be the identity. */
export interface Combination {
  /** Concatenated; a place of zeros where the result is the identity. */
  readonly elements: Uint8Array<ArrayBuffer>;
  /** Which places those are, rising. */
  readonly identities: readonly number[];
}

/** See the file's comment for what all operations have in common. */
export interface Group {
  readonly keySuite: KeySuite;
  readonly elementBytes: number;
  readonly scalars: Scalars;
  /** The standard's generator G, encoded. */
  readonly generator: Uint8Array;

  /**
   * Hashes public messages to the group (RFC 9380, random oracle: secp256k1_XMD:SHA-256_SSWU_RO_,
   * ristretto255_XMD:SHA-512_R255MAP_RO_).
   * @param messages - concatenated, `messageBytes` each.
   * @param dst - the domain separation tag, 1 to 255 bytes.
   */
  hashToGroup(messages: Uint8Array, messageBytes: number, dst: Uint8Array): Uint8Array<ArrayBuffer>;

  /**
   * Hashes a public message to a scalar, as RFC 9497 §4 does: for secp256k1 by hash_to_field of RFC 9380 §5.2 with
   * SHA-256 and L = 48, for ristretto255 by 64 bytes of expand_message_xmd with SHA-512, little-endian.
   */
  hashToScalar(message: Uint8Array, dst: Uint8Array): bigint;

  /** The indices, rising, of encodings that are no element. */
  invalid(elements: Uint8Array): readonly number[];

  /** k·E of every element; k from 1 to n − 1. */
  multiplyAll(elements: Uint8Array, k: Secret): Uint8Array<ArrayBuffer>;

  /** k·G of every scalar, each from 1 to n − 1. */
  multiplyBase(scalars: readonly Secret[]): Uint8Array<ArrayBuffer>;

  /**
   * Σ_j c_j·rows[j][i] for every i, in variable time: the coefficients are public. Equal, opposite and repeated
   * elements are no special case to the caller.
   * @param rows - at least one; of as many elements each.
   * @param coefficients - one a row, each from 0 to n − 1.
   * @throws GatekeeperError ELEMENT_INVALID with detail.row besides.
   */
  linearCombinations(rows: readonly Uint8Array[], coefficients: readonly bigint[]): Combination;

  /**
   * Σ_i w_i·E_i in variable time, or null when it is the identity.
   * What that tells of the elements is which of them are equal or opposite.
   * @param weights - one an element, public, WEIGHT_BYTES each, big-endian, concatenated.
   */
  multiScalar(elements: Uint8Array, weights: Uint8Array): Uint8Array<ArrayBuffer> | null;

  /** a·b + c modulo n, each from 0 to n − 1; b may be public. The caller owns the result. */
  multiplyAdd(a: Secret, b: Secret | bigint, c: Secret): Secret;
}

/**
 * How many elements a batch has.
 * @throws GatekeeperError INVALID_ARGUMENT when its length is not that of a whole number of elements.
 */
export function elementCount(group: Group, elements: Uint8Array): number {
  const count = elements.length / group.elementBytes;
  if (Number.isInteger(count)) return count;
  throw new GatekeeperError(
    "INVALID_ARGUMENT",
    `${elements.length} bytes are not a batch of elements of ${group.elementBytes} bytes each`,
  );
}

/** @throws GatekeeperError INVALID_ARGUMENT when a domain separation tag has not 1 to 255 bytes (RFC 9380 §5.3.3). */
export function checkDst(dst: Uint8Array): void {
  if (dst.length >= 1 && dst.length <= 255) return;
  throw new GatekeeperError("INVALID_ARGUMENT", `a domain separation tag has 1 to 255 bytes, not ${dst.length}`);
}

/** Bytes that `reduceWide` takes: 128 bits more than the order has, so that the bias is below 2^−128. */
export const WIDE_BYTES = 48;

/**
 * A big-endian number of 48 uniform bytes modulo n, as hash_to_field of RFC 9380 §5.2 reduces them; the caller owns it.
 *
 * It is hi·2^192 + lo, and both halves are below n already: so the group's own multiplyAdd reduces it, in as constant a
 * time as that has.
 * @param wide - WIDE_BYTES; read only.
 */
export function reduceWide(group: Group, wide: Uint8Array): Secret {
  const half = WIDE_BYTES / 2;
  using high = placed(group, wide.subarray(0, half));
  using low = placed(group, wide.subarray(half));
  return group.multiplyAdd(high, 1n << BigInt(8 * half), low);
}

function placed(group: Group, bytes: Uint8Array): Secret {
  const scalar = new Uint8Array(new ArrayBuffer(SCALAR_BYTES));
  group.scalars.place(bytes, scalar);
  return new Secret(scalar);
}
