import { describe, expect, test } from "vitest";
import type { Call } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { sealedUnder } from "../../src/protocol/rotation.ts";
import { Network, identity, idOf, outcomes, publicOf } from "./network.ts";
import {
  NAMES,
  boundAt,
  claimOf,
  kinds,
  order,
  partitionsOf,
  reencrypting,
  rotate,
  running,
  say,
  swept,
} from "./rotators.ts";
import { keyGenesis } from "./shareholders.ts";

describe("a rotation", () => {
  test("goes through its phases, and the old MasterKey is gone", () => {
    const { network, rotators } = running();
    expect(kinds(order(network, rotate))).toContain("RotationOrdered");
    rotators.until("RotationStarted");
    expect(network.state.rotation?.phase).toBe("keyGeneration");
    rotators.until("SharingAdopted");
    expect(network.state.sharings.map(({ rotationId }) => rotationId)).toEqual([0, 1]);
    expect(sealedUnder(network.state)).toBe(0);
    rotators.until("PartitionsRecorded");
    expect(network.state.partitions.size).toBe(4);
    rotators.until("MasterPubkeyRotated");
    expect(sealedUnder(network.state)).toBe(1);
    const told: Effect[] = [];
    for (let block = 0; block < 40 && network.state.rotation !== null; block++) told.push(...rotators.block());
    const sweepers = told.flatMap((effect) => (effect.kind === "PartitionSwept" ? [effect.receipt.by] : []));
    expect(sweepers).toHaveLength(4);
    for (const effect of told) {
      // Never by who has swept it.
      if (effect.kind === "PartitionJudged") expect(sweepers[effect.partition]).not.toBe(effect.identityKey);
    }
    expect(told.filter(({ kind }) => kind === "RotationCertified")).toHaveLength(2);
    expect(told.at(-1)).toMatchObject({ kind: "MasterKeyAbandoned", rotationId: 0, records: 40, outstanding: [] });
    const { rotation, sharings, retired, partitions } = network.state;
    expect({ rotation, retired, ids: sharings.map(({ rotationId }) => rotationId) }).toEqual({
      rotation: null,
      retired: [],
      ids: [1],
    });
    expect(partitions.size).toBe(0);
    expect(network.state.keyUsers.get(idOf(identity("a")))?.since).toBe(1);
  });

  test("begins by itself, as often as the genesis or governance says", () => {
    const rotation = { intervalBlocks: 9, leadBlocks: 1, leaseBlocks: 4, phaseBlocks: 20, leasesPerBlock: 64 };
    const { network, rotators } = running({ rotation }, null);
    const started: number[] = [];
    const ended: number[] = [network.state.rotationEnded];
    for (let block = 0; block < 80; block++) {
      for (const { kind } of rotators.block()) {
        if (kind === "RotationStarted") started.push(network.state.height);
        if (kind === "MasterKeyAbandoned") ended.push(network.state.height);
      }
    }
    expect(started.length).toBeGreaterThan(1);
    for (const [at, height] of started.entries()) expect(height - ended[at]!).toBe(9);
    order(network, { tag: "setRotationInterval", value: 0 });
    if (network.state.rotation !== null) rotators.until("MasterKeyAbandoned");
    for (let block = 0; block < 40; block++) expect(kinds(rotators.block())).not.toContain("RotationStarted");
  });

  test("is given up where no key comes about, and the old one stays", () => {
    const { network, rotators } = running();
    order(network, rotate);
    rotators.until("RotationAborted", undefined, () => null, 200);
    expect(network.state).toMatchObject({ rotation: null, rotationOrdered: null, keySession: null });
    expect(network.state.sharings.map(({ rotationId }) => rotationId)).toEqual([0]);
    // The next one makes the same generation.
    order(network, rotate);
    expect(rotators.until("SharingAdopted")).toContainEqual(expect.objectContaining({ rotationId: 1 }));
  });

  test("is ordered once at a time, and only where there is a MasterKey", () => {
    const fresh = new Network(keyGenesis());
    expect(outcomes(order(fresh, rotate))).toContain("NothingToDo");
    const { network, rotators } = running();
    order(network, rotate);
    expect(outcomes(order(network, rotate))).toContain("RotationUnderWay");
    rotators.until("MasterPubkeyRotated");
    expect(outcomes(order(network, rotate))).toContain("RotationUnderWay");
  });
});

describe("partitions", () => {
  test("pass on to others when a lease is over, and what the first says then counts for nothing", () => {
    const { network, rotators } = reencrypting();
    const dead = rotators.block(() => null).flatMap((effect) => (effect.kind === "PartitionLeased" ? [effect] : []));
    expect(dead.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
    const first = NAMES.find((name) => publicOf(identity(name)) === dead[0]!.holder)!;
    const says = (name: string, call: Call | null): Call | null => (name === first ? null : call);
    const told = rotators.until(
      "LeaseExpired",
      (_, index) => (index === 0 ? null : { tag: "swept", value: claimOf() }),
      says,
    );
    expect(told).toContainEqual(
      expect.objectContaining({ kind: "LeaseExpired", partition: 0, holder: dead[0]!.holder }),
    );
    const late: Call = {
      tag: "workPartitions",
      value: {
        rotationId: 1,
        done: [{ partition: 0, attempt: 0, outcome: { tag: "swept", value: claimOf() } }],
        wanted: 0,
      },
    };
    expect(say(network, first, late)).toBe("NothingToDo");
    rotators.until("MasterKeyAbandoned", undefined, undefined, 60);
  });

  test("stay with who is done with others, for a quarter of a lease each and a whole one at most", () => {
    const rotation = { intervalBlocks: 0, leadBlocks: 1, leaseBlocks: 8, phaseBlocks: 50, leasesPerBlock: 64 };
    const { network } = reencrypting({ rotation });
    const [busy, idle] = NAMES as [string, string];
    const work = (done: readonly number[], wanted: number): Call => ({
      tag: "workPartitions",
      value: { rotationId: 1, done: done.map((partition) => ({ partition, attempt: 0, outcome: swept })), wanted },
    });
    const deadlines = (): number[] => partitionsOf(network).map(({ deadline }) => deadline);
    while (network.state.rotation!.phase === "keyGeneration") network.blockOf([]);
    expect(say(network, busy, work([], 3))).toBe("done");
    const { height } = network.state;
    expect(say(network, idle, work([], 1))).toBe("done");
    expect(deadlines()).toEqual([height + 7, height + 7, height + 7, height + 8]);
    // Those have more than half of it left.
    expect(say(network, busy, work([0], 0))).toBe("done");
    expect(deadlines().slice(1)).toEqual([height + 7, height + 7, height + 8]);
    while (network.state.height < height + 5) network.blockOf([]);
    expect(say(network, busy, work([1], 0))).toBe("done");
    expect(deadlines().slice(2)).toEqual([height + 9, height + 8]);
    const expired: [partition: number, height: number][] = [];
    while (network.state.height < height + 10) {
      for (const effect of network.blockOf([])) {
        if (effect.kind === "LeaseExpired") expired.push([effect.partition, network.state.height - height]);
      }
    }
    expect(expired).toEqual([
      [3, 9],
      [2, 10],
    ]);
  });

  test("stay with who is done with many of them at once for a lease from then, not longer", () => {
    const rotation = { intervalBlocks: 0, leadBlocks: 1, leaseBlocks: 4, phaseBlocks: 50, leasesPerBlock: 64 };
    const { network } = reencrypting({ rotation });
    const [busy] = NAMES as [string];
    while (network.state.rotation!.phase === "keyGeneration") network.blockOf([]);
    expect(say(network, busy, { tag: "workPartitions", value: { rotationId: 1, done: [], wanted: 4 } })).toBe("done");
    const { height } = network.state;
    while (network.state.height < height + 2) network.blockOf([]);
    const done = [0, 1, 2].map((partition) => ({ partition, attempt: 0, outcome: swept }));
    expect(say(network, busy, { tag: "workPartitions", value: { rotationId: 1, done, wanted: 0 } })).toBe("done");
    // In block height + 3, the last of the lease: three blocks more would be as many as there are to be had.
    expect(partitionsOf(network)[3]!.deadline).toBe(height + 6);
  });

  test("are leased as fast as the budget of a block allows", () => {
    const rotation = { intervalBlocks: 0, leadBlocks: 1, leaseBlocks: 20, phaseBlocks: 50, leasesPerBlock: 1 };
    const { rotators } = reencrypting({ rotation });
    const most: number[] = [];
    for (let block = 0; block < 12; block++) {
      most.push(kinds(rotators.block()).filter((kind) => kind === "PartitionLeased").length);
    }
    expect(Math.max(...most)).toBe(1);
  });

  const LONG_LEAD = { intervalBlocks: 0, leadBlocks: 6, leaseBlocks: 4, phaseBlocks: 50, leasesPerBlock: 64 };

  test("are promised before the switch, so that keys are there when it comes, and leased with it", () => {
    const { network, rotators } = reencrypting({ rotation: LONG_LEAD }, [...NAMES, "e"]);
    expect(network.state.rotation).toMatchObject({ phase: "keyGeneration", partitions: 4 });
    expect(network.state.keyUsers.has(idOf(identity("e")))).toBe(false);
    const wanted: Call = { tag: "workPartitions", value: { rotationId: 1, done: [], wanted: 1 } };
    const promised = network.blockOf([network.unsigned(identity("e"), wanted)]);
    expect(promised[0]).toMatchObject({ kind: "PartitionPromised", partition: 0, holder: publicOf(identity("e")) });
    // From here on it may be given keys.
    expect(network.state.keyUsers.get(idOf(identity("e")))?.since).toBe(0);
    const { switchHeight } = network.state.rotation!;
    expect(partitionsOf(network)[0]).toMatchObject({
      stage: "unswept",
      holder: publicOf(identity("e")),
      deadline: switchHeight! + LONG_LEAD.leaseBlocks - 1,
    });
    const done = [{ partition: 0, attempt: 0, outcome: swept }];
    const early: Call = { tag: "workPartitions", value: { rotationId: 1, done, wanted: 0 } };
    expect(say(network, "e", early)).toBe("NothingToDo");
    expect(partitionsOf(network)[0]).toMatchObject({ stage: "unswept", receipt: null });
    const atSwitch = rotators.until("MasterPubkeyRotated");
    expect(network.state.height).toBe(switchHeight);
    expect(kinds(atSwitch).filter((kind) => kind === "PartitionLeased")).toHaveLength(4);
    expect(say(network, "e", early)).toBe("done");
    rotators.until("MasterKeyAbandoned");
  });

  test("are not promised before the MasterKey is there, and no more of them than a block may lease", () => {
    const { network, rotators } = running({ rotation: { ...LONG_LEAD, leasesPerBlock: 1 } });
    order(network, rotate);
    rotators.until("RotationStarted");
    const cut: Call = { tag: "recordPartitions", value: { rotationId: 1, bounds: [boundAt(4), boundAt(5)] } };
    const wanted: Call = { tag: "workPartitions", value: { rotationId: 1, done: [], wanted: 2 } };
    expect(say(network, "a", cut)).toBe("WrongPhase");
    expect(say(network, "a", wanted)).toBe("WrongPhase");
    rotators.until("SwitchPlanned");
    expect(say(network, "a", cut)).toBe("done");
    expect(say(network, "a", wanted)).toBe("done");
    expect(say(network, "b", wanted)).toBe("NothingToDo");
    expect(partitionsOf(network).filter(({ holder }) => holder !== null)).toHaveLength(1);
    const atSwitch = rotators.until("MasterPubkeyRotated", undefined, () => null);
    expect(kinds(atSwitch).filter((kind) => kind === "PartitionLeased")).toHaveLength(1);
    rotators.until("MasterKeyAbandoned");
  });

  test("are not cut where the chain knows of no store", () => {
    const { network, rotators } = running({ rotation: LONG_LEAD }, null);
    order(network, rotate);
    rotators.until("SwitchPlanned");
    const cut: Call = { tag: "recordPartitions", value: { rotationId: 1, bounds: [boundAt(4)] } };
    expect(say(network, "a", cut)).toBe("NothingToDo");
    rotators.until("MasterKeyAbandoned");
  });

  test("with records that can't be opened block the rotation, until governance has them put aside", () => {
    const { network, rotators } = reencrypting();
    const blocked = (_: string, index: number, stage: string) =>
      stage !== "unswept"
        ? ({ tag: "verified", value: "sound" } as const)
        : ({ tag: "swept", value: claimOf(10, index === 2 && !isOrdered() ? 1 : 0) } as const);
    const isOrdered = () => [...network.state.partitions.values()][2]?.quarantine === true;
    const [told] = rotators
      .until("PartitionBlocked", blocked)
      .flatMap((effect) => (effect.kind === "PartitionBlocked" ? [effect] : []));
    expect(told).toMatchObject({ partition: 2, receipt: { failed: 1, failures: [{ key: Buffer.from("bad") }] } });
    for (let block = 0; block < 30; block++) rotators.block(blocked);
    expect(network.state.rotation?.phase).toBe("reencryption");
    for (;;) {
      const partition = [...network.state.partitions.values()][2]!;
      if (partition.holder === null) break;
      rotators.block(blocked);
    }
    const ordered = order(network, { tag: "quarantine", value: { rotationId: 1, partition: 2 } });
    expect(kinds(ordered)).toContain("QuarantineOrdered");
    rotators.until("MasterKeyAbandoned", blocked, undefined, 60);
  });

  test("are cut by rising bounds alone", () => {
    const { network, rotators } = running();
    order(network, rotate);
    rotators.until("MasterPubkeyRotated", undefined, (_, call) => (call?.tag === "recordPartitions" ? null : call));
    const cut = (bytes: readonly number[]): Call => ({
      tag: "recordPartitions",
      value: { rotationId: 1, bounds: bytes.map(boundAt) },
    });
    expect(say(network, "a", cut([4, 4]))).toBe("BadPartitions");
    expect(say(network, "a", cut([5, 4]))).toBe("BadPartitions");
    expect(say(network, "a", cut([4, 5]))).toBe("done");
    expect(say(network, "b", cut([4]))).toBe("AlreadySent");
  });
});

describe("a partition that is not sound", () => {
  const honest = (_: string, __: number, stage: string) =>
    stage === "unswept"
      ? ({ tag: "swept", value: claimOf() } as const)
      : ({ tag: "verified", value: "sound" } as const);

  test("convicts who vouched for it, when t holders say so, and is swept again", () => {
    const { network, rotators } = reencrypting();
    const faulty = (name: string, index: number, stage: string) => {
      const partition = [...network.state.partitions.values()][index]!;
      const isBad = index === 1 && partition.attempt === 0;
      return stage === "swept" && isBad ? ({ tag: "verified", value: "faulty" } as const) : honest(name, index, stage);
    };
    const told = rotators.until("Convicted", faulty, undefined, 60);
    const reopened = told.find(({ kind }) => kind === "PartitionReopened");
    expect(reopened).toMatchObject({ partition: 1, attempt: 1 });
    expect(network.state.excluded).toHaveLength(1);
    rotators.until("MasterKeyAbandoned", faulty, undefined, 100);
  });

  test("convicts who called it so, when t others say that it is not", () => {
    const { network, rotators } = reencrypting();
    let liar: string | null = null;
    const lying = (name: string, index: number, stage: string) => {
      if (stage === "swept" && index === 1) liar ??= name;
      return stage === "swept" && index === 1 && name === liar
        ? ({ tag: "verified", value: "faulty" } as const)
        : honest(name, index, stage);
    };
    const told = rotators.until("Convicted", lying, undefined, 60);
    expect(told).toContainEqual(
      expect.objectContaining({ kind: "Convicted", offence: "falseVerdict", identityKey: publicOf(liar!) }),
    );
    rotators.until("MasterKeyAbandoned", lying, undefined, 100);
    expect(network.state.excluded).toEqual([publicOf(liar!)]);
  });

  test("is done anew where nobody is to blame, and others look at it", () => {
    const { network, rotators } = reencrypting();
    const doubters = new Set<string>();
    const doubting = (name: string, index: number, stage: string) => {
      if (stage !== "swept" || index !== 1 || doubters.has(name) || doubters.size === 2)
        return honest(name, index, stage);
      doubters.add(name);
      return { tag: "verified", value: "damaged" } as const;
    };
    rotators.until("MasterKeyAbandoned", doubting, undefined, 100);
    expect(doubters.size).toBe(2);
    expect(network.state.excluded).toEqual([]);
  });
});

describe("abandonment", () => {
  test("waits for who has had keys, but not for ever; and says who has not declared", () => {
    const { network, rotators } = reencrypting();
    const silent = (name: string, call: Call | null): Call | null =>
      name === "d" && (call?.tag === "declareAbandoned" || call?.tag === "declareDestroyed") ? null : call;
    rotators.until("RotationAdvanced", undefined, silent);
    const told = rotators.until("MasterKeyAbandoned", undefined, silent, 100);
    expect(told.at(-1)).toMatchObject({ kind: "MasterKeyAbandoned", outstanding: [publicOf(identity("d"))] });
    expect(network.state.retired).toEqual([]);
    expect(network.state.unapplied.size).toBe(1);
  });

  test("never ends while t old holders have not declared", () => {
    const { network, rotators } = reencrypting();
    const silent = (name: string, call: Call | null): Call | null =>
      "cd".includes(name) && call?.tag === "declareDestroyed" ? null : call;
    for (let block = 0; block < 120; block++) rotators.block(undefined, silent);
    expect(network.state.rotation?.phase).toBe("abandonment");
    rotators.until("MasterKeyAbandoned", undefined, undefined, 60);
  });
});
