/** Stake that was elected for an era answers for it, however soon it was unbonded after the election. */
import { expect, it } from "vitest";
import type { Call } from "../../src/protocol/call.ts";
import {
  NO_INFLATION,
  Network,
  UNIT,
  checkInvariants,
  equivocation,
  genesisOf,
  idOf,
  identity,
  outcomes,
} from "./network.ts";

const none = (tag: "chill" | "withdrawUnbonded"): Call => ({ tag, value: undefined });
const heartbeat = (session: number, digit: string): Call => ({
  tag: "heartbeat",
  value: { session, stateHash: `0x${digit.repeat(64)}` },
});

it("does not let go of stake that was unbonded between the election and the era before a slash for it is due", () => {
  const staking = { slashDeferDuration: 2, bondingDuration: 3, inflation: NO_INFLATION };
  const network = new Network(genesisOf({}, staking), checkInvariants);
  while (network.state.planned === null) network.block();
  expect(network.state.planned.exposures.get(idOf("d"))!.own).toBe(100n * UNIT);
  const unbond: Call = { tag: "unbond", value: 100n * UNIT };
  const effects = network.block([network.message("d", none("chill")), network.message("d", unbond, 1)]);
  expect(outcomes(effects)).toEqual(["done", "done"]);
  expect(network.state.eras.at(-1)!.index).toBe(0);
  network.toEra(1, []);
  const [first, second] = ["1", "2"].map((digit) =>
    network.message(identity("d"), heartbeat(network.state.session, digit)),
  ) as [Uint8Array, Uint8Array];
  const report: Call = { tag: "reportOffence", value: { tag: "equivocation", value: { first, second } } };
  expect(network.send("rich", report)).toBe("done");
  expect([...network.state.unapplied.values()]).toMatchObject([{ slashEra: 1, dueSession: 12, own: 25n * UNIT }]);
  network.toEra(3, []);
  expect(network.send("d", none("withdrawUnbonded"))).toBe("done");
  expect(network.state.bonded.get(idOf("d"))).toMatchObject({ total: 100n * UNIT });
  network.toEra(4, []);
  expect(network.state.bonded.get(idOf("d"))).toMatchObject({ total: 75n * UNIT });
  expect(network.send("d", none("withdrawUnbonded"))).toBe("done");
  expect(network.state.accounts.get(idOf("d"))!.free).toBe(975n * UNIT);
});

it("takes stake before it is free, however late the report in the last era before", () => {
  const staking = { slashDeferDuration: 2, bondingDuration: 3, inflation: NO_INFLATION };
  const network = new Network(genesisOf({}, staking), checkInvariants);
  network.toEra(1, []);
  expect(network.send("d", none("chill"))).toBe("done");
  expect(network.send("d", { tag: "unbond", value: 100n * UNIT })).toBe("done");
  const { session } = network.state;
  network.toEra(3, []);
  // The last session of era 3: a deferral would end after era 4 has begun.
  while (network.state.session - network.state.eras.at(-1)!.startSession < 2) network.block();
  expect(network.send("rich", equivocation(network, "d", session))).toBe("done");
  while (network.state.eras.at(-1)!.index < 4) {
    const { height, sessionHeight } = network.state;
    const next = height + 1 - sessionHeight >= 2 ? [network.message("d", none("withdrawUnbonded"))] : [];
    network.block(next);
  }
  expect(network.state.accounts.get(idOf("d"))!.free).toBe(975n * UNIT);
});
