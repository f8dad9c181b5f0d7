/** What goes wrong by itself, and how often; Byzantine gatekeepers besides are adversary.ts's. */
import type { Seeded } from "../slow/seeded.ts";
import { KILLS, type Kill } from "./honest-pruntime.ts";

/** Probabilities: of a message, or, from `replay` on, of a block. */
export interface FaultRates {
  readonly drop: number;
  readonly delay: number;
  readonly duplicate: number;
  readonly replay: number;
  /** Of a pRuntime: it gets no block now. */
  readonly stall: number;
  /** It is killed within a step, and begins again at once. */
  readonly kill: number;
  /** Its machine is off for a while. */
  readonly down: number;
}

export const NO_FAULTS: FaultRates = { drop: 0, delay: 0, duplicate: 0, replay: 0.05, stall: 0, kill: 0, down: 0 };
const LONGEST_DOWN = 15;

/** Of each kind, none, few or many. */
export function drawRates(random: Seeded): FaultRates {
  return {
    drop: random.of([0, 0, 0.05, 0.2, 0.4]),
    delay: random.of([0, 0.1, 0.4]),
    duplicate: random.of([0, 0.2]),
    replay: random.of([0, 0.2, 0.6]),
    stall: random.of([0, 0.1, 0.4]),
    kill: random.of([0, 0.05, 0.3]),
    down: random.of([0, 0, 0.01, 0.04, 0.1]),
  };
}

/** A pRuntime that a machine has. */
interface Hosted {
  readonly name: string;
  /** Height of the block that it last acted on. */
  readonly disk: { readonly height: number };
  kill(): void;
}

/** When machines are off, and how far behind the chain they are. */
export class Machines {
  readonly #random: Seeded;
  /** By name, the height at which it is on again; Infinity for ever. */
  readonly #off = new Map<string, number>();

  constructor(random: Seeded) {
    this.#random = random;
  }

  isOff(name: string): boolean {
    return this.#off.has(name);
  }

  isOffForEver(name: string): boolean {
    return this.#off.get(name) === Number.POSITIVE_INFINITY;
  }

  /** It is on from now on; its pRuntime starts in the next block. */
  switchOn(name: string): void {
    this.#off.delete(name);
  }

  /** @param height - from which on it is on again. */
  switchOff(pRuntime: Hosted, height: number): void {
    pRuntime.kill();
    this.#off.set(pRuntime.name, height);
  }

  /** Whether a machine is on in this block; one that comes back starts its pRuntime. */
  isOn(pRuntime: Hosted, height: number, { down }: FaultRates): boolean {
    const until = this.#off.get(pRuntime.name);
    if (until === undefined) {
      if (this.#random.fraction() >= down) return true;
      this.switchOff(pRuntime, height + 1 + this.#random.below(LONGEST_DOWN));
      return false;
    }
    if (height < until) return false;
    this.#off.delete(pRuntime.name);
    return true;
  }

  /** Where a pRuntime is killed in this block, if it is. */
  kill({ kill }: FaultRates): Kill | null {
    return this.#random.fraction() < kill ? this.#random.of(KILLS) : null;
  }

  /** To which height a pRuntime follows now, null where it gets no block: of some hosts it is always late. */
  followsTo({ disk, name }: Hosted, head: number, { stall }: FaultRates, lag: number): number | null {
    if (stall === 0) {
      const late = Number(name.slice(1)) % 2 === 0 ? 0 : lag;
      return Math.max(disk.height, head - late);
    }
    if (this.#random.fraction() < stall) return null;
    return this.#random.below(3) > 0 ? head : disk.height + this.#random.below(head - disk.height + 1);
  }
}
