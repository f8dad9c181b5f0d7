/**
 * Puts right what an earlier sweep of a partition did wrong, from the pages that were kept aside, before it is swept anew.
 *
 * Kept pages that are right (kept-page.ts) stay, for the next verification. Of one that is not, records go back as they
 * were, and it is dropped in the same commit:
 *
 * - Only what opens goes back: a kept body may be what is damaged, and what replaced it the only good copy.
 * - Where nobody wrote the page since, all of it goes back: whatever differs is the sweep's doing or the store's, and so
 *   are records that are gone or have a higher write version. Records that were not there go, unless the kept body has
 *   one that can't be opened. Such a record is put aside (quarantine.ts) if it is not there any more: nothing is lost.
 * - Where somebody wrote since, a record that is gone may have been deleted and one of a higher write version was
 *   written; both stay. What has the kept one's write version or a lower one is not a later write, and is replaced.
 *
 * Records go back under the rotation id that is being left. The store's minimum does not forbid that: it is for what is
 * newly sealed, which these are not. The sweep after that moves them as it does all others, and keeps aside what it
 * replaces, so that they are verified like them.
 */
import type { KeptRef } from "../store/store.ts";
import { type Checkpoint, type LeasedPartition, sweepAnew, writeCheckpoint } from "./checkpoint.ts";
import { type Versioned, packRef, unpackRef } from "./control.ts";
import { type JudgedPage, judgePages } from "./kept-page.ts";
import type { LeasedContext, LeasedPause } from "./leased-partition.ts";
import { missingKeysFrom } from "./missing-keys.ts";
import { putBack } from "./put-back.ts";

/** Bytes of kept pages that are judged at once. */
const RESTORE_BYTES = 1 << 20;

/** How a restoration ended. */
export type RestoreEnd =
  { readonly end: "done"; readonly checkpoint: Versioned<Checkpoint> } | { readonly end: "lost" } | LeasedPause;

/** Restores a partition, unless its checkpoint says that it is. Goes on where it was interrupted. */
export async function restore(
  context: LeasedContext,
  partition: LeasedPartition,
  checkpoint: Versioned<Checkpoint>,
): Promise<RestoreEnd> {
  const { store, keys } = context;
  while (!checkpoint.value.restored) {
    await context.pace?.wait(context.stopped);
    if (context.stopped()) return { end: "stopped" };
    const some = await store.kept(partition, restoredTo(checkpoint.value), RESTORE_BYTES);
    const without = some.findIndex(({ contract }) => keys.pair(contract) === null);
    if (without === 0) return { end: "missing", missingKeys: await missingKeysFrom(context, partition, some[0]!) };
    const pages = without < 0 ? some : some.slice(0, without);
    const judged = await judgePages(context, pages);
    for (const each of judged.filter(({ wrong }) => wrong !== null)) {
      const repaired = await repair(context, each, checkpoint);
      if (repaired === null) return { end: "lost" };
      checkpoint = repaired;
    }
    const last = pages.at(-1);
    const value =
      last === undefined
        ? { ...sweepAnew(checkpoint.value), restored: true }
        : { ...checkpoint.value, restoredTo: { ...packRef(last)!, version: last.version } };
    const cells = [writeCheckpoint(checkpoint, value)];
    const { cellsHeld } = await store.commit({ groups: [], sealedUnder: null, cells });
    if (!cellsHeld) return { end: "lost" };
    checkpoint = { ...checkpoint, version: checkpoint.version + 1, value };
    context.pace?.spend(pages.reduce((sum, { body }) => sum + body.length, 0));
  }
  return { end: "done", checkpoint };
}

function restoredTo({ restoredTo: last }: Checkpoint): KeptRef | null {
  return last === null ? null : { ...unpackRef(last)!, version: last.version };
}

/** Puts a page's records back and drops it; null when the checkpoint is another's. */
async function repair(
  context: LeasedContext,
  first: JudgedPage,
  checkpoint: Versioned<Checkpoint>,
): Promise<Versioned<Checkpoint> | null> {
  const { kept } = first;
  for (let judged = first; judged.wrong !== null; [judged] = (await judgePages(context, [kept])) as [JudgedPage]) {
    const back = await putBack(context, judged);
    // What can't be put back, as a page can't be read that somebody wrote since, is kept until that page is mended.
    if (back === null) return checkpoint;
    const { groups } = back;
    const cells = [writeCheckpoint(checkpoint, checkpoint.value), ...back.cells];
    const result = await context.store.commit({ groups, sealedUnder: null, cells, drop: [kept] });
    if (!result.cellsHeld) return null;
    if (result.conflicts.length === 0) return { ...checkpoint, version: checkpoint.version + 1 };
    // Somebody wrote in between: it is looked at anew.
  }
  return checkpoint;
}
