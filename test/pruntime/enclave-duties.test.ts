/** What the enclave of a network signs, when, and how often: whatever its host says, hands in, or kills. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { readMessage } from "../../src/protocol/message.ts";
import { EnclaveFiles } from "../../src/pruntime/enclave-files.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { accountOf } from "../../src/protocol/account.ts";
import type { Authority } from "./authority.ts";
import { type EnclaveHome, createGatekeeper, relay, said } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();
afterEach(() => void vi.restoreAllMocks());
const gatekeeper = (changes: Partial<Genesis> = {}): ReturnType<typeof createGatekeeper> =>
  createGatekeeper(at("home"), changes);

describe("a heartbeat", () => {
  test("is signed for each session, once, for the state that the session before ended with", async () => {
    const { home, chain } = await gatekeeper({ ecdhKeys: { interval: 1_000, overlap: 0 } });
    using _ = home;
    let messages = home.catchUp(chain);
    const done: string[] = [];
    const states: string[] = [];
    for (let height = 1; height <= 9; height++) {
      chain.block(messages);
      done.push(...messages.map((message) => `${said(message)} is ${chain.outcomes.join()}`));
      states.push(...messages.map((message) => (readMessage(message)!.call.value as { stateHash: string }).stateHash));
      messages = home.follow(chain);
    }
    expect(done).toEqual([0, 1, 2, 3, 4].map((session) => `${session}: heartbeat of session ${session} is done`));
    expect(new Set(states).size).toBe(5);
  });

  test("of a session that is over is not signed while the host says that there are more blocks", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.enclave.join(chain.genesis);
    for (const block of chain.to(5)) expect(home.enclave.follow([block], true).messages).toEqual([]);
    expect(home.follow(chain).map(said)).toEqual(["0: heartbeat of session 3"]);
  });

  test("is not owed to a host that says for ever that there are more, and lies", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.enclave.join(chain.genesis);
    chain.to(30);
    expect(home.follow(chain, true)).toEqual([]);
    // It stays where the chain is, and can say so when it is let.
    expect(home.follow(chain, true)).toEqual([]);
    expect(home.follow(chain).map(said)).toEqual(["0: heartbeat of session 15"]);
  });

  test("goes out at once to a host that lies that there are no more, and to that session alone", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    chain.to(3);
    home.enclave.join(chain.genesis);
    const signed = chain.blocks.map((block) => home.enclave.follow([block], false).messages.map(said));
    expect(signed).toEqual([1, 1, 1].map((session) => [`0: heartbeat of session ${session}`]));
  });
});

describe("what it says", () => {
  test("is repeated, byte for byte, until it is on chain, however long; then the next comes", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    const [message] = home.catchUp(chain);
    for (let height = 1; height <= 12; height++) {
      chain.block();
      if (height % 5 === 0) await home.restart();
      const repeated = height % 5 === 0 ? home.catchUp(chain) : home.follow(chain);
      expect(repeated.map(toHex)).toEqual([toHex(message!)]);
    }
    chain.block([message!]);
    // Its session is over: it counts, and does nothing.
    expect(chain.outcomes).toEqual(["WrongSession"]);
    expect(home.follow(chain).map(said)).toEqual(["1: setEcdhKey"]);
  });

  test("changes nothing when it is handed in twice, or again when it is old", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    const [first] = home.catchUp(chain);
    chain.block([first!, first!]);
    expect(chain.outcomes).toEqual(["done", "SequenceTooLow"]);
    const [second] = home.follow(chain);
    chain.block([first!, second!, first!]);
    expect(chain.outcomes).toEqual(["SequenceTooLow", "done", "SequenceTooLow"]);
    expect(home.follow(chain)).toEqual([]);
    const later = relay(home, chain, 3, []);
    expect(later.map(said)).toEqual(["2: heartbeat of session 2"]);
  });

  test("is not said at all for a pRuntime that the chain does not have", async () => {
    const { chain } = await gatekeeper();
    const { home } = await createGatekeeper(at("other"));
    using _ = home;
    expect(home.catchUp(chain)).toEqual([]);
    chain.to(20);
    expect(home.follow(chain)).toEqual([]);
    expect(home.enclave.status).toMatchObject({ registered: false, gatekeeper: false, height: 20 });
  });
});

describe("an EcdhKey", () => {
  test("is taken from the genesis, changed once an interval, and no heartbeat is late for it", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    const first = home.keys.ecdhKey;
    let messages = home.catchUp(chain);
    const changes: number[] = [];
    const failed: string[] = [];
    const keys = [first];
    for (let height = 1; height <= 42; height++) {
      chain.block(messages);
      failed.push(...chain.outcomes.filter((outcome) => outcome !== "done"));
      const published = chain.ledger.state.workers.get(accountOf(home.keys.identityKey))!.ecdhKey;
      if (published !== keys.at(-1)) {
        keys.push(published);
        changes.push(height);
      }
      messages = home.follow(chain);
      expect(home.keys.ecdhKey).toBe(published);
    }
    expect(changes).toEqual([7, 14, 21, 28, 35, 42]);
    expect(new Set(keys).size).toBe(7);
    expect(failed).toEqual([]);
  });

  test("is changed where sessions have one block, and each of them asks for a heartbeat", async () => {
    const { home, chain } = await gatekeeper({ sessionBlocks: 1 });
    using _ = home;
    const calls: string[] = [];
    let messages = home.catchUp(chain);
    for (let height = 1; height <= 14; height++) {
      calls.push(...messages.map((message) => readMessage(message)!.call.tag));
      chain.block(messages);
      expect(chain.outcomes).toEqual(["done"]);
      messages = home.follow(chain);
    }
    expect(calls.filter((call) => call === "setEcdhKey")).toHaveLength(2);
  });

  test("that could not be sealed is not published, nor after that before it is", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    chain.block(relay(home, chain, 5, home.catchUp(chain)));
    const full = vi.spyOn(EnclaveFiles.prototype, "writeEcdhKeys").mockImplementation(() => {
      throw new Error("no space is left");
    });
    for (let again = 0; again < 2; again++) expect(() => home.follow(chain)).toThrow("no space is left");
    full.mockRestore();
    const [message] = home.follow(chain);
    expect(said(message!)).toBe("4: setEcdhKey");
    chain.block([message!]);
    await home.restart();
    expect(home.catchUp(chain)).toHaveLength(1);
    expect(home.keys.ecdhKey).toBe(readMessage(message!)!.call.value);
  });
});

const WRITES = ["writeProgress", "writeEcdhKeys", "writeLedger", "keepOnlyLedger"] as const;

/** Lets so many writes of pRuntimes be done, and none after them. @returns ends that, and says whether one was not done. */
function killAfter(writes: number): () => boolean {
  let asked = 0;
  const spies = WRITES.map((name) => {
    const original = EnclaveFiles.prototype[name] as (this: EnclaveFiles, ...args: unknown[]) => void;
    return vi.spyOn(EnclaveFiles.prototype, name).mockImplementation(function (this: EnclaveFiles, ...args: unknown[]) {
      if (++asked > writes) throw new Error("killed");
      original.apply(this, args);
    });
  });
  return () => {
    for (const spy of spies) spy.mockRestore();
    return asked > writes;
  };
}

/** Runs a pRuntime over a chain; where it is killed, it starts again from its files. @returns what it said. */
async function run(
  home: EnclaveHome,
  chain: Authority,
  writes: number,
): Promise<[said: Uint8Array[], killed: boolean]> {
  const end = killAfter(writes);
  const all: Uint8Array[] = [];
  let joined = false;
  let killed = false;
  while (chain.height < 10) {
    let messages: Uint8Array[];
    try {
      messages = joined ? home.follow(chain) : home.catchUp(chain);
    } catch (error) {
      if (killed || !end()) throw error;
      killed = true;
      await home.restart();
      messages = home.catchUp(chain);
    }
    joined = true;
    all.push(...messages);
    chain.block(messages);
    expect(chain.outcomes.filter((outcome) => outcome !== "done")).toEqual([]);
  }
  end();
  return [all, killed];
}

test("killed between any two of its writes, it says what it would have said, and no session or sequence twice", async () => {
  const expected = [0, 1, 2, 3].map((session) => `${session}: heartbeat of session ${session}`);
  expected.push("4: setEcdhKey", "5: heartbeat of session 4", "6: heartbeat of session 5");
  let kills = 0;
  for (let killed = true; killed;) {
    const { home, chain } = await createGatekeeper(at(`home-${kills}`));
    using _ = home;
    let all: Uint8Array[];
    [all, killed] = await run(home, chain, kills);
    expect(all.map(said), `killed after ${kills} writes`).toEqual(expected);
    home.catchUp(chain);
    expect(home.keys.ecdhKey).toBe(chain.ledger.state.workers.get(accountOf(home.keys.identityKey))!.ecdhKey);
    kills++;
  }
  expect(kills).toBeGreaterThan(12);
});

test("killed while it takes note of its next EcdhKey, it has seen the block or not: it is never half on a fork", async () => {
  const ends = new Set<string>();
  for (let writes = 0; !ends.has("whole"); writes++) {
    const { home, chain } = await createGatekeeper(at(`home-${writes}`));
    using _ = home;
    const due = relay(home, chain, 6, home.catchUp(chain));
    const fork = chain.fork();
    chain.block(due);
    fork.to(8);
    const end = killAfter(writes);
    let whole = true;
    try {
      home.follow(chain);
    } catch {
      whole = false;
    }
    end();
    await home.restart();
    let seen = false;
    try {
      expect(home.catchUp(fork).map(said)).toEqual(due.map(said));
    } catch (error) {
      expect(error).toEqual(refusedWith("BLOCK_INVALID", "fork"));
      seen = true;
      home.catchUp(chain);
    }
    ends.add(whole ? "whole" : seen ? "seen" : "not seen");
  }
  expect([...ends]).toEqual(["not seen", "seen", "whole"]);
});
