/**
 * Trial partials: how the holder of a new share proves to the ledger that it has it, before the sharing comes into force.
 * It is a partial (partial.ts) for an id that is no contract's, SHA-256(label ‖ genesis 32 ‖ session 32), with the session's
 * id as the request's nonce, and no quorum.
 *
 * It proves more than that the share was known to somebody: that whoever posts it can do with it, here and now, what workers
 * will ask for. It is public, and so is, once t are there, the PRF at that id: no key is derived from it, and it says nothing
 * of the PRF anywhere else.
 */
import { createHash } from "node:crypto";
import { CONTEXT } from "../context.ts";
import { GatekeeperError } from "../errors.ts";
import { hashContracts } from "./contract-points.ts";
import type { Group } from "./group.ts";
import { evaluatePartials, verifyReply } from "./partial.ts";
import type { PartialRequest } from "./partial-request.ts";
import type { Share } from "./shamir.ts";

const LABEL = Buffer.from(CONTEXT.trialId, "ascii");

/** What a holder posts. Public; outside bytes. */
export interface TrialPartial {
  /** One element. */
  readonly partial: Uint8Array;
  /** PROOF_BYTES of dleq.ts. */
  readonly proof: Uint8Array;
}

/**
 * Proves that the caller has its share of a session.
 * @param genesis, session - 32 bytes each.
 * @param rotationId - of the MasterKey that is shared.
 * @param share - stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when something is out of its range, or the share no scalar from 1 to n − 1.
 */
export function proveTrial(
  group: Group,
  genesis: Uint8Array,
  session: Uint8Array,
  rotationId: number,
  share: Share,
): TrialPartial {
  const { partials, proof } = evaluatePartials(trialRequest(group, genesis, session, rotationId), share);
  return { partial: partials, proof };
}

/**
 * Whether a trial partial proves that who made it has the share with this verification share. Malformed ones don't.
 * @param index - the holder's.
 * @param verificationShare - Y of that index in that session, one element.
 * @throws GatekeeperError INVALID_ARGUMENT when genesis, session or rotation id are out of their range; ELEMENT_INVALID when
 * the verification share is no element.
 */
export function verifyTrial(
  group: Group,
  genesis: Uint8Array,
  session: Uint8Array,
  rotationId: number,
  index: number,
  verificationShare: Uint8Array,
  { partial, proof }: TrialPartial,
): boolean {
  const request = trialRequest(group, genesis, session, rotationId);
  try {
    verifyReply(request, verificationShare, { index, partials: partial, proof })[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "PROOF_INVALID") return false;
    throw error;
  }
}

function trialRequest(group: Group, genesis: Uint8Array, session: Uint8Array, rotationId: number): PartialRequest {
  const id = createHash("sha256").update(LABEL).update(genesis).update(session).digest();
  return { genesis, nonce: session, rotationId, session, quorum: null, contracts: hashContracts(group, id) };
}
