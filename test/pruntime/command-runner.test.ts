/** Commands of users, from sealed bytes to sealed bytes: what is executed, what is refused, and what the host sees. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../src/bytes.ts";
import type { KeySuite } from "../../src/keys/group.ts";
import { type CommandRecipient, newReplyKey, sealCommand } from "../../src/keys/sealed-command.ts";
import {
  KEY_VALUE_KEY_BYTES_MAX,
  KEY_VALUE_VALUE_BYTES_MAX,
  type KeyValueCommand,
} from "../../src/protocol/key-value-messages.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { CommandRunner, type ContractHolder } from "../../src/pruntime/command-runner.ts";
import { ContractWorker, assignedContract } from "../../src/pruntime/contract-worker.ts";
import { COMMAND_MESSAGE_BYTES_MAX } from "../../src/pruntime/boundary.ts";
import { type NetworkStore, openNetworkStore } from "../../src/store/network-store.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { StateStore } from "../../src/store/store.ts";
import { publicOf } from "../protocol/network.ts";
import { asking, get, put, remove, said } from "./contract-user.ts";
import { useFolder } from "./folder.ts";
import { OTHER_WORKER, Parties, WORKER, contractOf } from "./provisioning-parties.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();

/** What runs contracts with the keys of parties, as Enclave does. */
function holderOf(parties: Parties, store: StateStore): ContractHolder {
  const here = { store, id: contractOf("a store") } as NetworkStore;
  return {
    contract: (id) => ({ name: assignedContract(parties.network.state, publicOf(WORKER), id), store: here }),
    contractWorker: ({ store: on }, engine) => new ContractWorker({ store: on, engine, keys: parties.keys }),
  };
}

/** A runner of these contracts, and a user who knows their keys. */
function running(names: readonly string[] = ["shop"], keySuite: KeySuite = 1, store: StateStore = new MemoryStore()) {
  const parties = new Parties(keySuite);
  parties.give(names);
  parties.provide();
  const { rotationId } = parties.sharing;
  const ecdhKeys = parties.keys.publicEcdhKeys(rotationId, names.map(contractOf));
  const recipients = new Map<string, CommandRecipient>(
    names.map((name, index) => [
      name,
      {
        group: ledgerGroup(keySuite),
        contract: fromHex(contractOf(name), "an id"),
        rotationId,
        ecdhKey: fromHex(ecdhKeys[index]!, "an EcdhKey"),
      },
    ]),
  );
  const runner = new CommandRunner(holderOf(parties, store));
  const to = (name: string): CommandRecipient => recipients.get(name)!;
  const ask = async (command: KeyValueCommand, name = "shop", by = runner): Promise<string> => {
    const { sealed, read } = asking(to(name), command);
    return said(read(await by.execute(sealed)));
  };
  return { parties, runner, store, to, ask };
}

describe("a key-value contract", () => {
  test.each<[string, KeySuite]>([
    ["secp256k1", 1],
    ["ristretto255", 2],
  ])("keeps, gives, replaces and deletes values under keys, each contract its own: %s", async (_, suite) => {
    const { parties, ask } = running(["shop", "bank"], suite);
    using __ = parties;
    expect(await ask(get("a"))).toBe("nothing");
    expect(await ask(remove("a"))).toBe("nothing");
    expect(await ask(put("a", "one"))).toBe("done");
    expect(await ask(put("b", "two"))).toBe("done");
    expect([await ask(get("a")), await ask(get("b")), await ask(get("c"))]).toEqual(["one", "two", "nothing"]);
    expect(await ask(put("a", "three"))).toBe("done");
    expect([await ask(get("a")), await ask(get("a"), "bank")]).toEqual(["three", "nothing"]);
    expect(await ask(put("a", "other"), "bank")).toBe("done");
    expect([await ask(remove("a")), await ask(remove("a")), await ask(get("a"))]).toEqual([
      "done",
      "nothing",
      "nothing",
    ]);
    expect([await ask(get("b")), await ask(get("a"), "bank")]).toEqual(["two", "other"]);
  });

  test("is to a user what a map is", async () => {
    const { parties, ask } = running();
    using _ = parties;
    const map = new Map<string, string>();
    const key = fc.constantFrom("", "a", "aa", "\0", "b");
    const step = fc.oneof(
      fc.record({ tag: fc.constant("put"), key, value: fc.string({ maxLength: 5 }) }),
      fc.record({ tag: fc.constantFrom("get", "delete"), key, value: fc.constant("") }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
        for (const { tag, key: name, value } of steps) {
          const before = map.get(name);
          if (tag === "put") {
            map.set(name, value);
            expect(await ask(put(name, value))).toBe("done");
          } else if (tag === "get") {
            expect(await ask(get(name))).toBe(before ?? "nothing");
          } else {
            map.delete(name);
            expect(await ask(remove(name))).toBe(before === undefined ? "nothing" : "done");
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  test("takes keys and values as long as may be, and its answers cross the boundary", async () => {
    const { parties, runner, to } = running();
    using _ = parties;
    const key = new Uint8Array(KEY_VALUE_KEY_BYTES_MAX).fill(1);
    const value = new Uint8Array(KEY_VALUE_VALUE_BYTES_MAX).fill(2);
    const longest = asking(to("shop"), { tag: "put", value: { key, value } });
    expect(longest.sealed.length).toBeLessThanOrEqual(COMMAND_MESSAGE_BYTES_MAX);
    expect(longest.read(await runner.execute(longest.sealed)).tag).toBe("done");
    const asked = asking(to("shop"), { tag: "get", value: key });
    const answer = await runner.execute(asked.sealed);
    expect(answer.length).toBeLessThanOrEqual(COMMAND_MESSAGE_BYTES_MAX);
    expect(asked.read(answer)).toEqual({ tag: "value", value });
  });

  test("does what came first first, and loses nothing of what comes at once", async () => {
    const { parties, ask } = running(["shop", "bank"]);
    using _ = parties;
    const many = Array.from({ length: 30 }, (__, index) => index);
    const puts = many.map((index) => ask(put("same", String(index))));
    const others = many.map((index) => ask(put(`key ${index}`, String(index)), index % 2 === 0 ? "shop" : "bank"));
    const last = ask(get("same"));
    expect(new Set(await Promise.all([...puts, ...others]))).toEqual(new Set(["done"]));
    expect(await last).toBe("29");
    for (const index of many)
      expect(await ask(get(`key ${index}`), index % 2 === 0 ? "shop" : "bank")).toBe(String(index));
  });

  test("keeps its states in the network's store, over restarts, where its host finds neither keys nor values", async () => {
    const { parties, ask } = running();
    using _ = parties;
    const [key, value] = ["a key that is the secret", "a value that is nobody else's"];
    const path = at("states.sqlite");
    const genesisHash = parties.network.ledger.genesisHash;
    {
      const { store } = await openNetworkStore(path, genesisHash);
      await using runner = new CommandRunner(holderOf(parties, store));
      expect(await ask(put(key, value), "shop", runner)).toBe("done");
      await store.close();
    }
    const bytes = readFileSync(path);
    expect(bytes.includes(Buffer.from(fromHex(contractOf("shop"), "an id")))).toBe(true);
    expect([bytes.includes(key), bytes.includes(value)]).toEqual([false, false]);
    const { store } = await openNetworkStore(path, genesisHash);
    await using runner = new CommandRunner(holderOf(parties, store));
    expect(await ask(get(key), "shop", runner)).toBe(value);
    await store.close();
  });

  test("says to the user alone what went wrong", async () => {
    const failing = new MemoryStore();
    const { parties, ask } = running(["shop"], 1, failing);
    using _ = parties;
    await ask(put("a", "one"));
    const { commit } = failing;
    failing.commit = () => Promise.reject(new TypeError("words that nobody foresaw"));
    expect(await ask(put("a", "two"))).toBe("INTERNAL");
    failing.commit = commit;
    const page = (await failing.find(fromHex(contractOf("shop"), "an id"), new Uint8Array(0)))!;
    const body = page.body.slice();
    body[body.length - 1]! ^= 1;
    const write = { contract: page.contract, lowerBound: page.lowerBound, expected: page.version, body, counts: [] };
    await failing.commit({ groups: [[write]], sealedUnder: null });
    expect(await ask(get("a"))).toBe("TAG_MISMATCH");
  });
});

describe("a command", () => {
  test("that is none is refused, whatever its bytes, and does no harm", async () => {
    const { parties, runner, to, ask } = running();
    using _ = parties;
    await ask(put("a", "one"));
    const { sealed } = asking(to("shop"), put("a", "two"));
    const codes = new Set<string>();
    const refuse = async (bytes: Uint8Array): Promise<void> => {
      const { code } = (await runner.execute(bytes).then(
        () => ({ code: "executed" }),
        (error: unknown) => error,
      )) as { code: string };
      codes.add(code);
    };
    await refuse(new Uint8Array(0));
    await refuse(sealed.subarray(0, 40));
    await refuse(Buffer.concat([sealed, Buffer.of(0)]));
    for (let index = 0; index < sealed.length; index++) await refuse(sealed.with(index, sealed[index]! ^ 0x10));
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), refuse), { numRuns: 100 });
    expect([...codes].sort()).toEqual(["COMMAND_INVALID", "KEY_NOT_PROVISIONED", "KEY_UNAVAILABLE"]);
    expect(await ask(get("a"))).toBe("one");
  });

  test("that opens and is not understood, or has no reply key, is not executed", async () => {
    const { parties, runner, to, ask } = running();
    using _ = parties;
    const recipient = to("shop");
    const { group } = recipient;
    const none = new Uint8Array(group.elementBytes).fill(0xff);
    const notUnderstood = refusedWith("COMMAND_INVALID", "NotUnderstood");
    const nobody = asking(recipient, put("a", "one"), { ...newReplyKey(group), publicKey: none });
    await expect(runner.execute(nobody.sealed)).rejects.toThrow(notUnderstood);
    const { publicKey } = newReplyKey(group);
    for (const body of [Buffer.of(), publicKey, Buffer.concat([publicKey, Buffer.of(3, 0)]), Buffer.from("buy")]) {
      await expect(runner.execute(sealCommand(recipient, body))).rejects.toThrow(notUnderstood);
    }
    expect(await ask(get("a"))).toBe("nothing");
  });

  test("to one contract that is brought as one to another is refused", async () => {
    const { parties, runner, to, ask } = running(["shop", "bank"]);
    using _ = parties;
    const { sealed } = asking(to("shop"), put("a", "one"));
    const renamed = sealed.slice();
    renamed.set(to("bank").contract, 6);
    await expect(runner.execute(renamed)).rejects.toThrow(refusedWith("COMMAND_INVALID", "BadTag"));
    const mixed = asking({ ...to("bank"), ecdhKey: to("shop").ecdhKey }, put("a", "one"));
    await expect(runner.execute(mixed.sealed)).rejects.toThrow(refusedWith("COMMAND_INVALID", "BadTag"));
    expect(await ask(get("a"), "bank")).toBe("nothing");
  });

  test("to a contract that was given to another pRuntime is refused, also one that waits for its turn", async () => {
    const { parties, runner, to, ask } = running();
    using _ = parties;
    await ask(put("a", "one"));
    const { sealed } = asking(to("shop"), get("a"));
    const first = runner.execute(sealed);
    const waits = runner.execute(asking(to("shop"), get("a")).sealed);
    const outcomes = Promise.allSettled([first, waits]);
    parties.give(["shop"], OTHER_WORKER);
    for (const { status, ...rest } of await outcomes) {
      expect(status).toBe("rejected");
      expect(rest).toMatchObject({ reason: { code: "KEY_NOT_PROVISIONED" } });
    }
    await expect(runner.execute(sealed)).rejects.toThrow(refusedWith("KEY_NOT_PROVISIONED"));
    // It comes back, and its states were kept here.
    parties.give(["shop"]);
    parties.provide();
    expect(await ask(get("a"))).toBe("one");
  });

  test("to what is no contract, or has no keys yet, is refused", async () => {
    const { parties, runner, to } = running();
    using _ = parties;
    parties.give(["new"]);
    for (const name of ["nobody's", "new"]) {
      const contract = fromHex(contractOf(name), "an id");
      const { sealed } = asking({ ...to("shop"), contract }, get("a"));
      await expect(runner.execute(sealed)).rejects.toThrow(refusedWith("KEY_NOT_PROVISIONED"));
    }
    const { sealed } = asking({ ...to("shop"), rotationId: 7 }, get("a"));
    await expect(runner.execute(sealed)).rejects.toThrow(refusedWith("KEY_UNAVAILABLE"));
  });
});

describe("an answer", () => {
  test("is read by who has asked, and by nobody else, and not if it was altered or is another's", async () => {
    const { parties, runner, to } = running();
    using _ = parties;
    const asked = asking(to("shop"), put("a", "one"));
    const answer = await runner.execute(asked.sealed);
    expect(said(asked.read(answer))).toBe("done");
    const other = asking(to("shop"), put("a", "one"));
    const invalid = expect.objectContaining({ code: "COMMAND_INVALID" });
    expect(() => other.read(answer)).toThrow(invalid);
    // Of two commands with one reply key, neither answer is taken for the other.
    const again = asking(to("shop"), put("a", "one"), asked.replyKey);
    expect(() => again.read(answer)).toThrow(refusedWith("COMMAND_INVALID", "BadTag"));
    for (let index = 0; index < answer.length; index++) {
      const altered = Uint8Array.from(answer).with(index, answer[index]! ^ 1);
      expect(() => asked.read(altered)).toThrow(invalid);
    }
    expect(() => asked.read(answer.subarray(1))).toThrow(invalid);
    expect(() => asked.read(new Uint8Array(0))).toThrow(invalid);
  });

  test("has the length of what it says, and the command's header, and no more is seen of it", async () => {
    const { parties, runner, to } = running();
    using _ = parties;
    const secret = "words that nobody between may read";
    const asked = asking(to("shop"), put("a", secret));
    const crossed = [asked.sealed, await runner.execute(asked.sealed)];
    const question = asking(to("shop"), get("a"));
    crossed.push(question.sealed, await runner.execute(question.sealed));
    for (const bytes of crossed) expect(Buffer.from(bytes).includes(secret)).toBe(false);
    expect(said(question.read(crossed[3]!))).toBe(secret);
    expect(crossed[3]!.subarray(0, 38)).toEqual(question.sealed.subarray(0, 38));
  });
});
