/** How messages go from pRuntime to pRuntime: they are lost, or answered by nobody, and who waits is told who is late. */
import { readMessageHeader } from "../../../src/pruntime/sealed-message.ts";
import type { Seeded } from "../../slow/seeded.ts";
import type { LivePRuntime } from "./live-pruntime.ts";

/** Rounds of questions and answers that a block has time for. */
const ROUNDS = 2;

/** A message as it lies in recorded traffic: to whom it is, and what opens it. */
export interface Carried {
  readonly to: string;
  readonly ecdhKey: string;
  readonly height: number;
}

export class Post {
  /** Answers: what is secret in them is keys of contracts. */
  readonly carried: Carried[] = [];
  readonly #pRuntimes: readonly LivePRuntime[];
  readonly #random: Seeded;
  /** Who has not answered whom. */
  readonly #late = new Map<string, Set<string>>();

  constructor(pRuntimes: readonly LivePRuntime[], random: Seeded) {
    this.#pRuntimes = pRuntimes;
    this.#random = random;
  }

  /** What pRuntimes have to ask each other now. @param lose - how likely it is that a message is lost. */
  carry(height: number, lose: number): void {
    for (let round = 0; round < ROUNDS; round++) {
      for (const asking of this.#pRuntimes) if (asking.isUp) this.#ask(asking, height, lose);
    }
  }

  #ask(asking: LivePRuntime, height: number, lose: number): void {
    const late = this.#late.get(asking.name) ?? new Set();
    this.#late.set(asking.name, late);
    const questions = asking.provision([...late]);
    late.clear();
    for (const { to, bytes } of questions) {
      if (!this.#exchange(asking, to, bytes, height, lose)) late.add(to);
      if (!asking.isUp) return;
    }
  }

  /** @returns whether there was an answer. */
  #exchange(asking: LivePRuntime, to: string, question: Uint8Array, height: number, lose: number): boolean {
    const asked = this.#pRuntimes.find(({ identityKey }) => identityKey === to)!;
    if (!asked.isUp || this.#random.fraction() < lose) return false;
    const delivered = asked.deliver(question);
    if (delivered?.tag !== "answer") return false;
    const answer = delivered.value;
    const { ecdhKey } = readMessageHeader(answer)!;
    this.carried.push({ to: asking.identityKey, ecdhKey, height });
    if (this.#random.fraction() < lose) return false;
    // One that it can't open, as it has new keys by now, is none: its host tells it so.
    return asking.deliver(answer) !== null;
  }
}
