/** `network start`: a whole network on this machine, shown live. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { readAccountKey } from "../chain/account-key.ts";
import { EmbeddedChain } from "../chain/embedded.ts";
import { catchUp, openReplica } from "../chain/follow.ts";
import { sendCall } from "../chain/send.ts";
import { GatekeeperError } from "../errors.ts";
import { type LocalNode, createLocalNetwork, localNodes, storePaths } from "../gatekeeper/local-network.ts";
import { isKeyHappening } from "../gatekeeper/chain-watch.ts";
import { replicaCurve } from "../protocol/curve.ts";
import type { Effect } from "../protocol/effect.ts";
import { accountSigner } from "../protocol/message.ts";
import type { Replica } from "../protocol/replica.ts";
import { millisecondsArgument, numberArgument } from "./chain-home.ts";
import { withJson } from "./command-line.ts";
import { describeHappening } from "./happening-words.ts";
import { untilInterrupted } from "./interruption.ts";
import { type Listed, listWhile } from "./listing.ts";
import { NetworkProcesses, type Supervised } from "./network-processes.ts";
import { counted } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

const POLL_MILLISECONDS = 50;
const SOFTWARE =
  "its genesis believes software enclaves what they say that they are: no protection from the owner of this machine";

interface StartOptions {
  readonly folder: string;
  readonly gatekeepers: number;
  readonly threshold: number;
  readonly candidates: number;
  readonly workers: number;
  readonly keySuite: number;
  readonly interval: number;
  readonly refreshBlocks: number;
  readonly rotationBlocks: number;
  readonly port: number;
}

/** Adds the command. */
export function addNetworkCommand(program: Command, terminal: Terminal): void {
  const network = program.command("network").description("a whole network on this machine: chain, nodes, pRuntimes");
  withJson(network.command("start"))
    .description("start the network in a folder, made if it is not there, and show what happens until interrupted")
    .option("--folder <dir>", "where it is, or is to be", "gatekeeper-network")
    .option("--gatekeepers <n>", "of a new network", numberArgument, 4)
    .option("--threshold <t>", "how many of them stand for the MasterKey, of a new network", numberArgument, 2)
    .option("--candidates <n>", "others that stand for election, of a new network", numberArgument, 0)
    .option("--workers <n>", "pRuntimes that run contracts, of a new network", numberArgument, 1)
    .option("--key-suite <n>", "1 secp256k1, 2 ristretto255, of a new network", numberArgument, 1)
    .option("--interval <ms>", "milliseconds between blocks, of a new network", millisecondsArgument, 500)
    .option("--refresh-blocks <n>", "blocks after which shares are refreshed, of a new network", numberArgument, 600)
    .option("--rotation-blocks <n>", "blocks between rotations, 0: by order alone; of a new network", numberArgument, 0)
    .option("--port <n>", "its nodes listen at this port and the next ones, of a new network", numberArgument, 7_400)
    .action((options: StartOptions) => start(terminal, options));
}

async function start(terminal: Terminal, options: StartOptions): Promise<void> {
  const folder = resolve(options.folder);
  if (!existsSync(folder)) {
    terminal.note(`making a network in ${folder}`);
    await createLocalNetwork(folder, { ...options, blockMilliseconds: options.interval }, Date.now());
  }
  terminal.note(SOFTWARE);
  terminal.note("Ctrl-C stops it; started again, it goes on");
  await listWhile(terminal, (happening) =>
    untilInterrupted(terminal, "ending all of its processes", (signal) =>
      runNetwork(folder, (news) => happening.add(news), signal),
    ),
  );
}

/**
 * Runs the network in a folder until the signal fires, and has its MasterKey made if there is none.
 * @param tell - what happens; the network goes on meanwhile.
 * @throws GatekeeperError NOT_FOUND when there is none; KEY_UNAVAILABLE when the key of its governance is no more there; STORE_*;
 * and what `tell` throws. All of its processes have ended then.
 */
export async function runNetwork(
  folder: string,
  tell: (news: Listed) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  using chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
  const replica = openReplica(chain, replicaCurve());
  const nodes = localNodes(folder);
  const names = namesOf(replica, nodes);
  const ended: Listed[] = [];
  await using _ = new NetworkProcesses(processesOf(folder, nodes, replica), (name, how) =>
    ended.push({ text: `${name} ${how}; it is started again`, document: { kind: "ProcessEnded", name, how } }),
  );
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const show = async (): Promise<void> => {
    while (!stop.aborted) {
      for (const { height, effects } of catchUp(chain, replica)) {
        for (const effect of effects) {
          const text = describe(effect, names);
          if (text !== null) await tell({ text: `block ${height}: ${text}`, document: { height, ...effect } });
        }
      }
      for (const news of ended.splice(0)) await tell(news);
      await sleep(POLL_MILLISECONDS, undefined, { signal: stop }).catch(() => undefined);
    }
  };
  // If one fails the other ends, and so do the processes.
  const parts = [launch(folder, chain, replica, stop), show()];
  for (const part of parts) part.catch(() => failed.abort());
  await Promise.allSettled(parts);
  await Promise.all(parts);
}

/** Governance has the MasterKey made, once. */
async function launch(folder: string, chain: EmbeddedChain, shown: Replica, signal: AbortSignal): Promise<void> {
  if (shown.ledger.state.launched !== null) return;
  using key = readAccountKey(join(folder, "governance.key"));
  const replica = openReplica(chain, replicaCurve());
  const value = { round: replica.ledger.state.governanceRound, action: { tag: "launch", value: undefined } } as const;
  try {
    await sendCall(chain, replica, accountSigner(key), { tag: "govern", value }, signal);
  } catch (error) {
    // Handed in before, by a run that was stopped.
    const isDone = error instanceof GatekeeperError && ["MESSAGE_REFUSED", "ABORTED"].includes(error.code);
    if (!isDone) throw error;
  }
}

/** The chain, and each node where its genesis says that it listens: nodes are in the order of the genesis. */
function processesOf(folder: string, nodes: readonly LocalNode[], { ledger }: Replica): Supervised[] {
  const path = join(folder, "chain.sqlite");
  return [
    { name: "chain", argv: ["chain", "start", "--home", folder] },
    ...nodes.map(({ name, home }, at) => {
      const endpoint = ledger.genesis.workers[at]?.endpoint ?? null;
      const listening = endpoint === null ? [] : ["--listen", new URL(Buffer.from(endpoint).toString("latin1")).host];
      const stores = storePaths(folder).flatMap((file) => ["--store", file]);
      const working = [...stores, "--threads", "1", "--json"];
      return { name, argv: ["run", "--home", home, "--chain", path, ...working, ...listening] };
    }),
  ];
}

/** Names of nodes by their IdentityKeys. */
function namesOf({ ledger }: Replica, nodes: readonly LocalNode[]): ReadonlyMap<string, string> {
  return new Map(ledger.genesis.workers.map(({ identityKey }, at) => [identityKey, nodes[at]?.name ?? identityKey]));
}

/** A line about what happened; null for what happens all the time. */
function describe(effect: Effect, names: ReadonlyMap<string, string>): string | null {
  switch (effect.kind) {
    case "StakersElected":
      return `elected ${counted(effect.stashes.length, "gatekeeper")} for era ${effect.era}`;
    case "EraStarted":
      return `era ${effect.era} begins`;
    case "PartitionPromised":
    case "PartitionLeased":
    case "PartitionSwept":
      return null;
    case "PartitionJudged":
      if (effect.verdict === "sound" || effect.verdict === "overwritten") return null;
  }
  return isKeyHappening(effect) ? describeHappening(effect, (key) => names.get(key) ?? key) : null;
}
