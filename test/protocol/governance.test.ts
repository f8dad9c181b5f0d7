import { describe, expect, test } from "vitest";
import type { Action, Call } from "../../src/protocol/call.ts";
import { MEASUREMENTS_MAX } from "../../src/protocol/governance.ts";
import { Network, genesisOf, publicOf } from "./network.ts";

const hash = (byte: number): string => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;
const vote = (action: Action, round: number): Call => ({ tag: "govern", value: { round, action } });
const allow = (byte: number): Action => ({ tag: "allow", value: hash(byte) });
const launch: Action = { tag: "launch", value: undefined };
const migrate = (height: number): Action => ({
  tag: "migrate",
  value: {
    measurement: null,
    envelopeVersion: 1,
    cipherSuite: "chacha20-poly1305",
    keySuite: 1,
    store: hash(9),
    height,
  },
});

describe("governance", () => {
  test("does what m of n want, and not before", () => {
    const network = new Network();
    expect(network.send("g1", vote(allow(1), 0))).toBe("done");
    expect(network.state.measurements).toEqual([]);
    expect(network.send("g3", vote(allow(1), 0))).toBe("done");
    expect(network.state.measurements).toEqual([hash(1)]);
    expect(network.state.governanceRound).toBe(1);
    expect(network.state.votes).toEqual([]);
  });

  test("counts a member once, for what he voted last", () => {
    const network = new Network();
    expect(network.send("g1", vote(launch, 0))).toBe("done");
    expect(network.send("g1", vote(launch, 0))).toBe("done");
    expect(network.state.launched).toBeNull();
    expect(network.send("g1", vote(allow(2), 0))).toBe("done");
    expect(network.send("g2", vote(launch, 0))).toBe("done");
    expect(network.state.launched).toBeNull();
    expect(network.send("g3", vote(launch, 0))).toBe("done");
    expect(network.state.launched).toBe(network.state.height);
  });

  test("does not carry a vote into another round", () => {
    const network = new Network();
    for (const member of ["g1", "g2"]) expect(network.send(member, vote(launch, 0))).toBe("done");
    const { launched } = network.state;
    expect(network.send("g3", vote(launch, 0))).toBe("WrongRound");
    expect(network.send("g3", vote({ tag: "setRotationInterval", value: 9 }, 1))).toBe("done");
    expect(network.state.launched).toBe(launched);
  });

  test("is nobody else's", () => {
    const network = new Network();
    expect(network.send("rich", vote(launch, 0))).toBe("NotGovernance");
    expect(network.state.votes).toEqual([]);
  });

  test("refuses what can't be done when it is voted for", () => {
    const network = new Network(genesisOf({ measurements: [hash(5)] }));
    expect(network.send("g1", vote(allow(5), 0))).toBe("NothingToDo");
    expect(network.send("g1", vote({ tag: "withdraw", value: hash(6) }, 0))).toBe("NothingToDo");
    expect(network.send("g1", vote({ tag: "cancelSlash", value: 0 }, 0))).toBe("NothingToDo");
    expect(network.send("g1", vote(migrate(1), 0))).toBe("HeightInThePast");
    expect(network.state.votes).toEqual([]);
  });

  test("withdraws measurements, and orders migrations", () => {
    const network = new Network(genesisOf({ measurements: [hash(5), hash(4)] }));
    for (const member of ["g1", "g2"]) network.send(member, vote({ tag: "withdraw", value: hash(4) }, 0));
    expect(network.state.measurements).toEqual([hash(5)]);
    for (const member of ["g1", "g2"]) network.send(member, vote(migrate(1_000), 1));
    expect(network.state.migrationOrdered).toMatchObject({
      store: hash(9),
      cipherSuite: "chacha20-poly1305",
      height: 1_000,
    });
    expect(network.effects.map(({ kind }) => kind)).toContain("MigrationOrdered");
  });

  test("of one key needs one vote", () => {
    const network = new Network(genesisOf({ governance: { members: [publicOf("g1")], threshold: 1 } }));
    expect(network.send("g1", vote(launch, 0))).toBe("done");
    expect(network.state.launched).toBe(1);
  });

  test("allows a bounded number of measurements", () => {
    const measurements = Array.from({ length: MEASUREMENTS_MAX }, (_, index) => hash(index));
    const network = new Network(genesisOf({ measurements }));
    expect(network.send("g1", vote(allow(255), 0))).toBe("TooManyMeasurements");
  });
});
