/**
 * Passphrases, as bytes: typed on a terminal that does not show them, or read from a file or pipe. Never a string, an
 * argument or an environment variable.
 */
import { fstatSync, readSync } from "node:fs";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";

/** No passphrase is longer; a file that is, is not one. */
const PASSPHRASE_BYTES_MAX = 1_024;

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const DELETE = 0x7f;

/** The keyboard of a terminal, and where its prompts go. */
export interface Keyboard {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly prompts: NodeJS.WritableStream;
}

/**
 * Asks for a passphrase; the caller owns it.
 * @throws GatekeeperError USAGE when there is no terminal; ABORTED on Ctrl-C.
 */
export async function askPassphrase(keyboard: Keyboard): Promise<Secret> {
  const [passphrase] = await hiddenLines(keyboard, ["Passphrase: "]);
  return passphrase!;
}

/**
 * Asks for a new passphrase, twice; the caller owns it.
 * @throws GatekeeperError USAGE when there is no terminal or the two differ; ABORTED on Ctrl-C.
 */
export async function askNewPassphrase(keyboard: Keyboard): Promise<Secret> {
  const [passphrase, again] = await hiddenLines(keyboard, ["New passphrase: ", "The same again: "]);
  using repeated = again!;
  if (passphrase!.use((a) => repeated.use((b) => Buffer.compare(a, b))) === 0) return passphrase!;
  passphrase![Symbol.dispose]();
  throw new GatekeeperError("USAGE", "the two passphrases differ");
}

/**
 * The passphrase in a file or pipe, without a line break at its end; the caller owns it.
 * @param descriptor - stays open.
 * @throws GatekeeperError IO_FAILED when it can't be read, USAGE when it is too long.
 */
export function readPassphrase(descriptor: number): Secret {
  const bytes = new Uint8Array(PASSPHRASE_BYTES_MAX + 3);
  try {
    let length = readUpTo(descriptor, bytes);
    if (length > 0 && bytes[length - 1] === NEWLINE) length--;
    if (length > 0 && bytes[length - 1] === RETURN) length--;
    if (length > PASSPHRASE_BYTES_MAX) throw tooLong();
    return new Secret(bytes.subarray(0, length));
  } finally {
    bytes.fill(0);
  }
}

function readUpTo(descriptor: number, bytes: Uint8Array): number {
  try {
    // From its beginning, where it has one: who starts this process again passes on the same descriptor.
    const isFile = fstatSync(descriptor).isFile();
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got) {
      got = readSync(descriptor, bytes, length, bytes.length - length, isFile ? length : null);
    }
    return length;
  } catch (cause) {
    const systemCode = String((cause as NodeJS.ErrnoException).code);
    throw new GatekeeperError("IO_FAILED", `the passphrase can't be read: ${systemCode}`, { systemCode }, { cause });
  }
}

/** Reads a line for each prompt in raw mode, in which the terminal shows nothing; a paste may hold several lines. */
async function hiddenLines({ input, prompts }: Keyboard, questions: readonly string[]): Promise<Secret[]> {
  if (input.isTTY !== true || input.setRawMode === undefined) {
    throw new GatekeeperError("USAGE", "there is no terminal to type a passphrase on: give --passphrase-file FILE");
  }
  const lines: Secret[] = [];
  const line = new HiddenLine();
  input.setRawMode(true);
  prompts.write(questions[0]!);
  try {
    for await (const chunk of input) {
      const bytes = chunk as Buffer;
      try {
        for (const byte of bytes) {
          if (!line.type(byte)) continue;
          prompts.write("\n");
          if (lines.push(line.take()) === questions.length) return lines;
          prompts.write(questions[lines.length]!);
        }
      } finally {
        bytes.fill(0);
      }
    }
    throw new GatekeeperError("ABORTED", "the terminal was closed before the passphrase was typed");
  } catch (error) {
    prompts.write("\n");
    for (const secret of lines) secret[Symbol.dispose]();
    throw error;
  } finally {
    line.take()[Symbol.dispose]();
    input.setRawMode(false);
    input.pause();
  }
}

/** A line while it is being typed, with what a terminal's own line editing would do. */
class HiddenLine {
  readonly #bytes = new Uint8Array(PASSPHRASE_BYTES_MAX);
  #length = 0;

  /** @returns whether the line is complete. */
  type(byte: number): boolean {
    if (byte === RETURN || byte === NEWLINE || byte === CTRL_D) return true;
    if (byte === CTRL_C) throw new GatekeeperError("ABORTED", "cancelled", { signal: "SIGINT" });
    if (byte === CTRL_U) this.#length = 0;
    else if (byte === BACKSPACE || byte === DELETE) this.#rubOut();
    else if (this.#length === this.#bytes.length) throw tooLong();
    else this.#bytes[this.#length++] = byte;
    return false;
  }

  /** The line; the next one begins empty. */
  take(): Secret {
    const line = new Secret(this.#bytes.subarray(0, this.#length));
    this.#bytes.fill(0);
    this.#length = 0;
    return line;
  }

  /** Takes back one character: its UTF-8 continuation bytes (10xxxxxx) and the byte that begins it. */
  #rubOut(): void {
    while (this.#length > 0 && (this.#bytes[--this.#length]! & 0xc0) === 0x80);
  }
}

function tooLong(): GatekeeperError {
  return new GatekeeperError("USAGE", `a passphrase has at most ${PASSPHRASE_BYTES_MAX} bytes`);
}
