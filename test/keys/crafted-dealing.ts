/** Dealings of any polynomial, with whatever a dishonest dealer may do to them; and complaints of dishonest receivers. */
import { type Complaint, ComplaintStatement } from "../../src/keys/complaint.ts";
import {
  constantContext,
  type Dealing,
  type DealingTerms,
  dealingDigest,
  ephemeralContext,
} from "../../src/keys/dealing.ts";
import { generateProof } from "../../src/keys/dleq.ts";
import { provePossession } from "../../src/keys/possession.ts";
import { Share } from "../../src/keys/shamir.ts";
import { sealSubShare } from "../../src/keys/sub-share.ts";
import { Secret } from "../../src/secret.ts";
import { secretOf } from "./groups.ts";

interface Craft {
  /** None is zero. Of a refresh those from x on. */
  readonly coefficients: readonly bigint[];
  /** What receivers are sent in place of f(j), by index. */
  readonly sent?: ReadonlyMap<number, Uint8Array>;
  /** The secret of the ephemeral key. */
  readonly ephemeral?: Secret;
}

/** Σ a_k·x^k modulo n. */
export function valueAt(terms: DealingTerms, coefficients: readonly bigint[], x: number): bigint {
  const n = terms.group.scalars.order;
  const value = coefficients.reduceRight((sum, coefficient) => (sum * BigInt(x) + coefficient) % n, 0n);
  return terms.kind === "refresh" ? (value * BigInt(x)) % n : value;
}

/** A dealing whose every proof holds. */
export function crafted(terms: DealingTerms, dealer: number, craft: Craft): Dealing {
  const { group, receivers } = terms;
  const { coefficients, sent, ephemeral = group.scalars.random() } = craft;
  const secrets = coefficients.map((coefficient) => secretOf(group, coefficient));
  const commitments = group.multiplyBase(secrets);
  const digest = dealingDigest(terms, dealer, commitments);
  const ephemeralKey = group.multiplyBase([ephemeral]);
  const ciphertexts = receivers.map((receiver) => {
    const { index, dealingKey } = receiver;
    const scalar = sent?.get(index) ?? group.scalars.encode(valueAt(terms, coefficients, index));
    const share = new Share(index, new Secret(Uint8Array.from(scalar)));
    return sealSubShare({ digest, ephemeralKey, receiver }, share, group.multiplyAll(dealingKey, ephemeral));
  });
  const constant = commitments.subarray(0, group.elementBytes);
  return {
    commitments,
    possession:
      terms.kind === "refresh"
        ? new Uint8Array(0)
        : provePossession(group, constantContext(digest), secrets[0]!, constant),
    ephemeralKey,
    ephemeralProof: provePossession(group, ephemeralContext(digest), ephemeral, ephemeralKey),
    ciphertexts: Buffer.concat(ciphertexts),
  };
}

/** The complaint of a receiver who makes one in any case. */
export function complaintOf(
  terms: DealingTerms,
  dealer: number,
  dealing: Dealing,
  receiver: number,
  dealingKey: Secret,
): Complaint {
  const point = terms.group.multiplyAll(dealing.ephemeralKey, dealingKey);
  const statement = new ComplaintStatement(terms, dealer, dealing, receiver, point);
  using nonce = statement.nonce(dealingKey);
  return { point, proof: generateProof(statement, dealingKey, nonce) };
}
