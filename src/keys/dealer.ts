/** The dealer's part of a session: what it makes of its secret, for everybody to check. See dealing.ts. */
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import {
  checkDealer,
  checkTerms,
  constantContext,
  type Dealing,
  type DealingTerms,
  dealingDigest,
  ephemeralContext,
  type GenerationTerms,
  type RefreshTerms,
  type ResharingTerms,
} from "./dealing.ts";
import type { Group } from "./group.ts";
import { provePossession } from "./possession.ts";
import { SCALAR_BYTES } from "./scalars.ts";
import { Polynomial, Share } from "./shamir.ts";
import { sealSubShare } from "./sub-share.ts";

/**
 * Deals in a generation, with a constant term that is drawn here and kept nowhere, or in a refresh.
 * @param dealer - the own index.
 * @throws GatekeeperError INVALID_ARGUMENT when the terms are none, or have no such dealer; ELEMENT_INVALID when a
 * dealing key is no element.
 */
export function deal(terms: GenerationTerms | RefreshTerms, dealer: number): Dealing;
/**
 * Deals the own share in a resharing.
 * @param dealer - that share, of the previous sharing; stays the caller's.
 * @throws GatekeeperError as above, and SHARE_INVALID when the share is another than its verification share says.
 */
export function deal(terms: ResharingTerms, dealer: Share): Dealing;
export function deal(terms: DealingTerms, dealer: number | Share): Dealing {
  checkTerms(terms);
  if (terms.kind === "refresh") {
    const index = indexOf(terms, dealer);
    using polynomial = new ZeroPolynomial(terms.group, terms.minShares);
    return encrypted(terms, index, polynomial, polynomial.commitments(), () => new Uint8Array(0));
  }
  const { group, minShares } = terms;
  const index = indexOf(terms, dealer);
  using constant = dealer instanceof Share ? dealer.secret.clone() : group.scalars.random();
  using polynomial = Polynomial.random(group, constant, minShares);
  const commitments = polynomial.commitments();
  const publicKey = commitments.subarray(0, group.elementBytes);
  if (terms.kind === "resharing") checkOwnShare(terms, index, publicKey);
  return encrypted(terms, index, polynomial, commitments, (digest) =>
    provePossession(group, constantContext(digest), constant, publicKey),
  );
}

/**
 * The dealer's index.
 * @throws GatekeeperError INVALID_ARGUMENT when it has nothing to deal in a session of these terms.
 */
function indexOf(terms: DealingTerms, dealer: number | Share): number {
  if (dealer instanceof Share !== (terms.kind === "resharing")) {
    throw new GatekeeperError("INVALID_ARGUMENT", "a share is what is dealt in a resharing, and in nothing else");
  }
  const index = dealer instanceof Share ? dealer.index : dealer;
  checkDealer(terms, index);
  return index;
}

/** A dealing of any other constant term would be this dealer's fault, for everybody to see. */
function checkOwnShare({ previous }: ResharingTerms, index: number, publicKey: Uint8Array): void {
  if (Buffer.compare(publicKey, previous.verificationShares.get(index)!) === 0) return;
  throw new GatekeeperError("SHARE_INVALID", `the own share ${index} is another than its verification share says`, {
    receiver: index,
  });
}

/** A random polynomial that is zero at 0: x·g(x). Its commitments begin with that of x, and are those of g. */
class ZeroPolynomial implements Disposable {
  readonly #group: Group;
  readonly #quotient: Polynomial;

  /** @param minShares - its degree and one; at least 2. */
  constructor(group: Group, minShares: number) {
    using constant = group.scalars.random();
    this.#group = group;
    this.#quotient = Polynomial.random(group, constant, minShares - 1);
  }

  /** f(index); the caller owns it. */
  evaluate(index: number): Share {
    using quotient = this.#quotient.evaluate(index);
    using zero = new Secret(new Uint8Array(SCALAR_BYTES));
    return new Share(index, this.#group.multiplyAdd(quotient.secret, BigInt(index), zero));
  }

  /** C_1 … C_{t−1}, concatenated; public. */
  commitments(): Uint8Array<ArrayBuffer> {
    return this.#quotient.commitments();
  }

  [Symbol.dispose](): void {
    this.#quotient[Symbol.dispose]();
  }
}

/**
 * The dealing of a polynomial.
 * @param possession - makes the proof for the constant term, from the dealing's digest.
 */
function encrypted(
  terms: DealingTerms,
  dealer: number,
  polynomial: { evaluate(index: number): Share },
  commitments: Uint8Array,
  possession: (digest: Uint8Array) => Uint8Array,
): Dealing {
  const { group, receivers } = terms;
  const digest = dealingDigest(terms, dealer, commitments);
  using ephemeral = group.scalars.random();
  const ephemeralKey = group.multiplyBase([ephemeral]);
  const points = group.multiplyAll(Buffer.concat(receivers.map(({ dealingKey }) => dealingKey)), ephemeral);
  try {
    const ciphertexts = receivers.map((receiver, place) => {
      using share = polynomial.evaluate(receiver.index);
      const point = points.subarray(place * group.elementBytes, (place + 1) * group.elementBytes);
      return sealSubShare({ digest, ephemeralKey, receiver }, share, point);
    });
    return {
      commitments,
      possession: possession(digest),
      ephemeralKey,
      ephemeralProof: provePossession(group, ephemeralContext(digest), ephemeral, ephemeralKey),
      ciphertexts: Uint8Array.from(Buffer.concat(ciphertexts)),
    };
  } finally {
    points.fill(0);
  }
}
