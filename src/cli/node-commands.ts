/** `pruntime init`, `pruntime show` and `run`: a node of a network, and the pRuntime that it serves. */
import { closeSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { readAccountKey } from "../chain/account-key.ts";
import { EmbeddedChain } from "../chain/embedded.ts";
import { MessageClient } from "../gatekeeper/message-client.ts";
import { GatekeeperNode } from "../gatekeeper/node.ts";
import { httpTransport } from "../gatekeeper/http-transport.ts";
import { PRuntime, type PRuntimeOptions } from "../gatekeeper/pruntime.ts";
import { accountSigner } from "../protocol/message.ts";
import { type SocketAddress, type TcpAddress, socketAddress, tcpAddress } from "../socket-address.ts";
import { chainPath } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions, withThreads } from "./command-line.ts";
import { homeFolder } from "./environment.ts";
import { untilInterrupted } from "./interruption.ts";
import { EventTeller, describeStatus } from "./node-events.ts";
import { passphraseDescriptor } from "./passphrase-descriptor.ts";
import { readFileWhole } from "./read-file.ts";
import type { Terminal } from "./terminal.ts";

interface SealingOptions extends CommonOptions {
  readonly dstack?: string;
  readonly passphrase?: true;
  readonly passphraseFile?: string;
}

interface RunOptions extends SealingOptions {
  readonly chain?: string;
  readonly pruntime?: SocketAddress;
  readonly listen?: TcpAddress;
  readonly operator?: string;
  readonly collateral?: string;
  readonly store?: string;
  readonly threads?: number;
  readonly rate?: number;
}

/** Adds the commands. */
export function addNodeCommands(program: Command, terminal: Terminal): void {
  const pruntime = program.command("pruntime").description("the pRuntime of a node: what holds its secrets");
  withSealing(pruntime.command("init"))
    .description("make a pRuntime with an identity of its own in the home, which becomes one of a network")
    .action((options: SealingOptions) => init(terminal, options));
  withSealing(pruntime.command("show"))
    .description("print its public keys, its measurement and where it stands")
    .action((options: SealingOptions) => show(terminal, options));
  withThreads(withSealing(program.command("run")))
    .description("run a node: bring blocks to its pRuntime, and its messages to the chain, until interrupted")
    .option("--chain <file>", "the chain (default: HOME/chain.sqlite)")
    .addOption(
      new Option(
        "--pruntime <address>",
        "one that listens elsewhere, at unix:/path or tcp:host:port, instead of HOME's",
      )
        .argParser(socketAddress)
        .conflicts(["dstack", "passphrase", "passphraseFile", "store", "threads", "rate"]),
    )
    .option(
      "--store <file>",
      "the store of the network's states: take part in rotations (default: one in HOME, where it runs contracts)",
    )
    .option("--rate <mb>", "megabytes a second that a rotation reads of the store here, at most", rateArgument)
    .option(
      "--listen <host:port>",
      "take messages of other nodes and commands to contracts there, by HTTP",
      listenArgument,
    )
    .option("--operator <file>", "secret key of the account that registers the pRuntime if it is not registered")
    .option("--collateral <file>", "what Intel says of the machine, for a pRuntime that proves itself by a quote")
    .action((options: RunOptions) => run(terminal, options));
}

function withSealing(command: Command): Command {
  return withCommonOptions(command)
    .addOption(
      new Option(
        "--dstack <socket>",
        "the sealing key comes from the dstack guest agent at this socket (default: a key file)",
      ).conflicts(["passphrase", "passphraseFile"]),
    )
    .addOption(
      new Option("--passphrase", "the key file is under a passphrase, which is asked for").conflicts("passphraseFile"),
    )
    .option("--passphrase-file <file>", "the key file is under the passphrase in this file");
}

async function init(terminal: Terminal, options: SealingOptions): Promise<void> {
  const status = await withPRuntime(options, async (pruntime) => {
    await pruntime.ask("createIdentity", undefined);
    return await pruntime.ask("status", undefined);
  });
  const home = resolve(homeFolder(options.home));
  await terminal.answer({ home, ...status }, `made a pRuntime in ${home}\n${describeStatus(status)}`);
}

async function show(terminal: Terminal, options: SealingOptions): Promise<void> {
  const status = await withPRuntime(options, (pruntime) => pruntime.ask("status", undefined));
  await terminal.answer({ ...status }, describeStatus(status));
}

async function run(terminal: Terminal, options: RunOptions): Promise<void> {
  using chain = EmbeddedChain.open(options.chain === undefined ? chainPath(options) : resolve(options.chain));
  const collateral = options.collateral === undefined ? null : await readFileWhole(resolve(options.collateral));
  using key = options.operator === undefined ? null : readAccountKey(resolve(options.operator));
  const operator = key === null ? null : { signer: accountSigner(key), collateral };
  const told = new EventTeller(terminal);
  try {
    await withPRuntime(options, (pruntime) =>
      untilInterrupted(terminal, "stopping when its pRuntime has answered", async (signal) => {
        using client = new MessageClient();
        const transport = httpTransport(client);
        const node = new GatekeeperNode({
          chain,
          pruntime,
          operator,
          transport,
          tell: (event) => told.tell(event),
        });
        await using _ = options.listen === undefined ? null : await listen(terminal, options.listen, node);
        await node.run(signal);
      }),
    );
  } catch (error) {
    await told.end(false);
    throw error;
  }
  await told.end(true);
}

/** Loaded where it is wanted: most commands are short. */
async function listen(terminal: Terminal, address: TcpAddress, node: GatekeeperNode): Promise<AsyncDisposable> {
  const { MessageServer } = await import("../gatekeeper/message-server.ts");
  const server = await MessageServer.listen(address, {
    deliver: (bytes) => node.receive(bytes),
    execute: (bytes) => node.execute(bytes),
    status: () => node.status,
    onFault: (error) => terminal.note(`INTERNAL: a message could not be taken: ${String(error)}`),
  });
  terminal.note(`takes messages at ${address.host}, port ${server.port}`);
  return server;
}

function rateArgument(text: string): number {
  if (/^[1-9][0-9]{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1 to 999999.");
}

function listenArgument(text: string): TcpAddress {
  const address = tcpAddress(text);
  if (address === null) throw new InvalidArgumentError("It must be host:port.");
  return address;
}

/** Uses a pRuntime, and ends it. Passphrases go from the terminal or the file to it, and not through here. */
async function withPRuntime<T>(
  options: SealingOptions & Pick<RunOptions, "pruntime" | "store" | "threads" | "rate">,
  use: (pruntime: PRuntime) => Promise<T>,
): Promise<T> {
  const { passphrase, passphraseFile, dstack, store, threads, rate } = options;
  const underPassphrase = passphrase === true || passphraseFile !== undefined;
  const descriptor = underPassphrase ? passphraseDescriptor(passphraseFile) : null;
  try {
    const started: PRuntimeOptions = {
      home: resolve(homeFolder(options.home)),
      underPassphrase,
      ...(dstack === undefined ? {} : { dstack }),
      ...(store === undefined ? {} : { store: resolve(store) }),
      ...(threads === undefined ? {} : { threads }),
      ...(rate === undefined ? {} : { rate }),
      ...(descriptor === null ? {} : { passphrase: descriptor }),
    };
    await using pruntime = new PRuntime(options.pruntime === undefined ? started : { address: options.pruntime });
    return await use(pruntime);
  } finally {
    if (descriptor !== null && passphraseFile !== undefined) closeSync(descriptor);
  }
}
