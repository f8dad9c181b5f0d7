/** A ledger beside the slashing model, and what must be the same of both after each thing that happens. */
import { expect } from "vitest";
import type { AuthenticMessage } from "../../src/protocol/authenticate.ts";
import type { Era } from "../../src/protocol/state.ts";
import {
  NO_INFLATION,
  Network,
  checkInvariants,
  genesisOf,
  idOf,
  outcomes,
  GATEKEEPERS,
  NOMINATORS,
} from "./network.ts";
import { type Penalty, SlashingModel, type Stakes } from "./slashing-model.ts";

export const STAKERS = [...GATEKEEPERS, ...NOMINATORS];

/** What an era's gatekeepers answer for, as the model has it. */
const stakesOf = ({ exposures }: Era): Stakes =>
  new Map(
    [...exposures].map(([stash, { own, others }]) => {
      return [stash, { own, others: new Map(others.map(({ who, value }) => [who, value])) }];
    }),
  );

/** A ledger and its model, and what must be the same of both. */
export class SlashingComparison {
  readonly network: Network;
  readonly model: SlashingModel;
  /** By id. */
  readonly pending = new Map<number, Penalty>();
  /** What was taken in each span of somebody. */
  readonly #taken = new Map<string, bigint>();
  readonly #deferred: boolean;

  constructor(slashDeferDuration: number, slashRewardFraction: number) {
    const rules = { slashDeferDuration, slashRewardFraction, bondingDuration: 3, sessionsPerEra: 2 };
    const staking = {
      ...rules,
      minValidatorBond: 10n,
      minNominatorBond: 10n,
      inflation: NO_INFLATION,
    };
    const elected = { tag: "elected", value: { seats: 3, minimum: 1, balancing: 2 } } as const;
    this.network = new Network(genesisOf({ gatekeepers: elected }, staking), checkInvariants);
    this.model = new SlashingModel(rules);
    this.#deferred = slashDeferDuration > 0;
    this.#learn();
  }

  get now(): number {
    return this.network.state.eras.at(-1)!.index;
  }

  /** An empty block: a session may begin with it, and slashes that are due are applied. */
  block(): void {
    this.#expectLosses(() => {
      this.network.block();
      return this.#due();
    });
    this.#learn();
  }

  /** Until no session begins with the next block. */
  untilQuiet(): void {
    while ((this.network.state.height + 1) % this.network.ledger.genesis.sessionBlocks === 0) this.block();
  }

  /** A block of messages, in which no session begins. */
  send(messages: readonly AuthenticMessage[]): string[] {
    this.untilQuiet();
    return outcomes(this.network.blockOf(messages));
  }

  /** @param commit - says whether the offence was new. */
  offence(stash: string, era: number, fraction: number, reporter: string | null, commit: () => boolean): void {
    const { state } = this.network;
    const hash = this.network.ledger.stateHash();
    const current = this.model.isCurrent(stash, era);
    const spans = new Map(STAKERS.map((name) => [idOf(name), this.model.spanOf(idOf(name), era)]));
    const moment = { era: this.now, session: state.session };
    const penalty = this.model.offence(moment, era, stash, fraction, reporter);
    this.#expectLosses(() => {
      expect(commit()).toBe(penalty !== null);
      return penalty === null || this.#deferred || fraction === 0 ? [] : [penalty];
    });
    const after = this.network.state;
    if (penalty === null) {
      expect([after.unapplied, after.spans, after.eras]).toEqual([state.unapplied, state.spans, state.eras]);
      if (after.height === state.height) expect(this.network.ledger.stateHash()).toEqual(hash);
      return;
    }
    // The offender no longer stands, unless it stood again since; nobody else is concerned.
    const standing = [...state.validators.keys()].filter((each) => !current || each !== stash);
    expect([...after.validators.keys()]).toEqual(standing);
    const backing = [...state.nominators.keys()].filter((each) => !current || each !== stash);
    expect([...after.nominators.keys()]).toEqual(backing);
    this.#checkExposures(penalty, spans);
    if (this.#deferred && fraction > 0) this.#expectDeferred(stash, era, penalty);
  }

  /** Nobody loses more in a span than he had at stake in one of its eras. */
  #checkExposures({ losses }: Penalty, spans: ReadonlyMap<string, string>): void {
    for (const [who, amount] of losses) {
      const span = spans.get(who)!;
      const taken = (this.#taken.get(span) ?? 0n) + amount;
      this.#taken.set(span, taken);
      let most = 0n;
      for (let each = 0; each <= this.now; each++) {
        const exposure = this.model.spanOf(who, each) === span ? this.model.exposure(who, each) : 0n;
        if (exposure > most) most = exposure;
      }
      expect(taken).toBeLessThanOrEqual(most);
    }
  }

  #expectDeferred(stash: string, era: number, penalty: Penalty): void {
    const unapplied = [...this.network.state.unapplied.values()].at(-1)!;
    const { dueSession, payout, reporter, losses } = penalty;
    expect(unapplied).toMatchObject({ slashEra: era, validator: stash, dueSession, payout, reporter });
    const own: [string, bigint][] = unapplied.own > 0n ? [[stash, unapplied.own]] : [];
    expect([...own, ...unapplied.others.map(({ who, value }) => [who, value])]).toEqual(losses);
    this.pending.set(unapplied.id, penalty);
  }

  #due(): Penalty[] {
    const { session, sessionHeight, height } = this.network.state;
    if (sessionHeight !== height) return [];
    // In time, or before stake of that era can be withdrawn.
    const due = [...this.pending].filter(([, { dueSession, era }]) => dueSession <= session || era + 3 <= this.now);
    for (const [id] of due) this.pending.delete(id);
    return due.map(([, penalty]) => penalty);
  }

  /** Everybody has what he had but for these losses, and tokens are gone but for what reporters got. */
  #expectLosses(change: () => readonly Penalty[]): void {
    const { accounts, bonded, totalIssuance } = this.network.state;
    const free = new Map([...accounts].map(([id, account]) => [id, account.free]));
    const total = new Map([...bonded].map(([id, ledger]) => [id, ledger.total]));
    let issuance = totalIssuance;
    for (const { losses, reporter, payout } of change()) {
      let lost = 0n;
      for (const [who, amount] of losses) {
        const left = total.get(who) ?? 0n;
        const taken = amount < left ? amount : left;
        if (total.has(who)) total.set(who, left - taken);
        free.set(who, free.get(who)! - taken);
        lost += taken;
      }
      const paid = reporter === null ? 0n : payout < lost ? payout : lost;
      if (reporter !== null) free.set(reporter, free.get(reporter)! + paid);
      issuance += paid - lost;
    }
    const { state } = this.network;
    expect(new Map([...state.accounts].map(([id, account]) => [id, account.free]))).toEqual(free);
    expect(new Map([...state.bonded].map(([id, ledger]) => [id, ledger.total]))).toEqual(total);
    expect(state.totalIssuance).toBe(issuance);
  }

  /** Stake answers for an era until what was unbonded in it is free. */
  #learn(): void {
    const oldest = Math.max(this.now - this.network.ledger.genesis.staking.bondingDuration, 0);
    const counting = Array.from({ length: this.now - oldest + 1 }, (_, at) => oldest + at);
    expect(this.network.state.eras.map(({ index }) => index)).toEqual(counting);
    for (const era of this.network.state.eras) this.model.era(era.index, era.startSession, stakesOf(era));
  }
}
