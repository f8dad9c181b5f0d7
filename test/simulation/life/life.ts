/**
 * The whole life of a network in one process, from one seed, in virtual time: blocks. pRuntimes are real `Enclave`s on disks in
 * memory; what they say to the chain and to each other is signed, sealed and opened in earnest. Their threads work on the network's
 * stores, step by step, beside contracts that put, remove and get states there. Governance has the MasterKey rotated, states moved
 * to other suites, stores and builds of the pRuntime, and calls that off. Hosts are late, messages get lost, pRuntimes are killed
 * between any two of their writes and steps, the power of the machine with the store fails, stakes move, and one pRuntime, a
 * gatekeeper's or another, does not do what it should (byzantine.ts). After every block, and at the end, in calm:
 *
 *   states        what was acknowledged last, or read, is there, once, and readable under a MasterKey that is in force; what somebody
 *                 has altered is kept aside as it was until it is put right (states.ts)
 *   migrations    until the switch the store that states are in is complete, and the one that they go to is where it was copied;
 *                 never do both serve, and in the end the one that was left is empty (migrations.ts)
 *   answers       contracts read what was written, and do not wait for a rotation (writers.ts)
 *   abandonment   comes after all is done; then nothing is left that opens anything that was under it (abandoned.ts)
 *   blame         nobody honest is convicted; who is proved to have lied is (convictions.ts)
 *   progress      once nothing fails any more, a rotation ends
 *
 * A seed draws the same run again, to the last bit: all that waits for another waits for a step (steps.ts), and chance is seeded.
 */
import { toHex } from "../../../src/bytes.ts";
import { accountOf } from "../../../src/protocol/account.ts";
import type { Call } from "../../../src/protocol/call.ts";
import type { Effect } from "../../../src/protocol/effect.ts";
import { signMessage } from "../../../src/protocol/message.ts";
import type { State } from "../../../src/protocol/state.ts";
import { Authority } from "../../pruntime/authority.ts";
import { idOf, signerOf } from "../../protocol/network.ts";
import { Seeded } from "../../slow/seeded.ts";
import { Machines } from "../faults.ts";
import { ensure } from "../invariants.ts";
import { Operators } from "../operators.ts";
import { SeededRandomness } from "../randomness.ts";
import { RememberedProducts } from "../remembered-products.ts";
import { Wire } from "../wire.ts";
import { Abandoned } from "./abandoned.ts";
import { ATTACKS, Byzantine } from "./byzantine.ts";
import { Convictions } from "./convictions.ts";
import { KnownKeys } from "./known-keys.ts";
import { CALM, type LifeRates, drawLifeRates } from "./life-rates.ts";
import { type LifeSetting, drawLifeSetting, lifeGenesis } from "./life-setting.ts";
import { LivePRuntime, type Surroundings } from "./live-pruntime.ts";
import { Machine } from "./machine.ts";
import { Migrations, generationsInForce, isInPartition, isMirrored } from "./migrations.ts";
import { Orders } from "./orders.ts";
import { Post } from "./post.ts";
import { RememberedLedgers } from "./remembered-ledgers.ts";
import { States } from "./states.ts";
import { Steps, settled } from "./steps.ts";
import { Upgrade } from "./upgrade.ts";
import { Writers } from "./writers.ts";

/** Blocks for which there are faults beyond what is drawn, while states are being moved. */
const MORE_BLOCKS = 20;
/** Writes to its disk within which a pRuntime is killed. */
const WRITES_MAX = 6;
/** Blocks in which there is a first MasterKey. */
const LAUNCH_BLOCKS = 60;
/** Steps of a block, at most, where nothing fails. */
const CALM_STEPS = 150;
/** As many more where each write goes to two stores; calls of contracts are as many as else. */
const COPYING = 3;
/** Steps from one call of contracts to the next. */
const CALL_STEPS = 6;
/** In which a store says whether it serves (src/store/service.ts). */
const SERVICE_CELL = "service";
/** Blocks in which a rotation must end when nothing fails any more. */
const PATIENCE = 220;
/** Blocks after which what was begun before is done. */
const CALM_STARTS = 12;
/** Blocks in which whoever runs contracts has their keys. */
const READY_BLOCKS = 12;
/** Blocks until nobody is late any more from before. */
const CALM_BEFORE = 40;
/** What an honest pRuntime's message comes to, if it is not done: it was late, or others were before. */
const STALE = new Set([
  "SequenceTooLow",
  "SequenceTooHigh",
  "WrongEpoch",
  "WrongPhase",
  "WrongSession",
  "AlreadySent",
  "NothingToDo",
  "NoRotation",
  "NotGatekeeper",
  "NotRotationWorker",
  "NotAssigned",
  "NotInForce",
]);

/** What came about in a run. */
export interface LifeReport {
  readonly seed: number;
  readonly blocks: number;
  /** How often each kind of effect was told, and what else happened. */
  readonly told: ReadonlyMap<string, number>;
  readonly attacks: ReadonlySet<string>;
  /** Lies that had to be punished, and were. */
  readonly proved: number;
  /** Of the last state. */
  readonly stateHash: string;
}

/** Runs one seed. @throws Error with the seed, the block, and what did not hold. */
export async function live(seed: number): Promise<LifeReport> {
  using _randomness = new SeededRandomness(seed);
  using _products = new RememberedProducts();
  using _ledgers = new RememberedLedgers();
  using life = new Life(seed);
  try {
    return await life.run();
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    const again = `LIFE=${seed} npx vitest run test/simulation/life`;
    throw new Error(`seed ${seed}, block ${life.height}: ${what}; again: ${again}`, { cause });
  }
}

class Life implements Disposable {
  readonly #seed: number;
  readonly #random: Seeded;
  readonly #setting: LifeSetting;
  readonly #pRuntimes: readonly LivePRuntime[];
  readonly #chain: Authority;
  readonly #steps: Steps;
  readonly #machine: Machine;
  readonly #migrations: Migrations;
  readonly #machines: Machines;
  readonly #wire: Wire<Uint8Array>;
  readonly #post: Post;
  readonly #operators: Operators<Uint8Array>;
  readonly #keys = new KnownKeys();
  readonly #states = new States(this.#keys);
  readonly #writers: Writers;
  readonly #upgrade: Upgrade;
  readonly #orders: Orders;
  readonly #byzantine: Byzantine | null;
  readonly #liar: LivePRuntime | null;
  readonly #convictions: Convictions;
  readonly #abandoned: Abandoned;
  readonly #told = new Map<string, number>();
  /** What the one says that does not do what it should: nothing of it is lost, or comes behind others. */
  readonly #pushed: Uint8Array[] = [];
  readonly #stepsMax: number;
  /** Whether somebody has said in this step which store serves. */
  #isSwitching = false;
  /** Who has made commits in this step. */
  readonly #victims: object[] = [];
  #calmBlocks = 0;
  /** Accounts of pRuntimes that do what they should. */
  readonly #isHonest: ReadonlySet<string>;

  constructor(seed: number) {
    const random = new Seeded(seed);
    this.#seed = seed;
    this.#random = random;
    const setting = drawLifeSetting(random);
    this.#setting = setting;
    this.#steps = new Steps(random);
    this.#machine = new Machine(this.#steps, {
      wrote: (contract) => this.#states.wrote(contract),
      committed: (owner, { cells }) => {
        this.#victims.push(owner);
        this.#isSwitching ||= cells?.some(({ name }) => name === SERVICE_CELL) ?? false;
      },
    });
    this.#migrations = new Migrations(this.#machine);
    const around = () => ({ machine: this.#machine, steps: this.#steps, chain: this.#chain });
    const names = [...setting.stashes, ...setting.workers.map(({ name }) => name)];
    const first = names.map((name) => new LivePRuntime(name, around));
    const successors = setting.upgrades ? successorsOf(setting.stashes, around) : new Map<string, LivePRuntime>();
    this.#pRuntimes = [...first, ...successors.values()];
    this.#chain = new Authority(lifeGenesis(setting, new Map(first.map((each) => [each.name, each]))));
    this.#machines = new Machines(random);
    this.#wire = new Wire(random);
    this.#post = new Post(this.#pRuntimes, random);
    const chain = this.#chain;
    this.#operators = new Operators(
      {
        get state() {
          return chain.ledger.state;
        },
        sequenceOf: (name) => chain.ledger.state.accounts.get(idOf(name))?.sequence ?? 0,
        unsigned: (name, call: Call, sequence) => signMessage(signerOf(name), chain.ledger.genesisHash, sequence, call),
      },
      setting.stashes,
      random,
    );
    this.#writers = new Writers(this.#states, this.#steps, random);
    const [keys, states, machine, writers] = [this.#keys, this.#states, this.#machine, this.#writers];
    this.#upgrade = new Upgrade({ chain, successors, machine, random });
    const [pRuntimes, upgrade] = [this.#pRuntimes, this.#upgrade];
    this.#orders = new Orders({ chain, setting, pRuntimes, writers, machine, upgrade, random });
    this.#liar = this.#pRuntimes.find(({ name }) => name === setting.byzantine) ?? null;
    this.#byzantine =
      this.#liar &&
      new Byzantine(this.#liar, { chain, machine, keys, states, random, favourite: ATTACKS[seed % ATTACKS.length]! });
    const stashes = setting.stashes.filter((name) => name !== setting.byzantine);
    this.#convictions = new Convictions(this.#liar, this.#byzantine, machine, stashes);
    const { carried } = this.#post;
    this.#abandoned = new Abandoned({ pRuntimes: this.#pRuntimes, byzantine: this.#liar, machine, carried });
    const honest = this.#pRuntimes.filter(({ name }) => name !== setting.byzantine);
    this.#isHonest = new Set(honest.map(({ identityKey }) => accountOf(identityKey)));
    this.#stepsMax = random.of([12, 30, 60]);
  }

  get height(): number {
    return this.#chain.height;
  }

  async run(): Promise<LifeReport> {
    await this.#launch();
    const rates = drawLifeRates(this.#random);
    const until = this.height + this.#setting.faultBlocks;
    this.#orders.until = until;
    while (this.height < until || (isMirrored(this.#state.rotation) && this.height < until + MORE_BLOCKS)) {
      await this.#block(rates, [...this.#operators.move(), ...(await this.#upgrade.moves())]);
    }
    await this.#settle();
    return {
      seed: this.#seed,
      blocks: this.height,
      told: this.#told,
      attacks: this.#byzantine?.made ?? new Set(),
      proved: this.#convictions.proved,
      stateHash: toHex(this.#chain.ledger.stateHash()),
    };
  }

  [Symbol.dispose](): void {
    for (const pRuntime of this.#pRuntimes) pRuntime.kill();
    this.#byzantine?.[Symbol.dispose]();
  }

  /** The first MasterKey is made where nothing fails: what may fail in a key session is ../simulation.ts's. */
  async #launch(): Promise<void> {
    while (this.#state.sharings.length === 0) {
      ensure(this.height < LAUNCH_BLOCKS, "there is no MasterKey");
      await this.#block(CALM, []);
    }
    this.#calmBlocks = 0;
  }

  /** Faults have stopped: the rotation that is under way ends, or else one that is ordered then, and all is there. */
  async #settle(): Promise<void> {
    for (const { name } of this.#pRuntimes) if (this.#machines.isOff(name)) this.#machines.switchOn(name);
    const until = this.height + PATIENCE;
    const abandoned = this.#told.get("MasterKeyAbandoned") ?? 0;
    while ((this.#told.get("MasterKeyAbandoned") ?? 0) === abandoned || this.#upgrade.isUnderWay) {
      const { rotation, sharings, rotationOrdered, migrationOrdered } = this.#state;
      ensure(this.height < until, `a rotation in ${rotation?.phase ?? "no phase"} does not end in ${PATIENCE} blocks`);
      const isIdle = rotation === null && rotationOrdered === null && migrationOrdered === null;
      const isOrder = isIdle && sharings.length > 0 && this.height % 4 === 0;
      const moves = this.height % 8 === 0 ? this.#elect() : [];
      moves.push(...(await this.#upgrade.moves()));
      await this.#block(CALM, [...moves, ...this.#ordered(isOrder)]);
    }
    await this.#readAll();
    for (const [what, times] of Object.entries(this.#writers.done)) this.#told.set(what, times);
    for (const { isLost } of this.#machine.stores) if (isLost) this.#tell("target lost");
  }

  /** What governance has begun it ends. */
  #ordered(isOrder: boolean): Uint8Array[] {
    if (this.#upgrade.isUnderWay || (this.#upgrade.isAhead && isOrder)) return this.#orders.upgrade();
    return isOrder ? this.#orders.rotate() : [];
  }

  /** Who was convicted does not stand for election any more; all others do. */
  #elect(): Uint8Array[] {
    const { stashes, byzantine } = this.#setting;
    const isOut = this.#liar !== null && this.#convictions.convicted.has(this.#liar.identityKey);
    const out = stashes.filter((name) => name === byzantine && isOut);
    return [...this.#operators.stand(stashes.filter((name) => !out.includes(name))), ...this.#operators.chill(out)];
  }

  /** Whoever runs contracts reads all of their states. */
  async #readAll(): Promise<void> {
    // Nobody writes any more; who began anew at the end gets the keys of its contracts once more.
    for (let block = 0; block < READY_BLOCKS && !this.#writers.areReady(this.#pRuntimes, this.#chain); block++) {
      await this.#block(CALM, [], false);
    }
    await this.#writers.readAll(this.#pRuntimes, this.#chain, async () => {
      while (!this.#steps.isIdle) await this.#steps.one();
      await settled();
    });
  }

  get #state() {
    return this.#chain.ledger.state;
  }

  async #block(rates: LifeRates, moves: readonly Uint8Array[], writes = true): Promise<void> {
    for (const pRuntime of this.#shuffled()) await this.#act(pRuntime, rates);
    this.#post.carry(this.height, rates.lose);
    await this.#work(rates, writes);
    const before = this.#chain.ledger;
    const messages = [
      ...this.#pushed.splice(0),
      ...this.#wire.due(this.height + 1, rates),
      ...this.#orders.due(),
      ...moves,
    ];
    this.#chain.block(messages);
    const { effects } = this.#chain;
    for (const { kind } of effects) this.#tell(kind);
    await this.#check(before.state, effects, rates === CALM);
  }

  async #act(pRuntime: LivePRuntime, rates: LifeRates): Promise<void> {
    const { height } = this;
    if (!pRuntime.isDeployed) return;
    if (!this.#machines.isOn(pRuntime, height, rates)) return;
    const isKilled = this.#random.fraction() < rates.kill;
    pRuntime.killSoon(isKilled ? this.#random.below(WRITES_MAX) : Number.POSITIVE_INFINITY);
    if (!pRuntime.isUp) pRuntime.start();
    if (!pRuntime.isUp) return;
    const to = this.#machines.followsTo(pRuntime, height, rates, rates === CALM ? 0 : this.#setting.lag);
    if (to === null) return;
    const said = await pRuntime.follow(to);
    if (pRuntime === this.#liar) this.#pushed.push(...this.#byzantine!.replace(said));
    else for (const message of said) this.#wire.send(message, height + 1, rates);
  }

  /** What is done with the store while a block comes about. */
  async #work(rates: LifeRates, writes: boolean): Promise<void> {
    const isCalm = rates === CALM;
    const times = isMirrored(this.#state.rotation) ? COPYING : 1;
    const killed = (times * rates.kill) / 40;
    const steps = times * (isCalm ? CALM_STEPS : this.#random.below(this.#stepsMax));
    const failsAt = this.#random.fraction() < rates.power ? this.#random.below(steps + 1) : steps;
    let isFailing = failsAt < steps;
    for (let step = 0; step < steps; step++) {
      // Where something may be lost, if that comes about.
      if (isFailing && step >= failsAt && (this.#machine.isUnsynced || step === steps - 1)) {
        await this.#losePower();
        isFailing = false;
      }
      if (writes && step % (times * CALL_STEPS) === 0) this.#writers.act(this.#random.of(this.#pRuntimes), this.#chain);
      if (isCalm && this.#steps.isIdle) {
        await settled();
        if (this.#steps.isIdle && step > 20) return;
      }
      if (this.#random.fraction() < killed) this.#kill(this.#random.of(this.#pRuntimes));
      await this.#byzantine?.meddle();
      await this.#steps.one();
      this.#killCommitting(rates);
      if (this.#isSwitching) await this.#migrations.checkServing(this.#state);
      this.#isSwitching = false;
    }
  }

  /** Who has written is killed before it knows that, now and then. */
  #killCommitting(rates: LifeRates): void {
    for (const owner of this.#victims.splice(0)) {
      const pRuntime = this.#pRuntimes.find(({ process }) => process === owner);
      if (pRuntime !== undefined && this.#random.fraction() < rates.kill / 3) this.#kill(pRuntime);
    }
  }

  #kill(pRuntime: LivePRuntime): void {
    if (pRuntime.isUp) this.#tell("killed at work");
    pRuntime.kill();
  }

  /** All that is on the machine dies with it. */
  async #losePower(): Promise<void> {
    for (const pRuntime of this.#pRuntimes) pRuntime.kill();
    const lost = await this.#machine.losePower(this.#random);
    this.#states.losePower();
    this.#tell("power failure");
    if (lost > 0) this.#tell("commits lost");
  }

  async #check(before: State, effects: readonly Effect[], isCalm: boolean): Promise<void> {
    const { sharings } = this.#state;
    for (const effect of effects) {
      if (effect.kind === "MessageFailed" && this.#isHonest.has(effect.sender)) {
        ensure(STALE.has(effect.reason), `a message of an honest pRuntime failed: ${effect.reason}`);
      }
      if (effect.kind === "RotationAdvanced" && effect.phase === "abandonment") this.#states.endAlterations();
    }
    await this.#convictions.check(before, effects, isCalm && this.#calmBlocks++ > CALM_BEFORE);
    await this.#abandoned.check(before, effects, this.#state);
    for (const effect of effects) if (effect.kind === "RotationAborted") this.#keys.forget(effect.rotationId);
    if (effects.some(({ kind }) => kind === "SharingAdopted")) {
      const disks = this.#pRuntimes.map(({ disk }) => disk);
      for (const sharing of sharings) this.#keys.learn(sharing, disks);
    }
    this.#writers.check();
    if (isCalm && this.#calmBlocks > CALM_STARTS) this.#writers.checkWaiting(this.height);
    await this.#migrations.check(effects, this.#state, this.#byzantine?.hasLeftStore ?? false);
    await this.#checkStores();
  }

  /** The store that serves is complete; so is what was copied of it to the one that takes its place. */
  async #checkStores(): Promise<void> {
    await this.#states.check(this.#machine.inForce(this.#state).memory, generationsInForce(this.#state));
    const copied = await this.#migrations.copied(
      this.#state,
      (index, partition) => this.#byzantine?.hasTouched(index, partition) ?? false,
    );
    if (copied.length === 0) return;
    const { from, migration } = this.#state.rotation!;
    await this.#states.check(this.#machine.store(migration!.store!).memory, [from + 1], (contract, key) =>
      copied.some((partition) => isInPartition(partition, contract, key)),
    );
  }

  #shuffled(): LivePRuntime[] {
    const all = [...this.#pRuntimes];
    for (let at = all.length - 1; at > 0; at--) {
      const other = this.#random.below(at + 1);
      [all[at], all[other]] = [all[other]!, all[at]!];
    }
    return all;
  }

  #tell(what: string): void {
    this.#told.set(what, (this.#told.get(what) ?? 0) + 1);
  }
}

/** A pRuntime of another build for each stash; nobody runs them yet. */
function successorsOf(stashes: readonly string[], around: () => Surroundings): Map<string, LivePRuntime> {
  return new Map(
    stashes.map((stash) => {
      const successor = new LivePRuntime(stash.replace("s", "t"), around);
      successor.isDeployed = false;
      return [stash, successor];
    }),
  );
}
