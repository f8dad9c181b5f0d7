/** The processes of a local network: one that makes blocks, and a node for each pRuntime, which starts its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** How long one that ended is given before it is started again. */
const RESTART_MILLISECONDS = 1_000;
/** How long one is given to end when it is asked to. */
const END_MILLISECONDS = 10_000;
/** Bytes of what one says on stderr that are told when it ends by itself. */
const COMPLAINT_BYTES = 2_048;

/** One that is kept running. */
export interface Supervised {
  readonly name: string;
  /** Arguments of `gatekeeper`. */
  readonly argv: readonly string[];
}

/** Told when one ended by itself: it is started again. */
export type Ended = (name: string, how: string) => void;

const PROGRAM = fileURLToPath(new URL(`./gatekeeper${extname(import.meta.url)}`, import.meta.url));

/** Keeps processes running until it is disposed, and ends them then, each as Ctrl-C does. */
export class NetworkProcesses implements AsyncDisposable {
  readonly #ended: Ended;
  readonly #running = new Map<string, ChildProcess>();
  readonly #loops: Promise<void>[] = [];
  readonly #stopping = new AbortController();

  constructor(processes: readonly Supervised[], ended: Ended) {
    this.#ended = ended;
    for (const each of processes) this.#loops.push(this.#keepRunning(each));
  }

  /** Process ids by name, of those that run. */
  get pids(): ReadonlyMap<string, number> {
    return new Map([...this.#running].flatMap(([name, { pid }]) => (pid === undefined ? [] : [[name, pid] as const])));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    for (const child of this.#running.values()) child.kill("SIGTERM");
    const killed = setTimeout(() => {
      for (const child of this.#running.values()) child.kill("SIGKILL");
    }, END_MILLISECONDS);
    await Promise.all(this.#loops);
    clearTimeout(killed);
  }

  async #keepRunning({ name, argv }: Supervised): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // A group of its own: Ctrl-C at the terminal is for whoever supervises, who passes it on.
      const child = spawn(process.execPath, [PROGRAM, ...argv], {
        stdio: ["ignore", "ignore", "pipe"],
        detached: true,
      });
      this.#running.set(name, child);
      let said = "";
      child.stderr.on("data", (bytes: Buffer) => {
        said = (said + bytes.toString("utf8")).slice(-COMPLAINT_BYTES);
      });
      const how = await endOf(child);
      this.#running.delete(name);
      if (signal.aborted) return;
      this.#ended(name, `${how}${said === "" ? "" : `: ${said.trim()}`}`);
      await sleep(RESTART_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function endOf(child: ChildProcess): Promise<string> {
  try {
    const [code, killedBy] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return killedBy === null ? `ended with exit code ${code}` : `was ended by ${killedBy}`;
  } catch (cause) {
    return `can't be started: ${String((cause as NodeJS.ErrnoException).code)}`;
  }
}
