/**
 * The staking calls in their plainest form: what `pallet_staking` documents of each, on plain maps, one whole check after
 * the other. It finds all rules that a call breaks, not the first, so that it says nothing of their order.
 */
import type { Call, Payee, ValidatorPrefs } from "../../src/protocol/call.ts";

export interface ModelRules {
  readonly existentialDeposit: bigint;
  readonly bondingDuration: number;
  readonly minNominatorBond: bigint;
  readonly minValidatorBond: bigint;
  readonly minCommission: number;
  readonly maxValidatorCount: number;
  readonly maxNominatorCount: number;
}

interface ModelAccount {
  readonly sequence: number;
  readonly free: bigint;
}

/** Chunks are by the era in which they can be withdrawn. */
interface ModelStake {
  readonly active: bigint;
  readonly chunks: ReadonlyMap<number, bigint>;
  readonly payee: Payee;
  readonly key: string | null;
}

/** `MaxUnlockingChunks`. */
const CHUNKS = 32;
const ALL = 1_000_000_000;

const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);

export class StakingModel {
  readonly rules: ModelRules;
  readonly accounts = new Map<string, ModelAccount>();
  readonly stakes = new Map<string, ModelStake>();
  readonly validators = new Map<string, ValidatorPrefs>();
  readonly nominations = new Map<string, readonly string[]>();
  /** Operators by the keys of their pRuntimes. */
  readonly operators = new Map<string, string>();
  /** The era that is under way. */
  activeEra = 0;
  /** `CurrentEra`: the last one that was elected, for which stake may answer already. */
  currentEra = 0;

  constructor(rules: ModelRules) {
    this.rules = rules;
  }

  /** @returns why the message is refused, or all that is wrong with its call; nothing when it is done. */
  send(who: string, sequence: number, call: Call): readonly string[] {
    const account = this.accounts.get(who);
    if (account === undefined) return ["UnknownSender"];
    if (sequence < account.sequence) return ["SequenceTooLow"];
    if (sequence > account.sequence) return ["SequenceTooHigh"];
    this.accounts.set(who, { ...account, sequence: sequence + 1 });
    return this.#perform(who, call);
  }

  free(who: string): bigint {
    return this.accounts.get(who)?.free ?? 0n;
  }

  active(who: string): bigint {
    return this.stakes.get(who)?.active ?? 0n;
  }

  /** All that is at stake, and locked. */
  total(who: string): bigint {
    const stake = this.stakes.get(who);
    return stake === undefined ? 0n : [...stake.chunks.values()].reduce((sum, value) => sum + value, stake.active);
  }

  #perform(who: string, call: Call): readonly string[] {
    switch (call.tag) {
      case "transfer":
        return this.#transfer(who, call.value.to, call.value.amount);
      case "bond":
        return this.#bond(who, call.value.amount, call.value.payee);
      case "bondExtra":
        return this.#bondExtra(who, call.value);
      case "unbond":
        return this.#unbond(who, call.value);
      case "withdrawUnbonded":
        return this.#withdraw(who);
      case "validate":
        return this.#validate(who, call.value);
      case "nominate":
        return this.#nominate(who, call.value);
      case "chill":
        return this.#change(who, [], () => this.#chill(who));
      case "setPayee":
        return this.#change(who, [], (stake) => this.stakes.set(who, { ...stake, payee: call.value }));
      case "setKeys":
        return this.#setKeys(who, call.value);
      default:
        throw new Error(`${call.tag} is none of staking`);
    }
  }

  /** What is locked stays, and so does the existential deposit. */
  #transfer(who: string, to: string, amount: bigint): readonly string[] {
    const { existentialDeposit: deposit } = this.rules;
    const wrong: string[] = [];
    const rest = this.free(who) - amount;
    if (amount > 0n && (rest < deposit || rest < this.total(who))) wrong.push("InsufficientBalance");
    if (!this.accounts.has(to) && amount < deposit) wrong.push("ExistentialDeposit");
    if (wrong.length > 0 || to === who) return wrong;
    this.accounts.set(who, { ...this.accounts.get(who)!, free: rest });
    this.accounts.set(to, { sequence: this.accounts.get(to)?.sequence ?? 0, free: this.free(to) + amount });
    return [];
  }

  #bond(who: string, amount: bigint, payee: Payee): readonly string[] {
    const active = lesser(amount, this.free(who));
    const wrong: string[] = [];
    if (this.stakes.has(who)) wrong.push("AlreadyBonded");
    if (active < this.rules.existentialDeposit) wrong.push("InsufficientBond");
    if (wrong.length === 0) this.stakes.set(who, { active, chunks: new Map(), payee, key: null });
    return wrong;
  }

  #bondExtra(who: string, amount: bigint): readonly string[] {
    const active = this.active(who) + lesser(amount, this.free(who) - this.total(who));
    const wrong = active < this.rules.existentialDeposit ? ["InsufficientBond"] : [];
    return this.#change(who, wrong, (stake) => this.stakes.set(who, { ...stake, active }));
  }

  /** With all chunks taken, what can be withdrawn is withdrawn first; if that is all there is, there is no stake left. */
  #unbond(who: string, amount: bigint): readonly string[] {
    const { existentialDeposit, bondingDuration, minNominatorBond, minValidatorBond } = this.rules;
    const stake = this.stakes.get(who);
    if (stake === undefined) return ["NotBonded"];
    let chunks = new Map(stake.chunks);
    if (chunks.size >= CHUNKS) chunks = this.#locked(chunks);
    if (chunks.size >= CHUNKS) return ["NoMoreChunks"];
    if (chunks.size === 0 && stake.chunks.size > 0 && stake.active < existentialDeposit) return ["NotBonded"];
    let active = stake.active - lesser(amount, stake.active);
    if (amount > 0n && active < existentialDeposit) active = 0n;
    const least = this.validators.has(who) ? minValidatorBond : this.nominations.has(who) ? minNominatorBond : 0n;
    const value = stake.active - active;
    if (value > 0n && active < least) return ["InsufficientBond"];
    const era = this.currentEra + bondingDuration;
    if (value > 0n) chunks.set(era, (chunks.get(era) ?? 0n) + value);
    this.stakes.set(who, { ...stake, active, chunks });
    return [];
  }

  #withdraw(who: string): readonly string[] {
    return this.#change(who, [], (stake) => {
      const chunks = this.#locked(stake.chunks);
      if (chunks.size > 0 || stake.active >= this.rules.existentialDeposit) {
        this.stakes.set(who, { ...stake, chunks });
        return;
      }
      this.stakes.delete(who);
      this.#chill(who);
    });
  }

  #validate(who: string, prefs: ValidatorPrefs): readonly string[] {
    const { minValidatorBond, minCommission, maxValidatorCount } = this.rules;
    const wrong: string[] = [];
    if (this.active(who) < minValidatorBond) wrong.push("InsufficientBond");
    if ((this.stakes.get(who)?.key ?? null) === null) wrong.push("NoKeys");
    if (prefs.commission < minCommission) wrong.push("CommissionTooLow");
    if (prefs.commission > ALL) wrong.push("CommissionTooHigh");
    if (!this.validators.has(who) && this.validators.size >= maxValidatorCount) wrong.push("TooManyValidators");
    return this.#change(who, wrong, () => {
      this.nominations.delete(who);
      this.validators.set(who, prefs);
    });
  }

  /** Whom somebody backs already, he may go on to back, whatever became of him. */
  #nominate(who: string, targets: readonly string[]): readonly string[] {
    const wrong: string[] = [];
    const already = this.nominations.get(who);
    const open = (target: string): boolean =>
      already?.includes(target) === true || this.validators.get(target)?.blocked === false;
    if (this.active(who) < this.rules.minNominatorBond) wrong.push("InsufficientBond");
    if (targets.length === 0) wrong.push("EmptyTargets");
    if (new Set(targets).size < targets.length) wrong.push("DuplicateTarget");
    if (!targets.every(open)) wrong.push("BadTarget");
    if (already === undefined && this.nominations.size >= this.rules.maxNominatorCount) wrong.push("TooManyNominators");
    return this.#change(who, wrong, () => {
      this.validators.delete(who);
      this.nominations.set(who, targets);
    });
  }

  #setKeys(who: string, key: string): readonly string[] {
    const operator = this.operators.get(key);
    const wrong = operator === undefined ? ["NotWorker"] : operator === who ? [] : ["NotOperator"];
    return this.#change(who, wrong, (stake) => this.stakes.set(who, { ...stake, key }));
  }

  #change(who: string, wrong: readonly string[], change: (stake: ModelStake) => void): readonly string[] {
    const stake = this.stakes.get(who);
    if (stake === undefined) return [...wrong, "NotBonded"];
    if (wrong.length === 0) change(stake);
    return wrong;
  }

  #chill(who: string): void {
    this.validators.delete(who);
    this.nominations.delete(who);
  }

  #locked(chunks: ReadonlyMap<number, bigint>): Map<number, bigint> {
    return new Map([...chunks].filter(([era]) => era > this.activeEra));
  }
}
