/**
 * What processes do with the store they share, one step at a time: whose is next, chance decides. Between two steps all run until
 * they wait for the store again, or for nothing more.
 */
import type { Seeded } from "../../slow/seeded.ts";

/** One of so many steps comes late, by as many steps of others at most: what is read goes stale before it is acted on. */
const LATE_OF = 10;
const LATE_MAX = 40;

interface Waiting {
  /** Number of the step that it is not taken before, if there is another. */
  readonly due: number;
  /** Whose it is; with its owner it goes. */
  readonly owner: object;
  readonly run: () => Promise<void>;
}

export class Steps {
  readonly #random: Seeded;
  #waiting: Waiting[] = [];
  #taken = 0;

  constructor(random: Seeded) {
    this.#random = random;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Does something when its turn comes; never, if its owner is dropped before. */
  take<T>(owner: object, act: () => Promise<T>): Promise<T> {
    const late = this.#random.below(LATE_OF) === 0 ? this.#random.below(LATE_MAX) : 0;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ due: this.#taken + late, owner, run: () => act().then(resolve, reject) });
    });
  }

  /** What an owner waits for never comes. */
  drop(owner: object): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner);
  }

  /** One step of one of them. */
  async one(): Promise<void> {
    await settled();
    this.#taken++;
    const due = this.#waiting.filter((waiting) => waiting.due <= this.#taken);
    const next = due.length > 0 ? this.#random.of(due) : this.#waiting.toSorted((a, b) => a.due - b.due)[0];
    this.#waiting = this.#waiting.filter((waiting) => waiting !== next);
    await next?.run();
    await settled();
  }
}

/** When all that runs waits for a step. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
