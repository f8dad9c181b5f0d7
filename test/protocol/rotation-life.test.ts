/**
 * Whole rotations with elections going on, of honest, silent and Byzantine pRuntimes: one gatekeeper of three lies, t - 1 of t = 2,
 * and every pRuntime that is none. What they say comes first in a block or last, as it suits them.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Call, PartitionWork } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { type ReceiptClaim, VERDICTS, type Verdict, leasesOf, mayLease } from "../../src/protocol/rotation.ts";
import { NOMINATORS, type Network, idOf, identity, publicOf, runs } from "./network.ts";
import { NAMES, type Outcome, certification, claimOf, order, rotate, rotationCall, running } from "./rotators.ts";

const THRESHOLD = 2;
const WORKERS = ["e", "f"];
const BLOCKS_MAX = 500;
const MOST = Number.MAX_SAFE_INTEGER;
const key = (name: string): string => publicOf(identity(name));

/** What receipts of Byzantine pRuntimes are worth, by their digests; all others are right. */
const WORTH: ReadonlyMap<string, Verdict> = new Map([
  [`0x${"fa".repeat(32)}`, "faulty"],
  [`0x${"da".repeat(32)}`, "damaged"],
]);

const RULES = {
  gatekeepers: { tag: "elected", value: { seats: 3, minimum: 3, balancing: 2 } },
  sessionBlocks: 12,
  rotation: { intervalBlocks: 0, leadBlocks: 4, leaseBlocks: 3, phaseBlocks: 15, leasesPerBlock: 3 },
} as const;

type Gen = fc.GeneratorValue;

function oneOf<T>(gen: Gen, of: readonly T[]): T {
  return of[gen(fc.nat, { max: of.length - 1 })]!;
}

/** An honest pRuntime looks, and says what it finds; now and then it is too busy for a block. */
function honestCall(network: Network, name: string, gen: Gen): Call | null {
  if (gen(fc.nat, { max: 9 }) === 0) return null;
  const outcome: Outcome = (_, index, stage) => {
    if (stage === "unswept") return { tag: "swept", value: claimOf() };
    const { digest } = [...network.state.partitions.values()][index]!.receipt!;
    return { tag: "verified", value: WORTH.get(digest) ?? "sound" };
  };
  return rotationCall(network, identity(name), outcome);
}

/** Whatever a pRuntime may say that follows no rule. */
function hostileCall(network: Network, name: string, gen: Gen): Call | null {
  const { state } = network;
  const { rotation } = state;
  if (rotation === null) return null;
  const rotationId = rotation.from + 1;
  const claims: readonly ReceiptClaim[] = [
    claimOf(),
    claimOf(3, 1),
    ...[...WORTH.keys()].map((digest) => ({ ...claimOf(), records: MOST, bytes: MOST, digest })),
  ];
  const outcomeOf = (stage: string): PartitionWork["outcome"] =>
    stage === "unswept"
      ? { tag: "swept", value: oneOf(gen, claims) }
      : { tag: "verified", value: oneOf(gen, VERDICTS) };
  const work = (): Call => {
    const done = leasesOf(state, key(name))
      .filter(() => gen(fc.boolean))
      .map(({ index, attempt, stage }) => ({ partition: index, attempt, outcome: outcomeOf(stage) }));
    return { tag: "workPartitions", value: { rotationId, done, wanted: gen(fc.nat, { max: 16 }) } };
  };
  switch (gen(fc.nat, { max: 9 })) {
    case 0:
      return null;
    case 1:
      return certification(network);
    case 2:
      return { tag: "declareAbandoned", value: rotationId };
    case 3:
      return { tag: "recordPartitions", value: { rotationId, bounds: [] } };
    default:
      return work();
  }
}

/** What must hold of the whole life of rotations, seen from what blocks tell. */
class Watch {
  readonly #network: Network;
  readonly #honest: ReadonlySet<string>;
  #isUnderWay = false;
  #sweepers = new Map<number, string>();
  #certifiers = new Set<string>();

  constructor(network: Network, honest: readonly string[]) {
    this.#network = network;
    this.#honest = new Set(honest.map(key));
  }

  block(effects: readonly Effect[]): void {
    for (const effect of effects) this.#see(effect);
    const { ledger, state } = this.#network;
    const { rotation, partitions } = state;
    expect(rotation !== null).toBe(this.#isUnderWay);
    expect(Ledger.decode(ledger.genesis, ledger.encode()).stateHash()).toEqual(ledger.stateHash());
    if (rotation === null || !mayLease(rotation)) {
      expect(partitions.size).toBe(0);
      return;
    }
    // Before the switch nothing is done, whatever is said.
    if (rotation.phase === "keyGeneration") expect({ ...rotation }).toMatchObject({ swept: 0, records: 0, late: 0 });
    const stages = [...partitions.values()].map(({ stage }) => stage);
    const { swept, verified } = rotation;
    expect({ swept, verified }).toEqual({
      swept: stages.filter((stage) => stage !== "unswept").length,
      verified: stages.filter((stage) => stage === "verified").length,
    });
    expect(state.sharings.map(({ rotationId }) => rotationId)).toEqual([0, 1]);
  }

  #see(effect: Effect): void {
    switch (effect.kind) {
      case "RotationStarted":
        expect(this.#isUnderWay).toBe(false);
        this.#isUnderWay = true;
        break;
      case "RotationAborted":
      case "MasterKeyAbandoned":
        expect(this.#isUnderWay).toBe(true);
        this.#isUnderWay = false;
        break;
      case "PartitionSwept":
        this.#sweepers.set(effect.partition, effect.receipt.by);
        break;
      case "PartitionJudged":
        expect(effect.identityKey).not.toBe(this.#sweepers.get(effect.partition));
        break;
      case "RotationCertified":
        this.#certifiers.add(effect.identityKey);
        break;
      case "RotationAdvanced":
        if (effect.phase === "abandonment") this.#seeAbandonment();
        break;
      case "Convicted":
        expect(this.#honest).not.toContain(effect.identityKey);
    }
  }

  #seeAbandonment(): void {
    const { sharings, rotation } = this.#network.state;
    const holders = sharings.at(-1)!.members.filter(({ confirmed }) => confirmed);
    const certifying = holders.filter(({ identityKey }) => this.#certifiers.has(identityKey));
    expect(certifying.length).toBeGreaterThanOrEqual(THRESHOLD);
    expect(rotation!.verified).toBe(rotation!.partitions);
    expect(this.#sweepers.size).toBe(rotation!.partitions);
  }
}

/** Lives whole rotations, and tells how often gatekeepers changed and pRuntimes were convicted. */
function live(parameters: Pick<fc.Parameters<unknown>, "numRuns" | "seed">): {
  readonly elections: number;
  readonly convictions: number;
} {
  let elections = 0;
  let convictions = 0;
  fc.assert(
    fc.property(fc.constantFrom(...NAMES), fc.gen(), (liar, gen) => {
      const { network, all } = running(RULES);
      const honest = NAMES.filter((name) => name !== liar);
      const watch = new Watch(network, honest);
      order(network, rotate);
      watch.block(network.effects);
      for (let block = 0; ; block++) {
        if (block === BLOCKS_MAX) throw new Error(`still in ${network.state.rotation?.phase ?? "no rotation"}`);
        const due = new Map(all.due());
        const said = (name: string, call: Call | null) =>
          call === null ? [] : [network.unsigned(identity(name), call)];
        const hostile = [liar, ...WORKERS].flatMap((name) =>
          said(name, due.get(name) ?? hostileCall(network, name, gen)),
        );
        const others = honest.flatMap((name) => said(name, due.get(name) ?? honestCall(network, name, gen)));
        // Nominators change their minds, and so the gatekeepers change.
        const nominator = oneOf<string>(gen, NOMINATORS);
        const targets = NAMES.filter(() => gen(fc.boolean))
          .map(idOf)
          .filter((target) => network.state.validators.has(target));
        const nomination =
          targets.length === 0 || block % 4 > 0
            ? []
            : [network.unsigned(nominator, { tag: "nominate", value: targets })];
        const isFirst = gen(fc.boolean);
        const effects = network.blockOf([
          ...(isFirst ? [...hostile, ...others] : [...others, ...hostile]),
          ...nomination,
        ]);
        watch.block(effects);
        for (const { kind } of effects) {
          if (kind === "GatekeeperChange") elections++;
          if (kind === "Convicted") convictions++;
        }
        if (effects.some(({ kind }) => kind === "MasterKeyAbandoned")) break;
        // Elections that come one upon the other may leave no time for a key: then it is ordered again.
        const isOver = network.state.rotation === null && network.state.rotationOrdered === null;
        if (isOver) for (const _ of ["first", "second"]) watch.block(order(network, rotate).slice(-1));
      }
    }),
    { ...parameters, endOnFailure: true },
  );
  return { elections, convictions };
}

test("rotations end, whoever lies, and blame nobody who does not", { timeout: 600_000 }, () => {
  live(runs(6));
});

// A few lives may pass without a conviction. These are always the same.
test("gatekeepers change and liars are convicted in such lives", { timeout: 60_000 }, () => {
  const { elections, convictions } = live({ numRuns: 6, seed: 1 });
  expect(elections).toBeGreaterThan(0);
  expect(convictions).toBeGreaterThan(0);
});
