/** kill -9 while blocks are made and messages handed in: what was said to be there is there, and each message once. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { toHex } from "../../src/bytes.ts";
import { openReplica } from "../../src/chain/follow.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { Replica } from "../../src/protocol/replica.ts";
import { CURVE, idOf } from "../protocol/network.ts";
import { FolderChain } from "./folder-chain.ts";

const CHILD = fileURLToPath(new URL("kill-child.ts", import.meta.url));

/** @throws Error with what is not as it must be. */
export async function killRounds(rounds: number): Promise<void> {
  using at = new FolderChain();
  const sent: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const acknowledged = await killedProducer(at, sent, 20 + ((round * 37) % 180));
    checkChain(at, sent, acknowledged);
  }
}

/** @returns the height that the producer last said. */
async function killedProducer(at: FolderChain, sent: string[], milliseconds: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, at.path], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk) => (said += chunk));
  await once(child.stdout, "data");
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {
    const message = at.transfer("rich", sent.length, "a", BigInt(sent.length + 1));
    at.chain.submit(message);
    sent.push(toHex(message));
    await sleep(1);
  }
  child.kill("SIGKILL");
  await once(child, "close");
  return Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1));
}

function checkChain(at: FolderChain, sent: readonly string[], acknowledged: number): void {
  const height = at.chain.height();
  if (height < acknowledged) throw new Error(`block ${acknowledged} was said to be there, and ${height} is the last`);
  const taken: string[] = [];
  const whole = new Replica(CURVE, Ledger.atGenesis(at.genesis));
  for (let from = 1; from <= height;) {
    const blocks = at.chain.blocks(from);
    whole.follow(blocks);
    for (const block of blocks) taken.push(...block.messages.map(toHex));
    from += blocks.length;
  }
  const waiting = at.chain.waiting().map(({ bytes }) => toHex(bytes));
  const all = [...taken, ...waiting];
  if (all.join() !== sent.join()) throw new Error(`${sent.length} messages were sent, and ${all.length} are there`);
  const { sequence } = whole.ledger.state.accounts.get(idOf("rich"))!;
  if (sequence !== taken.length) throw new Error(`${taken.length} messages are in blocks, and ${sequence} counted`);
  const quick = openReplica(at.chain, CURVE);
  if (toHex(quick.ledger.stateHash()) !== toHex(whole.ledger.stateHash())) throw new Error("the kept state is another");
}
