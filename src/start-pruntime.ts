/** Starts a pRuntime as a process of its own, which has nothing of its starter's but its name and descriptors. */
import { type ChildProcess, spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Its environment is empty, its memory goes into no core file, and no signal makes it listen for a debugger.
 * @param argv - of the program `pruntime`.
 * @param passphrase - a descriptor that it may read a passphrase from, or null.
 * @returns the process; its standard input and output are pipes.
 */
export function startPRuntime(argv: readonly string[], passphrase: number | null): ChildProcess {
  const program = fileURLToPath(new URL(`./pruntime/pruntime${extname(import.meta.url)}`, import.meta.url));
  const node = [process.execPath, "--disable-sigusr1", program, ...argv];
  // Shells export these by themselves.
  const [command, ...words] =
    process.platform === "win32"
      ? node
      : ["/bin/sh", "-c", 'ulimit -c 0; unset PWD OLDPWD SHLVL; exec "$0" "$@"', ...node];
  return spawn(command!, words, { env: {}, stdio: ["pipe", "pipe", "inherit", passphrase ?? "ignore"] });
}
