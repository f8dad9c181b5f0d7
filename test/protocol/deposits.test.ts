/**
 * pRuntimes without stake answer in rotations with their deposits. Four gatekeepers have two shares for the key; w holds none, and its
 * operator has put 1,000 down for it.
 */
import { describe, expect, test } from "vitest";
import type { Call } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { idOf, identity, measurementOf, register } from "./network.ts";
import {
  DEPOSIT,
  NAMES,
  type Outcome,
  honest,
  judged,
  keyOf,
  kinds,
  LISTED,
  order,
  partitionsOf,
  putDown,
  rotate,
  running,
  say,
  swept,
} from "./rotators.ts";

/** A tenth, as the genesis of tests has it for each of these offences. */
const PART = DEPOSIT / 10n;

/** A network that re-encrypts four partitions, with w among those that may take part. */
function reencrypting(changes: Parameters<typeof running>[0] = {}) {
  const started = running({ measurements: [measurementOf("pRuntime")], ...changes });
  const { network, rotators } = started;
  expect(network.send("rich", register(network, "rich", identity("w")))).toBe("done");
  order(network, { tag: "setRotationWorker", value: { identityKey: keyOf("w"), may: true } });
  order(network, rotate);
  rotators.until("PartitionsRecorded");
  const depositOf = () => network.state.workers.get(idOf(identity("w")))?.deposit;
  const reserved = () => network.state.accounts.get(idOf("rich"))!.reserved;
  const deregister = () => network.send("rich", { tag: "deregisterWorker", value: keyOf("w") });
  const lease = (wanted: number): Call => ({ tag: "workPartitions", value: { rotationId: 1, done: [], wanted } });
  return { ...started, depositOf, reserved, deregister, lease };
}

const slashed = (effects: readonly Effect[]) => effects.filter(({ kind }) => kind === "DepositSlashed");

describe("a false receipt", () => {
  test("costs its part of the deposit, which is destroyed, and the right to take part in the next rotation", () => {
    const { network, rotators, depositOf, reserved, deregister, lease } = reencrypting();
    expect(say(network, "w", lease(1))).toBe("done");
    const index = partitionsOf(network).findIndex(({ holder }) => holder === keyOf("w"));
    const done = [{ partition: index, attempt: 0, outcome: swept }];
    expect(say(network, "w", { tag: "workPartitions", value: { rotationId: 1, done, wanted: 0 } })).toBe("done");
    // What it has said is not judged yet.
    expect(deregister()).toBe("InUse");
    const { totalIssuance } = network.state;
    const looking: Outcome = (name, at, stage) => {
      const isFalse = stage === "swept" && partitionsOf(network)[at]!.receipt!.by === keyOf("w");
      return isFalse ? judged("faulty") : honest(name, at, stage);
    };
    const told = rotators.until("Convicted", looking);
    expect(told).toContainEqual(
      expect.objectContaining({ kind: "Convicted", offence: "falseReceipt", identityKey: keyOf("w") }),
    );
    const offence = { offence: "falseReceipt", identityKey: keyOf("w"), operator: idOf("rich"), amount: PART };
    expect(slashed(told)).toMatchObject([offence]);
    expect({ deposit: depositOf(), reserved: reserved(), burned: totalIssuance - network.state.totalIssuance }).toEqual(
      {
        deposit: DEPOSIT - PART,
        reserved: DEPOSIT - PART,
        burned: PART,
      },
    );
    expect(network.state.rotationWorkers).not.toContain(keyOf("w"));
    rotators.until("RotationAdvanced", looking);
    expect(deregister()).toBe("InUse");
    expect(say(network, "w", { tag: "declareAbandoned", value: 1 })).toBe("done");
    expect(deregister()).toBe("done");
    expect(reserved()).toBe(0n);
  });

  test("of a gatekeeper that acts costs its stake, and not its deposit", () => {
    const { network, rotators } = reencrypting();
    for (const name of NAMES) putDown(network, name);
    const lying: Outcome = (name, index, stage) =>
      stage === "swept" && index === 1 && name !== partitionsOf(network)[1]!.receipt!.by
        ? judged("faulty")
        : honest(name, index, stage);
    const told = rotators.until("Convicted", lying);
    expect(slashed(told)).toEqual([]);
    expect(kinds(told)).toContain("OffenceReported");
  });
});

describe("keys that are not declared destroyed", () => {
  test("cost who has leased partitions its part, and who was assigned a contract by a stranger nothing", () => {
    const { network, rotators, depositOf, deregister, lease } = reencrypting();
    network.send("rich", register(network, "rich", identity("v")));
    const assigned = { name: Buffer.from("c"), worker: keyOf("v") };
    expect(network.send("e", { tag: "deployContract", value: assigned })).toBe("done");
    expect(say(network, "w", lease(1))).toBe("done");
    expect(deregister()).toBe("InUse");
    const told = rotators.until("MasterKeyAbandoned", undefined, undefined, 200);
    expect(told.at(-1)).toMatchObject({ outstanding: expect.arrayContaining(["w", "v"].map(keyOf)) });
    expect(slashed(told)).toMatchObject([{ offence: "undestroyed", identityKey: keyOf("w"), amount: PART }]);
    expect(depositOf()).toBe(DEPOSIT - PART);
    expect(deregister()).toBe("done");
  });

  test("keep who has run contracts alone from nothing", () => {
    const { network, rotators } = reencrypting();
    network.send("rich", register(network, "rich", identity("v")));
    const assigned = { name: Buffer.from("c"), worker: keyOf("v") };
    expect(network.send("e", { tag: "deployContract", value: assigned })).toBe("done");
    while (network.state.rotation?.phase !== "abandonment") rotators.block();
    expect(network.send("rich", { tag: "deregisterWorker", value: keyOf("v") })).toBe("done");
  });
});

describe("shares that are not declared destroyed", () => {
  test("cost who does not act any more its deposit's part", () => {
    const { network, rotators } = reencrypting(LISTED);
    const silent = (name: string, call: Call | null): Call | null =>
      name === "d" && call?.tag === "declareDestroyed" ? null : call;
    putDown(network, "d");
    const told = rotators.until("SharesOutstanding", undefined, silent, 200);
    expect(slashed(told)).toMatchObject([{ offence: "undestroyed", identityKey: keyOf("d"), amount: PART }]);
  });
});
