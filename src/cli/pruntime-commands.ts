/** `pruntime init` and `pruntime show`, and how a node's pRuntime is started. */
import { closeSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { PRuntime, type PRuntimeOptions } from "../gatekeeper/pruntime.ts";
import type { SocketAddress } from "../socket-address.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { homeFolder } from "./environment.ts";
import { describeStatus } from "./node-events.ts";
import { passphraseDescriptor } from "./passphrase-descriptor.ts";
import type { Terminal } from "./terminal.ts";

/** Where its home is, and what its sealing key is under. */
export interface SealingOptions extends CommonOptions {
  readonly dstack?: string;
  readonly passphrase?: true;
  readonly passphraseFile?: string;
}

/** How it works on states; or where one listens that is used in its place. */
interface WorkOptions {
  readonly pruntime?: SocketAddress;
  readonly store?: readonly string[];
  readonly threads?: number;
  readonly rate?: number;
}

/** Adds the commands. */
export function addPRuntimeCommands(program: Command, terminal: Terminal): void {
  const pruntime = program.command("pruntime").description("the pRuntime of a node: what holds its secrets");
  withSealing(pruntime.command("init"))
    .description("make a pRuntime with an identity of its own in the home, which becomes one of a network")
    .action((options: SealingOptions) => init(terminal, options));
  withSealing(pruntime.command("show"))
    .description("print its public keys, its measurement and where it stands")
    .action((options: SealingOptions) => show(terminal, options));
}

/** Adds the options of who starts one. */
export function withSealing(command: Command): Command {
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

/** Uses a pRuntime, and ends it. Passphrases go from the terminal or the file to it, and not through here. */
export async function withPRuntime<T>(
  options: SealingOptions & WorkOptions,
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
      ...(store === undefined ? {} : { stores: store }),
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
