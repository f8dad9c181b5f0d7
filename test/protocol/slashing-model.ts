/**
 * Slashing in its plainest form ("Slashing mechanisms", W3F Research): all offences are kept for ever, and what somebody
 * loses for one is by how much it raises the maximum over the eras of his span.
 */
export interface SlashingRules {
  readonly slashDeferDuration: number;
  readonly sessionsPerEra: number;
  /** In billionths. */
  readonly slashRewardFraction: number;
}

/** Who answers for a gatekeeper in an era, itself among them. */
export type Stakes = ReadonlyMap<string, { readonly own: bigint; readonly others: ReadonlyMap<string, bigint> }>;

/** What an offence costs. */
export interface Penalty {
  /** When the offence was. */
  readonly era: number;
  readonly dueSession: number;
  /** By whom it is lost: the gatekeeper first. */
  readonly losses: readonly (readonly [who: string, amount: bigint])[];
  readonly reporter: string | null;
  readonly payout: bigint;
}

const WHOLE = 1_000_000_000n;
const part = (fraction: number, amount: bigint): bigint => (amount * BigInt(fraction)) / WHOLE;

interface Answering {
  readonly startSession: number;
  readonly stakes: Stakes;
  readonly worst: Map<string, number>;
}

/** When an offence becomes known. */
export interface Moment {
  readonly era: number;
  readonly session: number;
}

export class SlashingModel {
  readonly #rules: SlashingRules;
  /** By era, what each gatekeeper answers for, and the worst that it was found to have done. */
  readonly #eras = new Map<number, Answering>();
  /** Eras with which a new span began. */
  readonly #starts = new Map<string, number[]>();
  readonly #maxima = new Map<string, { slashed: bigint; paid: bigint }>();

  constructor(rules: SlashingRules) {
    this.#rules = rules;
  }

  era(index: number, startSession: number, stakes: Stakes): void {
    if (!this.#eras.has(index)) this.#eras.set(index, { startSession, stakes, worst: new Map() });
  }

  /** Whether somebody who offended in an era has begun anew since. */
  isCurrent(who: string, era: number): boolean {
    return this.#startsOf(who).every((start) => start <= era);
  }

  /** A name for the span that an era is in. */
  spanOf(who: string, era: number): string {
    return `${who}/${this.#startsOf(who).filter((start) => start <= era).length}`;
  }

  /** What somebody had at stake in an era, behind all gatekeepers. */
  exposure(who: string, era: number): bigint {
    let sum = 0n;
    for (const [stash, { own, others }] of this.#eras.get(era)!.stakes) {
      sum += stash === who ? own : (others.get(who) ?? 0n);
    }
    return sum;
  }

  /** @returns null where it is nothing new. */
  offence(
    { era: now, session }: Moment,
    index: number,
    stash: string,
    fraction: number,
    reporter: string | null,
  ): Penalty | null {
    const { startSession, stakes, worst } = this.#eras.get(index)!;
    const stake = stakes.get(stash);
    if (stake === undefined || (fraction > 0 && fraction <= (worst.get(stash) ?? 0))) return null;
    const { slashDeferDuration, sessionsPerEra } = this.#rules;
    const dueSession = Math.max(startSession + (slashDeferDuration + 1) * sessionsPerEra, session + sessionsPerEra);
    if (fraction === 0) {
      if (this.isCurrent(stash, index)) this.#endSpan(stash, now);
      return { era: index, dueSession, losses: [], reporter, payout: 0n };
    }
    worst.set(stash, fraction);
    const losses: [string, bigint][] = [];
    let payout = 0n;
    for (const who of [stash, ...stake.others.keys()]) {
      const all = who === stash ? part(fraction, stake.own) : this.#nominatorLoss(who, index);
      const { loss, reward } = this.#raised(this.spanOf(who, index), all);
      if (this.isCurrent(who, index)) this.#endSpan(who, now);
      if (loss > 0n) losses.push([who, loss]);
      payout += reward;
    }
    return { era: index, dueSession, losses, reporter, payout };
  }

  /** For all gatekeepers of an era that he backed. */
  #nominatorLoss(who: string, index: number): bigint {
    const { stakes, worst } = this.#eras.get(index)!;
    let sum = 0n;
    for (const [stash, { others }] of stakes) sum += part(worst.get(stash) ?? 0, others.get(who) ?? 0n);
    return sum;
  }

  #raised(span: string, slashed: bigint): { loss: bigint; reward: bigint } {
    const before = this.#maxima.get(span) ?? { slashed: 0n, paid: 0n };
    if (slashed < before.slashed) return { loss: 0n, reward: 0n };
    const owed = part(this.#rules.slashRewardFraction, slashed) - before.paid;
    const reward = owed > 0n ? owed / 2n : 0n;
    this.#maxima.set(span, { slashed, paid: before.paid + reward });
    return { loss: slashed - before.slashed, reward };
  }

  #endSpan(who: string, now: number): void {
    this.#starts.set(who, [...this.#startsOf(who), now + 1]);
  }

  #startsOf(who: string): readonly number[] {
    return this.#starts.get(who) ?? [];
  }
}
