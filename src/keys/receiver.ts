/** The receiver's part of a session: its sub-shares, its complaints, and the share that it comes to have. */
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { type Complaint, ComplaintStatement } from "./complaint.ts";
import {
  checkDealer,
  checkTerms,
  type Dealing,
  type DealingTerms,
  type GenerationTerms,
  placeOf,
  type RefreshTerms,
  type ResharingTerms,
} from "./dealing.ts";
import { generateProof } from "./dleq.ts";
import { SCALAR_BYTES } from "./scalars.ts";
import { Share } from "./shamir.ts";
import { dealerWeights } from "./sharing.ts";
import { subShareOf } from "./sub-share.ts";

/** A sub-share, and whose it was. */
export interface DealtSubShare {
  readonly dealer: number;
  /** Of `openSubShare`. */
  readonly share: Share;
}

/**
 * Decrypts and checks the sub-share of one dealing; the caller owns it.
 * @param dealing - one in which `dealingFault` found nothing.
 * @param receiver - the own index.
 * @param dealingKey - the secret of the own dealing key; stays the caller's.
 * @throws GatekeeperError SHARE_INVALID, with detail.dealer and detail.receiver, exactly where `judgeComplaint` finds a
 * `complain` to be right. INVALID_ARGUMENT when the terms are none, have no such dealer or receiver, or another dealing key
 * for it.
 */
export function openSubShare(
  terms: DealingTerms,
  dealer: number,
  dealing: Dealing,
  receiver: number,
  dealingKey: Secret,
): Share {
  const point = sharedPoint(terms, dealer, dealing, receiver, dealingKey);
  try {
    const share = subShareOf(terms, dealer, dealing, receiver, point);
    if (share !== null) return share;
  } finally {
    point.fill(0);
  }
  throw new GatekeeperError("SHARE_INVALID", `dealer ${dealer} sent a bad sub-share to receiver ${receiver}`, {
    dealer,
    receiver,
  });
}

/**
 * A complaint about a dealing whose sub-share `openSubShare` refused. It reveals what the sub-share is encrypted under.
 * @param dealing, receiver, dealingKey - as for `openSubShare`.
 * @throws GatekeeperError INVALID_ARGUMENT when the sub-share is good: it would be revealed, and the complaint a false one;
 * and as `openSubShare` does.
 */
export function complain(
  terms: DealingTerms,
  dealer: number,
  dealing: Dealing,
  receiver: number,
  dealingKey: Secret,
): Complaint {
  const point = sharedPoint(terms, dealer, dealing, receiver, dealingKey);
  using share = subShareOf(terms, dealer, dealing, receiver, point);
  if (share !== null) {
    point.fill(0);
    throw new GatekeeperError("INVALID_ARGUMENT", `the sub-share of dealer ${dealer} is good`, { dealer, receiver });
  }
  const statement = new ComplaintStatement(terms, dealer, dealing, receiver, point);
  using nonce = statement.nonce(dealingKey);
  return { point, proof: generateProof(statement, dealingKey, nonce) };
}

/**
 * The share of a generation or a resharing: Σ w_i·f_i(j) over the qualified dealers, with the weights of `dealerWeights`.
 * The caller owns it.
 * @param subShares - of one receiver, from exactly the dealers that the ledger takes, in any order; stay the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when they are too few, or not of one receiver, or the terms are none;
 * SHARE_INVALID with detail.receiver when the share is zero: then the session has no outcome (`sharingOutcome`).
 */
export function combineSubShares(terms: GenerationTerms | ResharingTerms, subShares: readonly DealtSubShare[]): Share;
/**
 * The share of a refresh: the old one and Σ f_i(j). The caller owns it.
 * @param previous - the own old share; stays the caller's.
 * @throws GatekeeperError as above, and SHARE_INVALID when the old share is another than its verification share says.
 */
export function combineSubShares(terms: RefreshTerms, subShares: readonly DealtSubShare[], previous: Share): Share;
export function combineSubShares(
  terms: DealingTerms,
  subShares: readonly DealtSubShare[],
  previous: Share | null = null,
): Share {
  checkTerms(terms);
  const weights = dealerWeights(
    terms,
    subShares.map(({ dealer }) => dealer),
  );
  const { index } = subShares[0]!.share;
  placeOf(terms, index);
  let sum = beginning(terms, index, previous);
  subShares.forEach(({ share }, i) => {
    using before = sum;
    if (share.index !== index) throw invalid("sub-shares of different receivers make no share");
    sum = terms.group.multiplyAdd(share.secret, weights[i]!, before);
  });
  const combined = new Share(index, sum);
  if (combined.secret.use((bytes) => terms.group.scalars.isKey(bytes))) return combined;
  combined[Symbol.dispose]();
  throw new GatekeeperError("SHARE_INVALID", `share ${index} is zero`, { receiver: index });
}

/**
 * What sub-shares are added to, zero or the old share of a refresh; the caller owns it.
 * @throws GatekeeperError INVALID_ARGUMENT when the kind does not go with an old share, or the lack of one.
 */
function beginning(terms: DealingTerms, index: number, previous: Share | null): Secret {
  if (terms.kind !== "refresh") {
    if (previous === null) return new Secret(new Uint8Array(SCALAR_BYTES));
    throw invalid("an old share counts in a refresh, and in nothing else");
  }
  if (previous?.index !== index) throw invalid(`receiver ${index} refreshes the share that it has`);
  const expected = terms.previous.verificationShares.get(index)!;
  const isScalar = previous.secret.use((bytes) => terms.group.scalars.isKey(bytes));
  if (isScalar && Buffer.compare(terms.group.multiplyBase([previous.secret]), expected) === 0) {
    return previous.secret.clone();
  }
  throw new GatekeeperError("SHARE_INVALID", `the old share ${index} is another than its verification share says`, {
    receiver: index,
  });
}

/**
 * Z = d_j·E; the caller wipes it.
 * @throws GatekeeperError INVALID_ARGUMENT as `openSubShare` does.
 */
function sharedPoint(
  terms: DealingTerms,
  dealer: number,
  { ephemeralKey }: Dealing,
  receiver: number,
  dealingKey: Secret,
): Uint8Array<ArrayBuffer> {
  checkTerms(terms);
  checkDealer(terms, dealer);
  const { group, receivers } = terms;
  const expected = receivers[placeOf(terms, receiver)]!.dealingKey;
  // With another key every dealing would look bad, and every complaint be a false one.
  if (Buffer.compare(group.multiplyBase([dealingKey]), expected) !== 0) {
    throw invalid(`this is not the secret of receiver ${receiver}'s dealing key`);
  }
  return group.multiplyAll(ephemeralKey, dealingKey);
}

function invalid(message: string): GatekeeperError {
  return new GatekeeperError("INVALID_ARGUMENT", message);
}
