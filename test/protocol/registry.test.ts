import { describe, expect, test } from "vitest";
import type { Call } from "../../src/protocol/call.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { HEARTBEAT_POINTS, nextHeartbeat } from "../../src/protocol/registry.ts";
import {
  GATEKEEPERS,
  Network,
  UNIT,
  genesisOf,
  idOf,
  identity,
  measurementOf,
  publicOf,
  register,
  softwareOf,
  vote,
} from "./network.ts";

/** A network where this program may serve. */
const networkOf = (changes: Partial<Genesis> = {}): Network =>
  new Network(genesisOf({ measurements: [measurementOf("pRuntime")], ...changes }));

describe("a pRuntime", () => {
  test("is registered by its operator, and may then send messages itself", () => {
    const network = networkOf();
    expect(network.send("enclave", { tag: "setEcdhKey", value: publicOf("k") })).toBe("UnknownSender");
    expect(network.send("rich", register(network, "rich", "enclave"))).toBe("done");
    expect(network.state.workers.get(idOf("enclave"))).toEqual({
      identityKey: publicOf("enclave"),
      ecdhKey: publicOf("enclave/ecdh"),
      operator: idOf("rich"),
      measurement: measurementOf("pRuntime"),
      deposit: 1_000n,
      endpoint: null,
    });
    expect(network.effects).toContainEqual({
      kind: "WorkerRegistered",
      identityKey: publicOf("enclave"),
      operator: idOf("rich"),
      measurement: measurementOf("pRuntime"),
      index: 0,
    });
    expect(network.sequenceOf("enclave")).toBe(1);
    expect(network.send("enclave", { tag: "setEcdhKey", value: publicOf("k") })).toBe("done");
    expect(network.state.workers.get(idOf("enclave"))!.ecdhKey).toBe(publicOf("k"));
  });

  test("is not registered anew by an old registration, nor by another operator", () => {
    const network = networkOf();
    const old = register(network, "rich", "enclave");
    expect(network.send("rich", old)).toBe("done");
    expect(network.send("enclave", { tag: "setEcdhKey", value: publicOf("k") })).toBe("done");
    expect(network.send("rich", old)).toBe("StaleRegistration");
    expect(network.send("a", register(network, "a", "enclave"))).toBe("NotOperator");
    expect(network.send("rich", register(network, "rich", "enclave", { ecdhKey: publicOf("k2") }))).toBe("done");
    expect(network.state.accounts.get(idOf("rich"))!.reserved).toBe(1_000n);
  });

  test("with a wrong proof, or a key that is none, is not registered", () => {
    const network = networkOf();
    const good = register(network, "rich", "enclave");
    if (good.tag !== "registerWorker") throw new Error();
    const noPoint = `0x02${"00".repeat(31)}05`;
    expect(network.send("rich", { ...good, value: { ...good.value, ecdhKey: publicOf("k") } })).toBe("BadProof");
    expect(network.send("rich", register(network, "rich", "enclave", { ecdhKey: noPoint }))).toBe("BadProof");
    expect(network.state.workers.has(idOf("enclave"))).toBe(false);
  });

  test("can be forgotten, and registered again, but an old registration stays old", () => {
    const network = networkOf();
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
    const network = networkOf();
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
    const network = networkOf();
    expect(network.send("a", { tag: "deregisterWorker", value: publicOf(identity("a")) })).toBe("InUse");
    expect(network.send("e", { tag: "deregisterWorker", value: publicOf(identity("e")) })).toBe("done");
  });

  test("serves only who operates it", () => {
    const network = networkOf();
    expect(network.send("a", { tag: "setKeys", value: publicOf(identity("e")) })).toBe("NotOperator");
    expect(network.send("a", { tag: "setKeys", value: publicOf("nobody") })).toBe("NotWorker");
    expect(network.send("rich", { tag: "setKeys", value: publicOf(identity("a")) })).toBe("NotBonded");
  });
});

describe("where a pRuntime's host takes messages", () => {
  const endpoint = (worker: string, url: string | null): Call => ({
    tag: "setEndpoint",
    value: { identityKey: publicOf(worker), endpoint: url === null ? null : Buffer.from(url) },
  });

  test("is said and taken back by its operator, and nobody else", () => {
    const network = networkOf();
    const url = "https://node.example:8443/v1?x=%20#y";
    const known = () => network.state.workers.get(idOf(identity("e")))!.endpoint;
    expect(known()).toBeNull();
    expect(network.send("a", endpoint(identity("e"), url))).toBe("NotOperator");
    expect(network.send(identity("e"), endpoint(identity("e"), url))).toBe("NotOperator");
    expect(network.send("e", endpoint("nobody", url))).toBe("NotWorker");
    expect(network.send("e", endpoint(identity("e"), url))).toBe("done");
    expect(network.effects).toContainEqual({
      kind: "EndpointSet",
      identityKey: publicOf(identity("e")),
      endpoint: new Uint8Array(Buffer.from(url)),
      index: 0,
    });
    expect(Buffer.from(known()!).toString()).toBe(url);
    expect(network.send("e", endpoint(identity("e"), null))).toBe("done");
    expect(known()).toBeNull();
  });

  test("stays when it is registered anew", () => {
    const network = networkOf();
    const url = "http://[::1]:80";
    expect(network.send("rich", register(network, "rich", "enclave"))).toBe("done");
    expect(network.send("rich", endpoint("enclave", url))).toBe("done");
    expect(network.send("rich", register(network, "rich", "enclave", { ecdhKey: publicOf("k") }))).toBe("done");
    expect(network.state.workers.get(idOf("enclave"))).toMatchObject({
      ecdhKey: publicOf("k"),
      endpoint: new Uint8Array(Buffer.from(url)),
    });
  });

  test("is an http or https URL in printable ASCII", () => {
    const network = networkOf();
    const bad = [
      "",
      "http://",
      "https:///path",
      "ftp://x",
      "HTTP://x",
      "http:/x",
      " http://x",
      "http://a b",
      "http://x\n",
    ];
    for (const url of [...bad, "http://\u00e4", "http://x\u007f", "http://x\0"]) {
      expect(network.send("e", endpoint(identity("e"), url)), url).toBe("BadEndpoint");
    }
    const long = `http://${"x".repeat(249)}`;
    expect(network.send("e", endpoint(identity("e"), long))).toBe("done");
    expect(() => network.message("e", endpoint(identity("e"), `${long}x`))).toThrow("257 items");
  });
});

describe("what a pRuntime says that it is", () => {
  test("counts where the genesis believes software", () => {
    const attestation = { software: false, tcbStatuses: ["UpToDate"] } as const;
    const strict = networkOf({ attestation });
    expect(strict.send("rich", register(strict, "rich", "enclave"))).toBe("SoftwareNotAllowed");
    expect(strict.state.workers.has(idOf("enclave"))).toBe(false);
    expect(strict.state.accounts.get(idOf("rich"))).toMatchObject({ sequence: 1, reserved: 0n });
  });

  test("has to be allowed, and governance allows and withdraws it", () => {
    const network = networkOf();
    const attestation = softwareOf("next");
    const allow = { tag: "allow", value: measurementOf("next") } as const;
    expect(network.send("rich", register(network, "rich", "enclave", { attestation }))).toBe("MeasurementNotAllowed");
    for (const member of ["g1", "g2"]) network.send(member, vote(network, allow));
    expect(network.send("rich", register(network, "rich", "enclave", { attestation }))).toBe("done");
    for (const member of ["g1", "g2"]) network.send(member, vote(network, { ...allow, tag: "withdraw" }));
    expect(network.send("rich", register(network, "rich", "enclave", { attestation }))).toBe("MeasurementNotAllowed");
    expect(network.state.workers.get(idOf("enclave"))!.measurement).toBe(measurementOf("next"));
  });

  test("has to be an attestation", () => {
    const network = networkOf();
    const good = softwareOf("pRuntime");
    const trailing = Buffer.concat([good, Buffer.alloc(1)]);
    for (const attestation of [Buffer.alloc(0), good.subarray(1), good.subarray(0, -1), trailing]) {
      const call = register(network, "rich", "enclave", { attestation });
      expect(network.send("rich", call)).toBe("AttestationMalformed");
    }
  });
});

describe("a pRuntime whose measurement is withdrawn", () => {
  const withdraw = (network: Network): void => {
    const action = { tag: "withdraw", value: measurementOf("pRuntime") } as const;
    for (const member of ["g1", "g2"]) expect(network.send(member, vote(network, action))).toBe("done");
  };
  const gatekeepers = ({ state }: Network): string[] => [...state.gatekeepers].sort();
  const publics = (...names: string[]): string[] => names.map((name) => publicOf(identity(name))).sort();

  test("acts until its era ends, and is not elected again; those of the genesis are", () => {
    const network = networkOf();
    const enclave = identity("next");
    const alive = [...GATEKEEPERS, "next"];
    expect(network.send("a", register(network, "a", enclave))).toBe("done");
    expect(network.send("a", { tag: "setKeys", value: publicOf(enclave) })).toBe("done");
    network.toEra(1, alive);
    network.toEra(2, alive);
    expect(gatekeepers(network)).toEqual([publicOf(enclave), ...publics("b", "c", "d")].sort());
    withdraw(network);
    expect(network.state.planned).toBeNull();
    expect(gatekeepers(network)).toContain(publicOf(enclave));
    network.toEra(3, alive);
    expect(gatekeepers(network)).toEqual(publics("b", "c", "d"));
    expect(network.state.validators.has(idOf("a"))).toBe(true);
    const allow = { tag: "allow", value: measurementOf("pRuntime") } as const;
    for (const member of ["g1", "g2"]) network.send(member, vote(network, allow));
    network.toEra(4, alive);
    expect(gatekeepers(network)).toContain(publicOf(enclave));
  });

  test("acts in the era that it was elected for before", () => {
    const network = networkOf();
    expect(network.send("a", register(network, "a", "enclave"))).toBe("done");
    expect(network.send("a", { tag: "setKeys", value: publicOf("enclave") })).toBe("done");
    while (network.state.planned?.stashes.has(idOf("enclave")) !== true) network.block();
    const { index } = network.state.planned;
    withdraw(network);
    network.toEra(index);
    expect(gatekeepers(network)).toContain(publicOf("enclave"));
    network.toEra(index + 1);
    expect(gatekeepers(network)).not.toContain(publicOf("enclave"));
  });

  test("serves nobody who stands for election", () => {
    const network = networkOf();
    expect(network.send("e", register(network, "e", "enclave"))).toBe("done");
    expect(network.send("e", { tag: "bond", value: { amount: UNIT, payee: { tag: "stash", value: undefined } } })).toBe(
      "done",
    );
    expect(network.send("e", { tag: "setKeys", value: publicOf("enclave") })).toBe("done");
    withdraw(network);
    const prefs = { commission: 0, blocked: false };
    expect(network.send("e", { tag: "validate", value: prefs })).toBe("NoKeys");
    expect(network.send("e", { tag: "setKeys", value: publicOf("enclave") })).toBe("MeasurementNotAllowed");
    expect(network.send("e", { tag: "setKeys", value: publicOf(identity("e")) })).toBe("done");
    expect(network.send("e", { tag: "validate", value: prefs })).toBe("done");
  });

  test("acts on where gatekeepers are listed", () => {
    const network = networkOf({ gatekeepers: { tag: "listed", value: publics("a", "b") }, stakers: [] });
    expect(network.send("a", register(network, "a", identity("a")))).toBe("done");
    withdraw(network);
    for (let block = 0; block < 10; block++) network.block();
    expect(gatekeepers(network)).toEqual(publics("a", "b"));
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
