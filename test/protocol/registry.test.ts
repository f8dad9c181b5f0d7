import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Call, Registration } from "../../src/protocol/call.ts";
import { signRegistration } from "../../src/protocol/message.ts";
import { HEARTBEAT_POINTS, nextHeartbeat } from "../../src/protocol/registry.ts";
import { Network, UNIT, checkInvariants, genesisOf, idOf, identity, publicOf, signerOf } from "./network.ts";

function register(network: Network, operator: string, enclave: string, changes: Partial<Registration> = {}): Call {
  const registered = {
    identityKey: publicOf(enclave),
    ecdhKey: publicOf(`${enclave}/ecdh`),
    attestation: Uint8Array.of(1, 2, 3),
    sequence: network.sequenceOf(enclave),
    ...changes,
  };
  const value = signRegistration(signerOf(enclave), network.ledger.genesisHash, idOf(operator), registered);
  return { tag: "registerWorker", value };
}

describe("a pRuntime", () => {
  test("is registered by its operator, and may then send messages itself", () => {
    const network = new Network();
    expect(network.send("enclave", { tag: "setEcdhKey", value: publicOf("k") })).toBe("UnknownSender");
    expect(network.send("rich", register(network, "rich", "enclave"))).toBe("done");
    expect(network.state.workers.get(idOf("enclave"))).toEqual({
      identityKey: publicOf("enclave"),
      ecdhKey: publicOf("enclave/ecdh"),
      operator: idOf("rich"),
      attestationHash: `0x${createHash("sha256")
        .update(Uint8Array.of(1, 2, 3))
        .digest("hex")}`,
      deposit: 1_000n,
    });
    expect(network.sequenceOf("enclave")).toBe(1);
    expect(network.send("enclave", { tag: "setEcdhKey", value: publicOf("k") })).toBe("done");
    expect(network.state.workers.get(idOf("enclave"))!.ecdhKey).toBe(publicOf("k"));
  });

  test("is not registered anew by an old registration, nor by another operator", () => {
    const network = new Network();
    const old = register(network, "rich", "enclave");
    expect(network.send("rich", old)).toBe("done");
    expect(network.send("enclave", { tag: "setEcdhKey", value: publicOf("k") })).toBe("done");
    expect(network.send("rich", old)).toBe("StaleRegistration");
    expect(network.send("a", register(network, "a", "enclave"))).toBe("NotOperator");
    expect(network.send("rich", register(network, "rich", "enclave", { ecdhKey: publicOf("k2") }))).toBe("done");
    expect(network.state.accounts.get(idOf("rich"))!.reserved).toBe(1_000n);
  });

  test("with a wrong proof, or a key that is none, is not registered", () => {
    const network = new Network();
    const good = register(network, "rich", "enclave");
    if (good.tag !== "registerWorker") throw new Error();
    const noPoint = `0x02${"00".repeat(31)}05`;
    expect(network.send("rich", { ...good, value: { ...good.value, ecdhKey: publicOf("k") } })).toBe("BadProof");
    expect(network.send("rich", register(network, "rich", "enclave", { ecdhKey: noPoint }))).toBe("BadProof");
    expect(network.state.workers.has(idOf("enclave"))).toBe(false);
  });

  test("can be forgotten, and registered again, but an old registration stays old", () => {
    const network = new Network();
    const old = register(network, "rich", "enclave");
    expect(network.send("rich", old)).toBe("done");
    expect(network.send("a", { tag: "deregisterWorker", value: publicOf("enclave") })).toBe("NotOperator");
    expect(network.send("rich", { tag: "deregisterWorker", value: publicOf("enclave") })).toBe("done");
    expect(network.send("rich", { tag: "deregisterWorker", value: publicOf("enclave") })).toBe("NotWorker");
    expect(network.send("rich", old)).toBe("StaleRegistration");
    expect(network.send("a", register(network, "a", "enclave"))).toBe("done");
    expect(network.state.accounts.get(idOf("rich"))!.reserved).toBe(0n);
  });

  test("costs its operator a deposit, which nobody can pay who has nothing", () => {
    const network = new Network(genesisOf(), checkInvariants);
    expect(network.send("rich", register(network, "rich", "enclave"))).toBe("done");
    expect(network.state.accounts.get(idOf("rich"))).toEqual({
      sequence: 1,
      free: 1_000n * UNIT - 1_000n,
      reserved: 1_000n,
    });
    expect(network.send("enclave", register(network, "enclave", "another"))).toBe("InsufficientBalance");
    const poor: Call = { tag: "transfer", value: { to: idOf("poor"), amount: 1_009n } };
    expect(network.send("rich", poor)).toBe("done");
    expect(network.send("poor", register(network, "poor", "another"))).toBe("InsufficientBalance");
  });

  test("that acts, or was elected, can't be forgotten", () => {
    const network = new Network();
    expect(network.send("a", { tag: "deregisterWorker", value: publicOf(identity("a")) })).toBe("InUse");
    expect(network.send("e", { tag: "deregisterWorker", value: publicOf(identity("e")) })).toBe("done");
  });

  test("serves only who operates it", () => {
    const network = new Network();
    expect(network.send("a", { tag: "setKeys", value: publicOf(identity("e")) })).toBe("NotOperator");
    expect(network.send("a", { tag: "setKeys", value: publicOf("nobody") })).toBe("NotWorker");
    expect(network.send("rich", { tag: "setKeys", value: publicOf(identity("a")) })).toBe("NotBonded");
  });
});

describe("a heartbeat", () => {
  const heartbeat = (network: Network, changes: object = {}): Call => ({
    tag: "heartbeat",
    value: { session: network.state.session, stateHash: network.state.sessionParent, ...changes },
  });

  test("earns points once a session, for the state that everybody has", () => {
    const network = new Network(genesisOf({ sessionBlocks: 100 }));
    const points = () => network.state.duties.get(idOf(identity("a")))!.points;
    expect(network.send(identity("a"), heartbeat(network, { stateHash: `0x${"11".repeat(32)}` }))).toBe("WrongState");
    expect(network.send(identity("a"), heartbeat(network, { session: 1 }))).toBe("WrongSession");
    expect(points()).toBe(0);
    expect(network.send(identity("a"), heartbeat(network))).toBe("done");
    expect(network.send(identity("a"), heartbeat(network))).toBe("AlreadySent");
    expect(points()).toBe(HEARTBEAT_POINTS);
  });

  test("is made for the next block, whether or not that begins a session", () => {
    for (const sessionBlocks of [1, 2, 3]) {
      const network = new Network(genesisOf({ sessionBlocks }));
      for (let block = 0; block < 6; block++) {
        const value = nextHeartbeat(network.ledger);
        const sent = network.state.duties.get(idOf(identity("a")))!.heartbeat === value.session;
        expect(network.send(identity("a"), { tag: "heartbeat", value })).toBe(sent ? "AlreadySent" : "done");
      }
    }
  });

  test("is a gatekeeper's", () => {
    const network = new Network(genesisOf({ sessionBlocks: 100 }));
    expect(network.send(identity("e"), heartbeat(network))).toBe("NotGatekeeper");
    expect(network.send("a", heartbeat(network))).toBe("NotGatekeeper");
  });
});
