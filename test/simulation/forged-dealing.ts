/** Dealings by the rules of src/keys/dealer.ts, but for what a dishonest dealer wants otherwise. */
import {
  type Dealing,
  type DealingTerms,
  constantContext,
  dealingDigest,
  ephemeralContext,
} from "../../src/keys/dealing.ts";
import { provePossession } from "../../src/keys/possession.ts";
import { SCALAR_BYTES } from "../../src/keys/scalars.ts";
import { Polynomial, Share } from "../../src/keys/shamir.ts";
import { sealSubShare } from "../../src/keys/sub-share.ts";
import { Secret } from "../../src/secret.ts";

export interface Forgery {
  /** f(0); zero in a refresh, drawn in a generation, if nothing is said. */
  readonly constant?: Secret;
  /** Coefficients after it; as many as there should be, if nothing is said. */
  readonly others?: readonly Secret[];
  /** Instead of those of the polynomial. */
  readonly commitments?: Uint8Array;
  /** At what the polynomial is evaluated for a receiver, if not at its index. */
  readonly at?: (receiver: number) => number;
  /** Under which index everything is proved, if not the dealer's. */
  readonly provedAs?: number;
}

/** The dealing of somebody who departs from the rules in this. */
export function forgedDealing(terms: DealingTerms, dealer: number, forgery: Forgery): Dealing {
  const { group, minShares, receivers } = terms;
  const { scalars } = group;
  const constant = forgery.constant ?? (terms.kind === "refresh" ? zero() : scalars.random());
  const others = forgery.others ?? Array.from({ length: minShares - 1 }, () => scalars.random());
  using polynomial = new Polynomial(group, [constant.clone(), ...others.map((each) => each.clone())]);
  const commitments =
    forgery.commitments ?? group.multiplyBase(terms.kind === "refresh" ? others : [constant, ...others]);
  const digest = dealingDigest(terms, forgery.provedAs ?? dealer, commitments);
  using ephemeral = scalars.random();
  const ephemeralKey = group.multiplyBase([ephemeral]);
  const ciphertexts = receivers.map((receiver) => {
    using value = polynomial.evaluate((forgery.at ?? ((index) => index))(receiver.index));
    using share = new Share(receiver.index, value.secret.clone());
    return sealSubShare({ digest, ephemeralKey, receiver }, share, group.multiplyAll(receiver.dealingKey, ephemeral));
  });
  const publicKey = commitments.subarray(0, group.elementBytes);
  const possession =
    terms.kind === "refresh" ? new Uint8Array(0) : provePossession(group, constantContext(digest), constant, publicKey);
  return {
    commitments,
    possession,
    ephemeralKey,
    ephemeralProof: provePossession(group, ephemeralContext(digest), ephemeral, ephemeralKey),
    ciphertexts: Buffer.concat(ciphertexts),
  };
}

/** The constant that makes x ↦ constant + Σ others·x^k zero at an index. */
export function rootedConstant({ group }: DealingTerms, others: readonly Secret[], index: number): Secret {
  const { order } = group.scalars;
  let constant = zero();
  for (const [at, coefficient] of others.entries()) {
    using before = constant;
    const weight = (order - (BigInt(index) ** BigInt(at + 1) % order)) % order;
    constant = group.multiplyAdd(coefficient, weight, before);
  }
  return constant;
}

function zero(): Secret {
  return new Secret(new Uint8Array(SCALAR_BYTES));
}
