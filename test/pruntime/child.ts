/** Runs a module of this project in another Node process. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const sources = fileURLToPath(new URL("../../src/", import.meta.url));

export interface ChildResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: string | null;
}

/**
 * @param script - an ES module; `SRC` in it becomes the path of src/.
 * @param before - a line of shell that is run first, to set limits.
 */
export function runChild(script: string, before?: string): Promise<ChildResult> {
  const node = [process.execPath, "--input-type=module", "--eval", script.replaceAll("SRC/", sources)] as const;
  const [program, ...args] = before === undefined ? node : ["sh", "-c", `${before} && exec "$@"`, "sh", ...node];
  const child = spawn(program, args);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text) => (stdout += text));
  child.stderr.on("data", (text) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ stdout, stderr, code, signal }));
  });
}

/**
 * The start of a script that dies (SIGKILL) just before or after its n-th call of a file system function that writes.
 * Calls are counted from 1; a script that makes fewer runs to its end.
 */
export function dieAtCall(n: number, when: "before" | "after"): string {
  return `
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    let calls = 0;
    for (const name of ["openSync", "writeSync", "fsyncSync", "linkSync", "renameSync", "unlinkSync", "mkdirSync"]) {
      const original = fs[name];
      fs[name] = (...args) => {
        const last = ++calls === ${n};
        if (last && ${when === "before"}) process.kill(process.pid, "SIGKILL");
        const result = original(...args);
        if (last) process.kill(process.pid, "SIGKILL");
        return result;
      };
    }
    syncBuiltinESMExports();
  `;
}
