/** A terminal of its own for a program, which util-linux's `script` gives. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { programFile } from "./transcript.ts";

/** How long a program is given, so that none is left behind by a test that fails. */
const PATIENCE_MILLISECONDS = 120_000;

/** Whether there is one. */
export function hasScript(): boolean {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux");
  } catch {
    return false;
  }
}

/** What is typed when this was shown: behind what was waited for before. */
export type Typed = readonly (readonly [prompt: string, line: string])[];

/**
 * Runs `gatekeeper` on a terminal.
 * @param setUp - a shell command that comes before it there.
 * @returns its exit code, and all that the terminal showed.
 */
export async function onTerminal(
  cwd: string,
  args: readonly string[],
  typed: Typed,
  setUp = ":",
): Promise<{ code: number; shown: string }> {
  const words = [process.execPath, programFile("gatekeeper"), ...args].map((word) => `'${word}'`).join(" ");
  const command = `${setUp}; exec ${words}`;
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    cwd,
    timeout: PATIENCE_MILLISECONDS,
  });
  let shown = "";
  let at = 0;
  let seen = 0;
  child.stdin.on("error", () => undefined);
  child.stdout.on("data", (chunk) => {
    shown += chunk;
    const next = typed[at];
    const found = next === undefined ? -1 : shown.indexOf(next[0], seen);
    if (next === undefined || found < 0) return;
    seen = found + next[0].length;
    at++;
    child.stdin.write(next[1]);
  });
  const [code] = (await once(child, "exit")) as [number];
  child.stdin.destroy();
  return { code, shown };
}
