/** Old sealed files that a host puts back, and what the enclave of a network can tell of it by its chain, and what not. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { EnclaveFiles } from "../../src/pruntime/enclave-files.ts";
import { STRANGER } from "./authority.ts";
import { EnclaveHome, createGatekeeper, relay, said } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();
afterEach(() => void vi.restoreAllMocks());
const gatekeeper = (): ReturnType<typeof createGatekeeper> => createGatekeeper(at("home"));
const OLD = refusedWith("SEALED_STATE_OLD");
const UNAVAILABLE = refusedWith("KEY_UNAVAILABLE");

/** What it refuses when it does not act; its keys may still be known. */
function expectNothingDone(home: EnclaveHome): void {
  expect(() => home.enclave.follow([], false)).toThrow(OLD);
  expect(() => home.enclave.ping(STRANGER.identityKey)).toThrow(OLD);
  expect(() => home.enclave.deliver(new Uint8Array(400))).toThrow(OLD);
}

describe("old sealed files", () => {
  test("of what was signed are known by a chain that has more of it: then nothing is done, joined again or not", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    let messages = home.catchUp(chain);
    const kept = [];
    for (; chain.height < 9; messages = home.follow(chain)) {
      kept.push(home.keep());
      chain.block(messages);
    }
    const last = home.keep();
    // Whatever was sealed at heights up to 6 has its successor on chain since.
    for (const [height, files] of kept.slice(0, 7).entries()) {
      for (const names of [["progress.sealed"], ["progress.sealed", "ecdh.sealed"]]) {
        await home.restart(last);
        await home.restart(files, ...names);
        expect(() => home.catchUp(chain), `${names} of height ${height}`).toThrow(OLD);
        expectNothingDone(home);
        home.enclave.join(chain.genesis);
        expect(() => home.follow(chain), "joined again").toThrow(OLD);
        await expect(
          home.enclave.register(`0x${"00".repeat(32)}`, () => Promise.resolve(new Uint8Array(0))),
        ).rejects.toEqual(OLD);
      }
    }
    await home.restart(last);
    expect(home.catchUp(chain).map(toHex)).toEqual(messages.map(toHex));
  });

  test("of EcdhKeys, without the one that is published, are known by it: nothing is done, and nothing opened", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    const old = home.keep();
    let messages = relay(home, chain, 7, home.catchUp(chain));
    messages = relay(home, chain, 8, messages);
    const last = home.keep();
    for (const more of [false, true]) {
      await home.restart(last);
      await home.restart(old, "ecdh.sealed");
      if (more) home.catchUp(chain, true);
      else expect(() => home.catchUp(chain)).toThrow(OLD);
      expectNothingDone(home);
    }
    await home.restart(last);
    expect(home.catchUp(chain).map(toHex)).toEqual(messages.map(toHex));
  });

  test("from before what is not on chain yet can't be told: it says the same again, in the same bytes", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    chain.block(home.catchUp(chain));
    const before = home.keep();
    const [message] = home.follow(chain);
    await home.restart(before);
    expect(home.catchUp(chain).map(toHex)).toEqual([toHex(message!)]);
  });

  test("from before an EcdhKey that is not on chain yet make it offer another, and only one of the two counts", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    chain.block(relay(home, chain, 5, home.catchUp(chain)));
    const before = home.keep();
    const [first] = home.follow(chain);
    const after = home.keep();
    await home.restart(before);
    const [second] = home.catchUp(chain);
    expect([first!, second!].map(said)).toEqual(["4: setEcdhKey", "4: setEcdhKey"]);
    expect(toHex(first!)).not.toBe(toHex(second!));
    // The host has the choice, and what it chooses has a pRuntime that goes on, and one that does not act.
    chain.block([first!, second!]);
    expect(chain.outcomes).toEqual(["done", "SequenceTooLow"]);
    expect(() => home.follow(chain)).toThrow(OLD);
    await home.restart(after);
    expect(home.catchUp(chain)).toHaveLength(1);
  });

  test("of another pRuntime, or of another place, do not open", async () => {
    const { home, chain } = await gatekeeper();
    const other = await EnclaveHome.create(at("other"));
    using _ = home;
    using __ = other;
    home.catchUp(chain);
    const [own, foreign] = [home.keep(), other.keep()];
    home.kill();
    const put = (name: string, bytes: Buffer | undefined): void => home.write(name, bytes!);
    const open = (): Promise<void> => home.open();
    // Sealed by another key file; and by the same, but for another IdentityKey.
    for (const shared of [false, true]) {
      if (shared) put("key", foreign.get("key"));
      for (const [name, bytes] of shared ? foreign : own) if (name !== "key") put(name, bytes);
      for (const name of ["identity.sealed", "ecdh.sealed", "progress.sealed"]) {
        put(name, (shared ? own : foreign).get(name));
        await expect(open(), name).rejects.toEqual(UNAVAILABLE);
        put(name, (shared ? foreign : own).get(name));
      }
    }
    for (const [name, bytes] of own) put(name, bytes);
    put("ecdh.sealed", own.get("progress.sealed"));
    await expect(open()).rejects.toEqual(UNAVAILABLE);
    put("ecdh.sealed", own.get("ecdh.sealed"));
    await open();
    expect(home.catchUp(chain)).toHaveLength(1);
  });

  test("that are missing, cut off or altered do not open; and once they are mended it starts, without a restart", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    const kept = home.keep();
    home.kill();
    for (const name of ["identity.sealed", "ecdh.sealed", "progress.sealed", "key"]) {
      const bytes = kept.get(name)!;
      const altered = Buffer.from(bytes);
      altered[altered.length >> 1]! ^= 1;
      for (const wrong of [null, bytes.subarray(0, -1), Buffer.alloc(0), altered]) {
        if (wrong === null) home.remove(name);
        else home.write(name, wrong);
        await expect(home.open(), name).rejects.toEqual(UNAVAILABLE);
      }
      home.write(name, bytes);
    }
    await home.open();
    expect(home.catchUp(chain)).toHaveLength(1);
  });
});

describe("a saved ledger", () => {
  test("that is what was sealed is a quick start; a missing, altered, or other one is replayed", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    chain.to(4);
    home.follow(chain);
    await home.shutDown();
    const before = home.keep();
    expect(home.enclave.join(chain.genesis)).toBe(4);
    chain.to(7);
    const [due] = home.follow(chain);
    await home.shutDown();
    const kept = home.keep();
    expect([...kept.keys()].filter((name) => name.startsWith("ledger"))).toEqual(["ledger-7"]);
    expect(home.enclave.join(chain.genesis)).toBe(7);
    const saved = kept.get("ledger-7")!;
    const altered = Buffer.from(saved);
    altered[altered.length >> 1]! ^= 1;
    const another = chain.fork();
    another.block([another.transfer()]);
    for (const wrong of [null, altered, saved.subarray(0, -1), before.get("ledger-4")!, another.ledger.encode()]) {
      home.kill();
      if (wrong === null) home.remove("ledger-7");
      else home.write("ledger-7", wrong);
      await home.open();
      expect(home.enclave.join(chain.genesis)).toBe(0);
      // Before it knows what it knew, it does nothing.
      for (const block of chain.blocks.slice(0, 6)) {
        expect(home.enclave.follow([block], false).messages).toEqual([]);
        expect(() => home.enclave.ping(STRANGER.identityKey)).toThrow(refusedWith("NOT_FOUND"));
      }
      expect(home.follow(chain).map(toHex)).toEqual([toHex(due!)]);
    }
  });

  test("in whose place there is a folder is replayed", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    chain.to(4);
    home.follow(chain);
    await home.shutDown();
    home.kill();
    home.remove("ledger-4");
    mkdirSync(home.path("ledger-4"));
    await home.open();
    expect(home.enclave.join(chain.genesis)).toBe(0);
    expect(home.follow(chain)).toHaveLength(1);
    chain.block();
    home.follow(chain);
    await home.shutDown();
    expect(home.enclave.join(chain.genesis)).toBe(5);
  });

  test("goes with what a kill left of others when the next one is saved", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    writeFileSync(home.path("ledger-3"), "old");
    writeFileSync(home.path(".ledger-3.new-0123456789abcdef"), "half of it");
    chain.to(4);
    home.follow(chain);
    await home.shutDown();
    expect(readdirSync(home.path("")).filter((name) => name.includes("ledger"))).toEqual(["ledger-4"]);
  });
});

describe("a pRuntime", () => {
  test("is made once, and not where there is a local home", async () => {
    using home = await EnclaveHome.create(at("home"));
    const taken = refusedWith("ALREADY_EXISTS");
    await expect(EnclaveHome.create(at("home"))).rejects.toEqual(taken);
    expect(home.enclave.status).toMatchObject({ software: true, height: 0, genesisHash: null });
    mkdirSync(at("local"));
    writeFileSync(at("local", "store.sqlite"), "");
    await expect(EnclaveHome.create(at("local"))).rejects.toEqual(taken);
    expect(existsSync(at("local", "pruntime"))).toBe(false);
  });

  test("whose folder another has is not opened", async () => {
    using home = await EnclaveHome.create(at("home"));
    await expect(home.open()).rejects.toEqual(refusedWith("STORE_BUSY"));
    home.kill();
    await home.open();
  });
});

test("a genesis that could not be sealed is not followed", async () => {
  const { home, chain } = await gatekeeper();
  using _ = home;
  const full = vi.spyOn(EnclaveFiles.prototype, "writeProgress").mockImplementation(() => {
    throw new Error("no space is left");
  });
  expect(() => home.enclave.join(chain.genesis)).toThrow("no space is left");
  full.mockRestore();
  expect(() => home.enclave.follow([], false)).toThrow(refusedWith("NOT_FOUND"));
  expect(home.catchUp(chain)).toHaveLength(1);
  // Nor does one that has followed forget its keys when they can't be read.
  chain.block();
  home.follow(chain);
  const unread = vi.spyOn(EnclaveFiles.prototype, "readEcdhKeys").mockImplementation(() => {
    throw new Error("no disk");
  });
  const { ecdhKey } = home.keys;
  expect(() => home.enclave.join(chain.genesis)).toThrow("no disk");
  unread.mockRestore();
  expect(home.keys.ecdhKey).toBe(ecdhKey);
  expect(home.follow(chain)).toHaveLength(1);
});
