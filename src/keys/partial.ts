/**
 * Partials: the PRF of contract ids (contract-key.ts) under a share of the MasterKey instead of the MasterKey itself
 * (Naor–Pinkas–Reingold 1999, §4), for a batch of contracts, with one proof for all of them.
 *
 *   P_i = s_i·H          where no quorum is fixed: whoever combines applies the Lagrange coefficients
 *   P_i = (λ_i·s_i)·H    where one is: combining is a sum then, without a multiplication
 *
 * proved against Y_i = s_i·G or λ_i·Y_i (partial-proof.ts). With t = 1 every gatekeeper's share is the MasterKey's
 * scalar, and its partials are the PRF itself.
 *
 * **Partials are key material**: t of them make a contract's key, with t = 1 one does. A reply travels encrypted to who
 * asked, and whoever holds one wipes it. That a reply comes from the gatekeeper whose index it has is the channel's to
 * say; its bytes are outside bytes.
 */
import { GatekeeperError } from "../errors.ts";
import { Secret, secretCopy } from "../secret.ts";
import { generateProof, PROOF_BYTES, verifyProof } from "./dleq.ts";
import type { Group } from "./group.ts";
import { lagrangeCoefficient } from "./lagrange.ts";
import { PartialStatement } from "./partial-proof.ts";
import { checkRequest, type PartialRequest } from "./partial-request.ts";
import { SCALAR_BYTES } from "./scalars.ts";
import { isShareIndex, type Share } from "./shamir.ts";

/** What one gatekeeper answers. */
export interface PartialReply {
  readonly index: number;
  /** One element a contract, concatenated. Key material: see the file's comment. */
  readonly partials: Uint8Array;
  /** PROOF_BYTES. */
  readonly proof: Uint8Array;
}

/** What is wrong with a reply. */
type BlameReason =
  /** No verification share belongs to its index. */
  | "UNKNOWN"
  /** The quorum that was asked does not have its index. */
  | "NOT_ASKED"
  /** It has not one partial a contract, in the request's own form of elements, or its proof has another length than proofs. */
  | "LENGTH"
  /** A partial is no element. */
  | "ELEMENT"
  /** The proof does not prove the partials of this request. */
  | "PROOF";

/** A reply that does not count, and why. */
interface Blame {
  readonly index: number;
  readonly reason: BlameReason;
}

/**
 * Partials that are known to be right, by their proof or as one's own, under the request that they answer; only this module
 * makes them. They own a copy of the partials and wipe it on dispose.
 */
class VerifiedPartials implements Disposable {
  readonly request: PartialRequest;
  readonly index: number;
  readonly #partials: Uint8Array;

  /** @param request - copied but for its contracts: what was answered stays what it was, whatever becomes of the caller's. */
  constructor(request: PartialRequest, index: number, partials: Uint8Array) {
    const { genesis, nonce, session, quorum } = request;
    this.request = {
      ...request,
      genesis: genesis.slice(),
      nonce: nonce.slice(),
      session: session.slice(),
      quorum: quorum === null ? null : [...quorum],
    };
    this.index = index;
    this.#partials = secretCopy(partials);
  }

  /** Key material; stays this object's. */
  get partials(): Uint8Array {
    return this.#partials;
  }

  [Symbol.dispose](): void {
    this.#partials.fill(0);
  }
}
export type { VerifiedPartials };

/** The replies to a request, sorted. */
export interface SortedReplies {
  /** One an index. */
  readonly verified: readonly VerifiedPartials[];
  /** Those of an index of which no reply is right; one an index. */
  readonly blamed: readonly Blame[];
}

/**
 * A gatekeeper's answer. The caller encrypts it to who asked, and wipes the partials.
 * @param request - of the wire, its contracts hashed here.
 * @param share - stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when the request is malformed, its quorum does not have the share's index, or
 * the share is no scalar from 1 to n − 1.
 */
export function evaluatePartials(request: PartialRequest, share: Share): PartialReply {
  checkRequest(request);
  const { group, points } = request.contracts;
  using scaled = scaledSecret(group, share, request.quorum);
  const publicKey = group.multiplyBase([scaled]);
  const partials = group.multiplyAll(points, scaled);
  const statement = new PartialStatement(request, share.index, publicKey, partials);
  using nonce = statement.nonce(scaled);
  return { index: share.index, partials, proof: generateProof(statement, scaled, nonce) };
}

/**
 * A gatekeeper's partials for itself, which needs no proof of what it has computed: of a share that it has, and that was
 * confirmed, by a trial partial, to be the one that the ledger has the verification share of.
 * @returns The caller owns them.
 * @throws GatekeeperError as `evaluatePartials` does.
 */
export function ownPartials(request: PartialRequest, share: Share): VerifiedPartials {
  checkRequest(request);
  const { group, points } = request.contracts;
  using scaled = scaledSecret(group, share, request.quorum);
  const partials = group.multiplyAll(points, scaled);
  try {
    return new VerifiedPartials(request, share.index, partials);
  } finally {
    partials.fill(0);
  }
}

/** λ_i·s_i, or s_i where no quorum is fixed. */
function scaledSecret(group: Group, { index, secret }: Share, quorum: PartialRequest["quorum"]): Secret {
  if (quorum === null) return secret.clone();
  using zero = new Secret(new Uint8Array(SCALAR_BYTES));
  return group.multiplyAdd(secret, lagrangeCoefficient(group.scalars.order, quorum, index), zero);
}

/**
 * Checks one reply.
 * @param verificationShare - Y_i of the reply's index in the request's session, one element.
 * @returns The caller owns them.
 * @throws GatekeeperError PROOF_INVALID with detail.gatekeeper, the index, and detail.reason when the reply is not
 * right. Not the gatekeeper's fault: INVALID_ARGUMENT when the request is malformed, ELEMENT_INVALID when the
 * verification share is no element.
 */
export function verifyReply(
  request: PartialRequest,
  verificationShare: Uint8Array,
  reply: PartialReply,
): VerifiedPartials {
  checkRequest(request);
  const reason = faultOf(request, verificationShare, reply);
  if (reason === null) return new VerifiedPartials(request, reply.index, reply.partials);
  throw new GatekeeperError("PROOF_INVALID", `gatekeeper ${reply.index} gave partials that are not proved: ${reason}`, {
    gatekeeper: reply.index,
    reason,
  });
}

/**
 * Checks the replies of many gatekeepers and names those that are wrong. A second reply of an index is not looked at if
 * the first was right, and takes its place if not: somebody else may have sent it.
 * @param verificationShares - Y_i by index: everybody whose reply may count.
 * @returns The caller owns the verified ones.
 * @throws GatekeeperError INVALID_ARGUMENT and ELEMENT_INVALID as `verifyReply` does.
 */
export function sortReplies(
  request: PartialRequest,
  verificationShares: ReadonlyMap<number, Uint8Array>,
  replies: readonly PartialReply[],
): SortedReplies {
  checkRequest(request);
  const verified = new Map<number, VerifiedPartials>();
  const blamed = new Map<number, Blame>();
  try {
    for (const reply of replies) {
      const { index } = reply;
      if (verified.has(index)) continue;
      const verificationShare = verificationShares.get(index);
      const reason = verificationShare === undefined ? "UNKNOWN" : faultOf(request, verificationShare, reply);
      if (reason !== null) {
        blamed.set(index, { index, reason });
        continue;
      }
      blamed.delete(index);
      verified.set(index, new VerifiedPartials(request, index, reply.partials));
    }
  } catch (error) {
    for (const partials of verified.values()) partials[Symbol.dispose]();
    throw error;
  }
  return { verified: [...verified.values()], blamed: [...blamed.values()] };
}

/** What is wrong with a reply to a well-formed request, or null. */
function faultOf(request: PartialRequest, verificationShare: Uint8Array, reply: PartialReply): BlameReason | null {
  const { group, count } = request.contracts;
  const { index, partials, proof } = reply;
  if (!isShareIndex(index)) return "UNKNOWN";
  if (request.quorum !== null && !request.quorum.includes(index)) return "NOT_ASKED";
  if (partials.length !== count * group.elementBytes || proof.length !== PROOF_BYTES) return "LENGTH";
  const publicKey = scaledPublicKey(group, verificationShare, request.quorum, index);
  try {
    return verifyProof(new PartialStatement(request, index, publicKey, partials), proof) ? null : "PROOF";
  } catch (error) {
    // Public key and points are elements: one was made just above, the others by hashContracts. So it is a partial.
    if (error instanceof GatekeeperError && error.code === "ELEMENT_INVALID") return "ELEMENT";
    throw error;
  }
}

/** λ_i·Y_i, or Y_i where no quorum is fixed. */
function scaledPublicKey(
  group: Group,
  verificationShare: Uint8Array,
  quorum: PartialRequest["quorum"],
  index: number,
): Uint8Array {
  const coefficient = quorum === null ? 1n : lagrangeCoefficient(group.scalars.order, quorum, index);
  return group.linearCombinations([verificationShare], [coefficient]).elements;
}
