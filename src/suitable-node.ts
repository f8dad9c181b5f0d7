/**
 * Starts a program on a Node that can run it: this one, or the npm package `node` installed beside this package.
 *
 * This file and the programs' first files are all that an old Node ever reads of this package. They keep to syntax and
 * modules that Node 14 knows, so that whoever has one is told what to install and does not see a SyntaxError.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Passed on to the Node that runs in this one's place. */
const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Whether a version of Node ("v24.14.0") is one that package.json's `engines` names: ^24.14.0 || >=26, with SQLite 3.51 or newer. */
export function isSuitable(version: string): boolean {
  const match = /^v?(\d+)\.(\d+)\./.exec(version);
  if (match === null) return false;
  const major = Number(match[1]);
  return major >= 26 || (major === 24 && Number(match[2]) >= 14);
}

/**
 * Runs a program here if this Node can, else on the one beside it, whose exit code or signal becomes this process's.
 * Where there is none, one line on stderr says what to install, and the exit code is 1.
 * @param file - the `import.meta.url` of the program's first file, which is started again on the other Node.
 * @param load - imports and runs the program itself.
 */
export function runOnSuitableNode(file: string, load: () => Promise<unknown>): void {
  if (isSuitable(process.version)) {
    load().catch((error: unknown) => {
      fail(error instanceof Error ? error.message : String(error));
    });
    return;
  }
  const node = installedNode();
  if (node === null) {
    fail(`Node ${process.version} is too old: run \`npm install node@24.21.0\`, or install Node 24.14 or newer`);
    return;
  }
  restartOn(node, fileURLToPath(file));
}

/** The executable of the npm package `node`, if one that suits can be found from this package and runs. */
function installedNode(): string | null {
  try {
    const manifestPath = createRequire(import.meta.url).resolve("node/package.json");
    const manifest = JSON.parse(readFileSync(manifestPath, "utf8"));
    const executable = join(dirname(manifestPath), manifest.bin.node);
    const answer = spawnSync(executable, ["--version"], { encoding: "utf8" });
    return answer.error === undefined && isSuitable(answer.stdout) ? executable : null;
  } catch {
    // Not installed, or not the package it is taken for: then there is none.
    return null;
  }
}

function restartOn(node: string, program: string): void {
  const child = spawn(node, [program].concat(process.argv.slice(2)), { stdio: "inherit" });
  function forward(signal: NodeJS.Signals): void {
    child.kill(signal);
  }
  SIGNALS.forEach((signal) => {
    process.on(signal, forward);
  });
  child.on("error", (error: Error) => {
    fail(`${node} can't be started: ${error.message}`);
  });
  child.on("exit", (code: number | null, signal: NodeJS.Signals | null) => {
    if (signal === null) process.exit(code === null ? 1 : code);
    SIGNALS.forEach((name) => {
      process.removeListener(name, forward);
    });
    process.kill(process.pid, signal);
    // Where the signal does not end this process, its number does.
    process.exitCode = 128 + constants.signals[signal];
  });
}

function fail(message: string): void {
  process.stderr.write(`gatekeeper: ${message}\n`);
  process.exitCode = 1;
}
