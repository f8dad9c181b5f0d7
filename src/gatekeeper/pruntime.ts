/** A pRuntime, as its host has it: what it is asked, and what it answers. */
import { GatekeeperError } from "../errors.ts";
import { readFrames, writeFrame } from "../frames.ts";
import {
  type Answer,
  BOUNDARY_VERSIONS,
  EXIT_REPLACED,
  FRAME_BYTES_MAX,
  NO_REQUEST,
  type Reply,
  type Request,
  type RotationProgress,
  decodeReply,
  encodeRequest,
} from "../pruntime/boundary.ts";
import type { SocketAddress } from "../socket-address.ts";
import { type PRuntimeLink, socketLink, startedLink } from "./pruntime-link.ts";

/** The value that a request of this tag has, and its answer. */
type ValueOf<T extends Request["tag"]> = Extract<Request, { readonly tag: T }>["value"];
type AnswerTo<T extends Request["tag"]> = Extract<Answer, { readonly tag: T }>["value"];

/** A pRuntime that is started, or one that is listening elsewhere. */
export type PRuntimeOptions =
  | {
      readonly home: string;
      /** What keeps its sealing key: a dstack agent at this socket; a key file if it is left out. */
      readonly dstack?: string;
      /** Whether the key file is under a passphrase. */
      readonly underPassphrase?: boolean;
      /** Files of the network's store and of the one that a migration goes to; one in the home if they are left out. */
      readonly stores?: readonly string[];
      /** Threads that rotate. */
      readonly threads?: number;
      /** Megabytes a second that a rotation reads there, at most. */
      readonly rate?: number;
      /** A descriptor that it may read a passphrase from; this process does not. */
      readonly passphrase?: number;
    }
  | { readonly address: SocketAddress };

/** How a request is waited for. */
export interface AskOptions {
  /** Asks the pRuntime to stop; it says itself what comes of that. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RotationProgress) => void;
}

/** Number of the first request, which says which versions this host speaks. */
const HELLO = 0;

/** A request without its answer. */
interface Asked {
  readonly request: Request;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: RotationProgress) => void) | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** Begins with the first request, and again with the next one after it has replaced itself. Dispose ends it. */
export class PRuntime implements AsyncDisposable {
  readonly #options: PRuntimeOptions;
  #connection: Connection | null = null;
  #closed = false;
  #begun = 0;
  #ended: GatekeeperError | null = null;

  constructor(options: PRuntimeOptions) {
    this.#options = options;
  }

  /** How often it began: who has asked a pRuntime for something that it remembers sees by this that it is another now. */
  get begun(): number {
    return this.#begun;
  }

  /** Why it ended, PRUNTIME_UNAVAILABLE; null while one is there or about to be, and before the first. */
  get ended(): GatekeeperError | null {
    return this.#ended;
  }

  /**
   * Asks for something.
   * @throws GatekeeperError what the pRuntime answers with; PRUNTIME_UNAVAILABLE when it can't be reached, or ends.
   */
  async ask<T extends Request["tag"]>(tag: T, value: ValueOf<T>, options: AskOptions = {}): Promise<AnswerTo<T>> {
    const request = { tag, value } as Request;
    const { signal, onProgress } = options;
    let cancel = (): void => undefined;
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        const asked: Asked = { request, signal, onProgress, resolve, reject };
        this.#send(asked);
        cancel = () => this.#connection?.cancel(asked);
        signal?.addEventListener("abort", cancel, { once: true });
      });
      if (answer.tag !== tag) throw unavailable(`it answered ${tag} with ${answer.tag}`);
      return answer.value as AnswerTo<T>;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Waits until it is there: what is asked then is not held up by its start. @throws as `ask` does. */
  async start(): Promise<void> {
    // Nothing has this number: nothing is done.
    await this.ask("cancel", NO_REQUEST);
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
    this.#begun++;
    this.#ended = null;
    const connection = new Connection(linkOf(this.#options), (ended, unanswered) => {
      const error = unavailable(typeof ended === "number" ? `it ended with exit code ${ended}` : ended);
      if (this.#connection === connection) {
        this.#connection = null;
        this.#ended = error;
      }
      // What it had not answered when it replaced itself, it had not begun.
      const again = ended === EXIT_REPLACED && !this.#closed;
      for (const asked of unanswered) {
        if (again) this.#send(asked);
        else asked.reject(error);
      }
    });
    return connection;
  }
}

/** One connection, from its beginning to its end. */
class Connection {
  readonly #link: PRuntimeLink;
  /** What is not answered yet; null where nobody waits for the answer. */
  readonly #asked = new Map<number, Asked | null>();
  #next = 0;
  readonly #ended: Promise<void>;

  /** @param onEnd - given how it ended, and what was not answered. */
  constructor(link: PRuntimeLink, onEnd: (ended: number | string, unanswered: readonly Asked[]) => void) {
    this.#link = link;
    // What is written to one that has ended is answered by its end.
    link.output.on("error", () => undefined);
    this.#ended = this.#readToEnd().then((ended) =>
      onEnd(
        ended,
        [...this.#asked.values()].filter((asked) => asked !== null),
      ),
    );
    this.#write({ tag: "hello", value: BOUNDARY_VERSIONS }, null);
  }

  send(asked: Asked): void {
    try {
      this.#write(asked.request, asked);
    } catch (error) {
      asked.reject(error);
      return;
    }
    if (asked.signal?.aborted) this.cancel(asked);
  }

  cancel(asked: Asked): void {
    for (const [id, other] of this.#asked) if (other === asked) this.#write({ tag: "cancel", value: id }, null);
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.#ended;
  }

  /** @throws GatekeeperError INVALID_ARGUMENT when it is out of its bounds; then nothing goes out, and no number is used. */
  #write(request: Request, asked: Asked | null): void {
    const payload = encodeRequest({ id: this.#next, body: request });
    this.#asked.set(this.#next++, asked);
    writeFrame(this.#link.output, payload).catch(() => undefined);
  }

  /** @returns how it ended. */
  async #readToEnd(): Promise<number | string> {
    try {
      for await (const frame of readFrames(this.#link.input, FRAME_BYTES_MAX)) {
        const reply = typeof frame === "symbol" ? null : decodeReply(frame);
        const asked = reply === null ? undefined : this.#asked.get(reply.id);
        if (reply === null || asked === undefined)
          return await this.#end("what it says breaks the rules of the boundary");
        if (reply.id === HELLO && reply.body.tag === "failed") return await this.#end(reply.body.value.message);
        if (reply.id === HELLO && !isOffered(reply.body))
          return await this.#end("it speaks a version that was not offered");
        this.#settle(reply.id, asked, reply.body);
      }
    } catch {
      this.#link.kill();
    }
    return await this.#link.ended;
  }

  async #end(why: string): Promise<string> {
    this.#link.kill();
    await this.#link.ended;
    return why;
  }

  #settle(id: number, asked: Asked | null, reply: Reply): void {
    if (reply.tag !== "progress") this.#asked.delete(id);
    if (reply.tag === "progress") asked?.onProgress?.(reply.value);
    else if (reply.tag === "done") asked?.resolve(reply.value);
    else asked?.reject(GatekeeperError.fromWire(reply.value));
  }
}

/** Whether the answer to hello is one of the versions that are spoken here. */
function isOffered(reply: Reply): boolean {
  return reply.tag === "done" && reply.value.tag === "hello" && BOUNDARY_VERSIONS.includes(reply.value.value);
}

function linkOf(options: PRuntimeOptions): PRuntimeLink {
  if ("address" in options) return socketLink(options.address);
  const { home, dstack, underPassphrase, passphrase, stores, threads, rate } = options;
  const argv = ["--home", home];
  for (const file of stores ?? []) argv.push("--store", file);
  if (threads !== undefined) argv.push("--threads", String(threads));
  if (rate !== undefined) argv.push("--rate", String(rate));
  if (dstack !== undefined) argv.push("--dstack", dstack);
  if (underPassphrase === true) argv.push("--passphrase");
  return startedLink(argv, passphrase ?? null);
}

function unavailable(why: string): GatekeeperError {
  return new GatekeeperError("PRUNTIME_UNAVAILABLE", `the pRuntime can't be used: ${why}`);
}
