import { expect, test } from "vitest";
import { hashMessages } from "../../src/protocol/block.ts";
import type { Block, Header } from "../../src/protocol/block.ts";
import { hashHeader } from "../../src/protocol/block.ts";
import { sign } from "../../src/protocol/message.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { keyOf } from "./network.ts";

const wrongIn = (reason: string): unknown =>
  expect.objectContaining({ code: "BLOCK_INVALID", detail: expect.objectContaining({ reason }) });

/** The block with another header, signed by the authority again. */
function signedAgain(block: Block, changes: Partial<Header>, signer = "authority"): Block {
  const header = { ...block.header, ...changes };
  return { ...block, header, signature: sign(keyOf(signer), hashHeader(header)) };
}

const more = [Uint8Array.of(1)];
const ALTERATIONS: readonly (readonly [reason: string, alter: (block: Block) => Block])[] = [
  ["height", (block) => signedAgain(block, { height: 3 })],
  ["height", (block) => signedAgain(block, { height: 1 })],
  ["parentHash", (block) => signedAgain(block, { parentHash: new Uint8Array(32) })],
  ["timestamp", (block) => signedAgain(block, { timestamp: 1 })],
  ["signature", (block) => ({ ...block, header: { ...block.header, timestamp: 99 } })],
  ["signature", (block) => signedAgain(block, {}, "rich")],
  ["messagesHash", (block) => ({ ...block, messages: [...block.messages, ...more] })],
  ["messagesHash", (block) => ({ ...block, messages: [] })],
  ["stateHash", (block) => signedAgain({ ...block, messages: [] }, { messagesHash: hashMessages([]) })],
  ["stateHash", (block) => signedAgain(block, { stateHash: new Uint8Array(32) })],
];

test.each(ALTERATIONS)("a block whose %s is wrong is not followed (%#)", (reason, alter) => {
  using at = new FolderChain();
  at.producer.produce(1, true);
  at.chain.submit(at.transfer("rich", 0, "a"));
  const { block } = at.producer.produce(2, false)!;
  using fresh = new FolderChain();
  fresh.replica.follow(at.chain.blocks(1).slice(0, 1));
  const before = fresh.replica.ledger.stateHash();
  expect(() => fresh.replica.follow([alter(block)])).toThrow(wrongIn(reason));
  expect(fresh.replica.ledger.stateHash()).toEqual(before);
  expect(fresh.replica.follow([block])).toHaveLength(1);
});

test("the blocks before one that is wrong are followed", () => {
  using at = new FolderChain();
  for (let made = 1; made <= 4; made++) at.producer.produce(made, true);
  const blocks = at.chain.blocks(1);
  using fresh = new FolderChain();
  const fork = signedAgain(blocks[2]!, { timestamp: 50 });
  expect(() => fresh.replica.follow([blocks[0]!, blocks[1]!, fork, blocks[3]!])).toThrow(wrongIn("stateHash"));
  expect(fresh.replica.ledger.state.height).toBe(2);
});
