/** `run`: a node of a network, with what it tells and what it can be watched by. */
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { readAccountKey } from "../chain/account-key.ts";
import { EmbeddedChain } from "../chain/embedded.ts";
import { GatekeeperError } from "../errors.ts";
import { ChainWatch } from "../gatekeeper/chain-watch.ts";
import { MessageClient } from "../gatekeeper/message-client.ts";
import type { CommandHandler, MessageHandler } from "../gatekeeper/message-transport.ts";
import type { MetricSources, NodeMetrics } from "../gatekeeper/metrics.ts";
import { GatekeeperNode, type NodeEvent } from "../gatekeeper/node.ts";
import { httpTransport } from "../gatekeeper/http-transport.ts";
import { accountSigner } from "../protocol/message.ts";
import { type SocketAddress, type TcpAddress, socketAddress, tcpAddress } from "../socket-address.ts";
import { chainPath } from "./chain-home.ts";
import { withThreads } from "./command-line.ts";
import { untilInterrupted } from "./interruption.ts";
import { describeEvent } from "./node-events.ts";
import type { NodeLog } from "./node-log.ts";
import { type SealingOptions, withPRuntime, withSealing } from "./pruntime-commands.ts";
import { readFileWhole } from "./read-file.ts";
import type { Terminal } from "./terminal.ts";

interface RunOptions extends SealingOptions {
  readonly chain?: string;
  readonly pruntime?: SocketAddress;
  readonly listen?: TcpAddress;
  readonly log?: string;
  readonly metrics?: TcpAddress;
  readonly operator?: string;
  readonly collateral?: string;
  readonly store?: readonly string[];
  readonly threads?: number;
  readonly rate?: number;
}

/** Adds the command. */
export function addRunCommand(program: Command, terminal: Terminal): void {
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
      "the store of the network's states: take part in rotations (default: one in HOME, where it runs contracts); given a second time, the one that a migration goes to",
      (file: string, before: readonly string[] = []) => [...before, resolve(file)],
    )
    .option("--rate <mb>", "megabytes a second that a rotation reads of the store here, at most", rateArgument)
    .option(
      "--listen <host:port>",
      "take messages of other nodes and commands to contracts there, by HTTP",
      listenArgument,
    )
    .option(
      "--metrics <[host:]port>",
      "let Prometheus read metrics there, by HTTP; of a port alone from this machine only",
      metricsArgument,
    )
    .option("--log <file>", "what happens, in lines of JSON, to a file instead of in words; -: to standard output")
    .option("--operator <file>", "secret key of the account that registers the pRuntime if it is not registered")
    .option("--collateral <file>", "what Intel says of the machine, for a pRuntime that proves itself by a quote")
    .action((options: RunOptions) => run(terminal, options));
}

async function run(terminal: Terminal, options: RunOptions): Promise<void> {
  using chain = EmbeddedChain.open(options.chain === undefined ? chainPath(options) : resolve(options.chain));
  const collateral = options.collateral === undefined ? null : await readFileWhole(resolve(options.collateral));
  using key = options.operator === undefined ? null : readAccountKey(resolve(options.operator));
  const operator = key === null ? null : { signer: accountSigner(key), collateral };
  using log = options.log === undefined ? null : await openLog(terminal, options.log);
  await withPRuntime(options, async (pruntime) => {
    using client = new MessageClient();
    // It follows the chain once more: only where somebody is told of it.
    const watch = log === null && options.metrics === undefined && terminal.json ? null : new ChainWatch(chain);
    const metrics = await newMetrics(options, watch, { chain, pruntime, status: () => node.status });
    const tell = async (event: NodeEvent): Promise<void> => {
      metrics?.observe(event);
      if (log !== null) await log.add(event);
      else if (!terminal.json) await terminal.write(`${describeEvent(event)}\n`);
    };
    const plain = httpTransport(client);
    const transport = metrics?.sending(plain) ?? plain;
    const node = new GatekeeperNode({ chain, pruntime, operator, transport, watch, tell });
    await untilInterrupted(terminal, "stopping when its pRuntime has answered", async (signal) => {
      const served = { terminal, node, metrics, onFault: faultTeller(tell) };
      await using _messages = options.listen === undefined ? null : await listen(served, options.listen);
      await using _metrics = options.metrics === undefined ? null : await serveMetrics(served, options.metrics);
      await node.run(signal);
    });
    if (terminal.json) await terminal.answer({ status: node.status }, "");
  });
}

/** What servers of a node share. */
interface Served {
  readonly terminal: Terminal;
  readonly node: GatekeeperNode;
  readonly metrics: NodeMetrics | null;
  readonly onFault: (error: unknown) => void;
}

/** What should not have happened is told with the rest. */
function faultTeller(tell: (event: NodeEvent) => Promise<void>): (error: unknown) => void {
  return (error) => void tell({ kind: "Fault", reason: String(error) });
}

/** Loaded where it is wanted, as what comes next: most commands are short. */
async function openLog(terminal: Terminal, file: string): Promise<NodeLog> {
  const { NodeLog, STDOUT } = await import("./node-log.ts");
  if (file === STDOUT && terminal.json) {
    throw new GatekeeperError("USAGE", "--json and --log - both are what is on standard output: give the log a file");
  }
  return new NodeLog(terminal, file === STDOUT ? file : resolve(file));
}

async function newMetrics(
  { metrics }: RunOptions,
  watch: ChainWatch | null,
  sources: Omit<MetricSources, "watch">,
): Promise<NodeMetrics | null> {
  if (metrics === undefined || watch === null) return null;
  const { NodeMetrics } = await import("../gatekeeper/metrics.ts");
  return new NodeMetrics({ ...sources, watch });
}

async function listen({ terminal, node, metrics, onFault }: Served, address: TcpAddress): Promise<AsyncDisposable> {
  const { MessageServer } = await import("../gatekeeper/message-server.ts");
  const deliver: MessageHandler = (bytes) => node.receive(bytes);
  const execute: CommandHandler = (bytes) => node.execute(bytes);
  const server = await MessageServer.listen(address, {
    deliver: metrics?.receiving(deliver) ?? deliver,
    execute: metrics?.executing(execute) ?? execute,
    status: () => node.status,
    onFault,
  });
  terminal.note(`takes messages at ${address.host}, port ${server.port}`);
  return server;
}

async function serveMetrics({ terminal, metrics, onFault }: Served, address: TcpAddress): Promise<AsyncDisposable> {
  const { MetricsServer } = await import("../gatekeeper/metrics-server.ts");
  const server = await MetricsServer.listen(address, metrics!, onFault);
  terminal.note(`metrics are at ${address.host}, port ${server.port}`);
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

/** What is read without a password is not for everybody, unless a host is given. */
function metricsArgument(text: string): TcpAddress {
  return listenArgument(/^[0-9]+$/.test(text) ? `127.0.0.1:${text}` : text);
}
