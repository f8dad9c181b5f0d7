/** Staking against its model: random calls of a dozen accounts over eras, compared after every block. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Call, Payee } from "../../src/protocol/call.ts";
import type { Genesis, StakingRules } from "../../src/protocol/genesis.ts";
import {
  NO_INFLATION,
  Network,
  checkInvariants,
  UNIT,
  genesisOf,
  idOf,
  identity,
  outcomes,
  publicOf,
  runs,
} from "./network.ts";
import { StakingModel } from "./staking-model.ts";

/** Who sends: those with stake from the start are left alone, so that every election has winners. */
const PEOPLE = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "nobody"];
const FREE = [10n, 11n, 49n, 50n, 99n, 100n, 150n, 1_000n, 5_000n, 1n << 70n, 200n];
/** Who stands from the start; the last of them, blocked. */
const STANDING = ["a", "b", "c", "d", "e"];
const WORKERS = ["p3", "p5", "p7", "p8", "p9"];

const RULES: Partial<StakingRules> = {
  sessionsPerEra: 2,
  minNominatorBond: 50n,
  minValidatorBond: 100n,
  minCommission: 1_000,
  maxValidatorCount: 6,
  maxNominatorCount: 7,
  inflation: NO_INFLATION,
};

/** An amount, by what its sender has when he names it. */
interface Amount {
  readonly of: "nothing" | "free" | "spendable" | "active" | "deposit" | "nominator" | "validator";
  readonly more: bigint;
}

/** A call whose amounts and names are still to be filled in. */
interface Draft {
  readonly who: number;
  /** 0, but for messages that come twice or too early. */
  readonly ahead: number;
  readonly tag: Call["tag"];
  readonly amount: Amount;
  readonly people: readonly number[];
  readonly number: number;
}

const amount: fc.Arbitrary<Amount> = fc.oneof(
  fc.record({ of: fc.constant("nothing" as const), more: fc.bigInt(0n, 60n) }),
  fc.record({ of: fc.constant("nothing" as const), more: fc.bigInt(0n, (1n << 128n) - 1n) }),
  fc.record({
    of: fc.constantFrom("free", "spendable", "active", "deposit", "nominator", "validator"),
    more: fc.constantFrom(-1n, 0n, 0n, 1n),
  }),
);

const draftOf = (tags: readonly Call["tag"][], people: number): fc.Arbitrary<Draft> =>
  fc.record({
    who: fc.nat(people - 1),
    ahead: fc.oneof({ weight: 15, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, 1, 7) }),
    tag: fc.constantFrom(...tags),
    amount,
    people: fc.array(fc.nat(PEOPLE.length), { maxLength: 4 }),
    number: fc.constantFrom(0, 999, 1_000, 500_000_000, 1_000_000_000, 1_000_000_001),
  });

const drafts = draftOf(
  // Bonds and nominations are most of it, for all else asks for them.
  // prettier-ignore
  ["transfer", "bond", "bond", "bond", "bondExtra", "unbond", "unbond", "withdrawUnbonded", "withdrawUnbonded", "validate",
    "validate", "validate", "nominate", "nominate", "nominate", "chill", "setPayee", "setKeys"],
  PEOPLE.length,
);

function genesisWith(rules: Partial<StakingRules>): Genesis {
  const genesis = genesisOf({ sessionBlocks: 1 }, { ...RULES, ...rules });
  return {
    ...genesis,
    accounts: [...genesis.accounts, ...FREE.map((free, at) => ({ id: idOf(PEOPLE[at]!), free }))],
    stakers: [
      ...genesis.stakers,
      {
        stash: idOf("e"),
        bond: UNIT,
        role: { tag: "validator", value: { commission: 1_000, blocked: true, identityKey: publicOf(identity("e")) } },
      },
    ],
    workers: [
      ...genesis.workers,
      ...WORKERS.map((name) => ({
        identityKey: publicOf(`${name}/worker`),
        ecdhKey: publicOf(`${name}/ecdh`),
        operator: idOf(name),
        endpoint: null,
      })),
    ],
  };
}

/** The model of what this genesis begins with: bonds of its stakers, and no more to it. */
function modelOf({ staking, existentialDeposit, ...genesis }: Genesis): StakingModel {
  const model = new StakingModel({ ...staking, existentialDeposit });
  for (const { id, free } of genesis.accounts) model.accounts.set(id, { sequence: 0, free });
  for (const { identityKey, operator } of genesis.workers) model.operators.set(identityKey, operator);
  for (const { stash, bond: active, role } of genesis.stakers) {
    const key = role.tag === "validator" ? role.value.identityKey : null;
    model.stakes.set(stash, { active, chunks: new Map(), payee: { tag: "staked", value: undefined }, key });
    if (role.tag === "nominator") model.nominations.set(stash, role.value);
    else model.validators.set(stash, { commission: role.value.commission, blocked: role.value.blocked });
  }
  return model;
}

function amountOf(model: StakingModel, who: string, { of, more }: Amount): bigint {
  const { existentialDeposit, minNominatorBond, minValidatorBond } = model.rules;
  const [free, total, active] = [model.free(who), model.total(who), model.active(who)];
  const spendable = free - (total > existentialDeposit ? total : existentialDeposit);
  const bases = { nothing: 0n, free, spendable, active, deposit: existentialDeposit };
  const value = more + { ...bases, nominator: minNominatorBond, validator: minValidatorBond }[of];
  return value < 0n ? 0n : value;
}

function callOf(model: StakingModel, name: string, draft: Draft): Call {
  const value = amountOf(model, idOf(name), draft.amount);
  const others = draft.people.map((at) => idOf([...PEOPLE, "stranger"][at]!));
  const other = others[0] ?? idOf("a");
  const payees: Payee[] = [
    { tag: "staked", value: undefined },
    { tag: "stash", value: undefined },
    { tag: "account", value: other },
    { tag: "none", value: undefined },
  ];
  const payee = payees[draft.people.length % payees.length]!;
  const owner = [name, ...WORKERS][draft.people.length % 4]!;
  switch (draft.tag) {
    case "transfer":
      if (draft.people.length % 2 === 0) return { tag: "transfer", value: { to: other, amount: value } };
      return { tag: "transfer", value: { to: idOf(`stranger ${value % 97n}`), amount: value % 20n } };
    case "bond":
      return { tag: "bond", value: { amount: value, payee } };
    case "bondExtra":
    case "unbond":
      return { tag: draft.tag, value };
    case "validate":
      return { tag: "validate", value: { commission: draft.number, blocked: draft.people.length === 1 } };
    case "nominate":
      // Most of those who stand, so that some nominations are good.
      return {
        tag: "nominate",
        value: draft.people.map((at) => idOf(at < 4 ? PEOPLE[at + 5]! : STANDING[at % STANDING.length]!)),
      };
    case "setPayee":
      return { tag: "setPayee", value: payee };
    case "setKeys":
      return { tag: "setKeys", value: publicOf(`${owner}/worker`) };
    case "chill":
      return { tag: "chill", value: undefined };
    default:
      return { tag: "withdrawUnbonded", value: undefined };
  }
}

/** One list that says everything of somebody, or of all, in the order of accounts. */
type Summary = readonly (readonly [string, unknown])[];
const sorted = (entries: Iterable<readonly [string, unknown]>): Summary =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

function summaryOf({ state }: Network, known: StakingModel): Record<string, Summary> {
  const accounts = [...state.accounts].filter(([id]) => known.accounts.has(id) || state.accounts.get(id)!.free > 0n);
  return {
    accounts: sorted(accounts.map(([id, { sequence, free }]) => [id, { sequence, free }])),
    stakes: sorted(
      [...state.bonded].map(([id, { total, active, unlocking, payee, identityKey }]) => {
        return [
          id,
          { total, active, chunks: unlocking.map(({ era, value }) => [era, value]), payee, key: identityKey },
        ];
      }),
    ),
    validators: sorted(state.validators),
    nominations: sorted([...state.nominators].map(([id, { targets }]) => [id, targets])),
  };
}

function summaryOfModel(model: StakingModel): Record<string, Summary> {
  return {
    accounts: sorted(model.accounts),
    stakes: sorted(
      [...model.stakes].map(([id, { active, chunks, payee, key }]) => {
        return [id, { total: model.total(id), active, chunks: [...chunks], payee, key }];
      }),
    ),
    validators: sorted(model.validators),
    nominations: sorted(model.nominations),
  };
}

/** @returns every outcome that there was, and of which call. */
function compare(rules: Partial<StakingRules>, blocks: readonly (readonly Draft[])[]): Set<string> {
  const genesis = genesisWith(rules);
  const network = new Network(genesis, checkInvariants);
  const model = modelOf(genesis);
  const { sessionsPerEra } = genesis.staking;
  const seen = new Set<string>();
  for (const [index, block] of blocks.entries()) {
    // A session is a block; the last of an era's sessions begins with the next era's election.
    const session = index + 1;
    model.activeEra = Math.floor(session / sessionsPerEra);
    model.currentEra = Math.floor((session + 1) / sessionsPerEra);
    const messages = block.map((draft) => {
      const name = PEOPLE[draft.who]!;
      const call = callOf(model, name, draft);
      const sequence = (model.accounts.get(idOf(name))?.sequence ?? 0) + draft.ahead;
      return { message: network.unsigned(name, call, sequence), wrong: model.send(idOf(name), sequence, call) };
    });
    const found = outcomes(network.blockOf(messages.map(({ message }) => message)));
    for (const [at, { message, wrong }] of messages.entries()) {
      const [outcome, { tag }] = [found[at]!, message.call];
      expect(wrong.length === 0 ? ["done"] : wrong, `${tag} of ${index}/${at}`).toContain(outcome);
      for (const name of [`${tag} ${outcome}`, outcome]) seen.add(name);
    }
    expect(summaryOf(network, model), `block ${session}`).toEqual(summaryOfModel(model));
  }
  return seen;
}

/** What a history begins with: bonds of who has enough to do something with. */
const bonds = (people: readonly number[], more: bigint): Draft[] =>
  people.map((who) => ({ who, ahead: 0, tag: "bond", amount: { of: "nothing", more }, people: [], number: 0 }));

it("does what its model does, call by call", () => {
  const rules = fc.record({ bondingDuration: fc.constantFrom(1, 2, 5), sessionsPerEra: fc.constantFrom(2, 3) });
  const blocks = fc.array(fc.array(drafts, { maxLength: 8, size: "max" }), {
    minLength: 5,
    maxLength: 30,
    size: "max",
  });
  const seen = new Set<string>();
  fc.assert(
    fc.property(rules, blocks, ({ bondingDuration, sessionsPerEra }, history) => {
      // One of them backs somebody, and so takes the last place there is for that; others have keys to stand with.
      const begin = bonds([5, 6, 7, 8, 9], 120n);
      const keys = [0, 2, 3, 4].map((at) => ({ ...begin[at]!, tag: "setKeys" as const }));
      const all = [[...begin, ...keys, { ...begin[2]!, tag: "nominate" as const, people: [5] }], ...history];
      const outcomesOfAll = compare({ bondingDuration, sessionsPerEra, slashDeferDuration: 0 }, all);
      for (const outcome of outcomesOfAll) seen.add(outcome);
    }),
    runs(50),
  );
  // What random calls must have met, for the comparison to mean anything.
  expect(MET.filter((outcome) => !seen.has(outcome))).toEqual([]);
});

it("keeps at most 32 unbondings, and withdraws what it can to make room", () => {
  const rules = fc.record({ bondingDuration: fc.constantFrom(31, 32, 36), sessionsPerEra: fc.constant(2) });
  const bond = bonds([8], 2_000n)[0]!;
  const unbond: Draft = { ...bond, tag: "unbond", amount: { of: "nothing", more: 1n } };
  // Who backs somebody can't take all: what was withdrawn to make room for it is not withdrawn then.
  const begin: Draft[] = [bond, { ...bond, tag: "nominate", people: [5] }];
  const others: Draft[] = [
    { ...unbond, amount: { of: "active", more: 0n } },
    { ...unbond, tag: "bondExtra" },
  ];
  const more = fc.array(fc.constantFrom(...others, { ...unbond, tag: "withdrawUnbonded" as const }), { maxLength: 1 });
  const histories = fc.array(fc.option(more, { freq: 20 }), { minLength: 90, maxLength: 100 });
  const seen = new Set<string>();
  fc.assert(
    fc.property(rules, histories, ({ bondingDuration, sessionsPerEra }, history) => {
      const unbonding = history.map((first) => (first === null ? [] : [...first, unbond]));
      const outcome = compare({ bondingDuration, sessionsPerEra }, [begin, ...unbonding]);
      for (const name of outcome) seen.add(name);
    }),
    runs(6),
  );
  // Whatever chance has made of the histories: more eras than there are places, and an unbonding in each.
  const crowded = [begin, [others[0]!], ...new Array<Draft[]>(95).fill([unbond])];
  for (const name of compare({ bondingDuration: 36, sessionsPerEra: 2 }, crowded)) seen.add(name);
  for (const outcome of ["NoMoreChunks", "InsufficientBond", "done"]) expect(seen).toContain(`unbond ${outcome}`);
  // All places are taken and one could be made, in the first block of era 32: there it fails after it has withdrawn.
  for (const blocks of [61, 62, 63, 64]) {
    const full = [begin, ...new Array<Draft[]>(blocks).fill([unbond]), [others[0]!]];
    expect(compare({ bondingDuration: 31, sessionsPerEra: 2 }, full)).toContain("unbond InsufficientBond");
  }
});

// prettier-ignore
const MET = [
  "transfer done", "transfer InsufficientBalance", "transfer ExistentialDeposit", "bond done", "bond AlreadyBonded",
  "bond InsufficientBond", "bondExtra done", "unbond done", "unbond InsufficientBond", "unbond NotBonded",
  "withdrawUnbonded done", "validate done", "validate InsufficientBond", "validate CommissionTooLow",
  "validate CommissionTooHigh", "validate TooManyValidators", "nominate done", "nominate InsufficientBond",
  "nominate EmptyTargets", "nominate DuplicateTarget", "nominate BadTarget", "nominate TooManyNominators", "chill done",
  "chill NotBonded", "setPayee done", "setKeys done", "setKeys NotWorker", "setKeys NotOperator",
  "bond UnknownSender", "SequenceTooLow", "SequenceTooHigh",
];
