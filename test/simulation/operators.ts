/** People: governance that has the first MasterKey made, and stashes whose stakes move, so that others are elected. */
import type { Call } from "../../src/protocol/call.ts";
import type { State } from "../../src/protocol/state.ts";
import { UNIT, idOf } from "../protocol/network.ts";
import type { Seeded } from "../slow/seeded.ts";

/** One move of a stake in so many blocks. */
const MOVE_BLOCKS = 9;

/** The chain that they live on. */
interface Chain<Message> {
  readonly state: State;
  sequenceOf(name: string): number;
  /** What somebody of that name says to it. */
  unsigned(name: string, call: Call, sequence: number): Message;
}

export class Operators<Message> {
  readonly #network: Chain<Message>;
  readonly #random: Seeded;
  readonly #stashes: readonly string[];
  readonly #launchHeight: number;

  constructor(network: Chain<Message>, stashes: readonly string[], random: Seeded) {
    this.#network = network;
    this.#stashes = stashes;
    this.#random = random;
    this.#launchHeight = 1 + random.below(4);
  }

  /** The vote for the first MasterKey, in its block. */
  launch(): Message[] {
    const { height, governanceRound } = this.#network.state;
    if (height + 1 !== this.#launchHeight) return [];
    const value = { round: governanceRound, action: { tag: "launch", value: undefined } } as const;
    return ["g1", "g2"].flatMap((member) => this.#asked(member, { tag: "govern", value }));
  }

  /** In some blocks, somebody has more or less at stake, gives up, or stands again, even after a conviction. */
  move(): Message[] {
    if (this.#random.below(MOVE_BLOCKS) > 0) return [];
    const amount = BigInt(1 + this.#random.below(150)) * UNIT;
    const { validators, gatekeepers } = this.#network.state;
    const ways: Call[][] = [[{ tag: "bondExtra", value: amount }, STAND], [{ tag: "unbond", value: amount }], [STAND]];
    // Not so many may give up that nobody could be elected.
    if (validators.size > gatekeepers.length) ways.push([CHILL]);
    return this.#asked(this.#random.of(this.#stashes), ...this.#random.of(ways));
  }

  /** Puts so much behind a stash that it is elected next. */
  promote(stash: string): Message[] {
    return this.#asked(stash, { tag: "bondExtra", value: 1_000n * UNIT }, STAND);
  }

  /** Whoever of these had given up stands again. */
  stand(stashes: readonly string[]): Message[] {
    const { validators } = this.#network.state;
    return stashes.filter((stash) => !validators.has(idOf(stash))).flatMap((stash) => this.#asked(stash, STAND));
  }

  /** These do not stand for election any more. */
  chill(stashes: readonly string[]): Message[] {
    return stashes.flatMap((stash) => this.#asked(stash, CHILL));
  }

  #asked(name: string, ...calls: readonly Call[]): Message[] {
    const sequence = this.#network.sequenceOf(name);
    return calls.map((call, at) => this.#network.unsigned(name, call, sequence + at));
  }
}

const CHILL: Call = { tag: "chill", value: undefined };
const STAND: Call = { tag: "validate", value: { commission: 0, blocked: false } };

/** Whether a stash's pRuntime acts. */
export function isElected({ state }: Pick<Chain<unknown>, "state">, stash: string): boolean {
  return state.eras.at(-1)!.exposures.get(idOf(stash)) !== undefined;
}
