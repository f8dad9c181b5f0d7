/**
 * Rotations in which pRuntimes lie about partitions, or hold them up: they end, and nobody honest is blamed. Four gatekeepers have two
 * shares for the key; e and f are none, and registered.
 */
import { describe, expect, test } from "vitest";
import type { Call, PartitionWork } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { FREE_ATTEMPTS, leasableBy } from "../../src/protocol/partitions.ts";
import type { Partition } from "../../src/protocol/rotation.ts";
import type { Sharing } from "../../src/protocol/sharing.ts";
import { numberKey } from "../../src/protocol/state.ts";
import { type Network, identity } from "./network.ts";
import {
  NAMES,
  type Outcome,
  claimOf,
  grabbing,
  honest,
  judged,
  keyOf,
  kinds,
  partitionsOf,
  reencrypting,
  say,
  swept,
  toEnd,
} from "./rotators.ts";
import type { Says } from "./shareholders.ts";

/** The state with another sharing in the place of the newest. */
function withSharing(network: Network, change: (sharing: Sharing) => Sharing): void {
  const { state } = network;
  network.ledger = network.ledger.with({ ...state, sharings: state.sharings.with(-1, change(state.sharings.at(-1)!)) });
}

describe("leases", () => {
  test("of pRuntimes that do nothing hold up each partition once, however many there are and whenever they come", () => {
    const { network, rotators } = reencrypting();
    const lazy = ["e", "f"].map((name) => [name, grabbing(network, name, () => null)] as const);
    const told = toEnd(network, () => rotators.blockAfter(lazy), 60);
    const expired = told.filter(({ kind }) => kind === "LeaseExpired");
    expect(expired.length).toBeGreaterThan(0);
    // Once to be swept, once to be verified.
    expect(expired.length).toBeLessThanOrEqual(8);
  });

  test("pass on to holders of shares, and back to all when none of those comes", () => {
    const { network, rotators } = reencrypting();
    const nobody = () => null;
    rotators.blockAfter([["e", grabbing(network, "e", () => null)]], honest, nobody);
    expect(partitionsOf(network).map(({ holder }) => holder)).toEqual(new Array(4).fill(keyOf("e")));
    for (let block = 0; block < 4; block++) rotators.block(honest, nobody);
    expect(partitionsOf(network)[0]).toMatchObject({ holder: null, doubters: [keyOf("e")] });
    expect(leasableBy(network.state, keyOf("e"))).toEqual([]);
    expect(leasableBy(network.state, keyOf("f"))).toEqual([]);
    expect(leasableBy(network.state, keyOf("a"))).toEqual([0, 1, 2, 3]);
    for (let block = 0; block < 4; block++) rotators.block(honest, nobody);
    expect(leasableBy(network.state, keyOf("f"))).toEqual([0, 1, 2, 3]);
  });

  test("that have doubled pass back to who let them end when none of the others has come for as long", () => {
    const { network, rotators } = reencrypting();
    const nobody = () => null;
    rotators.blockAfter([["e", grabbing(network, "e", () => null)]], honest, nobody);
    for (let block = 0; block < 4; block++) rotators.block(honest, nobody);
    const { state } = network;
    network.ledger = network.ledger.with({ ...state, rotation: { ...state.rotation!, late: 1 } });
    expect(partitionsOf(network)[0]).toMatchObject({ holder: null, doubters: [keyOf("e")] });
    for (let block = 0; block < 7; block++) rotators.block(honest, nobody);
    expect(leasableBy(network.state, keyOf("e"))).toEqual([]);
    rotators.block(honest, nobody);
    expect(leasableBy(network.state, keyOf("e"))).toEqual([0, 1, 2, 3]);
  });

  test("that have doubled pass to with whom it came to nothing longest ago, when nobody else is left", () => {
    const { network, rotators } = reencrypting();
    const { state } = network;
    const [sweeper, verifier, other, hoarder] = NAMES.map(keyOf) as [string, string, string, string];
    const receipt = { ...claimOf(), by: sweeper, height: state.height };
    const nothing = { stage: "swept", receipt, holder: null, deadline: state.height } as const;
    const changed = { ...partitionsOf(network)[0]!, ...nothing, doubters: [other, verifier, hoarder] };
    network.ledger = network.ledger.with({
      ...state,
      rotation: { ...state.rotation!, phase: "verification", swept: 1, late: 6, deadline: state.height + 1_000 },
      partitions: state.partitions.set(numberKey(0), changed),
    });
    const may = () => NAMES.filter((name) => leasableBy(network.state, keyOf(name)).includes(0)).map(keyOf);
    for (let block = 0; block < 4; block++) {
      expect(may()).toEqual([]);
      rotators.block(honest, () => null);
    }
    // Not the hoarder, though it comes first in each block.
    for (let block = 0; block < 8; block++) {
      expect(may()).toEqual([other]);
      rotators.block(honest, () => null);
    }
    // Who may not take part any more is not waited for.
    const { state: later } = network;
    network.ledger = network.ledger.with({ ...later, excluded: [other] });
    rotators.block(honest, () => null);
    expect(may()).toEqual([verifier]);
  });

  test("end with who has nothing to gain from them, though a liar comes first and spoils all that it gets", () => {
    const gatekeepers = { tag: "elected", value: { seats: 3, minimum: 3, balancing: 2 } } as const;
    const { network, rotators } = reencrypting({ gatekeepers });
    const liar = NAMES.find((name) => keyOf(name) === network.state.gatekeepers[0])!;
    const others: Outcome = (_, index, stage) => {
      if (stage === "unswept") return swept;
      return judged(partitionsOf(network)[index]!.receipt!.by === keyOf(liar) ? "damaged" : "sound");
    };
    const block = () => {
      const lies = grabbing(network, liar, (stage) => (stage === "unswept" ? swept : judged("damaged")));
      const says: Says = (name, call) => (name === liar && call?.tag === "workPartitions" ? null : call);
      return rotators.blockAfter([[liar, lies]], others, says);
    };
    const told = toEnd(network, block, 400);
    const attempts = told.flatMap((effect) => (effect.kind === "PartitionReopened" ? [effect.attempt] : []));
    expect(Math.max(...attempts)).toBeGreaterThanOrEqual(FREE_ATTEMPTS);
    expect(Math.max(...attempts)).toBeLessThanOrEqual(FREE_ATTEMPTS + 6);
  });

  test("come to each two holders of shares, one to sweep and the other to verify, when there were many attempts", () => {
    const { network } = reencrypting();
    const holders = ["a", "b", "c", "d"].map(keyOf);
    const [partition] = partitionsOf(network) as [Partition];
    const { height } = network.state;
    /** Who may lease it, so many blocks after it was free. */
    const turn = (change: Partial<Partition>, later = 0): string => {
      const changed = { ...partition, holder: null, doubters: [], deadline: height + 1 - later, ...change };
      const partitions = network.state.partitions.set(numberKey(0), changed);
      const rotation = { ...network.state.rotation!, phase: "verification" } as const;
      const state = { ...network.state, rotation, partitions };
      const may = [...holders, keyOf("e")].filter((holder) => leasableBy(state, holder).includes(0));
      expect(may.length).toBeLessThanOrEqual(1);
      return may[0] ?? "nobody";
    };
    const pairs = new Set<string>();
    for (let attempt = FREE_ATTEMPTS; attempt < FREE_ATTEMPTS + 12; attempt++) {
      const sweeper = turn({ attempt, stage: "unswept" });
      const receipt = { ...claimOf(), by: sweeper, height };
      const verifier = turn({ attempt, stage: "swept", receipt });
      expect(verifier).not.toBe(sweeper);
      pairs.add(`${sweeper} ${verifier}`);
      // Who does not take it is followed by each other.
      const turns = [0, 8, 16, 24].map((later) => turn({ attempt, stage: "unswept" }, later));
      expect(new Set(turns)).toEqual(new Set(holders));
      expect(turn({ attempt, stage: "unswept", doubters: [sweeper] })).toBe("nobody");
    }
    expect(pairs.size).toBe(12);
    expect([...pairs].join(" ")).not.toContain("nobody");
  });

  test("grow with each time that the phase is late, until the slowest is done with the largest partition", () => {
    const rotation = { intervalBlocks: 0, leadBlocks: 1, leaseBlocks: 2, phaseBlocks: 6, leasesPerBlock: 64 };
    const { network, rotators } = reencrypting({ rotation });
    const since = new Map<number, number>();
    const told: Effect[] = [];
    const slow: Outcome = (name, index, stage) => {
      const { height } = network.state;
      return height - since.get(index)! < 9 ? null : honest(name, index, stage);
    };
    const block = () => {
      const effects = rotators.block(slow);
      for (const effect of effects) {
        if (effect.kind === "PartitionLeased") since.set(effect.partition, network.state.height);
      }
      return effects;
    };
    told.push(...toEnd(network, block, 300));
    expect(kinds(told)).toContain("LeaseExpired");
    expect(kinds(told)).toContain("RotationLate");
  });
});

describe("false receipts", () => {
  test("of those who hold no share cost a partition one attempt each", () => {
    const { network, rotators } = reencrypting();
    const isFalse = (index: number): boolean =>
      ["e", "f"].map(keyOf).includes(partitionsOf(network)[index]!.receipt!.by);
    const looking: Outcome = (_, index, stage) =>
      stage === "unswept" ? swept : judged(isFalse(index) ? "damaged" : "sound");
    const told = toEnd(
      network,
      () =>
        rotators.blockAfter(
          ["e", "f"].map((name) => [name, grabbing(network, name, (stage) => (stage === "unswept" ? swept : null))]),
          looking,
        ),
      80,
    );
    const reopened = told.flatMap((effect) => (effect.kind === "PartitionReopened" ? [effect.partition] : []));
    expect([...reopened].sort()).toEqual([0, 1, 2, 3]);
    expect(network.state.excluded).toEqual([]);
  });

  test("that name records which open well keep nobody else from sweeping", () => {
    const { network, rotators } = reencrypting();
    const blocking = { tag: "swept", value: claimOf(1, 1) } as const;
    const told = toEnd(network, () => rotators.blockAfter([["e", grabbing(network, "e", () => blocking)]]), 60);
    expect(told.filter(({ kind }) => kind === "PartitionBlocked")).toHaveLength(4);
  });

  test("are tried again when the time of a lease is over, and not before", () => {
    const { network, rotators } = reencrypting();
    const blocking = { tag: "swept", value: claimOf(1, 1) } as const;
    const work = (wanted: number, outcome: PartitionWork["outcome"] | null): Call => {
      const done = outcome === null ? [] : [{ partition: 0, attempt: 0, outcome }];
      return { tag: "workPartitions", value: { rotationId: 1, done, wanted } };
    };
    expect(say(network, "a", work(1, null))).toBe("done");
    expect(say(network, "a", work(0, blocking))).toBe("done");
    const { deadline } = partitionsOf(network)[0]!;
    expect(deadline).toBe(network.state.height + 4);
    expect(say(network, "b", work(3, null))).toBe("done");
    rotators.block(honest, () => null);
    expect(leasableBy(network.state, keyOf("c"))).toEqual([]);
    expect(say(network, "c", work(1, null))).toBe("NothingToDo");
    expect(leasableBy(network.state, keyOf("c"))).toContain(0);
    expect(say(network, "c", work(1, null))).toBe("done");
    expect(partitionsOf(network)[0]!.holder).toBe(keyOf("c"));
  });

  test("are told with who found them", () => {
    const { network, rotators } = reencrypting();
    const isFirst = (index: number): boolean => partitionsOf(network)[index]!.attempt === 0;
    const told = toEnd(
      network,
      () =>
        rotators.block((_, index, stage) =>
          stage === "unswept" ? swept : judged(index === 2 && isFirst(index) ? "damaged" : "sound"),
        ),
      60,
    );
    expect(told).toContainEqual(expect.objectContaining({ kind: "PartitionJudged", partition: 2, verdict: "damaged" }));
  });
});

describe("two that lie together", () => {
  /** e vouches for what it has not done, and f calls that sound; nobody who looks certifies while such a partition counts. */
  const together = (network: Network) =>
    [
      grabbing(network, "e", (stage) => (stage === "unswept" ? swept : null)),
      grabbing(network, "f", (stage) => (stage === "swept" ? judged("sound") : null)),
    ].map((call, at) => [["e", "f"][at]!, call] as const);
  const isClean = (network: Network): boolean =>
    partitionsOf(network).every(({ receipt }) => receipt?.by !== keyOf("e"));
  const looking =
    (network: Network) =>
    (_: string, call: Call | null): Call | null =>
      call?.tag === "certifyRotation" && !isClean(network) ? null : call;

  test("don't keep a rotation from ending: what nobody certifies is done anew, by others first", () => {
    const { network, rotators } = reencrypting();
    const told: Effect[] = [];
    while (network.state.rotation?.verified !== 4) {
      told.push(...rotators.blockAfter(together(network), honest, looking(network)));
    }
    const liars = partitionsOf(network).map(({ receipt }) => receipt!.by === keyOf("e"));
    expect(liars).toContain(true);
    const { height } = network.state;
    told.push(...toEnd(network, () => rotators.blockAfter(together(network), honest, looking(network)), 80));
    expect(network.state.height).toBeGreaterThan(height);
    const reopened = told.flatMap((effect) => (effect.kind === "PartitionReopened" ? [effect.partition] : []));
    expect([...reopened].sort()).toEqual([0, 1, 2, 3]);
    expect(told.filter(({ kind }) => kind === "Convicted")).toEqual([]);
  });

  test("come last where it is done anew, and so does who verified for them", () => {
    const { network, rotators } = reencrypting();
    while (network.state.rotation?.verified !== 4) rotators.blockAfter(together(network), honest, looking(network));
    const parties = partitionsOf(network).map(({ receipt, verdicts }) => [receipt!.by, verdicts[0]!.by]);
    const silent = (_: string, call: Call | null) => (call?.tag === "certifyRotation" ? null : call);
    const block = () => rotators.block(() => null, silent);
    while (!kinds(block()).includes("PartitionReopened"));
    expect(network.state.rotation).toMatchObject({ phase: "verification", swept: 0, verified: 0, late: 1 });
    expect(partitionsOf(network).map(({ doubters }) => doubters)).toEqual(parties);
  });

  test("leave who certifies a whole phase for it, however late the last partition was verified", () => {
    const { network, rotators } = reencrypting();
    const silent = (_: string, call: Call | null) => (call?.tag === "certifyRotation" ? null : call);
    const isLast = () => network.state.height >= network.state.rotation!.deadline - 3;
    const slow: Outcome = (name, index, stage) =>
      stage === "swept" && index === 3 && !isLast() && network.state.rotation!.verified < 4
        ? null
        : honest(name, index, stage);
    // The last verdict comes shortly before patience ends with the phase.
    const told: Effect[] = [];
    while (network.state.rotation?.verified !== 4) told.push(...rotators.block(slow, silent));
    const { height } = network.state;
    for (let block = 0; block < 12; block++) told.push(...rotators.block(honest, silent));
    expect(kinds(told)).not.toContain("PartitionReopened");
    expect(network.state.rotation).toMatchObject({ verified: 4, deadline: height + 19 });
    told.push(...toEnd(network, () => rotators.block(), 30));
    expect(kinds(told)).not.toContain("PartitionReopened");
  });

  test("are not waited for in a migration that copies: it can be called off, and is not copied again and again", () => {
    const { network, rotators } = reencrypting();
    while (network.state.rotation?.verified !== 4) rotators.block(honest, looking(network));
    const rotation = { ...network.state.rotation, source: `0x${"5a".repeat(32)}` };
    network.ledger = network.ledger.with({ ...network.state, rotation });
    const silent = (_: string, call: Call | null) => (call?.tag === "certifyRotation" ? null : call);
    const told: Effect[] = [];
    while (!kinds(told).includes("RotationLate")) told.push(...rotators.block(honest, silent));
    expect(kinds(told)).not.toContain("PartitionReopened");
    expect(network.state.rotation).toMatchObject({ verified: 4 });
  });
});

describe("damage", () => {
  test("is looked at next by neither of the two that it is one's word against the other's", () => {
    const { network } = reencrypting();
    const done = (index: number, outcome: PartitionWork["outcome"]) => ({ partition: index, attempt: 0, outcome });
    const work = (all: PartitionWork[], wanted: number): Call => ({
      tag: "workPartitions",
      value: { rotationId: 1, done: all, wanted },
    });
    expect(say(network, "b", work([], 4))).toBe("done");
    const all = [0, 1, 2, 3].map((index) => done(index, swept));
    expect(say(network, "b", work(all, 0))).toBe("done");
    expect(say(network, "a", work([], 1))).toBe("done");
    expect(say(network, "a", work([done(0, judged("damaged"))], 0))).toBe("done");
    expect(partitionsOf(network)[0]).toMatchObject({ stage: "unswept", attempt: 1, doubters: ["a", "b"].map(keyOf) });
    expect(["a", "b", "c", "e"].filter((name) => leasableBy(network.state, keyOf(name)).includes(0))).toEqual(["c"]);
  });

  test("that is found again and again does not leave a partition unverified because pRuntimes are registered that do nothing", () => {
    const { network, rotators } = reencrypting();
    const doubted = new Set<string>();
    const doubting: Outcome = (name, index, stage) => {
      if (stage === "unswept") return swept;
      if (index !== 1 || doubted.has(name)) return judged("sound");
      doubted.add(name);
      return judged("damaged");
    };
    toEnd(network, () => rotators.block(doubting), 120);
    expect(network.state.excluded).toEqual([]);
  });
});

describe("a dispute", () => {
  /** One of the four has no share: of three, one is a liar and two are not, one of which has swept. */
  test("ends where the sweeper is one of t honest holders", () => {
    const { network, rotators } = reencrypting();
    const three = NAMES.slice(0, 3);
    withSharing(network, (sharing) => ({
      ...sharing,
      members: sharing.members.map((member) => ({
        ...member,
        confirmed: three.map(keyOf).includes(member.identityKey),
      })),
    }));
    const says = (name: string, call: Call | null): Call | null => (name === "d" ? null : call);
    const lying: Outcome = (name, index, stage) =>
      stage === "swept" && name === identity("b") && partitionsOf(network)[index]!.verdicts.length === 0
        ? judged("faulty")
        : honest(name, index, stage);
    const told: Effect[] = [];
    while (!kinds(told).includes("Convicted")) {
      if (told.length > 500) throw new Error("nobody is convicted");
      told.push(...rotators.block(lying, says));
    }
    expect(told.filter(({ kind }) => kind === "Convicted")).toEqual([
      expect.objectContaining({ offence: "falseVerdict", identityKey: keyOf("b") }),
    ]);
  });

  test("convicts nobody who saw what a contract has overwritten since", () => {
    const { network, rotators } = reencrypting();
    rotators.until("RotationAdvanced", honest);
    const seen: Outcome = (name, index, stage) => {
      const { attempt, verdicts } = partitionsOf(network)[0]!;
      if (stage === "unswept" || index !== 0 || attempt > 0) return honest(name, index, stage);
      return judged(verdicts.length === 0 ? "faulty" : "overwritten");
    };
    const told = toEnd(network, () => rotators.block(seen), 200);
    expect(told.filter(({ kind }) => kind === "Convicted")).toEqual([]);
    expect(told.filter((effect) => effect.kind === "PartitionJudged" && effect.verdict === "faulty")).toHaveLength(1);
    expect(kinds(told)).toContain("PartitionReopened");
  });

  test("does not count the word of who was convicted", () => {
    const { network, rotators } = reencrypting();
    rotators.until("MasterPubkeyRotated");
    rotators.until("RotationAdvanced", honest);
    const [first, liar, other] =
      partitionsOf(network)[0]!.receipt!.by === keyOf("a") ? ["b", "c", "d"] : ["a", "c", "d"];
    network.ledger = network.ledger.with({
      ...network.state,
      excluded: [keyOf(liar!)],
      partitions: network.state.partitions.set(numberKey(0), {
        ...partitionsOf(network)[0]!,
        stage: "swept",
        receipt: { ...partitionsOf(network)[0]!.receipt!, by: keyOf("e") },
        holder: keyOf(first!),
        deadline: network.state.height + 2,
        verdicts: [{ by: keyOf(liar!), verdict: "faulty" }],
      }),
    });
    const says = (verdict: "faulty"): Call => ({
      tag: "workPartitions",
      value: { rotationId: 1, done: [{ partition: 0, attempt: 0, outcome: judged(verdict) }], wanted: 0 },
    });
    expect(say(network, first!, says("faulty"))).toBe("done");
    expect(network.state.excluded).toEqual([keyOf(liar!)]);
    expect(partitionsOf(network)[0]).toMatchObject({ stage: "swept", attempt: 0 });
    expect(leasableBy(network.state, keyOf(other!))).toContain(0);
  });
});
