/** Which records of pages can't be opened. */
import { compareBytes, toHex } from "../bytes.ts";
import type { PageEngine } from "../engine/page-engine.ts";
import type { PageBody } from "../store/page.ts";
import type { PartitionKeys } from "./partition-keys.ts";

/**
 * Storage keys of the records that neither key of their contract opens, in ascending order, page by page; none of a page
 * that is malformed. Tags are checked, nothing is decrypted.
 * @param pages - of contracts both of whose keys are at hand.
 */
export function unopenedKeys(
  { engine, keys }: { readonly engine: PageEngine; readonly keys: PartitionKeys },
  pages: readonly PageBody[],
): Uint8Array[][] {
  const { from, to } = keys;
  if (pages.length === 0) return [];
  const pairs = pages.map(({ contract }) => keys.pair(contract)!);
  const jobs = pages.map(({ contract, body }, index) => ({ contract, body, key: pairs[index]!.key }));
  const freshJobs = jobs.map((job, index) => ({ ...job, key: pairs[index]!.newKey }));
  // Each leaves the other generation's records; both name those under neither, which are entered once.
  const old = engine.verify(from.suite, from.rotationId, to.rotationId, jobs);
  const fresh = engine.verify(to.suite, to.rotationId, from.rotationId, freshJobs);
  return pages.map((_, index) => {
    const unopened = [...old[index]!.mismatched, ...fresh[index]!.mismatched];
    return [...new Map(unopened.map((key) => [toHex(key), key])).values()].sort(compareBytes);
  });
}
