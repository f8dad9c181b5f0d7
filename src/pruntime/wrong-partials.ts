/**
 * Evidence of gatekeepers that gave wrong partials, until the chain has it. Kept in memory: whoever lies once is asked again,
 * and who does not, does no harm.
 */
import type { Secp256k1 } from "../engine/secp256k1.ts";
import { fromHex } from "../bytes.ts";
import type { PublicKey } from "../protocol/account.ts";
import type { Call } from "../protocol/call.ts";
import type { Ledger } from "../protocol/ledger.ts";
import { hasLowS } from "../protocol/message.ts";
import { type PartialsEvidence, statedHash } from "../protocol/partials-evidence.ts";

/** Keeps one piece of evidence of each gatekeeper. */
export class WrongPartials {
  readonly #curve: Secp256k1;
  readonly #kept = new Map<PublicKey, PartialsEvidence>();

  /** @param curve - of compressed points; lent. */
  constructor(curve: Secp256k1) {
    this.#curve = curve;
  }

  /** Keeps evidence, if the gatekeeper has signed it: what it did not sign shows nothing to others. */
  keep({ genesisHash }: Ledger, evidence: PartialsEvidence): void {
    const { gatekeeper, signature } = evidence;
    const key = fromHex(gatekeeper, "an IdentityKey");
    const hash = statedHash(genesisHash, evidence);
    if (!hasLowS(signature) || this.#curve.invalidSignatures(hash, signature, key).length > 0) {
      // Right ones may be among them, and nobody is to be shown them.
      evidence.partials.fill(0);
      return;
    }
    this.#kept.set(gatekeeper, evidence);
  }

  /** What is to be reported, each once; null where there is nothing. */
  dueReport({ state }: Ledger): Call | null {
    for (const [gatekeeper, evidence] of this.#kept) {
      this.#kept.delete(gatekeeper);
      const isOpen = !state.excluded.includes(gatekeeper);
      if (isOpen && state.sharings.some(({ epoch }) => epoch === evidence.epoch)) {
        return { tag: "reportOffence", value: { tag: "wrongPartials", value: evidence } };
      }
    }
    return null;
  }
}
