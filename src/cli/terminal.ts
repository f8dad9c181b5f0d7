/**
 * What a command says: its answer on stdout, as text or as exactly one JSON document; complaints, errors and progress
 * on stderr. With --json nothing but the document is written anywhere, unless stdout itself fails.
 */
import { once } from "node:events";
import { constants } from "node:os";
import { GatekeeperError } from "../errors.ts";
import { oneLine } from "./one-line.ts";
import { ProgressMeter } from "./progress.ts";

/** Exit codes, besides 0 and 128 + the number of the signal that ended a command. */
const EXIT = Object.freeze({
  /** The command failed, or found records that can't be opened. */
  failed: 1,
  /** The command line is malformed. */
  usage: 2,
  /** EX_SOFTWARE of sysexits.h: a fault of this program. */
  fault: 70,
});

/** Where one run of a program writes. */
export class Terminal {
  readonly program: string;
  readonly json: boolean;
  readonly progress: ProgressMeter;
  #begun = false;

  /** @param json - whether --json was given. */
  constructor(program: string, json: boolean) {
    this.program = program;
    this.json = json;
    this.progress = new ProgressMeter(json ? null : process.stderr);
    process.stdout.on("error", (error: NodeJS.ErrnoException) => this.#stdoutFailed(error));
    // Nobody is left to be told.
    process.stderr.on("error", () => undefined);
  }

  /** The command's answer: the document with --json, else the text. */
  async answer(document: Readonly<Record<string, unknown>>, text: string): Promise<void> {
    await this.write(`${this.json ? JSON.stringify(document) : text}\n`);
  }

  /** A piece of an answer that is too long to be held; waits while the reader is behind. */
  async write(piece: string): Promise<void> {
    this.progress.clear();
    this.#begun = true;
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }

  /** What the answer does not say by itself but its reader must know: the exit code becomes 1. */
  complain(text: string): void {
    process.exitCode = EXIT.failed;
    if (!this.json) this.note(text);
  }

  /** A remark beside the answer. */
  note(text: string): void {
    this.progress.clear();
    if (!this.json) process.stderr.write(`${text}\n`);
  }

  /** Reports what ended a command, and sets the exit code. */
  async fail(error: unknown): Promise<void> {
    this.progress.clear();
    const known = error instanceof GatekeeperError ? error : unforeseen(error);
    process.exitCode = exitCodeOf(known);
    // An answer that breaks off is no document any more: then the error goes where text goes.
    if (this.json && !this.#begun) await this.answer({ error: known.toWire() }, "");
    else process.stderr.write(`${this.program}: ${known.code}: ${oneLine(known.message)}\n`);
  }

  #stdoutFailed(error: NodeJS.ErrnoException): void {
    // The reader has read enough (`gatekeeper list | head`).
    if (error.code === "EPIPE") process.exit();
    process.stderr.write(`${this.program}: IO_FAILED: standard output can't be written: ${String(error.code)}\n`);
    process.exit(EXIT.failed);
  }
}

function exitCodeOf({ code, detail }: GatekeeperError): number {
  if (code === "USAGE") return EXIT.usage;
  if (code === "INTERNAL") return EXIT.fault;
  const signal = detail["signal"] as NodeJS.Signals | undefined;
  return code === "ABORTED" && signal !== undefined ? 128 + constants.signals[signal] : EXIT.failed;
}

function unforeseen(error: unknown): GatekeeperError {
  const message = error instanceof Error ? error.message : String(error);
  return new GatekeeperError("INTERNAL", `this should not have happened: ${message}`, {}, { cause: error });
}
