/**
 * What a gatekeeper's pRuntime answers to a pRuntime that asks for partials. It believes its own ledger alone: who asks is
 * registered and may serve, runs each of the contracts or has leased a partition that its states are in, and asks for the shares
 * that are in force.
 *
 * With the partials of t gatekeepers a contract's keys can be derived, so whoever is answered wrongly has them for ever. Who
 * asks before this ledger knows of an assignment, or after it knows that it is over, is refused, and asks again.
 */
import { toHex } from "../bytes.ts";
import { CONTRACT_ID_BYTES } from "../contract-id.ts";
import { hashContracts } from "../keys/contract-points.ts";
import { evaluatePartials } from "../keys/partial.ts";
import type { Share } from "../keys/shamir.ts";
import { type PublicKey, accountOf } from "../protocol/account.ts";
import { mayServe } from "../protocol/registry.ts";
import type { Signer } from "../protocol/message.ts";
import { REQUEST_CONTRACTS_MAX, statedHash } from "../protocol/partials-evidence.ts";
import { type Partition, hasLeased, leasesOf } from "../protocol/rotation.ts";
import type { Sharing } from "../protocol/sharing.ts";
import type { State } from "../protocol/state.ts";
import { fromHex } from "../bytes.ts";
import { partialGroup } from "../protocol/partial-groups.ts";
import type { PartialsRefusal, PartialsRefused, PartialsReply, PartialsRequest } from "./peer-message.ts";

/** What provisioning looks at of a ledger. */
export interface ProvisioningLedger {
  readonly genesisHash: Uint8Array;
  readonly state: Pick<
    State,
    "height" | "workers" | "measurements" | "contracts" | "sharings" | "rotation" | "partitions"
  >;
}

/** Who is asked. */
export interface PartialHolder {
  /** Its own, as far as it has followed the chain. */
  readonly ledger: ProvisioningLedger;
  /** Its IdentityKey. */
  readonly signer: Signer;
  /** The share of a sharing, by the number of its key session; lent, null where there is none. */
  readonly share: (epoch: number) => Share | null;
}

/** What is answered: partials, which are the caller's to wipe, or why there are none. */
export type PartialsAnswer =
  | { readonly tag: "partialsReply"; readonly value: PartialsReply }
  | { readonly tag: "partialsRefused"; readonly value: PartialsRefused };

/**
 * Answers a request.
 * @param sender - the IdentityKey that the request is signed by.
 * @param request - outside bytes, of the right form.
 */
export function answerPartials(holder: PartialHolder, sender: PublicKey, request: PartialsRequest): PartialsAnswer {
  const { ledger, signer } = holder;
  const refused = (reason: PartialsRefusal): PartialsAnswer => ({
    tag: "partialsRefused",
    value: { nonce: request.nonce, reason, height: ledger.state.height },
  });
  const { epoch, rotationId } = request;
  const sharing = ledger.state.sharings.find((each) => each.epoch === epoch && each.rotationId === rotationId);
  if (sharing === undefined) return refused("UnknownSharing");
  const share = holder.share(epoch);
  if (share === null || sharing.members[share.index - 1]?.identityKey !== signer.publicKey) return refused("NoShare");
  if (!isWellFormed(request, sharing, share.index)) return refused("BadRequest");
  if (!mayHaveAll(ledger, sender, request.contracts)) return refused("NotAssigned");
  const contracts = hashContracts(partialGroup(sharing.keySuite), request.contracts);
  const { partials, proof } = evaluatePartials(
    {
      genesis: ledger.genesisHash,
      nonce: fromHex(request.nonce, "a nonce"),
      rotationId,
      session: fromHex(sharing.session, "a session"),
      quorum: request.quorum,
      contracts,
    },
    share,
  );
  const { nonce, quorum } = request;
  const stated = {
    nonce,
    epoch,
    rotationId,
    index: share.index,
    quorum,
    contracts: request.contracts,
    partials,
    proof,
  };
  const signature = signer.sign(statedHash(ledger.genesisHash, stated));
  return { tag: "partialsReply", value: { nonce, proof, signature, partials } };
}

/** Whether there is something to multiply, and a factor to do it with. */
function isWellFormed({ contracts, quorum }: PartialsRequest, { members }: Sharing, index: number): boolean {
  const count = contracts.length / CONTRACT_ID_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > REQUEST_CONTRACTS_MAX) return false;
  if (quorum === null) return true;
  const rises = quorum.every((member, at) => member > (quorum[at - 1] ?? 0) && member <= members.length);
  return rises && quorum.includes(index);
}

/** Whether a pRuntime is registered, may serve, and runs each of these contracts, or rotates states of it. */
function mayHaveAll({ state }: ProvisioningLedger, sender: PublicKey, contracts: Uint8Array): boolean {
  const worker = state.workers.get(accountOf(sender));
  if (worker === undefined || !mayServe(state, worker)) return false;
  let leased: readonly Partition[] | null = null;
  for (let at = 0; at < contracts.length; at += CONTRACT_ID_BYTES) {
    const id = toHex(contracts.subarray(at, at + CONTRACT_ID_BYTES));
    if (state.contracts.get(id)?.worker === sender) continue;
    leased ??= leasesOf(state, sender);
    if (!hasLeased(leased, id)) return false;
  }
  return true;
}
