/** Abandonments that would never end, and that governance closes: what stays on record, who answers, and what goes on. */
import { describe, expect, test } from "vitest";
import type { Action, Call } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { unprovedAbandonments } from "../../src/protocol/retirement.ts";
import { type Network, idOf, outcomes, publicOf } from "./network.ts";
import {
  LISTED,
  NAMES,
  type Rotators,
  honest,
  keyOf,
  kinds,
  order,
  putDown,
  reencrypting,
  rotate,
  running,
} from "./rotators.ts";

const MEMBERS = ["g1", "g2"].map(publicOf);
const close = (rotationId: number): Action => ({ tag: "closeAbandonment", value: rotationId });
/** What becomes of votes for it. */
const tried = (network: Network, rotationId: number): string => outcomes(order(network, close(rotationId)))[0]!;

/** These say nothing of shares that they should have destroyed, but what else they are to say. */
const silent =
  (names: string) =>
  (name: string, call: Call | null): Call | null =>
    names.includes(name) && call?.tag === "declareDestroyed" ? { tag: "declareAbandoned", value: 1 } : call;
/** They declare what they have destroyed; the store is not to be had. */
const uncompacted = (_: string, call: Call | null): Call | null =>
  call?.tag === "declareCompacted" ? { tag: "declareAbandoned", value: call.value } : call;

function untilLate(network: Network, rotators: Rotators, says: (name: string, call: Call | null) => Call | null): void {
  for (let block = 0; network.state.rotation?.phase !== "abandonment"; block++) {
    if (block === 200) throw new Error("it does not come to an abandonment");
    rotators.block(honest, says);
  }
  rotators.until("RotationLate", honest, says);
}

const punished = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.kind === "OffenceReported" ? [[effect.offence, effect.stash]] : []));

describe("an abandonment that t holders of shares keep from ending", () => {
  test("is closed by governance once it is late, and not before", () => {
    const { network, rotators } = reencrypting();
    expect(tried(network, 1)).toBe("WrongPhase");
    const says = silent("cd");
    while (network.state.rotation?.phase !== "abandonment") rotators.block(honest, says);
    expect(tried(network, 1)).toBe("NotLate");
    const { epoch } = network.state.retired.find(({ rotationId }) => rotationId === 0)!;
    while (network.state.height < network.state.rotation!.deadline) rotators.block(honest, says);
    expect(tried(network, 2)).toBe("NoRotation");
    expect(tried(network, 1)).toBe("done");
    expect(network.state.rotation).toBeNull();
    const { height } = network.state;
    expect(network.effects).toContainEqual({
      kind: "AbandonmentClosed",
      rotationId: 0,
      records: 40,
      bytes: 4_000,
      members: MEMBERS,
      shares: [{ epoch, threshold: 2, owing: ["c", "d"].map(keyOf) }],
      compacted: true,
      outstanding: [],
      index: 0,
    });
    expect(kinds(network.effects)).not.toContain("MasterKeyAbandoned");
    expect(punished(network.effects)).toEqual(["c", "d"].map((name) => ["undestroyed", idOf(name)]));
    const unproved = { rotationId: 0, height, compacted: true, shares: [{ epoch, owing: ["c", "d"].map(keyOf) }] };
    expect(unprovedAbandonments(network.state)).toMatchObject([unproved]);
    const kept = Ledger.decode(network.ledger.genesis, network.ledger.encode());
    expect(kept.stateHash()).toEqual(network.ledger.stateHash());
    expect(unprovedAbandonments(kept.state)).toEqual(unprovedAbandonments(network.state));
  });

  test("holds up no later rotation, and is not said of those", () => {
    const { network, rotators } = reencrypting();
    untilLate(network, rotators, silent("cd"));
    order(network, close(1));
    const { state } = network;
    const gone = ["e", "f"].map(keyOf);
    network.ledger = network.ledger.with({
      ...state,
      retired: state.retired.map((each) => ({ ...each, owing: gone })),
    });
    order(network, rotate);
    expect(rotators.until("MasterKeyAbandoned", honest, undefined, 200)).toContainEqual(
      expect.objectContaining({ kind: "MasterKeyAbandoned", rotationId: 1, outstanding: [] }),
    );
    expect(unprovedAbandonments(network.state).map(({ rotationId }) => rotationId)).toEqual([0]);
  });

  test("is shown to have ended when so many come back and declare; who does not is not punished twice", () => {
    // Who answers with its deposit answers each time; with its stake, once in an era.
    const { network, rotators } = reencrypting(LISTED);
    for (const name of NAMES) putDown(network, name);
    const punishments = (effects: readonly Effect[]) => effects.filter(({ kind }) => kind === "DepositSlashed");
    untilLate(network, rotators, silent("cd"));
    order(network, close(1));
    expect(punishments(network.effects)).toHaveLength(2);
    const told: Effect[] = [];
    for (let block = 0; block < 10; block++) told.push(...rotators.block(honest, silent("d")));
    expect(told).toContainEqual(expect.objectContaining({ kind: "ShareDestroyed", identityKey: keyOf("c") }));
    expect(told).toContainEqual(expect.objectContaining({ kind: "SharesOutstanding", owing: [keyOf("d")] }));
    expect(punishments(told)).toEqual([]);
    expect(network.state.retired).toEqual([]);
    expect(unprovedAbandonments(network.state)).toEqual([]);
    expect(network.state.closedAbandonments).toHaveLength(1);
  });

  test("is left alone where it is about to end by itself", () => {
    const masterKey = { keySuite: 1, threshold: 2, phaseBlocks: 40, refreshBlocks: 1_000 } as const;
    const rotation = { intervalBlocks: 0, leadBlocks: 2, leaseBlocks: 4, phaseBlocks: 12, leasesPerBlock: 64 };
    const { network, rotators } = reencrypting({ masterKey, rotation });
    untilLate(network, rotators, silent("d"));
    expect(network.state.retired).toMatchObject([{ rotationId: 0, owing: [keyOf("d")] }]);
    expect(tried(network, 1)).toBe("NothingToDo");
    rotators.until("MasterKeyAbandoned", honest, silent("d"));
  });

  test("names keys of contracts that are owed besides", () => {
    const { network, rotators } = reencrypting();
    const says = (name: string, call: Call | null) =>
      name === "d" && call?.tag.startsWith("declare") ? null : silent("cd")(name, call);
    untilLate(network, rotators, says);
    order(network, close(1));
    expect(network.effects).toContainEqual(expect.objectContaining({ outstanding: [keyOf("d")] }));
  });
});

describe("an abandonment whose old store is lost", () => {
  test("is closed by governance, and stays unproved", () => {
    const { network, rotators } = running();
    const value = {
      measurement: null,
      envelopeVersion: 1,
      cipherSuite: "aes-256-gcm",
      keySuite: 1,
      store: `0x${"7b".repeat(32)}`,
      height: network.state.height + 4,
    } as const;
    order(network, { tag: "migrate", value });
    untilLate(network, rotators, uncompacted);
    expect(network.state.retired).toEqual([]);
    order(network, close(1));
    expect(network.effects).toContainEqual(
      expect.objectContaining({ kind: "AbandonmentClosed", shares: [], compacted: false, outstanding: [] }),
    );
    for (let block = 0; block < 10; block++) rotators.block();
    expect(unprovedAbandonments(network.state)).toMatchObject([{ rotationId: 0, compacted: false, shares: [] }]);
    order(network, rotate);
    rotators.until("MasterKeyAbandoned", honest, undefined, 200);
    expect(network.state.stateStore).toBe(value.store);
  });
});
