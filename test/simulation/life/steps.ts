/**
 * What processes do with the store they share, one step at a time: whose is next, chance decides. Between two steps all run until
 * they wait for the store again, or for nothing more.
 */
import type { Seeded } from "../../slow/seeded.ts";

interface Waiting {
  /** Whose it is; with its owner it goes. */
  readonly owner: object;
  readonly run: () => Promise<void>;
}

export class Steps {
  readonly #random: Seeded;
  #waiting: Waiting[] = [];

  constructor(random: Seeded) {
    this.#random = random;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Does something when its turn comes; never, if its owner is dropped before. */
  take<T>(owner: object, act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ owner, run: () => act().then(resolve, reject) });
    });
  }

  /** What an owner waits for never comes. */
  drop(owner: object): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner);
  }

  /** One step of one of them. */
  async one(): Promise<void> {
    await settled();
    const [next] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1);
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
