/** People: governance that has the first MasterKey made, and stashes whose stakes move, so that others are elected. */
import type { AuthenticMessage } from "../../src/protocol/authenticate.ts";
import type { Call } from "../../src/protocol/call.ts";
import { type Network, UNIT, idOf } from "../protocol/network.ts";
import type { Seeded } from "../slow/seeded.ts";

/** One move of a stake in so many blocks. */
const MOVE_BLOCKS = 9;

export class Operators {
  readonly #network: Network;
  readonly #random: Seeded;
  readonly #stashes: readonly string[];
  readonly #launchHeight: number;

  constructor(network: Network, stashes: readonly string[], random: Seeded) {
    this.#network = network;
    this.#stashes = stashes;
    this.#random = random;
    this.#launchHeight = 1 + random.below(4);
  }

  /**
   * What they say in the next block: whoever was convicted or gave up may stand again.
   * @param movesStakes - whether stakes still move.
   */
  say(movesStakes: boolean): AuthenticMessage[] {
    const { height } = this.#network.state;
    if (height + 1 === this.#launchHeight) return this.#launch();
    return movesStakes && this.#random.below(MOVE_BLOCKS) === 0 ? this.#move(this.#random.of(this.#stashes)) : [];
  }

  /** Puts so much behind a stash that it is elected next. */
  promote(stash: string): AuthenticMessage[] {
    return this.#asked(stash, { tag: "bondExtra", value: 1_000n * UNIT }, STAND);
  }

  #launch(): AuthenticMessage[] {
    const value = { round: this.#network.state.governanceRound, action: { tag: "launch", value: undefined } } as const;
    return ["g1", "g2"].flatMap((member) => this.#asked(member, { tag: "govern", value }));
  }

  #move(stash: string): AuthenticMessage[] {
    const amount = BigInt(1 + this.#random.below(150)) * UNIT;
    const standing = this.#network.state.validators.size;
    const ways: Call[][] = [[{ tag: "bondExtra", value: amount }, STAND], [{ tag: "unbond", value: amount }], [STAND]];
    // Not so many may give up that nobody could be elected.
    if (standing > this.#network.state.gatekeepers.length) ways.push([{ tag: "chill", value: undefined }]);
    return this.#asked(stash, ...this.#random.of(ways));
  }

  #asked(name: string, ...calls: readonly Call[]): AuthenticMessage[] {
    const sequence = this.#network.sequenceOf(name);
    return calls.map((call, at) => this.#network.unsigned(name, call, sequence + at));
  }
}

const STAND: Call = { tag: "validate", value: { commission: 0, blocked: false } };

/** Whether a stash's pRuntime acts. */
export function isElected({ state }: Network, stash: string): boolean {
  return state.eras.at(-1)!.exposures.get(idOf(stash)) !== undefined;
}
