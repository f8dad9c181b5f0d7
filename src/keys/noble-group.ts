/**
 * A group of prime order on @noble/curves: any of its curves with an encoding that only elements have.
 *
 * Limits: noble computes with bigints, whose time depends on their values, and which nobody can wipe: a secret scalar,
 * its products and the arithmetic on it leave copies to the garbage collector. Its multiplication by a secret follows
 * a fixed schedule, no more. One element costs milliseconds.
 */
import { type CurvePoint, type CurvePointCons, mulAddUnsafe } from "@noble/curves/abstract/curve.js";
import { bytesToNumberBE } from "@noble/curves/utils.js";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { checkDst, type Combination, elementCount, type Group, type KeySuite, WEIGHT_BYTES } from "./group.ts";
import type { Scalars } from "./scalars.ts";

/** What noble calls a hasher, as far as it is used. */
export interface NobleHasher<P> {
  hashToCurve(message: Uint8Array, options: { DST: Uint8Array }): P;
  hashToScalar(message: Uint8Array, options: { DST: Uint8Array }): bigint;
}

/** One of noble's curves as a Group. */
export class NobleGroup<P extends CurvePoint<bigint, P>> implements Group {
  readonly keySuite: KeySuite;
  readonly elementBytes: number;
  readonly scalars: Scalars;
  readonly generator: Uint8Array<ArrayBuffer>;
  readonly #Point: CurvePointCons<P>;
  readonly #hasher: NobleHasher<P>;

  /** @param scalars - those of the curve's group. */
  constructor(keySuite: KeySuite, Point: CurvePointCons<P>, hasher: NobleHasher<P>, scalars: Scalars) {
    this.keySuite = keySuite;
    this.#Point = Point;
    this.#hasher = hasher;
    this.scalars = scalars;
    this.generator = Uint8Array.from(Point.BASE.toBytes());
    this.elementBytes = this.generator.length;
  }

  hashToGroup(messages: Uint8Array, messageBytes: number, dst: Uint8Array): Uint8Array<ArrayBuffer> {
    checkDst(dst);
    if (!Number.isInteger(messageBytes) || messageBytes < 1 || messages.length % messageBytes !== 0) {
      throw new GatekeeperError(
        "INVALID_ARGUMENT",
        `${messages.length} bytes are not messages of ${messageBytes} each`,
      );
    }
    const points = Array.from({ length: messages.length / messageBytes }, (_, i) =>
      this.#hasher.hashToCurve(messages.subarray(i * messageBytes, (i + 1) * messageBytes), { DST: dst }),
    );
    return this.#encode(points).elements;
  }

  hashToScalar(message: Uint8Array, dst: Uint8Array): bigint {
    checkDst(dst);
    return this.#hasher.hashToScalar(message, { DST: dst });
  }

  invalid(elements: Uint8Array): number[] {
    const count = elementCount(this, elements);
    return Array.from({ length: count }, (_, i) => i).filter((i) => this.#decodeAt(elements, i) === null);
  }

  multiplyAll(elements: Uint8Array, k: Secret): Uint8Array<ArrayBuffer> {
    const scalar = this.#key(k);
    return this.#encode(this.#decode(elements, {}).map((point) => point.multiply(scalar))).elements;
  }

  multiplyBase(scalars: readonly Secret[]): Uint8Array<ArrayBuffer> {
    return this.#encode(scalars.map((scalar) => this.#Point.BASE.multiply(this.#key(scalar)))).elements;
  }

  linearCombinations(rows: readonly Uint8Array[], coefficients: readonly bigint[]): Combination {
    const [first] = rows;
    if (first === undefined || rows.some((row) => row.length !== first.length) || rows.length !== coefficients.length) {
      throw new GatekeeperError(
        "INVALID_ARGUMENT",
        "a linear combination needs equal rows, and a coefficient for each",
      );
    }
    if (coefficients.some((c) => c < 0n || c >= this.scalars.order)) {
      throw new GatekeeperError("INVALID_ARGUMENT", "a coefficient is out of range");
    }
    const points = rows.map((row, j) => this.#decode(row, { row: j }));
    return this.#encode(
      points[0]!.map((_, i) =>
        this.#sum(
          points.map((row) => row[i]!),
          coefficients,
        ),
      ),
    );
  }

  multiScalar(elements: Uint8Array, weights: Uint8Array): Uint8Array<ArrayBuffer> | null {
    const count = elementCount(this, elements);
    if (weights.length !== count * WEIGHT_BYTES) {
      throw new GatekeeperError("INVALID_ARGUMENT", `${weights.length} bytes are not the weights of ${count} elements`);
    }
    const scalars = Array.from({ length: count }, (_, i) =>
      bytesToNumberBE(weights.subarray(i * WEIGHT_BYTES, (i + 1) * WEIGHT_BYTES)),
    );
    const sum = this.#encode([this.#sum(this.#decode(elements, {}), scalars)]);
    return sum.identities.length === 0 ? sum.elements : null;
  }

  multiplyAdd(a: Secret, b: Secret | bigint, c: Secret): Secret {
    const { Fn } = this.#Point;
    const factor = typeof b === "bigint" ? this.#inRange(b) : this.#scalar(b);
    const result = Fn.toBytes(Fn.add(Fn.mul(this.#scalar(a), factor), this.#scalar(c)));
    return new Secret(result);
  }

  /** Σ scalar·point; mulAddUnsafe knows no special cases, as noble's formulas are complete. */
  #sum(points: P[], scalars: readonly bigint[]): P {
    if (scalars.every((scalar) => scalar === 1n))
      return points.reduce((sum, point) => sum.add(point), this.#Point.ZERO);
    return mulAddUnsafe(this.#Point, points, [...scalars]);
  }

  /** @param where - what an error's detail has besides the index. */
  #decode(elements: Uint8Array, where: { row?: number }): P[] {
    return Array.from({ length: elementCount(this, elements) }, (_, index) => {
      const point = this.#decodeAt(elements, index);
      if (point !== null) return point;
      throw new GatekeeperError("ELEMENT_INVALID", `element ${index} of a batch is none`, { index, ...where });
    });
  }

  #decodeAt(elements: Uint8Array, index: number): P | null {
    const bytes = elements.subarray(index * this.elementBytes, (index + 1) * this.elementBytes);
    let point: P;
    try {
      point = this.#Point.fromBytes(bytes);
    } catch {
      return null; // That it throws, whatever it throws, is noble's only answer to bytes that are no element.
    }
    return point.is0() ? null : point;
  }

  #encode(points: readonly P[]): Combination {
    const elements = new Uint8Array(points.length * this.elementBytes);
    const identities: number[] = [];
    points.forEach((point, i) => {
      if (point.is0()) identities.push(i);
      else elements.set(point.toBytes(), i * this.elementBytes);
    });
    return { elements, identities };
  }

  /** A secret from 1 to n − 1 as a number. */
  #key(secret: Secret): bigint {
    const scalar = this.#scalar(secret);
    if (scalar !== 0n) return scalar;
    throw new GatekeeperError("INVALID_ARGUMENT", "a secret that multiplies elements is zero");
  }

  /** A secret from 0 to n − 1 as a number. */
  #scalar(secret: Secret): bigint {
    const scalar = secret.use((bytes) => this.scalars.decode(bytes));
    if (scalar !== null) return scalar;
    throw new GatekeeperError("INVALID_ARGUMENT", "a secret is no scalar of the group");
  }

  #inRange(scalar: bigint): bigint {
    if (scalar >= 0n && scalar < this.scalars.order) return scalar;
    throw new GatekeeperError("INVALID_ARGUMENT", "a public scalar is out of range");
  }
}
