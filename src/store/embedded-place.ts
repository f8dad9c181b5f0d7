/** Places as the bounds of the embedded store's queries, and how a range is begun or gone on with. */
import { comparePlaces } from "./page.ts";
import type { PageRange, PageRef } from "./store.ts";

/** No place lies below this. */
export const BEGINNING: PageRef = { contract: new Uint8Array(0), lowerBound: new Uint8Array(0) };

/** Byte order puts this above every page's place: contract ids have 32 bytes. */
export const END: PageRef = { contract: new Uint8Array(33).fill(0xff), lowerBound: new Uint8Array(0) };

/** The first place that can follow `place`: nothing lies between a byte string and itself with a zero appended. */
function following(place: PageRef): PageRef {
  const lowerBound = new Uint8Array(place.lowerBound.length + 1);
  lowerBound.set(place.lowerBound);
  return { contract: place.contract, lowerBound };
}

/** The first place of a range that can come after `after`; of the whole range where it is null. */
export function firstOf(range: PageRange, after: PageRef | null): PageRef {
  const from = range.from ?? BEGINNING;
  if (after === null) return from;
  const next = following(after);
  return comparePlaces(next, from) > 0 ? next : from;
}
