import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { EmbeddedChain, INBOX_MAX } from "../../src/chain/embedded.ts";
import { openReplica } from "../../src/chain/follow.ts";
import { Producer } from "../../src/chain/producer.ts";
import { encodeBlock, hashHeader } from "../../src/protocol/block.ts";
import { encodeGenesis } from "../../src/protocol/genesis.ts";
import { sign } from "../../src/protocol/message.ts";
import { CURVE, genesisOf, idOf, keyOf } from "../protocol/network.ts";
import { FolderChain } from "./folder-chain.ts";

const refusedWith = (code: string): unknown => expect.objectContaining({ code });

describe("an embedded chain", () => {
  test("begins without blocks, and is its owner's alone", () => {
    using at = new FolderChain();
    expect(at.chain.height()).toBe(0);
    expect(at.chain.blocks(1)).toEqual([]);
    expect(at.chain.snapshot()).toBeNull();
    expect(Buffer.from(encodeGenesis(at.chain.genesis))).toEqual(Buffer.from(encodeGenesis(at.genesis)));
    expect(statSync(at.path).mode & 0o777).toBe(0o600);
  });

  test("is not made twice, nor opened where there is none, or something else", () => {
    using at = new FolderChain();
    expect(() => EmbeddedChain.create(at.path, genesisOf())).toThrow(refusedWith("ALREADY_EXISTS"));
    expect(() => EmbeddedChain.open(join(at.folder, "none"))).toThrow(refusedWith("NOT_FOUND"));
    writeFileSync(join(at.folder, "new-wal"), "what a killed process left of an older one");
    expect(() => EmbeddedChain.create(join(at.folder, "new"), genesisOf())).toThrow(refusedWith("ALREADY_EXISTS"));
    writeFileSync(join(at.folder, "other"), "no database, but a text of some length that is none");
    expect(() => EmbeddedChain.open(join(at.folder, "other"))).toThrow(refusedWith("STORE_CORRUPT"));
  });

  test("gives every reader the blocks that were made, in their order", () => {
    using at = new FolderChain();
    for (let height = 1; height <= 5; height++) at.producer.produce(height * 10, true);
    using other = at.reopened();
    expect(other.height()).toBe(5);
    expect(other.blocks(3).map(({ header }) => header.height)).toEqual([3, 4, 5]);
    expect(other.blocks(6)).toEqual([]);
  });

  test("says which block is damaged", () => {
    using at = new FolderChain();
    at.producer.produce(1, true);
    at.producer.produce(2, true);
    using database = new DatabaseSync(at.path);
    database.exec("UPDATE block SET bytes = substr(bytes, 2) WHERE height = 2");
    expect(() => at.chain.blocks(1)).toThrow(/block 2 is damaged/);
    expect(() => openReplica(at.chain, CURVE)).toThrow(refusedWith("STORE_CORRUPT"));
  });

  test("takes messages into the next block, and says what became of each", () => {
    using at = new FolderChain();
    const good = at.chain.submit(at.transfer("rich", 0, "a"));
    const replayed = at.chain.submit(at.transfer("rich", 0, "a"));
    const unknown = at.chain.submit(at.transfer("stranger", 0, "a"));
    const garbage = at.chain.submit(Uint8Array.of(1, 2, 3));
    expect(at.chain.outcome(good)).toBe("waiting");
    const produced = at.producer.produce(1, false)!;
    expect(produced.block.messages).toHaveLength(1);
    expect(produced.refused).toBe(3);
    expect([good, replayed, unknown, garbage].map((id) => at.chain.outcome(id))).toEqual([
      "gone",
      { refused: "SequenceTooLow" },
      { refused: "UnknownSender" },
      { refused: "Malformed" },
    ]);
    expect(at.chain.waiting()).toEqual([]);
  });

  test("refuses messages that are too large, and more than may wait", () => {
    using at = new FolderChain();
    expect(() => at.chain.submit(new Uint8Array(65_537))).toThrow(refusedWith("MESSAGE_REFUSED"));
    using database = new DatabaseSync(at.path);
    database.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${INBOX_MAX - 1})
       INSERT INTO inbox (bytes) SELECT x'00' FROM n`,
    );
    at.chain.submit(Uint8Array.of(1));
    expect(() => at.chain.submit(Uint8Array.of(1))).toThrow(refusedWith("INBOX_FULL"));
    // However many there are, the next block looks at all of them.
    expect(at.producer.produce(1, true)!.refused).toBe(INBOX_MAX);
    for (let count = 0; count < 64; count++) at.chain.submit(new Uint8Array(65_536));
    expect(() => at.chain.submit(Uint8Array.of(1))).toThrow(refusedWith("INBOX_FULL"));
    expect(at.producer.produce(2, true)!.refused).toBe(64);
  });

  test("does not append a block where there is one", () => {
    using at = new FolderChain();
    const { block } = at.producer.produce(1, true)!;
    const id = at.chain.submit(Uint8Array.of(1));
    expect(at.chain.append(1, block, [id], [])).toBe(false);
    expect(at.chain.append(1, null, [], [{ id, reason: "BadSignature" }])).toBe(false);
    expect(at.chain.height()).toBe(1);
    expect(at.chain.outcome(id)).toBe("waiting");
  });
});

describe("a producer", () => {
  test("makes no block on demand where nothing is to be in it", () => {
    using at = new FolderChain();
    expect(at.producer.produce(1, false)).toBeNull();
    at.chain.submit(Uint8Array.of(1));
    expect(at.producer.produce(1, false)).toBeNull();
    expect(at.chain.height()).toBe(0);
    expect(at.chain.waiting()).toEqual([]);
  });

  test("and another with the same key make one block at each height", () => {
    using at = new FolderChain();
    using other = at.reopened();
    const rival = new Producer(other, openReplica(other, CURVE), keyOf("authority"));
    for (let round = 0; round < 6; round++) {
      at.chain.submit(at.transfer("rich", round, "a"));
      expect((round % 2 === 0 ? at.producer : rival).produce(round, false)!.height).toBe(round + 1);
    }
    const { state } = openReplica(at.chain, CURVE).ledger;
    expect(state.height).toBe(6);
    expect(state.accounts.get(idOf("rich"))!.sequence).toBe(6);
  });

  test("needs the authority's key", () => {
    using at = new FolderChain();
    expect(() => new Producer(at.chain, at.replica, keyOf("rich"))).toThrow(refusedWith("KEY_UNAVAILABLE"));
  });

  test("gives blocks times that rise, whatever the clock says", () => {
    using at = new FolderChain();
    const times = [50, 40, 51, 0].map((now) => at.producer.produce(now, true)!.block.header.timestamp);
    expect(times).toEqual([50, 51, 52, 53]);
  });
});

describe("subscribers", () => {
  test("get every block from where they ask, as it comes, and stop when they are told to", async () => {
    using at = new FolderChain();
    for (let made = 0; made < 3; made++) at.producer.produce(made, true);
    const controller = new AbortController();
    const read = async (from: number, chain: EmbeddedChain): Promise<number[]> => {
      const heights: number[] = [];
      for await (const { header } of chain.subscribeFinalized(from, controller.signal)) {
        heights.push(header.height);
        if (heights.at(-1) === 8) break;
      }
      return heights;
    };
    using second = at.reopened();
    const readers = [read(1, at.chain), read(3, at.chain), read(2, second), read(7, second), read(50, second)];
    for (let made = 3; made < 8; made++) {
      await sleep(15);
      at.producer.produce(made, true);
    }
    const done = await Promise.all(readers.slice(0, 4));
    controller.abort();
    expect(done).toEqual([
      [1, 2, 3, 4, 5, 6, 7, 8],
      [3, 4, 5, 6, 7, 8],
      [2, 3, 4, 5, 6, 7, 8],
      [7, 8],
    ]);
    expect(await readers[4]).toEqual([]);
  });
});

describe("the state that is kept", () => {
  test("is where a replica begins, and ends as one that has replayed all", () => {
    using at = new FolderChain();
    for (let made = 0; made < 7; made++) {
      at.chain.submit(at.transfer("rich", made, "a"));
      at.producer.produce(made, true);
      if (made === 4) at.producer.keepSnapshot();
    }
    expect(at.chain.snapshot()!.height).toBe(5);
    const replica = openReplica(at.chain, CURVE);
    expect(replica.ledger.stateHash()).toEqual(at.replica.ledger.stateHash());
    expect(replica.headHash).toEqual(at.replica.headHash);
  });

  test("counts only if the authority signed its block for it; else it is as if there was none", () => {
    using at = new FolderChain();
    at.producer.produce(1, true);
    const { ledger } = at.replica;
    const state = ledger.encode();
    at.producer.produce(2, true);
    const richer = ledger.with({ ...ledger.state, totalIssuance: 1n }).encode();
    for (const wrong of [
      { height: 2, state },
      { height: 9, state },
      { height: 0, state },
      { height: 1, state: state.subarray(1) },
      { height: 1, state: richer },
    ]) {
      at.chain.keepSnapshot(wrong);
      expect(openReplica(at.chain, CURVE).ledger.stateHash()).toEqual(at.replica.ledger.stateHash());
    }
  });

  test("does not count where its block was made for it by somebody else", () => {
    using at = new FolderChain();
    const { block } = at.producer.produce(1, true)!;
    const { ledger } = at.replica;
    const richer = ledger.with({ ...ledger.state, totalIssuance: 1n });
    const header = { ...block.header, stateHash: richer.stateHash() };
    const forged = encodeBlock({ ...block, header, signature: sign(keyOf("rich"), hashHeader(header)) });
    using database = new DatabaseSync(at.path);
    database.prepare("UPDATE block SET bytes = ? WHERE height = 1").run(forged);
    at.chain.keepSnapshot({ height: 1, state: richer.encode() });
    expect(() => openReplica(at.chain, CURVE)).toThrow(refusedWith("BLOCK_INVALID"));
  });
});
