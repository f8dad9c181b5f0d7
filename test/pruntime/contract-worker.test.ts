/** Contracts run on keys that gatekeepers gave: states, commands, and what has no keys. */
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes.ts";
import { CONTRACT_KIND, deployedName } from "../../src/contract-id.ts";
import { decodeHeader } from "../../src/engine/sealed-state.ts";
import type { KeySuite } from "../../src/keys/group.ts";
import { MasterKey } from "../../src/keys/master-key.ts";
import { sealCommand } from "../../src/keys/sealed-command.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { ContractStates } from "../../src/pruntime/contract-states.ts";
import { ContractWorker } from "../../src/pruntime/contract-worker.ts";
import { ProvisionedKeys } from "../../src/pruntime/provisioned-keys.ts";
import { Provisioning } from "../../src/pruntime/provisioning.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import { Secret } from "../../src/secret.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { findRecord } from "../../src/store/page.ts";
import type { ContractName } from "../../src/store/store.ts";
import { interpolated } from "../keys/interpolation.ts";
import { idOf, publicOf } from "../protocol/network.ts";
import { ENGINE, text } from "../rotation/sealed-store.ts";
import { OTHER_WORKER, Parties, contractOf } from "./provisioning-parties.ts";

const SUITE = "aes-256-gcm";
const refused = (code: string, detail: object = {}): unknown =>
  expect.objectContaining({ code, detail: expect.objectContaining(detail) });
const nameOf = (name: string): ContractName => ({
  id: fromHex(contractOf(name), "an id"),
  kind: CONTRACT_KIND.deployed,
  name: deployedName(fromHex(idOf("rich"), "an account"), Buffer.from(name)),
});
const SHOP = nameOf("shop");

/** Parties whose worker has the keys of these contracts, and what it runs them with. */
function running(names: readonly string[] = ["shop"], keySuite: KeySuite = 1, refreshBlocks?: number) {
  const parties = new Parties(keySuite, 2, refreshBlocks);
  parties.give(names);
  parties.provide();
  const store = new MemoryStore();
  const worker = new ContractWorker({ store, engine: ENGINE, keys: parties.keys });
  return { parties, store, worker };
}

describe("a contract's states", () => {
  test.each<[string, KeySuite]>([
    ["secp256k1", 1],
    ["ristretto255", 2],
  ])("are put, got, replaced and deleted, one by one or together: %s", async (_, keySuite) => {
    const { parties, worker } = running(["shop", "bank"], keySuite);
    using __ = parties;
    expect(worker.isReady(SHOP.id)).toBe(true);
    expect(await worker.get(SHOP.id, text("a"))).toBeNull();
    await worker.put(SHOP, text("a"), text("one"));
    await worker.put(SHOP, text("a"), text("two"));
    const edits = [
      { key: text("b"), value: text("three") },
      { key: text("c"), value: text("") },
    ];
    const written = await worker.write([
      { contract: SHOP, edits },
      { contract: nameOf("bank"), edits: edits.slice(0, 1) },
    ]);
    expect(written).toEqual({ written: 3, bytes: 10, unchanged: 0, deleted: 0 });
    const got = (name: string, key: string) => worker.get(nameOf(name).id, text(key));
    expect(await Promise.all([got("shop", "a"), got("shop", "b"), got("shop", "c"), got("bank", "b")])).toEqual(
      ["two", "three", "", "three"].map(text),
    );
    await worker.put(SHOP, text("a"), null);
    expect(await got("shop", "a")).toBeNull();
    expect(await got("bank", "a")).toBeNull();
  });

  test("are sealed under the sharing's rotation id, as whoever had the MasterKey whole would", async () => {
    const { parties, store, worker } = running();
    using _ = parties;
    await worker.put(SHOP, text("a"), text("one"));
    const sealed = findRecord((await store.find(SHOP.id, text("a")))!, text("a"))!;
    expect(decodeHeader(sealed)).toMatchObject({ suite: SUITE, rotationId: parties.sharing.rotationId });
    const group = ledgerGroup(1);
    const shares = [...parties.gatekeepers.held.values()].map((held) => held.share(parties.sharing.epoch)!);
    const scalar = group.scalars.encode(interpolated(group, shares.slice(1, 3), 0));
    using whole = new MasterKey(0, new Secret(scalar));
    await initialiseStore(store);
    using states = new ContractStates({ store, engine: ENGINE, suite: SUITE, masterKey: async () => whole.clone() });
    expect(await states.get(SHOP.id, text("a"))).toEqual(text("one"));
    await states.write([{ contract: SHOP, edits: [{ key: text("b"), value: text("two") }] }]);
    expect(await worker.get(SHOP.id, text("b"))).toEqual(text("two"));
  });

  test("that were altered are named", async () => {
    const { parties, store, worker } = running();
    using _ = parties;
    await worker.put(SHOP, text("a"), text("one"));
    const page = (await store.find(SHOP.id, text("a")))!;
    const body = page.body.slice();
    body[body.length - 1]! ^= 1;
    const write = { contract: page.contract, lowerBound: page.lowerBound, expected: page.version, body, counts: [] };
    await store.commit({ groups: [[write]], sealedUnder: null });
    const detail = { contract: contractOf("shop"), key: "0x61" };
    await expect(worker.get(SHOP.id, text("a"))).rejects.toThrow(refused("TAG_MISMATCH", detail));
  });

  test("go with the contract to another pRuntime, and stay behind its keys when it is given away", async () => {
    const { parties, store, worker } = running();
    using _ = parties;
    await worker.put(SHOP, text("a"), text("one"));
    parties.give(["shop"], OTHER_WORKER);
    const detail = { contract: contractOf("shop") };
    expect(worker.isReady(SHOP.id)).toBe(false);
    await expect(worker.get(SHOP.id, text("a"))).rejects.toThrow(refused("KEY_NOT_PROVISIONED", detail));
    await expect(worker.put(SHOP, text("a"), text("two"))).rejects.toThrow(refused("KEY_NOT_PROVISIONED", detail));
    using keys = new ProvisionedKeys();
    using provisioning = new Provisioning(publicOf(OTHER_WORKER), keys);
    const { ledger } = parties.network;
    provisioning.follow(ledger, null);
    for (const question of provisioning.ask(ledger, [])) {
      const answer = parties.answer(parties.nameOf(question), question, OTHER_WORKER);
      if (answer.tag === "partialsReply") provisioning.take(question.to, answer.value);
    }
    const next = new ContractWorker({ store, engine: ENGINE, keys });
    expect(await next.get(SHOP.id, text("a"))).toEqual(text("one"));
    await next.put(SHOP, text("a"), text("two"));
  });

  test("outlive a refresh of the shares", async () => {
    const { parties, worker } = running(["shop"], 1, 12);
    using _ = parties;
    await worker.put(SHOP, text("a"), text("one"));
    parties.follow(parties.gatekeepers.until("SharingAdopted"));
    expect(await worker.get(SHOP.id, text("a"))).toEqual(text("one"));
    await worker.put(SHOP, text("a"), text("two"));
  });
});

describe("a contract without keys", () => {
  test("can't be read or written, and stops the others of a batch before anything is written", async () => {
    const { parties, store, worker } = running();
    using _ = parties;
    const bank = nameOf("bank");
    const edits = [{ key: text("a"), value: text("one") }];
    const missing = refused("KEY_NOT_PROVISIONED", { contract: contractOf("bank") });
    await expect(worker.get(bank.id, text("a"))).rejects.toThrow(missing);
    await expect(worker.put(bank, text("a"), null)).rejects.toThrow(missing);
    await expect(
      worker.write([
        { contract: SHOP, edits },
        { contract: bank, edits },
      ]),
    ).rejects.toThrow(missing);
    expect(await store.countByRotationId()).toEqual(new Map());
    expect(worker.isReady(bank.id)).toBe(false);
  });

  test("is every one before a MasterKey is shared", async () => {
    using keys = new ProvisionedKeys();
    const worker = new ContractWorker({ store: new MemoryStore(), engine: ENGINE, keys });
    expect(worker.isReady(SHOP.id)).toBe(false);
    await expect(worker.get(SHOP.id, text("a"))).rejects.toThrow(refused("KEY_UNAVAILABLE"));
  });

  test("has states of a generation that is over, which say so", async () => {
    const { parties, store, worker } = running();
    using _ = parties;
    await worker.put(SHOP, text("a"), text("one"));
    const { keys } = parties;
    keys.begin({ rotationId: 1, keySuite: 1, cipherSuite: "aes-256-gcm" });
    keys.add(1, contractOf("shop"), new Uint8Array(32).fill(1));
    expect(await worker.get(SHOP.id, text("a"))).toEqual(text("one"));
    // Both are in force: what is written goes under the one that the chain says.
    keys.sealUnder(1);
    await worker.put(SHOP, text("b"), text("new"));
    expect(await store.countByRotationId()).toEqual(
      new Map([
        [0, 1],
        [1, 1],
      ]),
    );
    keys.end(0);
    await expect(worker.get(SHOP.id, text("a"))).rejects.toThrow(refused("TAG_MISMATCH"));
    await worker.put(SHOP, text("a"), text("two"));
    expect(await worker.get(SHOP.id, text("a"))).toEqual(text("two"));
  });
});

describe("a command", () => {
  test.each<[string, KeySuite]>([
    ["secp256k1", 1],
    ["ristretto255", 2],
  ])("that a user seals to what is published opens where the contract runs: %s", (_, keySuite) => {
    const { parties, worker } = running(["shop", "bank"], keySuite);
    using __ = parties;
    const { rotationId } = parties.sharing;
    const group = ledgerGroup(keySuite);
    const [shop, bank] = parties.keys.publicEcdhKeys(rotationId, ["shop", "bank"].map(contractOf)) as [string, string];
    const seal = (ecdhKey: string): Uint8Array =>
      sealCommand({ group, contract: SHOP.id, rotationId, ecdhKey: fromHex(ecdhKey, "a key") }, text("buy"));
    const opened = worker.openCommand(seal(shop));
    using body = opened.body;
    expect(body.use((bytes) => Buffer.from(bytes).toString())).toBe("buy");
    expect([toHex(opened.contract), opened.rotationId]).toEqual([contractOf("shop"), rotationId]);
    // Sealed to another contract's key, or with a bit flipped.
    expect(() => worker.openCommand(seal(bank))).toThrow(refused("COMMAND_INVALID", { reason: "BadTag" }));
    const flipped = seal(shop);
    flipped[flipped.length - 1]! ^= 1;
    expect(() => worker.openCommand(flipped)).toThrow(refused("COMMAND_INVALID", { reason: "BadTag" }));
    expect(() => worker.openCommand(new Uint8Array(10))).toThrow(refused("COMMAND_INVALID", { reason: "Malformed" }));
    // Of another generation, or to a contract that is not run here.
    expect(() => worker.openCommand(seal(shop).with(2, 1))).toThrow(refused("KEY_UNAVAILABLE"));
    expect(() => worker.openCommand(seal(shop).with(6, 0))).toThrow(refused("KEY_NOT_PROVISIONED"));
    parties.give(["shop"], OTHER_WORKER);
    expect(() => worker.openCommand(seal(shop))).toThrow(refused("KEY_NOT_PROVISIONED"));
  });
});
