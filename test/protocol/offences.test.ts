import { describe, expect, test } from "vitest";
import type { Call } from "../../src/protocol/call.ts";
import { GATEKEEPERS, Network, STATE_HASHES, UNIT, checkInvariants, equivocation, genesisOf, idOf } from "./network.ts";

const own = (network: Network, name: string): bigint => network.state.bonded.get(idOf(name))!.total;

describe("an equivocation", () => {
  test("is punished when governance had its time, with all who stand behind the offender", () => {
    const network = new Network(genesisOf(), checkInvariants);
    const { exposures } = network.state.eras.at(-1)!;
    const exposure = exposures.get(idOf("a"))!;
    const before = network.state.totalIssuance;
    expect(network.send("rich", equivocation(network, "a", 0))).toBe("done");
    expect(network.state.validators.has(idOf("a"))).toBe(false);
    expect(network.state.nominators.size).toBe(6);
    expect(own(network, "a")).toBe(100n * UNIT);
    network.toEra(1, []);
    expect(own(network, "a")).toBe(100n * UNIT);
    network.toEra(2, []);
    expect(own(network, "a")).toBe(75n * UNIT);
    for (const { who, value } of exposure.others) {
      expect(network.state.bonded.get(who)!.total).toBe(50n * UNIT - value / 4n);
    }
    // Half of a tenth of what was slashed goes to who reported it, the rest to nobody.
    const slashed = exposure.total / 4n;
    const paid = network.state.accounts.get(idOf("rich"))!.free - 1_000n * UNIT;
    expect(paid <= slashed / 20n && paid > slashed / 20n - 10n).toBe(true);
    expect(before - network.state.totalIssuance).toBe(slashed - paid);
  });

  test("can be cancelled meanwhile", () => {
    const network = new Network(genesisOf(), checkInvariants);
    network.send("rich", equivocation(network, "a", 0));
    expect([...network.state.unapplied.values()].map(({ id, dueSession }) => [id, dueSession])).toEqual([[0, 6]]);
    for (const member of ["g1", "g2"]) {
      network.send(member, { tag: "govern", value: { round: 0, action: { tag: "cancelSlash", value: 0 } } });
    }
    expect(network.effects.map(({ kind }) => kind)).toContain("SlashCancelled");
    network.toEra(3, []);
    expect(own(network, "a")).toBe(100n * UNIT);
  });

  test("is punished once for an era", () => {
    const network = new Network(genesisOf({}, { slashDeferDuration: 0 }), checkInvariants);
    expect(network.send("rich", equivocation(network, "a", 0))).toBe("done");
    expect(own(network, "a")).toBe(75n * UNIT);
    expect(network.send("rich", equivocation(network, "a", 0))).toBe("AlreadySlashed");
    expect(network.send("rich", equivocation(network, "a", 1))).toBe("AlreadySlashed");
    expect(network.send("rich", equivocation(network, "a", 9))).toBe("NoExposure");
    expect(own(network, "a")).toBe(75n * UNIT);
  });

  test("can be reported as long as stake is bonded, and no longer", () => {
    const network = new Network(genesisOf({}, { slashDeferDuration: 0 }), checkInvariants);
    network.toEra(3);
    expect(network.send("rich", equivocation(network, "a", 2))).toBe("done");
    network.toEra(4);
    expect(network.send("rich", equivocation(network, "b", 2))).toBe("NoExposure");
    expect(network.send("rich", equivocation(network, "b", 3))).toBe("done");
  });

  test("is two different states of one session, by one who had stake then", () => {
    const network = new Network();
    expect(network.send("rich", equivocation(network, "a", 0, [STATE_HASHES[0], STATE_HASHES[0]]))).toBe("NoOffence");
    expect(network.send("rich", equivocation(network, "e", 0))).toBe("NoExposure");
    const [a, b] = [equivocation(network, "a", 0), equivocation(network, "b", 0)];
    const mixed: Call = {
      tag: "reportOffence",
      value: { tag: "equivocation", value: { first: a.value.value.first, second: b.value.value.second } },
    };
    expect(network.send("rich", mixed)).toBe("NoOffence");
  });

  test("takes stake that is being unbonded, too", () => {
    const network = new Network(genesisOf({}, { slashDeferDuration: 0 }), checkInvariants);
    expect(network.send("a", { tag: "unbond", value: 60n * UNIT })).toBe("done");
    expect(network.send("rich", equivocation(network, "a", 0))).toBe("done");
    const { active, unlocking } = network.state.bonded.get(idOf("a"))!;
    expect([active, unlocking[0]!.value]).toEqual([30n * UNIT, 45n * UNIT]);
  });
});

describe("a slash", () => {
  test("is due although no era begins any more", () => {
    const network = new Network(genesisOf(), checkInvariants);
    expect(network.send("rich", equivocation(network, "a", 0))).toBe("done");
    for (const name of ["b", "c", "d"]) network.send(name, { tag: "chill", value: undefined });
    for (let height = 0; height < 10; height++) network.block();
    expect(network.state.eras.at(-1)!.index).toBe(0);
    expect(own(network, "a")).toBe(75n * UNIT);
  });

  test("reaches stake that was taken back after the election for the era of the offence", () => {
    const network = new Network(genesisOf({}, { slashDeferDuration: 2, bondingDuration: 3 }), checkInvariants);
    while (network.state.planned === null) network.block();
    const takeBack: Call[] = [
      { tag: "chill", value: undefined },
      { tag: "unbond", value: 100n * UNIT },
    ];
    network.block(takeBack.map((call, index) => network.message("a", call, index)));
    expect(network.state.bonded.get(idOf("a"))!.unlocking).toEqual([{ value: 100n * UNIT, era: 4 }]);
    expect(network.state.eras.at(-1)!.index).toBe(0);
    network.toEra(1, []);
    const { session } = network.state;
    expect(network.send("rich", equivocation(network, "a", session))).toBe("done");
    while (network.state.eras.at(-1)!.index < 6) {
      network.block();
      const { height, sessionHeight } = network.state;
      if (height - sessionHeight === 0) network.send("a", { tag: "withdrawUnbonded", value: undefined });
    }
    expect(network.state.accounts.get(idOf("a"))!.free).toBe(975n * UNIT);
  });
});

describe("who does nothing in an era", () => {
  test("is punished, if others did something", () => {
    const network = new Network(genesisOf({}, { slashDeferDuration: 0 }), checkInvariants);
    network.toEra(1, ["a", "b", "c"]);
    expect(own(network, "d")).toBe(99n * UNIT);
    expect(network.state.validators.has(idOf("d"))).toBe(false);
    expect(network.state.validators.size).toBe(3);
  });

  test("is not, if nobody did", () => {
    const network = new Network(genesisOf({}, { slashDeferDuration: 0 }), checkInvariants);
    network.toEra(2, []);
    for (const name of GATEKEEPERS) expect(own(network, name)).toBe(100n * UNIT);
    expect(network.state.validators.size).toBe(4);
  });

  test("only loses the candidacy where the genesis says so", () => {
    const offences = {
      unresponsive: 0,
      equivocation: 0,
      misdealing: 0,
      falseComplaint: 0,
      wrongPartials: 0,
      falseReceipt: 0,
      falseVerdict: 0,
      undestroyed: 0,
    };
    const network = new Network(genesisOf({}, { slashDeferDuration: 0, offences }), checkInvariants);
    network.toEra(1, ["a", "b", "c"]);
    expect(own(network, "d")).toBe(100n * UNIT);
    expect(network.state.validators.has(idOf("d"))).toBe(false);
    // Who stands again is not removed for what is over.
    expect(network.send("d", { tag: "validate", value: { commission: 0, blocked: false } })).toBe("done");
    expect(network.send("rich", equivocation(network, "d", 0))).toBe("done");
    expect(network.state.validators.has(idOf("d"))).toBe(true);
  });
});
