/** What a hostile host can do to the enclave of a network, and what comes of it. */
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { encodeGenesis, hashGenesis } from "../../src/protocol/genesis.ts";
import { Authority, STRANGER, enclaveGenesis } from "./authority.ts";
import { createGatekeeper, relay, said } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();
const invalid = (reason: string): unknown => refusedWith("BLOCK_INVALID", reason);

/** A gatekeeper, and the chain that has it from its genesis on, both at height 0. */
const gatekeeper = (): ReturnType<typeof createGatekeeper> => createGatekeeper(at("home"));

describe("blocks", () => {
  test("that are dropped leave a gap, and nothing behind it is followed before it is filled", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    chain.to(4);
    const [first, second, third, fourth] = chain.blocks;
    expect(() => home.enclave.follow([first!, third!], false)).toThrow(invalid("height"));
    expect(home.enclave.status.height).toBe(1);
    expect(() => home.enclave.follow([fourth!], false)).toThrow(invalid("height"));
    expect(home.enclave.follow([second!, third!, fourth!], false).height).toBe(4);
  });

  test("that come twice, or in another order, are refused, and those after them are followed still", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    chain.to(4);
    const [first, second, third, fourth] = chain.blocks;
    for (const wrong of [[second!, first!], [third!]]) {
      expect(() => home.enclave.follow(wrong, false)).toThrow(invalid("height"));
      expect(home.enclave.status.height).toBe(0);
    }
    expect(() => home.enclave.follow([first!, first!], false)).toThrow(invalid("height"));
    expect(home.enclave.status.height).toBe(1);
    expect(() => home.enclave.follow([first!], false)).toThrow(invalid("height"));
    expect(home.enclave.follow([second!, third!, fourth!], false).height).toBe(4);
  });

  test("that are forged are refused, and the right one in their place is followed", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    chain.block();
    home.follow(chain);
    const other = Buffer.alloc(32, 1);
    const forgeries: [string, Uint8Array][] = [
      ["signature", chain.forged({ by: "rich" })],
      ["messagesHash", chain.forged({ messages: [chain.transfer()] })],
      ["stateHash", chain.forged({ header: { stateHash: other } })],
      ["messagesHash", chain.forged({ header: { messagesHash: other } })],
      ["parentHash", chain.forged({ header: { parentHash: other } })],
      ["timestamp", chain.forged({}, 0)],
      ["timestamp", chain.forged({}, -6_000)],
      ["height", chain.forged({ header: { height: 3 } })],
    ];
    for (const [reason, block] of forgeries) {
      expect(() => home.enclave.follow([block], false), reason).toThrow(invalid(reason));
      expect(home.enclave.status.height, reason).toBe(1);
    }
    // Its own clock is the host's: what the authority says of the time is believed, and what the host says is not.
    const late = chain.forged({ by: "rich" }, 1e12);
    expect(() => home.enclave.follow([late], false)).toThrow(invalid("signature"));
    chain.block([chain.transfer()], 1e12);
    home.follow(chain);
    expect(home.enclave.status.height).toBe(2);
  });

  test("that are altered in any byte, cut off, or none at all are refused", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain);
    const block = chain.block([chain.transfer()]);
    for (let at = 0; at < block.length; at += 7) {
      const altered = Uint8Array.from(block);
      altered[at]! ^= 0x20;
      expect(() => home.enclave.follow([altered], false), `byte ${at}`).toThrow(refusedWith("BLOCK_INVALID"));
    }
    for (const bytes of [new Uint8Array(0), block.subarray(0, -1), Buffer.concat([block, Buffer.of(0)])]) {
      expect(() => home.enclave.follow([bytes], false)).toThrow(invalid("malformed"));
    }
    expect(home.enclave.status.height).toBe(0);
    home.follow(chain);
    expect(home.enclave.status.height).toBe(1);
  });

  test("are followed up to the first that is wrong, and nothing is signed for those", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.catchUp(chain, true);
    chain.to(3);
    const bad = chain.forged({ by: "rich" });
    expect(() => home.enclave.follow([...chain.blocks, bad], false)).toThrow(invalid("signature"));
    expect(home.enclave.status.height).toBe(3);
    expect(home.follow(chain).map(said)).toEqual(["0: heartbeat of session 2"]);
  });
});

describe("a fork that the authority itself signed", () => {
  test("is refused once the pRuntime acted on another block: whatever it joins, it never signs there", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    const messages = home.catchUp(chain);
    chain.to(2);
    const fork = chain.fork();
    relay(home, chain, 5, messages);
    fork.block([fork.transfer()]);
    fork.to(40);
    const acted = home.keep();
    for (const batch of [fork.blocks, ...fork.blocks.map((_, index) => fork.blocks.slice(0, index + 1))]) {
      await home.restart(acted);
      home.enclave.join(fork.genesis);
      let signed: readonly Uint8Array[] = [];
      const follow = () => (signed = home.enclave.follow(batch, false).messages);
      if (batch.length >= 5) expect(follow).toThrow(invalid("fork"));
      else follow();
      expect(signed).toEqual([]);
    }
    // Joined again, it is no wiser; and it has to be joined again.
    expect(() => home.enclave.follow(fork.blocks.slice(5), false)).toThrow(refusedWith("NOT_FOUND"));
    for (let again = 0; again < 2; again++) expect(() => home.catchUp(fork)).toThrow(invalid("fork"));
    expect(() => home.enclave.ping(STRANGER.identityKey)).toThrow(refusedWith("NOT_FOUND"));
    home.catchUp(chain);
    expect(home.enclave.status.height).toBe(5);
    const due = relay(home, chain, 6, home.follow(chain));
    expect(due.map(said)).toEqual(["3: setEcdhKey"]);
  });

  test("is refused block by block too, at the height of what it acted on", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    const messages = home.catchUp(chain);
    chain.to(2);
    const fork = chain.fork();
    relay(home, chain, 5, messages);
    fork.block([fork.transfer()]);
    fork.to(6);
    await home.restart();
    home.enclave.join(fork.genesis);
    for (const block of fork.blocks.slice(0, 4)) expect(home.enclave.follow([block], false).messages).toEqual([]);
    expect(() => home.enclave.follow([fork.blocks[4]!], false)).toThrow(invalid("fork"));
  });

  test("is not known as one before the pRuntime acted; what it gets first, it then stays with", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    home.enclave.join(chain.genesis);
    const fork = chain.fork();
    fork.block([fork.transfer()]);
    chain.block();
    home.follow(fork, true);
    home.catchUp(chain, true);
    expect(home.catchUp(fork)).toHaveLength(1);
    expect(() => home.catchUp(chain)).toThrow(invalid("fork"));
  });
});

describe("a genesis", () => {
  test("that is none is refused, and every other once it has acted on one", async () => {
    const { home, chain } = await gatekeeper();
    using _ = home;
    const wrong = refusedWith("GENESIS_INVALID");
    for (const bytes of [new Uint8Array(0), chain.genesis.subarray(1), Buffer.concat([chain.genesis, Buffer.of(0)])]) {
      expect(() => home.enclave.join(bytes)).toThrow(wrong);
    }
    const endless = encodeGenesis({ ...chain.ledger.genesis, sessionBlocks: 0 });
    expect(() => home.enclave.join(endless)).toThrow(wrong);
    expect(home.enclave.status.genesisHash).toBeNull();
    expect(() => home.enclave.follow([], false)).toThrow(refusedWith("NOT_FOUND"));
    expect(home.enclave.join(chain.genesis)).toBe(0);
    const other = new Authority(enclaveGenesis([home.keys, STRANGER], { name: Buffer.from("another") }));
    // A host that gave it a wrong one has done no harm yet.
    expect(home.enclave.join(other.genesis)).toBe(0);
    await home.restart();
    expect(home.enclave.status.genesisHash).toBe(toHex(hashGenesis(other.ledger.genesis)));
    expect(home.catchUp(chain)).toHaveLength(1);
    expect(() => home.enclave.join(other.genesis)).toThrow(wrong);
    await home.restart();
    expect(() => home.enclave.join(other.genesis)).toThrow(wrong);
    expect(home.enclave.join(chain.genesis)).toBe(0);
    expect(home.enclave.status.genesisHash).toBe(toHex(hashGenesis(chain.ledger.genesis)));
  });
});
