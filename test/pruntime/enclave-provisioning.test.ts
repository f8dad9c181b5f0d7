/** Keys of contracts, from gatekeepers' pRuntimes to those that run them, over hosts that do what they like. */
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes.ts";
import { duePublication } from "../../src/pruntime/key-publication.ts";
import { ProvisionedKeys } from "../../src/pruntime/provisioned-keys.ts";
import { contractEcdhKey } from "../../src/keys/contract-ecdh-key.ts";
import { contractKeyInfo, expandContractKey } from "../../src/keys/contract-key.ts";
import { sealCommand } from "../../src/keys/sealed-command.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { ENGINE } from "../rotation/sealed-store.ts";
import { hashContracts } from "../../src/keys/contract-points.ts";
import { lagrangeCoefficient } from "../../src/keys/lagrange.ts";
import type { Share } from "../../src/keys/shamir.ts";
import { Secret } from "../../src/secret.ts";
import { SECP256K1_GROUP } from "../keys/groups.ts";
import { interpolated } from "../keys/interpolation.ts";
import { publicOf } from "../protocol/network.ts";
import type { EnclaveHome } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";
import { ProvisionedNetwork } from "./provisioned-network.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();

describe("keys of contracts", () => {
  test.each([
    ["secp256k1", 1 as const],
    ["ristretto255", 2 as const],
  ])("come from t gatekeepers, and what users encrypt to is published: %s", async (_, suite) => {
    using network = await ProvisionedNetwork.create(at, { suite });
    const worker = network.homes[3]!;
    expect(worker.enclave.provision([])).toEqual({ messages: [], missing: 0 });
    const contracts = network.give(["one", "two", "three"], worker);
    const taken = network.provide(worker);
    expect(taken.map(({ value }) => (value as { contracts: number }).contracts)).toEqual([0, 3]);
    expect(worker.enclave.provision([])).toEqual({ messages: [], missing: 0 });
    network.step();
    network.step();
    const published = contracts.map((contract) => network.chain.ledger.state.contracts.get(contract)!.ecdhKey!);
    expect(new Set(published.map(({ publicKey }) => publicKey)).size).toBe(3);
    expect(published.map(({ rotationId }) => rotationId)).toEqual([0, 0, 0]);
    // Once it is on chain it is not said again.
    expect(worker.follow(network.chain)).toEqual([]);
    // Code in the pRuntime runs contracts with them.
    const id = `0x${"5a".repeat(32)}` as const;
    const { governanceRound: round } = network.chain.ledger.state;
    const order = { round, action: { tag: "setStore", value: id } } as const;
    network.step(["g1", "g2"].map((member) => network.chain.message(member, { tag: "govern", value: order })));
    worker.follow(network.chain);
    const runtime = worker.enclave.contractWorker({ store: new MemoryStore(), id }, ENGINE);
    const shop = { id: fromHex(contracts[0]!, "an id"), kind: 5, name: new Uint8Array(32) };
    await runtime.put(shop, Buffer.from("key"), Buffer.from("value"));
    expect(Buffer.from((await runtime.get(shop.id, Buffer.from("key")))!).toString()).toBe("value");
    const ecdhKey = fromHex(published[0]!.publicKey, "an EcdhKey");
    const recipient = { group: ledgerGroup(suite), contract: shop.id, rotationId: 0, ecdhKey };
    using command = runtime.openCommand(sealCommand(recipient, Buffer.from("buy"))).body;
    expect(command.use((bytes) => Buffer.from(bytes).toString())).toBe("buy");
  });

  test("are the same for whoever runs a contract, whomever it asks, and a restarted pRuntime asks again", async () => {
    using network = await ProvisionedNetwork.create(at, { others: 2 });
    const [one, other] = network.homes.slice(3) as [EnclaveHome, EnclaveHome];
    const [contract] = network.give(["shop"], one) as [string];
    const known = (): unknown => network.chain.ledger.state.contracts.get(contract)!.ecdhKey;
    network.provide(one);
    network.step();
    network.step();
    const before = known();
    expect(before).not.toBeNull();
    network.give(["shop"], other);
    expect(one.enclave.provision([]).missing).toBe(0);
    network.provide(other);
    // It would say so if it had another.
    expect(other.follow(network.chain)).toEqual([]);
    await other.restart();
    other.catchUp(network.chain);
    expect(network.provide(other).at(-1)).toMatchObject({ tag: "taken", value: { contracts: 1 } });
    expect(other.follow(network.chain)).toEqual([]);
    expect(known()).toEqual(before);
  });

  test("are put right on chain by who runs a contract after somebody who lied", async () => {
    using network = await ProvisionedNetwork.create(at, { threshold: 1, gatekeepers: 2 });
    const worker = network.homes[2]!;
    const [contract] = network.give(["shop"], worker) as [string];
    network.provide(worker);
    network.step();
    network.step();
    const { publicKey } = network.chain.ledger.state.contracts.get(contract)!.ecdhKey!;
    const { contracts } = network.chain.ledger.state;
    const lied = { ...contracts.get(contract)!, ecdhKey: { rotationId: 0, publicKey: publicOf("liar") } };
    const state = { ...network.chain.ledger.state, contracts: contracts.set(contract, lied) };
    using keys = new ProvisionedKeys();
    keys.begin({ rotationId: 0, keySuite: 1, cipherSuite: "aes-256-gcm" });
    keys.add(0, contract, new Uint8Array(32).fill(1));
    const identityKey = worker.keys.identityKey;
    const due = duePublication(state, identityKey, keys);
    if (due?.tag !== "publishContractKeys") throw new Error("nothing is due");
    expect(due.value.keys.map((each) => each.contract)).toEqual([contract]);
    expect(due.value.keys[0]!.ecdhKey).not.toBe(publicKey);
    // Another's contract is not published, and not looked at again.
    expect(duePublication(state, publicOf("another"), keys)).toBeNull();
    expect(keys.unpublished(1)).toEqual([]);
  });

  test("of a gatekeeper's own contracts take its own share, and with t = 1 no message", async () => {
    using network = await ProvisionedNetwork.create(at, { gatekeepers: 2, others: 0, threshold: 1 });
    const worker = network.homes[0]!;
    const [contract] = network.give(["shop"], worker) as [string];
    expect(worker.enclave.provision([])).toEqual({ messages: [], missing: 0 });
    network.step();
    network.step();
    expect(network.chain.ledger.state.contracts.get(contract)!.ecdhKey).not.toBeNull();
  });

  test("with t = 2 take one other's", async () => {
    using network = await ProvisionedNetwork.create(at, { others: 0 });
    const worker = network.homes[1]!;
    network.give(["shop"], worker);
    const taken = network.provide(worker);
    expect(taken).toEqual([{ tag: "taken", value: expect.objectContaining({ contracts: 1, blamed: null }) }]);
  });
});

describe("a host", () => {
  const setUp = async () => {
    const network = await ProvisionedNetwork.create(at, { others: 2 });
    const [worker, other] = network.homes.slice(3) as [EnclaveHome, EnclaveHome];
    network.give(["shop"], worker);
    return { network, worker, other };
  };

  test("may name who is late, or who is not, and changes nothing but whom is asked", async () => {
    const { network, worker } = await setUp();
    using _ = network;
    const first = worker.enclave.provision([]).messages;
    expect(first).toHaveLength(2);
    expect(worker.enclave.provision([publicOf("nobody"), worker.keys.identityKey]).messages).toEqual([]);
    const hedges = worker.enclave.provision(first.map(({ to }) => to)).messages;
    expect(hedges).toHaveLength(2);
    expect(first.map(({ to }) => to)).not.toContain(hedges[0]!.to);
    for (const { to, bytes } of [...first.slice(1), hedges[0]!]) {
      const answer = network.deliver(to, bytes);
      network.deliver(worker.keys.identityKey, answer.value as Uint8Array);
    }
    expect(worker.enclave.provision([]).missing).toBe(0);
  });

  test("that repeats a question or an answer, or brings it to another, is refused", async () => {
    const { network, worker, other } = await setUp();
    using _ = network;
    const [question] = worker.enclave.provision([]).messages;
    const { to, bytes } = question!;
    const answer = network.deliver(to, bytes).value as Uint8Array;
    expect(() => network.deliver(to, bytes)).toThrow(refusedWith("MESSAGE_INVALID", "Replayed"));
    expect(() => other.enclave.deliver(answer)).toThrow(refusedWith("MESSAGE_INVALID", "NotForUs"));
    expect(() => other.enclave.deliver(bytes)).toThrow(refusedWith("MESSAGE_INVALID", "NotForUs"));
    expect(network.deliver(worker.keys.identityKey, answer)).toMatchObject({ tag: "taken", value: { from: to } });
    expect(() => network.deliver(worker.keys.identityKey, answer)).toThrow(refusedWith("MESSAGE_INVALID", "Replayed"));
  });

  test("that keeps blocks from a gatekeeper has it refuse, with how far it is", async () => {
    const { network, worker } = await setUp();
    using _ = network;
    const { height } = network.chain;
    network.chain.block([
      network.chain.message("rich", {
        tag: "deployContract",
        value: { name: Buffer.from("new"), worker: worker.keys.identityKey },
      }),
    ]);
    worker.follow(network.chain);
    const { messages } = worker.enclave.provision([]);
    const refused = messages.map(({ to, bytes }) => {
      const answer = network.deliver(to, bytes).value as Uint8Array;
      return network.deliver(worker.keys.identityKey, answer);
    });
    for (const each of refused)
      expect(each).toMatchObject({ tag: "refused", value: { reason: "NotAssigned", height } });
    for (const home of network.homes) home.follow(network.chain);
    network.provide(worker);
    network.provide(worker);
    expect(worker.enclave.provision([]).missing).toBe(0);
  });

  test("sees neither keys nor partials nor shares in what crosses", async () => {
    const { network, worker } = await setUp();
    using _ = network;
    network.provide(worker);
    network.step();
    network.step();
    const { contracts, sharings } = network.chain.ledger.state;
    const [contract, { ecdhKey }] = [...contracts][0]!;
    const shares = network.homes.slice(0, 3).map((home) => home.sealedShare(sharings[0]!.epoch));
    const secrets = secretsOf(contract, shares);
    const crossed = Buffer.concat(network.crossed);
    for (const [what, secret] of Object.entries(secrets)) expect(crossed.includes(secret), what).toBe(false);
    // What is public of them does cross: these are the secrets, and this would find them.
    expect(toHex(SECP256K1_GROUP.multiplyBase([new Secret(Uint8Array.from(secrets["EcdhKey"]!))]).slice(1, 33))).toBe(
      `0x${ecdhKey!.publicKey.slice(4)}`,
    );
    expect(crossed.includes(Buffer.from(ecdhKey!.publicKey.slice(2), "hex"))).toBe(true);
    for (const share of shares) share[Symbol.dispose]();
  });
});

/** Everything secret about one contract. */
function secretsOf(contract: string, shares: readonly Share[]): Record<string, Buffer> {
  const group = SECP256K1_GROUP;
  const id = fromHex(contract, "an id");
  const { points } = hashContracts(group, id);
  using masterKey = new Secret(group.scalars.encode(interpolated(group, shares.slice(0, 2), 0)));
  const prf = group.multiplyAll(points, masterKey).subarray(1, 33);
  using key = expandContractKey(prf, contractKeyInfo(group.keySuite, 1, 0, id));
  using ecdhKey = contractEcdhKey(group, prf, 1, 0, id).scalar;
  const bytes = (secret: Secret): Buffer => secret.use((each) => Buffer.from(each));
  return {
    MasterKey: bytes(masterKey),
    "x(P)": Buffer.from(prf),
    "contract key": bytes(key),
    EcdhKey: bytes(ecdhKey),
    ...Object.fromEntries(shares.map(({ index, secret }) => [`share ${index}`, bytes(secret)])),
    ...Object.fromEntries(
      shares.map(({ index, secret }) => [
        `partial ${index}`,
        Buffer.from(group.multiplyAll(points, secret)).subarray(1, 33),
      ]),
    ),
    ...Object.fromEntries(
      [
        [1, 2],
        [1, 3],
        [2, 3],
      ].flatMap((quorum) =>
        quorum.map((index) => {
          const share = shares.find((each) => each.index === index)!;
          using zero = new Secret(new Uint8Array(32));
          const factor = lagrangeCoefficient(group.scalars.order, quorum, index);
          using scaled = group.multiplyAdd(share.secret, factor, zero);
          const partial = Buffer.from(group.multiplyAll(points, scaled)).subarray(1, 33);
          return [`partial ${index} of ${quorum.join()}`, partial] as const;
        }),
      ),
    ),
  };
}
