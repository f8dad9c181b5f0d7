/** A key session as the cryptography of dealings has it. The ledger verifies with it; a pRuntime deals and receives by it. */
import { fromHex } from "../bytes.ts";
import type { Dealing, DealingTerms, PreviousSharing } from "../keys/dealing.ts";
import { type Group, KEY_SUITE, type KeySuite } from "../keys/group.ts";
import { RISTRETTO255_GROUP } from "../keys/ristretto255-group.ts";
import { Secp256k1Group } from "../keys/secp256k1-group.ts";
import type { KeySession } from "./key-session.ts";
import type { Sharing } from "./sharing.ts";
import type { State } from "./state.ts";

/** Made when it is first needed: not every chain is of it. */
let secp256k1: Group | null = null;

/** The group of a key suite, with compressed elements. */
export function ledgerGroup(keySuite: KeySuite): Group {
  if (keySuite === KEY_SUITE.ristretto255) return RISTRETTO255_GROUP;
  secp256k1 ??= new Secp256k1Group("compressed");
  return secp256k1;
}

/** Dealings that nobody was right to complain about, by dealer, rising; of a resharing, as many as shares are needed. */
export function qualifiedDealings(
  { dealings, sharings }: Pick<State, "dealings" | "sharings">,
  { kind, rotationId }: KeySession,
): readonly { readonly dealer: number; readonly dealing: Dealing }[] {
  const qualified = [...dealings.values()]
    .filter(({ disqualified }) => !disqualified)
    .map((dealing) => ({ dealer: dealing.dealer, dealing }));
  const { threshold = 0 } = sharings.find((sharing) => sharing.rotationId === rotationId) ?? {};
  return kind === "resharing" ? qualified.slice(0, threshold) : qualified;
}

/** What the dealings of a session have in common, once its receivers are known. */
export function termsOf(
  genesisHash: Uint8Array,
  { sharings }: Pick<State, "sharings">,
  { id, kind, rotationId, keySuite, threshold, members }: KeySession,
): DealingTerms {
  const terms = {
    group: ledgerGroup(keySuite),
    genesis: genesisHash,
    session: fromHex(id, "a session"),
    minShares: threshold,
    // Convicted ones too: what was dealt to them stands in every dealing.
    receivers: members.flatMap(({ dealingKey }, at) =>
      dealingKey === null ? [] : [{ index: at + 1, dealingKey: fromHex(dealingKey, "a dealing key") }],
    ),
  };
  if (kind === "generation") return { ...terms, kind };
  const sharing = sharings.find((known) => known.rotationId === rotationId)!;
  return { ...terms, kind, previous: previousOf(sharing) };
}

function previousOf({ publicKey, threshold, members }: Sharing): PreviousSharing {
  const shares = members.flatMap(({ verificationShare }, at) =>
    verificationShare === null ? [] : [[at + 1, fromHex(verificationShare, "a verification share")] as const],
  );
  return {
    publicKey: fromHex(publicKey, "a public key"),
    minShares: threshold,
    verificationShares: new Map(shares),
  };
}
