/** Programs that a test has started: what they said, and when they end. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The program `pruntime`, as it lies in the sources. */
export const PRUNTIME = fileURLToPath(new URL("../../src/pruntime/pruntime.ts", import.meta.url));

/** One of them. Dispose kills it if it still runs. */
export class Running implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  stderr = "";

  constructor(argv: readonly string[], options: SpawnOptions = {}) {
    this.process = spawn(argv[0]!, argv.slice(1), { stdio: ["pipe", "pipe", "pipe"], ...options });
    this.process.stderr?.on("data", (chunk) => (this.stderr += chunk));
    this.process.stdin?.on("error", () => undefined);
    this.ended = once(this.process, "exit").then(([code, signal]) => ({ code, signal }));
  }

  get pid(): number {
    return this.process.pid!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode === null) this.process.kill("SIGKILL");
    await this.ended;
  }
}
