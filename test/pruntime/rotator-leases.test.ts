import { describe, expect, test } from "vitest";
import type { Ledger } from "../../src/protocol/ledger.ts";
import type { Rotation } from "../../src/protocol/rotation.ts";
import { ProvisionedKeys } from "../../src/pruntime/provisioned-keys.ts";
import { Provisioning } from "../../src/pruntime/provisioning.ts";
import { Rotator } from "../../src/pruntime/rotator.ts";
import type { LeasedSweepEnd } from "../../src/rotation/leased-partition.ts";
import type { PartitionThreads } from "../../src/rotation/partition-pool.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { keyOf, reencrypting } from "../protocol/rotators.ts";

const counts = { pages: 1, records: 1, bytes: 1, failed: 0, failures: [], quarantined: 0 };
const done: LeasedSweepEnd = { end: "done", receipt: { ...counts, digest: new Uint8Array(32) } };

/** Threads that have swept everything at once, or never are done. */
function threadsThat(sweep: PartitionThreads["sweep"], ended: () => void): PartitionThreads {
  const refused = (): never => {
    throw new Error("only sweeps are asked for");
  };
  const end = async (): Promise<void> => ended();
  const other = { verify: refused, copy: refused, verifyCopy: refused, drop: refused, rehearse: refused };
  return { sweep, ...other, [Symbol.asyncDispose]: end };
}

describe("who is told at once that a rotation was given up and another one began", () => {
  test("does not give receipts of the one for leases of the other", async () => {
    const { network, rotators } = reencrypting();
    rotators.until("PartitionLeased", () => null);
    const { genesis, state } = network.ledger;
    const name = ["a", "b", "c", "d"].find((each) =>
      [...state.partitions.values()].some((p) => p.holder === keyOf(each)),
    )!;
    const ledgerOf = (changes: Partial<Rotation>): Ledger =>
      ({ genesis, state: { ...state, rotation: { ...state.rotation!, ...changes } } }) as unknown as Ledger;
    using keys = new ProvisionedKeys();
    using provisioning = new Provisioning(keyOf(name), keys);
    let sweep: PartitionThreads["sweep"] = async () => done;
    let ended = 0;
    await using rotator = new Rotator({
      stores: [{ store: new MemoryStore(), location: { module: "", options: null }, id: state.stateStore! }],
      startThreads: () =>
        threadsThat(
          (...work) => sweep(...work),
          () => ended++,
        ),
      keys,
      identityKey: keyOf(name),
      pace: { threads: 1, bytesPerSecond: null },
    });
    const receiptsIn = async (ledger: Ledger): Promise<number> => {
      rotator.follow(ledger, provisioning);
      await new Promise(setImmediate);
      const call = rotator.dueCall(ledger);
      return call?.tag === "workPartitions" ? call.value.done.length : 0;
    };
    expect(await receiptsIn(ledgerOf({}))).toBeGreaterThan(0);
    sweep = () => new Promise(() => undefined);
    expect(await receiptsIn(ledgerOf({}))).toBeGreaterThan(0);
    // A lease of the same number, of the same attempt, in a rotation that has another switch.
    expect(await receiptsIn(ledgerOf({ switchHeight: state.rotation!.switchHeight! - 1 }))).toBe(0);
    expect(ended).toBe(1);
  });
});

test("what is done can wait for what is at work, but not beyond the end of its lease", async () => {
  const { network, rotators } = reencrypting();
  rotators.until("PartitionLeased", () => null);
  const { genesis, state } = network.ledger;
  const [lease] = [...state.partitions.values()].filter(({ holder: by }) => by !== null);
  const holder = lease!.holder!;
  // All are leased to one, whatever they are.
  const partitions = new Map([...state.partitions].map(([name]) => [name, lease!]));
  expect(partitions.size).toBeGreaterThan(1);
  const ledgerAt = (height: number): Ledger =>
    ({ genesis, state: { ...state, partitions, height } }) as unknown as Ledger;
  using keys = new ProvisionedKeys();
  using provisioning = new Provisioning(holder, keys);
  const sweeps: Promise<LeasedSweepEnd>[] = [Promise.resolve(done)];
  await using rotator = new Rotator({
    stores: [{ store: new MemoryStore(), location: { module: "", options: null }, id: state.stateStore! }],
    startThreads: () =>
      threadsThat(
        () => sweeps.shift() ?? new Promise(() => undefined),
        () => undefined,
      ),
    keys,
    identityKey: holder,
    pace: { threads: 1, bytesPerSecond: null },
  });
  rotator.follow(ledgerAt(state.height), provisioning);
  await new Promise(setImmediate);
  expect(rotator.dueCall(ledgerAt(state.height))).toMatchObject({ value: { done: [{ outcome: { tag: "swept" } }] } });
  const { deadline } = lease!;
  expect([2, 1].map((blocks) => rotator.mayWait(ledgerAt(deadline - blocks)))).toEqual([true, false]);
});

test.each([
  ["one of five with one thread", { threads: 1, partitions: 64, parties: 5 }, 13],
  ["one of five with eight threads", { threads: 8, partitions: 64, parties: 5 }, 26],
  ["one of thirty with eight threads, of few partitions", { threads: 8, partitions: 64, parties: 30 }, 8],
  ["one of thirty with eight threads, of many", { threads: 8, partitions: 1_000, parties: 30 }, 26],
  ["one of thirty with one thread", { threads: 1, partitions: 64, parties: 30 }, 4],
])(
  "%s leases what it has use for, and leaves others something",
  async (_, { threads, partitions: free, parties }, wanted) => {
    const { network, rotators } = reencrypting();
    rotators.until("PartitionLeased", () => null);
    const { genesis, state } = network.ledger;
    const [lease] = [...state.partitions.values()].filter(({ holder: by }) => by !== null);
    const unleased = { ...lease!, holder: null, deadline: 0 };
    const partitions = new Map(Array.from({ length: free }, (_, index) => [index, unleased]));
    const others = parties - state.rotationWorkers.length;
    const gatekeepers = Array.from({ length: others }, () => state.gatekeepers[0]!);
    const ledger = { genesis, state: { ...state, partitions, gatekeepers } } as unknown as Ledger;
    using keys = new ProvisionedKeys();
    using provisioning = new Provisioning(lease!.holder!, keys);
    await using rotator = new Rotator({
      stores: [{ store: new MemoryStore(), location: { module: "", options: null }, id: state.stateStore! }],
      startThreads: () => {
        throw new Error("nothing is leased");
      },
      keys,
      identityKey: lease!.holder!,
      pace: { threads, bytesPerSecond: null },
    });
    rotator.follow(ledger, provisioning);
    expect(rotator.dueCall(ledger)).toMatchObject({ tag: "workPartitions", value: { done: [], wanted } });
  },
);
