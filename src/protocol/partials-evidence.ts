/**
 * Partials as a gatekeeper gives them, with its signature: if they are wrong, whoever got them can show that to everybody.
 *
 * What is signed says all that the proof of the partials is about, so nobody has to be believed what was asked: the ledger
 * has the gatekeeper's verification share, and checks the proof itself. Right partials prove nothing against anybody. What
 * evidence reveals are the liar's own partials; of those it takes t to make a key, and fewer than t lie.
 *
 * Signed, by ECDSA as messages are, is BLAKE2b-256(domain ‖ SHA-256(head ‖ contracts ‖ partials)), where the head is all the
 * rest with the lengths of the two, and the domain BLAKE2b-256(context ‖ genesis hash). Hashed piece by piece, because right
 * partials are key material: nothing copies them.
 */
import { createHash } from "node:crypto";
import { fromHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import { CONTRACT_ID_BYTES } from "../contract-id.ts";
import { GatekeeperError } from "../errors.ts";
import { hashContracts } from "../keys/contract-points.ts";
import { PROOF_BYTES } from "../keys/dleq.ts";
import { verifyReply } from "../keys/partial.ts";
import { type PublicKey, SIGNATURE_BYTES, blake2b256, publicKeyCodec } from "./account.ts";
import { chainElement, partialGroup } from "./partial-groups.ts";
import {
  type Hex,
  boundedBytes,
  boundedVector,
  encode,
  exactBytes,
  hexBytes,
  joined,
  nullable,
  struct,
  u32,
} from "./scale.ts";
import { GATEKEEPERS_MAX, type Sharing } from "./sharing.ts";

/** Contracts that partials are asked for at a time, at most: with the answer they fit into a message of the chain. */
export const REQUEST_CONTRACTS_MAX = 512;
const NONCE_BYTES = 32;
/** An uncompressed point of secp256k1, which no other group's elements are longer than. */
const PARTIAL_BYTES_MAX = 65;

/** Everything that a gatekeeper's proof is about, but for what the ledger knows of the sharing. */
export interface StatedPartials {
  /** The request's. */
  readonly nonce: Hex;
  /** The key session that made the sharing. */
  readonly epoch: number;
  readonly rotationId: number;
  /** The gatekeeper's. */
  readonly index: number;
  readonly quorum: readonly number[] | null;
  /** Ids in a row. */
  readonly contracts: Uint8Array;
  /** One a contract. Key material where they are right. */
  readonly partials: Uint8Array;
  readonly proof: Uint8Array;
}

/** Partials with the signature of whoever gave them. */
export interface PartialsEvidence extends StatedPartials {
  readonly gatekeeper: PublicKey;
  readonly signature: Uint8Array;
}

const head = {
  nonce: hexBytes(NONCE_BYTES),
  epoch: u32,
  rotationId: u32,
  index: u32,
  quorum: nullable(boundedVector(u32, GATEKEEPERS_MAX)),
};

const statedHeadCodec = struct<
  Omit<StatedPartials, "contracts" | "partials"> & { readonly contractBytes: number; readonly partialBytes: number }
>({ ...head, proof: exactBytes(PROOF_BYTES), contractBytes: u32, partialBytes: u32 });

export const partialsEvidenceCodec = struct<PartialsEvidence>({
  gatekeeper: publicKeyCodec,
  ...head,
  contracts: boundedBytes(REQUEST_CONTRACTS_MAX * CONTRACT_ID_BYTES),
  partials: boundedBytes(REQUEST_CONTRACTS_MAX * PARTIAL_BYTES_MAX),
  proof: exactBytes(PROOF_BYTES),
  signature: exactBytes(SIGNATURE_BYTES),
});

/** 32 bytes that stand for the partials of one chain. */
export function partialsDomain(genesisHash: Uint8Array): Uint8Array {
  return blake2b256(joined([Buffer.from(CONTEXT.statedPartials, "ascii"), genesisHash]));
}

/** What is signed behind that domain: 32 bytes. */
export function statedDigest({ contracts, partials, ...rest }: StatedPartials): Uint8Array {
  const { nonce, epoch, rotationId, index, quorum, proof } = rest;
  const [contractBytes, partialBytes] = [contracts.length, partials.length];
  const begin = encode(statedHeadCodec, {
    nonce,
    epoch,
    rotationId,
    index,
    quorum,
    proof,
    contractBytes,
    partialBytes,
  });
  return createHash("sha256").update(begin).update(contracts).update(partials).digest();
}

/** The hash that a gatekeeper signs. */
export function statedHash(genesisHash: Uint8Array, stated: StatedPartials): Uint8Array {
  return blake2b256(joined([partialsDomain(genesisHash), statedDigest(stated)]));
}

/**
 * Whether partials that a gatekeeper has signed are wrong: not proved under the verification share that the ledger has of it.
 * What it can't have been asked for shows nothing.
 * @param sharing - in force, of the evidence's epoch.
 */
export function areWrong(genesisHash: Uint8Array, sharing: Sharing, evidence: PartialsEvidence): boolean {
  const { gatekeeper, index, nonce, rotationId, quorum, contracts, partials, proof } = evidence;
  const member = sharing.members[index - 1];
  if (member?.identityKey !== gatekeeper || member.verificationShare === null) return false;
  if (rotationId !== sharing.rotationId || contracts.length === 0) return false;
  try {
    const request = {
      genesis: genesisHash,
      nonce: fromHex(nonce, "a nonce"),
      rotationId,
      session: fromHex(sharing.session, "a session"),
      quorum,
      contracts: hashContracts(partialGroup(sharing.keySuite), contracts),
    };
    const verificationShare = chainElement(sharing.keySuite, member.verificationShare);
    verifyReply(request, verificationShare, { index, partials, proof })[Symbol.dispose]();
    return false;
  } catch (error) {
    if (!(error instanceof GatekeeperError)) throw error;
    // Of a request that is none, INVALID_ARGUMENT.
    return error.code === "PROOF_INVALID" && error.detail["reason"] !== "NOT_ASKED";
  }
}
