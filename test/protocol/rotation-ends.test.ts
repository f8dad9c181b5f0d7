/** How rotations end: certificates, a gatekeeper that is alone, what governance orders, convictions, and abandonment that takes long. */
import { describe, expect, test } from "vitest";
import { accountOf } from "../../src/protocol/account.ts";
import type { Call } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { idOf, identity, outcomes, publicOf } from "./network.ts";
import {
  type Outcome,
  certification,
  claimOf,
  honest,
  keyOf,
  kinds,
  order,
  partitionsOf,
  reencrypting,
  rotate,
  running,
  say,
  toEnd,
} from "./rotators.ts";

describe("certificates", () => {
  test("count together only of those who hold shares now", () => {
    const { network, rotators } = reencrypting();
    const isQuiet = (_: string, call: Call | null) => (call?.tag === "certifyRotation" ? null : call);
    while (network.state.rotation?.verified !== 4) rotators.block(honest, isQuiet);
    // As if e had certified before an election, and a been convicted since.
    const rotation = { ...network.state.rotation, certifiers: [keyOf("e"), keyOf("a")] };
    network.ledger = network.ledger.with({ ...network.state, rotation, excluded: [keyOf("a")] });
    rotators.block(honest, () => null);
    expect(network.state.rotation?.phase).toBe("verification");
    expect(say(network, "b", certification(network))).toBe("done");
    expect(network.state.rotation?.phase).toBe("verification");
    expect(say(network, "a", certification(network))).toBe("NotGatekeeper");
    expect(say(network, "f", certification(network))).toBe("NotGatekeeper");
    expect(say(network, "c", certification(network))).toBe("done");
    expect(network.state.rotation?.phase).toBe("abandonment");
  });
});

describe("a gatekeeper that is alone", () => {
  const alone = (names: readonly string[]) => ({
    gatekeepers: { tag: "listed" as const, value: names.map(keyOf) },
    masterKey: { keySuite: 2 as const, threshold: 1, phaseBlocks: 3, refreshBlocks: 1_000 },
    stakers: [],
  });

  test("verifies what it has swept, when nobody else has come in time", () => {
    const { network, rotators } = reencrypting(alone(["a"]), ["a"]);
    const told = toEnd(network, () => rotators.block(), 120);
    expect(kinds(told)).toContain("RotationLate");
    expect(told.at(-1)).toMatchObject({ kind: "MasterKeyAbandoned", outstanding: [] });
  });

  test("is none with another that holds a share", () => {
    const { network, rotators } = reencrypting(alone(["a", "b"]), ["a", "b"]);
    const says = (name: string, call: Call | null): Call | null =>
      name === "b" && call?.tag === "workPartitions" ? null : call;
    for (let block = 0; block < 80; block++) rotators.block(honest, says);
    expect(network.state.rotation).toMatchObject({ phase: "verification", verified: 0 });
    toEnd(network, () => rotators.block(), 40);
  });
});

describe("governance", () => {
  test("may have records put aside while somebody is at the partition", () => {
    const { network, rotators } = reencrypting();
    const bad: Outcome = (name, index, stage) =>
      stage === "unswept" && index === 2 ? { tag: "swept", value: claimOf(1, 1) } : honest(name, index, stage);
    const isHeld = () => partitionsOf(network)[2]!.holder !== null && partitionsOf(network)[2]!.receipt !== null;
    while (!isHeld()) rotators.block(bad);
    const quarantine = { tag: "quarantine", value: { rotationId: 1, partition: 2 } } as const;
    const { holder, deadline } = partitionsOf(network)[2]!;
    expect(kinds(order(network, quarantine))).toContain("QuarantineOrdered");
    expect(partitionsOf(network)[2]).toMatchObject({ quarantine: true, holder, deadline, doubters: [] });
    expect(kinds(order(network, quarantine))).not.toContain("QuarantineOrdered");
  });

  test("may have another store rotated in the place of one that is lost", () => {
    const other = `0x${"7b".repeat(32)}`;
    const setStore = { tag: "setStore", value: other } as const;
    for (const phase of ["reencryption", "verification"] as const) {
      const { network, rotators } = reencrypting();
      const quiet = (_: string, call: Call | null) => (call?.tag === "certifyRotation" ? null : call);
      const untilVerified = (): void => {
        for (let block = 0; network.state.rotation?.verified !== 4; block++) {
          if (block === 60) throw new Error("it is not verified");
          rotators.block(honest, quiet);
        }
      };
      if (phase === "verification") untilVerified();
      const late = phase === "verification" ? certification(network) : null;
      const told = order(network, setStore);
      expect(kinds(told)).toContain("RotationRestarted");
      const { height } = network.state;
      expect(network.state).toMatchObject({
        stateStore: other,
        rotation: {
          phase: "reencryption",
          since: height,
          late: 0,
          partitions: null,
          swept: 0,
          verified: 0,
          records: 0,
        },
      });
      expect(network.state.partitions.size).toBe(0);
      // What one has seen of the other store says nothing of this one.
      untilVerified();
      if (late !== null) expect(say(network, "b", late)).toBe("NoRotation");
      toEnd(network, () => rotators.block(), 60);
      expect(network.state.stateStore).toBe(other);
    }
  });

  test("may do so before the switch, which comes later then; and neither while a migration copies, nor when all is done", () => {
    const rotation = { intervalBlocks: 0, leadBlocks: 12, leaseBlocks: 4, phaseBlocks: 20, leasesPerBlock: 64 };
    const { network, rotators } = running({ rotation });
    const stores = ["7b", "7c", "7d"].map((byte) => `0x${byte.repeat(32)}` as const);
    const setStore = (at: number) => ({ tag: "setStore", value: stores[at]! }) as const;
    order(network, rotate);
    rotators.until("RotationStarted");
    expect(kinds(order(network, setStore(0)))).toContain("StoreSet");
    rotators.until("SwitchPlanned");
    const { switchHeight } = network.state.rotation!;
    expect(kinds(order(network, setStore(1)))).toContain("SwitchPlanned");
    expect(network.state.rotation!.switchHeight).toBeGreaterThan(switchHeight!);
    rotators.until("RotationCertified");
    while (network.state.rotation!.phase !== "abandonment") rotators.block();
    expect(outcomes(order(network, setStore(2)))).toContain("RotationUnderWay");
    toEnd(network, () => rotators.block(), 40);
    const value = { measurement: null, envelopeVersion: 1, cipherSuite: "aes-256-gcm", keySuite: 1 } as const;
    const height = network.state.height + 4;
    order(network, { tag: "migrate", value: { ...value, store: stores[2]!, height } });
    rotators.until("RotationStarted");
    expect(outcomes(order(network, setStore(0)))).toContain("RotationUnderWay");
    rotators.until("PartitionSwept");
    expect(outcomes(order(network, setStore(0)))).toContain("RotationUnderWay");
  });

  test("that ordered a rotation is named", () => {
    const { network } = running();
    expect(order(network, rotate)).toContainEqual(
      expect.objectContaining({ kind: "RotationOrdered", members: [publicOf("g1"), publicOf("g2")] }),
    );
  });
});

describe("conviction", () => {
  test("of who is no gatekeeper outlasts elections as long as the rotation goes on", () => {
    const { network, rotators } = reencrypting();
    network.ledger = network.ledger.with({ ...network.state, excluded: [keyOf("e"), keyOf("a")] });
    // Elected anew, in another order: so the gatekeepers change.
    const era = network.state.eras.at(-1)!;
    const [stash, exposure] = [...era.exposures][0]!;
    network.ledger = network.ledger.with({
      ...network.state,
      sharings: network.state.sharings.map((sharing) => ({
        ...sharing,
        members: sharing.members.filter(({ identityKey }) => identityKey !== exposure.identityKey),
      })),
      planned: {
        ...era,
        index: era.index + 1,
        exposures: era.exposures.delete(stash),
        stashes: era.stashes.delete(accountOf(exposure.identityKey)),
      },
      session: 1_000,
      sessionHeight: 0,
      height: 2_000,
    });
    expect(kinds(rotators.block(honest, () => null))).toContain("GatekeeperChange");
    expect(network.state.excluded).toEqual([keyOf("e")]);
  });
});

describe("abandonment that does not end", () => {
  test("is told again and again", () => {
    const { network, rotators } = reencrypting();
    const silent = (name: string, call: Call | null) =>
      name === "d" && call?.tag === "declareAbandoned" ? null : call;
    const keep = (name: string, call: Call | null) =>
      silent(name, call?.tag === "declareCompacted" ? { tag: "declareAbandoned", value: 1 } : call);
    while (network.state.rotation?.phase !== "abandonment") rotators.block();
    const told: Effect[] = [];
    for (let block = 0; block < 45; block++) told.push(...rotators.block(honest, keep));
    expect(told.filter(({ kind }) => kind === "RotationLate")).toEqual([
      expect.objectContaining({ phase: "abandonment", remaining: null }),
      expect.objectContaining({ phase: "abandonment", remaining: null }),
    ]);
    // Who has not declared in all that time is not given more of it.
    expect(toEnd(network, () => rotators.block(honest, silent), 5)).toContainEqual(
      expect.objectContaining({ kind: "MasterKeyAbandoned", outstanding: [keyOf("d")] }),
    );
  });

  test("names who is no more registered once, and no later one waits for it", () => {
    const { network, rotators } = reencrypting();
    const [gone, silent] = ["e", "f"].map((name) => idOf(identity(name))) as [string, string];
    const lease: Call = { tag: "workPartitions", value: { rotationId: 1, done: [], wanted: 1 } };
    rotators.blockAfter(["e", "f"].map((name) => [name, lease]));
    network.ledger = network.ledger.with({ ...network.state, workers: network.state.workers.delete(gone) });
    const end = toEnd(network, () => rotators.block(), 100).at(-1);
    expect(end).toMatchObject({ outstanding: expect.arrayContaining([keyOf("e"), keyOf("f")]) });
    expect(network.state.keyUsers.has(gone)).toBe(false);
    expect(network.state.keyUsers.get(silent)?.since).toBe(0);
    expect(network.state.keyUsers.has(idOf(identity("a")))).toBe(true);
  });

  test("takes the word of who is no more registered, and forgets it", () => {
    const { network, rotators } = reencrypting();
    const gone = idOf(identity("e"));
    rotators.blockAfter([["e", { tag: "workPartitions", value: { rotationId: 1, done: [], wanted: 1 } }]]);
    network.ledger = network.ledger.with({ ...network.state, workers: network.state.workers.delete(gone) });
    while (network.state.rotation?.phase !== "abandonment") rotators.block();
    expect(network.state.keyUsers.has(gone)).toBe(true);
    expect(say(network, "e", { tag: "declareAbandoned", value: 1 })).toBe("done");
    expect(network.state.keyUsers.has(gone)).toBe(false);
    expect(toEnd(network, () => rotators.block(), 100).at(-1)).toMatchObject({ outstanding: [] });
  });
});
