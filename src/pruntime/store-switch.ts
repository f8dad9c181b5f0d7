/**
 * What a migration to another store does to the two: the new one mirrors the old one, then they are switched, or the mirror ends
 * because the migration was called off. Every pRuntime that has both sees to it, as its ledger has it; the steps are the same
 * whoever does them, and however often (store/service.ts).
 *
 * Some ledgers are behind others. One that does not know of a migration yet leaves it alone: the stores say in which block it
 * begins. One that does not know yet that a migration is over may begin it all the same: so while none is under way, the store
 * in force is looked at in every block.
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

/** Something to be done to the stores, once. */
interface Step {
  /** What it is, and of which migration. */
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** One pRuntime's. */
export class StoreSwitch {
  readonly #stores: readonly NetworkStore[];
  readonly #onError: (error: unknown) => void;
  /** Names of the last step that was done, and of the one that is under way. */
  #done: string | null = null;
  #running: string | null = null;
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

  /** Begins what is due. */
  follow(state: State): void {
    const step = this.#due(state);
    if (step === null || this.#running !== null || this.#done === step.name) return;
    const { name } = step;
    this.#running = name;
    step
      .run()
      .then(() => {
        this.#done = name;
      }, this.#onError)
      .finally(() => {
        this.#running = null;
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
    const migration = {
      rotationId: rotation.from + 1,
      sourceId: source.id,
      targetId: target.id,
      height: rotation.switchHeight!,
    };
    return isSwitched
      ? { name: nameOf("switch", rotation), run: () => switchStores(source.store, target.store, migration) }
      : { name: nameOf("begin", rotation), run: () => this.#begin(source, target, migration) };
  }

  async #begin(source: NetworkStore, target: NetworkStore, migration: StoreMigration): Promise<void> {
    const now = await readService(source.store);
    // One that was called off, and that nobody has ended before this one began.
    if (now.state === "mirrored" && now.height! < migration.height) await this.#end(source, now);
    await beginMirror(source.store, target.store, migration);
  }

  /** Ends what a migration has left that was called off, and what is left to be done of one that is over. */
  async #settle({ stateStore, height, sharings }: State): Promise<void> {
    const inForce = this.store(stateStore);
    if (inForce === null) return;
    const now = await readService(inForce.store);
    const name = `${inForce.id} ${now.cell.expected}`;
    // The ledger that is here is behind, and does not know of it.
    if (now.rotationId === null || now.height! > height || this.#settled === name) return;
    const other = this.store(now.other);
    if (now.state === "mirrored") {
      await this.#end(inForce, now);
    } else if (now.state === "mirror") {
      const isMade = now.rotationId <= (sharings.at(-1)?.rotationId ?? 0);
      if (other === null || !isMade) return;
      const { rotationId } = now;
      const migration = { rotationId, sourceId: other.id, targetId: inForce.id, height: now.height! };
      await switchStores(other.store, inForce.store, migration);
    } else if (now.state === "serves") {
      const left = other === null ? null : await readService(other.store);
      if (left?.state === "mirror" && left.height === now.height && left.other === inForce.id)
        await this.#end(inForce, now);
      await removeWrittenKeys(inForce.store);
      this.#settled = name;
    }
  }

  /** The source serves whether or not the other is to be had: it may be what the migration failed for. */
  async #end(source: NetworkStore, { rotationId, other, height }: Service): Promise<void> {
    const migration = { rotationId: rotationId!, sourceId: source.id, targetId: other!, height: height! };
    await endMirror(source.store, this.store(other)?.store ?? null, migration);
  }
}

function nameOf(step: "begin" | "switch", { switchHeight, migration }: Rotation): string {
  return `${step} ${switchHeight} ${migration!.store}`;
}
