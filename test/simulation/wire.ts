/** The way of messages to the blocks: they are lost, late, doubled, out of order, and come again long after. */
import type { Seeded } from "../slow/seeded.ts";
import type { FaultRates } from "./faults.ts";

const LONGEST_DELAY = 6;

export class Wire<Message> {
  readonly #random: Seeded;
  readonly #underWay: { readonly message: Message; readonly height: number }[] = [];
  /** All that was ever sent. */
  readonly #seen: Message[] = [];

  constructor(random: Seeded) {
    this.#random = random;
  }

  /** @param height - of the next block. */
  send(message: Message, height: number, { drop, delay, duplicate }: FaultRates): void {
    this.#seen.push(message);
    const copies = this.#random.fraction() < duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#random.fraction() < drop) continue;
      const late = this.#random.fraction() < delay ? 1 + this.#random.below(LONGEST_DELAY) : 0;
      this.#underWay.push({ message, height: height + late });
    }
  }

  /** Messages that come into a block, in any order, with some that were there before. */
  due(height: number, { replay }: FaultRates): Message[] {
    const due: Message[] = [];
    for (let at = this.#underWay.length - 1; at >= 0; at--) {
      if (this.#underWay[at]!.height <= height) due.push(...this.#underWay.splice(at, 1).map(({ message }) => message));
    }
    while (this.#seen.length > 0 && this.#random.fraction() < replay) due.push(this.#random.of(this.#seen));
    for (let at = due.length - 1; at > 0; at--) {
      const other = this.#random.below(at + 1);
      [due[at], due[other]] = [due[other]!, due[at]!];
    }
    return due;
  }
}
