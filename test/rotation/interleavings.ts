/** Runs several parties that use stores in every order in which their uses can follow each other. */
import type { StateStore } from "../../src/store/store.ts";

/** What is run once for each order. */
export interface Race {
  /** Each uses stores only through `turns`, by its own number. */
  readonly parties: readonly (() => Promise<void>)[];
  /** What must hold when all are done. */
  readonly check: () => Promise<void>;
}

/** Lets one party at a time use a store. */
export class Turns {
  readonly #waiting = new Map<number, () => void>();
  #noted: () => void = () => undefined;

  /** A store as a party uses it: it waits for its turn before every call. */
  of(party: number, store: StateStore): StateStore {
    return new Proxy(store, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name, target);
        if (typeof method !== "function") return method;
        return async (...args: unknown[]): Promise<unknown> => {
          await new Promise<void>((resolve) => {
            this.#waiting.set(party, resolve);
            this.#noted();
          });
          return Reflect.apply(method, target, args);
        };
      },
    });
  }

  /** @param choose - says which of so many parties goes next. */
  async run(parties: Race["parties"], choose: (ready: number) => number): Promise<void> {
    const errors: unknown[] = [];
    const starting = [...parties.entries()];
    const done = new Set<number>();
    /** Resolves when a party waits for its turn or is done. */
    const settled = async (party: number): Promise<void> => {
      while (!this.#waiting.has(party) && !done.has(party)) {
        await new Promise<void>((resolve) => {
          this.#noted = resolve;
        });
      }
    };
    for (const [party, body] of starting) {
      void body()
        .catch((error: unknown) => errors.push(error))
        .finally(() => {
          done.add(party);
          this.#noted();
        });
      await settled(party);
    }
    while (this.#waiting.size > 0) {
      const ready = [...this.#waiting.keys()].sort((a, b) => a - b);
      const party = ready[choose(ready.length)]!;
      const go = this.#waiting.get(party)!;
      this.#waiting.delete(party);
      go();
      await settled(party);
    }
    if (errors.length > 0) throw errors[0];
  }
}

/**
 * Runs a race in every order.
 * @returns how many there are.
 */
export async function everyOrder(begin: (turns: Turns) => Promise<Race>): Promise<number> {
  let orders = 0;
  for (let prefix: number[] | null = []; prefix !== null; orders++) {
    const taken: { choice: number; ready: number }[] = [];
    const choose = (ready: number): number => {
      const choice = prefix![taken.length] ?? 0;
      taken.push({ choice, ready });
      return choice;
    };
    const turns = new Turns();
    const { parties, check } = await begin(turns);
    await turns.run(parties, choose);
    try {
      await check();
    } catch (error) {
      throw new Error(`in the order ${taken.map(({ choice }) => choice).join("")}`, { cause: error });
    }
    while (taken.length > 0 && taken.at(-1)!.choice + 1 === taken.at(-1)!.ready) taken.pop();
    prefix = taken.length === 0 ? null : taken.map(({ choice }, at) => (at === taken.length - 1 ? choice + 1 : choice));
  }
  return orders;
}
