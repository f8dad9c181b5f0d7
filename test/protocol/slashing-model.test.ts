/** Slashing against its model: offences of any gatekeeper, in any era that counts, in any order, as grave as may be. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { AuthenticMessage } from "../../src/protocol/authenticate.ts";
import type { Call } from "../../src/protocol/call.ts";
import { draftOf } from "../../src/protocol/draft.ts";
import { punish } from "../../src/protocol/slashing.ts";
import type { Era } from "../../src/protocol/state.ts";
import { GATEKEEPERS, NOMINATORS, type Network, UNIT, idOf, identity, runs } from "./network.ts";
import { STAKERS, SlashingComparison } from "./slashing-comparison.ts";

const EQUIVOCATION = 250_000_000;
const ALL = 1_000_000_000;

const KINDS = {
  offence: 4,
  equivocation: 2,
  cancel: 1,
  era: 5,
  stand: 2,
  unbond: 1,
  withdraw: 1,
  bondExtra: 1,
};

interface Step {
  readonly kind: keyof typeof KINDS;
  readonly who: number;
  /** Eras before the one that is under way. */
  readonly back: number;
  readonly fraction: number;
  readonly reporter: number;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.oneof(
      ...Object.entries(KINDS).map(([kind, weight]) => {
        return { weight, arbitrary: fc.constant(kind as keyof typeof KINDS) };
      }),
    ),
    who: fc.nat(STAKERS.length - 1),
    back: fc.nat(4),
    fraction: fc.oneof(fc.constantFrom(0, 1, EQUIVOCATION, 500_000_000, ALL), fc.integer({ min: 0, max: ALL })),
    reporter: fc.nat(STAKERS.length),
  }),
  { minLength: 20, maxLength: 70, size: "max" },
);

/** A heartbeat for a state that never was: its digits are all this one. */
const heartbeat = (network: Network, stash: string, session: number, digit: string): AuthenticMessage =>
  network.unsigned(identity(stash), { tag: "heartbeat", value: { session, stateHash: `0x${digit.repeat(64)}` } }, 0);

function report(comparison: SlashingComparison, stash: string, era: Era, reporter: string): void {
  const { network } = comparison;
  const evidence = ["1", "2"].map((digit) => heartbeat(network, stash, era.startSession, digit));
  const bytes = new Uint8Array(0);
  const call: Call = {
    tag: "reportOffence",
    value: { tag: "equivocation", value: { first: bytes, second: bytes } },
  };
  comparison.offence(idOf(stash), era.index, EQUIVOCATION, idOf(reporter), () => {
    const [outcome] = comparison.send([{ ...network.unsigned(reporter, call), evidence }]);
    if (outcome !== "done") expect(["AlreadySlashed", "NoExposure"]).toContain(outcome);
    return outcome === "done";
  });
}

/** Governance cancels a slash that waits, if one does. */
function cancel(comparison: SlashingComparison, which: number): void {
  const { network, pending } = comparison;
  comparison.untilQuiet();
  const id = [...pending.keys()][which % pending.size];
  if (id === undefined) return;
  const vote = (member: string): AuthenticMessage => {
    const { governanceRound: round } = network.state;
    return network.unsigned(member, { tag: "govern", value: { round, action: { tag: "cancelSlash", value: id } } });
  };
  expect(comparison.send([vote("g1"), vote("g3")])).toEqual(["done", "done"]);
  pending.delete(id);
}

/** Who was chilled stands again, and who backed somebody does so anew, as far as they can. */
function stand(comparison: SlashingComparison, who: number): void {
  const { network } = comparison;
  const prefs = { commission: 0, blocked: false };
  const targets = [0, 1].map((at) => idOf(GATEKEEPERS[(who + at) % GATEKEEPERS.length]!));
  comparison.send(GATEKEEPERS.map((name) => network.unsigned(name, { tag: "validate", value: prefs })));
  comparison.send(NOMINATORS.map((name) => network.unsigned(name, { tag: "nominate", value: targets })));
}

function perform(comparison: SlashingComparison, step: Step): void {
  const { network } = comparison;
  const name = STAKERS[step.who]!;
  const offender = GATEKEEPERS[step.who % GATEKEEPERS.length]!;
  const reporter = STAKERS[step.reporter] ?? null;
  if (step.kind === "equivocation") comparison.untilQuiet();
  const { eras } = network.state;
  const era = eras[Math.max(eras.length - 1 - step.back, 0)]!;
  switch (step.kind) {
    case "offence":
      comparison.offence(idOf(offender), era.index, step.fraction, reporter === null ? null : idOf(reporter), () => {
        const { genesis, genesisHash } = network.ledger;
        const draft = draftOf(genesis, genesisHash, network.state);
        const by = reporter === null ? null : idOf(reporter);
        const worse = punish(draft, { stash: idOf(offender), era, fraction: step.fraction, reporter: by });
        network.ledger = network.ledger.with(draft.state);
        return worse;
      });
      break;
    case "equivocation":
      report(comparison, offender, era, reporter ?? "rich");
      break;
    case "cancel":
      cancel(comparison, step.who);
      break;
    case "era":
      for (let block = 0; block < 4; block++) comparison.block();
      break;
    case "stand":
      stand(comparison, step.who);
      break;
    case "unbond":
      comparison.send([network.unsigned(name, { tag: "unbond", value: 30n * UNIT })]);
      break;
    case "withdraw":
      comparison.send([network.unsigned(name, { tag: "withdrawUnbonded", value: undefined })]);
      break;
    case "bondExtra":
      comparison.send([network.unsigned(name, { tag: "bondExtra", value: 20n * UNIT })]);
      break;
  }
}

it.each([0, 1, 2])("takes what its model takes, with %i eras to cancel it", (deferred) => {
  fc.assert(
    fc.property(steps, fc.constantFrom(0, 100_000_000, ALL), (history, reward) => {
      const comparison = new SlashingComparison(deferred, reward);
      for (const step of history) perform(comparison, step);
    }),
    runs(25),
  );
});
