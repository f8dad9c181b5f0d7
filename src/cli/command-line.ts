/** What all commands share: their options, how usage errors are told, and the run from arguments to exit code. */
import { type Command, CommanderError, InvalidArgumentError } from "commander";
import { GatekeeperError } from "../errors.ts";
import { Home } from "../gatekeeper/home.ts";
import { homeFolder } from "./environment.ts";
import { Terminal } from "./terminal.ts";

/** More threads than any machine has; each holds memory of its own. */
const THREADS_MAX = 256;

/** What every command that works on a home is given. */
export interface CommonOptions {
  readonly home?: string;
}

/** What the commands are given that share their work among threads. */
export interface ThreadOptions extends CommonOptions {
  readonly threads?: number;
}

/** Adds the options of every command that works on a home. */
export function withCommonOptions(command: Command): Command {
  return withJson(command.option("--home <dir>", "the home (default: $GATEKEEPER_HOME, else ./gatekeeper-home)"));
}

/** Adds the option of every command. */
export function withJson(command: Command): Command {
  return command.option("--json", "print exactly one JSON document on stdout, and nothing else");
}

/** Adds the option of commands that share their work among threads. */
export function withThreads(command: Command): Command {
  return command.option("--threads <n>", "threads to work with (default: what the machine runs at once)", threadCount);
}

/** The option as it is handed on: left out where the user left it out. */
export function threadsOf({ threads }: ThreadOptions): { threads?: number } {
  return threads === undefined ? {} : { threads };
}

/** Opens the home that the options name. */
export function openHome({ home }: CommonOptions): Promise<Home> {
  return Home.open(homeFolder(home));
}

/**
 * Runs a program: parses its arguments, runs what they ask for, reports what goes wrong, sets the exit code.
 * @param build - makes the program's commands.
 */
export async function run(
  name: string,
  argv: readonly string[],
  build: (terminal: Terminal) => Command,
): Promise<void> {
  const terminal = new Terminal(name, asksForJson(argv));
  const told = { out: "", error: "" };
  try {
    const program = build(terminal);
    for (const command of withSubcommands(program)) {
      command.exitOverride().configureOutput({
        writeOut: (text) => (told.out += text),
        writeErr: (text) => (told.error += text),
      });
    }
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) await terminal.write(told.out);
    else await terminal.fail(error instanceof CommanderError ? usageError(error, told.error) : error);
  }
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** --json counts even where the rest can't be parsed; after -- it is an argument like others. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
}

function usageError(error: CommanderError, told: string): GatekeeperError {
  if (error.code === "commander.help") {
    return new GatekeeperError("USAGE", "name a command; --help lists them", {}, { cause: error });
  }
  const message = (told === "" ? error.message : told)
    .trim()
    .replace(/^error: /, "")
    .replace(/\s+/g, " ");
  return new GatekeeperError("USAGE", `${message}; --help says what can be given`, {}, { cause: error });
}

function threadCount(text: string): number {
  const threads = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : 0;
  if (threads === 0 || threads > THREADS_MAX) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${THREADS_MAX}.`);
  }
  return threads;
}
