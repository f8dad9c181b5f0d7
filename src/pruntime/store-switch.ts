/**
 * What a migration to another store does to the two: the new one mirrors the old one, then they are switched, or the mirror ends
 * because the migration was called off. Every pRuntime that has both sees to it, in every block, as its ledger has it; the steps
 * are the same whoever does them, and however often (store/service.ts).
 *
 * Some ledgers are behind others: what a cell says as of a block that a ledger does not have yet, it leaves alone. One that does
 * not know yet that a migration is over may begin it all the same: so while none is under way, the store in force is looked at
 * in every block.
 *
 * Whoever can write the cells may be a liar: one that ends a mirror which the chain has not called off would have others write
 * the old store alone, and what they acknowledge be lost at the switch. So nobody who reads or writes states believes a store
 * that it serves alone unless his own ledger has the block as of which it says so, and has no migration that copies it: `agrees`.
 * Then a write is acknowledged
 *
 * - by a ledger that has no migration, or one that was called off: in the store alone, if its cell stays as it was read. Then no
 *   copy had begun: whoever copies does so when the source's cell says that it is mirrored, which changes it.
 * - by a ledger that has one that copies, or is behind, where the store says that it is mirrored: only when it is in the mirror,
 *   while that says that it is one (transfer.ts), whatever the source says by then. What is in the mirror serves when the chain
 *   switches.
 * - by a ledger that has the switch, in the new store alone, once that serves.
 *
 * Where the store says, as of a block that the ledger has, that it is mirrored, and the ledger has nobody copy it, a writer waits:
 * somebody who was late has begun a migration that is over, which the next block ends. What that would have states sealed under may be
 * retired by then, and its rotation id be another MasterKey's.
 *
 * A chain has either the end of a migration or its switch. So by the block of the switch the mirror has all that anybody ever
 * acknowledged, in whatever order liars wrote whatever states: a lie costs time, until the next block puts it right. Only he is
 * deceived whose ledger has not come to the beginning of the copy by the time of its end, by a cell that was dated back or taken
 * away.
 */
import type { Rotation } from "../protocol/rotation.ts";
import type { Hex } from "../protocol/scale.ts";
import type { State } from "../protocol/state.ts";
import {
  beginMirror,
  endMirror,
  readService,
  type Service,
  type StoreMigration,
  switchStores,
} from "../store/service.ts";
import type { NetworkStore } from "../store/network-store.ts";
import { removeWrittenKeys } from "./written-keys.ts";

/** Something to be done to the stores. */
interface Step {
  /** What it is, and of which migration. */
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** One pRuntime's. */
export class StoreSwitch {
  readonly #stores: readonly NetworkStore[];
  readonly #onError: (error: unknown) => void;
  /** Name of the last step that was done. */
  #done: string | null = null;
  /** Whether one is under way. */
  #isBusy = false;
  /** The store in which nothing is left to be settled, and the version of its service cell. */
  #settled: string | null = null;

  /**
   * @param stores - lent.
   * @param onError - told why a step failed; it is tried again with the next block.
   */
  constructor(stores: readonly NetworkStore[], onError: (error: unknown) => void) {
    this.#stores = stores;
    this.#onError = onError;
  }

  /** Does what is due. */
  follow(state: State): void {
    if (this.#isBusy) return;
    const step = this.#due(state);
    if (step === null) return;
    this.#isBusy = true;
    step
      .run()
      .then(() => {
        this.#done = step.name;
      }, this.#onError)
      .finally(() => {
        this.#isBusy = false;
      });
  }

  /** Whether the store that a migration copies from is mirrored, so that nothing is written there alone any more. */
  isMirrored(rotation: Rotation): boolean {
    return this.#done === nameOf("begin", rotation);
  }

  /** Whether the store that a migration has copied to serves, and the one that it has left does not. */
  isSwitched(rotation: Rotation): boolean {
    return this.#done === nameOf("switch", rotation);
  }

  /** The store of an id; null where it is not here. */
  store(id: Hex | null): NetworkStore | null {
    return this.#stores.find((store) => store.id === id) ?? null;
  }

  #due(state: State): Step | null {
    const { rotation, height } = state;
    if (rotation === null || rotation.source === null || rotation.phase === "keyGeneration") {
      return { name: `settle ${height}`, run: () => this.#settle(state) };
    }
    const isSwitched = rotation.phase === "abandonment";
    const [source, target] = [this.store(rotation.source), this.store(rotation.migration!.store)];
    if (source === null || target === null) return null;
    const [sourceId, targetId] = [source.id, target.id];
    const migration = {
      rotationId: rotation.from + 1,
      sourceId,
      targetId,
      height: rotation.switchHeight!,
      now: height,
    };
    const decided = rotation.since;
    return isSwitched
      ? {
          name: nameOf("switch", rotation),
          run: () => switchStores(source.store, target.store, { ...migration, decided }),
        }
      : { name: nameOf("begin", rotation), run: () => this.#begin(source, target, migration) };
  }

  async #begin(source: NetworkStore, target: NetworkStore, migration: StoreMigration): Promise<void> {
    const now = await readService(source.store);
    // One that was called off, and that nobody has ended before this one began.
    if (now.state === "mirrored" && now.height! < migration.height) {
      await endMirror(source.store, this.store(now.other)?.store ?? null, migrationOf(source.id, now, migration.now));
    }
    await beginMirror(source.store, target.store, migration);
  }

  /** Ends what a migration has left that was called off, and what is left to be done of one that is over. */
  async #settle({ stateStore, height, sharings, closedAbandonments }: State): Promise<void> {
    const inForce = this.store(stateStore);
    if (inForce === null) return;
    const now = await readService(inForce.store);
    // The ledger that is here is behind, and does not know of it.
    if (now.since !== null && now.since > height) return;
    const isMade = now.rotationId !== null && now.rotationId <= (sharings.at(-1)?.rotationId ?? 0);
    const other = this.store(now.other);
    // A store that was switched stays closed, also if governance has it in force again: nobody knows what it has.
    if (now.state === "mirrored" || (now.state === "closed" && !isMade)) {
      await endMirror(inForce.store, other?.store ?? null, migrationOf(inForce.id, now, height));
    } else if (now.state === "mirror") {
      // Where nobody has emptied it, and governance waits no more for who might have it, the old store is lost.
      const isLost = closedAbandonments.some(({ rotationId, compacted }) => {
        return rotationId + 1 === now.rotationId && !compacted;
      });
      if (!isMade || (other === null && !isLost)) return;
      const { sourceId: targetId, targetId: sourceId, ...migration } = migrationOf(inForce.id, now, height);
      await switchStores(other?.store ?? null, inForce.store, { ...migration, sourceId, targetId });
    } else if (now.state === "serves") {
      await this.#closeMirrors(inForce, height);
      const name = `${inForce.id} ${now.cell.expected}`;
      if (now.rotationId === null || this.#settled === name) return;
      await removeWrittenKeys(inForce.store);
      this.#settled = name;
    }
  }

  /** Closes what is still a mirror of the store in force, or says that it serves in its place, or is mirrored by it. */
  async #closeMirrors(inForce: NetworkStore, height: number): Promise<void> {
    const { height: last } = await readService(inForce.store);
    for (const { id, store } of this.#stores) {
      const left = await readService(store);
      if (id === inForce.id || left.other !== inForce.id || left.since! > height) continue;
      // It was lost when the stores were switched.
      if (left.state === "mirrored" && left.height === last)
        await switchStores(store, inForce.store, migrationOf(id, left, height));
      const isOver = left.state === "mirror" || (left.state === "serves" && left.height === last);
      if (!isOver) continue;
      const { sourceId: targetId, targetId: sourceId, ...migration } = migrationOf(id, left, height);
      await endMirror(inForce.store, store, { ...migration, sourceId, targetId });
    }
  }
}

/**
 * Whether a store may be what it says that it is, by a ledger.
 * @param id - the store's.
 */
export function agrees({ rotation, stateStore, height }: State, id: Hex, service: Service): boolean {
  const copies = rotation !== null && rotation.source === id && isCopying(rotation);
  const isKnown = (service.since ?? 0) <= height;
  if (service.state === "serves") return !copies && stateStore === id && isKnown;
  if (service.state !== "mirrored") return true;
  // One that is over: another MasterKey may have its rotation id by now.
  if (!copies) return !isKnown;
  return service.other === rotation.migration!.store && service.height === rotation.switchHeight;
}

function isCopying({ phase }: Rotation): boolean {
  return phase === "reencryption" || phase === "verification";
}

/** That which a store's cell names whose source it is. */
function migrationOf(id: Hex, { rotationId, other, height }: Service, now: number): StoreMigration {
  return { rotationId: rotationId!, sourceId: id, targetId: other!, height: height!, now };
}

function nameOf(step: "begin" | "switch", { switchHeight, migration }: Rotation): string {
  return `${step} ${switchHeight} ${migration!.store}`;
}
