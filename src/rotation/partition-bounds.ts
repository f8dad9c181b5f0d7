/**
 * Where a network's partitions begin and end. The chain keeps bounds short, so a bound need not be where a page begins.
 *
 * A page that lies across a bound is cut there before either partition is swept. Else a writer could split it later, when
 * the partition behind the bound was done, and records that nobody had swept yet would come to lie there.
 */
import { compareBytes } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { checkAtLeastOne } from "../store/commit.ts";
import { comparePlaces, recordsOf } from "../store/page.ts";
import { splitPage } from "../store/page-edit.ts";
import type { Page, PageRef, StateStore } from "../store/store.ts";

/** Bounds that the chain takes, and bytes of a bound's storage key, at most. */
const BOUNDS_MAX = 511;
const BOUND_KEY_BYTES_MAX = 32;

/** Distances of bounds that are tried, in pages: small stores have few. */
const DISTANCES = [256, 16, 1];

/**
 * The inner bounds of partitions of about as many pages each, in strictly ascending order.
 * @param partitions - how many are wanted; there are fewer where the store is small, or where keys of a large contract
 * begin with the same BOUND_KEY_BYTES_MAX bytes.
 * @throws GatekeeperError INVALID_ARGUMENT when it is not at least one; STORE_*.
 */
export async function partitionBoundsFor(store: StateStore, partitions: number): Promise<PageRef[]> {
  checkAtLeastOne(partitions, "the number of partitions");
  const wanted = Math.min(partitions - 1, BOUNDS_MAX);
  let places: PageRef[] = [];
  for (const distance of DISTANCES) {
    places = await store.partitionBounds(distance);
    if (places.length >= wanted) break;
  }
  const bounds: PageRef[] = [];
  for (let number = 1; number <= Math.min(wanted, places.length); number++) {
    const at = Math.floor((number * (places.length + 1)) / (Math.min(wanted, places.length) + 1)) - 1;
    const { contract, lowerBound } = places[at]!;
    const bound = { contract, lowerBound: lowerBound.slice(0, BOUND_KEY_BYTES_MAX) };
    const before = bounds.at(-1);
    if (before === undefined || comparePlaces(before, bound) < 0) bounds.push(bound);
  }
  return bounds;
}

/**
 * Cuts the page that lies across a bound, if there is one with records on its other side. Only new records can come to
 * lie there after that.
 */
export async function cutAt(store: StateStore, bound: PageRef): Promise<void> {
  for (;;) {
    const page = await store.find(bound.contract, bound.lowerBound);
    if (page === null || comparePlaces(page, bound) === 0 || !hasRecordFrom(page, bound.lowerBound)) return;
    const { conflicts } = await store.commit({ groups: [splitPage(page, bound.lowerBound)], sealedUnder: null });
    if (conflicts.length === 0) return;
  }
}

/** A page that can't be read is left as it is: the sweep names it. */
function hasRecordFrom(page: Page, key: Uint8Array): boolean {
  try {
    let found = false;
    for (const record of recordsOf(page)) found ||= compareBytes(record.key, key) >= 0;
    return found;
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "STORE_CORRUPT") return false;
    throw error;
  }
}
