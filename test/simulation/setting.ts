/** What a run is of: how many gatekeepers, which of them are Byzantine, and the rules of their chain. */
import type { KeySuite } from "../../src/keys/group.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { UNIT, genesisOf, idOf, identity, publicOf } from "../protocol/network.ts";
import type { Seeded } from "../slow/seeded.ts";

export interface Setting {
  /** n: seats of a committee. */
  readonly seats: number;
  /** t. */
  readonly threshold: number;
  /** Stashes that stand for election, each with a pRuntime. */
  readonly honest: readonly string[];
  /** Less than t, together. */
  readonly byzantine: readonly string[];
  /** All of them, those with more at stake first. */
  readonly ranking: readonly string[];
  readonly keySuite: KeySuite;
  readonly phaseBlocks: number;
  readonly refreshBlocks: number;
  readonly sessionBlocks: number;
  readonly sessionsPerEra: number;
  /** Blocks for which there are faults. */
  readonly faultBlocks: number;
}

const MOST_CANDIDATES = 16;

/** A setting like those that networks are run with, or one at an edge of what the rules allow. */
export function drawSetting(random: Seeded): Setting {
  const threshold = random.below(12) === 0 ? 1 : random.below(5) === 0 ? 3 : 2;
  const seats = seatsFor(threshold, random);
  const count = threshold === 1 ? 0 : threshold - 1 - (random.below(8) === 0 ? 1 : 0);
  // So many that an honest one always stands that was not elected.
  const candidates = seats + count + 1 + random.below(2);
  const names = Array.from({ length: candidates }, (_, at) => `s${at}`);
  const byzantine = Array.from({ length: count }, () => names.splice(random.below(names.length), 1)[0]!);
  return {
    seats,
    threshold,
    honest: names,
    byzantine,
    // Most of the time the Byzantine ones are elected at first.
    ranking: random.below(4) > 0 ? [...byzantine, ...names] : [...names, ...byzantine],
    keySuite: random.below(40) === 0 ? 2 : 1,
    phaseBlocks: 4 + random.below(3),
    refreshBlocks: random.of([5, 12, 25, 1_000]),
    sessionBlocks: 2 + random.below(3),
    sessionsPerEra: 2 + random.below(3),
    faultBlocks: random.of([0, 20, 40, 60]),
  };
}

function seatsFor(threshold: number, random: Seeded): number {
  if (threshold === 3) return random.of([5, 5, 6, 7]);
  if (threshold === 1) return random.of([1, 2, 4]);
  return random.of([3, 3, 4, 4, 4, 4, 5]);
}

/** Everybody stands for election. */
export function genesisFor(setting: Setting): Genesis {
  const { seats, threshold, keySuite, phaseBlocks, refreshBlocks, sessionBlocks, sessionsPerEra } = setting;
  const stashes = setting.ranking;
  return genesisOf(
    {
      sessionBlocks,
      gatekeepers: { tag: "elected", value: { seats, minimum: 2 * threshold - 1, balancing: 0 } },
      masterKey: { keySuite, threshold, phaseBlocks, refreshBlocks },
      accounts: stashes.map((name) => ({ id: idOf(name), free: 1_000n * UNIT })),
      workers: stashes.map((name) => ({
        identityKey: publicOf(identity(name)),
        ecdhKey: publicOf(`${name}/ecdh`),
        operator: idOf(name),
        endpoint: null,
      })),
      stakers: stashes.map((name, at) => ({
        stash: idOf(name),
        bond: BigInt(200 - at) * UNIT,
        role: { tag: "validator", value: { identityKey: publicOf(identity(name)), commission: 0, blocked: false } },
      })),
    },
    { sessionsPerEra, maxValidatorCount: MOST_CANDIDATES },
  );
}

/** Byzantine and silent gatekeepers, together, with whom key sessions still succeed: n − 2t + 1. */
export function tolerated({ seats, threshold }: Setting): number {
  return seats - 2 * threshold + 1;
}
