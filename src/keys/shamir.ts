/**
 * Shamir's secret sharing (1979) with Feldman's commitments (1987): a secret f(0) is dealt as f(1) … f(n) for a random
 * polynomial f of degree t − 1, and the dealer publishes C_k = a_k·G for every coefficient a_k, so that whoever gets a
 * share checks it, and everybody knows every share's public side, its verification share Y_i = f(i)·G = Σ_k i^k·C_k.
 *
 * t = 1 is no special case: f is the secret itself, and so is every share.
 *
 * Pure: who sends what to whom, and who is believed, is the caller's.
 */
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { elementCount, type Group, WEIGHT_BYTES } from "./group.ts";
import { SCALAR_BYTES } from "./scalars.ts";

/** Indices are the points at which a polynomial is evaluated: 1 to 65,535, so that they are two bytes wherever hashed. */
const SHARE_INDEX_MAX = 0xffff;

/** How many shares recover a secret, of how many. The polynomial's degree is minShares − 1. */
export type Threshold = Readonly<{ minShares: number; maxShares: number }>;

/** @throws GatekeeperError INVALID_ARGUMENT unless 1 ≤ minShares ≤ maxShares ≤ 65,535. */
export function checkThreshold({ minShares, maxShares }: Threshold): void {
  if (isShareIndex(minShares) && isShareIndex(maxShares) && minShares <= maxShares) return;
  throw new GatekeeperError("INVALID_ARGUMENT", `no secret is shared ${minShares} of ${maxShares}`, {
    minShares,
    maxShares,
  });
}

/** Whether it is a whole number from 1 to SHARE_INDEX_MAX: at 0 the polynomial has the secret itself. */
export function isShareIndex(index: number): boolean {
  return Number.isInteger(index) && index >= 1 && index <= SHARE_INDEX_MAX;
}

/** @throws GatekeeperError INVALID_ARGUMENT when it is no share index. */
function checkShareIndex(index: number): void {
  if (isShareIndex(index)) return;
  throw new GatekeeperError("INVALID_ARGUMENT", `share index ${index} is not a whole number from 1 to 65535`);
}

/** f(index). Owns its secret: `using share = …` or dispose it, and it is wiped. */
export class Share implements Disposable {
  readonly index: number;
  /** SCALAR_BYTES in the group's byte order; whether it is a scalar at all, `verifyShare` says. */
  readonly secret: Secret;

  /**
   * @param secret - taken over: disposed with this share, and also when this throws.
   * @throws GatekeeperError INVALID_ARGUMENT when the index is not from 1 to 65,535.
   */
  constructor(index: number, secret: Secret) {
    try {
      checkShareIndex(index);
    } catch (error) {
      secret[Symbol.dispose]();
      throw error;
    }
    this.index = index;
    this.secret = secret;
  }

  [Symbol.dispose](): void {
    this.secret[Symbol.dispose]();
  }
}

/** A secret polynomial over a group's scalars. Owns its coefficients and wipes them on dispose. */
export class Polynomial implements Disposable {
  readonly #group: Group;
  /** The constant term first. */
  readonly #coefficients: readonly Secret[];

  /** @param coefficients - at least one, the constant term first; taken over. */
  constructor(group: Group, coefficients: readonly Secret[]) {
    this.#group = group;
    this.#coefficients = coefficients;
  }

  /**
   * A polynomial with this constant term and uniform other coefficients. None of those is zero, whose commitment would
   * be no element: that is 2^−252 away from uniform.
   * @param constant - copied from; stays the caller's.
   * @param minShares - its degree and one.
   */
  static random(group: Group, constant: Secret, minShares: number): Polynomial {
    const others = Array.from({ length: minShares - 1 }, () => group.scalars.random());
    return new Polynomial(group, [constant.clone(), ...others]);
  }

  /**
   * f(index), by Horner's rule. The caller owns the share.
   * @throws GatekeeperError INVALID_ARGUMENT when it is no share index, such as 0, where the secret is.
   */
  evaluate(index: number): Share {
    checkShareIndex(index);
    let sum = new Secret(new Uint8Array(SCALAR_BYTES));
    for (const coefficient of this.#coefficients.toReversed()) {
      using shifted = sum;
      sum = this.#group.multiplyAdd(shifted, BigInt(index), coefficient);
    }
    return new Share(index, sum);
  }

  /**
   * The commitments C_0 … C_{t−1}, concatenated; public.
   * @throws GatekeeperError INVALID_ARGUMENT when a coefficient is zero.
   */
  commitments(): Uint8Array<ArrayBuffer> {
    return this.#group.multiplyBase(this.#coefficients);
  }

  [Symbol.dispose](): void {
    for (const coefficient of this.#coefficients) coefficient[Symbol.dispose]();
  }
}

/** What sharing out a secret makes, where one party knows it. */
export interface DealtShares {
  /** Those of the indices 1 to maxShares; the caller owns them. */
  readonly shares: readonly Share[];
  /** minShares elements; the first is the secret's public key. */
  readonly commitments: Uint8Array<ArrayBuffer>;
}

/**
 * Deals a secret.
 * @param secret - a scalar from 1 to n − 1; copied from, it stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when it is none, or the threshold is impossible.
 */
export function dealShares(group: Group, secret: Secret, threshold: Threshold): DealtShares {
  checkThreshold(threshold);
  using polynomial = Polynomial.random(group, secret, threshold.minShares);
  const commitments = polynomial.commitments();
  const shares = Array.from({ length: threshold.maxShares }, (_, i) => polynomial.evaluate(i + 1));
  return { shares, commitments };
}

/**
 * The verification share Y_i = Σ_k i^k·C_k of an index.
 * @param commitments - a dealer's, concatenated; outside bytes.
 * @throws GatekeeperError ELEMENT_INVALID when one is no element, SHARE_INVALID when Y_i is the identity: a dealer who
 * does that gives a share of zero. INVALID_ARGUMENT when the index is none, or there are no commitments.
 */
export function verificationShare(group: Group, commitments: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  checkShareIndex(index);
  const invalid = group.invalid(commitments)[0];
  if (invalid !== undefined) {
    throw new GatekeeperError("ELEMENT_INVALID", `commitment ${invalid} is no element`, { index: invalid });
  }
  const share = evaluateCommitments(group, commitments, index);
  if (share !== null) return share;
  throw new GatekeeperError("SHARE_INVALID", `share ${index} is zero`, { receiver: index });
}

/**
 * Σ_k index^(k + lowest)·C_k: a polynomial's public side at an index, from the commitments to its coefficients from that
 * of x^lowest on. Null when it is the identity.
 *
 * A weight of `multiScalar` has half the bits of a scalar, so the sum is cut into pieces whose powers fit, and each piece is
 * multiplied by the power that it begins with: for 32 commitments a fifth of the time that a multiplication each would take.
 * @param commitments - at least one element, concatenated.
 * @throws GatekeeperError INVALID_ARGUMENT when the index is none, or there are no commitments; ELEMENT_INVALID when one is
 * no element.
 */
export function evaluateCommitments(
  group: Group,
  commitments: Uint8Array,
  index: number,
  lowest: 0 | 1 = 0,
): Uint8Array<ArrayBuffer> | null {
  checkShareIndex(index);
  const count = elementCount(group, commitments);
  if (count === 0) throw new GatekeeperError("INVALID_ARGUMENT", "there are no commitments");
  const weights = weightsOf(index, lowest, count);
  const step = weights.length / WEIGHT_BYTES;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const powers: bigint[] = [];
  for (let at = 0, power = 1n; at < count; at += step) {
    const end = Math.min(at + step, count);
    const elements = commitments.subarray(at * group.elementBytes, end * group.elementBytes);
    const piece = group.multiScalar(elements, weights.subarray(0, (end - at) * WEIGHT_BYTES));
    if (piece !== null) {
      pieces.push(piece);
      powers.push(power);
    }
    power = (power * BigInt(index) ** BigInt(step)) % group.scalars.order;
  }
  if (pieces.length === 0) return null;
  if (powers.length === 1 && powers[0] === 1n) return pieces[0]!;
  const { elements, identities } = group.linearCombinations(pieces, powers);
  return identities.length === 0 ? elements : null;
}

/** The powers of an index from `lowest` on as weights: as many as have room in one, and `count` at most. */
function weightsOf(index: number, lowest: number, count: number): Uint8Array<ArrayBuffer> {
  const powers: string[] = [];
  let power = BigInt(index) ** BigInt(lowest);
  while (powers.length < count && power >> BigInt(8 * WEIGHT_BYTES) === 0n) {
    powers.push(power.toString(16).padStart(2 * WEIGHT_BYTES, "0"));
    power *= BigInt(index);
  }
  return Uint8Array.from(Buffer.from(powers.join(""), "hex"));
}

/**
 * Checks a share against its dealer's commitments, whose number the caller has checked to be the threshold.
 * @throws GatekeeperError SHARE_INVALID when it is another, and as `verificationShare` does.
 */
export function verifyShare(group: Group, commitments: Uint8Array, share: Share): void {
  const expected = verificationShare(group, commitments, share.index);
  const isKey = share.secret.use((bytes) => group.scalars.isKey(bytes));
  if (isKey && Buffer.compare(group.multiplyBase([share.secret]), expected) === 0) return;
  throw new GatekeeperError("SHARE_INVALID", `share ${share.index} is not the one that its dealer committed to`, {
    receiver: share.index,
  });
}
