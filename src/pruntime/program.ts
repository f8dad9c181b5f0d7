/**
 * `pruntime --home DIR`: serves the host at the other end of standard input and output, and ends with it. Passphrases
 * come by descriptor 3, a terminal or a file that the host passes on unread.
 *
 * `pruntime --home DIR --listen ADDRESS`: starts such a one for each host that connects.
 *
 * --dstack SOCKET: a dstack guest agent keeps the sealing key; --passphrase: the key file is under one. For a home of a
 * network; a local home has a plain key file. --store FILE: the network's store, and the one that a migration goes to; --threads N: that rotate it. --help says the same.
 */
import { constants, fstatSync } from "node:fs";
import { ReadStream, isatty } from "node:tty";
import { parseArgs } from "node:util";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { type SocketAddress, socketAddress } from "../socket-address.ts";
import { isNetworkHome } from "../store/home.ts";
import { EXIT_REPLACED } from "./boundary.ts";
import { listen } from "./listener.ts";
import { type Keyboard, askNewPassphrase, askPassphrase, readPassphrase } from "./passphrase.ts";
import { forbidCoreDumps } from "./process.ts";
import { serve } from "./server.ts";
import { Service } from "./service.ts";

const PASSPHRASE_DESCRIPTOR = 3;
/** As those of the commands. */
const EXIT = Object.freeze({ failed: 1, usage: 2, fault: 70 });
const HELP = `Usage: pruntime --home DIR [--listen ADDRESS] [--dstack SOCKET | --passphrase]

The process that holds a node's secrets. It serves the host at the other end of standard input and output, and ends with
it; gatekeeper starts one by itself.

  --home DIR        the home: a local one, or one of a network
  --listen ADDRESS  start one for each host that connects, at unix:/path or tcp:host:port
  --dstack SOCKET   the sealing key comes from the dstack guest agent at this socket
  --passphrase      the key file is under a passphrase, which comes by descriptor 3; with --listen, by standard input
  --store FILE      the store of the network's states (default: one in the home, where it runs contracts); a second one
                    is where a migration goes
  --threads N       threads that rotate it (default: as many as the machine runs at once)
  --rate MB         megabytes a second that a rotation reads of it here, at most (default: no limit)
  --help            print this

Exit codes: 0 done, 1 failed, 2 wrong usage, 70 a fault of this program, ${EXIT_REPLACED} to be started again.
`;

/** Runs `pruntime` with these arguments, and ends the process. */
export async function main(argv: readonly string[]): Promise<never> {
  const stop = new AbortController();
  // The terminal's Ctrl-C is for the host, which says what is to be stopped.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => stop.abort());
  for (const fault of ["uncaughtException", "unhandledRejection"]) process.on(fault, end);
  // A host that has gone is noticed where it is read from.
  process.stdout.on("error", () => undefined);
  try {
    const asked = parsed(argv);
    if (asked === "help") await print(HELP);
    else if (asked.listen !== undefined) await listenAt(asked.listen, asked, stop);
    else process.exitCode = (await serveHost(asked, stop.signal)) ? EXIT_REPLACED : 0;
  } catch (error) {
    end(error);
  }
  process.exit();
}

/** Whatever nobody foresaw ends the process, and with it every secret in its memory. */
function end(error: unknown): never {
  process.stderr.write(`pruntime: ${describe(error)}\n`);
  process.exit(exitCodeOf(error));
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof GatekeeperError) || error.code === "INTERNAL") return EXIT.fault;
  return error.code === "USAGE" ? EXIT.usage : EXIT.failed;
}

/** Waits until it is written: the process ends then. */
function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

/** @returns whether this process is to be replaced. */
async function serveHost(settings: Settings, stop: AbortSignal): Promise<boolean> {
  forbidCoreDumps();
  process.umask(0o077);
  await using service = await Service.load({
    home: settings.home,
    passphrases: PASSPHRASES,
    underPassphrase: settings.passphrase === true,
    dstack: settings.dstack ?? null,
    work: {
      stores: settings.store ?? [],
      threads: settings.threads === undefined ? null : Number(settings.threads),
      bytesPerSecond: settings.rate === undefined ? null : Number(settings.rate) * 1_000_000,
    },
  });
  return await serve(process.stdin, process.stdout, stop, (task, context) => service.answer(task, context));
}

async function listenAt(address: string, settings: Settings, stop: AbortController): Promise<void> {
  const at = socketAddress(address);
  checkListening(at, settings);
  // Here Ctrl-C is for whoever listens: his host is elsewhere.
  process.on("SIGINT", () => stop.abort());
  await listen(at, {
    argv: argumentsOf(settings),
    passphrase: passphraseOf(settings),
    stop: stop.signal,
    onListening: () => process.stderr.write(`pruntime: listening at ${address}\n`),
  });
}

/** A local home gives its owner plaintexts: a Unix socket is his alone, a TCP address whoever's can connect. */
function checkListening(address: SocketAddress, { home }: Settings): void {
  if ("path" in address || isNetworkHome(home)) return;
  throw new GatekeeperError("USAGE", `${home} is no home of a network: listen for its host at a unix:/path`);
}

interface Settings {
  readonly home: string;
  readonly dstack?: string;
  readonly passphrase?: boolean;
  readonly store?: readonly string[];
  /** Both in decimal. */
  readonly threads?: string;
  readonly rate?: string;
}

function parsed(argv: readonly string[]): (Settings & { readonly listen?: string }) | "help" {
  try {
    const { help, home, ...others } = parseArgs({
      args: [...argv],
      options: {
        home: { type: "string" },
        listen: { type: "string" },
        dstack: { type: "string" },
        passphrase: { type: "boolean" },
        store: { type: "string", multiple: true },
        threads: { type: "string" },
        rate: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
    if (help === true) return "help";
    if (others.dstack !== undefined && others.passphrase === true) {
      throw new Error("--dstack keeps the sealing key: there is no key file for a --passphrase");
    }
    if (others.threads !== undefined && !/^[1-9][0-9]{0,2}$/.test(others.threads)) {
      throw new Error("--threads is a number from 1 to 999");
    }
    if (others.rate !== undefined && !/^[1-9][0-9]{0,5}$/.test(others.rate)) {
      throw new Error("--rate is a number from 1 to 999999");
    }
    if (home !== undefined) return { home, ...others };
  } catch (cause) {
    throw new GatekeeperError("USAGE", cause instanceof Error ? cause.message : String(cause), {}, { cause });
  }
  throw new GatekeeperError("USAGE", "say which home: pruntime --home DIR; --help says more");
}

function argumentsOf({ home, dstack, passphrase, store, threads, rate }: Settings): string[] {
  const argv = ["--home", home];
  for (const file of store ?? []) argv.push("--store", file);
  if (threads !== undefined) argv.push("--threads", threads);
  if (rate !== undefined) argv.push("--rate", rate);
  if (dstack !== undefined) argv.push("--dstack", dstack);
  if (passphrase === true) argv.push("--passphrase");
  return argv;
}

/** Whoever listens has a terminal or a file as his own input. */
function passphraseOf({ passphrase }: Settings): number | null {
  return passphrase === true ? process.stdin.fd : null;
}

/** What a stranger's error says may hold anything. */
function describe(error: unknown): string {
  if (error instanceof GatekeeperError) return `${error.code}: ${error.message}`;
  return `INTERNAL: ${error instanceof Error ? error.constructor.name : typeof error}`;
}

const PASSPHRASES = {
  given: () => passphrase(askPassphrase),
  chosen: () => passphrase(askNewPassphrase),
};

async function passphrase(ask: (keyboard: Keyboard) => Promise<Secret>): Promise<Secret> {
  if (!isPassedOn(PASSPHRASE_DESCRIPTOR)) throw new GatekeeperError("USAGE", "no passphrase was passed on");
  if (!isatty(PASSPHRASE_DESCRIPTOR)) return readPassphrase(PASSPHRASE_DESCRIPTOR);
  const input = new ReadStream(PASSPHRASE_DESCRIPTOR);
  try {
    return await ask({ input, prompts: process.stderr });
  } finally {
    input.destroy();
  }
}

/** Whether it is something that was passed on: where nothing was, Node has one of its own there, of no type. */
function isPassedOn(descriptor: number): boolean {
  try {
    return (fstatSync(descriptor).mode & constants.S_IFMT) !== 0;
  } catch {
    return false;
  }
}
