/**
 * `pruntime --home DIR`: serves the host at the other end of standard input and output, and ends with it. Passphrases
 * come by descriptor 3, a terminal or a file that the host passes on unread.
 */
import { fstatSync } from "node:fs";
import { ReadStream, isatty } from "node:tty";
import { parseArgs } from "node:util";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { EXIT_REPLACED } from "./boundary.ts";
import { LocalService, type Passphrases } from "./local-service.ts";
import { type Keyboard, askNewPassphrase, askPassphrase, readPassphrase } from "./passphrase.ts";
import { forbidCoreDumps } from "./process.ts";
import { serve } from "./server.ts";

const PASSPHRASE_DESCRIPTOR = 3;
const EXIT_USAGE = 2;
const EXIT_FAULT = 70;

/** Runs `pruntime` with these arguments, and ends the process. */
export async function main(argv: readonly string[]): Promise<never> {
  // The terminal's Ctrl-C is for the host, which says what is to be stopped.
  process.on("SIGINT", () => undefined);
  for (const fault of ["uncaughtException", "unhandledRejection"]) process.on(fault, end);
  // A host that has gone is noticed where it is read from.
  process.stdout.on("error", () => undefined);
  try {
    forbidCoreDumps();
    await using service = new LocalService(homeOf(argv), PASSPHRASES);
    const replaced = await serve(process.stdin, process.stdout, (task, context) => service.answer(task, context));
    process.exitCode = replaced ? EXIT_REPLACED : 0;
    process.exit();
  } catch (error) {
    return end(error);
  }
}

/** Whatever nobody foresaw ends the process, and with it every secret in its memory. */
function end(error: unknown): never {
  process.stderr.write(`pruntime: ${describe(error)}\n`);
  process.exit(error instanceof GatekeeperError && error.code === "USAGE" ? EXIT_USAGE : EXIT_FAULT);
}

function homeOf(argv: readonly string[]): string {
  try {
    const { home } = parseArgs({ args: [...argv], options: { home: { type: "string" } } }).values;
    if (home !== undefined) return home;
  } catch (cause) {
    throw new GatekeeperError("USAGE", cause instanceof Error ? cause.message : String(cause), {}, { cause });
  }
  throw new GatekeeperError("USAGE", "say which home: pruntime --home DIR");
}

/** What a stranger's error says may hold anything. */
function describe(error: unknown): string {
  if (error instanceof GatekeeperError) return `${error.code}: ${error.message}`;
  return `INTERNAL: ${error instanceof Error ? error.constructor.name : typeof error}`;
}

const PASSPHRASES: Passphrases = {
  given: () => passphrase(askPassphrase),
  chosen: () => passphrase(askNewPassphrase),
};

async function passphrase(ask: (keyboard: Keyboard) => Promise<Secret>): Promise<Secret> {
  if (!isOpen(PASSPHRASE_DESCRIPTOR)) throw new GatekeeperError("USAGE", "no passphrase was passed on");
  if (!isatty(PASSPHRASE_DESCRIPTOR)) return readPassphrase(PASSPHRASE_DESCRIPTOR);
  const input = new ReadStream(PASSPHRASE_DESCRIPTOR);
  try {
    return await ask({ input, prompts: process.stderr });
  } finally {
    input.destroy();
  }
}

function isOpen(descriptor: number): boolean {
  try {
    fstatSync(descriptor);
    return true;
  } catch {
    return false;
  }
}
