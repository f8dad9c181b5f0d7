/**
 * What a migration to another store does to the two: the new one mirrors the old one, then they are switched, or the mirror ends
 * because the migration was called off. Every pRuntime that has both sees to it, as its ledger has it; the steps are the same
 * whoever does them, and however often (store/service.ts).
 */
import type { Rotation } from "../protocol/rotation.ts";
import { isCopying } from "../protocol/rotation.ts";
import type { Hex } from "../protocol/scale.ts";
import type { State } from "../protocol/state.ts";
import { beginMirror, endMirror, readService, switchStores } from "../store/service.ts";
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

  /** The store of an id; null where it is not here. */
  store(id: Hex | null): NetworkStore | null {
    return this.#stores.find((store) => store.id === id) ?? null;
  }

  #due({ rotation, rotationEnded, stateStore }: State): Step | null {
    if (rotation === null || rotation.source === null) {
      const name = `settle ${rotationEnded} ${stateStore}`;
      return { name, run: () => this.#settle(this.store(stateStore)) };
    }
    const isSwitched = rotation.phase === "abandonment";
    if (!isCopying(rotation) && !isSwitched) return null;
    const [source, target] = [this.store(rotation.source), this.store(rotation.migration!.store)];
    if (source === null || target === null) return null;
    const migration = { rotationId: rotation.from + 1, sourceId: source.id, targetId: target.id };
    const change = isSwitched ? switchStores : beginMirror;
    return {
      name: nameOf(isSwitched ? "switch" : "begin", rotation),
      run: () => change(source.store, target.store, migration),
    };
  }

  /** Ends what a migration has left that was called off. */
  async #settle(source: NetworkStore | null): Promise<void> {
    if (source === null) return;
    const { state, rotationId, other } = await readService(source.store);
    const target = this.store(other);
    if (state === "mirrored") {
      if (target === null) return;
      const migration = { rotationId: rotationId!, sourceId: source.id, targetId: target.id };
      await endMirror(source.store, target.store, migration);
    } else if (state !== "serves" || rotationId === null) return;
    await removeWrittenKeys(source.store);
  }
}

function nameOf(step: "begin" | "switch", { from, migration }: Rotation): string {
  return `${step} ${from + 1} ${migration!.store}`;
}
