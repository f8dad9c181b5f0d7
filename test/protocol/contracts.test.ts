import { ristretto255 } from "@noble/curves/ed25519.js";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes.ts";
import { CONTRACT_KIND, contractId, deployedName } from "../../src/contract-id.ts";
import type { KeySuite } from "../../src/keys/group.ts";
import type { Call } from "../../src/protocol/call.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import {
  GATEKEEPERS,
  Network,
  UNIT,
  genesisOf,
  idOf,
  identity,
  measurementOf,
  outcomes,
  publicOf,
  register,
  vote,
} from "./network.ts";
import { Shareholders, keyGenesis, launch } from "./shareholders.ts";

const WORKER = identity("e");
const OTHER = identity("f");

/** The id of a contract of an account, by their names. */
function idOfContract(owner: string, name: string): string {
  const native = deployedName(fromHex(idOf(owner), "an account id"), Buffer.from(name));
  return toHex(contractId(CONTRACT_KIND.deployed, native));
}
const CONTRACT = idOfContract("rich", "shop");

const deploy = (name: string, worker = WORKER): Call => ({
  tag: "deployContract",
  value: { name: Buffer.from(name), worker: publicOf(worker) },
});
const assign = (contract: string, worker: string): Call => ({
  tag: "assignContract",
  value: { contract, worker: publicOf(worker) },
});
const publish = (...keys: readonly (readonly [contract: string, ecdhKey: string])[]): Call => ({
  tag: "publishContractKeys",
  value: { rotationId: 0, keys: keys.map(([contract, ecdhKey]) => ({ contract, ecdhKey })) },
});
const MEASUREMENTS = { measurements: [measurementOf("pRuntime")] };
const networkOf = (): Network => new Network(genesisOf(MEASUREMENTS));

/** A network in which a MasterKey is shared, and "rich" has the contract "shop". */
function shared(keySuite: KeySuite = 1): Network {
  const masterKey = { keySuite, threshold: 2, phaseBlocks: 3, refreshBlocks: 1_000 };
  const network = new Network(keyGenesis({ ...MEASUREMENTS, masterKey }));
  launch(network);
  new Shareholders(network, GATEKEEPERS).until("SharingAdopted");
  expect(network.send("rich", deploy("shop"))).toBe("done");
  return network;
}

/** A network in which "rich" has the contract "shop". */
function deployed(): Network {
  const network = networkOf();
  expect(network.send("rich", deploy("shop"))).toBe("done");
  return network;
}

describe("a contract", () => {
  test("is deployed by its owner for a deposit, under an id that its owner and its name make", () => {
    const network = deployed();
    const contract = { owner: idOf("rich"), name: Buffer.from("shop"), worker: publicOf(WORKER) };
    expect(network.state.contracts.get(CONTRACT)).toEqual({
      ...contract,
      name: new Uint8Array(contract.name),
      deposit: 500n,
      ecdhKey: null,
    });
    const told = { kind: "ContractDeployed", contract: CONTRACT, ...contract, name: new Uint8Array(contract.name) };
    expect(network.effects).toContainEqual({ ...told, index: 0 });
    const { free, reserved } = network.state.accounts.get(idOf("rich"))!;
    expect([free, reserved]).toEqual([1_000n * UNIT - 500n, 500n]);
  });

  test("has a name that nobody else can take, and its owner once", () => {
    const network = deployed();
    expect(network.send("rich", deploy("shop", OTHER))).toBe("ContractExists");
    expect(network.send("a", deploy("shop"))).toBe("done");
    expect([...network.state.contracts.keys()].sort()).toEqual([CONTRACT, idOfContract("a", "shop")].sort());
    expect(network.state.contracts.get(CONTRACT)!.worker).toBe(publicOf(WORKER));
  });

  test("is not deployed by who can't pay for it, nor without its pRuntime", () => {
    const network = networkOf();
    expect(network.send("rich", { tag: "transfer", value: { to: idOf("poor"), amount: 509n } })).toBe("done");
    expect(network.send("poor", deploy("shop"))).toBe("InsufficientBalance");
    expect(network.send("rich", deploy("shop", "nobody"))).toBe("NotWorker");
    expect(network.state.contracts.size).toBe(0);
    expect(network.state.accounts.get(idOf("rich"))!.reserved).toBe(0n);
    expect(() => network.message("rich", deploy("x".repeat(65)))).toThrow("65 items");
  });

  test("is assigned to another pRuntime by its owner alone", () => {
    const network = deployed();
    expect(network.send("a", assign(CONTRACT, OTHER))).toBe("NotOwner");
    expect(network.send(WORKER, assign(CONTRACT, OTHER))).toBe("NotOwner");
    expect(network.send("rich", assign(idOfContract("rich", "other"), OTHER))).toBe("NoContract");
    expect(network.send("rich", assign(CONTRACT, "nobody"))).toBe("NotWorker");
    expect(network.send("rich", assign(CONTRACT, OTHER))).toBe("done");
    const told = { kind: "ContractAssigned", contract: CONTRACT, worker: publicOf(OTHER), index: 0 };
    expect(network.effects).toContainEqual(told);
    expect(network.state.contracts.get(CONTRACT)!.worker).toBe(publicOf(OTHER));
    expect(network.state.accounts.get(idOf("rich"))!.reserved).toBe(500n);
  });

  test("is not given to a pRuntime whose measurement was withdrawn", () => {
    const network = deployed();
    expect(network.send("rich", register(network, "rich", "enclave"))).toBe("done");
    expect(network.send("rich", assign(CONTRACT, "enclave"))).toBe("done");
    for (const member of ["g1", "g2"]) {
      network.send(member, vote(network, { tag: "withdraw", value: measurementOf("pRuntime") }));
    }
    expect(network.send("rich", deploy("next", "enclave"))).toBe("MeasurementNotAllowed");
    expect(network.send("rich", assign(CONTRACT, "enclave"))).toBe("MeasurementNotAllowed");
    expect(network.send("enclave", publish([CONTRACT, publicOf("k")]))).toBe("MeasurementNotAllowed");
  });

  test("keeps nobody from deregistering its pRuntime, and then goes to another", () => {
    const network = deployed();
    expect(network.send("e", { tag: "deregisterWorker", value: publicOf(WORKER) })).toBe("done");
    expect(network.send(WORKER, publish([CONTRACT, publicOf("k")]))).toBe("NotWorker");
    expect(network.send("rich", assign(CONTRACT, OTHER))).toBe("done");
  });
});

describe("a contract's EcdhKey", () => {
  test("is published by the pRuntime that the contract is assigned to, and outlives an assignment", () => {
    const network = shared();
    expect(network.send(OTHER, publish([CONTRACT, publicOf("k")]))).toBe("NotAssigned");
    expect(network.send("rich", publish([CONTRACT, publicOf("k")]))).toBe("NotWorker");
    expect(network.send(WORKER, publish([idOfContract("rich", "other"), publicOf("k")]))).toBe("NoContract");
    expect(network.state.contracts.get(CONTRACT)!.ecdhKey).toBeNull();
    expect(network.send(WORKER, publish([CONTRACT, publicOf("k")]))).toBe("done");
    const ecdhKey = { rotationId: 0, publicKey: publicOf("k") };
    expect(network.effects).toContainEqual({ kind: "ContractKeyPublished", contract: CONTRACT, ecdhKey, index: 0 });
    expect(network.send("rich", assign(CONTRACT, OTHER))).toBe("done");
    expect(network.state.contracts.get(CONTRACT)!.ecdhKey).toEqual(ecdhKey);
    expect(network.send(WORKER, publish([CONTRACT, publicOf("k2")]))).toBe("NotAssigned");
  });

  test("comes with others in one message: all of them count, or none", () => {
    const network = shared();
    expect(network.send("rich", deploy("two"))).toBe("done");
    expect(network.send("rich", deploy("three", OTHER))).toBe("done");
    const [two, three] = [idOfContract("rich", "two"), idOfContract("rich", "three")];
    const keys = [CONTRACT, two, three].map((id) => [id, publicOf(id)] as const);
    expect(network.send(WORKER, publish(...keys))).toBe("NotAssigned");
    const known = () => [CONTRACT, two, three].map((id) => network.state.contracts.get(id)!.ecdhKey?.publicKey);
    expect(known()).toEqual([undefined, undefined, undefined]);
    expect(network.send(WORKER, publish(...keys.slice(0, 2)))).toBe("done");
    expect(known()).toEqual([publicOf(CONTRACT), publicOf(two), undefined]);
  });

  test("fits into a message with five hundred and eleven others", () => {
    const network = shared();
    const keys = Array.from({ length: 512 }, () => [CONTRACT, publicOf("k")] as const);
    expect(network.message(WORKER, publish(...keys)).length).toBeLessThan(65_536);
    expect(network.send(WORKER, publish(...keys))).toBe("done");
    expect(() => network.message(WORKER, publish(...keys, keys[0]!))).toThrow("513 items");
  });

  test.each<[string, KeySuite, string, string]>([
    ["secp256k1", 1, publicOf("k"), toHex(ristretto255.Point.BASE.toBytes())],
    ["ristretto255", 2, toHex(ristretto255.Point.BASE.toBytes()), publicOf("k")],
  ])("is an element of the MasterKey's group: %s", (_, keySuite, good, other) => {
    const network = shared(keySuite);
    expect(network.send(WORKER, publish([CONTRACT, good]))).toBe("done");
    expect(network.state.contracts.get(CONTRACT)!.ecdhKey!.publicKey).toBe(good);
    const identityElement = `0x${"00".repeat(32)}`;
    const noElement = `0x${"ff".repeat(32)}`;
    const noPoint = `0x02${"00".repeat(31)}05`;
    const bad = [other, identityElement, noElement, noPoint, `0x04${"11".repeat(32)}`, "0x", good.slice(0, -2)];
    for (const key of bad) expect(network.send(WORKER, publish([CONTRACT, key])), key).toBe("BadProof");
    expect(network.send(WORKER, publish([CONTRACT, good], [CONTRACT, noElement]))).toBe("BadProof");
    expect(network.state.contracts.get(CONTRACT)!.ecdhKey!.publicKey).toBe(good);
  });

  test("is verified for a pRuntime once a block, and after all that costs nothing", () => {
    const network = shared();
    const foreign = publish([idOfContract("rich", "other"), "0x"]);
    const calls = [foreign, publish([CONTRACT, publicOf("k")]), publish([CONTRACT, publicOf("k2")])];
    const sequence = network.sequenceOf(WORKER);
    const messages = calls.map((call, ahead) => network.unsigned(WORKER, call, sequence + ahead));
    expect(outcomes(network.blockOf(messages))).toEqual(["NoContract", "done", "TooManyProofs"]);
    expect(network.send(WORKER, calls[2]!)).toBe("done");
  });

  test("is of a MasterKey that is shared", () => {
    const none = deployed();
    expect(none.send(WORKER, publish([CONTRACT, publicOf("k")]))).toBe("NotInForce");
    const network = shared();
    const call: Call = {
      tag: "publishContractKeys",
      value: { rotationId: 1, keys: [{ contract: CONTRACT, ecdhKey: publicOf("k") }] },
    };
    expect(network.send(WORKER, call)).toBe("NotInForce");
  });
});

test("contracts and endpoints are what they were after the state's bytes", () => {
  const network = shared();
  network.send(WORKER, publish([CONTRACT, publicOf("k")]));
  const endpoint = Buffer.from("http://x");
  network.send("e", { tag: "setEndpoint", value: { identityKey: publicOf(WORKER), endpoint } });
  const again = Ledger.decode(network.ledger.genesis, network.ledger.encode());
  expect(again.stateHash()).toEqual(network.ledger.stateHash());
  expect(again.state.contracts.get(CONTRACT)).toEqual(network.state.contracts.get(CONTRACT));
  expect(again.state.workers.get(idOf(WORKER))!.endpoint).toEqual(new Uint8Array(endpoint));
});
