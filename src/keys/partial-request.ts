/** What gatekeepers are asked for when a contract's PRF is derived from shares (partial.ts). */
import { GatekeeperError } from "../errors.ts";
import type { HashedContracts } from "./contract-points.ts";
import { PROOF_ELEMENTS_MAX } from "./dleq.ts";
import { checkQuorum } from "./lagrange.ts";
import { checkRotationId } from "./rotation-id.ts";

/** Bytes of a genesis hash, a request nonce and a session. */
const REQUEST_FIELD_BYTES = 32;

/** All of it is public, and all of it is in the proof. */
export interface PartialRequest {
  /** Hash of the chain's genesis block. */
  readonly genesis: Uint8Array;
  /** Fresh for this request, so that no reply to another one passes. */
  readonly nonce: Uint8Array;
  /** The generation of the MasterKey. */
  readonly rotationId: number;
  /** The dealing that the shares come from: a reshared or refreshed MasterKey has the same rotation id. */
  readonly session: Uint8Array;
  /** Who is asked, rising, if partials are to be scaled for exactly these; null if whoever answers counts. */
  readonly quorum: readonly number[] | null;
  /** 1 to PROOF_ELEMENTS_MAX. Whoever is asked answers with elements of the same form: of secp256k1, uncompressed. */
  readonly contracts: HashedContracts;
}

/** @throws GatekeeperError INVALID_ARGUMENT when a field of the request does not have its documented form. */
export function checkRequest(request: PartialRequest): void {
  const { genesis, nonce, session, contracts, quorum, rotationId } = request;
  checkRotationId(rotationId);
  if (quorum !== null) checkQuorum(quorum);
  if ([genesis, nonce, session].some((field) => field.length !== REQUEST_FIELD_BYTES)) {
    throw new GatekeeperError("INVALID_ARGUMENT", `genesis, nonce and session have ${REQUEST_FIELD_BYTES} bytes each`);
  }
  if (contracts.count < 1 || contracts.count > PROOF_ELEMENTS_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a request has 1 to ${PROOF_ELEMENTS_MAX} contracts`, {
      contracts: contracts.count,
    });
  }
}
