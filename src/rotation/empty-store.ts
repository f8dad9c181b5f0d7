/** The states of a store that a migration has left: they are deleted, all of them. */
import { GatekeeperError } from "../errors.ts";
import { replacePage } from "../store/page-edit.ts";
import { readService } from "../store/service.ts";
import type { PageRef, StateStore } from "../store/store.ts";
import { readRecords } from "./kept-page.ts";
import { dropKept } from "./verify-leased.ts";

/** Page bytes that are deleted in one commit. */
const EMPTY_BYTES = 1 << 22;
const EVERYTHING = { from: null, to: null };

/**
 * Deletes all records of a store that is closed, and what was kept of them; what is to be unreadable in its file, too, is
 * compacted after that. Where it was interrupted, it is done again.
 * @throws GatekeeperError ROTATION_STATE when the store is not closed: then nothing is deleted; STORE_*.
 */
export async function emptyStore(store: StateStore): Promise<void> {
  const { state, cell } = await readService(store);
  if (state !== "closed") {
    throw new GatekeeperError("ROTATION_STATE", `the store ${state}: its states are not to be deleted`, { state });
  }
  let after: PageRef | null = null;
  for (;;) {
    const pages = await store.scan(EVERYTHING, after, EMPTY_BYTES);
    const last = pages.at(-1);
    if (last === undefined) break;
    const groups = pages.flatMap((page) => {
      const records = readRecords(page);
      return records?.length === 0 ? [] : [replacePage(page, records ?? [], [], 0n)];
    });
    const { conflicts, cellsHeld } = await store.commit({ groups, sealedUnder: null, expects: [cell] });
    // Nobody writes a closed store but another that deletes.
    if (cellsHeld && conflicts.length === 0) after = last;
  }
  await dropKept(store, EVERYTHING);
}
