/** A node between a chain and a pRuntime in a process of its own. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { openReplica } from "../../src/chain/follow.ts";
import { Producer } from "../../src/chain/producer.ts";
import type { EmbeddedChain } from "../../src/chain/embedded.ts";
import { ChainWatch } from "../../src/gatekeeper/chain-watch.ts";
import { GatekeeperNode, type NodeEvent, type NodeOptions } from "../../src/gatekeeper/node.ts";
import { localTransport } from "../../src/gatekeeper/local-transport.ts";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import { newReplyKey, sealCommand } from "../../src/keys/sealed-command.ts";
import { accountOf } from "../../src/protocol/account.ts";
import { MESSAGE_BYTES_MAX } from "../../src/protocol/call.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { readMessage } from "../../src/protocol/message.ts";
import { softwareMeasurement } from "../../src/pruntime/measurement.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { CURVE, idOf, keyOf, signerOf } from "../protocol/network.ts";
import { STRANGER, enclaveGenesis } from "../pruntime/authority.ts";
import { useFolder } from "../pruntime/folder.ts";
import { until } from "../until.ts";

const at = useFolder();
const started: ChildProcess[] = [];
beforeEach(() => void started.splice(0));

/** The pRuntimes that were started, so that they can be killed. */
vi.mock(import("../../src/start-pruntime.ts"), async (original) => {
  const { startPRuntime } = await original();
  return {
    startPRuntime: (...args: Parameters<typeof startPRuntime>) => {
      started.push(startPRuntime(...args));
      return started.at(-1)!;
    },
  };
});

async function createIdentity(pruntime: PRuntime) {
  await pruntime.ask("createIdentity", undefined);
  const { identityKey, ecdhKey } = await pruntime.ask("status", undefined);
  return { identityKey, ecdhKey };
}

const NOBODY = localTransport(new Map());

/** A node with what it told. */
function nodeOf(options: Pick<NodeOptions, "chain" | "pruntime"> & Partial<NodeOptions>) {
  const told: NodeEvent[] = [];
  const tell = async (event: NodeEvent): Promise<void> => void told.push(event);
  const watch = new ChainWatch(options.chain);
  return { told, node: new GatekeeperNode({ operator: null, transport: NOBODY, watch, tell, ...options }) };
}

/** What the messages of a chain's blocks ask for. */
function saidOn(chain: EmbeddedChain): string[] {
  return chain.blocks(1).flatMap(({ messages }) =>
    messages.map((bytes) => {
      const { call } = readMessage(bytes)!;
      return call.tag === "heartbeat" ? `heartbeat of session ${call.value.session}` : call.tag;
    }),
  );
}

/** Makes blocks until it holds. @param running - what ends it where it fails. */
async function produceUntil({ producer }: FolderChain, running: Promise<void>, holds: () => boolean): Promise<void> {
  for (let now = 0; !holds(); now++) {
    producer.produce(now, true);
    await Promise.race([running, sleep(40)]);
  }
}

/** A command to a contract, of no key that anybody has. */
function someCommand(): Uint8Array {
  const group = ledgerGroup(1);
  const { publicKey, scalar } = newReplyKey(group);
  using _ = scalar;
  const recipient = { group, contract: new Uint8Array(32), rotationId: 0, ecdhKey: publicKey };
  return sealCommand(recipient, Uint8Array.of(1));
}

const FULL = expect.objectContaining({ code: "INBOX_FULL" });

/** Hands in what is no message, until there is no room for more of it. @throws GatekeeperError INBOX_FULL. */
function fill({ chain }: FolderChain, bytes: number): never {
  for (;;) chain.submit(new Uint8Array(bytes));
}

const OPERATOR = { signer: signerOf("rich"), collateral: null };
const NEVER = new AbortController().signal;

describe("a node", () => {
  test("brings heartbeats to the chain, of a pRuntime that is killed in between too, each session's once", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    const keys = await createIdentity(pruntime);
    using at1 = new FolderChain(enclaveGenesis([keys]));
    const { node, told } = nodeOf({ chain: at1.chain, pruntime });
    const stop = new AbortController();
    const running = node.run(stop.signal);
    const heartbeats = (): string[] => saidOn(at1.chain).filter((what) => what.startsWith("heartbeat"));
    await produceUntil(at1, running, () => heartbeats().length > 1);
    started.at(-1)!.kill("SIGKILL");
    await produceUntil(at1, running, () => told.some(({ kind }) => kind === "Interrupted"));
    const before = heartbeats().length;
    await produceUntil(
      at1,
      running,
      () => heartbeats().length > before + 1 && saidOn(at1.chain).includes("setEcdhKey"),
    );
    stop.abort();
    await running;
    expect(new Set(heartbeats()).size).toBe(heartbeats().length);
    expect(told.find(({ kind }) => kind === "Started")).toMatchObject({
      status: { registered: true, gatekeeper: true },
    });
    expect(started).toHaveLength(2);
  });

  test("joins again with a pRuntime that ended while nothing was asked of it", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    using at1 = new FolderChain(enclaveGenesis([await createIdentity(pruntime)]));
    const { node, told } = nodeOf({ chain: at1.chain, pruntime });
    await node.step(NEVER);
    started.at(-1)!.kill("SIGKILL");
    await once(started.at(-1)!, "close");
    // Until it is known here: it would be noticed by the next question otherwise, and that is another case.
    await until(() => pruntime.ended !== null);
    at1.producer.produce(1, true);
    const stop = new AbortController();
    const running = node.run(stop.signal);
    await produceUntil(at1, running, () => saidOn(at1.chain).length > 1);
    stop.abort();
    await running;
    expect(told.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["Started", "Interrupted", "Sent"]));
    expect(started).toHaveLength(2);
  });

  test("notices that its pRuntime has ended on a chain that makes no blocks, and begins another", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    using at1 = new FolderChain(enclaveGenesis([await createIdentity(pruntime)]));
    const { node, told } = nodeOf({ chain: at1.chain, pruntime });
    const stop = new AbortController();
    const running = node.run(stop.signal);
    const kinds = (): string[] => told.map(({ kind }) => kind);
    await Promise.race([running, until(() => kinds().includes("Sent"))]);
    started.at(-1)!.kill("SIGKILL");
    // Its message waits in the inbox still: it is not handed in again.
    const more = () => started.length === 2 && pruntime.ended === null && kinds().includes("Interrupted");
    await Promise.race([running, until(more)]);
    stop.abort();
    await running;
    expect(kinds()).toEqual(["Started", "Sent", "Interrupted"]);
    expect(told.at(-1)).toMatchObject({ reason: expect.stringMatching(/ended by SIGKILL$/), ended: true });
    expect(at1.chain.height()).toBe(0);
  });

  test("registers its pRuntime through its operator, once, though the inbox is full at first", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    const { identityKey } = await createIdentity(pruntime);
    using at1 = new FolderChain(enclaveGenesis([STRANGER], { measurements: [softwareMeasurement()] }));
    expect(() => fill(at1, MESSAGE_BYTES_MAX)).toThrow(FULL);
    const { node, told } = nodeOf({ chain: at1.chain, pruntime, operator: OPERATOR });
    await node.step(NEVER);
    expect(told.map(({ kind }) => kind)).toEqual(["Started"]);
    const stop = new AbortController();
    const running = node.run(stop.signal);
    await produceUntil(at1, running, () => told.some(({ kind }) => kind === "Changed"));
    stop.abort();
    await running;
    expect(told.map(({ kind }) => kind)).toEqual(["Started", "Registered", "Changed"]);
    expect(told.at(-1)).toMatchObject({ status: { registered: true, gatekeeper: false } });
    expect(at1.replica.ledger.state.workers.get(accountOf(identityKey))?.operator).toBe(idOf("rich"));
    expect(saidOn(at1.chain)).toEqual(["registerWorker"]);
  });

  test("hands in again what there was no room for, though no block comes that makes some", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    using at1 = new FolderChain(enclaveGenesis([await createIdentity(pruntime)]));
    // To the last byte, nearly.
    for (const bytes of [MESSAGE_BYTES_MAX, 100]) expect(() => fill(at1, bytes)).toThrow(FULL);
    const { node, told } = nodeOf({ chain: at1.chain, pruntime });
    await node.step(NEVER);
    expect(told.map(({ kind }) => kind)).toEqual(["Started"]);
    expect(at1.producer.produce(1, false)).toBeNull();
    await node.step(NEVER);
    expect(told.slice(1)).toEqual([{ kind: "Sent", height: 0, call: "heartbeat" }]);
    at1.producer.produce(2, false);
    expect(saidOn(at1.chain)).toEqual(["heartbeat of session 0"]);
    expect(await node.step(NEVER)).toBe(true);
    at1.producer.produce(3, false);
    expect(await node.step(NEVER)).toBe(true);
    expect(await node.step(NEVER)).toBe(false);
  });

  test("asks its pRuntime once more when most of a block's time is over, for what it has done meanwhile", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    using at1 = new FolderChain(enclaveGenesis([await createIdentity(pruntime)]));
    const { node } = nodeOf({ chain: at1.chain, pruntime });
    await node.step(NEVER);
    const ask = vi.spyOn(pruntime, "ask");
    const blocksAsked = (): number[] => {
      const asked = ask.mock.calls.flatMap(([tag, value]) => (tag === "follow" ? [value] : []));
      ask.mockClear();
      return asked.map((value) => (value as unknown as { blocks: unknown[] }).blocks.length);
    };
    at1.producer.produce(1, true);
    const began = performance.now();
    const now = vi.spyOn(performance, "now").mockReturnValue(began);
    try {
      expect(await node.step(NEVER)).toBe(true);
      now.mockReturnValue(began + 0.5 * at1.chain.genesis.blockMilliseconds);
      expect(await node.step(NEVER)).toBe(false);
      expect(blocksAsked()).toEqual([1]);
      now.mockReturnValue(began + 0.8 * at1.chain.genesis.blockMilliseconds);
      for (let step = 0; step < 2; step++) expect(await node.step(NEVER)).toBe(false);
      expect(blocksAsked()).toEqual([0]);
      at1.producer.produce(2, true);
      expect(await node.step(NEVER)).toBe(true);
      expect(blocksAsked()).toEqual([1]);
    } finally {
      now.mockRestore();
    }
  });

  test("gives messages of others to a pRuntime that has joined, and begins none for them", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    using at1 = new FolderChain(enclaveGenesis([await createIdentity(pruntime)]));
    const { node } = nodeOf({ chain: at1.chain, pruntime });
    // What was not given to it, it has not begun.
    const unavailable = { code: "PRUNTIME_UNAVAILABLE", detail: { reason: "NotJoined" } };
    await expect(node.execute(Uint8Array.of(1))).rejects.toMatchObject(unavailable);
    await expect(node.receive(Uint8Array.of(1))).rejects.toMatchObject(unavailable);
    expect(node.status).toBe(null);
    await node.step(NEVER);
    await expect(node.receive(Uint8Array.of(1))).rejects.toMatchObject({ code: "MESSAGE_INVALID" });
    expect(node.status).toMatchObject({ height: 0, gatekeeper: true });
    started.at(-1)!.kill("SIGKILL");
    await until(() => pruntime.ended !== null);
    for (const give of [node.receive(Uint8Array.of(1)), node.execute(Uint8Array.of(1))]) {
      await expect(give).rejects.toMatchObject(unavailable);
    }
    expect(started).toHaveLength(1);
  });

  test("joins again with a pRuntime that another has begun meanwhile", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    using at1 = new FolderChain(enclaveGenesis([await createIdentity(pruntime)]));
    const { node } = nodeOf({ chain: at1.chain, pruntime });
    await node.step(NEVER);
    started.at(-1)!.kill("SIGKILL");
    await until(() => pruntime.ended !== null);
    await pruntime.ask("status", undefined);
    // It says itself that it has done nothing of a command.
    await expect(node.execute(someCommand())).rejects.toMatchObject({ code: "KEY_NOT_PROVISIONED" });
    await expect(node.step(NEVER)).rejects.toMatchObject({ code: "PRUNTIME_UNAVAILABLE" });
  });

  test("ends when it is stopped while its registration waits for a block", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    await createIdentity(pruntime);
    using at1 = new FolderChain(enclaveGenesis([STRANGER], { measurements: [softwareMeasurement()] }));
    const { node } = nodeOf({ chain: at1.chain, pruntime, operator: OPERATOR });
    const stop = new AbortController();
    const running = node.run(stop.signal);
    await Promise.race([running, until(() => at1.chain.waiting().length > 0)]);
    stop.abort();
    await running;
  });

  test("ends with what its pRuntime refuses a fork for, or another chain", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    const genesis = enclaveGenesis([await createIdentity(pruntime)]);
    using honest = new FolderChain(genesis);
    const { node } = nodeOf({ chain: honest.chain, pruntime });
    for (let now = 1; now <= 4; now++) {
      await node.step(NEVER);
      honest.producer.produce(now, true);
    }
    await node.step(NEVER);
    using fork = new FolderChain(genesis);
    for (let now = 101; now <= 108; now++) fork.producer.produce(now, true);
    await expect(nodeOf({ chain: fork.chain, pruntime }).node.run(NEVER)).rejects.toMatchObject({
      code: "BLOCK_INVALID",
      detail: { reason: "fork" },
    });
    using other = new FolderChain({ ...genesis, name: Buffer.from("another") });
    await expect(nodeOf({ chain: other.chain, pruntime }).node.run(NEVER)).rejects.toMatchObject({
      code: "GENESIS_INVALID",
    });
    // And goes on with the one that it was with.
    const producer = new Producer(honest.chain, openReplica(honest.chain, CURVE), keyOf("authority"));
    const again = nodeOf({ chain: honest.chain, pruntime });
    await again.node.step(NEVER);
    producer.produce(200, true);
    await again.node.step(NEVER);
    expect(again.told.map(({ kind }) => kind)).toContain("Started");
    expect(new Set(saidOn(honest.chain)).size).toBe(saidOn(honest.chain).length);
  });

  test("ends with what the chain refuses the registration for", async () => {
    await using pruntime = new PRuntime({ home: at("home") });
    await createIdentity(pruntime);
    using at1 = new FolderChain(enclaveGenesis([STRANGER]));
    const { node } = nodeOf({ chain: at1.chain, pruntime, operator: OPERATOR });
    const refused = { code: "MESSAGE_REFUSED", detail: { reason: "MeasurementNotAllowed" } };
    await expect(produceUntil(at1, node.run(NEVER), () => false)).rejects.toMatchObject(refused);
  });
});
