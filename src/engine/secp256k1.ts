/**
 * secp256k1 over batches, in WebAssembly: what contract keys, proofs and signatures take. One instance a thread.
 *
 * Everything is bytes, one item after the other in one array. Points are in one of the forms of SEC 1 §2.3.3, and never
 * infinite; scalars are 32 bytes, big-endian, from 1 to n − 1. Methods check what they are given: an item that is no
 * point or scalar is named by its index and costs the others nothing. No method keeps anything: the kernels' memory is
 * wiped before it returns. What is said to be constant time neither branches on secrets nor loads from addresses that
 * depend on them (assembly/secp256k1*.ts).
 */
import { GatekeeperError } from "../errors.ts";
import { secretCopy } from "../secret.ts";
import { Kernels } from "./kernels.ts";
import { secp256k1SelfTest } from "./secp256k1-self-test.ts";

/** Bytes of a point by its form. A compressed one takes a square root to read, 2 µs; the other is checked in 0.05. */
export const POINT_BYTES = Object.freeze({ compressed: 33, uncompressed: 65 });
export type PointForm = keyof typeof POINT_BYTES;
/** Bytes of a scalar, a signature, a hash that is signed. */
export const SCALAR_BYTES = 32;
export const SIGNATURE_BYTES = 64;
const HASH_BYTES = 32;
const WEIGHT_BYTES = 16;
/** Most items of one call: 65,536 points are 2 MiB. */
export const CURVE_BATCH_MAX = 65_536;

const DST_BYTES_MAX = 255;
const NO_SCALAR = "a scalar of secp256k1 is a number from 1 to n − 1";

/** Kernels that have passed their check, or are passing it. */
const CHECKED = new WeakSet<Kernels>();

/** Points, and which of what they were made of was malformed. */
export interface Points {
  /** POINT_BYTES of its form an item; those of an invalid item mean nothing. Where the input was secret, so are they: wipe them. */
  readonly points: Uint8Array<ArrayBuffer>;
  /** Indices of invalid items, ascending. */
  readonly invalid: readonly number[];
}

/** Takes and gives points of one form. Owns an instance of the kernels, or shares one with who calls it in turns. */
export class Secp256k1 {
  readonly form: PointForm;
  readonly #kernels: Kernels;
  readonly #size: number;

  /**
   * Checks that the kernels compute what they should (secp256k1-self-test.ts), once an instance, in some milliseconds.
   * @param kernels - what was allocated in them is wiped, by this and by every method.
   * @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation.
   */
  constructor(form: PointForm = "compressed", kernels: Kernels = new Kernels()) {
    this.form = form;
    this.#kernels = kernels;
    this.#size = POINT_BYTES[form];
    if (CHECKED.has(kernels)) return;
    CHECKED.add(kernels);
    try {
      secp256k1SelfTest(new Secp256k1("compressed", kernels), new Secp256k1("uncompressed", kernels));
    } catch (error) {
      CHECKED.delete(kernels);
      throw error;
    }
  }

  /**
   * k_i·G for secret scalars, in constant time.
   * @param scalars - copied; they stay the caller's.
   * @returns `invalid` names scalars that are 0, n or above.
   * @throws GatekeeperError INVALID_ARGUMENT when they are not whole, or more than 65,536.
   */
  publicKeys(scalars: Uint8Array): Points {
    const count = itemsOf(scalars, SCALAR_BYTES, "scalars");
    return this.#points(count, "secp256k1Generator", (out, valid, work) => {
      this.#kernels.call("secp256k1PublicKeys", this.#kernels.put(scalars), this.#size, out, count, valid, work);
    });
  }

  /**
   * k·P_i for one secret scalar, in constant time.
   * @param points - may be secret; what is no point is named.
   * @param scalar - copied; it stays the caller's.
   * @throws GatekeeperError INVALID_ARGUMENT when the scalar is none, or points are not whole or more than 65,536.
   */
  multiplyAll(points: Uint8Array, scalar: Uint8Array): Points {
    const count = itemsOf(points, this.#size, "points");
    itemsOf(scalar, SCALAR_BYTES, "scalars", 1);
    return this.#points(count, "secp256k1Multiply", (out, valid, work) => {
      const kernels = this.#kernels;
      const at = kernels.put(scalar);
      if (kernels.call("secp256k1MultiplyAll", at, kernels.put(points), this.#size, out, count, valid, work) === 0) {
        throw new GatekeeperError("INVALID_ARGUMENT", NO_SCALAR);
      }
    });
  }

  /**
   * k_i·P_i for secret scalars, in constant time: Diffie–Hellman, where the shared secret is x(k_i·P_i), the 32
   * bytes behind an item's first (SEC 1 §3.3.1).
   * @param points, scalars - as many of each; they stay the caller's.
   * @returns `invalid` names items of which the point or the scalar is none.
   * @throws GatekeeperError INVALID_ARGUMENT when they are not whole, not as many, or more than 65,536.
   */
  multiplyEach(points: Uint8Array, scalars: Uint8Array): Points {
    const count = itemsOf(points, this.#size, "points");
    itemsOf(scalars, SCALAR_BYTES, "scalars", count);
    return this.#points(count, "secp256k1Multiply", (out, valid, work) => {
      const kernels = this.#kernels;
      kernels.call(
        "secp256k1MultiplyEach",
        kernels.put(scalars),
        kernels.put(points),
        this.#size,
        out,
        count,
        valid,
        work,
      );
    });
  }

  /**
   * The same points in this instance's form; and which of them are none.
   * @param form - theirs.
   * @returns `invalid` names what is no point of the curve.
   * @throws GatekeeperError INVALID_ARGUMENT when they are not whole, or more than 65,536.
   */
  convert(points: Uint8Array, form: PointForm): Points {
    const count = itemsOf(points, POINT_BYTES[form], "points");
    return this.#points(count, "secp256k1Convert", (out, valid, work) => {
      const kernels = this.#kernels;
      const [from, size] = [kernels.put(points), POINT_BYTES[form]];
      kernels.call("secp256k1Convert", from, size, out, this.#size, count, valid, work);
    });
  }

  /**
   * Which of these are no points of the curve.
   * @returns their indices, ascending.
   * @throws GatekeeperError INVALID_ARGUMENT as convert does.
   */
  invalid(points: Uint8Array): readonly number[] {
    const { points: copy, invalid } = this.convert(points, this.form);
    copy.fill(0);
    return invalid;
  }

  /**
   * Σ_j c_j·P_ji for the points i of some rows j: constant time but for the coefficients, which are public.
   * @param rows - as many points in each.
   * @param coefficients - one a row, 32 bytes; 1 costs no multiplication.
   * @returns `invalid` names sums that are infinite, or one of whose points is none.
   * @throws GatekeeperError INVALID_ARGUMENT when something is not whole, not as many, or a coefficient is 0 or not
   * below n.
   */
  combine(rows: readonly Uint8Array[], coefficients: Uint8Array): Points {
    const [first = new Uint8Array(0)] = rows;
    const count = itemsOf(first, this.#size, "points");
    for (const row of rows) itemsOf(row, this.#size, "points", count);
    const terms = itemsOf(coefficients, SCALAR_BYTES, "scalars", rows.length);
    return this.#points(count, "secp256k1Combine", (out, valid, work) => {
      const kernels = this.#kernels;
      const at = rows.map((row) => kernels.put(row));
      const table = kernels.put(new Uint8Array(Uint32Array.from(at).buffer));
      const scalars = kernels.put(coefficients);
      if (kernels.call("secp256k1Combine", table, this.#size, scalars, terms, out, count, valid, work) === 0) {
        throw new GatekeeperError("INVALID_ARGUMENT", "a coefficient is a number from 1 to n − 1");
      }
    });
  }

  /**
   * hash_to_curve of messages of one length, secp256k1_XMD:SHA-256_SSWU_RO_ (RFC 9380 §8.7), in constant time.
   * @param messages - `messageBytes` each.
   * @param dst - the domain separation tag, 1 to 255 bytes.
   * @throws GatekeeperError INVALID_ARGUMENT when something is out of its range, or for more than 65,536 messages.
   */
  hashToCurve(messages: Uint8Array, messageBytes: number, dst: Uint8Array): Uint8Array<ArrayBuffer> {
    const count = messageCount(messages, messageBytes, dst);
    const { points } = this.#points(count, "secp256k1HashToCurve", (out, valid, work) => {
      const kernels = this.#kernels;
      const [from, tag] = [kernels.put(messages), kernels.put(dst)];
      kernels.call("secp256k1HashToCurve", from, messageBytes, tag, dst.length, out, this.#size, count, work);
      kernels.bytes.fill(1, valid, valid + count);
    });
    return points;
  }

  /**
   * k·hash_to_curve(message) for one secret scalar, in constant time: the partials of contract keys.
   * @param messages, messageBytes, dst - as for hashToCurve.
   * @param scalar - copied; it stays the caller's.
   * @returns one point a message, as secret as what is derived from them.
   * @throws GatekeeperError INVALID_ARGUMENT as hashToCurve does, and when the scalar is none.
   */
  partials(messages: Uint8Array, messageBytes: number, dst: Uint8Array, scalar: Uint8Array): Uint8Array<ArrayBuffer> {
    const count = messageCount(messages, messageBytes, dst);
    itemsOf(scalar, SCALAR_BYTES, "scalars", 1);
    const { points } = this.#points(count, "secp256k1Partials", (out, valid, work) => {
      const kernels = this.#kernels;
      const [at, from, tag] = [kernels.put(scalar), kernels.put(messages), kernels.put(dst)];
      if (
        kernels.call("secp256k1Partials", at, from, messageBytes, tag, dst.length, out, this.#size, count, work) === 0
      ) {
        throw new GatekeeperError("INVALID_ARGUMENT", NO_SCALAR);
      }
      kernels.bytes.fill(1, valid, valid + count);
    });
    return points;
  }

  /**
   * a·b + c mod n, in constant time.
   * @param a, b, c - as many scalars of each, any 32 bytes: what is n or above is reduced. They stay the caller's.
   * @returns as many scalars, from 0 to n − 1; as secret as what they are made of.
   * @throws GatekeeperError INVALID_ARGUMENT when they are not whole, not as many, or more than 65,536.
   */
  multiplyAddScalars(a: Uint8Array, b: Uint8Array, c: Uint8Array): Uint8Array<ArrayBuffer> {
    const count = itemsOf(a, SCALAR_BYTES, "scalars");
    for (const others of [b, c]) itemsOf(others, SCALAR_BYTES, "scalars", count);
    const kernels = this.#kernels;
    try {
      const [atA, atB, atC] = [a, b, c].map((scalars) => kernels.put(scalars));
      const out = kernels.alloc(count * SCALAR_BYTES);
      kernels.call("secp256k1ScalarMultiplyAdd", atA!, atB!, atC!, out, count);
      return secretCopy(kernels.bytes.subarray(out, out + count * SCALAR_BYTES));
    } finally {
      kernels.wipe();
    }
  }

  /**
   * Σ w_i·P_i with public weights, in variable time: for points that a proof is about. What that tells of them are digits of
   * the weights, which are hashes of all of them, and which points have one x.
   * @param weights - one a point, 16 bytes each, big-endian; fast if they look random.
   * @returns `point` is the sum, or null if it is infinite, or means nothing where `invalid` names what is no point.
   * @throws GatekeeperError INVALID_ARGUMENT when they are not whole, not as many, or more than 65,536.
   */
  multiScalar(
    points: Uint8Array,
    weights: Uint8Array,
  ): { readonly point: Uint8Array<ArrayBuffer> | null; readonly invalid: readonly number[] } {
    const count = itemsOf(points, this.#size, "points");
    itemsOf(weights, WEIGHT_BYTES, "weights", count);
    let point: Uint8Array<ArrayBuffer> | null = null;
    const invalid = this.#statuses(count, "secp256k1MultiScalar", (valid, work) => {
      const kernels = this.#kernels;
      const out = kernels.alloc(this.#size);
      const [at, weightsAt] = [kernels.put(points), kernels.put(weights)];
      if (kernels.call("secp256k1MultiScalar", at, this.#size, weightsAt, out, count, valid, work) === 1) {
        point = secretCopy(kernels.bytes.subarray(out, out + this.#size));
      }
    });
    return { point, invalid };
  }

  /**
   * Verifies ECDSA signatures over secp256k1 (SEC 1 §4.1.4). Everything is public. s and n − s are both accepted.
   * @param hashes - 32 bytes each.
   * @param signatures - r and s, 64 bytes each.
   * @param publicKeys - compressed points, one a signature.
   * @returns indices of the signatures that are not valid, or malformed, ascending.
   * @throws GatekeeperError INVALID_ARGUMENT when they are not whole, not as many, or more than 65,536.
   */
  invalidSignatures(hashes: Uint8Array, signatures: Uint8Array, publicKeys: Uint8Array): number[] {
    const count = itemsOf(hashes, HASH_BYTES, "hashes");
    itemsOf(signatures, SIGNATURE_BYTES, "signatures", count);
    itemsOf(publicKeys, POINT_BYTES.compressed, "public keys", count);
    return this.#statuses(count, "secp256k1Ecdsa", (valid, work) => {
      const kernels = this.#kernels;
      const [hashesAt, signaturesAt, keysAt] = [hashes, signatures, publicKeys].map((bytes) => kernels.put(bytes));
      kernels.call("secp256k1VerifyEcdsa", hashesAt!, signaturesAt!, keysAt!, count, valid, work);
    });
  }

  /** Runs a kernel that writes `count` points, with its own room to work in, and wipes all of it. */
  #points(count: number, kernel: string, run: (out: number, valid: number, work: number) => void): Points {
    const kernels = this.#kernels;
    let points = new Uint8Array(0);
    const invalid = this.#statuses(count, kernel, (valid, work) => {
      const out = kernels.alloc(count * this.#size);
      run(out, valid, work);
      points = secretCopy(kernels.bytes.subarray(out, out + count * this.#size));
    });
    return { points, invalid };
  }

  /** Runs a kernel that says of each item whether it is valid; returns the indices of those that are not. */
  #statuses(count: number, kernel: string, run: (valid: number, work: number) => void): number[] {
    const kernels = this.#kernels;
    try {
      const work = kernels.alloc(kernels.constant(`${kernel}WorkBytes`));
      const valid = kernels.alloc(count);
      run(valid, work);
      return indicesOf(kernels.bytes.subarray(valid, valid + count), 0);
    } finally {
      kernels.wipe();
    }
  }
}

function indicesOf(bytes: Uint8Array, value: number): number[] {
  const indices: number[] = [];
  for (let i = bytes.indexOf(value); i >= 0; i = bytes.indexOf(value, i + 1)) indices.push(i);
  return indices;
}

/**
 * The number of items in an array.
 * @param count - what it must be.
 * @throws GatekeeperError INVALID_ARGUMENT
 */
function itemsOf(bytes: Uint8Array, size: number, what: string, count = bytes.length / size): number {
  if (bytes.length !== count * size || !Number.isInteger(count) || count > CURVE_BATCH_MAX) {
    throw new GatekeeperError(
      "INVALID_ARGUMENT",
      `${bytes.length} bytes are not the ${what} of ${size} bytes that are expected, at most ${CURVE_BATCH_MAX} of them`,
    );
  }
  return count;
}

/**
 * The number of messages to hash.
 * @throws GatekeeperError INVALID_ARGUMENT
 */
function messageCount(messages: Uint8Array, messageBytes: number, dst: Uint8Array): number {
  if (dst.length < 1 || dst.length > DST_BYTES_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a domain separation tag has 1 to 255 bytes, not ${dst.length}`);
  }
  if (!Number.isInteger(messageBytes) || messageBytes < 1) {
    throw new GatekeeperError("INVALID_ARGUMENT", `messages to hash have 1 byte or more each, not ${messageBytes}`);
  }
  return itemsOf(messages, messageBytes, "messages");
}
