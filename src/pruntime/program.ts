/**
 * `pruntime --home DIR`: serves the host at the other end of standard input and output, and ends with it. Passphrases
 * come by descriptor 3, a terminal or a file that the host passes on unread.
 *
 * `pruntime --home DIR --listen ADDRESS`: starts such a one for each host that connects.
 *
 * --dstack SOCKET: a dstack guest agent keeps the sealing key; --passphrase: the key file is under one. For a home of a
 * network; a local home has a plain key file.
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
const EXIT_USAGE = 2;
const EXIT_FAULT = 70;

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
    const { listen: address, ...settings } = parsed(argv);
    if (address !== undefined) {
      const at = socketAddress(address);
      checkListening(at, settings);
      // Here Ctrl-C is for whoever listens: his host is elsewhere.
      process.on("SIGINT", () => stop.abort());
      await listen(at, argumentsOf(settings), passphraseOf(settings), stop.signal);
    } else process.exitCode = (await serveHost(settings, stop.signal)) ? EXIT_REPLACED : 0;
  } catch (error) {
    end(error);
  }
  process.exit();
}

/** Whatever nobody foresaw ends the process, and with it every secret in its memory. */
function end(error: unknown): never {
  process.stderr.write(`pruntime: ${describe(error)}\n`);
  process.exit(error instanceof GatekeeperError && error.code === "USAGE" ? EXIT_USAGE : EXIT_FAULT);
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
  });
  return await serve(process.stdin, process.stdout, stop, (task, context) => service.answer(task, context));
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
}

function parsed(argv: readonly string[]): Settings & { readonly listen?: string } {
  try {
    const { home, ...others } = parseArgs({
      args: [...argv],
      options: {
        home: { type: "string" },
        listen: { type: "string" },
        dstack: { type: "string" },
        passphrase: { type: "boolean" },
      },
    }).values;
    if (others.dstack !== undefined && others.passphrase === true) {
      throw new Error("--dstack keeps the sealing key: there is no key file for a --passphrase");
    }
    if (home !== undefined) return { home, ...others };
  } catch (cause) {
    throw new GatekeeperError("USAGE", cause instanceof Error ? cause.message : String(cause), {}, { cause });
  }
  throw new GatekeeperError("USAGE", "say which home: pruntime --home DIR");
}

function argumentsOf({ home, dstack, passphrase }: Settings): string[] {
  const argv = ["--home", home];
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
