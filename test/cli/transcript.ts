/**
 * Runs transcripts of the command line: text files in the style of Go's testscript. Lines are commands, `#` begins a
 * comment, `-- NAME --` begins a file that is there before the first command. Words may stand in single quotes, in which
 * nothing is replaced; elsewhere $WORK is the transcript's own folder, which is also the working directory, and $NAME what
 * was kept under it.
 *
 *   gatekeeper ARGS, rotation-worker ARGS   must exit with 0; with ! in front, with another code
 *   start gatekeeper ARGS                   runs until stop, which interrupts it and has what it printed, like a command;
 *                                           of several that run, stop interrupts the last
 *   until REGEX gatekeeper ARGS             runs it again and again, until stdout matches
 *   keep NAME FIELD                         a field of the JSON document that was on stdout; fill FILE puts it in there
 *   exit CODE                               what the last one exited with
 *   stdout REGEX, stderr REGEX              what it printed; with ! in front, what it did not (! stderr . = nothing)
 *   json OBJECT                             stdout was exactly one JSON document, and it has these fields
 *   stdin FILE, env NAME=VALUE              for the next, for all the following
 *   cp A B, rm PATH, chmod MODE PATH, truncate FILE BYTES, gzip FILE TO, append FILE TEXT, exists PATH (or !)
 *   flip-record HOME KEY                    flips a bit of the sealed state under this storage key (0x-hex)
 */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect } from "vitest";

const PROGRAMS = ["gatekeeper", "rotation-worker"];
/** How long something that is to happen is waited for. */
const UNTIL_MILLISECONDS = 60_000;
/** Where the built files lie that are not commands of the host. */
const ELSEWHERE: Readonly<Record<string, string>> = { pruntime: "pruntime/pruntime", "suitable-node": "suitable-node" };

/** What a program did. */
export interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built file of a program. */
export function programFile(name: string): string {
  const file = fileURLToPath(new URL(`../../dist/${ELSEWHERE[name] ?? `cli/${name}`}.js`, import.meta.url));
  if (!existsSync(file)) throw new Error(`${file} does not exist: run npm run build first`);
  return file;
}

/** A new folder below the system's temporary one. */
export function workFolder(): string {
  return mkdtempSync(join(tmpdir(), "gatekeeper-cli-"));
}

/** What a program is run with. */
export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
  /** The Node to run it on. */
  readonly node?: string;
}

/** Runs a program of this package to its end. */
export function runProgram(name: string, args: readonly string[], options: RunOptions): Promise<Run> {
  return startProgram(name, args, options).ended;
}

/** A program that runs. */
interface Running {
  readonly ended: Promise<Run>;
  readonly interrupt: () => void;
}

function startProgram(name: string, args: readonly string[], options: RunOptions): Running {
  const { cwd, env = {}, input, node = process.execPath } = options;
  const child = spawn(node, [programFile(name), ...args], { cwd, env: { ...process.env, ...env } });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  child.stdin.on("error", () => undefined).end(input);
  const ended = new Promise<Run>((done, failed) => {
    child.on("error", failed);
    child.on("close", (code, signal) => done({ code, signal, stdout, stderr }));
  });
  return { ended, interrupt: () => child.kill("SIGINT") };
}

/** Runs a transcript; an assertion that fails names its line. */
export async function runTranscript(path: string): Promise<void> {
  const text = readFileSync(path, "utf8");
  const [script, ...blocks] = text.split(/^-- (.+) --\n/m);
  const work = workFolder();
  try {
    for (let index = 0; index < blocks.length; index += 2) {
      const file = join(work, blocks[index]!);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, blocks[index + 1]!);
    }
    await using transcript = new Transcript(work);
    for (const [index, line] of script!.split("\n").entries()) {
      const words = split(line, transcript.kept);
      if (words.length > 0) await transcript.step(words, `${path}:${index + 1}: ${line}`);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The words of a line. */
function split(line: string, kept: ReadonlyMap<string, string>): string[] {
  if (line.startsWith("#")) return [];
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? filled(bare!, kept));
}

function filled(text: string, kept: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$([A-Z0-9_]+)/g, (whole, name) => kept.get(name) ?? whole);
}

class Transcript implements AsyncDisposable {
  readonly #work: string;
  /** By name; without the $. */
  readonly kept = new Map<string, string>();
  readonly #running: Running[] = [];
  readonly #env: Record<string, string> = {};
  #input: Uint8Array | undefined;
  #last: Run = { code: null, signal: null, stdout: "", stderr: "" };

  constructor(work: string) {
    this.#work = work;
    this.kept.set("WORK", work);
  }

  async step(words: readonly string[], where: string): Promise<void> {
    const negated = words[0] === "!";
    const [verb, ...args] = negated ? words.slice(1) : words;
    if (PROGRAMS.includes(verb!)) await this.#run(verb!, args, negated, where);
    else if (verb === "start") this.#running.push(startProgram(args[0]!, args.slice(1), this.#options()));
    else if (verb === "until") await this.#runUntil(args, where);
    else if (verb === "stop") await this.#stop();
    else if (!this.#check(verb!, args, negated, where) && (negated || !this.#change(verb!, args))) {
      throw new Error(`${where}: no such command`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#running.length > 0) await this.#stop();
  }

  #options(): RunOptions {
    const input = this.#input === undefined ? {} : { input: this.#input };
    this.#input = undefined;
    return { cwd: this.#work, env: this.#env, ...input };
  }

  async #stop(): Promise<void> {
    const running = this.#running.pop()!;
    running.interrupt();
    this.#last = await running.ended;
  }

  async #run(program: string, args: readonly string[], fails: boolean, where: string): Promise<void> {
    this.#last = await runProgram(program, args, this.#options());
    const { code, signal, stderr } = this.#last;
    expect(signal, where).toBe(null);
    if (fails) expect(code, where).not.toBe(0);
    else expect(code, `${where}\n${stderr}`).toBe(0);
  }

  async #runUntil([pattern, program, ...args]: readonly string[], where: string): Promise<void> {
    const wanted = new RegExp(filled(pattern!, this.kept), "m");
    const deadline = performance.now() + UNTIL_MILLISECONDS;
    do {
      this.#last = await runProgram(program!, args, this.#options());
    } while (!wanted.test(this.#last.stdout) && performance.now() < deadline);
    expect(this.#last.stdout, `${where}\n${this.#last.stderr}`).toMatch(wanted);
  }

  #check(verb: string, args: readonly string[], negated: boolean, where: string): boolean {
    const { code, stdout, stderr } = this.#last;
    const matches = (text: string): void => {
      const pattern = new RegExp(filled(args[0]!, this.kept), "m");
      if (negated) expect(text, where).not.toMatch(pattern);
      else expect(text, where).toMatch(pattern);
    };
    if (verb === "stdout") matches(stdout);
    else if (verb === "stderr") matches(stderr);
    else if (verb === "exit") expect(code, where).toBe(Number(args[0]));
    else if (verb === "exists") expect(existsSync(this.#path(args[0])), where).toBe(!negated);
    else if (verb === "json") {
      expect(stdout, where).toMatch(/^[^\n][\s\S]*\n$/);
      const wanted = JSON.parse(filled(args[0]!, this.kept));
      const document = JSON.parse(stdout);
      if (Array.isArray(wanted)) expect(document, where).toEqual(wanted);
      else expect(document, where).toMatchObject(wanted);
    } else return false;
    return true;
  }

  #change(verb: string, args: readonly string[]): boolean {
    const [first, second] = args;
    if (verb === "stdin") this.#input = readFileSync(this.#path(first));
    else if (verb === "env") this.#env[first!.slice(0, first!.indexOf("="))] = first!.slice(first!.indexOf("=") + 1);
    else if (verb === "cp") cpSync(this.#path(first), this.#path(second), { recursive: true });
    else if (verb === "rm") rmSync(this.#path(first), { recursive: true });
    else if (verb === "chmod") chmodSync(this.#path(second), Number.parseInt(first!, 8));
    else if (verb === "truncate") truncateSync(this.#path(first), Number(second));
    else if (verb === "gzip") writeFileSync(this.#path(second), gzipSync(readFileSync(this.#path(first))));
    else if (verb === "append") appendFileSync(this.#path(first), second!);
    else if (verb === "keep") this.kept.set(first!, String(JSON.parse(this.#last.stdout)[second!]));
    else if (verb === "fill") this.#fill(this.#path(first));
    else if (verb === "flip-record") flipRecord(this.#path(first), second!);
    else return false;
    return true;
  }

  #fill(path: string): void {
    writeFileSync(path, filled(readFileSync(path, "utf8"), this.kept));
  }

  #path(path: string | undefined): string {
    return resolve(this.#work, path!);
  }
}

/** Flips a bit in the last byte of the sealed state under a key: a page's records are key, then sealed state. */
function flipRecord(home: string, keyHex: string): void {
  using database = new DatabaseSync(join(home, "store.sqlite"));
  const key = Buffer.from(keyHex.slice(2), "hex");
  const pages = database.prepare("SELECT contract, lower_bound, body FROM page").all();
  for (const { contract, lower_bound, body } of pages) {
    const bytes = Buffer.from(body as Uint8Array);
    for (let at = 16; at < bytes.length;) {
      const keyEnd = at + 6 + bytes.readUInt16LE(at);
      const end = keyEnd + bytes.readUInt32LE(at + 2);
      if (bytes.subarray(at + 6, keyEnd).equals(key)) {
        bytes[end - 1]! ^= 1;
        const update = database.prepare("UPDATE page SET body = ? WHERE contract = ? AND lower_bound = ?");
        update.run(bytes, contract as Uint8Array, lower_bound as Uint8Array);
        return;
      }
      at = end;
    }
  }
  throw new Error(`there is no record ${keyHex} in ${home}`);
}
