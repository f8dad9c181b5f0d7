import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import type { Call } from "../../src/protocol/call.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import {
  GATEKEEPERS,
  Network,
  UNIT,
  checkInvariants,
  equivocation,
  genesisOf,
  idOf,
  identity,
  publicOf,
} from "./network.ts";

const kinds = (network: Network): string[] => network.effects.map(({ kind }) => kind);
const sorted = (names: readonly string[]): string[] => names.map((name) => publicOf(identity(name))).sort();

describe("sessions and eras", () => {
  test("begin at the heights that the genesis says", () => {
    const network = new Network();
    const begun: [number, string][] = [];
    for (let height = 1; height <= 13; height++) {
      network.block();
      for (const kind of kinds(network)) {
        if (["SessionStarted", "StakersElected", "EraStarted"].includes(kind)) begun.push([height, kind]);
      }
    }
    expect(begun).toEqual([
      [2, "SessionStarted"],
      [4, "SessionStarted"],
      [4, "StakersElected"],
      [6, "SessionStarted"],
      [6, "EraStarted"],
      [8, "SessionStarted"],
      [10, "SessionStarted"],
      [10, "StakersElected"],
      [12, "SessionStarted"],
      [12, "EraStarted"],
    ]);
  });

  test("of one session elect for the next when one begins", () => {
    const network = new Network(genesisOf({}, { sessionsPerEra: 1 }));
    for (let height = 1; height <= 8; height++) network.block();
    expect(network.state.eras.at(-1)!.index).toBe(3);
    expect(network.state.planned!.index).toBe(4);
  });

  test("remember the state at the end of the session before", () => {
    const network = new Network();
    network.block();
    const before = toHex(network.ledger.stateHash());
    network.block();
    expect(network.state.sessionParent).toBe(before);
  });

  test("keep as many eras as stake is bonded for", () => {
    const network = new Network(genesisOf({}, { bondingDuration: 3 }));
    network.toEra(5);
    expect(network.state.eras.map(({ index }) => index)).toEqual([2, 3, 4, 5]);
  });
});

describe("GatekeeperState", () => {
  test("is who was elected, from genesis on", () => {
    const network = new Network();
    expect([...network.state.gatekeepers].sort()).toEqual(sorted(GATEKEEPERS));
    expect(network.state.duties.size).toBe(4);
  });

  test("is what the genesis lists, for ever, where it lists", () => {
    const listed = sorted(["e", "f"]);
    const network = new Network(genesisOf({ gatekeepers: { tag: "listed", value: listed }, stakers: [] }));
    for (let height = 1; height <= 30; height++) network.block();
    expect(network.state.gatekeepers).toEqual(listed);
    expect(network.state.eras).toEqual([]);
    expect(network.state.session).toBe(15);
    const bond: Call = { tag: "bond", value: { amount: UNIT, payee: { tag: "stash", value: undefined } } };
    expect(network.send("a", bond)).toBe("NoElections");
    network.block();
    expect(network.block(network.heartbeatIfDue("e")).map(({ kind }) => kind)).toEqual(["MessageDone"]);
  });

  test("changes when others are elected, an era later", () => {
    const network = new Network(genesisOf(), checkInvariants);
    expect(
      network.send("e", { tag: "bond", value: { amount: 900n * UNIT, payee: { tag: "none", value: undefined } } }),
    ).toBe("done");
    expect(network.send("e", { tag: "setKeys", value: publicOf(identity("e")) })).toBe("done");
    expect(network.send("e", { tag: "validate", value: { commission: 0, blocked: false } })).toBe("done");
    network.toEra(2);
    expect(network.state.gatekeepers).toContain(publicOf(identity("e")));
    expect(network.state.gatekeepers).toHaveLength(4);
    expect(network.state.eras.at(-1)!.exposures.get(idOf("e"))!.own).toBe(900n * UNIT);
  });

  test("does not change where too few stand; each session tries again", () => {
    const network = new Network();
    for (const name of ["a", "b", "c"]) expect(network.send(name, { tag: "chill", value: undefined })).toBe("done");
    const failed: number[] = [];
    for (let height = 4; height <= 14; height++) {
      network.block();
      if (kinds(network).includes("ElectionFailed")) failed.push(height);
    }
    expect(failed).toEqual([4, 6, 8, 10, 12, 14]);
    expect(network.state.eras.at(-1)!.index).toBe(0);
    expect([...network.state.gatekeepers].sort()).toEqual(sorted(GATEKEEPERS));
    expect(network.send("b", { tag: "validate", value: { commission: 0, blocked: false } })).toBe("done");
    network.toEra(1);
    expect([...network.state.gatekeepers].sort()).toEqual(sorted(["b", "d"]));
  });

  test("has nobody without a pRuntime", () => {
    const network = new Network(genesisOf(), checkInvariants);
    const bond: Call = { tag: "bond", value: { amount: 900n * UNIT, payee: { tag: "none", value: undefined } } };
    const validate: Call = { tag: "validate", value: { commission: 0, blocked: false } };
    expect(network.send("f", bond)).toBe("done");
    expect(network.send("f", validate)).toBe("NoKeys");
    expect(network.send("f", { tag: "setKeys", value: publicOf(identity("f")) })).toBe("done");
    expect(network.send("f", validate)).toBe("done");
    expect(network.send("f", { tag: "deregisterWorker", value: publicOf(identity("f")) })).toBe("done");
    network.toEra(2);
    expect(network.state.gatekeepers).not.toContain(publicOf(identity("f")));
  });

  test("has nobody whose stake is less than it must be, or whom nobody backs", () => {
    const network = new Network(
      genesisOf({}, { slashDeferDuration: 0, minValidatorBond: 80n * UNIT }),
      checkInvariants,
    );
    expect(network.send("rich", equivocation(network, "a", 0))).toBe("done");
    expect(network.state.bonded.get(idOf("a"))!.active).toBe(75n * UNIT);
    expect(network.send("a", { tag: "validate", value: { commission: 0, blocked: false } })).toBe("InsufficientBond");
    network.toEra(2);
    expect([...network.state.gatekeepers].sort()).toEqual(sorted(["b", "c", "d"]));
  });
});

describe("rewards", () => {
  test("go by points, commission and stake; what is paid is made", () => {
    const network = new Network(genesisOf(), checkInvariants);
    const before = network.state.totalIssuance;
    network.toEra(1, ["a", "b"]);
    const paid = network.effects.find((effect) => effect.kind === "EraPaid")!;
    if (paid.kind !== "EraPaid") throw new Error("no era was paid");
    expect(network.state.totalIssuance - before).toBe(paid.paid);
    expect(paid.paid).toBeLessThanOrEqual(paid.payout);
    expect(paid.payout - paid.paid).toBeLessThan(20n);
    const rewarded = new Set(network.effects.flatMap((effect) => (effect.kind === "Rewarded" ? [effect.stash] : [])));
    expect(rewarded.has(idOf("a"))).toBe(true);
    expect(rewarded.has(idOf("c"))).toBe(false);
  });

  test("are nothing where nobody did anything", () => {
    const network = new Network(genesisOf(), checkInvariants);
    const before = network.state.totalIssuance;
    network.toEra(2, []);
    expect(network.state.totalIssuance).toBe(before);
    expect(network.state.validators.size).toBe(4);
  });

  test("go where their owner wants them", () => {
    const network = new Network(genesisOf(), checkInvariants);
    expect(network.send("a", { tag: "setPayee", value: { tag: "account", value: idOf("purse") } })).toBe("done");
    expect(network.send("b", { tag: "setPayee", value: { tag: "none", value: undefined } })).toBe("done");
    expect(network.send("c", { tag: "setPayee", value: { tag: "stash", value: undefined } })).toBe("done");
    network.toEra(1);
    const { accounts, bonded } = network.state;
    expect(accounts.get(idOf("purse"))!.free).toBeGreaterThan(10n);
    expect(accounts.get(idOf("a"))!.free).toBe(1_000n * UNIT);
    expect(accounts.get(idOf("b"))!.free).toBe(1_000n * UNIT);
    expect(accounts.get(idOf("c"))!.free).toBeGreaterThan(1_000n * UNIT);
    expect(bonded.get(idOf("c"))!.active).toBe(100n * UNIT);
    expect(bonded.get(idOf("d"))!.active).toBeGreaterThan(100n * UNIT);
  });
});

describe("the state", () => {
  test("has a hash that its bytes bring back, at any time", () => {
    const network = new Network(genesisOf(), (each) => {
      checkInvariants(each);
      const { ledger } = each;
      const again = Ledger.decode(ledger.genesis, ledger.encode());
      expect(again.stateHash()).toEqual(ledger.stateHash());
    });
    network.toEra(3);
  });

  test("can't be read from bytes that are none", () => {
    const { ledger } = new Network();
    const bytes = ledger.encode();
    const refused = expect.objectContaining({ code: "LEDGER_INVALID" });
    expect(() => Ledger.decode(ledger.genesis, bytes.subarray(1))).toThrow(refused);
    expect(() => Ledger.decode(ledger.genesis, Buffer.concat([bytes, Uint8Array.of(0)]))).toThrow(refused);
  });
});
