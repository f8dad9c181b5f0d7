/**
 * What a pRuntime does when a MasterKey is abandoned that it was given keys of, because it ran contracts or rotated their states.
 * Those keys are wiped when the ledger says so (provisioning.ts); but what gatekeepers sent to it is on the wire for ever, and the
 * EcdhKeys to which they sealed it would open it. So it publishes another one, and destroys all that were before.
 *
 * Then a process takes its place of which the memory never had any of it: that one declares that nothing is left.
 */
import { type PublicKey, accountOf } from "../protocol/account.ts";
import type { Call } from "../protocol/call.ts";
import type { Ledger } from "../protocol/ledger.ts";
import type { EcdhKeys } from "./ecdh-keys.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";
import type { Shareholder } from "./shareholder.ts";

/** Blocks before its deadline in which a declaration comes first: a message may come into a block behind the next. */
const PRESSING_BLOCKS = 3;

/** Of one pRuntime. */
export class Abandonment {
  readonly #identityKey: PublicKey;
  /** Whether it has destroyed EcdhKeys, since this process began, that its memory may remember. */
  #remembersEcdhKeys = false;

  constructor(identityKey: PublicKey) {
    this.#identityKey = identityKey;
  }

  /**
   * Destroys the EcdhKeys that keys of contracts were sealed to, and makes another where the current one is one of them.
   * @param ecdhKeys - lent.
   * @returns whether they have changed, and are to be sealed.
   */
  follow({ state }: Ledger, ecdhKeys: EcdhKeys): boolean {
    const since = this.#owedSince(state);
    if (since === null) return false;
    const destroyed = ecdhKeys.destroyKept().length > 0;
    if (destroyed) this.#remembersEcdhKeys = true;
    const isRegistered = state.workers.has(accountOf(this.#identityKey));
    // One that is not registered any more can publish no other: it declares nothing, and the chain says so of it.
    if (isFresh(ecdhKeys, since) || ecdhKeys.pending !== null || !isRegistered) return destroyed;
    ecdhKeys.rotate();
    return true;
  }

  /** Whether all is destroyed, but for what the memory of this process may remember. */
  mustBeReplaced(
    { state }: Ledger,
    ecdhKeys: EcdhKeys,
    shareholder: Shareholder,
    contractKeys: ProvisionedKeys,
  ): boolean {
    const oldest = state.sharings[0]?.rotationId;
    const since = this.#owedSince(state);
    if (oldest === undefined || (since !== null && !isFresh(ecdhKeys, since))) return false;
    return (
      contractKeys.remembersBefore(oldest) ||
      shareholder.remembersAbandoned({ state }) ||
      (since !== null && this.#remembersEcdhKeys)
    );
  }

  /** The declaration, where it is owed and true, in a process that remembers nothing. */
  dueCall({ state }: Ledger, ecdhKeys: EcdhKeys): Call | null {
    const since = this.#owedSince(state);
    if (since === null || !isFresh(ecdhKeys, since)) return null;
    return { tag: "declareAbandoned", value: state.rotation!.from + 1 };
  }

  /** Whether the last blocks in which the chain takes it have come: from its deadline on a rotation may end without it. */
  isPressing({ state: { rotation, height } }: Ledger): boolean {
    return rotation !== null && (rotation.late > 0 || rotation.deadline <= height + PRESSING_BLOCKS);
  }

  /** The first block of the abandonment in which it owes a declaration; null where it owes none. */
  #owedSince({ rotation, keyUsers }: Ledger["state"]): number | null {
    if (rotation?.phase !== "abandonment") return null;
    const user = keyUsers.get(accountOf(this.#identityKey));
    return user !== undefined && user.since <= rotation.from ? rotation.since : null;
  }
}

/** Whether the chain has had the current EcdhKey since the abandonment began only: nothing of the old MasterKey was sealed to it. */
function isFresh({ current }: EcdhKeys, since: number): boolean {
  return current !== null && current.since >= since;
}
