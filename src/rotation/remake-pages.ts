/**
 * Makes pages of a mirror anew that make no sense: whoever copies may have written what he likes there, and until the copy is
 * verified nobody else looks. Who writes one of the keys that they cover would else have to wait until then. Nothing of such a page
 * is of any account: all that the source has in its place is carried over, as a copy is (copy-leased.ts).
 */
import { compareBytes } from "../bytes.ts";
import { comparePlaces } from "../store/page.ts";
import type { CellExpectation, Page, PageRange, PageRef, StateStore } from "../store/store.ts";
import { readRecords } from "./kept-page.ts";
import { transferStretch } from "./transfer-stretch.ts";
import { namesOf, type TransferMeans, type TransferStores } from "./transfer.ts";

/** Page bytes that are read of each store for one commit. */
const STRETCH_BYTES = 1 << 21;

/**
 * Makes the mirror's pages anew that cover some keys of a contract, where they make no sense.
 * @param keys - of the contract, whose keys of both generations are at hand.
 * @param expects - the mirror's cells that each commit depends on.
 * @returns false where the mirror is none any more.
 * @throws GatekeeperError KEY_UNAVAILABLE for keys that were wiped; STORE_*, KERNEL_*.
 */
export async function remakePages(
  context: TransferStores & TransferMeans,
  contract: Uint8Array,
  keys: readonly Uint8Array[],
  expects: readonly CellExpectation[],
): Promise<boolean> {
  for (const key of keys) {
    const page = await context.target.find(contract, key);
    if (page === null || readRecords(page) !== null) continue;
    if (!(await carryRange(context, await rangeOf(context.target, page), expects))) return false;
  }
  return true;
}

/** What a page covers. */
async function rangeOf(store: StateStore, { contract, lowerBound }: Page): Promise<PageRange> {
  const from = { contract, lowerBound };
  const [next] = await store.scan({ from, to: null }, from, 1);
  if (next !== undefined && compareBytes(next.contract, contract) === 0) return { from, to: next };
  // Behind all that the contract has, and before the next one.
  return { from, to: { contract: new Uint8Array([...contract, 0]), lowerBound: new Uint8Array(0) } };
}

async function carryRange(
  context: TransferStores & TransferMeans,
  range: PageRange,
  expects: readonly CellExpectation[],
): Promise<boolean> {
  let from: PageRef | null = null;
  for (;;) {
    const options = { from, maxBytes: STRETCH_BYTES, exact: false, aside: false };
    const stretch = await transferStretch(context, range, options);
    // Its keys are at hand.
    if ("missing" in stretch) return true;
    const { groups } = stretch;
    const contracts = await namesOf(context.source, stretch.contracts);
    const { rotationId } = context.keys.to;
    const { cellsHeld, conflicts } = await context.target.commit({
      groups,
      sealedUnder: rotationId,
      contracts,
      expects,
    });
    if (!cellsHeld) return false;
    // Where another has written a page meanwhile, the stretch is read again.
    if (conflicts.length > 0) continue;
    if (stretch.to === null || comparePlaces(stretch.to, range.to!) >= 0) return true;
    from = stretch.to;
  }
}
