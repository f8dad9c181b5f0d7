/** What a run of a network's whole life is of, and the rules of its chain. */
import type { KeySuite } from "../../../src/keys/group.ts";
import type { Genesis } from "../../../src/protocol/genesis.ts";
import { UNIT, genesisOf, idOf } from "../../protocol/network.ts";
import type { Seeded } from "../../slow/seeded.ts";
import type { LivePRuntime } from "./live-pruntime.ts";

export interface LifeSetting {
  readonly seats: number;
  readonly threshold: number;
  /** Stashes that stand for election, each with a pRuntime: those with more at stake first. */
  readonly stashes: readonly string[];
  /** pRuntimes that hold no shares, and may rotate by governance's word, or only run contracts. */
  readonly workers: readonly { readonly name: string; readonly mayRotate: boolean }[];
  /** Who does not do what he should; null: everybody does. */
  readonly byzantine: string | null;
  readonly keySuite: KeySuite;
  readonly phaseBlocks: number;
  readonly refreshBlocks: number;
  readonly sessionBlocks: number;
  readonly sessionsPerEra: number;
  readonly leadBlocks: number;
  readonly leaseBlocks: number;
  readonly rotationBlocks: number;
  /** Blocks from one rotation to the next; 0: by order alone. */
  readonly intervalBlocks: number;
  readonly ecdhBlocks: number;
  /** Whether governance has states migrated, too. */
  readonly migrates: boolean;
  /** Whether another build takes the place of all pRuntimes that hold shares. */
  readonly upgrades: boolean;
  /** Blocks that some hosts are late, as long as there are faults. */
  readonly lag: number;
  /** Blocks for which there are faults. */
  readonly faultBlocks: number;
}

/** A setting like those that networks are run with. */
export function drawLifeSetting(random: Seeded): LifeSetting {
  const threshold = random.below(15) === 0 ? 1 : 2;
  const seats = threshold === 1 ? random.of([1, 2]) : random.of([3, 3, 3, 4]);
  const isByzantine = random.below(3) > 0;
  // So many that an honest one stands for each seat.
  const candidates = seats + (isByzantine && threshold > 1 ? 1 : random.below(2));
  const stashes = Array.from({ length: candidates }, (_, at) => `s${at}`);
  const workers = [
    { name: "w0", mayRotate: random.below(2) === 0 },
    ...(random.below(3) === 0 ? [{ name: "w1", mayRotate: true }] : []),
  ];
  const liars = [...(threshold > 1 ? [stashes[0]!, random.of(stashes)] : []), ...(workers.length > 1 ? ["w1"] : [])];
  return {
    seats,
    threshold,
    stashes,
    workers,
    byzantine: liars.length > 0 && isByzantine ? random.of(liars) : null,
    keySuite: random.below(60) === 0 ? 2 : 1,
    phaseBlocks: 4 + random.below(2),
    refreshBlocks: random.of([15, 30, 1_000, 1_000, 1_000]),
    sessionBlocks: 5 + random.below(5),
    sessionsPerEra: 2 + random.below(2),
    leadBlocks: 1 + random.below(4),
    leaseBlocks: 5 + random.below(4),
    rotationBlocks: random.of([12, 16, 24]),
    intervalBlocks: random.of([0, 0, 20, 30]),
    ecdhBlocks: random.of([15, 40, 1_000]),
    migrates: random.below(3) > 0,
    upgrades: random.below(6) === 0,
    lag: random.of([0, 0, 1, 3]),
    faultBlocks: random.of([20, 30, 45]),
  };
}

/** @param pRuntimes - of all stashes and workers, by name. */
export function lifeGenesis(setting: LifeSetting, pRuntimes: ReadonlyMap<string, LivePRuntime>): Genesis {
  const { seats, threshold, stashes, workers } = setting;
  const keysOf = (name: string) => {
    const { identityKey, ecdhKey } = pRuntimes.get(name)!.disk;
    return { identityKey, ecdhKey };
  };
  return genesisOf(
    {
      sessionBlocks: setting.sessionBlocks,
      gatekeepers: { tag: "elected", value: { seats, minimum: 2 * threshold - 1, balancing: 0 } },
      masterKey: {
        keySuite: setting.keySuite,
        threshold,
        phaseBlocks: setting.phaseBlocks,
        refreshBlocks: setting.refreshBlocks,
      },
      rotation: {
        intervalBlocks: setting.intervalBlocks,
        leadBlocks: setting.leadBlocks,
        leaseBlocks: setting.leaseBlocks,
        phaseBlocks: setting.rotationBlocks,
        leasesPerBlock: 64,
      },
      ecdhKeys: { interval: setting.ecdhBlocks, overlap: 3 },
      accounts: [...stashes, "rich"].map((name) => ({ id: idOf(name), free: 10_000n * UNIT })),
      workers: [...stashes, ...workers.map(({ name }) => name)].map((name) => ({
        ...keysOf(name),
        operator: idOf(stashes.includes(name) ? name : "rich"),
        endpoint: null,
      })),
      stakers: stashes.map((name, at) => ({
        stash: idOf(name),
        bond: BigInt(200 - at) * UNIT,
        role: { tag: "validator", value: { identityKey: keysOf(name).identityKey, commission: 0, blocked: false } },
      })),
    },
    { sessionsPerEra: setting.sessionsPerEra, maxValidatorCount: 16 },
  );
}
