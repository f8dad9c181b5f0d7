/** How contracts' EcdhKeys get on chain: by the pRuntime that runs them, as soon as it has their keys. */
import type { PublicKey } from "../protocol/account.ts";
import { CONTRACT_KEYS_MAX, type Call } from "../protocol/call.ts";
import type { State } from "../protocol/state.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";

/**
 * What is to be published now; null where the chain has all.
 *
 * It is what the ledger says that decides, so it is said until the ledger has it; a key that another pRuntime published
 * wrongly is put right.
 * @param identityKey - of the pRuntime that has the keys.
 */
export function duePublication(
  { contracts }: Pick<State, "contracts">,
  identityKey: PublicKey,
  keys: ProvisionedKeys,
): Call | null {
  const { newest: rotationId } = keys;
  if (rotationId === null) return null;
  for (let some = keys.unpublished(CONTRACT_KEYS_MAX); some.length > 0; some = keys.unpublished(CONTRACT_KEYS_MAX)) {
    const held = some.filter(
      (contract) => keys.has(rotationId, contract) && contracts.get(contract)?.worker === identityKey,
    );
    const ecdhKeys = keys.publicEcdhKeys(rotationId, held);
    const missing = held.flatMap((contract, at) => {
      const ecdhKey = ecdhKeys[at]!;
      const known = contracts.get(contract)!.ecdhKey;
      return known?.rotationId === rotationId && known.publicKey === ecdhKey ? [] : [{ contract, ecdhKey }];
    });
    const open = new Set(missing.map(({ contract }) => contract));
    keys.published(some.filter((contract) => !open.has(contract)));
    if (missing.length > 0) return { tag: "publishContractKeys", value: { rotationId, keys: missing } };
  }
  return null;
}
