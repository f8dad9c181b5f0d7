/** `chain init`, `chain start` and `chain show`. */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import { toHex } from "../bytes.ts";
import { createAccountKey, generateAccountKey, readAccountKey } from "../chain/account-key.ts";
import { EmbeddedChain } from "../chain/embedded.ts";
import { openReplica } from "../chain/follow.ts";
import { parseGenesis } from "../chain/genesis-file.ts";
import { type Produced, Producer } from "../chain/producer.ts";
import { alreadyExists, makeFolder } from "../durable-file.ts";
import { hashHeader } from "../protocol/block.ts";
import { replicaCurve } from "../protocol/curve.ts";
import { Ledger } from "../protocol/ledger.ts";
import { publicKeyOf } from "../protocol/message.ts";
import { authorityPath, chainPath, millisecondsArgument, numberArgument, openChain } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { untilInterrupted } from "./interruption.ts";
import { type Listed, type Listing, listWhile } from "./listing.ts";
import { plainJson } from "./plain-json.ts";
import { counted } from "./progress.ts";
import { readFileWhole } from "./read-file.ts";
import type { Terminal } from "./terminal.ts";

const SOFTWARE_BELIEVED =
  "its genesis believes software enclaves what they say that they are: no protection from the owners of their machines";
/** How long a chain that makes blocks on demand waits before it looks again. */
const POLL_MILLISECONDS = 20;

interface InitOptions extends CommonOptions {
  readonly genesis: string;
  readonly authority?: string;
}

interface StartOptions extends CommonOptions {
  readonly authority?: string;
  readonly interval?: number;
  readonly onDemand?: true;
  readonly blocks?: number;
}

/** Adds the commands; `chain tx` is added to what is returned. */
export function addChainCommands(program: Command, terminal: Terminal): Command {
  const chain = program
    .command("chain")
    .description("a chain on this machine: its blocks, and what is known from them");
  withCommonOptions(chain.command("init"))
    .description("make a chain without blocks in the home, and the key of its authority; never overwrites")
    .requiredOption("--genesis <file>", "JSON: the rules of the chain, and who has what (README)")
    .option("--authority <file>", "secret key of who makes the blocks (default: a new one, HOME/authority.key)")
    .action(async (options: InitOptions) => init(terminal, options));
  withCommonOptions(chain.command("start"))
    .description("make blocks until interrupted")
    .option("--authority <file>", "the authority's secret key (default: HOME/authority.key)")
    .option("--interval <ms>", "milliseconds between blocks (default: what the genesis says)", millisecondsArgument)
    .addOption(
      new Option("--on-demand", "make blocks only for messages, as soon as there are some").conflicts("interval"),
    )
    .option("--blocks <n>", "stop after so many blocks", numberArgument)
    .action(async (options: StartOptions) => start(terminal, options));
  return chain;
}

async function init(terminal: Terminal, options: InitOptions): Promise<void> {
  const path = chainPath(options);
  if (existsSync(path)) throw alreadyExists(path);
  const file = await readFileWhole(resolve(options.genesis));
  const keyFile = options.authority === undefined ? authorityPath(options) : resolve(options.authority);
  // What an interrupted init left serves the next.
  const isNew = options.authority === undefined && !existsSync(keyFile);
  using authority = isNew ? generateAccountKey() : readAccountKey(keyFile);
  const genesis = parseGenesis(file, publicKeyOf(authority), Date.now());
  const ledger = Ledger.atGenesis(genesis);
  makeFolder(dirname(path));
  if (isNew) createAccountKey(keyFile, authority);
  EmbeddedChain.create(path, genesis);
  const genesisHash = toHex(ledger.genesisHash);
  const { gatekeepers } = ledger.state;
  const { software } = genesis.attestation;
  const lines = [
    `made ${path}`,
    `genesis ${genesisHash}`,
    `authority ${genesis.authority}`,
    counted(gatekeepers.length, "gatekeeper"),
    ...(software ? [SOFTWARE_BELIEVED] : []),
  ];
  await terminal.answer(
    { chain: path, genesisHash, authority: genesis.authority, gatekeepers, software },
    lines.join("\n"),
  );
}

async function start(terminal: Terminal, options: StartOptions): Promise<void> {
  using chain = openChain(options);
  using authority = readAccountKey(
    options.authority === undefined ? authorityPath(options) : resolve(options.authority),
  );
  const replica = openReplica(chain, replicaCurve());
  const producer = new Producer(chain, replica, authority);
  const { height } = replica.ledger.state;
  terminal.note(`${chain.path}: block ${height}; Ctrl-C stops it`);
  if (chain.genesis.attestation.software) terminal.note(SOFTWARE_BELIEVED);
  try {
    await listWhile(terminal, (blocks) =>
      untilInterrupted(terminal, "stopping; the next start goes on after the last block", (signal) =>
        makeBlocks(producer, options, chain.genesis.blockMilliseconds, signal, blocks),
      ),
    );
  } finally {
    producer.keepSnapshot();
  }
}

async function makeBlocks(
  producer: Producer,
  { interval, onDemand, blocks = Number.POSITIVE_INFINITY }: StartOptions,
  blockMilliseconds: number,
  signal: AbortSignal,
  told: Listing,
): Promise<void> {
  const pause = onDemand ? POLL_MILLISECONDS : (interval ?? blockMilliseconds);
  let next = Date.now();
  for (let made = 0; made < blocks && !signal.aborted;) {
    const produced = producer.produce(Date.now(), onDemand !== true);
    if (produced !== null) {
      await told.add(listedBlock(produced));
      made++;
      if (onDemand) continue;
    }
    next = Math.max(next + pause, Date.now());
    await sleep(made < blocks ? next - Date.now() : 0, undefined, { signal }).catch(() => undefined);
  }
}

/** What a block did: a line of its own, and one for everything that happened in it. */
function listedBlock({ height, block, effects, refused }: Produced): Listed {
  const hash = toHex(hashHeader(block.header));
  const lines = [`block ${height} ${hash}: ${counted(block.messages.length, "message")}, ${refused} refused`];
  for (const { kind, index, ...rest } of effects) {
    if (kind !== "MessageDone") lines.push(`  ${kind} ${JSON.stringify(plainJson(rest))}`);
  }
  return { document: { height, hash, stateHash: block.header.stateHash, effects, refused }, text: lines.join("\n") };
}
