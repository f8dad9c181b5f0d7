/** Of which contracts keys are wanted, so that work on a partition can go on. */
import { compareBytes } from "../bytes.ts";
import type { PageRange, PageRef, StateStore } from "../store/store.ts";
import type { PartitionKeys } from "./partition-keys.ts";

/** Contracts that are named at once, at most. */
const MISSING_KEYS_MAX = 1_024;
const CONTRACTS_AT_ONCE = 1_024;

/**
 * Contracts of a range, in order, some of whose keys are not at hand.
 * @param page - the page that work can't go on with: its contract is the first.
 */
export async function missingKeysFrom(
  { store, keys }: { readonly store: StateStore; readonly keys: PartitionKeys },
  { to }: PageRange,
  page: PageRef,
): Promise<Uint8Array[]> {
  const missing = [page.contract];
  for (let after = page.contract; ;) {
    const entries = await store.contracts(after, CONTRACTS_AT_ONCE);
    for (const { id, records } of entries) {
      const order = to === null ? -1 : compareBytes(id, to.contract);
      if (missing.length === MISSING_KEYS_MAX || order > 0 || (order === 0 && to!.lowerBound.length === 0))
        return missing;
      if (records > 0 && keys.pair(id) === null) missing.push(id);
    }
    const last = entries.at(-1);
    if (last === undefined) return missing;
    after = last.id;
  }
}
