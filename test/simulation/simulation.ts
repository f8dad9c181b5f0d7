/**
 * A whole network in one process, from one seed, in virtual time: blocks. Honest gatekeepers are real `Shareholder`s over the
 * real ledger, with the cryptography that they have in earnest; only signatures are left out, as whatever is in a block has
 * been checked to be of its signer. Machines, hosts and the way to the blocks fail (faults.ts, wire.ts), stakes move
 * (operators.ts), and up to t − 1 gatekeepers are Byzantine (adversary.ts). After every block the invariants are checked.
 * After the faults have stopped, somebody is elected who was not before: where enough gatekeepers are up and honest, or come
 * to be when Byzantine ones are voted out, it must have a share within a bounded number of blocks.
 *
 * Byzantine plus down may be n − t at most for keys to be derived, n − 2t + 1 for a key session to succeed; nothing is asked
 * of progress beyond.
 *
 * What Byzantine gatekeepers do, by phase; "refused" is what the ledger must not count as done:
 *
 *   registration
 *     silent at registration             says nothing
 *     copied dealing key                 another's key, with its proof or an own one: refused
 *     malformed dealing key              no element, of another length, or no proof: refused
 *     dealing key of an old session      its own registration again: refused
 *     dealing key for another's place    an own key, proved for another index: refused
 *     two dealing keys                   the second is refused
 *     late dealing key                   in the first block after the phase: refused
 *     dealing key of a stranger          of who is not elected: refused
 *   dealing
 *     silent at dealing                  says nothing
 *     late dealing                       in the first block after the phase: refused
 *     two dealings                       equivocation; the second is refused
 *     bad sub-share to one               garbled, or a right encryption of a wrong value: it is convicted
 *     bad sub-shares to all              the same
 *     sub-shares of the next index       f(j + 1) for receiver j: convicted
 *     a sub-share of zero                a polynomial with a root at one receiver: convicted
 *     a degree too high                  more commitments than t: refused; or sub-shares of a higher degree: convicted
 *     a degree too low                   less commitments than t: refused
 *     another constant                   in a resharing other than its share: refused; in a refresh other than 0: convicted
 *     rogue key                          C_0 composed of others', so that their sum is a chosen key: refused
 *     cancelled coefficient              C_1 composed of others', so that the sum is of a lower degree: convicted
 *     copied dealing                     another's, bit by bit: refused
 *     copied constant                    another's commitments and possession: refused
 *     copied ephemeral key               so that a complaint would decrypt another's sub-share: refused
 *     dealing of an old session          its own of before: refused
 *     dealing as another                 proved for another index: refused
 *     malformed dealing                  no elements, other lengths, no proofs: refused
 *     a commitment that is no element    with everything else proved for it: refused
 *     dealing of a stranger              of who has no share, or gets none: refused
 *   complaint
 *     silent at complaint                says nothing
 *     blind eye                          does not tell of its fellows' bad sub-shares
 *     complaint about a right sub-share  with the right point and proof: convicted
 *     complaint about everybody          the same, about all honest dealers: convicted
 *     garbage complaint                  another point, or no proof: convicted
 *     borrowed complaint                 another receiver's: convicted
 *     complaint about nobody             about a dealer that there is not: refused
 *     complaints out of order            not rising, or one twice: refused
 *     late complaint                     in the first block after the phase: refused
 *     two judgements                     the second is refused
 *   confirmation
 *     silent at confirmation             says nothing
 *     false trial                        another partial, or no proof: refused
 *     trial of an old share              refused
 *     trial of an old session            refused
 *     two confirmations                  the second is refused
 *     confirmation without a share       another's trial: refused
 *   afterwards
 *     never declared                     that an old share is destroyed
 *     declared, and kept                 all that they ever had they have in common
 *     declared what is in force          refused
 *
 * Anybody's messages come again, of this session and of old ones, at any time (wire.ts).
 */
import type { AuthenticMessage } from "../../src/protocol/authenticate.ts";
import type { Ledger } from "../../src/protocol/ledger.ts";
import { type Network, Network as SmallNetwork, checkInvariants, identity } from "../protocol/network.ts";
import { Seeded } from "../slow/seeded.ts";
import { Adversary } from "./adversary.ts";
import { type FaultRates, Machines, NO_FAULTS, drawRates } from "./faults.ts";
import { HonestPRuntime } from "./honest-pruntime.ts";
import { Invariants, ensure } from "./invariants.ts";
import { Operators, isElected } from "./operators.ts";
import { SeededRandomness } from "./randomness.ts";
import { RememberedProducts } from "./remembered-products.ts";
import { readSealed } from "./sealed-secrets.ts";
import { checkRetired } from "./retired-invariants.ts";
import { type Setting, drawSetting, genesisFor, tolerated } from "./setting.ts";
import { SharingInvariants } from "./sharing-invariants.ts";
import { Wire } from "./wire.ts";

/** Blocks after which shares are refreshed, where it is waited for. */
const SOON = 12;

/** What came about in a run. */
export interface Report {
  readonly seed: number;
  readonly blocks: number;
  readonly attacks: ReadonlySet<string>;
  /** How often each kind of effect was told, and "adopted" with each kind of session. */
  readonly told: ReadonlyMap<string, number>;
  /** Whether it was asked for that somebody else comes to have a share. */
  readonly progressed: boolean;
  /** Of the last state. */
  readonly stateHash: string;
}

/** Runs one seed. @throws Error with the seed, the block, and what did not hold. */
export function simulate(seed: number): Report {
  using randomness = new SeededRandomness(seed);
  using _ = new RememberedProducts();
  using simulation = new Simulation(seed, randomness);
  try {
    return simulation.run();
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    const again = `SEED=${seed} npx vitest run test/simulation`;
    throw new Error(`seed ${seed}, block ${simulation.height}: ${what}; again: ${again}`, { cause });
  }
}

class Simulation implements Disposable {
  readonly #seed: number;
  readonly #setting: Setting;
  readonly #random: Seeded;
  readonly #randomness: SeededRandomness;
  readonly #network: Network;
  readonly #pRuntimes: readonly HonestPRuntime[];
  readonly #machines: Machines;
  readonly #wire: Wire<AuthenticMessage>;
  readonly #adversary: Adversary;
  readonly #operators: Operators<AuthenticMessage>;
  readonly #invariants: Invariants;
  readonly #sharings: SharingInvariants;
  /** By height. */
  readonly #ledgers: Ledger[];
  readonly #told = new Map<string, number>();

  constructor(seed: number, randomness: SeededRandomness) {
    this.#seed = seed;
    this.#random = new Seeded(seed);
    this.#randomness = randomness;
    const random = this.#random;
    this.#setting = drawSetting(random);
    const { honest, byzantine } = this.#setting;
    this.#network = new SmallNetwork(genesisFor(this.#setting), checkInvariants);
    this.#ledgers = [this.#network.ledger];
    this.#pRuntimes = honest.map((name) => new HonestPRuntime(name));
    this.#machines = new Machines(random);
    this.#wire = new Wire<AuthenticMessage>(random);
    this.#adversary = new Adversary(this.#network, byzantine, random, seed);
    this.#operators = new Operators(this.#network, [...honest, ...byzantine], random);
    this.#invariants = new Invariants(this.#network, this.#setting);
    this.#sharings = new SharingInvariants(this.#network, this.#pRuntimes, this.#adversary, random);
  }

  get height(): number {
    return this.#network.state.height;
  }

  run(): Report {
    const rates = drawRates(this.#random);
    while (this.height < this.#setting.faultBlocks) this.#block(rates, this.#operators.move());
    const progressed = this.#settle();
    return {
      seed: this.#seed,
      blocks: this.height,
      attacks: this.#adversary.made,
      told: this.#told,
      progressed,
      stateHash: Buffer.from(this.#network.ledger.stateHash()).toString("hex"),
    };
  }

  [Symbol.dispose](): void {
    for (const pRuntime of this.#pRuntimes) pRuntime[Symbol.dispose]();
    this.#adversary[Symbol.dispose]();
  }

  /** Faults have stopped. @returns whether it must go on, and did. */
  #settle(): boolean {
    const { byzantine, honest } = this.#setting;
    const outside = honest.filter((name) => !isElected(this.#network, name));
    const promoted = this.#random.of(outside.length > 0 ? outside : honest);
    const mayFail = tolerated(this.#setting) - byzantine.length;
    // Where the Byzantine ones are too many for progress, they are voted out: then it must go on.
    const votedOut = mayFail < 0 ? byzantine : [];
    this.#switchOff(Math.max(mayFail, 0), promoted);
    const mustGoOn = this.#canHandOver();
    const others = honest.filter((name) => name !== promoted);
    const moves = (): AuthenticMessage[] => [
      ...this.#operators.promote(promoted),
      ...this.#operators.stand(others),
      ...this.#operators.chill(votedOut),
    ];
    this.#await(mustGoOn, moves, () => this.#hasArrived(promoted));
    const { epoch, threshold } = this.#network.state.sharings.at(-1) ?? { epoch: 0, threshold: 1 };
    // With t = 1 there is nothing to refresh.
    if (mustGoOn && threshold > 1 && this.#setting.refreshBlocks <= SOON) {
      this.#await(true, moves, () => this.#network.state.sharings.at(-1)!.epoch > epoch);
    }
    return mustGoOn;
  }

  /**
   * Makes blocks until something holds, or as many as it may take.
   * @param mustCome - whether it must hold then; else all these blocks are made.
   * @param moves - of stakes; others may be convicted or stand again meanwhile, so that is why they are made again.
   */
  #await(mustCome: boolean, moves: () => AuthenticMessage[], holds: () => boolean): void {
    const bound = this.#bound();
    for (let block = 0; block < bound; block++) {
      if (mustCome && holds()) return;
      this.#block(NO_FAULTS, block % 8 === 0 ? moves() : []);
    }
    ensure(!mustCome || holds(), `no share for who was elected, or no new ones, in ${bound} blocks without a fault`);
  }

  /** Leaves at most so many machines off, for ever, and all others on. */
  #switchOff(most: number, spared: string): void {
    let left = this.#random.below(most + 1);
    for (const pRuntime of this.#pRuntimes) {
      const { name } = pRuntime;
      const stays = left > 0 && name !== spared && this.#random.below(3) === 0 && this.#canSpare(name);
      if (stays) left--;
      if (stays) this.#machines.switchOff(pRuntime, Number.POSITIVE_INFINITY);
      else if (this.#machines.isOff(name)) this.#machines.switchOff(pRuntime, this.height);
    }
  }

  /** Whether enough of those who have shares are left without this one. */
  #canSpare(name: string): boolean {
    return this.#canHandOver((pRuntime) => pRuntime.name !== name);
  }

  /** Whether t honest holders can deal. */
  #canHandOver(isCounted: (pRuntime: HonestPRuntime) => boolean = () => true): boolean {
    const sharing = this.#network.state.sharings.at(-1);
    if (sharing === undefined) return true;
    const holders = sharing.members.filter(
      ({ identityKey, confirmed }) =>
        confirmed &&
        this.#pRuntimes.some(
          (pRuntime) =>
            pRuntime.identityKey === identityKey && isCounted(pRuntime) && !this.#machines.isOffForEver(pRuntime.name),
        ),
    );
    return holders.length >= sharing.threshold;
  }

  /** Whether a committee with this stash acts and has the MasterKey, and nobody who is up has anything left to say of it. */
  #hasArrived(stash: string): boolean {
    const { sharings, gatekeepers, retired } = this.#network.state;
    const sharing = sharings.at(-1);
    if (sharing === undefined || !isElected(this.#network, stash)) return false;
    if (sharing.members.map(({ identityKey }) => identityKey).join() !== gatekeepers.join()) return false;
    return this.#pRuntimes.every(({ identityKey, isUp, disk }) => {
      const member = sharing.members.find((each) => each.identityKey === identityKey);
      const { shares } = disk.shares === null ? { shares: [] } : readSealed(disk.shares);
      const mayConfirm = member?.confirmed === false && shares.some(({ epoch }) => epoch === sharing.epoch);
      const owes = retired.some(({ owing }) => owing.includes(identityKey));
      return !isUp || !(mayConfirm || owes);
    });
  }

  /** Blocks in which everything must come right again: a few sessions and eras, and one session more for each attack. */
  #bound(): number {
    const { phaseBlocks, sessionBlocks, sessionsPerEra, byzantine } = this.#setting;
    return (3 + byzantine.length) * (5 * phaseBlocks + 2 * sessionBlocks * sessionsPerEra);
  }

  /** @param moves - of stakes. */
  #block(rates: FaultRates, moves: readonly AuthenticMessage[]): void {
    const before = this.#network.ledger;
    for (const pRuntime of this.#pRuntimes) this.#act(pRuntime, rates);
    const pending = this.#wire.due(this.height + 1, rates);
    const { first, last } = this.#adversary.speak(pending);
    const messages = [
      ...first.map(({ message }) => message),
      ...pending,
      ...last.map(({ message }) => message),
      ...this.#operators.launch(),
      ...moves,
    ];
    const effects = this.#network.blockOf(messages);
    this.#ledgers.push(this.#network.ledger);
    for (const { kind } of effects) this.#told.set(kind, (this.#told.get(kind) ?? 0) + 1);
    const made = { before, messages, effects, spoken: [...first, ...last] };
    if (effects.some(({ kind }) => kind === "SharingAdopted")) {
      const kind = before.state.keySession!.kind;
      this.#told.set(kind, (this.#told.get(kind) ?? 0) + 1);
    }
    this.#invariants.check(made);
    this.#sharings.check(made);
    checkRetired(made, this.#network.state);
  }

  #act(pRuntime: HonestPRuntime, rates: FaultRates): void {
    const { height } = this;
    if (!this.#machines.isOn(pRuntime, height, rates)) return;
    if (!pRuntime.isUp) pRuntime.restart();
    const to = this.#machines.followsTo(pRuntime, height, rates, this.#setting.phaseBlocks - 4);
    if (to === null) return;
    const ledger = this.#ledgers[to]!;
    const kill = this.#machines.kill(rates);
    const signed = this.#randomness.witnessed(
      (drawn) => this.#invariants.keepSecret(drawn),
      () => pRuntime.act(ledger, kill),
    );
    if (pRuntime.disk.shares !== null) {
      for (const { scalar } of readSealed(pRuntime.disk.shares).shares) this.#invariants.keepSecret(scalar);
    }
    if (!pRuntime.isUp) return;
    this.#sharings.checkSealed(pRuntime, ledger);
    if (signed === null) return;
    const message = this.#network.unsigned(identity(pRuntime.name), signed.call, signed.sequence);
    this.#invariants.checkLeaving(message);
    this.#wire.send(message, height + 1, rates);
  }
}
