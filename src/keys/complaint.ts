/**
 * Complaints: how a receiver j shows everybody that the sub-share a dealer sent it is bad. It reveals Z = d_j·E, the
 * Diffie–Hellman point of its dealing key and the dealing's ephemeral key, with a proof of equal discrete logarithms
 * (dleq.ts) that Z is to E what its dealing key D_j is to G:
 *
 *   T = SHA-256(label ‖ digest 32 ‖ receiver 2 ‖ E ‖ D_j ‖ Z), where the digest is the dealing's (dealing.ts)
 *   c = hash_to_scalar(T ‖ t2 ‖ t3) under a domain separation tag; t2 = r·G, t3 = r·E
 *
 * With Z the judge opens the ciphertext as the receiver does, by the same code: so there is no sub-share that the receiver
 * can't use and the judge finds good, nor the other way round. That Z says nothing of anybody else's sub-shares is what
 * dealing.ts has the ephemeral key proved for.
 */
import { createHash } from "node:crypto";
import { CONTEXT } from "../context.ts";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { checkDealer, checkTerms, type Dealing, type DealingTerms, dealingDigest, placeOf, u16 } from "./dealing.ts";
import { type DleqStatement, verifyProof } from "./dleq.ts";
import type { Group } from "./group.ts";
import { hedgedNonce } from "./hedged-nonce.ts";
import { subShareOf } from "./sub-share.ts";

const TRANSCRIPT_LABEL = Buffer.from(CONTEXT.complaintTranscript, "ascii");
const CHALLENGE_DST = Buffer.from(CONTEXT.complaintChallenge, "ascii");
const NONCE_LABEL = Buffer.from(CONTEXT.complaintNonce, "ascii");

/** What a receiver says about a dealing. Outside bytes. */
export interface Complaint {
  /** Z: one element. */
  readonly point: Uint8Array;
  /** PROOF_BYTES of dleq.ts. */
  readonly proof: Uint8Array;
}

/** Whom a complaint is evidence against: the dealer, or the receiver who made it. */
export type Judgement = "BAD_DEALING" | "FALSE_COMPLAINT";

/** That a point is d_j·E for the secret d_j of a receiver's dealing key. */
export class ComplaintStatement implements DleqStatement {
  readonly group: Group;
  readonly publicKey: Uint8Array;
  readonly inputs: Uint8Array;
  readonly outputs: Uint8Array;
  /** T: 32 bytes. */
  readonly #transcript: Uint8Array;

  /**
   * @param terms, dealer, dealing, receiver - the caller has checked them.
   * @param point - Z.
   */
  constructor(terms: DealingTerms, dealer: number, dealing: Dealing, receiver: number, point: Uint8Array) {
    const { dealingKey } = terms.receivers[placeOf(terms, receiver)]!;
    this.group = terms.group;
    this.publicKey = dealingKey;
    this.inputs = dealing.ephemeralKey;
    this.outputs = point;
    this.#transcript = createHash("sha256")
      .update(TRANSCRIPT_LABEL)
      .update(dealingDigest(terms, dealer, dealing.commitments))
      .update(u16(receiver))
      .update(dealing.ephemeralKey)
      .update(dealingKey)
      .update(point)
      .digest();
  }

  /** A batch of one element is its own sum. */
  fold(elements: Uint8Array): Uint8Array {
    return elements;
  }

  challenge(_m: Uint8Array, _z: Uint8Array, t2: Uint8Array, t3: Uint8Array): bigint {
    return this.group.hashToScalar(Buffer.concat([this.#transcript, t2, t3]), CHALLENGE_DST);
  }

  /**
   * A nonce for a proof of this statement. The caller owns it.
   * @param dealingKey - the secret d_j; stays the caller's.
   */
  nonce(dealingKey: Secret): Secret {
    return hedgedNonce(this.group, dealingKey, this.#transcript, NONCE_LABEL);
  }
}

/**
 * Judges a complaint; everybody comes to the same judgement. The bytes of a complaint may be any: those that prove nothing
 * are a false one.
 * @param dealing - one in which `dealingFault` found nothing.
 * @param receiver - the index of who complains.
 * @throws GatekeeperError INVALID_ARGUMENT when the terms are none, or have no such dealer or receiver.
 */
export function judgeComplaint(
  terms: DealingTerms,
  dealer: number,
  dealing: Dealing,
  receiver: number,
  { point, proof }: Complaint,
): Judgement {
  checkTerms(terms);
  checkDealer(terms, dealer);
  const statement = new ComplaintStatement(terms, dealer, dealing, receiver, point);
  if (point.length !== terms.group.elementBytes) return "FALSE_COMPLAINT";
  if (!isProved(statement, proof)) return "FALSE_COMPLAINT";
  using share = subShareOf(terms, dealer, dealing, receiver, point);
  return share === null ? "BAD_DEALING" : "FALSE_COMPLAINT";
}

function isProved(statement: ComplaintStatement, proof: Uint8Array): boolean {
  try {
    return verifyProof(statement, proof);
  } catch (error) {
    // Dealing key and ephemeral key are elements: their possession was proved. So it is the point.
    if (error instanceof GatekeeperError && error.code === "ELEMENT_INVALID") return false;
    throw error;
  }
}
