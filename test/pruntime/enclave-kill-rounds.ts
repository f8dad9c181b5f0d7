/** kill -9 of a pRuntime at any point, again and again: what it gave out before and after contradicts itself nowhere. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { fromHex, toHex } from "../../src/bytes.ts";
import { openReplica } from "../../src/chain/follow.ts";
import { accountOf } from "../../src/protocol/account.ts";
import { encodeBlock } from "../../src/protocol/block.ts";
import { encodeGenesis } from "../../src/protocol/genesis.ts";
import { readMessage } from "../../src/protocol/message.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { CURVE } from "../protocol/network.ts";
import { enclaveGenesis } from "./authority.ts";
import { createEnclave, openEnclave } from "./enclave-home.ts";

const CHILD = fileURLToPath(new URL("enclave-kill-child.ts", import.meta.url));

/** That it gives out before it is killed: however slow the machine is, it gets on with each round. */
const MESSAGES = 3;

/** Everything that a pRuntime ever gave out. */
class GivenOut {
  readonly #bySequence = new Map<number, string>();
  readonly #bySession = new Map<number, string>();

  /** @throws Error when a message contradicts one before. */
  add(message: string): void {
    const { sequence, call } = readMessage(fromHex(message, "a message"))!;
    // Repeated until it is on chain, in the same bytes.
    expectSame(this.#bySequence, sequence, message, "messages of sequence");
    if (call.tag === "heartbeat") expectSame(this.#bySession, call.value.session, message, "heartbeats of session");
  }

  get sessions(): number {
    return this.#bySession.size;
  }
}

function expectSame(known: Map<number, string>, key: number, value: string, what: string): void {
  if ((known.get(key) ?? value) !== value) throw new Error(`there are two ${what} ${key}`);
  known.set(key, value);
}

/** @throws Error with what is not as it must be. */
export async function killRounds(rounds: number): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "gatekeeper-enclave-"));
  const keys = await createEnclave(home);
  using at = new FolderChain(enclaveGenesis([keys], { ecdhKeys: { interval: 3, overlap: 4 } }));
  const given = new GivenOut();
  let ecdhKeys = 0;
  for (let round = 0, last = keys.ecdhKey; round < rounds; round++) {
    for (const message of await killed(home, at.path, (round * 37) % 180)) given.add(message);
    const ecdhKey = await checked(home, at, given);
    if (ecdhKey !== last) ecdhKeys++;
    last = ecdhKey;
  }
  rmSync(home, { recursive: true });
  if (given.sessions < rounds || ecdhKeys === 0) throw new Error("it was killed before it did anything");
}

/** @returns what it gave out until it was killed: a few messages, and what else came in so many milliseconds. */
async function killed(home: string, path: string, milliseconds: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, home, path], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk) => (said += chunk));
  const ended = once(child, "close").then(() => {
    if (!child.killed) throw new Error("it ended by itself");
  });
  while (new Set(said.split("\n")).size <= MESSAGES) await Promise.race([once(child.stdout, "data"), ended]);
  await sleep(milliseconds);
  child.kill("SIGKILL");
  await ended;
  return said.slice(0, said.lastIndexOf("\n")).split("\n");
}

/**
 * Starts it where it was killed: it acts, so it has the EcdhKey that the chain has, and all that it is remembered for.
 * @returns that EcdhKey.
 */
async function checked(home: string, { chain, genesis }: FolderChain, given: GivenOut): Promise<string> {
  using enclave = await openEnclave(home);
  enclave.join(encodeGenesis(genesis));
  const blocks = chain.blocks(enclave.status.height + 1);
  const { height, messages } = enclave.follow(blocks.map(encodeBlock), false);
  if (height !== chain.height()) throw new Error(`it follows the chain to ${height} of ${chain.height()}`);
  for (const message of messages) given.add(toHex(message));
  for (const block of chain.blocks(1)) for (const message of block.messages) given.add(toHex(message));
  const { identityKey, ecdhKey } = enclave.keys();
  const published = openReplica(chain, CURVE).ledger.state.workers.get(accountOf(identityKey))!.ecdhKey;
  if (published !== ecdhKey) throw new Error("the chain has another EcdhKey than the pRuntime");
  return ecdhKey;
}
