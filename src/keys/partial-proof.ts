/**
 * What a gatekeeper proves about a batch of partials, and how it is hashed: dleq.ts with transcript, weights and
 * challenge of our own.
 *
 *   T = SHA-256(label ‖ key suite 1 ‖ genesis 32 ‖ request nonce 32 ‖ rotation id 4 ‖ session 32 ‖ index 2 ‖
 *               members of the quorum 2 ‖ each member 2 ‖ public key B ‖ contracts 4 ‖ every id ‖ every partial)
 *   weights d_i: 16 bytes each of SHAKE256(label ‖ T), big-endian
 *   c = hash_to_scalar(T ‖ M ‖ Z ‖ t2 ‖ t3) under a domain separation tag
 *   nonce r: of hedged-nonce.ts, for T
 *
 * Numbers are little-endian; no quorum is one of 0 members. Every part has a length that is fixed or stands before it,
 * so different statements never hash the same bytes. The inputs C are not hashed: the ids are, which they are hashes of.
 *
 * Weights of 128 bits are enough: a batch with a wrong partial folds to a true statement with probability 2^−128, so who
 * looks for one hashes 2^128 batches, which is the strength of the groups. 65,535 elements at most do not change it.
 */
import { createHash } from "node:crypto";
import type { Secret } from "../secret.ts";
import { CONTEXT } from "../context.ts";
import type { DleqStatement } from "./dleq.ts";
import { type Group, WEIGHT_BYTES } from "./group.ts";
import { hedgedNonce } from "./hedged-nonce.ts";
import type { PartialRequest } from "./partial-request.ts";

const TRANSCRIPT_LABEL = Buffer.from(CONTEXT.dleqTranscript, "ascii");
const WEIGHTS_LABEL = Buffer.from(CONTEXT.dleqWeights, "ascii");
const CHALLENGE_DST = Buffer.from(CONTEXT.dleqChallenge, "ascii");
const NONCE_INFO = Buffer.from(CONTEXT.dleqNonce, "ascii");

/** That a gatekeeper's partials are k times the contracts' points, for the k of a public key. */
export class PartialStatement implements DleqStatement {
  readonly group: Group;
  readonly publicKey: Uint8Array;
  readonly inputs: Uint8Array;
  readonly outputs: Uint8Array;
  /** T: 32 bytes. */
  readonly #transcript: Uint8Array;
  readonly #weights: Uint8Array;

  /**
   * @param request - its fields' lengths are the caller's to check.
   * @param index - the gatekeeper's.
   * @param publicKey - λ_i·Y_i, one element.
   * @param partials - as many as the request has contracts.
   */
  constructor(request: PartialRequest, index: number, publicKey: Uint8Array, partials: Uint8Array) {
    const { contracts } = request;
    this.group = contracts.group;
    this.publicKey = publicKey;
    this.inputs = contracts.points;
    this.outputs = partials;
    this.#transcript = transcriptOf(request, index, publicKey, partials);
    this.#weights = createHash("shake256", { outputLength: contracts.count * WEIGHT_BYTES })
      .update(WEIGHTS_LABEL)
      .update(this.#transcript)
      .digest();
  }

  fold(elements: Uint8Array): Uint8Array | null {
    return this.group.multiScalar(elements, this.#weights);
  }

  challenge(m: Uint8Array, z: Uint8Array, t2: Uint8Array, t3: Uint8Array): bigint {
    return this.group.hashToScalar(Buffer.concat([this.#transcript, m, z, t2, t3]), CHALLENGE_DST);
  }

  /**
   * A nonce for a proof of this statement under k. The caller owns it.
   * @param k - the secret that the proof is about.
   */
  nonce(k: Secret): Secret {
    return hedgedNonce(this.group, k, this.#transcript, NONCE_INFO);
  }
}

function transcriptOf(request: PartialRequest, index: number, publicKey: Uint8Array, partials: Uint8Array): Uint8Array {
  const { contracts, genesis, nonce, session, rotationId } = request;
  const quorum = request.quorum ?? [];
  return createHash("sha256")
    .update(TRANSCRIPT_LABEL)
    .update(Uint8Array.of(contracts.group.keySuite))
    .update(genesis)
    .update(nonce)
    .update(u32(rotationId))
    .update(session)
    .update(Uint8Array.from([index, quorum.length, ...quorum].flatMap((value) => [value & 0xff, value >>> 8])))
    .update(publicKey)
    .update(u32(contracts.count))
    .update(contracts.ids)
    .update(partials)
    .digest();
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
