/**
 * secp256k1 (SEC 2 §2.4.1) as a Group, in WebAssembly: hashed to by secp256k1_XMD:SHA-256_SSWU_RO_ (RFC 9380 §8.7).
 * Secrets are bytes all the way, and multiplied in constant time.
 */
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { POINT_BYTES, type PointForm, type Points, Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { Secret, secretCopy } from "../secret.ts";
import { type Combination, type Group, KEY_SUITE, WEIGHT_BYTES, checkDst, elementCount } from "./group.ts";
import { SCALAR_BYTES, SECP256K1_SCALARS } from "./scalars.ts";

/** SEC 2 §2.4.1. */
const GENERATOR: Readonly<Record<PointForm, string>> = {
  compressed: "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
  uncompressed:
    "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" +
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
};

/**
 * Key suite 1. Elements are compressed points where bytes are dear, as on chain, or uncompressed ones where time is: who
 * checks and combines partials would else take most of it for square roots. One instance a thread: it owns the kernels
 * that it computes with.
 */
export class Secp256k1Group implements Group {
  readonly keySuite = KEY_SUITE.secp256k1;
  readonly elementBytes: number;
  readonly scalars = SECP256K1_SCALARS;
  readonly generator: Uint8Array;
  readonly #curve: Secp256k1;

  /** @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation. */
  constructor(form: PointForm) {
    this.elementBytes = POINT_BYTES[form];
    this.generator = Uint8Array.from(Buffer.from(GENERATOR[form], "hex"));
    this.#curve = new Secp256k1(form);
  }

  hashToGroup(messages: Uint8Array, messageBytes: number, dst: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#curve.hashToCurve(messages, messageBytes, dst);
  }

  hashToScalar(message: Uint8Array, dst: Uint8Array): bigint {
    checkDst(dst);
    return secp256k1_hasher.hashToScalar(message, { DST: dst });
  }

  /**
   * The same elements in this group's form.
   * @param form - theirs.
   * @throws GatekeeperError ELEMENT_INVALID, INVALID_ARGUMENT as all operations do.
   */
  convert(elements: Uint8Array, form: PointForm): Uint8Array<ArrayBuffer> {
    return allValid(this.#curve.convert(elements, form));
  }

  invalid(elements: Uint8Array): readonly number[] {
    elementCount(this, elements);
    return this.#curve.invalid(elements);
  }

  multiplyAll(elements: Uint8Array, k: Secret): Uint8Array<ArrayBuffer> {
    elementCount(this, elements);
    return allValid(k.use((scalar) => this.#curve.multiplyAll(elements, scalar)));
  }

  multiplyBase(scalars: readonly Secret[]): Uint8Array<ArrayBuffer> {
    const bytes = secretCopy(new Uint8Array(scalars.length * SCALAR_BYTES));
    try {
      scalars.forEach((scalar, i) => {
        scalar.use((from) => {
          if (!this.scalars.isKey(from)) {
            throw new GatekeeperError("INVALID_ARGUMENT", `scalar ${i} of a batch is not from 1 to n − 1`);
          }
          bytes.set(from, i * SCALAR_BYTES);
        });
      });
      return this.#curve.publicKeys(bytes).points;
    } finally {
      bytes.fill(0);
    }
  }

  linearCombinations(rows: readonly Uint8Array[], coefficients: readonly bigint[]): Combination {
    const [first] = rows;
    if (first === undefined || coefficients.length !== rows.length) {
      throw new GatekeeperError("INVALID_ARGUMENT", `${coefficients.length} coefficients for ${rows.length} rows`);
    }
    const count = elementCount(this, first);
    const encoded = coefficients.map((coefficient) => this.scalars.encode(coefficient));
    // A row times zero adds nothing, but must be elements too.
    const counting = rows.flatMap((row, j) => (coefficients[j] === 0n ? [] : [{ row, scalar: encoded[j]! }]));
    if (counting.length < rows.length) this.#checkRows(rows);
    if (counting.length === 0) return identities(count, this.elementBytes);
    const scalars = Buffer.concat(counting.map(({ scalar }) => scalar));
    const rowsCounting = counting.map(({ row }) => row);
    const { points, invalid } = this.#curve.combine(rowsCounting, scalars);
    if (invalid.length > 0) this.#checkRows(rows);
    for (const i of invalid) points.fill(0, i * this.elementBytes, (i + 1) * this.elementBytes);
    return { elements: points, identities: invalid };
  }

  multiScalar(elements: Uint8Array, weights: Uint8Array): Uint8Array<ArrayBuffer> | null {
    const count = elementCount(this, elements);
    if (weights.length !== count * WEIGHT_BYTES) {
      throw new GatekeeperError("INVALID_ARGUMENT", `${weights.length} bytes are not the weights of ${count} elements`);
    }
    const { point, invalid } = this.#curve.multiScalar(elements, weights);
    if (invalid.length > 0) throw elementInvalid(invalid[0]!);
    return point;
  }

  multiplyAdd(a: Secret, b: Secret | bigint, c: Secret): Secret {
    const secret = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
      if (!this.scalars.isReduced(bytes)) throw new GatekeeperError("INVALID_ARGUMENT", "a secret is no scalar");
      return secretCopy(bytes);
    };
    const operands: Uint8Array<ArrayBuffer>[] = [];
    try {
      operands.push(a.use(secret));
      operands.push(typeof b === "bigint" ? this.scalars.encode(b) : b.use(secret));
      operands.push(c.use(secret));
      const [x, y, z] = operands;
      return new Secret(this.#curve.multiplyAddScalars(x!, y!, z!));
    } finally {
      for (const operand of operands) operand.fill(0);
    }
  }

  /** @throws GatekeeperError ELEMENT_INVALID naming the first that is no element, and its row. */
  #checkRows(rows: readonly Uint8Array[]): void {
    for (const [row, elements] of rows.entries()) {
      const [index] = this.invalid(elements);
      if (index !== undefined) throw elementInvalid(index, { row });
    }
  }
}

function allValid({ points, invalid }: Points): Uint8Array<ArrayBuffer> {
  if (invalid.length === 0) return points;
  points.fill(0);
  throw elementInvalid(invalid[0]!);
}

function identities(count: number, elementBytes: number): Combination {
  const all = Array.from({ length: count }, (_, i) => i);
  return { elements: new Uint8Array(count * elementBytes), identities: all };
}

function elementInvalid(index: number, where: { row?: number } = {}): GatekeeperError {
  return new GatekeeperError("ELEMENT_INVALID", `element ${index} of a batch is none`, { index, ...where });
}
