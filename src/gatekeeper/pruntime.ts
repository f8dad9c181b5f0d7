/** A pRuntime that this process has started, as its host: what it is asked, and what it answers. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { GatekeeperError } from "../errors.ts";
import { readFrames, writeFrame } from "../frames.ts";
import {
  type Answer,
  BOUNDARY_VERSION,
  EXIT_REPLACED,
  FRAME_BYTES_MAX,
  type Reply,
  type Request,
  type RotationProgress,
  decodeReply,
  encodeRequest,
} from "../pruntime/boundary.ts";

/** The value that a request of this tag has, and its answer. */
type ValueOf<T extends Request["tag"]> = Extract<Request, { readonly tag: T }>["value"];
type AnswerTo<T extends Request["tag"]> = Extract<Answer, { readonly tag: T }>["value"];

/** How a pRuntime is started. */
export interface PRuntimeOptions {
  /** Its home. */
  readonly home: string;
  /** A descriptor that it may read a passphrase from; this process does not. */
  readonly passphrase?: number;
}

/** How a request is waited for. */
export interface AskOptions {
  /** Asks the pRuntime to stop; it says itself what comes of that. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RotationProgress) => void;
}

/** A request without its answer. */
interface Asked {
  readonly request: Request;
  readonly onProgress: ((progress: RotationProgress) => void) | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts with the first request, and again with the next one after it has replaced itself. Dispose ends it. */
export class PRuntime implements AsyncDisposable {
  readonly #options: PRuntimeOptions;
  #connection: Connection | null = null;
  #closed = false;

  constructor(options: PRuntimeOptions) {
    this.#options = options;
  }

  /**
   * Asks for something.
   * @throws GatekeeperError what the pRuntime answers with; PRUNTIME_UNAVAILABLE when it can't be started, or ends.
   */
  async ask<T extends Request["tag"]>(tag: T, value: ValueOf<T>, options: AskOptions = {}): Promise<AnswerTo<T>> {
    const request = { tag, value } as Request;
    const { signal, onProgress } = options;
    let cancel = (): void => undefined;
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        const asked: Asked = { request, onProgress, resolve, reject };
        this.#send(asked);
        cancel = () => this.#connection?.cancel(asked);
        if (signal?.aborted) cancel();
        signal?.addEventListener("abort", cancel, { once: true });
      });
      if (answer.tag !== tag) throw unavailable(`it answered ${tag} with ${answer.tag}`);
      return answer.value as AnswerTo<T>;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#connection?.close();
  }

  #send(asked: Asked): void {
    if (this.#closed) {
      asked.reject(unavailable("it was closed"));
    } else {
      this.#connection ??= this.#connect();
      this.#connection.send(asked);
    }
  }

  #connect(): Connection {
    const connection = new Connection(startProcess(this.#options), (exitCode, unanswered) => {
      if (this.#connection === connection) this.#connection = null;
      // What it had not answered when it replaced itself, it had not begun.
      const again = exitCode === EXIT_REPLACED && !this.#closed;
      for (const asked of unanswered) {
        if (again) this.#send(asked);
        else asked.reject(unavailable(exitCode === null ? "it was killed" : `it ended with exit code ${exitCode}`));
      }
    });
    return connection;
  }
}

/** One process, from its start to its end. */
class Connection {
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, Asked>();
  #next = 0;
  readonly #ended: Promise<void>;

  /** @param onEnd - given the exit code, null for a signal, and what was not answered. */
  constructor(child: ChildProcess, onEnd: (exitCode: number | null, unanswered: readonly Asked[]) => void) {
    this.#child = child;
    const exited = once(child, "exit").then(
      ([code]) => code as number | null,
      () => null,
    );
    // What is written to one that has ended is answered by its end.
    child.stdin!.on("error", () => undefined);
    this.#ended = this.#read()
      .catch(() => void child.kill("SIGKILL"))
      .then(() => exited)
      .then((code) => onEnd(code, [...this.#asked.values()]));
    const ready = (): void => undefined;
    this.send({
      request: { tag: "hello", value: [BOUNDARY_VERSION] },
      onProgress: undefined,
      resolve: ready,
      reject: ready,
    });
  }

  send(asked: Asked): void {
    const id = this.#next++;
    this.#asked.set(id, asked);
    try {
      void writeFrame(this.#child.stdin!, encodeRequest({ id, body: asked.request }));
    } catch (error) {
      // Nothing went out: its number is still free.
      this.#asked.delete(id);
      this.#next--;
      asked.reject(error);
    }
  }

  cancel(asked: Asked): void {
    for (const [id, other] of this.#asked) {
      if (other !== asked) continue;
      const ready = (): void => undefined;
      this.send({ request: { tag: "cancel", value: id }, onProgress: undefined, resolve: ready, reject: ready });
    }
  }

  async close(): Promise<void> {
    this.#child.stdin!.end();
    await this.#ended;
  }

  /** @throws when what comes breaks the rules of the boundary. */
  async #read(): Promise<void> {
    for await (const frame of readFrames(this.#child.stdout!, FRAME_BYTES_MAX)) {
      const reply = typeof frame === "symbol" ? null : decodeReply(frame);
      const asked = reply === null ? undefined : this.#asked.get(reply.id);
      if (reply === null || asked === undefined) throw unavailable("what it says breaks the rules of the boundary");
      this.#settle(reply.id, asked, reply.body);
    }
  }

  #settle(id: number, { onProgress, resolve, reject }: Asked, reply: Reply): void {
    if (reply.tag !== "progress") this.#asked.delete(id);
    if (reply.tag === "progress") onProgress?.(reply.value);
    else if (reply.tag === "done") resolve(reply.value);
    else reject(GatekeeperError.fromWire(reply.value));
  }
}

/** Its environment is empty, its core limit 0, and it takes no signal for a request to be debugged. */
function startProcess({ home, passphrase }: PRuntimeOptions): ChildProcess {
  const program = fileURLToPath(new URL(`../pruntime/pruntime${extname(import.meta.url)}`, import.meta.url));
  const node = [process.execPath, "--disable-sigusr1", program, "--home", home];
  const [command, ...argv] =
    process.platform === "win32" ? node : ["/bin/sh", "-c", 'ulimit -c 0; exec "$0" "$@"', ...node];
  return spawn(command!, argv, { env: {}, stdio: ["pipe", "pipe", "inherit", passphrase ?? "ignore"] });
}

function unavailable(why: string): GatekeeperError {
  return new GatekeeperError("PRUNTIME_UNAVAILABLE", `the pRuntime can't be used: ${why}`);
}
