/**
 * The machine that the network's stores are on: the one that its states are in, and those that they may be moved to. When its power
 * fails, each goes back to what was synced of it, and perhaps some commits behind that.
 */
import type { Hex } from "../../../src/protocol/scale.ts";
import type { State } from "../../../src/protocol/state.ts";
import type { Seeded } from "../../slow/seeded.ts";
import { SharedStore, type Watching } from "./shared-store.ts";
import type { Steps } from "./steps.ts";

/** The first, and those that migrations may go to. */
const STORES = 5;

export class Machine {
  readonly stores: readonly SharedStore[];
  /** How often its power has failed. */
  failures = 0;

  constructor(steps: Steps, watching: Watching) {
    this.stores = Array.from({ length: STORES }, (_, at) => new SharedStore(at, steps, watching));
  }

  /** Whether a commit would be lost, perhaps, if its power failed now. */
  get isUnsynced(): boolean {
    return this.stores.some(({ isUnsynced }) => isUnsynced);
  }

  /** One of them. */
  store(id: Hex): SharedStore {
    return this.stores.find((each) => each.id === id)!;
  }

  /** The one that has the states, by the chain's word: the first, before it has any. */
  inForce({ stateStore }: Pick<State, "stateStore">): SharedStore {
    return stateStore === null ? this.stores[0]! : this.store(stateStore);
  }

  /** One that no migration has gone to, or was to go to; null where none is left. */
  fresh(): SharedStore | null {
    return this.stores.slice(1).find(({ isFresh }) => isFresh) ?? null;
  }

  /** @returns how many commits were lost. Who uses the stores must be gone before. */
  async losePower(random: Seeded): Promise<number> {
    this.failures++;
    let lost = 0;
    for (const store of this.stores) lost += await store.losePower(random);
    return lost;
  }
}
